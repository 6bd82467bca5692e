//! What a source holds: the newest token, the exchange that is going on, and what the last one was told if it failed.
//! From these follows what a caller does next.

use std::sync::Arc;

use keybound::proof::AccessTokenHash;
use tokio::sync::watch;

use super::TokenError;
use crate::clock::Moment;
use crate::renewal::Failure;
use crate::token::Token;

#[derive(Default)]
pub(super) struct State {
    /// The newest token, good or not.
    pub(super) token: Option<Arc<Token>>,
    /// The exchange that is going on.
    flight: Option<Flight>,
    /// What the last exchange was told, if it failed.
    pub(super) failure: Option<Failure>,
    /// The token that a resource refused last: it is not taken from a cache again.
    pub(super) refused: Option<AccessTokenHash>,
}

pub(super) type Outcome = Result<Arc<Token>, TokenError>;

/// An exchange in progress: what comes of it will stand here.
pub(super) type Flight = watch::Receiver<Option<Outcome>>;

/// What a caller does.
pub(super) enum Step {
    Return(Outcome),
    Wait(Flight),
}

/// An exchange that is to be launched.
pub(super) struct Started {
    pub(super) reason: &'static str,
    pub(super) outcome: watch::Sender<Option<Outcome>>,
}

/// The reason of an exchange that replaces no token.
pub(super) const FIRST: &str = "first";

impl State {
    /// What a caller does, and the exchange that is to be launched for it. `refused` is a token that a resource did not
    /// take.
    pub(super) fn next_step(&mut self, now: Moment, refused: Option<&Arc<Token>>) -> (Step, Option<Started>) {
        if let Some(refused) = refused {
            self.refuse(refused);
        }
        if let Some(token) = self.token.clone().filter(|token| token.is_good(now)) {
            let renewed = (token.is_due(now) && self.may_renew(now)).then(|| self.start("early").1);
            return (Step::Return(Ok(token)), renewed);
        }
        if let Some(flight) = &self.flight {
            return (Step::Wait(flight.clone()), None);
        }
        if let Some(error) = self.failure.as_ref().and_then(|failure| failure.shared(now.elapsed)) {
            return (Step::Return(Err(error)), None);
        }
        let reason = match (&self.token, refused) {
            (Some(_), _) => "expired",
            (None, Some(_)) => "refused",
            (None, None) => FIRST,
        };
        let (flight, started) = self.start(reason);
        (Step::Wait(flight), Some(started))
    }

    /// The exchange that is going on came to this token.
    pub(super) fn succeeded(&mut self, token: Arc<Token>) {
        (self.token, self.failure, self.flight) = (Some(token), None, None);
    }

    /// The exchange that is going on came to nothing.
    pub(super) fn failed(&mut self, failure: Failure) {
        (self.failure, self.flight) = (Some(failure), None);
    }

    fn start(&mut self, reason: &'static str) -> (Flight, Started) {
        let (outcome, flight) = watch::channel(None);
        self.flight = Some(flight.clone());
        (flight, Started { reason, outcome })
    }

    /// Drops the token if it is the one that was refused.
    fn refuse(&mut self, refused: &Arc<Token>) {
        match &self.token {
            Some(held) if !Arc::ptr_eq(held, refused) => {}
            _ => {
                self.token = None;
                self.refused = Some(refused.hash());
            }
        }
    }

    /// Whether a token that is still good may be renewed.
    fn may_renew(&self, now: Moment) -> bool {
        self.flight.is_none()
            && self.failure.as_ref().is_none_or(|failure| !failure.holds_back_renewal(now.elapsed))
    }
}
