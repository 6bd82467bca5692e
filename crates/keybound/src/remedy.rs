//! What whoever broke a rule is to change.

use crate::rule::Rule;

impl Rule {
    /// What the sender of a request that breaks the rule is to do, in a sentence or two.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::OneProof => {
                "Send one DPoP header field with one proof, and have no intermediary add another."
            }
            Self::WellFormedProof => {
                "Make the proof with a JWS library: compact serialisation, base64url without padding, JSON whose members have distinct names."
            }
            Self::ProofSize => {
                "Leave out of the proof what it need not have, certificates for one, and make its jti a short random text."
            }
            Self::ProofClaims => {
                "Put jti, htm and htu into the proof as strings, and iat as a number of seconds since 1970."
            }
            Self::ProofType => "Set typ in the proof's header to dpop+jwt.",
            Self::ProofAlgorithm => {
                "Sign proofs with an algorithm of the server's dpop_signing_alg_values_supported; ES256 is always a good choice."
            }
            Self::ProofSignature => {
                "Sign the proof with the private key whose public half is the jwk in its header, over the header and claims as they are sent."
            }
            Self::PublicKeyOnly => {
                "Put the public half of the key into jwk, without d. The key that was sent is known to others now: make another."
            }
            Self::KeyQuality => "Make a new key: P-256 for ES256, or RSA with 2048 bits or more.",
            Self::KeyUse => {
                "Use a key that is of the type of alg, and whose use, alg and key_ops allow signatures."
            }
            Self::Method => "Make a proof for each request, with htm the method that is sent, in capitals.",
            Self::TargetUri => {
                "Make a proof for each request, with htu the URL that is sent, without query and fragment. Behind a proxy it is the URL that the client sees."
            }
            Self::ServerNonce => {
                "Take the nonce from the DPoP-Nonce field of this answer, put it into the claim nonce of a new proof, and send the request again with it."
            }
            Self::Freshness => {
                "Make the proof right before it is sent, and set the clock of the client right, or correct iat by the Date field of the server's answers."
            }
            Self::ProofExpiry => "Leave exp and nbf out of proofs: iat is enough.",
            Self::AccessTokenHash => {
                "Set ath to the SHA-256 of the access token that is sent, in base64url without padding. A renewed token has another."
            }
            Self::KeyBinding => {
                "Sign the proof with the key that was used when the token was asked for. A client that made a new key needs a new token."
            }
            Self::CriticalExtensions => "Leave crit out of the header.",
            Self::Replay => {
                "Make a new proof, with a fresh jti, for every request, also when one is sent again. If the client did so, somebody else has sent its proof."
            }
            Self::ProofRequired => {
                "Send a DPoP header field with a proof along with the request, or let the app do without (dpop_bound_access_tokens)."
            }
            Self::OneCredential => {
                "Send the access token in one Authorization header field, and nowhere else."
            }
            Self::CredentialsRequired => {
                "Send the access token: Authorization: DPoP, a space and the token, with a proof in the DPoP field."
            }
            Self::Scheme => "Write DPoP, a space and the access token into the Authorization field.",
            Self::SchemeFitsBinding => {
                "Send a token with cnf.jkt as Authorization: DPoP with a proof, and one without as Authorization: Bearer."
            }
            Self::AccessToken => {
                "Get a new access token from this server's own token endpoint, for this resource, and use it before it expires."
            }
            Self::Scope => {
                "Grant the scope to the app, ask for it in the token request, and call with the new token."
            }
            Self::Route => "Correct the path or the method, or add a route to the resource's policy.",
            Self::WellFormedAssertion => {
                "Make the assertion with a JWT library: a compact JWS of type JWT with iss, sub, aud and exp, of the right types."
            }
            Self::AssertionClient => {
                "Set both iss and sub of the assertion to the client id of the app, as it is registered here, and see that the app is active."
            }
            Self::AssertionAudience => "Set aud of the assertion to the URL of this server's token endpoint.",
            Self::AssertionTimes => {
                "Set exp to a few minutes from now, an hour at most, iat to now, both in seconds; and set the client's clock right."
            }
            Self::AssertionSignature => {
                "Register the public half of the key that signs at the app, and name it by its kid in the assertion's header; or sign with a key that is registered."
            }
            Self::AssertionSingleUse => "Make a new assertion, with a fresh jti, for every token request.",
        }
    }
}
