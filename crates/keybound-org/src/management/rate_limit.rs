//! The management API's rate limits: so many requests in a minute for each group of endpoints, counted for all
//! clients together.
//!
//! Requests of strangers, who are not admitted, are counted apart: whoever can reach the org must not be able to use up
//! what its clients have.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use keybound::{Clock, NumericDate};

use super::error::ApiError;
use crate::paths::is_under;
use crate::wire_name::wire_names;

const LIMIT: HeaderName = HeaderName::from_static("x-rate-limit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-rate-limit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-rate-limit-reset");

const SECONDS_OF_WINDOW: u64 = 60;

/// Okta's own limit for `/api/v1/users`.
pub(crate) const OKTA_REQUESTS_PER_MINUTE: u32 = 600;

/// The limit of each group of endpoints.
pub(super) struct RateLimits(Vec<(EndpointGroup, Limits)>);

/// The limits of one group.
struct Limits {
    clients: RateLimit,
    strangers: RateLimit,
}

impl RateLimits {
    /// Limits of `requests_per_minute`, but for the groups that have one of their own.
    pub(super) fn new(requests_per_minute: u32, own: &[(EndpointGroup, u32)]) -> Self {
        let limits_of = |group: EndpointGroup| {
            let own = own.iter().rfind(|(known, _)| *known == group);
            let limit = own.map_or(requests_per_minute, |(_, limit)| *limit);
            Limits { clients: RateLimit::new(limit), strangers: RateLimit::new(limit) }
        };
        Self(EndpointGroup::ALL.iter().map(|group| (*group, limits_of(*group))).collect())
    }

    /// Counts a request of a client to a path.
    fn count(&self, path: &str, now: NumericDate) -> Option<Allowance> {
        Some(self.limits(path)?.clients.count(now))
    }

    /// Counts a request of a stranger to a path.
    fn count_stranger(&self, path: &str, now: NumericDate) -> Option<Allowance> {
        Some(self.limits(path)?.strangers.count(now))
    }

    fn limits(&self, path: &str) -> Option<&Limits> {
        let group = EndpointGroup::of_path(path);
        self.0.iter().find(|(known, _)| *known == group).map(|(_, limits)| limits)
    }
}

/// One request, which is counted once: when its client is known, or at its end if none is.
#[derive(Clone)]
pub(super) struct Turn {
    rates: Arc<RateLimits>,
    clock: Arc<dyn Clock>,
    path: Arc<str>,
    taken: Arc<OnceLock<Option<Allowance>>>,
}

impl Turn {
    pub(super) fn new(rates: &Arc<RateLimits>, clock: &Arc<dyn Clock>, path: &str) -> Self {
        let taken = Arc::default();
        Self { rates: Arc::clone(rates), clock: Arc::clone(clock), path: path.into(), taken }
    }

    /// The request is of a client of the org; refuses it beyond the limit.
    pub(super) fn take(&self) -> Result<(), ApiError> {
        let taken = self.taken.get_or_init(|| self.rates.count(&self.path, self.clock.now()));
        if taken.is_none_or(|allowance| allowance.is_allowed) {
            Ok(())
        } else {
            Err(ApiError::rate_limited())
        }
    }

    /// The request is one that anybody may make; refuses it beyond the limit.
    pub(super) fn take_as_stranger(&self) -> Result<(), ApiError> {
        if self.ended().is_none_or(|allowance| allowance.is_allowed) {
            Ok(())
        } else {
            Err(ApiError::rate_limited())
        }
    }

    /// What is left after the request: for clients if it was of one, for strangers else.
    pub(super) fn ended(&self) -> Option<Allowance> {
        *self.taken.get_or_init(|| self.rates.count_stranger(&self.path, self.clock.now()))
    }
}

wire_names! {
    /// Endpoints of the management API that share a rate limit.
    pub enum EndpointGroup {
        /// Apps, with their keys and grants.
        Apps = "/api/v1/apps",
        /// Authorization servers, with all that is below them.
        AuthorizationServers = "/api/v1/authorizationServers",
        /// Groups and who is in them.
        Groups = "/api/v1/groups",
        /// The system log.
        Logs = "/api/v1/logs",
        /// Users.
        Users = "/api/v1/users",
        /// Admin roles of clients.
        Clients = "/oauth2/v1/clients",
        /// All others.
        Others = "/api/v1",
    }
}

impl EndpointGroup {
    fn of_path(path: &str) -> Self {
        Self::ALL.iter().copied().find(|group| is_under(path, group.name())).unwrap_or(Self::Others)
    }
}

/// Counts requests by the minute.
pub(super) struct RateLimit {
    requests_per_minute: u32,
    window: Mutex<Window>,
}

/// A minute, counted from the epoch, and what was asked in it.
#[derive(Default)]
struct Window {
    minute: u64,
    requests: u32,
}

/// What is left after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    limit: u32,
    remaining: u32,
    /// When the next minute begins.
    reset: NumericDate,
    /// Whether the request is within the limit.
    pub(super) is_allowed: bool,
}

impl RateLimit {
    pub(super) fn new(requests_per_minute: u32) -> Self {
        Self { requests_per_minute, window: Mutex::default() }
    }

    /// Counts a request.
    pub(super) fn count(&self, now: NumericDate) -> Allowance {
        let minute = now.seconds() / SECONDS_OF_WINDOW;
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.minute != minute {
            *window = Window { minute, requests: 0 };
        }
        window.requests = window.requests.saturating_add(1);
        Allowance {
            limit: self.requests_per_minute,
            remaining: self.requests_per_minute.saturating_sub(window.requests),
            reset: NumericDate::from_seconds(minute.saturating_add(1).saturating_mul(SECONDS_OF_WINDOW)),
            is_allowed: window.requests <= self.requests_per_minute,
        }
    }
}

impl Allowance {
    /// That nothing is left of Okta's usual limit until then.
    pub(crate) const fn exhausted(reset: NumericDate) -> Self {
        Self { limit: OKTA_REQUESTS_PER_MINUTE, remaining: 0, reset, is_allowed: false }
    }

    /// Tells the client.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(self.reset.seconds()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_of_endpoints_has_its_own_limit() {
        let limits = RateLimits::new(5, &[(EndpointGroup::Logs, 1)]);
        let now = NumericDate::from_seconds(60);
        for (path, limit, remaining) in [
            ("/api/v1/logs", 1, 0),
            ("/api/v1/users", 5, 4),
            ("/api/v1/users/00u1/lifecycle/suspend", 5, 3),
            ("/api/v1/groups", 5, 4),
            ("/api/v1/groups/00g1/users", 5, 3),
            ("/api/v1/apps", 5, 4),
            ("/oauth2/v1/clients/0oa1/roles", 5, 4),
            ("/api/v1/zones", 5, 4),
            ("/api/v1/usersandmore", 5, 3),
        ] {
            let allowance = limits.count(path, now).unwrap();
            assert_eq!((allowance.limit, allowance.remaining), (limit, remaining), "{path}");
        }
    }

    #[test]
    fn strangers_use_up_nothing_of_what_clients_have() {
        let rates = Arc::new(RateLimits::new(1, &[]));
        let clock: Arc<dyn Clock> = Arc::new(|| NumericDate::from_seconds(60));
        let turn = || Turn::new(&rates, &clock, "/api/v1/users");
        for is_allowed in [true, false, false] {
            assert_eq!(turn().ended().unwrap().is_allowed, is_allowed);
        }
        let of_client = turn();
        assert!(of_client.take().is_ok() && of_client.ended().unwrap().is_allowed, "once");
        assert!(turn().take().is_err(), "and no more");
    }

    #[test]
    fn a_minute_has_its_requests_and_the_next_one_has_them_again() {
        let limit = RateLimit::new(2);
        for (seconds, remaining, reset, is_allowed) in [
            (59, 1, 60, true),
            (60, 1, 120, true),
            (61, 0, 120, true),
            (119, 0, 120, false),
            (119, 0, 120, false),
            (120, 1, 180, true),
        ] {
            let reset = NumericDate::from_seconds(reset);
            assert_eq!(
                limit.count(NumericDate::from_seconds(seconds)),
                Allowance { limit: 2, remaining, reset, is_allowed },
                "at {seconds}"
            );
        }
    }
}
