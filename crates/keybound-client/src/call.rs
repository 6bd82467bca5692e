//! One call: sign, send, judge the answer, perhaps again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::ExponentialBackoff;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use keybound::exchange::{DPOP, newest_nonce};
use keybound::proof::{DpopKey, ProofRequest};
use keybound::{Nonce, TargetUri};
use tokio::time::Instant;
use tracing::{Span, debug};

use crate::call_metrics::{self, Counted, Origins, Sort as _};
use crate::challenge::Challenge;
use crate::client::{CallError, ClientOptions};
use crate::clock::{ClockOffset, Moment};
use crate::pacing::{Pacer, Turn};
use crate::rate_limit::{self, Wait};
use crate::redirect::{Redirect, RedirectFault, ReturnRedirects, Visited};
use crate::retry::{self, Budget, is_idempotent};
use crate::servers::ServerTime;
use crate::signing;
use crate::token::Token;
use crate::token_source::TokenSource;
use crate::transport::TransportError;
use crate::wire::{Content, Fault, Repeat, Wire};

/// What calls share.
pub(crate) struct Shared {
    pub(crate) tokens: TokenSource,
    pub(crate) options: ClientOptions,
    pub(crate) budget: Budget,
    pub(crate) pacer: Option<Pacer>,
    /// The token that was used last, and the header field that carries it.
    pub(crate) authorization: Mutex<Option<(Arc<Token>, HeaderValue)>>,
    /// Origins that have taken a proof without a nonce.
    pub(crate) asking_no_nonce: Mutex<HashSet<String>>,
    /// Origins by which calls are counted.
    pub(crate) origins: Origins,
}

/// Origins that are remembered to ask for no nonce, at most; beyond that all are forgotten.
const MAX_ORIGINS: usize = 256;

impl Shared {
    /// The value of `Authorization` with `token`; it is the same for as long as the token is.
    fn authorization(&self, token: &Arc<Token>) -> Result<HeaderValue, CallError> {
        let mut last = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((of, value)) if Arc::ptr_eq(of, token) => Ok(value.clone()),
            _ => {
                let value = credential(token.authorization().as_str().to_owned())?;
                *last = Some((Arc::clone(token), value.clone()));
                Ok(value)
            }
        }
    }

    /// Whether it is known what nonce the server of `target` wants, if any.
    pub(crate) fn knows_nonce(&self, target: &TargetUri) -> bool {
        let asking_no_nonce = self.asking_no_nonce.lock().unwrap_or_else(PoisonError::into_inner);
        asking_no_nonce.contains(target.origin()) || self.tokens.servers().nonce(target).is_some()
    }

    /// Remembers that the server of `target` has taken a proof as it was.
    pub(crate) fn learn_that_nonce_is_known(&self, target: &TargetUri) {
        let mut asking_no_nonce = self.asking_no_nonce.lock().unwrap_or_else(PoisonError::into_inner);
        if asking_no_nonce.len() >= MAX_ORIGINS {
            asking_no_nonce.clear();
        }
        asking_no_nonce.insert(target.origin().to_owned());
    }

    async fn sleep(&self, duration: Duration) {
        self.tokens.system().timer.sleep(duration).await;
    }
}

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
    /// One delay for each time that server or connection may fail.
    failures: ExponentialBackoff,
}

/// Takes one of what is left, if anything is.
fn take(left: &mut u8) -> bool {
    let taken = *left > 0;
    *left = left.saturating_sub(1);
    taken
}

enum Step {
    Return,
    /// For the reason that is counted.
    Repeat(&'static str),
    Renew,
    Wait(Duration, &'static str),
    Follow(Redirect),
}

impl Step {
    /// Why there is to be another attempt, as it is counted.
    const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Return => None,
            Self::Repeat(reason) | Self::Wait(_, reason) => Some(reason),
            Self::Renew => Some("token"),
            Self::Follow(_) => Some("redirect"),
        }
    }
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
        let patience = Patience {
            nonces: 3,
            renewals: 1,
            clock_corrections: 1,
            rate_limits: 2,
            failures: shared.options.retries.delays(),
        };
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

    /// What to do with an answer.
    fn next_step(&mut self, answer: &Answer<W::Answer>) -> Result<Step, CallError> {
        match answer.response.status() {
            StatusCode::TOO_MANY_REQUESTS => self.after_rate_limit(answer),
            StatusCode::UNAUTHORIZED => Ok(self.after_refusal(answer)),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                self.after_failure(answer)
            }
            _ => self.after_redirect(answer),
        }
    }

    /// Any answer may be a redirect; one that can't be followed is an error.
    fn after_redirect(&mut self, answer: &Answer<W::Answer>) -> Result<Step, CallError> {
        let (status, headers) = (answer.response.status(), answer.response.headers());
        let next = match self.visited.next(&self.request, &self.target, status, headers) {
            Ok(Some(redirect)) if redirect.keeps_body && self.content.is_spent() => {
                Err(RedirectFault::BodySpent)
            }
            next => next,
        };
        let next =
            next.map_err(|fault| TransportError::redirected(&answer.response, self.target.origin(), fault))?;
        let is_followed = self.request.extensions.get::<ReturnRedirects>().is_none();
        Ok(next.filter(|_| is_followed).map_or(Step::Return, Step::Follow))
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

    /// A server that counts requests did not act on this one, whatever its method.
    fn after_rate_limit(&mut self, answer: &Answer<W::Answer>) -> Result<Step, CallError> {
        let wait = match rate_limit::wait(answer.response.headers()) {
            Wait::For(wait) => wait,
            Wait::Unsaid => rate_limit::DEFAULT_WAIT,
            Wait::TooLong => return Ok(Step::Return),
        };
        let wait = wait + self.jitter(rate_limit::JITTER)?;
        if self.content.is_spent() || !self.has_time_for(wait) || !take(&mut self.patience.rate_limits) {
            return Ok(Step::Return);
        }
        debug!(?wait, "waiting for the rate limit's reset");
        Ok(Step::Wait(wait, "rate_limit"))
    }

    fn after_refusal(&mut self, answer: &Answer<W::Answer>) -> Step {
        let servers = self.shared.tokens.servers();
        let challenge = answer.challenge().unwrap_or_default();
        self.counted.challenged(challenge.error.as_deref());
        // A server whose clock was set may ask for a nonce first, and then for a proof of the right time.
        let is_for_the_time = answer
            .clock_offset
            .is_some_and(|offset| servers.correct_clock(&self.target, answer.made_by, offset));
        if challenge.is("use_dpop_nonce") {
            // The nonce of this very challenge, or a newer one that another call has learnt.
            let offered = newest_nonce(answer.response.headers()).or_else(|| servers.nonce(&self.target));
            let is_news = offered.is_some() && offered != answer.nonce;
            self.challenged_with = offered;
            return if is_news && take(&mut self.patience.nonces) {
                Step::Repeat("nonce")
            } else {
                Step::Return
            };
        }
        if is_for_the_time && take(&mut self.patience.clock_corrections) {
            debug!(offset = ?answer.clock_offset, "going by the right time for this server");
            return Step::Repeat("clock");
        }
        // A server that names no error may mean the token as well.
        let about_token = challenge.error.is_none() || challenge.is("invalid_token");
        if about_token && take(&mut self.patience.renewals) { Step::Renew } else { Step::Return }
    }

    /// A gateway that failed, or one that got no answer, says nothing of what the server behind it did.
    fn after_failure(&mut self, answer: &Answer<W::Answer>) -> Result<Step, CallError> {
        let asked_for = match rate_limit::wait(answer.response.headers()) {
            Wait::For(wait) => wait,
            Wait::Unsaid => Duration::ZERO,
            Wait::TooLong => return Ok(Step::Return),
        };
        if !is_idempotent(&self.request) {
            return Ok(Step::Return);
        }
        let delay = self.back_off(asked_for)?;
        Ok(delay.map_or(Step::Return, |delay| Step::Wait(delay, "unavailable")))
    }

    /// How long to wait before the next attempt, if there is to be one.
    fn after_fault(&mut self, repeat: Repeat) -> Result<Option<Duration>, CallError> {
        match repeat {
            Repeat::Unsent => self.back_off(Duration::ZERO),
            Repeat::IfIdempotent if is_idempotent(&self.request) => self.back_off(Duration::ZERO),
            Repeat::IfIdempotent | Repeat::No => Ok(None),
        }
    }

    /// The next delay of this call, with jitter and `at_least` as long; none if it has failed too often, has
    /// no time left, or the client has sent too much again.
    fn back_off(&mut self, at_least: Duration) -> Result<Option<Duration>, CallError> {
        if self.content.is_spent() {
            return Ok(None);
        }
        let Some(delay) = self.patience.failures.next() else { return Ok(None) };
        let delay = at_least + delay / 2 + self.jitter(delay / 2)?;
        let allowed = self.has_time_for(delay) && self.shared.budget.spend();
        Ok(allowed.then_some(delay))
    }

    fn has_time_for(&self, wait: Duration) -> bool {
        self.began.elapsed().saturating_add(wait) < self.shared.options.total_timeout
    }

    fn jitter(&self, longest: Duration) -> Result<Duration, CallError> {
        Ok(retry::jitter(longest, self.shared.tokens.system().random.as_ref())?)
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
