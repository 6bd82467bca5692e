//! Every refusal of a request, and the one place where refusals become HTTP
//! (RFC 9449 sections 5, 7.1 and 9; RFC 6750 section 3).

use std::time::Duration;

use http::{HeaderValue, StatusCode};

use crate::access_token::AccessTokenRefusal;
use crate::algorithm::Algorithm;
use crate::assertion::AssertionRefusal;
use crate::credentials::{CredentialsRefusal, Scheme};
use crate::proof::ProofRefusal;
use crate::replay::ReplayRefusal;
use crate::rule::Rule;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request has no credentials that can be considered.
    #[error(transparent)]
    Credentials(#[from] CredentialsRefusal),
    /// The client assertion breaks a rule.
    #[error(transparent)]
    Assertion(#[from] AssertionRefusal),
    /// The access token breaks a rule.
    #[error(transparent)]
    AccessToken(#[from] AccessTokenRefusal),
    /// A key-bound token came without its proof, as a bearer token: what a thief would do.
    #[error("the access token is bound to a key and was sent as a Bearer token, without a proof of that key")]
    BoundTokenAsBearer,
    /// A token that is bound to no key came under the DPoP scheme.
    #[error("the access token is bound to no key and was sent under the DPoP scheme")]
    UnboundTokenAsDpop,
    /// A token that was sent as a bearer token where only key-bound ones are taken, with a proof; whether it is
    /// bound to a key is not asked.
    #[error(
        "the access token was sent as a Bearer token, and this resource takes key-bound tokens only, each with a proof of its key"
    )]
    BearerToken,
    /// The proof breaks a rule.
    #[error(transparent)]
    Proof(#[from] ProofRefusal),
    /// The proof was used before, or nobody can tell.
    #[error(transparent)]
    Replay(#[from] ReplayRefusal),
    /// Whether the access token is good cannot be told now: its issuer does not answer.
    #[error("this server cannot tell now whether the access token is good: {reason}; try again later")]
    TokenUnverifiable {
        /// What keeps the server from telling, without secrets.
        reason: String,
    },
    /// The URI that the request was sent to cannot be told, so no proof can be for it.
    #[error("this server cannot tell which URI the request was sent to: {reason}")]
    UnknownTarget {
        /// What is missing, or contradicts itself.
        reason: String,
    },
    /// No route of the resource's policy covers the request, so nothing says what it needs.
    #[error("this resource's policy has no route for the request's path and method")]
    NoRoute,
    /// The access token has none of the scopes that would do.
    #[error("the access token does not have the scope {}", any_of.join(" or "))]
    InsufficientScope {
        /// The scopes, any of which the request needs; the first is the one to ask for.
        any_of: Vec<String>,
    },
}

/// An error code of OAuth 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// RFC 6749 section 5.2, RFC 6750 section 3.1.
    InvalidRequest,
    /// RFC 6749 section 5.2.
    InvalidClient,
    /// RFC 6750 section 3.1.
    InvalidToken,
    /// RFC 6750 section 3.1.
    InsufficientScope,
    /// RFC 9449 section 12.2.
    InvalidDpopProof,
    /// RFC 9449 section 12.2.
    UseDpopNonce,
    /// RFC 6749 section 4.1.2.1.
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// The code as it goes over the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

/// What a refusal becomes at one kind of endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalAnswer {
    /// The status of the answer.
    pub status: StatusCode,
    /// The error code; none where the request has no credentials (RFC 6750 section 3.1).
    pub code: Option<ErrorCode>,
    /// Whether the answer brings a `DPoP-Nonce`, with which the client is to try again.
    pub gives_nonce: bool,
    /// After which time to try again, where the fault is the server's.
    pub retry_after: Option<Duration>,
}

/// A store that is full or away has forgotten a proof, or is back, soon.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl RefusalAnswer {
    const fn new(status: StatusCode, code: ErrorCode) -> Self {
        Self { status, code: Some(code), gives_nonce: false, retry_after: None }
    }

    const fn nonce_challenge(status: StatusCode) -> Self {
        Self { gives_nonce: true, ..Self::new(status, ErrorCode::UseDpopNonce) }
    }

    const fn unavailable() -> Self {
        Self {
            retry_after: Some(RETRY_AFTER),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable)
        }
    }

    /// RFC 6585 section 4; no specification has an error code for it.
    const fn too_many() -> Self {
        Self {
            retry_after: Some(RETRY_AFTER),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TemporarilyUnavailable)
        }
    }
}

impl Refusal {
    /// The rule that is broken.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Credentials(refusal) => refusal.rule(),
            Self::Assertion(refusal) => refusal.rule(),
            Self::AccessToken(_) | Self::TokenUnverifiable { .. } => Rule::AccessToken,
            Self::UnknownTarget { .. } => Rule::TargetUri,
            Self::NoRoute => Rule::Route,
            Self::BoundTokenAsBearer | Self::UnboundTokenAsDpop => Rule::SchemeFitsBinding,
            Self::BearerToken => Rule::Scheme,
            Self::Proof(refusal) => refusal.rule(),
            Self::Replay(_) => Rule::Replay,
            Self::InsufficientScope { .. } => Rule::Scope,
        }
    }

    /// What it becomes at a protected resource.
    pub fn at_resource(&self) -> RefusalAnswer {
        let unauthorized = |code| RefusalAnswer::new(StatusCode::UNAUTHORIZED, code);
        match self {
            Self::Credentials(CredentialsRefusal::Missing | CredentialsRefusal::OtherScheme) => {
                RefusalAnswer { code: None, ..unauthorized(ErrorCode::InvalidToken) }
            }
            Self::Credentials(_) | Self::UnknownTarget { .. } => {
                RefusalAnswer::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest)
            }
            Self::Proof(refusal) if refusal.wants_nonce() => {
                RefusalAnswer::nonce_challenge(StatusCode::UNAUTHORIZED)
            }
            // With the wrong key it is the token that does not fit: with its own the proof is a good one.
            Self::Proof(ProofRefusal::WrongKey)
            | Self::AccessToken(_)
            | Self::BoundTokenAsBearer
            | Self::UnboundTokenAsDpop
            | Self::BearerToken
            | Self::Assertion(_) => unauthorized(ErrorCode::InvalidToken),
            Self::Proof(_) | Self::Replay(ReplayRefusal::Replayed) => {
                unauthorized(ErrorCode::InvalidDpopProof)
            }
            Self::Replay(ReplayRefusal::QuotaExceeded) => RefusalAnswer::too_many(),
            Self::Replay(_) | Self::TokenUnverifiable { .. } => RefusalAnswer::unavailable(),
            Self::NoRoute => RefusalAnswer::new(StatusCode::NOT_FOUND, ErrorCode::InvalidRequest),
            Self::InsufficientScope { .. } => {
                RefusalAnswer::new(StatusCode::FORBIDDEN, ErrorCode::InsufficientScope)
            }
        }
    }

    /// What it becomes at a token endpoint.
    pub fn at_token_endpoint(&self) -> RefusalAnswer {
        match self {
            Self::Assertion(_) => RefusalAnswer::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient),
            Self::Proof(refusal) if refusal.wants_nonce() => {
                RefusalAnswer::nonce_challenge(StatusCode::BAD_REQUEST)
            }
            Self::Proof(_) | Self::Replay(ReplayRefusal::Replayed) => {
                RefusalAnswer::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidDpopProof)
            }
            Self::Replay(ReplayRefusal::QuotaExceeded) => RefusalAnswer::too_many(),
            Self::Replay(_) | Self::TokenUnverifiable { .. } => RefusalAnswer::unavailable(),
            _ => RefusalAnswer::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest),
        }
    }

    /// The `WWW-Authenticate` header fields of the answer at a protected resource: a challenge for each
    /// scheme that it takes. None where other credentials would not help (404, 429, 503).
    pub fn challenges(&self, resource: &ChallengeContext<'_>) -> Vec<HeaderValue> {
        let answer = self.at_resource();
        if answer.retry_after.is_some() || answer.status == StatusCode::NOT_FOUND {
            return Vec::new();
        }
        let mut parameters = self.challenge_parameters(answer.code);
        if let Some(uri) = resource.metadata_uri {
            parameters.push(("resource_metadata", quotable(uri)));
        }
        let bearer = resource.accepts_bearer.then(|| challenge(Scheme::Bearer, &parameters));
        let names: Vec<_> = resource.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        parameters.push(("algs", names.join(" ")));
        std::iter::once(challenge(Scheme::Dpop, &parameters)).chain(bearer).flatten().collect()
    }

    fn challenge_parameters(&self, code: Option<ErrorCode>) -> Vec<(&'static str, String)> {
        let Some(code) = code else { return Vec::new() };
        let mut parameters =
            vec![("error", code.as_str().to_owned()), ("error_description", description(self))];
        if let Self::InsufficientScope { any_of } = self {
            let needed = any_of.first().map(String::as_str).unwrap_or_default();
            parameters.push(("scope", quotable(needed)));
        }
        parameters
    }
}

/// What a resource says of itself in its challenges.
#[derive(Clone, Copy, Debug)]
pub struct ChallengeContext<'a> {
    /// The algorithms that it takes in proofs (`algs`, RFC 9449 section 7.1).
    pub algorithms: &'a [Algorithm],
    /// Whether it takes bearer tokens that are bound to no key.
    pub accepts_bearer: bool,
    /// Where its metadata is (`resource_metadata`, RFC 9728 section 5.1).
    pub metadata_uri: Option<&'a str>,
}

/// Characters of a reason, at most: two URIs of the usual length. A request may have one of kilobytes, which would be
/// several times in the header fields of its answer, and proxies make an error of their own of too many.
const MAX_REASON: usize = 1000;

/// What is wrong and by which rule, in the characters that `error_description` may have
/// (RFC 6749 section 5.2, RFC 6750 section 3). A reason that is too long is cut.
pub fn description(refusal: &Refusal) -> String {
    let mut reason = refusal.to_string();
    if let Some((end, _)) = reason.char_indices().nth(MAX_REASON) {
        reason.truncate(end);
        reason.push_str("...");
    }
    quotable(&format!("{reason} [{}]", refusal.rule().source()))
}

fn quotable(text: &str) -> String {
    let quotable = |character| match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    };
    text.chars().map(quotable).collect()
}

fn challenge(scheme: Scheme, parameters: &[(&'static str, String)]) -> Option<HeaderValue> {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let text = format!("{} {}", scheme.name(), parameters.join(", "));
    HeaderValue::from_str(text.trim_end()).ok()
}
