//! Why an exchange has ended with nothing, and the refusals of a server (RFC 6749 section 5.2).

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};

use super::{MAX_ANSWER_BYTES, MAX_CHALLENGES};
use crate::excerpt::{SENTENCE, excerpt};
use crate::json::{MemberError, NotStrictJson, Object};
use crate::thumbprint::Thumbprint;

/// Why an exchange has ended without a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The server refused the request.
    #[error("the authorization server refused the request with {status}: {error}{}", in_brackets(.description.as_deref()))]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// The server's `error`.
        error: String,
        /// The server's `error_description`.
        description: Option<String>,
    },
    /// The server asked for a nonce and gave none that can be used.
    #[error(
        "the authorization server asked for a nonce (use_dpop_nonce) without one valid DPoP-Nonce header field (RFC 9449 section 8)"
    )]
    ChallengeWithoutNonce,
    /// The server asked for a nonce again and again.
    #[error(
        "the authorization server asked for another nonce {MAX_CHALLENGES} times; it does not accept the nonces that it gives (RFC 9449 section 8)"
    )]
    TooManyChallenges,
    /// The answer is not that of a token endpoint. It may be one all the same that is out of reach, by its status: 429,
    /// or 500 and above.
    #[error("{}", not_of_this_endpoint(*.status, .content_type.as_deref()))]
    NotATokenEndpoint {
        /// The status of the answer.
        status: StatusCode,
        /// The answer's `Content-Type`.
        content_type: Option<String>,
    },
    /// The answer is too long to be one.
    #[error(
        "the authorization server's answer has {found} bytes, more than the {MAX_ANSWER_BYTES} that are read"
    )]
    TooLarge {
        /// Bytes of the answer.
        found: usize,
    },
    /// The answer grants a token, and is not JSON that can be relied on.
    #[error("the authorization server's answer is {0}")]
    NotStrictJson(NotStrictJson),
    /// The answer grants a token, and misses a member that it must have.
    #[error("the authorization server's answer cannot be used: {0} (RFC 6749 section 5.1)")]
    Malformed(MemberError),
    /// The token has characters that cannot be sent, or is too long.
    #[error("the access token in the answer cannot be sent in an Authorization header field")]
    UnusableToken,
    /// A proof was sent, and the token is not bound to its key.
    #[error(
        "the authorization server ignored the DPoP proof and granted a Bearer token, which anyone who steals it can use (RFC 9449 section 5); switch DPoP on for this client at the server, or ask for a Bearer token by name"
    )]
    NotBound,
    /// No proof was sent, and the token is said to be bound to a key.
    #[error(
        "the authorization server granted a key-bound token although no key was shown (RFC 9449 section 5)"
    )]
    BoundToNoKey,
    /// The token is of a type that is neither `DPoP` nor `Bearer`.
    #[error(
        "the authorization server granted a token of the type `{found}`, which is neither DPoP nor Bearer"
    )]
    UnknownTokenType {
        /// The server's `token_type`.
        found: String,
    },
    /// The device code has expired before the user has approved it.
    #[error(
        "the device code has expired before anybody approved the request (RFC 8628 section 3.5); ask for another"
    )]
    DeviceCodeExpired,
    /// The user has refused the request.
    #[error("the user refused the request of this device (RFC 8628 section 3.5)")]
    AccessDenied,
    /// The grant is bound to another key; nothing was sent.
    #[error(transparent)]
    WrongKey(#[from] NotTheBoundKey),
}

/// The grant is bound to a key already, and the proofs are to be made with another, or with none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the grant is bound to the DPoP key {expected}, and {} (RFC 9449 sections 5 and 10)",
    .found.map_or("no proof is to be sent".to_owned(), |found| format!("the key is {found}"))
)]
#[non_exhaustive]
pub struct NotTheBoundKey {
    /// The thumbprint of the key that the grant is bound to.
    pub expected: Thumbprint,
    /// That of the key of the proofs.
    pub found: Option<Thumbprint>,
}

fn not_of_this_endpoint(status: StatusCode, content_type: Option<&str>) -> String {
    let kind = in_brackets(content_type);
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return format!("the authorization server, or something before it, answered with {status}{kind}");
    }
    format!("the answer with {status} is not one of this endpoint{kind}; is the URL right?")
}

fn in_brackets(text: Option<&str>) -> String {
    text.map(|text| format!(" ({text})")).unwrap_or_default()
}

/// RFC 6749 section 5.2.
pub(super) fn refusal<B: AsRef<[u8]>>(answer: &Response<B>) -> ExchangeError {
    let body = Object::parse(answer.body().as_ref()).ok();
    match body.as_ref().and_then(|body| body.string("error").ok()) {
        Some(error) => ExchangeError::Refused {
            status: answer.status(),
            error: readable(error),
            description: body.as_ref().and_then(|body| body.string("error_description").ok()).map(readable),
        },
        None => ExchangeError::NotATokenEndpoint {
            status: answer.status(),
            content_type: answer
                .headers()
                .get(CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .map(readable),
        },
    }
}

pub(super) fn readable(text: &str) -> String {
    excerpt(text, SENTENCE)
}
