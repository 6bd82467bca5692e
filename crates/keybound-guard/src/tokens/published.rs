//! Something that an issuer publishes, kept fresh: fetched once for all who wait for it, ahead of its end
//! in the background, and never more often than the [`Schedule`] allows.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use keybound::random::Random;
use keybound::{Clock, NumericDate};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::network::FetchError;
use super::schedule::{Lifetimes, Schedule, Step, Wanted};

/// What a fetch brings, later.
pub(super) type Fetching<T> = Pin<Box<dyn Future<Output = Result<T, FetchError>> + Send>>;

/// Begins a fetch.
pub(super) type Fetch<T> = Box<dyn Fn() -> Fetching<T> + Send + Sync>;

/// Something that an issuer publishes, kept fresh.
pub(super) struct Published<T> {
    held: ArcSwapOption<Held<T>>,
    schedule: Mutex<Schedule>,
    /// [`Schedule::settled_until`], for a look without the lock.
    settled_until: AtomicU64,
    /// Marked as changed at the end of every fetch.
    ended: watch::Sender<()>,
    fetch: Fetch<T>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// What was fetched.
pub(super) struct Held<T> {
    pub(super) value: T,
    /// Counts the values that differ: what was concluded from another one no longer holds.
    pub(super) generation: u64,
}

/// What became of the wish for something newer.
pub(super) enum Newer<T> {
    /// Here it is.
    Found(Arc<Held<T>>),
    /// The issuer was asked a moment ago, and there is nothing newer.
    None,
    /// The issuer does not answer.
    CannotTell,
}

impl<T: PartialEq + Send + Sync + 'static> Published<T> {
    /// Nothing is fetched before someone wants it.
    pub(super) fn new(
        lifetimes: Lifetimes,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        fetch: Fetch<T>,
    ) -> Arc<Self> {
        Arc::new(Self {
            held: ArcSwapOption::empty(),
            schedule: Mutex::new(Schedule::new(lifetimes)),
            settled_until: AtomicU64::new(0),
            ended: watch::Sender::new(()),
            fetch,
            clock,
            random,
        })
    }

    /// Whether what was concluded from `generation` holds at `now`. Without lock, while there is nothing to
    /// do; begins the next fetch in the background when it is time.
    pub(super) fn holds(self: &Arc<Self>, generation: u64, now: NumericDate) -> bool {
        let same = self.held.load().as_ref().is_some_and(|held| held.generation == generation);
        same && (now.seconds() < self.settled_until.load(Ordering::Acquire)
            || matches!(self.step(Wanted::Usable, now).0, Step::Use | Step::UseAndFetch))
    }

    /// What was fetched last, if anything, however old.
    pub(super) fn held(&self) -> Option<Arc<Held<T>>> {
        self.held.load_full()
    }

    /// What may be used at `now`; `None` if the issuer does not answer and what there is is too old.
    pub(super) async fn usable(self: &Arc<Self>, now: NumericDate) -> Option<Arc<Held<T>>> {
        match self.step(Wanted::Usable, now) {
            (Step::Use | Step::UseAndFetch, _) => self.held(),
            (Step::GiveUp, _) => None,
            (Step::Fetch | Step::Wait, ended) => {
                self.wait(ended).await;
                let usable = self.schedule().is_usable(self.clock.now());
                if usable { self.held() } else { None }
            }
        }
    }

    /// Something newer than `generation`, for a caller that does not find what it looks for.
    pub(super) async fn newer_than(self: &Arc<Self>, generation: u64, now: NumericDate) -> Newer<T> {
        if let Some(newer) = self.other_than(generation) {
            return Newer::Found(newer);
        }
        if let (Step::Fetch | Step::Wait, ended) = self.step(Wanted::Newer, now) {
            self.wait(ended).await;
        }
        match self.other_than(generation) {
            Some(newer) => Newer::Found(newer),
            None if self.schedule().is_failing() => Newer::CannotTell,
            None => Newer::None,
        }
    }

    fn other_than(&self, generation: u64) -> Option<Arc<Held<T>>> {
        self.held().filter(|held| held.generation != generation)
    }

    /// What a caller is to do, with what it waits for. A fetch that is due has begun then.
    fn step(self: &Arc<Self>, wanted: Wanted, now: NumericDate) -> (Step, watch::Receiver<()>) {
        let mut schedule = self.schedule();
        let step = schedule.step(wanted, now);
        let ended = self.ended.subscribe();
        if matches!(step, Step::Fetch | Step::UseAndFetch) {
            schedule.begin(now);
            self.settle(&schedule);
            drop(schedule);
            self.begin();
        }
        (step, ended)
    }

    /// The fetch is a task of its own: a caller that goes away does not end it for the others.
    fn begin(self: &Arc<Self>) {
        let flight = Flight { published: Arc::clone(self), ended: false };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let outcome = (flight.published.fetch)().await;
                flight.end(outcome.ok());
            });
        }
    }

    async fn wait(&self, mut ended: watch::Receiver<()>) {
        // The sender lives as long as `self`.
        let _ = ended.changed().await;
    }

    fn end(&self, outcome: Option<T>) {
        let now = self.clock.now();
        let mut schedule = self.schedule();
        match outcome {
            Some(value) => {
                self.hold(value);
                schedule.succeed(now);
            }
            None => schedule.fail(now, self.chance()),
        }
        self.settle(&schedule);
        drop(schedule);
        self.ended.send_replace(());
    }

    /// The lock of the schedule is held: there is one writer.
    fn hold(&self, value: T) {
        let generation = match self.held.load().as_deref() {
            Some(held) if held.value == value => return,
            Some(held) => held.generation.wrapping_add(1),
            None => 0,
        };
        self.held.store(Some(Arc::new(Held { value, generation })));
    }

    fn settle(&self, schedule: &Schedule) {
        self.settled_until.store(schedule.settled_until().seconds(), Ordering::Release);
    }

    /// Without randomness the pauses of a fleet are not spread, which is no reason to stop.
    fn chance(&self) -> u8 {
        let mut byte = [u8::MAX];
        let _ = self.random.fill(&mut byte);
        let [chance] = byte;
        chance
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // Nothing that holds the lock can stop half way.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch under way. One that is dropped before its end has failed, or nobody would ever fetch again.
struct Flight<T: PartialEq + Send + Sync + 'static> {
    published: Arc<Published<T>>,
    ended: bool,
}

impl<T: PartialEq + Send + Sync + 'static> Flight<T> {
    fn end(mut self, outcome: Option<T>) {
        self.ended = true;
        self.published.end(outcome);
    }
}

impl<T: PartialEq + Send + Sync + 'static> Drop for Flight<T> {
    fn drop(&mut self) {
        if !self.ended {
            self.published.end(None);
        }
    }
}
