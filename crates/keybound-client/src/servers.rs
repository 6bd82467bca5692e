//! What is remembered of each server: the newest nonce that it gave, and how its clock differs from ours.
//!
//! Both belong to the origin that they came from (RFC 9449 section 8.2): the token endpoint and the
//! protected resource may be two servers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use keybound::exchange::newest_nonce;
use keybound::{Clock, Nonce, NumericDate, TargetUri};

use crate::clock::ClockOffset;

/// Servers that are remembered, at most. A client talks to a few; when there are more, all are forgotten,
/// which costs one more challenge for each.
const MAX_SERVERS: usize = 256;

#[derive(Default)]
struct Server {
    nonce: Option<Nonce>,
    clock_offset: Option<ClockOffset>,
}

/// The servers that a client has talked to, by origin.
#[derive(Default)]
pub(crate) struct Servers {
    by_origin: Mutex<HashMap<String, Server>>,
}

impl Servers {
    /// The newest nonce of the server of `target`.
    pub(crate) fn nonce(&self, target: &TargetUri) -> Option<Nonce> {
        self.lock().get(target.origin())?.nonce.clone()
    }

    /// Remembers the nonce that an answer from `target` carries: any answer may, and the newest counts
    /// (RFC 9449 section 8.2). A field that is no nonce, or stands there twice, is ignored.
    pub(crate) fn learn_nonce(&self, target: &TargetUri, answer: &HeaderMap) {
        if let Some(nonce) = newest_nonce(answer) {
            self.with_server(target, |server| server.nonce = Some(nonce));
        }
    }

    /// The time by the clock of the server of `target`, as far as it is known to differ from `clock`.
    pub(crate) fn now(&self, target: &TargetUri, clock: &dyn Clock) -> NumericDate {
        let now = clock.now();
        let offset = self.lock().get(target.origin()).and_then(|server| server.clock_offset);
        offset.map_or(now, |offset| offset.server_time(now))
    }

    /// Corrects the time for the server of `target` by `offset`, if it is one to correct and says
    /// something new. Whether anything changed: then, and only then, it is worth asking again.
    pub(crate) fn correct_clock(&self, target: &TargetUri, offset: ClockOffset) -> bool {
        if offset.magnitude() > ClockOffset::CORRECTED {
            return false;
        }
        let earlier = self.with_server(target, |server| server.clock_offset.replace(offset));
        let change = earlier.map_or(offset.seconds_ahead(), |earlier| {
            offset.seconds_ahead().saturating_sub(earlier.seconds_ahead())
        });
        change.unsigned_abs() > ClockOffset::TOLERATED.as_secs()
    }

    fn with_server<R>(&self, target: &TargetUri, change: impl FnOnce(&mut Server) -> R) -> R {
        let mut servers = self.lock();
        if servers.len() >= MAX_SERVERS && !servers.contains_key(target.origin()) {
            servers.clear();
        }
        change(servers.entry(target.origin().to_owned()).or_default())
    }

    /// A thread that panicked while it held the lock left a whole value: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Server>> {
        self.by_origin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use keybound::exchange::DPOP_NONCE;

    fn target(uri: &str) -> TargetUri {
        TargetUri::parse(uri).unwrap()
    }

    fn answer(nonces: &[&'static str]) -> HeaderMap {
        nonces.iter().map(|nonce| (DPOP_NONCE, HeaderValue::from_static(nonce))).collect()
    }

    #[test]
    fn the_newest_nonce_of_an_origin_counts() {
        let servers = Servers::default();
        let tokens = target("https://as.example/token");
        for (nonces, kept, why) in [
            (&[][..], None, "none yet"),
            (&["one"], Some("one"), "the first"),
            (&["two"], Some("two"), "a newer one"),
            (&[], Some("two"), "an answer without one changes nothing"),
            (&["three", "four"], Some("two"), "two fields say nothing"),
            (&["with space"], Some("two"), "not a nonce (RFC 9449 section 8.1)"),
            (&[""], Some("two"), "empty"),
        ] {
            servers.learn_nonce(&tokens, &answer(nonces));
            let nonce = servers.nonce(&target("https://as.example/another/path"));
            assert_eq!(nonce.as_ref().map(Nonce::as_str), kept, "{why}");
        }
        assert_eq!(servers.nonce(&target("https://rs.example/")), None, "another origin");
        assert_eq!(servers.nonce(&target("https://as.example:8443/token")), None, "another port");
    }

    #[test]
    fn servers_are_forgotten_before_they_fill_the_memory() {
        let servers = Servers::default();
        for number in 0..=MAX_SERVERS {
            servers.learn_nonce(&target(&format!("https://host-{number}.example/")), &answer(&["one"]));
        }
        assert!(servers.lock().len() <= MAX_SERVERS);
    }

    #[test]
    fn a_clock_is_corrected_within_bounds_and_once() {
        struct At(u64);
        impl Clock for At {
            fn now(&self) -> NumericDate {
                NumericDate::from_seconds(self.0)
            }
        }
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        let answer = HeaderMap::from_iter([(http::header::DATE, date)]);
        let measure = |local| ClockOffset::measure(&answer, NumericDate::from_seconds(local)).unwrap();
        let (servers, tokens) = (Servers::default(), target("https://as.example/token"));

        let (minute_ahead, hour_ahead) = (784_111_777 + 60, 784_111_777 + 3600);
        assert!(!servers.correct_clock(&tokens, measure(hour_ahead)), "beyond what is corrected");
        assert_eq!(servers.now(&tokens, &At(hour_ahead)).seconds(), hour_ahead);
        assert!(servers.correct_clock(&tokens, measure(minute_ahead)));
        assert_eq!(servers.now(&tokens, &At(minute_ahead)).seconds(), 784_111_777);
        assert!(!servers.correct_clock(&tokens, measure(minute_ahead + 2)), "nothing new");
        let other = target("https://rs.example/");
        assert_eq!(servers.now(&other, &At(minute_ahead)).seconds(), minute_ahead, "another server");
    }
}
