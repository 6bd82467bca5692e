//! One call: sign, send, judge the answer, perhaps again.

mod judgement;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use keybound::exchange::DPOP;
use keybound::proof::{DpopKey, ProofRequest};
use keybound::{Nonce, TargetUri};
use tokio::time::Instant;
use tracing::{Span, debug};

use crate::call_metrics::{self, Counted, Sort as _};
use crate::challenge::Challenge;
use crate::client::CallError;
use crate::clock::{ClockOffset, Moment};
use crate::pacing::Turn;
use crate::redirect::{Redirect, Visited};
use crate::servers::ServerTime;
use crate::signing;
use crate::token::Token;
use crate::transport::TransportError;
use crate::wire::{Content, Fault, Wire};

use judgement::{Patience, Step};
pub(crate) use shared::Shared;

/// A call that is going on.
pub(crate) struct Call<'a, W, C> {
    shared: &'a Shared,
    wire: W,
    /// Method, URI and header of the request, without credentials.
    request: Parts,
    content: C,
    target: TargetUri,
    patience: Patience,
    /// The nonce of a challenge, for the attempt that answers it.
    challenged_with: Option<Nonce>,
    visited: Visited,
    /// The right to the next attempt, where calls are paced.
    turn: Option<Turn>,
    began: Instant,
    attempts: u32,
    counted: Counted,
}

/// The answer that a call ends with.
pub(crate) struct Finished<A> {
    pub(crate) response: Response<A>,
    /// What the server has against token or proof, if that is why it refused.
    pub(crate) challenge: Option<Challenge>,
    pub(crate) clock_offset: Option<ClockOffset>,
    /// It would have been worth another attempt, for which there is no body any more.
    pub(crate) body_spent: bool,
}

/// A resource's answer to one attempt.
struct Answer<A> {
    response: Response<A>,
    /// The nonce that the attempt's proof had.
    nonce: Option<Nonce>,
    /// The time that the attempt was made by.
    made_by: ServerTime,
    /// How far the local clock is off, however little, of an answer that may be about it.
    clock_offset: Option<ClockOffset>,
}

impl<'a, W: Wire, C: Content<Body = W::Body>> Call<'a, W, C> {
    /// A call with a request that has no credentials yet.
    pub(crate) fn new(shared: &'a Shared, wire: W, request: Parts, content: C) -> Result<Self, CallError> {
        refuse_credentials(&request.headers)?;
        let target = TargetUri::parse(&request.uri.to_string()).map_err(TransportError::from)?;
        let patience = Patience::new(&shared.options.retries);
        let (challenged_with, began, attempts) = (None, Instant::now(), 0);
        shared.budget.earn();
        let visited = Visited::default();
        let counted = Counted::new(&shared.origins, target.origin(), &request.method);
        Ok(Self {
            shared,
            wire,
            request,
            content,
            target,
            patience,
            challenged_with,
            visited,
            turn: None,
            began,
            attempts,
            counted,
        })
    }

    pub(crate) fn target(&self) -> &TargetUri {
        &self.target
    }

    /// By what it is counted.
    pub(crate) fn counted(&self) -> &Counted {
        &self.counted
    }

    /// Waits for the call's turn, where calls are paced.
    pub(crate) async fn wait_for_turn(&mut self) {
        if let Some(pacer) = &self.shared.pacer
            && self.turn.is_none()
        {
            let shared = self.shared;
            let asked = shared.tokens.system().moment();
            self.turn = Some(pacer.turn(&self.request, &self.target, |pause| shared.sleep(pause)).await);
            self.counted.paced(self.since(asked));
        }
    }

    /// Makes attempts until one has an answer for the caller.
    pub(crate) async fn run(&mut self) -> Result<Finished<W::Answer>, W::Error> {
        self.began = Instant::now();
        loop {
            let token = self.shared.tokens.token().await.map_err(CallError::from)?;
            let answer = match self.attempt(&token).await {
                Ok(answer) => answer,
                Err(fault) => match self.after_fault(fault.repeat)? {
                    Some(delay) => {
                        self.counted.retried("connection");
                        self.shared.sleep(delay).await;
                        continue;
                    }
                    None => return Err(fault.error),
                },
            };
            let step = self.next_step(&answer)?;
            let body_spent = self.content.is_spent() && matches!(step, Step::Repeat(_) | Step::Renew);
            if body_spent && matches!(step, Step::Renew) {
                self.shared.tokens.renew(&token).await.map_err(CallError::from)?;
            }
            if body_spent || matches!(step, Step::Return) {
                return Ok(answer.finished(body_spent));
            }
            if let Some(reason) = step.reason() {
                self.counted.retried(reason);
            }
            W::discard(answer.response.into_body()).await;
            self.take_step(step, &token).await?;
        }
    }

    async fn attempt(&mut self, token: &Arc<Token>) -> Result<Answer<W::Answer>, Fault<W::Error>> {
        self.wait_for_turn().await;
        let turn = self.turn.take();
        let last = |error: CallError| Fault::last(error.into());
        let servers = self.shared.tokens.servers();
        let nonce = self.challenged_with.take().or_else(|| servers.nonce(&self.target));
        let made_by = servers.time(&self.target);
        let proof = match token.bound_to() {
            Some(key) => Some(self.prove(key, token, nonce.as_ref(), made_by).await.map_err(last)?),
            None => None,
        };
        let request = self.signed(token, proof).map_err(last)?;
        self.attempts += 1;
        Span::current().record("attempts", self.attempts);
        let sent = self.shared.tokens.system().moment();
        let response = match self.wire.send(&self.target, request).await {
            Ok(response) => response,
            Err(fault) => {
                self.counted.attempted(fault.error.sort(), self.since(sent));
                return Err(fault);
            }
        };
        self.counted.attempted(call_metrics::class(response.status()), self.since(sent));
        servers.learn_nonce(&self.target, response.headers());
        if let (Some(pacer), Some(turn)) = (&self.shared.pacer, &turn) {
            pacer.learn(turn, response.headers());
        }
        Ok(Answer { clock_offset: self.clock_offset(&response, sent), response, nonce, made_by })
    }

    /// The time since `moment`, by the stopwatch.
    fn since(&self, moment: Moment) -> Duration {
        self.shared.tokens.system().moment().elapsed.saturating_sub(moment.elapsed)
    }

    /// How far the local clock is off, of an answer that may be about it; the request was sent at `sent`.
    fn clock_offset<A>(&self, answer: &Response<A>, sent: Moment) -> Option<ClockOffset> {
        let offset = || {
            let now = self.shared.tokens.system().moment();
            let took = now.elapsed.saturating_sub(sent.elapsed);
            ClockOffset::of_answer_over(answer.headers(), now.date, took)
        };
        is_about_credentials(answer.status()).then(offset)?
    }

    /// A fresh proof for the next attempt (RFC 9449 section 4.2).
    async fn prove(
        &mut self,
        key: &DpopKey,
        token: &Token,
        nonce: Option<&Nonce>,
        made_by: ServerTime,
    ) -> Result<String, CallError> {
        let system = self.shared.tokens.system();
        let (method, target, access_token) = (&self.request.method, &self.target, Some(token.hash()));
        let request = ProofRequest { method, target, access_token, nonce };
        Ok(signing::prove(key, &request, made_by.now, system.random.as_ref()).await?)
    }

    /// The request with the token and, where it is bound, its proof in the header (RFC 9449 section 7.1).
    fn signed(&self, token: &Arc<Token>, proof: Option<String>) -> Result<Request<W::Body>, CallError> {
        let body = self.content.body().ok_or(CallError::BodySpent(None))?;
        let mut request = Request::from_parts(self.request.clone(), body);
        if let Some(proof) = proof {
            request.headers_mut().insert(DPOP, credential(proof)?);
        }
        request.headers_mut().insert(AUTHORIZATION, self.shared.authorization(token)?);
        Ok(request)
    }

    async fn take_step(&mut self, step: Step, token: &Arc<Token>) -> Result<(), CallError> {
        match step {
            Step::Return | Step::Repeat(_) => {}
            Step::Renew => drop(self.shared.tokens.renew(token).await?),
            Step::Wait(duration, _) => self.shared.sleep(duration).await,
            Step::Follow(redirect) => self.follow(redirect),
        }
        Ok(())
    }

    fn follow(&mut self, redirect: Redirect) {
        if !redirect.keeps_body {
            self.content.clear();
        }
        self.target = redirect.target.clone();
        redirect.apply(&mut self.request);
        debug!(method = %self.request.method, path = self.request.uri.path(), "following a redirect");
    }
}

impl<A> Answer<A> {
    fn challenge(&self) -> Option<Challenge> {
        Challenge::refusal(self.response.headers())
    }

    fn finished(self, body_spent: bool) -> Finished<A> {
        let challenge = is_about_credentials(self.response.status()).then(|| self.challenge()).flatten();
        let clock_offset = self.clock_offset.filter(|offset| !offset.is_tolerated());
        Finished { response: self.response, challenge, clock_offset, body_spent }
    }
}

/// RFC 6750 section 3.1 answers a malformed request with 400.
fn is_about_credentials(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST)
}

/// The value of a header field, kept out of `Debug` output and out of the compression tables of HTTP/2.
fn credential(text: String) -> Result<HeaderValue, CallError> {
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
