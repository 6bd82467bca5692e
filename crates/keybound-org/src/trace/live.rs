//! New exchanges, told to whoever listens as they happen.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time;

/// Listeners at once, at most: each explains every exchange for itself.
pub const MAX_LISTENERS: usize = 16;

/// Exchanges that wait for a slow listener, at most; it is told how many it missed.
const WAITING: usize = 256;

/// Where listeners are told from.
pub(super) struct Live {
    sender: broadcast::Sender<u64>,
    is_closed: watch::Sender<bool>,
    places: Arc<Semaphore>,
}

/// Somebody who is told.
pub(crate) struct Listener {
    receiver: broadcast::Receiver<u64>,
    is_closed: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// What a listener is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The exchange of this number has ended.
    Exchange(u64),
    /// So many were missed.
    Missed(u64),
    /// Nothing happened for a while.
    Silence,
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            sender: broadcast::Sender::new(WAITING),
            is_closed: watch::Sender::new(false),
            places: Arc::new(Semaphore::new(MAX_LISTENERS)),
        }
    }

    pub(super) fn tell(&self, id: u64) {
        // Nobody may be listening.
        let _ = self.sender.send(id);
    }

    pub(super) fn close(&self) {
        self.is_closed.send_replace(true);
    }

    /// A listener, if there is a place for one.
    pub(super) fn listen(&self) -> Option<Listener> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Listener {
            receiver: self.sender.subscribe(),
            is_closed: self.is_closed.subscribe(),
            _place: place,
        })
    }
}

impl Listener {
    /// Waits this long for what comes next; `None` when nothing will.
    pub(super) async fn next_within(&mut self, pause: Duration) -> Option<Heard> {
        time::timeout(pause, self.next()).await.unwrap_or(Some(Heard::Silence))
    }

    /// Waits for what comes next; `None` when nothing will.
    async fn next(&mut self) -> Option<Heard> {
        tokio::select! {
            biased;
            _ = self.is_closed.wait_for(|is_closed| *is_closed) => None,
            received = self.receiver.recv() => match received {
                Ok(id) => Some(Heard::Exchange(id)),
                Err(RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
                Err(RecvError::Closed) => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_is_told_what_it_missed() {
        let live = Live::new();
        let mut listener = live.listen().unwrap();
        for id in 1..=300 {
            live.tell(id);
        }
        assert_eq!(listener.next().await, Some(Heard::Missed(44)));
        assert_eq!(listener.next().await, Some(Heard::Exchange(45)));
    }

    #[tokio::test]
    async fn silence_is_heard_too() {
        let live = Live::new();
        let mut listener = live.listen().unwrap();
        assert_eq!(listener.next_within(Duration::ZERO).await, Some(Heard::Silence));
        live.tell(1);
        assert_eq!(listener.next_within(Duration::ZERO).await, Some(Heard::Exchange(1)));
        live.close();
        assert_eq!(listener.next_within(Duration::ZERO).await, None);
    }

    #[tokio::test]
    async fn listeners_are_bounded_and_end_with_the_org() {
        let live = Live::new();
        let mut listeners: Vec<_> = (0..MAX_LISTENERS).map(|_| live.listen().unwrap()).collect();
        assert!(live.listen().is_none());
        listeners.pop();
        assert!(live.listen().is_some(), "the place is free again");
        live.tell(1);
        live.close();
        assert_eq!(listeners[0].next().await, None);
        assert_eq!(live.listen().unwrap().next().await, None);
    }
}
