//! The sessions of the console. They are kept in memory, each as the hash of its cookie with the token of its forms,
//! and end with the org.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time;
use keybound::NumericDate;
use keybound::random::{Random, RandomUnavailable};
use zeroize::Zeroizing;

use super::SECRET_BYTES;
use crate::store::Digest;
use crate::unguessable;

/// How long a session lasts, however much it is used.
const LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// How long a session lasts that is not used.
const IDLE_LIFE: Duration = Duration::from_secs(60 * 60);

/// Sessions that are kept; one more ends the one that was not used for the longest time.
const MAX_SESSIONS: usize = 32;

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Vec<Kept>>);

struct Kept {
    cookie: Digest,
    /// Random too: whoever sees the cookie alone cannot make it.
    form_token: Zeroizing<String>,
    began: NumericDate,
    last_used: NumericDate,
}

impl Kept {
    fn is_alive(&self, now: NumericDate) -> bool {
        now < self.began.after(LIFE) && now < self.last_used.after(IDLE_LIFE)
    }
}

/// A session that is alive.
pub(super) struct Session {
    form_token: Zeroizing<String>,
}

impl Session {
    /// What each form of its pages carries.
    pub(super) fn form_token(&self) -> &str {
        &self.form_token
    }

    /// Whether a form is of one of its pages.
    pub(super) fn was_shown(&self, token: Option<&str>) -> bool {
        token.is_some_and(|token| {
            constant_time::verify_slices_are_equal(self.form_token.as_bytes(), token.as_bytes()).is_ok()
        })
    }
}

impl Sessions {
    /// Begins a session; gives the value of its cookie.
    pub(super) fn begin(
        &self,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<Zeroizing<String>, RandomUnavailable> {
        let cookie = unguessable::text::<SECRET_BYTES>(random)?;
        let form_token = unguessable::text::<SECRET_BYTES>(random)?;
        let mut sessions = self.alive(now);
        if sessions.len() >= MAX_SESSIONS {
            sessions.sort_by_key(|kept| kept.last_used);
            sessions.remove(0);
        }
        sessions.push(Kept { cookie: Digest::of(&cookie), form_token, began: now, last_used: now });
        Ok(cookie)
    }

    /// The session of a cookie, which is used by this.
    pub(super) fn of_cookie(&self, cookie: &str, now: NumericDate) -> Option<Session> {
        let mut sessions = self.alive(now);
        let found = sessions.iter_mut().find(|kept| kept.cookie.is_of(cookie))?;
        found.last_used = now;
        Some(Session { form_token: found.form_token.clone() })
    }

    /// Whether the session of a cookie is alive; it is not used by this.
    pub(super) fn is_alive(&self, cookie: &str, now: NumericDate) -> bool {
        self.alive(now).iter().any(|kept| kept.cookie.is_of(cookie))
    }

    /// Ends the session of a cookie.
    pub(super) fn end(&self, cookie: &str, now: NumericDate) {
        self.alive(now).retain(|kept| !kept.cookie.is_of(cookie));
    }

    /// Those that are alive; the others are forgotten.
    fn alive(&self, now: NumericDate) -> MutexGuard<'_, Vec<Kept>> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|kept| kept.is_alive(now));
        sessions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::digest::{SHA256, digest};
    use keybound::base64url;
    use keybound::random::OperatingSystem;

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);

    fn begin(sessions: &Sessions, now: NumericDate) -> Zeroizing<String> {
        sessions.begin(now, &OperatingSystem).unwrap()
    }

    #[test]
    fn a_session_ends_when_it_is_old_or_idle_or_told_to() {
        let used_every = |pause: Duration| {
            let sessions = Sessions::default();
            let cookie = begin(&sessions, NOW);
            let mut now = NOW.after(pause);
            while sessions.of_cookie(&cookie, now).is_some() {
                now = now.after(pause);
            }
            now.since(NOW)
        };
        let second = Duration::from_secs(1);
        assert_eq!(used_every(IDLE_LIFE), IDLE_LIFE);
        assert_eq!(used_every(IDLE_LIFE.saturating_sub(second)), Duration::from_secs(3_599 * 13));
        assert_eq!(used_every(Duration::from_secs(60)), LIFE);

        let sessions = Sessions::default();
        let (ended, other) = (begin(&sessions, NOW), begin(&sessions, NOW));
        sessions.end(&ended, NOW);
        assert!(sessions.of_cookie(&ended, NOW).is_none() && sessions.of_cookie(&other, NOW).is_some());
        assert!(sessions.of_cookie("x", NOW).is_none() && sessions.of_cookie("", NOW).is_none());
    }

    #[test]
    fn so_many_sessions_are_kept_and_no_more() {
        let sessions = Sessions::default();
        let at = |second| NOW.after(Duration::from_secs(second));
        let cookies: Vec<_> = (0..32).map(|second| begin(&sessions, at(second))).collect();
        assert!(sessions.of_cookie(&cookies[0], at(40)).is_some());
        let newest = begin(&sessions, at(41));
        let is_there = |cookie: &str| sessions.of_cookie(cookie, at(42)).is_some();
        assert!(
            is_there(&cookies[0]) && !is_there(&cookies[1]) && is_there(&cookies[2]) && is_there(&newest)
        );
        assert_eq!(sessions.alive(at(42)).len(), MAX_SESSIONS);
    }

    #[test]
    fn a_forms_token_is_of_one_session() {
        let sessions = Sessions::default();
        let session = |cookie: &str| sessions.of_cookie(cookie, NOW).unwrap();
        let (one, other) = (begin(&sessions, NOW), begin(&sessions, NOW));
        let token = session(&one).form_token().to_owned();
        assert!(session(&one).was_shown(Some(&token)) && !session(&other).was_shown(Some(&token)));
        assert!(!session(&one).was_shown(None) && !session(&one).was_shown(Some("")));
        assert!(!session(&one).was_shown(Some(&one)), "the cookie itself is no token");
        let of_before = digest(&SHA256, ["form of the console\0", &one].concat().as_bytes());
        assert_ne!(token, base64url::encode(of_before), "nor does it follow from the cookie");
    }

    #[test]
    fn to_ask_whether_a_session_is_alive_does_not_keep_it_alive() {
        let sessions = Sessions::default();
        let cookie = begin(&sessions, NOW);
        let last = NOW.after(IDLE_LIFE).before(Duration::from_secs(1));
        assert!(sessions.is_alive(&cookie, last) && !sessions.is_alive("x", last));
        assert!(!sessions.is_alive(&cookie, NOW.after(IDLE_LIFE)));
    }
}
