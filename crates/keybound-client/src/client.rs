//! Requests to a protected resource, each attempt with a fresh proof (RFC 9449 section 7).

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use keybound::exchange::DPOP;
use keybound::proof::{ProofRequest, ProveError};
use keybound::random::RandomUnavailable;
use keybound::{Nonce, TargetUri};
use tracing::debug;

use crate::challenge::Challenge;
use crate::clock::ClockOffset;
use crate::rate_limit;
use crate::token_source::{Token, TokenError, TokenSource};
use crate::transport::TransportError;

/// Sends requests with a token, and what goes with it, to protected resources.
///
/// What the server did not act on is sent again, whatever its method: after a nonce challenge, with a
/// renewed token, by a corrected clock, after a rate limit's reset. Each of these has its bound. All else,
/// errors of the resource included, is the caller's to judge.
pub struct Client {
    tokens: TokenSource,
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
        Self { tokens }
    }

    /// The source of its tokens.
    pub fn tokens(&self) -> &TokenSource {
        &self.tokens
    }

    /// Sends `request` and returns the answer, whatever its status.
    ///
    /// A token is got or renewed as needed; each attempt carries a proof of its own for the method and the
    /// URI, with `ath` and the newest nonce of the server (RFC 9449 section 4.2).
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        refuse_credentials(request.headers())?;
        let target = TargetUri::parse(&request.uri().to_string()).map_err(TransportError::from)?;
        let mut patience = Patience::default();
        loop {
            let token = self.tokens.token().await?;
            let answer = self.attempt(&request, &target, &token).await?;
            match self.next_step(&answer, &target, &mut patience)? {
                Step::Return => return answer.into_result(),
                Step::Repeat => {}
                Step::Renew => drop(self.tokens.renew(&token).await?),
                Step::Wait(duration) => self.tokens.system().timer.sleep(duration).await,
            }
        }
    }

    async fn attempt(
        &self,
        request: &Request<Bytes>,
        target: &TargetUri,
        token: &Token,
    ) -> Result<Answer, CallError> {
        let system = self.tokens.system();
        let nonce = self.tokens.servers().nonce(target);
        let mut request = request.clone();
        self.sign(&mut request, target, token, nonce.as_ref())?;
        let response = system.transport.send(request).await?;
        self.tokens.servers().learn_nonce(target, response.headers());
        let clock_offset = ClockOffset::measure(response.headers(), system.clock.now());
        Ok(Answer { response, nonce, clock_offset })
    }

    /// Puts the token and, where it is bound, a fresh proof into the request's header (RFC 9449
    /// section 7.1).
    fn sign(
        &self,
        request: &mut Request<Bytes>,
        target: &TargetUri,
        token: &Token,
        nonce: Option<&Nonce>,
    ) -> Result<(), CallError> {
        if let Some(key) = token.bound_to() {
            let system = self.tokens.system();
            let now = self.tokens.servers().now(target, system.clock.as_ref());
            let proof =
                ProofRequest { method: request.method(), target, access_token: Some(token.hash()), nonce };
            let proof = key.prove(&proof, now, system.random.as_ref())?;
            request.headers_mut().insert(DPOP, credential(&proof)?);
        }
        request.headers_mut().insert(AUTHORIZATION, credential(&token.authorization())?);
        Ok(())
    }

    /// What to do with an answer.
    fn next_step(
        &self,
        answer: &Answer,
        target: &TargetUri,
        patience: &mut Patience,
    ) -> Result<Step, CallError> {
        match answer.response.status() {
            StatusCode::TOO_MANY_REQUESTS => self.after_rate_limit(answer, patience),
            StatusCode::UNAUTHORIZED => Ok(self.after_refusal(answer, target, patience)),
            _ => Ok(Step::Return),
        }
    }

    fn after_rate_limit(&self, answer: &Answer, patience: &mut Patience) -> Result<Step, CallError> {
        let system = self.tokens.system();
        match rate_limit::wait(answer.response.headers(), system.clock.now()) {
            Some(wait) if take(&mut patience.rate_limits) => {
                let wait = wait + rate_limit::jitter(system.random.as_ref())?;
                debug!(?wait, "waiting for the rate limit's reset");
                Ok(Step::Wait(wait))
            }
            _ => Ok(Step::Return),
        }
    }

    fn after_refusal(&self, answer: &Answer, target: &TargetUri, patience: &mut Patience) -> Step {
        let servers = self.tokens.servers();
        let challenge = answer.challenge().unwrap_or_default();
        if challenge.is("use_dpop_nonce") {
            let is_news = servers.nonce(target) != answer.nonce;
            return if is_news && take(&mut patience.nonces) { Step::Repeat } else { Step::Return };
        }
        if let Some(offset) = answer.clock_offset
            && take(&mut patience.clock_corrections)
            && servers.correct_clock(target, offset)
        {
            debug!(%offset, "correcting the clock for this server");
            return Step::Repeat;
        }
        // A server that names no error may mean the token as well.
        let about_token = challenge.error.is_none() || challenge.is("invalid_token");
        if about_token && take(&mut patience.renewals) { Step::Renew } else { Step::Return }
    }
}

enum Step {
    Return,
    Repeat,
    Renew,
    Wait(std::time::Duration),
}

/// How often a request may still be sent again, by reason.
struct Patience {
    /// A server that changes its nonce with every answer is followed this far.
    nonces: u8,
    /// A new token that is refused too won't be helped by a third.
    renewals: u8,
    /// The `Date` of the next answer would say the same.
    clock_corrections: u8,
    /// Two resets passed over means that others take all there is.
    rate_limits: u8,
}

impl Default for Patience {
    fn default() -> Self {
        Self { nonces: 3, renewals: 1, clock_corrections: 1, rate_limits: 2 }
    }
}

/// Takes one of what is left, if anything is.
fn take(left: &mut u8) -> bool {
    let taken = *left > 0;
    *left = left.saturating_sub(1);
    taken
}

/// A resource's answer to one attempt.
struct Answer {
    response: Response<Bytes>,
    /// The nonce that the attempt's proof had.
    nonce: Option<Nonce>,
    clock_offset: Option<ClockOffset>,
}

impl Answer {
    fn challenge(&self) -> Option<Challenge> {
        Challenge::refusal(self.response.headers())
    }

    /// Refusals of the credentials are errors; RFC 6750 section 3.1 answers a malformed request with 400.
    fn into_result(self) -> Result<Response<Bytes>, CallError> {
        let about_credentials =
            matches!(self.response.status(), StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST);
        match self.challenge() {
            Some(challenge) if about_credentials => Err(CallError::Refused(Box::new(Refused {
                challenge,
                clock_offset: self.clock_offset,
                response: self.response,
            }))),
            _ => Ok(self.response),
        }
    }
}

/// The value of a header field, kept out of `Debug` output and out of the compression tables of HTTP/2.
fn credential(text: &str) -> Result<HeaderValue, CallError> {
    let mut value = HeaderValue::try_from(text).map_err(|_| CallError::UnusableCredentials)?;
    value.set_sensitive(true);
    Ok(value)
}

fn refuse_credentials(headers: &HeaderMap) -> Result<(), CallError> {
    match [AUTHORIZATION, DPOP].into_iter().find(|name| headers.contains_key(name)) {
        Some(name) => Err(CallError::CredentialsGiven(name)),
        None => Ok(()),
    }
}
