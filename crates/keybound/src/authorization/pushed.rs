//! The pushed authorization request (RFC 9126): the request goes to the server first, authenticated and
//! proven (RFC 9449 section 10.1), and the browser carries nothing but a reference to it.

use http::{Response, StatusCode};

use super::request::PendingAuthorization;
use crate::endpoint::Endpoint;
use crate::exchange::form::{Fields, FormExchange, Received};
use crate::exchange::{Attempt, ClientIdentity, ExchangeError, NotTheBoundKey};
use crate::json::{MemberError, NotStrictJson, Object};
use crate::nonce::Nonce;
use crate::numeric_date::NumericDate;
use crate::proof::ProofTemplate;
use crate::random::{Random, RandomUnavailable};

/// Bytes of a `request_uri`, at most: that of a reference, which a URL has room for.
pub const MAX_REQUEST_URI_BYTES: usize = 2 * 1024;

/// A pushed authorization request in progress.
#[derive(Debug)]
pub struct PushedExchange {
    parameters: Fields,
    form: FormExchange,
}

/// What is next after an answer.
#[derive(Debug)]
pub enum PushProgress {
    /// The server gave a nonce and wants it in the proof: make another attempt.
    AnswerChallenge,
    /// The server has the request.
    Pushed(PushedRequest),
}

/// Where the server has the request (RFC 9126 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRequest {
    request_uri: String,
    /// Until when the user may be sent to it, by the clock that the attempt was given.
    pub expires_at: NumericDate,
}

/// Why a request could not be pushed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The server refused it, or the answer is not one of its.
    #[error("the authorization request can't be pushed: {0}")]
    Exchange(#[from] ExchangeError),
    /// Not JSON that can be relied on.
    #[error("the answer to the pushed authorization request is {0}")]
    NotStrictJson(#[from] NotStrictJson),
    /// A member is missing or of another type.
    #[error("the answer to the pushed authorization request cannot be used: {0} (RFC 9126 section 2.2)")]
    Member(#[from] MemberError),
    /// The `request_uri` can't be put into a URL.
    #[error(
        "the `request_uri` in the answer to the pushed authorization request is not a URI of printable ASCII characters"
    )]
    RequestUri,
}

impl PendingAuthorization {
    /// Begins to push the request to `endpoint` (`pushed_authorization_request_endpoint`). The client
    /// authenticates as at the token endpoint. With `proofs` the server sees that the key is at hand; it has
    /// to be the one that the request is bound to. `nonce` is the newest of the server's origin.
    pub fn push(
        &self,
        endpoint: Endpoint,
        client: ClientIdentity,
        proofs: Option<ProofTemplate>,
        nonce: Option<Nonce>,
    ) -> Result<PushedExchange, NotTheBoundKey> {
        match (self.request.bound_to, proofs.as_ref().map(ProofTemplate::thumbprint)) {
            (Some(expected), Some(found)) if expected != found => {
                Err(NotTheBoundKey { expected, found: Some(found) })
            }
            _ => Ok(PushedExchange {
                parameters: self.parameters.clone(),
                form: FormExchange::new(endpoint, client, proofs, nonce),
            }),
        }
    }
}

impl PushedExchange {
    /// The next request, with a fresh client assertion and a fresh proof.
    pub fn attempt(&mut self, now: NumericDate, random: &dyn Random) -> Result<Attempt, RandomUnavailable> {
        self.form.attempt(self.parameters.clone(), now, random)
    }

    /// Takes the answer to the last attempt.
    pub fn receive<B: AsRef<[u8]>>(&mut self, answer: &Response<B>) -> Result<PushProgress, PushError> {
        match self.form.receive(answer, StatusCode::CREATED)? {
            Received::Challenge => Ok(PushProgress::AnswerChallenge),
            Received::Answer => {
                let pushed = PushedRequest::parse(answer.body().as_ref(), self.form.attempted_at())?;
                Ok(PushProgress::Pushed(pushed))
            }
        }
    }
}

impl PushedRequest {
    fn parse(json: &[u8], now: NumericDate) -> Result<Self, PushError> {
        let answer = Object::parse(json)?.without_nulls();
        let request_uri = answer.string("request_uri")?;
        let is_uri = request_uri.contains(':') && request_uri.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_uri || request_uri.len() > MAX_REQUEST_URI_BYTES {
            return Err(PushError::RequestUri);
        }
        let lifetime = answer.optional_duration("expires_in")?.ok_or(MemberError::Missing("expires_in"))?;
        Ok(Self { request_uri: request_uri.to_owned(), expires_at: now.after(lifetime) })
    }

    /// The reference (`request_uri`), which is of use once.
    pub fn request_uri(&self) -> &str {
        &self.request_uri
    }
}
