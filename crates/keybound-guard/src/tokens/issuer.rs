//! An issuer whose tokens are taken: its rules, its keys, its introspection endpoint.

use std::sync::Arc;

use http::Uri;
use keybound::access_token::{AccessToken, AccessTokenPolicy, AccessTokenRefusal};
use keybound::json::{Object, Value};
use keybound::random::Random;
use keybound::{Clock, NumericDate, Refusal};
use tokio::sync::Semaphore;

use super::counters::{self, JWKS_FETCHES, METADATA_FETCHES};
use super::introspection::{Endpoint, Introspection, basic};
use super::keys::{IssuerKeys, KeySet, Signed};
use super::metadata::{IssuerMetadata, MetadataLocations};
use super::network::{FetchError, Network, askable};
use super::published::{Fetching, Published};
use super::schedule::Lifetimes;
use super::settings::Settings;
use crate::policy::{self, KeySource, PolicyError};

/// What all issuers have in common.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) network: Arc<Network>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

/// An issuer whose tokens are taken.
pub(super) struct Issuer {
    pub(super) settings: Settings,
    rules: AccessTokenPolicy,
    /// `None` for one that is asked about every token.
    keys: Option<IssuerKeys>,
    introspection: Option<Introspection>,
}

impl Issuer {
    /// By its settings, which stand at `field` in the policy. Nothing is asked yet.
    pub(super) fn new(
        settings: Settings,
        field: &str,
        surroundings: &Surroundings,
    ) -> Result<Self, PolicyError> {
        let keys =
            if has_keys(&settings.issuer) { Some(keys(&settings, field, surroundings)?) } else { None };
        let introspection = introspection(&settings, field, surroundings)?;
        Ok(Self { rules: settings.rules(), keys, introspection, settings })
    }

    /// The identifier, as in `iss`.
    pub(super) fn name(&self) -> &str {
        &self.rules.issuer
    }

    /// Whether opaque tokens can be its.
    pub(super) fn can_be_asked(&self) -> bool {
        self.introspection.is_some()
    }

    /// Its keys; `None` for an issuer that is asked about JWTs too.
    pub(super) fn keys(&self) -> Option<&IssuerKeys> {
        self.keys.as_ref()
    }

    /// Whether a token that was verified with the keys of `generation`, or without keys, is good for all that
    /// the keys say.
    pub(super) fn keys_hold(&self, generation: Option<u64>, now: NumericDate) -> bool {
        self.keys.as_ref().is_none_or(|keys| generation.is_none() || keys.hold(generation, now))
    }

    /// What a JWT says that its keys have signed.
    pub(super) async fn verify(
        &self,
        keys: &IssuerKeys,
        token: &str,
        now: NumericDate,
    ) -> Result<Signed, Refusal> {
        keys.verify(&self.rules, token, now).await
    }

    /// What the issuer says of `token`, and until when that is relied on.
    pub(super) async fn introspect(
        &self,
        token: &str,
        now: NumericDate,
    ) -> Result<(AccessToken, NumericDate), Refusal> {
        let Some(introspection) = &self.introspection else {
            return Err(AccessTokenRefusal::Inactive.into());
        };
        let answer = introspection.ask(token).await?;
        let unreadable = || introspection.unverifiable("does not answer as it should");
        let answer = Object::parse(&answer).map_err(|_| unreadable())?;
        is_active(&answer).ok_or_else(unreadable)?;
        let access_token = self.rules.introspected(&answer, introspection.cached_for, now)?;
        Ok((access_token, now.after(introspection.cached_for)))
    }

    /// Refuses a JWT that the issuer has revoked.
    pub(super) async fn refuse_revoked(&self, token: &str) -> Result<(), Refusal> {
        let Some(introspection) = &self.introspection else { return Ok(()) };
        let answer = introspection.ask(token).await?;
        let answer = Object::parse(&answer).ok();
        match answer.as_ref().and_then(is_active) {
            Some(true) => Ok(()),
            Some(false) => Err(AccessTokenRefusal::Revoked.into()),
            None => Err(introspection.unverifiable("does not answer as it should")),
        }
    }
}

fn is_active(answer: &Object<'_>) -> Option<bool> {
    match answer.get("active") {
        Some(Value::Bool(active)) => Some(*active),
        _ => None,
    }
}

/// An issuer with introspection is asked about every token, unless the policy says where its keys are or that
/// it is asked for revocation alone.
fn has_keys(issuer: &policy::Issuer) -> bool {
    issuer.introspection.is_none()
        || issuer.revocation_checked_every.is_some()
        || issuer.jwks_uri.is_some()
        || issuer.jwks_file.is_some()
}

fn keys(settings: &Settings, field: &str, surroundings: &Surroundings) -> Result<IssuerKeys, PolicyError> {
    let location = match (settings.issuer.key_source(field)?, &settings.jwks) {
        (KeySource::File(_), jwks) => {
            return fixed(jwks.as_deref().unwrap_or_default())
                .map_err(|reason| PolicyError::field(format!("{field}.jwks_file"), reason));
        }
        (KeySource::Uri(uri), _) => KeyLocation::Uri(
            askable(&uri.to_string())
                .map_err(|reason| PolicyError::field(format!("{field}.jwks_uri"), reason))?,
        ),
        (KeySource::Discovery, _) => KeyLocation::InMetadata(locations(settings, field)?),
    };
    let Surroundings { network, clock, random } = surroundings.clone();
    let issuer = settings.issuer.issuer.clone();
    let fetch = move || -> Fetching<KeySet> {
        let (location, network, issuer) = (location.clone(), Arc::clone(&network), issuer.clone());
        Box::pin(async move { told(JWKS_FETCHES, &issuer, location.fetch(&network, &issuer).await) })
    };
    Ok(IssuerKeys::Published(Published::new(lifetimes(settings), clock, random, Box::new(fetch))))
}

fn fixed(jwks: &[u8]) -> Result<IssuerKeys, String> {
    let keys = keybound::JwkSet::parse(jwks).map_err(|reason| reason.to_string())?;
    if keys.keys().is_empty() {
        return Err("it has no key that can verify signatures".to_owned());
    }
    Ok(IssuerKeys::Fixed(keys))
}

/// Where keys are published.
#[derive(Clone)]
enum KeyLocation {
    Uri(Uri),
    InMetadata(MetadataLocations),
}

impl KeyLocation {
    /// The metadata is fetched anew each time: an issuer may move its keys.
    async fn fetch(&self, network: &Network, issuer: &str) -> Result<KeySet, FetchError> {
        let found;
        let uri = match self {
            Self::Uri(uri) => uri,
            Self::InMetadata(locations) => {
                let metadata = told(METADATA_FETCHES, issuer, locations.fetch(network, issuer).await);
                // Why it is missing has been told.
                found = metadata.map_err(|_| FetchError::NoMetadata)?.jwks_uri;
                found.as_ref().ok_or(FetchError::NotInMetadata("jwks_uri"))?
            }
        };
        let unusable = |reason| FetchError::Keys { reason, uri: uri.clone() };
        KeySet::parse(&network.get(uri).await?).map_err(unusable)
    }
}

fn introspection(
    settings: &Settings,
    field: &str,
    surroundings: &Surroundings,
) -> Result<Option<Introspection>, PolicyError> {
    let (Some(asked), Some(secret)) = (&settings.issuer.introspection, &settings.client_secret) else {
        return Ok(None);
    };
    let endpoint = match &asked.endpoint {
        Some(uri) => Endpoint::Given(
            askable(uri)
                .map_err(|reason| PolicyError::field(format!("{field}.introspection.endpoint"), reason))?,
        ),
        None => Endpoint::InMetadata(metadata(settings, field, surroundings)?),
    };
    Ok(Some(Introspection {
        issuer: settings.issuer.issuer.clone(),
        endpoint,
        authorization: basic(&asked.client_id, secret),
        cached_for: asked.cached_for,
        network: Arc::clone(&surroundings.network),
        clock: Arc::clone(&surroundings.clock),
        permits: Semaphore::new(settings.introspections_at_once.min(Semaphore::MAX_PERMITS)),
    }))
}

fn metadata(
    settings: &Settings,
    field: &str,
    surroundings: &Surroundings,
) -> Result<Arc<Published<IssuerMetadata>>, PolicyError> {
    let locations = locations(settings, field)?;
    let Surroundings { network, clock, random } = surroundings.clone();
    let issuer = settings.issuer.issuer.clone();
    let fetch = move || -> Fetching<IssuerMetadata> {
        let (locations, network, issuer) = (locations.clone(), Arc::clone(&network), issuer.clone());
        Box::pin(async move { told(METADATA_FETCHES, &issuer, locations.fetch(&network, &issuer).await) })
    };
    Ok(Published::new(lifetimes(settings), clock, random, Box::new(fetch)))
}

fn locations(settings: &Settings, field: &str) -> Result<MetadataLocations, PolicyError> {
    let of = MetadataLocations::of(&settings.issuer.issuer);
    of.map_err(|reason| PolicyError::field(format!("{field}.issuer"), reason.to_string()))
}

fn lifetimes(settings: &Settings) -> Lifetimes {
    let policy::Issuer { keys_fresh_for, keys_stale_for, .. } = settings.issuer;
    Lifetimes { fresh_for: keys_fresh_for, stale_for: keys_stale_for }
}

/// Counts what became of a fetch, and says why one failed.
fn told<T>(name: &'static str, issuer: &str, outcome: Result<T, FetchError>) -> Result<T, FetchError> {
    counters::count(name, issuer, if outcome.is_ok() { "fetched" } else { "failed" });
    outcome.inspect_err(|error| {
        let what = if name == JWKS_FETCHES { "keys" } else { "metadata" };
        if !matches!(error, FetchError::NoMetadata) {
            tracing::warn!(issuer, %error, "the issuer's {what} can't be fetched{}", error.advice());
        }
    })
}
