//! The rules that requests, proofs and tokens are held to, each with its source.
//!
//! Every refusal names the rule that was broken, so that whoever meets it can read the sentence of the
//! specification behind it, and a test can say which rule it checks.

use std::fmt;

/// One rule of one specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// At most one `DPoP` header field.
    OneProof,
    /// A well-formed compact JWS over strict JSON.
    WellFormedProof,
    /// A bounded size.
    ProofSize,
    /// The claims `jti`, `htm`, `htu`, `iat`, of the right types.
    ProofClaims,
    /// `typ` is `dpop+jwt`.
    ProofType,
    /// `alg` is asymmetric and allowed.
    ProofAlgorithm,
    /// The signature verifies.
    ProofSignature,
    /// `jwk` is a public key.
    PublicKeyOnly,
    /// `htm` is the request's method.
    Method,
    /// `htu` is the request's URI.
    TargetUri,
    /// `nonce` is one that this server gave.
    ServerNonce,
    /// `iat` is within the window.
    Freshness,
    /// `ath` is the access token's hash.
    AccessTokenHash,
    /// The token is bound to the proof's key.
    KeyBinding,
    /// No critical extensions.
    CriticalExtensions,
    /// `exp` and `nbf`, where a proof has them.
    ProofExpiry,
    /// The key is strong enough and a valid one.
    KeyQuality,
    /// The key may be used for this algorithm's signatures.
    KeyUse,
    /// `jti` was not seen before.
    Replay,
    /// A proof comes with the request for a key-bound token, and with every request that presents one.
    ProofRequired,
    /// One `Authorization` header field with one well-formed credential.
    OneCredential,
    /// Credentials are there.
    CredentialsRequired,
    /// The scheme is one that this resource takes.
    Scheme,
    /// A bound token is sent under the DPoP scheme, an unbound one is not.
    SchemeFitsBinding,
    /// The token is well-formed, current and meant for this resource.
    AccessToken,
    /// The token carries the scope.
    Scope,
    /// A route of the resource's policy covers the request.
    Route,
    /// The client assertion is well-formed.
    WellFormedAssertion,
    /// `iss` and `sub` of the client assertion are the client.
    AssertionClient,
    /// `aud` of the client assertion is this server.
    AssertionAudience,
    /// The client assertion's times.
    AssertionTimes,
    /// The client assertion is signed by a key of the client.
    AssertionSignature,
    /// The client assertion is used once.
    AssertionSingleUse,
}

impl Rule {
    /// The rules for a proof, in the order of RFC 9449 section 4.3.
    pub const PROOF: [Self; 19] = [
        Self::OneProof,
        Self::ProofSize,
        Self::WellFormedProof,
        Self::CriticalExtensions,
        Self::ProofClaims,
        Self::ProofType,
        Self::ProofAlgorithm,
        Self::ProofSignature,
        Self::PublicKeyOnly,
        Self::KeyQuality,
        Self::KeyUse,
        Self::Method,
        Self::TargetUri,
        Self::ServerNonce,
        Self::Freshness,
        Self::ProofExpiry,
        Self::AccessTokenHash,
        Self::KeyBinding,
        Self::Replay,
    ];

    /// Where the rule stands (`RFC 9449 section 4.3, check 9`).
    pub const fn source(self) -> &'static str {
        self.texts().0
    }

    /// What the rule asks for, in one sentence.
    pub const fn requirement(self) -> &'static str {
        self.texts().1
    }

    #[expect(clippy::too_many_lines, reason = "a table with a row for each rule")]
    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::OneProof => {
                ("RFC 9449 section 4.3, check 1", "a request has one DPoP header field with one proof")
            }
            Self::WellFormedProof => {
                ("RFC 9449 section 4.3, check 2", "a proof is one well-formed compact JWS over strict JSON")
            }
            Self::ProofSize => ("RFC 9449 section 11.1", "a proof and its jti are bounded in size"),
            Self::ProofClaims => (
                "RFC 9449 section 4.3, check 3",
                "a proof has the claims jti, htm, htu and iat, of the right types",
            ),
            Self::ProofType => ("RFC 9449 section 4.3, check 4", "typ is dpop+jwt"),
            Self::ProofAlgorithm => {
                ("RFC 9449 section 4.3, check 5", "alg is an asymmetric algorithm that this server allows")
            }
            Self::ProofSignature => {
                ("RFC 9449 section 4.3, check 6", "the signature verifies with the key in the header's jwk")
            }
            Self::PublicKeyOnly => {
                ("RFC 9449 section 4.3, check 7", "jwk is a public key without private members")
            }
            Self::Method => ("RFC 9449 section 4.3, check 8", "htm is the method of the request"),
            Self::TargetUri => {
                ("RFC 9449 section 4.3, check 9", "htu is the URI of the request without query and fragment")
            }
            Self::ServerNonce => {
                ("RFC 9449 section 4.3, check 10", "nonce is one that this server gave, and current")
            }
            Self::Freshness => {
                ("RFC 9449 section 4.3, check 11", "iat is within the window that this server accepts")
            }
            Self::AccessTokenHash => {
                ("RFC 9449 section 4.3, check 12", "ath is the SHA-256 of the access token in base64url")
            }
            Self::KeyBinding => (
                "RFC 9449 section 4.3, check 12",
                "the proof's key is the one that the access token is bound to",
            ),
            Self::CriticalExtensions => (
                "RFC 7515 section 4.1.11",
                "a JWS with critical extensions that are not understood is refused",
            ),
            Self::ProofExpiry => {
                ("RFC 7519 sections 4.1.4 and 4.1.5", "exp and nbf are honoured where they are there")
            }
            Self::KeyQuality => (
                "RFC 7518 sections 3.3 and 6",
                "an RSA key has 2048 to 8192 bits, an elliptic curve point is on its curve",
            ),
            Self::KeyUse => (
                "RFC 7517 sections 4.2 to 4.4",
                "alg, use and key_ops of a key do not contradict what it is used for",
            ),
            Self::Replay => {
                ("RFC 9449 section 11.1", "a jti is accepted once for a target within the window")
            }
            Self::ProofRequired => (
                "RFC 9449 sections 5 and 7.1",
                "a key-bound token is asked for, and presented, together with a DPoP proof",
            ),
            Self::OneCredential => (
                "RFC 6750 section 3.1",
                "a request carries one credential, in one Authorization header field",
            ),
            Self::CredentialsRequired => {
                ("RFC 9449 section 7.1", "a protected resource is called with an access token")
            }
            Self::Scheme => ("RFC 9449 section 7.1", "the authentication scheme is DPoP"),
            Self::SchemeFitsBinding => (
                "RFC 9449 section 7.2",
                "a key-bound token is sent under the DPoP scheme, and only a key-bound one is",
            ),
            Self::AccessToken => {
                ("RFC 9068 section 4", "an access token is authentic, current, and issued for this resource")
            }
            Self::Route => (
                "RFC 9110 section 15.5.5",
                "a route of the resource's policy covers the path and the method of the request",
            ),
            Self::Scope => ("RFC 6750 section 3.1", "an access token has the scope that the request needs"),
            Self::WellFormedAssertion => (
                "RFC 7523 section 3, rule 9",
                "a client assertion is one well-formed compact JWS over strict JSON",
            ),
            Self::AssertionClient => {
                ("RFC 7523 section 3, rules 1 and 2", "iss and sub of a client assertion are the client's id")
            }
            Self::AssertionAudience => {
                ("RFC 7523 section 3, rule 3", "aud of a client assertion names this authorization server")
            }
            Self::AssertionTimes => (
                "RFC 7523 section 3, rules 4 to 6",
                "a client assertion is current, and expires within the time that this server allows",
            ),
            Self::AssertionSignature => (
                "RFC 7523 section 3, rule 9",
                "a client assertion is signed with a key registered for the client",
            ),
            Self::AssertionSingleUse => {
                ("RFC 7523 section 3, rule 7", "the jti of a client assertion is accepted once")
            }
        }
    }
}

impl fmt::Display for Rule {
    /// The source, a colon, the requirement.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.source(), self.requirement())
    }
}
