//! What is remembered of each server: the newest nonce that it gave, and how its clock differs from ours.
//!
//! Both belong to the origin that they came from (RFC 9449 section 8.2): the token endpoint and the
//! protected resource may be two servers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use keybound::exchange::newest_nonce;
use keybound::{Clock, Nonce, NumericDate, TargetUri};

use crate::clock::{ClockOffset, Moment, Stopwatch};
use crate::system::System;

/// Servers that are remembered, at most. A client talks to a few; when there are more, all are forgotten,
/// which costs one more challenge for each.
const MAX_SERVERS: usize = 256;

#[derive(Default)]
struct Server {
    nonce: Option<Nonce>,
    correction: Option<Correction>,
}

/// An offset, and when it was measured. It holds while the local clock goes on undisturbed: once that was set
/// (or the machine slept, which looks the same), it says nothing any more and is measured anew.
#[derive(Clone, Copy)]
struct Correction {
    offset: ClockOffset,
    measured: Moment,
}

impl Server {
    fn offset(&self, now: Moment) -> Option<ClockOffset> {
        let correction = self.correction.filter(|correction| now.is_in_step_with(correction.measured))?;
        Some(correction.offset)
    }
}

/// The time at a server.
#[derive(Clone, Copy)]
pub(crate) struct ServerTime {
    pub(crate) now: NumericDate,
    /// What the local time was corrected by.
    offset: Option<ClockOffset>,
}

impl ServerTime {
    /// Whether a request that was made by this time took an offset of `measured` into account.
    pub(crate) fn agrees_with(self, measured: ClockOffset) -> bool {
        self.offset.map_or(measured.is_tolerated(), |offset| measured.is_close_to(offset))
    }

    /// Whether the local time was corrected.
    pub(crate) fn is_corrected(self) -> bool {
        self.offset.is_some()
    }
}

/// The servers that a client has talked to, by origin.
pub(crate) struct Servers {
    by_origin: Mutex<HashMap<String, Server>>,
    clock: Arc<dyn Clock>,
    stopwatch: Arc<dyn Stopwatch>,
}

impl Servers {
    /// No servers yet, and the clock that theirs are compared with.
    pub(crate) fn new(system: &System) -> Self {
        let (clock, stopwatch) = (Arc::clone(&system.clock), Arc::clone(&system.stopwatch));
        Self { by_origin: Mutex::default(), clock, stopwatch }
    }

    /// The newest nonce of the server of `target`.
    pub(crate) fn nonce(&self, target: &TargetUri) -> Option<Nonce> {
        self.lock().get(target.origin())?.nonce.clone()
    }

    /// Remembers the nonce that an answer from `target` carries: any answer may, and the newest counts
    /// (RFC 9449 section 8.2). A field that is no nonce, or stands there twice, is ignored.
    ///
    /// An answer whose `Date` agrees with the local clock also ends a correction: one of the two clocks was
    /// set right.
    pub(crate) fn learn_nonce(&self, target: &TargetUri, answer: &HeaderMap) {
        if let Some(nonce) = newest_nonce(answer) {
            self.with_server(target.origin(), |server| server.nonce = Some(nonce));
        }
        // The date of each answer is read only where it can make a difference.
        if let Some(server) = self.lock().get_mut(target.origin())
            && server.correction.is_some()
            && ClockOffset::of_answer(answer, self.clock.now()).is_some_and(ClockOffset::is_tolerated)
        {
            server.correction = None;
        }
    }

    /// Remembers a nonce from an earlier run, unless `origin` has given one in this run.
    pub(crate) fn recall_nonce(&self, origin: &str, nonce: Nonce) {
        self.with_server(origin, |server| server.nonce = server.nonce.take().or(Some(nonce)));
    }

    /// The newest nonce of each origin, that of `first` before the others.
    pub(crate) fn nonces(&self, first: &TargetUri) -> Vec<(String, Nonce)> {
        let servers = self.lock();
        let mut nonces: Vec<_> = servers
            .iter()
            .filter_map(|(origin, server)| Some((origin.clone(), server.nonce.clone()?)))
            .collect();
        nonces.sort_by(|(a, _), (b, _)| (a != first.origin(), a).cmp(&(b != first.origin(), b)));
        nonces
    }

    /// The time by the clock of the server of `target`, as far as it is known to differ from the local one.
    pub(crate) fn time(&self, target: &TargetUri) -> ServerTime {
        let now = self.clock.now();
        let offset = self.offset(target, now);
        ServerTime { now: offset.map_or(now, |offset| offset.server_time(now)), offset }
    }

    /// Whether the time for the server of `target` is corrected.
    pub(crate) fn is_corrected(&self, target: &TargetUri) -> bool {
        self.offset(target, self.clock.now()).is_some()
    }

    /// Corrects the time for the server of `target` by `measured`, if that is one to correct; the request whose
    /// answer it was measured from was made by the time of `made_by`. Whether the next one will be made by
    /// another: then, and only then, it is worth asking again.
    pub(crate) fn correct_clock(
        &self,
        target: &TargetUri,
        made_by: ServerTime,
        measured: ClockOffset,
    ) -> bool {
        if measured.magnitude() > ClockOffset::CORRECTED {
            return false;
        }
        let now = self.moment(self.clock.now());
        let correction = (!measured.is_tolerated()).then_some(Correction { offset: measured, measured: now });
        self.with_server(target.origin(), |server| server.correction = correction);
        !made_by.agrees_with(measured)
    }

    fn offset(&self, target: &TargetUri, now: NumericDate) -> Option<ClockOffset> {
        self.lock().get(target.origin())?.offset(self.moment(now))
    }

    fn moment(&self, date: NumericDate) -> Moment {
        Moment { date, elapsed: self.stopwatch.elapsed() }
    }

    fn with_server<R>(&self, origin: &str, change: impl FnOnce(&mut Server) -> R) -> R {
        let mut servers = self.lock();
        if servers.len() >= MAX_SERVERS && !servers.contains_key(origin) {
            servers.clear();
        }
        change(servers.entry(origin.to_owned()).or_default())
    }

    /// A thread that panicked while it held the lock left a whole value: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Server>> {
        self.by_origin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use http::{HeaderName, HeaderValue};
    use keybound::exchange::DPOP_NONCE;

    fn target(uri: &str) -> TargetUri {
        TargetUri::parse(uri).unwrap()
    }

    fn answer(nonces: &[&'static str]) -> HeaderMap {
        nonces.iter().map(|nonce| (DPOP_NONCE, HeaderValue::from_static(nonce))).collect()
    }

    #[test]
    fn the_newest_nonce_of_an_origin_counts() {
        let servers = with_set_clock().0;
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
        let servers = with_set_clock().0;
        for number in 0..=MAX_SERVERS {
            servers.learn_nonce(&target(&format!("https://host-{number}.example/")), &answer(&["one"]));
        }
        assert!(servers.lock().len() <= MAX_SERVERS);
    }

    /// A clock and a stopwatch in one: what they show is set.
    #[derive(Default)]
    struct Set {
        date: AtomicU64,
        elapsed: AtomicU64,
    }

    impl Set {
        fn to(&self, date: u64, elapsed: u64) {
            self.date.store(date, Ordering::Relaxed);
            self.elapsed.store(elapsed, Ordering::Relaxed);
        }
    }

    impl Clock for Set {
        fn now(&self) -> NumericDate {
            NumericDate::from_seconds(self.date.load(Ordering::Relaxed))
        }
    }

    impl Stopwatch for Set {
        fn elapsed(&self) -> Duration {
            Duration::from_secs(self.elapsed.load(Ordering::Relaxed))
        }
    }

    /// `Date`, and the same in seconds.
    const DATE: (&str, u64) = ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777);

    fn with_set_clock() -> (Servers, Arc<Set>) {
        let clock = Arc::new(Set::default());
        let servers = Servers { by_origin: Mutex::default(), clock: clock.clone(), stopwatch: clock.clone() };
        (servers, clock)
    }

    fn dated() -> HeaderMap {
        HeaderMap::from_iter([(http::header::DATE, HeaderValue::from_static(DATE.0))])
    }

    #[test]
    fn a_clock_is_corrected_within_bounds_and_once() {
        let measure = |local| ClockOffset::measure(&dated(), NumericDate::from_seconds(local)).unwrap();
        let ((servers, clock), tokens) = (with_set_clock(), target("https://as.example/token"));
        let now = |target| servers.time(target).now.seconds();

        let (day_ahead, beyond) = (DATE.1 + 86_400, DATE.1 + 86_401);
        clock.to(beyond, 0);
        let made_by = servers.time(&tokens);
        assert!(!servers.correct_clock(&tokens, made_by, measure(beyond)), "beyond what is corrected");
        assert_eq!(now(&tokens), beyond);
        clock.to(day_ahead, 0);
        let made_by = servers.time(&tokens);
        assert!(servers.correct_clock(&tokens, made_by, measure(day_ahead)));
        assert_eq!(now(&tokens), DATE.1);
        assert!(servers.correct_clock(&tokens, made_by, measure(day_ahead)), "another request of that time");
        let corrected = servers.time(&tokens);
        assert!(!servers.correct_clock(&tokens, corrected, measure(day_ahead + 2)), "nothing new");
        assert_eq!(now(&target("https://rs.example/")), day_ahead, "another server");
    }

    #[test]
    fn a_correction_ends_when_a_clock_is_set() {
        let tokens = target("https://as.example/token");
        let hour_ahead = DATE.1 + 3600;
        for (set_to, elapsed, corrected, why) in [
            (hour_ahead + 60, 60, true, "the clock goes on"),
            (DATE.1 + 60, 60, false, "it was set right"),
            (hour_ahead + 7200, 60, false, "it was set elsewhere, or the machine slept"),
        ] {
            let (servers, clock) = with_set_clock();
            clock.to(hour_ahead, 0);
            let offset = ClockOffset::measure(&dated(), NumericDate::from_seconds(hour_ahead)).unwrap();
            assert!(servers.correct_clock(&tokens, servers.time(&tokens), offset));
            clock.to(set_to, elapsed);
            assert_eq!(servers.is_corrected(&tokens), corrected, "{why}");
            let expected = if corrected { set_to - 3600 } else { set_to };
            assert_eq!(servers.time(&tokens).now.seconds(), expected, "{why}");
        }
    }

    #[test]
    fn a_correction_ends_when_the_server_agrees_again() {
        let tokens = target("https://as.example/token");
        for (fields, corrected, why) in [
            (vec![("date", "Sun, 06 Nov 1994 09:49:37 GMT")], false, "it shows our time"),
            (vec![("date", DATE.0)], true, "it is as wrong as before"),
            (vec![("date", "Sun, 06 Nov 1994 09:49:37 GMT"), ("age", "1")], true, "from a cache"),
            (vec![], true, "it doesn't say"),
        ] {
            let (servers, clock) = with_set_clock();
            clock.to(DATE.1 + 3600, 0);
            let offset = ClockOffset::measure(&dated(), clock.now()).unwrap();
            assert!(servers.correct_clock(&tokens, servers.time(&tokens), offset));
            let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
            servers.learn_nonce(&tokens, &fields.into_iter().map(field).collect());
            assert_eq!(servers.is_corrected(&tokens), corrected, "{why}");
        }
    }

    #[test]
    fn a_nonce_from_an_earlier_run_gives_way_to_a_newer_one() {
        let (servers, tokens) = (with_set_clock().0, target("https://as.example/token"));
        let nonce = |text| Nonce::parse(text).unwrap();
        servers.recall_nonce(tokens.origin(), nonce("old"));
        assert_eq!(servers.nonce(&tokens), Some(nonce("old")));
        servers.learn_nonce(&tokens, &answer(&["new"]));
        servers.recall_nonce(tokens.origin(), nonce("old"));
        servers.learn_nonce(&target("https://a.example/"), &answer(&["one"]));
        let nonces = servers.nonces(&tokens);
        assert_eq!(
            nonces,
            [("https://as.example".to_owned(), nonce("new")), ("https://a.example".to_owned(), nonce("one")),]
        );
    }
}
