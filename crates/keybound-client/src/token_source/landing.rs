//! The end of an exchange: what it came to is told to all who wait, and kept for those who come.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{debug, warn};

use super::state::Outcome;
use super::{Inner, TokenError};
use crate::clock::Moment;
use crate::renewal::Failure;

/// The end of an exchange. It comes even if the task is stopped: then nobody is left waiting, and the next
/// caller starts another.
pub(super) struct Landing {
    pub(super) inner: Arc<Inner>,
    pub(super) outcome: watch::Sender<Option<Outcome>>,
    /// When it was launched, by the stopwatch.
    pub(super) launched: Duration,
}

impl Landing {
    pub(super) fn land(&self, outcome: Outcome) {
        let now = self.inner.system().moment();
        match &outcome {
            Ok(token) => self.inner.lock().succeeded(Arc::clone(token)),
            Err(error) => self.land_without_token(error, now),
        }
        self.outcome.send_replace(Some(outcome));
    }

    fn land_without_token(&self, error: &TokenError, now: Moment) {
        let previous = self.inner.lock().failure.clone();
        let random = self.inner.system().random.as_ref();
        let failure = Failure::new(error.clone(), previous.as_ref(), now.elapsed, Some(random));
        let mut state = self.inner.lock();
        let still_good = state.token.as_ref().is_some_and(|token| token.is_good(now));
        state.failed(failure);
        drop(state);
        if still_good {
            warn!(%error, "the token was not renewed; the old one is still good");
        } else {
            debug!(%error, "no token");
        }
    }
}

impl Drop for Landing {
    /// Calls nothing of the system's: it may be why the task panicked.
    fn drop(&mut self) {
        if self.outcome.borrow().is_none() {
            let mut state = self.inner.lock();
            let failure = Failure::new(TokenError::Stopped, state.failure.as_ref(), self.launched, None);
            state.failed(failure);
        }
    }
}
