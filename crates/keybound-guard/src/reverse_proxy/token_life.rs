//! How long the access token of a request is good: what goes on after its answer has begun, a tunnel or an event
//! stream, goes on no longer.

use std::sync::Arc;
use std::time::Duration;

use keybound::access_token::EXPIRY_LEEWAY;
use keybound::resource::Admitted;
use keybound::{Clock, NumericDate};

use crate::guard::Admission;

/// How long at most until the clock is looked at again, which may have been set, or have gone on while this
/// machine slept.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(30);

/// The life of an access token.
pub(crate) struct TokenLife {
    /// When it is refused as expired from then on; `None` where none was asked for.
    until: Option<NumericDate>,
    clock: Arc<dyn Clock>,
}

impl TokenLife {
    pub(super) fn of(admission: &Admission, clock: Arc<dyn Clock>) -> Self {
        let token = admission.admitted.as_ref().map(Admitted::access_token);
        Self { until: token.map(|token| token.expires.after(EXPIRY_LEEWAY)), clock }
    }

    /// How long to wait until the clock is to be looked at again; `None` when the life is over.
    pub(super) fn next_look(&self) -> Option<Duration> {
        let Some(until) = self.until else { return Some(LOOK_AT_CLOCK) };
        let left = until.since(self.clock.now());
        (!left.is_zero()).then(|| left.min(LOOK_AT_CLOCK))
    }

    /// When it is over.
    pub(super) async fn over(&self) {
        while let Some(wait) = self.next_look() {
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A clock that reads what it is set to and goes on with the runtime's, which is paused.
    pub(in crate::reverse_proxy) struct Hands(Mutex<(u64, tokio::time::Instant)>);

    impl Hands {
        pub(in crate::reverse_proxy) fn at(seconds: u64) -> Arc<Self> {
            Arc::new(Self(Mutex::new((seconds, tokio::time::Instant::now()))))
        }

        pub(in crate::reverse_proxy) fn set(&self, seconds: u64) {
            *self.0.lock().unwrap() = (seconds, tokio::time::Instant::now());
        }
    }

    impl Clock for Hands {
        fn now(&self) -> NumericDate {
            let (set_to, at) = *self.0.lock().unwrap();
            NumericDate::from_seconds(set_to).after(at.elapsed())
        }
    }

    /// The life that ends at this second.
    pub(in crate::reverse_proxy) fn life(until: u64, clock: &Arc<Hands>) -> TokenLife {
        TokenLife { until: Some(NumericDate::from_seconds(until)), clock: Arc::<Hands>::clone(clock) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_life_is_over_by_the_clock_of_the_guard() {
        let hour = 3600;
        let cases = [
            ("the rest of its life", 1_000, None, Some(1_000)),
            ("a life that is over", 0, None, Some(0)),
            ("a clock that is set ahead, when it is looked at", 1_000, Some(2_000), Some(100 + 20)),
            ("a clock that is set back", 1_000, Some(0), Some(1_100)),
            ("a token of the far future", hour, None, None),
        ];
        for (name, until, set_to, ends_after) in cases {
            let clock = Hands::at(0);
            let life = life(until, &clock);
            let began = tokio::time::Instant::now();
            let set = async {
                tokio::time::sleep(Duration::from_secs(100)).await;
                if let Some(seconds) = set_to {
                    clock.set(seconds);
                }
                std::future::pending::<()>().await;
            };
            let ended = tokio::select! {
                () = life.over() => Some(began.elapsed().as_secs()),
                () = set => None,
                () = tokio::time::sleep(Duration::from_secs(hour - 1)) => None,
            };
            assert_eq!(ended, ends_after, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_token_nothing_expires() {
        let clock = Arc::new(|| NumericDate::from_seconds(u64::MAX));
        let life = TokenLife { until: None, clock };
        let days = Duration::from_secs(1_000_000);
        assert!(tokio::time::timeout(days, life.over()).await.is_err());
    }
}
