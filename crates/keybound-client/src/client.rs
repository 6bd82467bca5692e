//! Requests to a protected resource, each attempt with a fresh proof (RFC 9449 section 7).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;
use http::{Method, Request, Response};
use keybound::TargetUri;
use keybound::proof::ProveError;
use keybound::random::RandomUnavailable;
use tracing::{Instrument as _, debug_span, field};

use crate::body::{RequestBody, ResponseBody};
use crate::call::{Call, Finished, Shared};
use crate::call_metrics::{self, Origins, Sort as _};
use crate::challenge::Challenge;
use crate::clock::ClockOffset;
use crate::pacing::{Pacer, Pacing};
use crate::retry::{Budget, RetryOptions};
use crate::token_source::{TokenError, TokenSource};
use crate::transport::TransportError;
use crate::wire::{Content, Streamed, Whole, Wire};

/// How long a call may take with all its attempts and waits, unless told otherwise: long enough to pass
/// over two rate limits that last a minute.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Of an answer that refuses the credentials, the bytes that are kept with the error.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// Sends requests with a token, and what goes with it, to protected resources. Clones are cheap and share
/// everything.
///
/// Each attempt is signed anew. What the server did not act on is sent again, whatever its method: after a nonce
/// challenge, with a renewed token, by a corrected clock, after a rate limit's reset, or when no connection came
/// about. What it may have acted on is sent again only if that does no harm: after 502, 503, 504 or a connection that
/// broke, where the method is idempotent (RFC 9110 section 9.2.2) or the request is marked so
/// ([`Idempotent`](crate::Idempotent)). Each of these has its bound, and the client as a whole one more: of all its
/// requests it sends a fifth again after failures, and ten. All else, errors of the resource included, is the
/// caller's to judge.
///
/// Redirects are followed within one origin, five at most, each with a proof for its own URI: 307 and 308 with
/// method and body, 303 with `GET`, 301 and 302 for `GET` and `HEAD`. One that leads elsewhere is an error.
///
/// A future that is dropped loses nothing that is shared: token, nonces and connections stay good.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// How a [`Client`] behaves; the default is right for an API on the internet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientOptions {
    /// How failures are answered.
    pub retries: RetryOptions,
    /// How long a call may take as a whole, with all attempts and waits. One attempt is bounded by
    /// [`TransportOptions`](crate::TransportOptions).
    pub total_timeout: Duration,
    /// Keeps jobs of many calls under the server's rate limits; without it calls go as they come.
    pub pacing: Option<Pacing>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { retries: RetryOptions::default(), total_timeout: TOTAL_TIMEOUT, pacing: None }
    }
}

/// Why a request has no answer from the resource.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The request carries a header field that is the client's to set.
    #[error(
        "the request has a header field `{0}` already; it is set here, since a request has one set of \
         credentials (RFC 9449 section 7.2)"
    )]
    CredentialsGiven(HeaderName),
    /// No access token to call with.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The network, or what a server may not do over it.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No proof could be made.
    #[error("no proof could be made for the request: {0}")]
    Prove(#[from] ProveError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// Token or proof are not what a header field can carry.
    #[error("the token or the proof has characters that a header field can't carry (RFC 9110 section 5.5)")]
    UnusableCredentials,
    /// The resource refused the token or the proof.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// The body of the request can be sent once ([`RequestBody::once`]), and was; then the server asked for
    /// another nonce, another token or another time. What it asked for is kept: the same call with a new body
    /// has it.
    #[error(
        "the request can't be sent again, since its body can be sent once only{}; send it with a new body: \
         what the server asked for is known now",
        .0.as_ref().map(|refused| format!(": {refused}")).unwrap_or_default()
    )]
    BodySpent(Option<Box<Refused>>),
}

/// A resource's refusal of token or proof, after all was done that a client can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[error(
    "the resource answered {}, {}{}{}",
    .response.status(),
    .challenge.error.as_deref().unwrap_or_default(),
    .challenge.error_description.as_ref().map(|text| format!(": {text}")).unwrap_or_default(),
    .clock_offset.map(|offset| format!(" (the local clock is {offset})")).unwrap_or_default()
)]
pub struct Refused {
    /// The error and its description, in the server's words.
    pub challenge: Challenge,
    /// How far the local clock is off, if it is: a proof is refused for its time as for anything else.
    pub clock_offset: Option<ClockOffset>,
    /// The answer.
    pub response: Response<Bytes>,
}

impl Client {
    /// A client that calls with the tokens of `tokens`.
    pub fn new(tokens: TokenSource) -> Self {
        Self::with_options(tokens, ClientOptions::default())
    }

    /// A client that calls with the tokens of `tokens` and behaves by `options`.
    pub fn with_options(tokens: TokenSource, options: ClientOptions) -> Self {
        let pacer = options.pacing.clone().map(Pacer::new);
        let shared = Shared {
            tokens,
            options,
            budget: Budget::default(),
            pacer,
            authorization: Mutex::default(),
            asking_no_nonce: Mutex::default(),
            origins: Origins::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The source of its tokens.
    pub fn tokens(&self) -> &TokenSource {
        &self.shared.tokens
    }

    /// Sends `request` and returns the answer, read whole, whatever its status.
    ///
    /// A token is got or renewed as needed; each attempt carries a proof of its own for the method and the
    /// URI, with `ath` and the newest nonce of the server (RFC 9449 section 4.2).
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let (request, body) = request.into_parts();
        let wire = Whole(&self.tokens().system().transport);
        let Finished { response, challenge, clock_offset, .. } = self.run(wire, request, body).await?;
        match challenge {
            Some(challenge) => {
                Err(CallError::Refused(Box::new(Refused { challenge, clock_offset, response })))
            }
            None => Ok(response),
        }
    }

    /// Sends `request`, whose body may be streamed, and returns the answer as soon as its head is there.
    ///
    /// All else is as with [`send`](Self::send). The answer's body is for the caller to read: it is bounded by
    /// nothing but [`TransportOptions::idle_timeout`](crate::TransportOptions::idle_timeout), unless asked, and
    /// what breaks in the middle of it is not sent again.
    pub async fn execute(&self, request: Request<RequestBody>) -> Result<Response<ResponseBody>, CallError> {
        let (request, body) = request.into_parts();
        if body.is_for_once() {
            self.ask_ahead(&request).await?;
        }
        let wire = Streamed(&self.tokens().system().transport);
        let Finished { response, challenge, clock_offset, body_spent } =
            self.run(wire, request, body).await?;
        if challenge.is_none() && !body_spent {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let response = Response::from_parts(head, body.start(MAX_REFUSAL_BYTES).await);
        let challenge = challenge.unwrap_or_default();
        let refused = Box::new(Refused { challenge, clock_offset, response });
        Err(if body_spent { CallError::BodySpent(Some(refused)) } else { CallError::Refused(refused) })
    }

    /// Makes sure that a token and, for a server that wants one, a nonce are there, by a request that has no
    /// body and no effect.
    async fn ask_ahead(&self, request: &Parts) -> Result<(), CallError> {
        let target = TargetUri::parse(&request.uri.to_string()).map_err(TransportError::from)?;
        let token = self.tokens().token().await?;
        if token.bound_to().is_none() || self.shared.knows_nonce(&target) {
            return Ok(());
        }
        let mut ahead = Request::new(Bytes::new());
        *ahead.method_mut() = Method::HEAD;
        *ahead.uri_mut() = request.uri.clone();
        *ahead.extensions_mut() = request.extensions.clone();
        self.send(ahead).await?;
        self.shared.learn_that_nonce_is_known(&target);
        Ok(())
    }

    /// Runs a call within its time, and says what became of it.
    pub(crate) async fn run<W: Wire, C: Content<Body = W::Body>>(
        &self,
        wire: W,
        request: Parts,
        content: C,
    ) -> Result<Finished<W::Answer>, W::Error> {
        let span = debug_span!(
            "call",
            method = %request.method,
            origin = field::Empty,
            path = request.uri.path(),
            attempts = field::Empty,
            status = field::Empty,
        );
        let began = self.tokens().system().moment();
        let mut call = Call::new(&self.shared, wire, request, content)?;
        span.record("origin", call.target().origin());
        call.wait_for_turn().instrument(span.clone()).await;
        let limit = self.shared.options.total_timeout;
        let outcome = tokio::time::timeout(limit, call.run()).instrument(span.clone()).await;
        call.counted().ended(
            match &outcome {
                Ok(Ok(finished)) => call_metrics::class(finished.response.status()),
                Ok(Err(error)) => error.sort(),
                Err(_) => call_metrics::OUT_OF_TIME,
            },
            self.tokens().system().moment().elapsed.saturating_sub(began.elapsed),
        );
        let finished = outcome.unwrap_or_else(|_| {
            let origin = call.target().origin().to_owned();
            Err(CallError::from(TransportError::Timeout { origin, limit }).into())
        })?;
        span.record("status", finished.response.status().as_u16());
        Ok(finished)
    }
}
