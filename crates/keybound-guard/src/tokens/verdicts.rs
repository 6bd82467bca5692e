//! What was found of tokens, remembered by their hash: within bounds, and only for as long as it holds.

use std::sync::Arc;
use std::time::Duration;

use keybound::NumericDate;
use keybound::access_token::{AccessToken, AccessTokenRefusal};
use keybound::proof::AccessTokenHash;
use moka::sync::Cache;

use super::flights::Verdict;
use super::issuer::Issuer;

/// What a verified token is counted as, at least, in bytes: the policy bounds their number, and so their
/// memory.
const TOKEN_BYTES: u32 = 1024;

/// How long the refusal of an issuer is remembered, at most: long enough that a client which tries again and
/// again costs nothing, short enough that a token which was asked about too early is soon good.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(10);

/// What was found of tokens.
pub(super) struct Verdicts {
    good: Cache<AccessTokenHash, Arc<Verified>>,
    /// Apart from the good ones, which strangers' tokens must not push out.
    bad: Cache<AccessTokenHash, Arc<Refused>>,
}

/// A token that was found good.
pub(super) struct Verified {
    pub(super) access_token: Arc<AccessToken>,
    /// Whose it is; it is good only while that issuer's keys are what they were.
    pub(super) issuer: Arc<Issuer>,
    /// The generation of those keys; `None` if it was found good without them.
    pub(super) generation: Option<u64>,
    pub(super) relied_on_until: NumericDate,
}

struct Refused {
    refusal: AccessTokenRefusal,
    until: NumericDate,
}

impl Verdicts {
    pub(super) fn new(tokens: u64) -> Self {
        let good = Cache::builder()
            .max_capacity(tokens.saturating_mul(TOKEN_BYTES.into()))
            .weigher(|_, verified: &Arc<Verified>| verified.bytes().max(TOKEN_BYTES))
            .build();
        Self { good, bad: Cache::new(tokens) }
    }

    /// What is remembered of good tokens and their issuers, as far as `still` says so of the issuer.
    pub(super) fn take_over(&self, before: &Self, still: impl Fn(&Arc<Issuer>) -> bool) {
        for (hash, verified) in &before.good {
            if still(&verified.issuer) {
                self.good.insert(*hash, verified);
            }
        }
    }

    /// The token of `hash`, if it was found good and that holds still.
    pub(super) fn good(&self, hash: &AccessTokenHash, now: NumericDate) -> Option<Arc<AccessToken>> {
        let verified = self.good.get(hash)?;
        verified.holds(now).then(|| Arc::clone(&verified.access_token))
    }

    /// All that is remembered of the token of `hash`.
    pub(super) fn known(&self, hash: &AccessTokenHash, now: NumericDate) -> Option<Verdict> {
        if let Some(access_token) = self.good(hash, now) {
            return Some(Ok(access_token));
        }
        let refused = self.bad.get(hash).filter(|refused| now < refused.until)?;
        Some(Err(refused.refusal.clone().into()))
    }

    pub(super) fn remember_good(&self, hash: AccessTokenHash, verified: Verified) -> Arc<AccessToken> {
        let access_token = Arc::clone(&verified.access_token);
        self.good.insert(hash, Arc::new(verified));
        access_token
    }

    /// Remembers a refusal until `until`.
    pub(super) fn remember_bad(
        &self,
        hash: AccessTokenHash,
        refusal: &AccessTokenRefusal,
        until: NumericDate,
    ) {
        self.bad.insert(hash, Arc::new(Refused { refusal: refusal.clone(), until }));
    }
}

impl Verified {
    fn holds(&self, now: NumericDate) -> bool {
        now < self.relied_on_until && self.issuer.keys_hold(self.generation, now)
    }

    fn bytes(&self) -> u32 {
        let token = &self.access_token;
        let texts = token.audiences.iter().chain(&token.scopes).chain(&token.client_id).chain(&token.jwt_id);
        let texts: usize = texts.map(|text| text.len() + size_of::<String>()).sum();
        let whole = size_of::<AccessTokenHash>()
            + size_of::<Self>()
            + size_of::<AccessToken>()
            + token.issuer.len()
            + token.subject.len()
            + texts;
        u32::try_from(whole).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use keybound::Clock;
    use keybound::random::OperatingSystem;

    use super::super::issuer::Surroundings;
    use super::super::network::Network;
    use super::super::settings::{self, Settings};
    use super::*;
    use crate::policy::{self, Policy};

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);

    fn issuer() -> Arc<Issuer> {
        let issuer = policy::Issuer {
            audiences: vec!["api://one".to_owned()],
            ..policy::Issuer::new("https://as.example".to_owned())
        };
        let policy = Policy { issuers: vec![issuer.clone()], ..Policy::default() };
        let network = Arc::new(Network::new(settings::network(&policy).unwrap()));
        let settings = Settings::read(&issuer, "issuers[0]", &policy, &network.settings).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(|| NOW);
        let surroundings = Surroundings { network, clock, random: Arc::new(OperatingSystem) };
        Arc::new(Issuer::new(settings, "issuers[0]", &surroundings).unwrap())
    }

    fn token(subject: String) -> Arc<AccessToken> {
        Arc::new(AccessToken {
            issuer: "https://as.example".to_owned(),
            audiences: Vec::new(),
            subject,
            client_id: None,
            scopes: Vec::new(),
            issued_at: None,
            expires: NOW,
            jwt_id: None,
            thumbprint: None,
        })
    }

    /// How many of a thousand tokens with subjects of `bytes` are remembered where there is room for a
    /// hundred.
    fn remembered(bytes: usize) -> u64 {
        let (verdicts, issuer) = (Verdicts::new(100), issuer());
        for number in 0..1000 {
            let hash = AccessTokenHash::of(&number.to_string());
            let verified = Verified {
                access_token: token("x".repeat(bytes)),
                issuer: Arc::clone(&issuer),
                generation: None,
                relied_on_until: NOW,
            };
            verdicts.remember_good(hash, verified);
            verdicts.remember_bad(hash, &AccessTokenRefusal::Inactive, NOW);
        }
        verdicts.good.run_pending_tasks();
        verdicts.bad.run_pending_tasks();
        assert_eq!(verdicts.bad.entry_count(), 100);
        verdicts.good.entry_count()
    }

    #[test]
    fn tokens_are_remembered_up_to_their_number_and_their_bytes() {
        assert_eq!(remembered(10), 100, "by their number");
        let long = remembered(10 * 1024);
        assert!((1..10).contains(&long), "by their bytes: {long}");
    }

    #[test]
    fn what_is_remembered_holds_until_its_time() {
        let (verdicts, hash) = (Verdicts::new(100), AccessTokenHash::of("one"));
        let later = NOW.after(Duration::from_secs(1));
        verdicts.remember_bad(hash, &AccessTokenRefusal::Inactive, later);
        assert_eq!(verdicts.known(&hash, NOW), Some(Err(AccessTokenRefusal::Inactive.into())));
        assert_eq!(verdicts.known(&hash, later), None);
        let verified = Verified {
            access_token: token("alice".to_owned()),
            issuer: issuer(),
            generation: None,
            relied_on_until: later,
        };
        verdicts.remember_good(hash, verified);
        assert!(verdicts.good(&hash, NOW).is_some());
        assert!(verdicts.good(&hash, later).is_none());
        assert!(verdicts.good(&AccessTokenHash::of("two"), NOW).is_none());
    }
}
