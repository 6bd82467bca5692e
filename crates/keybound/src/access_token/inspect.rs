//! Every rule for an access token that is a JWT, one by one, for a person who wants to know all that is wrong with it
//! (RFC 9068 section 4, RFC 9449 section 6.1).

use super::{AccessTokenPolicy, AccessTokenRefusal};
use crate::decoded_jwt::DecodedJwt;
use crate::inspection::{ANY_TIME, Outcome, Refusals};
use crate::jwk_set::JwkSet;
use crate::numeric_date::NumericDate;

/// What RFC 9068 asks for is one rule to a resource; a person wants to know which part of it is broken.
/// In the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Part {
    /// A well-formed compact JWS over strict JSON, with the claims that it must have.
    WellFormed,
    /// `typ` is `at+jwt`.
    Type,
    /// `alg` is the issuer's.
    Algorithm,
    /// `cnf.jkt` is a thumbprint.
    Binding,
    /// `iss` is the issuer.
    Issuer,
    /// `aud` names the resource.
    Audience,
    /// `exp`, `nbf` and `iat`.
    Times,
    /// The signature verifies.
    Signature,
    /// It was not revoked.
    Standing,
}

impl Part {
    /// All of them, in their order.
    pub const ALL: [Self; 9] = [
        Self::WellFormed,
        Self::Type,
        Self::Algorithm,
        Self::Binding,
        Self::Issuer,
        Self::Audience,
        Self::Times,
        Self::Signature,
        Self::Standing,
    ];

    /// Where it stands.
    pub const fn source(self) -> &'static str {
        self.texts().0
    }

    /// What it asks for, in one sentence.
    pub const fn requirement(self) -> &'static str {
        self.texts().1
    }

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::WellFormed => {
                ("RFC 7519 section 7.2", "an access token is one well-formed compact JWS over strict JSON")
            }
            Self::Type => ("RFC 9068 section 4", "typ is at+jwt"),
            Self::Algorithm => {
                ("RFC 8725 section 3.1", "alg is an asymmetric algorithm that the issuer uses")
            }
            Self::Issuer => {
                ("RFC 9068 section 4", "iss is the authorization server that the resource trusts")
            }
            Self::Audience => ("RFC 9068 section 4", "aud names the resource"),
            Self::Times => ("RFC 9068 section 4", "the token is current by exp, nbf and iat"),
            Self::Binding => {
                ("RFC 9449 section 6.1", "cnf.jkt is the thumbprint of the key that the token is bound to")
            }
            Self::Signature => ("RFC 9068 section 4", "the signature verifies with a key of the issuer"),
            Self::Standing => ("RFC 7009 section 2", "the token was not revoked"),
        }
    }

    /// The one that a refusal is about.
    pub const fn of(refusal: &AccessTokenRefusal) -> Self {
        match refusal {
            AccessTokenRefusal::WrongType => Self::Type,
            AccessTokenRefusal::UnusableAlgorithm(_) | AccessTokenRefusal::AlgorithmNotAllowed { .. } => {
                Self::Algorithm
            }
            AccessTokenRefusal::WrongIssuer { .. } => Self::Issuer,
            AccessTokenRefusal::WrongAudience { .. } => Self::Audience,
            AccessTokenRefusal::Expired { .. } | AccessTokenRefusal::FromFuture { .. } => Self::Times,
            AccessTokenRefusal::UnusableConfirmation => Self::Binding,
            AccessTokenRefusal::NoSuchKey { .. } | AccessTokenRefusal::WrongSignature => Self::Signature,
            AccessTokenRefusal::Revoked | AccessTokenRefusal::Inactive => Self::Standing,
            AccessTokenRefusal::Unreadable(_)
            | AccessTokenRefusal::CriticalExtensions
            | AccessTokenRefusal::Member(_) => Self::WellFormed,
        }
    }
}

/// One part of the rule, and how a token stands by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The part.
    pub part: Part,
    /// How the token stands by it.
    pub outcome: Outcome<AccessTokenRefusal>,
}

/// Holds `token` to every rule. What is not known is not checked: the issuer and the names of the resource, where the
/// policy has none, and the issuer's `keys`. Whether it was revoked is never known here.
pub fn inspect(
    policy: &AccessTokenPolicy,
    token: &str,
    keys: Option<&JwkSet>,
    now: NumericDate,
) -> Vec<Finding> {
    let decoded = DecodedJwt::decode(token);
    let refusals = refusals(policy, token, &decoded, keys, now);
    let outcome = |part: Part| {
        if let Some(refusal) = refusals.all.iter().find(|refusal| Part::of(refusal) == part) {
            return Outcome::Failed(refusal.clone());
        }
        match not_checked(part, policy, &decoded, keys.is_some(), &refusals) {
            Some(reason) => Outcome::NotChecked(reason),
            None => Outcome::Passed,
        }
    };
    Part::ALL.into_iter().map(|part| Finding { part, outcome: outcome(part) }).collect()
}

fn refusals(
    policy: &AccessTokenPolicy,
    token: &str,
    decoded: &DecodedJwt,
    keys: Option<&JwkSet>,
    now: NumericDate,
) -> Refusals<AccessTokenRefusal> {
    let own_issuer = || decoded.text_claim("iss").unwrap_or_default().to_owned();
    let mut policy = policy.clone();
    // What is not known is taken from the token, and told to be not checked.
    if policy.issuer.is_empty() {
        policy.issuer = own_issuer();
    }
    if policy.audiences.is_empty() {
        policy.audiences = decoded.audiences();
    }
    let none = JwkSet::from_keys(Vec::new());
    let check = |policy: &AccessTokenPolicy| {
        let verified = policy.verify(token, keys.unwrap_or(&none), now);
        // Without keys the check can only come as far as the signature.
        let needs_keys = |refusal: &_| matches!(refusal, AccessTokenRefusal::NoSuchKey { .. });
        verified.err().filter(|refusal| keys.is_some() || !needs_keys(refusal))
    };
    let relax = |policy: &mut AccessTokenPolicy, refusal: &AccessTokenRefusal| {
        match Part::of(refusal) {
            Part::Type => policy.accept_untyped_tokens = true,
            Part::Issuer => policy.issuer = own_issuer(),
            Part::Audience => policy.audiences = decoded.audiences(),
            Part::Times => policy.leeway = ANY_TIME,
            _ => return false,
        }
        true
    };
    Refusals::find(&mut policy, check, relax)
}

fn not_checked(
    part: Part,
    policy: &AccessTokenPolicy,
    decoded: &DecodedJwt,
    has_keys: bool,
    refusals: &Refusals<AccessTokenRefusal>,
) -> Option<&'static str> {
    let stopped_at = refusals.all.last().filter(|_| refusals.stopped).map(Part::of);
    match part {
        Part::Standing => Some("only the issuer can tell"),
        Part::Signature if !has_keys => Some("the issuer's keys are not known"),
        Part::Issuer if policy.issuer.is_empty() => Some("the issuer that the resource trusts is not known"),
        Part::Audience if policy.audiences.is_empty() => Some("what the resource calls itself is not known"),
        _ if stopped_at.is_some_and(|stop| stop < part) => Some("another rule is broken"),
        Part::Binding if decoded.claim("cnf").is_none() => {
            Some("the token has no cnf: it is a bearer token, of use to whoever has it")
        }
        _ => None,
    }
}
