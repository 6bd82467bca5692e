//! What is counted of calls, with the cargo feature `metrics`: the names, and where they are recorded.
//!
//! Recording goes through the `metrics` facade; without the feature it costs nothing. Labels are bounded: origins by
//! `MAX_ORIGINS`, methods and outcomes by their lists. No path, no query and no identifier is ever one.
//! `docs/metrics.md` has the same list for those who read dashboards.

use std::time::Duration;

use http::{Method, StatusCode};

use crate::client::CallError;
use crate::token_source::TokenError;
use crate::transport::TransportError;

/// Requests that were sent, each attempt of a call by itself. Labels: `origin`, `method`, `outcome` (`1xx` to `5xx`, or
/// why there was no answer: `connect`, `certificate`, `timeout`, `broken`, `other`; `inner` for the service below a
/// `DpopLayer`).
pub const REQUESTS: &str = "keybound_client_requests_total";
/// Attempts after the first. Label: `reason` (`nonce`, `clock`, `token`: the server refused proof or token, and another
/// may do; `rate_limit`; `unavailable`: 502, 503, 504; `connection`; `redirect`).
pub const RETRIES: &str = "keybound_client_retries_total";
/// Refusals of token or proof by a resource. Label: `error` (`use_dpop_nonce`, `invalid_dpop_proof`, `invalid_token`,
/// `insufficient_scope`, `other`, `none`).
pub const CHALLENGES: &str = "keybound_client_challenges_total";
/// Seconds of a call, with all its attempts and waits, up to the head of the answer that the caller gets (or its
/// whole body, where that is read whole). Labels: `origin`, `method`, `outcome` as for requests; `token` too: there
/// was none to be had; `time`: the call's time was used up.
pub const CALL_SECONDS: &str = "keybound_client_call_seconds";
/// Seconds of one attempt. Labels: `origin`, `method`.
pub const ATTEMPT_SECONDS: &str = "keybound_client_attempt_seconds";
/// Seconds that a call waited for its turn, where calls are paced. Label: `origin`.
pub const PACING_SECONDS: &str = "keybound_client_pacing_seconds";

/// Tells a recorder what each of them means.
#[cfg(feature = "metrics")]
pub fn describe() {
    use metrics::{Unit, describe_counter, describe_histogram};
    describe_counter!(REQUESTS, "Requests that were sent, by origin, method and outcome.");
    describe_counter!(RETRIES, "Attempts after the first, by reason.");
    describe_counter!(CHALLENGES, "Refusals of token or proof by a resource, by error.");
    describe_histogram!(CALL_SECONDS, Unit::Seconds, "A call with all its attempts and waits.");
    describe_histogram!(ATTEMPT_SECONDS, Unit::Seconds, "One attempt of a call.");
    describe_histogram!(PACING_SECONDS, Unit::Seconds, "The wait of a call for its turn.");
}

/// The sort of an error, as a label.
pub(crate) trait Sort {
    fn sort(&self) -> &'static str;
}

impl Sort for CallError {
    fn sort(&self) -> &'static str {
        match self {
            Self::Transport(error) => error.sort(),
            Self::Token(
                TokenError::Transport(_)
                | TokenError::Refused { .. }
                | TokenError::Discovery(_)
                | TokenError::NotSupported(_),
            ) => "token",
            _ => "other",
        }
    }
}

impl Sort for TransportError {
    fn sort(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Certificate { .. } => "certificate",
            Self::Timeout { .. } | Self::Idle { .. } => "timeout",
            Self::Broken { .. } | Self::TooLong { .. } => "broken",
            _ => "other",
        }
    }
}

/// The class of a status.
pub(crate) fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// The time of a call was used up.
pub(crate) const OUT_OF_TIME: &str = "time";

#[cfg(feature = "metrics")]
pub(crate) use recording::{Counted, Origins};

#[cfg(feature = "metrics")]
mod recording {
    use std::collections::HashSet;
    use std::sync::{Mutex, PoisonError};

    use metrics::{SharedString, counter, histogram};

    use super::{
        ATTEMPT_SECONDS, CALL_SECONDS, CHALLENGES, Duration, Method, PACING_SECONDS, REQUESTS, RETRIES,
    };

    /// Origins that have a label of their own; those beyond share `other`. A client talks to a few servers.
    const MAX_ORIGINS: usize = 64;

    /// The origins that have been given a label.
    #[derive(Default)]
    pub(crate) struct Origins(Mutex<HashSet<String>>);

    impl Origins {
        fn label(&self, origin: &str) -> SharedString {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.contains(origin) {
                return origin.to_owned().into();
            }
            if known.len() >= MAX_ORIGINS {
                return "other".into();
            }
            known.insert(origin.to_owned());
            origin.to_owned().into()
        }
    }

    /// The labels of one call.
    #[derive(Clone)]
    pub(crate) struct Counted {
        origin: SharedString,
        method: &'static str,
    }

    impl Counted {
        pub(crate) fn new(origins: &Origins, origin: &str, method: &Method) -> Self {
            Self { origin: origins.label(origin), method: method_label(method) }
        }

        pub(crate) fn attempted(&self, outcome: &'static str, took: Duration) {
            let (origin, method) = (self.origin.clone(), self.method);
            counter!(REQUESTS, "origin" => origin, "method" => method, "outcome" => outcome).increment(1);
            histogram!(ATTEMPT_SECONDS, "origin" => self.origin.clone(), "method" => method).record(took);
        }

        pub(crate) fn ended(&self, outcome: &'static str, took: Duration) {
            let (origin, method) = (self.origin.clone(), self.method);
            histogram!(CALL_SECONDS, "origin" => origin, "method" => method, "outcome" => outcome)
                .record(took);
        }

        pub(crate) fn paced(&self, waited: Duration) {
            histogram!(PACING_SECONDS, "origin" => self.origin.clone()).record(waited);
        }

        #[expect(clippy::unused_self, reason = "who counts holds the labels of its call")]
        pub(crate) fn retried(&self, reason: &'static str) {
            counter!(RETRIES, "reason" => reason).increment(1);
        }

        #[expect(clippy::unused_self, reason = "who counts holds the labels of its call")]
        pub(crate) fn challenged(&self, error: Option<&str>) {
            const KNOWN: [&str; 4] =
                ["use_dpop_nonce", "invalid_dpop_proof", "invalid_token", "insufficient_scope"];
            let label = match error {
                None => "none",
                Some(error) => KNOWN.into_iter().find(|known| *known == error).unwrap_or("other"),
            };
            counter!(CHALLENGES, "error" => label).increment(1);
        }
    }

    /// A caller may make up methods.
    fn method_label(method: &Method) -> &'static str {
        const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
        KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn labels_are_bounded_whoever_chooses_origins_and_methods() {
            let origins = Origins::default();
            for number in 0..MAX_ORIGINS {
                let origin = format!("https://{number}.example");
                assert_eq!(&*origins.label(&origin), origin);
            }
            assert_eq!(&*origins.label("https://one-more.example"), "other");
            assert_eq!(&*origins.label("https://0.example"), "https://0.example");
            assert_eq!(method_label(&Method::PATCH), "PATCH");
            assert_eq!(method_label(&Method::from_bytes(b"MADEUP").unwrap()), "other");
        }
    }
}

#[cfg(not(feature = "metrics"))]
pub(crate) use nothing::{Counted, Origins};

#[cfg(not(feature = "metrics"))]
#[expect(clippy::unused_self, reason = "the same face as with the feature")]
mod nothing {
    use super::{Duration, Method};

    #[derive(Default)]
    pub(crate) struct Origins {}

    #[derive(Clone)]
    pub(crate) struct Counted;

    impl Counted {
        pub(crate) fn new(_origins: &Origins, _origin: &str, _method: &Method) -> Self {
            Self
        }

        pub(crate) fn attempted(&self, _outcome: &'static str, _took: Duration) {}

        pub(crate) fn ended(&self, _outcome: &'static str, _took: Duration) {}

        pub(crate) fn paced(&self, _waited: Duration) {}

        pub(crate) fn retried(&self, _reason: &'static str) {}

        pub(crate) fn challenged(&self, _error: Option<&str>) {}
    }
}
