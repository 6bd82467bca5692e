//! One question for all who want the same answer at the same time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keybound::Refusal;
use keybound::access_token::AccessToken;
use keybound::proof::AccessTokenHash;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// What is found of a token.
pub(super) type Verdict = Result<Arc<AccessToken>, Refusal>;

/// The questions about tokens that are under way. Each is a task of its own: a caller that goes away does not
/// end it for the others.
#[derive(Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<AccessTokenHash, watch::Receiver<Option<Verdict>>>>,
}

impl Flights {
    /// The answer of `question` about the token of `hash`, or of the one about it that is under way.
    /// `known` is asked whether one has ended a moment ago: a question remembers its answer before it ends.
    pub(super) async fn join<F>(
        self: &Arc<Self>,
        hash: AccessTokenHash,
        known: impl FnOnce() -> Option<Verdict>,
        question: impl FnOnce() -> F,
    ) -> Verdict
    where
        F: Future<Output = Verdict> + Send + 'static,
    {
        // Outside of a runtime there is no network.
        let runtime = Handle::try_current().map_err(|_| cut_short())?;
        let (sender, mut answered) = match self.under_way().entry(hash) {
            Entry::Occupied(under_way) => (None, under_way.get().clone()),
            Entry::Vacant(vacant) => {
                if let Some(verdict) = known() {
                    return verdict;
                }
                let (sender, answered) = watch::channel(None);
                (Some(sender), vacant.insert(answered).clone())
            }
        };
        if let Some(sender) = sender {
            let (flight, question) = (Flight { flights: Arc::clone(self), hash }, question());
            runtime.spawn(async move {
                let verdict = question.await;
                drop(flight);
                sender.send_replace(Some(verdict));
            });
        }
        let verdict = answered.wait_for(Option::is_some).await.ok().and_then(|verdict| verdict.clone());
        verdict.unwrap_or_else(|| Err(cut_short()))
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<AccessTokenHash, watch::Receiver<Option<Verdict>>>> {
        // Nothing that holds the lock can stop half way.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question under way; forgotten when it ends, however it ends.
struct Flight {
    flights: Arc<Flights>,
    hash: AccessTokenHash,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.under_way().remove(&self.hash);
    }
}

fn cut_short() -> Refusal {
    Refusal::TokenUnverifiable { reason: "the question to its issuer was cut short".to_owned() }
}
