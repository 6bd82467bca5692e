//! What is made of an answer, or of none: whether there is another attempt, when, and with what.

use std::time::Duration;

use backon::ExponentialBackoff;
use http::StatusCode;
use keybound::exchange::newest_nonce;
use tracing::debug;

use super::{Answer, Call};
use crate::client::CallError;
use crate::rate_limit::{self, Wait};
use crate::redirect::{Redirect, RedirectFault, ReturnRedirects};
use crate::retry::{self, RetryOptions, is_idempotent};
use crate::transport::TransportError;
use crate::wire::{Content, Repeat, Wire};

/// How often a request may still be sent again, by reason.
pub(super) struct Patience {
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

impl Patience {
    pub(super) fn new(retries: &RetryOptions) -> Self {
        Self { nonces: 3, renewals: 1, clock_corrections: 1, rate_limits: 2, failures: retries.delays() }
    }
}

/// Takes one of what is left, if anything is.
fn take(left: &mut u8) -> bool {
    let taken = *left > 0;
    *left = left.saturating_sub(1);
    taken
}

/// What comes after an answer.
pub(super) enum Step {
    Return,
    /// For the reason that is counted.
    Repeat(&'static str),
    Renew,
    Wait(Duration, &'static str),
    Follow(Redirect),
}

impl Step {
    /// Why there is to be another attempt, as it is counted.
    pub(super) const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Return => None,
            Self::Repeat(reason) | Self::Wait(_, reason) => Some(reason),
            Self::Renew => Some("token"),
            Self::Follow(_) => Some("redirect"),
        }
    }
}

impl<W: Wire, C: Content<Body = W::Body>> Call<'_, W, C> {
    /// What to do with an answer.
    pub(super) fn next_step(&mut self, answer: &Answer<W::Answer>) -> Result<Step, CallError> {
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
    pub(super) fn after_fault(&mut self, repeat: Repeat) -> Result<Option<Duration>, CallError> {
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
