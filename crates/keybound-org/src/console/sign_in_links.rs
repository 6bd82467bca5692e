//! Links that sign in whoever opens one: `keybound org start` prints one, so that nobody has to copy a token. Each is
//! good once and for a short time; only its hash is kept.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keybound::NumericDate;
use keybound::random::{Random, RandomUnavailable};
use zeroize::Zeroizing;

use super::SECRET_BYTES;
use crate::store::Digest;
use crate::unguessable;

/// How long a link is good.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// Links that are good at once; one more ends the oldest.
const MAX_LINKS: usize = 16;

/// All links that nobody has opened.
#[derive(Default)]
pub(super) struct SignInLinks(Mutex<Vec<Link>>);

struct Link {
    code: Digest,
    expires: NumericDate,
}

impl SignInLinks {
    /// The code of a new link.
    pub(super) fn issue(
        &self,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<Zeroizing<String>, RandomUnavailable> {
        let code = unguessable::text::<SECRET_BYTES>(random)?;
        let mut links = self.good(now);
        if links.len() >= MAX_LINKS {
            links.remove(0);
        }
        links.push(Link { code: Digest::of(&code), expires: now.after(LIFE) });
        Ok(code)
    }

    /// Whether a code is that of a link; of none from then on.
    pub(super) fn redeem(&self, code: &str, now: NumericDate) -> bool {
        let mut links = self.good(now);
        let count = links.len();
        links.retain(|link| !link.code.is_of(code));
        links.len() < count
    }

    fn good(&self, now: NumericDate) -> MutexGuard<'_, Vec<Link>> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| now < link.expires);
        links
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keybound::random::OperatingSystem;

    #[test]
    fn a_link_is_good_once_and_for_a_while() {
        let now = NumericDate::from_seconds(1_800_000_000);
        let links = SignInLinks::default();
        let issue = || links.issue(now, &OperatingSystem).unwrap();
        let (one, other) = (issue(), issue());
        assert!(!links.redeem("", now) && !links.redeem("x", now));
        assert!(links.redeem(&one, now) && !links.redeem(&one, now));
        let last = now.after(LIFE).before(Duration::from_secs(1));
        let late = issue();
        assert!(links.redeem(&other, last) && !links.redeem(&late, now.after(LIFE)));

        let codes: Vec<_> = (0..=MAX_LINKS).map(|_| issue()).collect();
        assert_eq!(codes.iter().filter(|code| links.redeem(code, now)).count(), MAX_LINKS);
        assert!(!links.redeem(&codes[0], now), "the oldest is the one that went");
    }
}
