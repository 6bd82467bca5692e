//! Access tokens, verified: by the issuer's keys (RFC 9068) or by asking the issuer (RFC 7662).
//!
//! remembered → which issuer → its keys, or its introspection → remembered
//!
//! A token that is remembered costs one look into a cache. One of an unknown issuer, or that breaks a rule
//! which its text shows, is refused before anybody is asked for anything.

pub mod counters;
mod flights;
mod introspection;
mod issuer;
mod keys;
mod metadata;
mod network;
mod published;
mod schedule;
mod settings;
mod verdicts;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keybound::access_token::{AccessToken, AccessTokenRefusal, EXPIRY_LEEWAY, MAX_ACCESS_TOKEN_BYTES};
use keybound::excerpt::{NAME, excerpt};
use keybound::json::MemberError;
use keybound::proof::AccessTokenHash;
use keybound::random::Random;
use keybound::{Clock, JwsError, NumericDate, Refusal, UnverifiedJws};
use metrics::Counter;
use zeroize::Zeroizing;

use self::counters::{TOKEN_CACHE_HITS, TOKEN_CACHE_MISSES};
use self::flights::{Flights, Verdict};
use self::issuer::{Issuer, Surroundings};
use self::network::Network;
use self::settings::Settings;
use self::verdicts::{REFUSED_FOR, Verdicts, Verified};
use crate::policy::{Policy, PolicyError};

pub use self::introspection::MAX_INTROSPECTION_BYTES;
pub use self::metadata::IssuerMetadata;
pub use keybound::metadata::{MAX_METADATA_BYTES, MetadataError};

/// Issuers with introspection, at most: an opaque token does not say whose it is, so that all of them may
/// have to be asked about it.
pub const MAX_ISSUERS_ASKED: usize = 4;

/// Verifies the access tokens of a policy's issuers.
pub struct AccessTokens {
    issuers: Vec<Arc<Issuer>>,
    network: Arc<Network>,
    verdicts: Arc<Verdicts>,
    flights: Arc<Flights>,
    hits: OnceLock<Counter>,
}

/// Why tokens can't be verified by a policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// The policy makes no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl AccessTokens {
    /// By `policy`, taking over what `before` has verified and fetched as far as the policy still allows it:
    /// of issuers for which it says the same. `clock` says when what was fetched has become old, `random`
    /// spreads a fleet's attempts to reach an issuer that is down.
    pub fn by_policy(
        policy: &Policy,
        before: Option<&Self>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, TokensError> {
        let network = settings::network(policy)?;
        let network = match before {
            Some(before) if before.network.settings == network => Arc::clone(&before.network),
            _ => Arc::new(Network::new(network)),
        };
        let surroundings = Surroundings { network: Arc::clone(&network), clock, random };
        let issuers = issuers(policy, before, &surroundings)?;
        let verdicts = Verdicts::new(policy.limits.cached_tokens);
        if let Some(before) = before {
            let kept = |issuer: &Arc<Issuer>| issuers.iter().any(|kept| Arc::ptr_eq(kept, issuer));
            verdicts.take_over(&before.verdicts, kept);
        }
        Ok(Self {
            issuers,
            network,
            verdicts: Arc::new(verdicts),
            flights: Arc::default(),
            hits: OnceLock::new(),
        })
    }

    /// What the token of this hash says, if it was verified before and may still be relied on.
    pub fn remembered(&self, hash: &AccessTokenHash, now: NumericDate) -> Option<Arc<AccessToken>> {
        let access_token = self.verdicts.good(hash, now)?;
        self.hits.get_or_init(|| metrics::counter!(TOKEN_CACHE_HITS)).increment(1);
        Some(access_token)
    }

    /// What `token` says, remembered or once it is verified. `hash` is its hash.
    pub async fn verify(
        &self,
        token: &str,
        hash: AccessTokenHash,
        now: NumericDate,
    ) -> Result<Arc<AccessToken>, Refusal> {
        if let Some(access_token) = self.remembered(&hash, now) {
            return Ok(access_token);
        }
        // On the heap, so that the common case does not carry the room for this one.
        Box::pin(self.verify_anew(token, hash, now)).await
    }

    async fn verify_anew(&self, token: &str, hash: AccessTokenHash, now: NumericDate) -> Verdict {
        metrics::counter!(TOKEN_CACHE_MISSES).increment(1);
        let issuer = match named_issuer(token) {
            Ok(name) => self.issuer(&name.map_err(AccessTokenRefusal::Member)?)?,
            Err(not_a_jwt) => return self.verify_opaque(token, not_a_jwt, hash, now).await,
        };
        let Some(keys) = issuer.keys() else {
            return self.introspect(vec![Arc::clone(issuer)], token, hash, now).await;
        };
        let (access_token, generation) = issuer.verify(keys, token, now).await?;
        let verified = Verified {
            relied_on_until: access_token.expires.after(EXPIRY_LEEWAY),
            access_token: Arc::new(access_token),
            issuer: Arc::clone(issuer),
            generation,
        };
        match issuer.settings.issuer.revocation_checked_every {
            None => Ok(self.verdicts.remember_good(hash, verified)),
            Some(every) => self.check_revocation(verified, every, token, hash, now).await,
        }
    }

    fn issuer(&self, name: &str) -> Result<&Arc<Issuer>, AccessTokenRefusal> {
        let issuer = self.issuers.iter().find(|issuer| issuer.name() == name);
        issuer.ok_or_else(|| AccessTokenRefusal::WrongIssuer {
            expected: match self.issuers.as_slice() {
                [only] => only.name().to_owned(),
                several => format!("one of the {} issuers that are trusted here", several.len()),
            },
            found: excerpt(name, NAME),
        })
    }

    /// Asks about a token that does not say whose it is.
    async fn verify_opaque(
        &self,
        token: &str,
        not_a_jwt: JwsError,
        hash: AccessTokenHash,
        now: NumericDate,
    ) -> Verdict {
        let asked = self.issuers.iter().filter(|issuer| issuer.can_be_asked());
        let asked: Vec<_> = asked.map(Arc::clone).collect();
        if asked.is_empty() || matches!(not_a_jwt, JwsError::TooLarge { .. }) {
            return Err(AccessTokenRefusal::Unreadable(not_a_jwt).into());
        }
        self.introspect(asked, token, hash, now).await
    }

    /// Asks `issuers` in turn whose `token` is, once for all who bring it now.
    async fn introspect(
        &self,
        issuers: Vec<Arc<Issuer>>,
        token: &str,
        hash: AccessTokenHash,
        now: NumericDate,
    ) -> Verdict {
        let (verdicts, token) = (Arc::clone(&self.verdicts), Zeroizing::new(token.to_owned()));
        let question = move || async move {
            let outcome = ask_in_turn(&issuers, &token, now).await;
            if let Err(Refusal::AccessToken(refusal)) = &outcome {
                verdicts.remember_bad(hash, refusal, now.after(refused_for(&issuers)));
            }
            Ok(verdicts.remember_good(hash, outcome?))
        };
        self.flights.join(hash, || self.verdicts.known(&hash, now), question).await
    }

    /// Asks the issuer whether it has revoked a token of its own.
    async fn check_revocation(
        &self,
        verified: Verified,
        every: Duration,
        token: &str,
        hash: AccessTokenHash,
        now: NumericDate,
    ) -> Verdict {
        let (verdicts, token) = (Arc::clone(&self.verdicts), Zeroizing::new(token.to_owned()));
        let relied_on_until = verified.relied_on_until.min(now.after(every));
        let question = move || async move {
            let outcome = verified.issuer.refuse_revoked(&token).await;
            if let Err(Refusal::AccessToken(refusal)) = &outcome {
                verdicts.remember_bad(hash, refusal, now.after(REFUSED_FOR));
            }
            outcome?;
            Ok(verdicts.remember_good(hash, Verified { relied_on_until, ..verified }))
        };
        self.flights.join(hash, || self.verdicts.known(&hash, now), question).await
    }
}

fn issuers(
    policy: &Policy,
    before: Option<&AccessTokens>,
    surroundings: &Surroundings,
) -> Result<Vec<Arc<Issuer>>, PolicyError> {
    let mut issuers = Vec::with_capacity(policy.issuers.len());
    for (number, issuer) in policy.issuers.iter().enumerate() {
        let field = format!("issuers[{number}]");
        let settings = Settings::read(issuer, &field, policy, &surroundings.network.settings)?;
        let known = before.and_then(|before| before.issuers.iter().find(|known| known.settings == settings));
        issuers.push(match known {
            Some(known) => Arc::clone(known),
            None => Arc::new(Issuer::new(settings, &field, surroundings)?),
        });
    }
    if issuers.iter().filter(|issuer| issuer.can_be_asked()).count() > MAX_ISSUERS_ASKED {
        let reason =
            format!("at most {MAX_ISSUERS_ASKED} issuers with introspection: opaque tokens go to all");
        return Err(PolicyError::field("issuers", reason));
    }
    Ok(issuers)
}

/// Whom a JWT names as its issuer, which is not believed before its signature is verified; or why it is no
/// JWT.
fn named_issuer(token: &str) -> Result<Result<String, MemberError>, JwsError> {
    let jws = UnverifiedJws::decode(token, MAX_ACCESS_TOKEN_BYTES)?;
    let claims = jws.claims()?;
    Ok(claims.string("iss").map(str::to_owned))
}

/// The first of `issuers` that vouches for `token` is its issuer. One that does not know it is passed over; one
/// that can't be asked too, but then nobody can say that the token is bad.
async fn ask_in_turn(issuers: &[Arc<Issuer>], token: &str, now: NumericDate) -> Result<Verified, Refusal> {
    let mut refusal = Refusal::AccessToken(AccessTokenRefusal::Inactive);
    for issuer in issuers {
        match issuer.introspect(token, now).await {
            Ok((access_token, relied_on_until)) => {
                return Ok(Verified {
                    relied_on_until: relied_on_until.min(access_token.expires.after(EXPIRY_LEEWAY)),
                    access_token: Arc::new(access_token),
                    issuer: Arc::clone(issuer),
                    generation: None,
                });
            }
            Err(Refusal::AccessToken(AccessTokenRefusal::Inactive)) => {}
            Err(unverifiable @ Refusal::TokenUnverifiable { .. }) => refusal = unverifiable,
            Err(bad) => return Err(bad),
        }
    }
    Err(refusal)
}

/// How long the refusal of these issuers is remembered: none of them wants an answer to be relied on longer.
fn refused_for(issuers: &[Arc<Issuer>]) -> Duration {
    let cached_for = |issuer: &Arc<Issuer>| Some(issuer.settings.issuer.introspection.as_ref()?.cached_for);
    issuers.iter().filter_map(cached_for).min().unwrap_or_default().min(REFUSED_FOR)
}
