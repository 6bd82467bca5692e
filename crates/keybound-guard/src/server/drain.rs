//! How a server ends: no new work, what is under way goes on for a while, then nothing.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

/// How far a server is with ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Serving still, and saying that it will not for long.
    Leaving,
    Draining,
    Ended,
}

/// Ends everything that holds one of its [`Lifeline`]s.
#[derive(Debug)]
pub(crate) struct Drain {
    phase: watch::Sender<Phase>,
    lifeline: Lifeline,
    all_gone: mpsc::Receiver<()>,
}

/// Held by whatever serves: tells it when to end, and the server that it has not ended yet.
#[derive(Clone, Debug)]
pub(crate) struct Lifeline {
    phase: watch::Receiver<Phase>,
    _alive: mpsc::Sender<()>,
}

/// Tells whether a server is to be left, without keeping it.
#[derive(Clone, Debug)]
pub(crate) struct DrainObserver(watch::Receiver<Phase>);

impl DrainObserver {
    pub(crate) fn is_leaving(&self) -> bool {
        *self.0.borrow() > Phase::Serving
    }
}

impl Drain {
    pub(crate) fn new() -> Self {
        let (phase, watched) = watch::channel(Phase::Serving);
        let (alive, all_gone) = mpsc::channel(1);
        Self { phase, lifeline: Lifeline { phase: watched, _alive: alive }, all_gone }
    }

    pub(crate) fn lifeline(&self) -> Lifeline {
        self.lifeline.clone()
    }

    pub(crate) fn observer(&self) -> DrainObserver {
        DrainObserver(self.lifeline.phase.clone())
    }

    /// Says that the server is to be left.
    pub(crate) fn announce(&self) {
        self.phase.send_replace(Phase::Leaving);
    }

    /// Ends what is under way: gently within `limit`, then at once. Whether all had ended by itself.
    pub(crate) async fn end(self, limit: Duration) -> bool {
        let Self { phase, lifeline, mut all_gone } = self;
        drop(lifeline);
        phase.send_replace(Phase::Draining);
        let gently = tokio::time::timeout(limit, all_gone.recv()).await.is_ok();
        phase.send_replace(Phase::Ended);
        gently
    }
}

impl Lifeline {
    /// When no new work is to be taken.
    pub(crate) async fn draining(&mut self) {
        // A server that was dropped has no more use for what it served.
        let _ = self.phase.wait_for(|phase| *phase >= Phase::Draining).await;
    }

    /// When no new work is to be taken or, where that is known already (`draining`), when all is to end at once.
    pub(crate) async fn told(&mut self, draining: bool) {
        if draining { self.ended().await } else { self.draining().await }
    }

    /// When all is to end at once.
    pub(crate) async fn ended(&mut self) {
        let _ = self.phase.wait_for(|phase| *phase >= Phase::Ended).await;
    }

    /// Whether clients are to come back on another connection.
    pub(crate) fn is_leaving(&self) -> bool {
        *self.phase.borrow() > Phase::Serving
    }
}
