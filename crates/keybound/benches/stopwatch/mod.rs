//! Measures what a thread computes, not how long it waits for a processor on a machine with other work.

use std::time::Duration;

pub(crate) struct Stopwatch(Duration);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(time_on_processor())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        time_on_processor().saturating_sub(self.0)
    }
}

#[cfg(unix)]
fn time_on_processor() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

/// Elsewhere the wall clock has to do.
#[cfg(not(unix))]
fn time_on_processor() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed()
}
