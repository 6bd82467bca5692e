//! The story as data: what is done, by whom, what must come back, and why.
//!
//! It follows the sample that people start from with Okta: a service app, Bearer first, then DPoP; and
//! goes on to what a thief can do with each.

use keybound::Rule;

/// A chapter of the story.
pub(super) struct Part {
    pub(super) title: &'static str,
    pub(super) steps: &'static [Step],
}

/// One act and what it must lead to.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) act: Act,
    pub(super) expected: Expected,
    /// Why this comes back. The rule of a refusal is added to it.
    pub(super) why: &'static str,
}

/// Whose keys are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    App,
    Thief,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// An administrator registers the app with its public key, DPoP not required.
    RegisterApp,
    /// An administrator switches "Require DPoP" on; the app has made a key for its proofs.
    RequireDpop,
    /// The app asks the token endpoint.
    AskForToken(TokenProof),
    /// Someone calls the management API.
    Call(Call),
}

/// What proves that the sender of a token request holds the DPoP key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenProof {
    None,
    /// A proof with the newest nonce that the server gave, if it gave one.
    Fresh,
}

/// A management API call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) by: Actor,
    pub(super) target: Target,
    pub(super) credential: Credential,
    pub(super) proof: CallProof,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The page of users that everybody in the story wants.
    Users,
    /// The first user of that page.
    FirstUser,
}

/// A token, and the scheme that it is sent under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// The token that is bound to nothing, under Bearer.
    UnboundAsBearer,
    /// The token that is bound to the app's key, under Bearer.
    BoundAsBearer,
    /// The token that is bound to the app's key, under DPoP.
    BoundAsDpop,
}

/// The proof that goes with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallProof {
    None,
    /// Made for this call by the caller's own key.
    Fresh,
    /// The one of the last call that was accepted, copied from the wire.
    Captured,
}

/// What must come back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// The administrator's act succeeds.
    Done,
    /// 200 with a token of this type; a DPoP one is bound to the app's key (`cnf.jkt`).
    Token { token_type: &'static str },
    /// 200 with users.
    Users,
    /// A refusal with this status and OAuth error code, by this rule.
    Refused { status: u16, error: &'static str, rule: Rule },
}

pub(super) const STORY: &[Part] = &[
    Part {
        title: "A Bearer token: whoever has it may use it",
        steps: &[
            Step {
                title: "An administrator registers a service app with the public half of its client key",
                act: Act::RegisterApp,
                expected: Expected::Done,
                why: "The private half never leaves the app. \"Require DPoP\" is off for now.",
            },
            Step {
                title: "The app asks for a token, and signs who it is with its client key",
                act: Act::AskForToken(TokenProof::None),
                expected: Expected::Token { token_type: "Bearer" },
                why: "The org verifies the client assertion with the registered key (RFC 7523 section 2.2) and \
                      grants the scope that an administrator gave to the app.",
            },
            Step {
                title: "The app lists users with the token",
                act: call(Actor::App, Target::Users, Credential::UnboundAsBearer, CallProof::None),
                expected: Expected::Users,
                why: "The token is current and has the scope okta.users.read.",
            },
            Step {
                title: "A thief has copied the token from a log, and lists users too",
                act: call(Actor::Thief, Target::Users, Credential::UnboundAsBearer, CallProof::None),
                expected: Expected::Users,
                why: "Nothing tells the thief from the app: any party in possession of a Bearer token can use \
                      it (RFC 6750 section 1.2).",
            },
        ],
    },
    Part {
        title: "A key-bound token: of use to the holder of one key",
        steps: &[
            Step {
                title: "The administrator switches \"Require DPoP\" on; the app makes a second key, for proofs",
                act: Act::RequireDpop,
                expected: Expected::Done,
                why: "The two keys are separate: one says who the app is, the other is what tokens are bound to.",
            },
            Step {
                title: "The app asks for a token as before, without a proof",
                act: Act::AskForToken(TokenProof::None),
                expected: Expected::Refused {
                    status: 400,
                    error: "invalid_dpop_proof",
                    rule: Rule::ProofRequired,
                },
                why: "This app gets no unbound token any more.",
            },
            Step {
                title: "The app asks with a proof of its DPoP key",
                act: Act::AskForToken(TokenProof::Fresh),
                expected: Expected::Refused { status: 400, error: "use_dpop_nonce", rule: Rule::ServerNonce },
                why: "The proof is good, but could have been made long ago and kept. The org gives a nonce: a \
                      proof that has it was made after the org gave it.",
            },
            Step {
                title: "The app asks again: a new proof with the nonce, a new client assertion",
                act: Act::AskForToken(TokenProof::Fresh),
                expected: Expected::Token { token_type: "DPoP" },
                why: "The token names the thumbprint of the app's DPoP key in cnf.jkt \
                      (RFC 9449 section 6.1): it is of no use without that key.",
            },
            Step {
                title: "The app lists users with the token and a proof for this very request",
                act: call(Actor::App, Target::Users, Credential::BoundAsDpop, CallProof::Fresh),
                expected: Expected::Users,
                why: "The proof is for this method (htm), this address (htu) and this token (ath), and its key is \
                      the token's (RFC 9449 section 7.1).",
            },
        ],
    },
    Part {
        title: "The thief again, who has copied the token and everything else on the wire",
        steps: &[
            Step {
                title: "The thief sends the token as a Bearer token",
                act: call(Actor::Thief, Target::Users, Credential::BoundAsBearer, CallProof::None),
                expected: Expected::Refused {
                    status: 401,
                    error: "invalid_token",
                    rule: Rule::SchemeFitsBinding,
                },
                why: "Dropping the proof must not drop the protection.",
            },
            Step {
                title: "The thief sends the token under the DPoP scheme, without a proof",
                act: call(Actor::Thief, Target::Users, Credential::BoundAsDpop, CallProof::None),
                expected: Expected::Refused {
                    status: 401,
                    error: "invalid_dpop_proof",
                    rule: Rule::ProofRequired,
                },
                why: "A key-bound token without a proof proves nothing.",
            },
            Step {
                title: "The thief makes a proof with a key of their own",
                act: call(Actor::Thief, Target::Users, Credential::BoundAsDpop, CallProof::Fresh),
                expected: Expected::Refused { status: 401, error: "invalid_token", rule: Rule::KeyBinding },
                why: "The proof is without fault, but its key is not the one in the token's cnf.jkt.",
            },
            Step {
                title: "The thief replays the app's request, token and proof, byte by byte",
                act: call(Actor::Thief, Target::Users, Credential::BoundAsDpop, CallProof::Captured),
                expected: Expected::Refused { status: 401, error: "invalid_dpop_proof", rule: Rule::Replay },
                why: "The org remembers the jti of every proof for as long as the proof is fresh.",
            },
            Step {
                title: "The thief uses the captured proof for another address",
                act: call(Actor::Thief, Target::FirstUser, Credential::BoundAsDpop, CallProof::Captured),
                expected: Expected::Refused {
                    status: 401,
                    error: "invalid_dpop_proof",
                    rule: Rule::TargetUri,
                },
                why: "htu names what the app asked for, and changing it breaks the signature.",
            },
            Step {
                title: "The app goes on working: the same token, a new proof",
                act: call(Actor::App, Target::FirstUser, Credential::BoundAsDpop, CallProof::Fresh),
                expected: Expected::Users,
                why: "The theft has cost nothing: no token had to be revoked, no key changed.",
            },
        ],
    },
];

const fn call(by: Actor, target: Target, credential: Credential, proof: CallProof) -> Act {
    Act::Call(Call { by, target, credential, proof })
}
