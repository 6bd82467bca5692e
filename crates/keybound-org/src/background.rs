//! Work that waits for the disk or computes for long, off the threads that serve requests.

/// The work did not come to its end: it panicked, or the runtime is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work was not finished; the log may tell more")]
#[non_exhaustive]
pub struct Unfinished;

/// Runs `work` on a thread for blocking work.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unfinished> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Unfinished)
}
