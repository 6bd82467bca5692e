//! Why a proof is refused: a variant for each way to break a rule.

use crate::algorithm::Algorithm;
use crate::excerpt::{SENTENCE, excerpt};
use crate::htu::{TargetUri, TargetUriError};
use crate::json::MemberError;
use crate::jws::{HeaderAlgorithmError, JwsError};
use crate::key::KeyError;
use crate::nonce::NonceRefusal;
use crate::numeric_date::NumericDate;
use crate::rule::Rule;

use super::{MAX_JWT_ID_BYTES, PROOF_TYPE};

/// A rule that a proof breaks, with what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofRefusal {
    /// A proof is needed and there is no `DPoP` header field.
    #[error("the request has no DPoP proof")]
    Missing,
    /// More than one `DPoP` header field, or several proofs in one.
    #[error("the request has more than one DPoP proof")]
    Several,
    /// The `DPoP` header field has bytes that no proof has.
    #[error("the DPoP header field is not ASCII text")]
    NotText,
    /// Not a compact JWS that can be considered.
    #[error("the DPoP proof cannot be read: {0}")]
    Unreadable(JwsError),
    /// The header has `crit`.
    #[error("the DPoP proof has critical extensions (`crit`), and none is understood")]
    CriticalExtensions,
    /// `typ` is missing or not a string.
    #[error("the DPoP proof's header has no `typ`; it must be `{PROOF_TYPE}`")]
    TypeMissing,
    /// `typ` is something else.
    #[error("the DPoP proof's `typ` is `{found}`, not `{PROOF_TYPE}`")]
    WrongType {
        /// What `typ` is, cut to 64 characters.
        found: String,
    },
    /// `alg` is missing, `none`, symmetric or unknown.
    #[error("the DPoP proof's {0}")]
    UnusableAlgorithm(HeaderAlgorithmError),
    /// `alg` is a good algorithm that this server does not take.
    #[error("the DPoP proof's `alg` is {found}, which this server does not take")]
    AlgorithmNotAllowed {
        /// What `alg` is.
        found: Algorithm,
    },
    /// A claim is missing or of the wrong type.
    #[error("the DPoP proof's {0}")]
    Claim(MemberError),
    /// `jti` is empty, so it identifies nothing.
    #[error("the DPoP proof's `jti` is empty")]
    JwtIdEmpty,
    /// `jti` is too long to be kept.
    #[error("the DPoP proof's `jti` has {found} bytes, more than {MAX_JWT_ID_BYTES}")]
    JwtIdTooLong {
        /// Bytes of the `jti`.
        found: usize,
    },
    /// `htm` is another method.
    #[error("the DPoP proof is for the method `{found}`, and the request's is {expected}")]
    WrongMethod {
        /// The request's method.
        expected: String,
        /// What `htm` is, cut to 64 characters.
        found: String,
    },
    /// `htu` cannot be compared with any request's URI.
    #[error("the DPoP proof's `htu` cannot be compared: {0}")]
    UnusableTargetUri(TargetUriError),
    /// `htu` is another URI.
    #[error("the DPoP proof is for {}, and the request's target is {}", shown(.found), shown(.expected))]
    WrongTargetUri {
        /// The request's target.
        expected: TargetUri,
        /// What `htu` is, in normal form.
        found: TargetUri,
    },
    /// `iat` is further in the past than is accepted.
    #[error("the DPoP proof was made {age} seconds ago by this server's clock; {limit} are accepted")]
    TooOld {
        /// Seconds since `iat`.
        age: u64,
        /// Seconds that are accepted.
        limit: u64,
    },
    /// `iat` is further in the future than is tolerated.
    #[error(
        "the DPoP proof was made {ahead} seconds in the future by this server's clock; {limit} are tolerated"
    )]
    FromFuture {
        /// Seconds until `iat`.
        ahead: u64,
        /// Seconds that are tolerated.
        limit: u64,
    },
    /// `exp` has passed.
    #[error("the DPoP proof expired at {expired}, and it is {now}")]
    Expired {
        /// The claim `exp`.
        expired: NumericDate,
        /// The server's time.
        now: NumericDate,
    },
    /// `nbf` has not come.
    #[error("the DPoP proof is not valid before {begins}, and it is {now}")]
    NotYetValid {
        /// The claim `nbf`.
        begins: NumericDate,
        /// The server's time.
        now: NumericDate,
    },
    /// A nonce is wanted and the proof has none.
    #[error("the DPoP proof has no `nonce`, and this server requires one")]
    NonceMissing,
    /// The nonce is not a current one of this server's.
    #[error("the DPoP proof's nonce is refused: {0}")]
    NonceRefused(NonceRefusal),
    /// An access token comes with the proof, which has no `ath`.
    #[error("the DPoP proof has no `ath`, and the request carries an access token")]
    AccessTokenHashMissing,
    /// `ath` is the hash of something else.
    #[error("the DPoP proof's `ath` is not the hash of the access token in the request")]
    WrongAccessTokenHash,
    /// `jwk` is missing or not an object.
    #[error("the DPoP proof's {0} in its header")]
    KeyMissing(MemberError),
    /// `jwk` holds a private key: it is not a secret any more.
    #[error(
        "the DPoP proof's `jwk` holds the private key (`{member}`); that key is compromised, make another"
    )]
    PrivateKey {
        /// The private member.
        member: &'static str,
    },
    /// `jwk` is not a key that this crate takes.
    #[error("the DPoP proof's `jwk` is refused: {0}")]
    UnusableKey(KeyError),
    /// `jwk` does not fit `alg`, or says that it is for something else.
    #[error("the DPoP proof's `jwk` is not for {algorithm}: {error}")]
    KeyNotForAlgorithm {
        /// What `alg` is.
        algorithm: Algorithm,
        /// What contradicts it.
        error: KeyError,
    },
    /// The signature is not this key's over this text.
    #[error("the DPoP proof's signature does not verify with its `jwk`")]
    WrongSignature,
    /// The token is bound to another key.
    #[error("the access token is bound to another key than the one that signed the DPoP proof")]
    WrongKey,
}

/// A URI may have kilobytes, and an answer's header fields should not.
fn shown(uri: &TargetUri) -> String {
    excerpt(uri.as_str(), SENTENCE)
}

impl ProofRefusal {
    /// The rule that is broken.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Missing => Rule::ProofRequired,
            Self::Several | Self::NotText => Rule::OneProof,
            Self::Unreadable(JwsError::TooLarge { .. }) | Self::JwtIdTooLong { .. } => Rule::ProofSize,
            Self::Unreadable(_) => Rule::WellFormedProof,
            Self::CriticalExtensions => Rule::CriticalExtensions,
            Self::TypeMissing | Self::WrongType { .. } => Rule::ProofType,
            Self::UnusableAlgorithm(_) | Self::AlgorithmNotAllowed { .. } => Rule::ProofAlgorithm,
            Self::Claim(_) | Self::JwtIdEmpty => Rule::ProofClaims,
            Self::WrongMethod { .. } => Rule::Method,
            Self::UnusableTargetUri(_) | Self::WrongTargetUri { .. } => Rule::TargetUri,
            Self::TooOld { .. } | Self::FromFuture { .. } => Rule::Freshness,
            Self::Expired { .. } | Self::NotYetValid { .. } => Rule::ProofExpiry,
            Self::NonceMissing | Self::NonceRefused(_) => Rule::ServerNonce,
            Self::AccessTokenHashMissing | Self::WrongAccessTokenHash => Rule::AccessTokenHash,
            Self::PrivateKey { .. } => Rule::PublicKeyOnly,
            Self::UnusableKey(_) => Rule::KeyQuality,
            Self::KeyNotForAlgorithm { .. } => Rule::KeyUse,
            Self::KeyMissing(_) | Self::WrongSignature => Rule::ProofSignature,
            Self::WrongKey => Rule::KeyBinding,
        }
    }

    /// Whether the answer is a challenge with a nonce, after which the client tries again.
    pub fn wants_nonce(&self) -> bool {
        matches!(self, Self::NonceMissing | Self::NonceRefused(_))
    }
}
