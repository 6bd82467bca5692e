//! An authorization server whose tokens are taken, and how its tokens are verified.

use std::path::PathBuf;
use std::time::Duration;

use keybound::Algorithm;
use serde::Deserialize;

use super::{names, seconds};

/// An authorization server whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its identifier, exactly as in the claim `iss`.
    pub issuer: String,
    /// What `aud` must name one of. Without any, the first of the policy's `resources`.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// The algorithms that it signs access tokens with, never taken from a token (RFC 8725 section 3.1);
    /// RS256 unless told otherwise, which RFC 9068 section 2.1 has every issuer support.
    #[serde(default = "rs256", deserialize_with = "names::algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// Takes JWTs whose `typ` is absent or `JWT`, which RFC 9068 forbids and Okta's custom authorization
    /// servers issue. Other JWTs of the same issuer could then be taken for access tokens.
    #[serde(default)]
    pub accept_untyped_tokens: bool,
    /// Where its keys are, if not where its metadata says (RFC 8414, OpenID Connect Discovery).
    #[serde(default)]
    pub jwks_uri: Option<String>,
    /// A file with its keys: a JWK set. Nothing is asked over the network then.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// Asks the issuer about tokens, in place of verifying signatures: for opaque tokens. An issuer with
    /// this is asked about JWTs too, unless `jwks_uri` or `jwks_file` says where its keys are, or
    /// `revocation_checked_every_seconds` that it is asked beside them. An opaque token does not say whose it
    /// is: issuers with introspection are asked in the policy's order until one vouches for it.
    #[serde(default)]
    pub introspection: Option<Introspection>,
    /// How long keys are used without being fetched anew; ten seconds at least. The next are fetched in the
    /// background before that ends, so that requests wait only after a quiet time.
    #[serde(
        rename = "keys_fresh_for_seconds",
        default = "fresh_for",
        deserialize_with = "seconds::duration"
    )]
    pub keys_fresh_for: Duration,
    /// How long keys are used beyond that while the issuer does not answer; then its tokens are refused
    /// with 503.
    #[serde(
        rename = "keys_stale_for_seconds",
        default = "stale_for",
        deserialize_with = "seconds::duration"
    )]
    pub keys_stale_for: Duration,
    /// Asks the issuer's introspection endpoint about JWTs too whether they were revoked, at most this long
    /// ago. Without it, a revoked JWT is taken until it expires. Needs `introspection`.
    #[serde(
        rename = "revocation_checked_every_seconds",
        default,
        deserialize_with = "seconds::optional_duration"
    )]
    pub revocation_checked_every: Option<Duration>,
}

/// Token introspection (RFC 7662).
///
/// An issuer is asked only about tokens of requests that are right in all else: a bearer token where none is taken,
/// or a token without a good proof for just this request, costs it nothing. Whoever signs proofs with a key of his own
/// can still have it asked about tokens of junk, one signature for each. How many questions are under way at once is
/// bounded ([`Limits::introspections_at_once`](super::Limits::introspections_at_once)); how many a second one client
/// may cause is for a limit on requests before the guard.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// The endpoint; from the issuer's metadata if it is not given.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The guard's own client id there.
    pub client_id: String,
    /// A file with its client secret, which is sent by HTTP Basic authentication.
    pub client_secret_file: PathBuf,
    /// How long an answer is relied on, within the token's life: a revoked token is taken for so long.
    #[serde(rename = "cached_for_seconds", default = "cached_for", deserialize_with = "seconds::duration")]
    pub cached_for: Duration,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The `jwks_uri` in its metadata.
    Discovery,
    /// This URI.
    Uri(http::Uri),
    /// This file.
    File(PathBuf),
}

fn rs256() -> Vec<Algorithm> {
    vec![Algorithm::RS256]
}

/// Okta's keys change every few months, and an unknown `kid` has them fetched at once.
const fn fresh_for() -> Duration {
    Duration::from_secs(600)
}

/// A day: longer than the outages that are met, shorter than a withdrawn key should live.
const fn stale_for() -> Duration {
    Duration::from_secs(86_400)
}

const fn cached_for() -> Duration {
    Duration::from_secs(30)
}

impl Issuer {
    /// An issuer of JWTs whose keys are found by its metadata, by the safe choices.
    pub fn new(issuer: String) -> Self {
        Self {
            issuer,
            audiences: Vec::new(),
            algorithms: rs256(),
            accept_untyped_tokens: false,
            jwks_uri: None,
            jwks_file: None,
            introspection: None,
            keys_fresh_for: fresh_for(),
            keys_stale_for: stale_for(),
            revocation_checked_every: None,
        }
    }
}
