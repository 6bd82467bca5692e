//! The keys of an issuer: from a file, or as it publishes them (RFC 7517, RFC 8414).

use std::sync::Arc;

use keybound::access_token::{AccessToken, AccessTokenPolicy, AccessTokenRefusal};
use keybound::{JwkSet, KeyError, NumericDate, Refusal};

use super::published::{Held, Newer, Published};

/// The keys of an issuer.
pub(super) enum IssuerKeys {
    /// From a file.
    Fixed(JwkSet),
    /// As the issuer publishes them.
    Published(Arc<Published<KeySet>>),
}

/// A set of keys that can be compared with another.
pub(super) struct KeySet {
    keys: JwkSet,
    text: String,
}

impl KeySet {
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let keys = JwkSet::parse(json)?;
        let text = keys.to_json();
        Ok(Self { keys, text })
    }
}

impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// What a token says that is signed, and the generation of the keys that it was verified with; none with
/// keys that don't change.
pub(super) type Signed = (AccessToken, Option<u64>);

impl IssuerKeys {
    /// Whether a token that was verified with the keys of `generation` is good for all that the keys say.
    pub(super) fn hold(&self, generation: Option<u64>, now: NumericDate) -> bool {
        match (self, generation) {
            (Self::Fixed(_), _) => true,
            (Self::Published(published), Some(generation)) => published.holds(generation, now),
            (Self::Published(_), None) => false,
        }
    }

    /// Holds `token` to `rules`.
    pub(super) async fn verify(
        &self,
        rules: &AccessTokenPolicy,
        token: &str,
        now: NumericDate,
    ) -> Result<Signed, Refusal> {
        match self {
            Self::Fixed(keys) => Ok((rules.verify(token, keys, now)?, None)),
            Self::Published(published) => Question { published, rules, token, now }.verify().await,
        }
    }
}

/// A token, and the keys that may have to be fetched for it.
struct Question<'a> {
    published: &'a Arc<Published<KeySet>>,
    rules: &'a AccessTokenPolicy,
    token: &'a str,
    now: NumericDate,
}

impl Question<'_> {
    /// What can be told from the token's text is told before the issuer is asked for keys, and it is asked
    /// anew only for a token that no known key made.
    async fn verify(&self) -> Result<Signed, Refusal> {
        let seen = self.published.held();
        let at_first = match &seen {
            Some(seen) => self.by(seen),
            None => self.rules.verify(self.token, &JwkSet::default(), self.now),
        };
        if let Err(refusal) = &at_first
            && !depends_on_keys(refusal)
        {
            return Err(refusal.clone().into());
        }
        let Some(held) = self.published.usable(self.now).await else { return Err(self.unverifiable()) };
        let outcome = match seen {
            Some(seen) if seen.generation == held.generation => at_first,
            _ => self.by(&held),
        };
        match outcome {
            Ok(access_token) => Ok((access_token, Some(held.generation))),
            Err(refusal) if depends_on_keys(&refusal) => self.by_newer_keys(&held, refusal).await,
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn by_newer_keys(
        &self,
        held: &Held<KeySet>,
        refusal: AccessTokenRefusal,
    ) -> Result<Signed, Refusal> {
        match self.published.newer_than(held.generation, self.now).await {
            Newer::Found(newer) => Ok((self.by(&newer)?, Some(newer.generation))),
            Newer::CannotTell if matches!(refusal, AccessTokenRefusal::NoSuchKey { .. }) => {
                Err(self.unverifiable())
            }
            Newer::None | Newer::CannotTell => Err(refusal.into()),
        }
    }

    fn by(&self, held: &Held<KeySet>) -> Result<AccessToken, AccessTokenRefusal> {
        self.rules.verify(self.token, &held.value.keys, self.now)
    }

    fn unverifiable(&self) -> Refusal {
        Refusal::TokenUnverifiable { reason: format!("the keys of {} can't be had", self.rules.issuer) }
    }
}

/// Whether another set of keys could change this. Of a token without `kid`, every key is the wrong one.
fn depends_on_keys(refusal: &AccessTokenRefusal) -> bool {
    matches!(refusal, AccessTokenRefusal::NoSuchKey { .. } | AccessTokenRefusal::WrongSignature)
}
