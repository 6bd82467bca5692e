//! The policy: all that a guard is told, in one type, from code or from a TOML file.
//!
//! Every default is the safe choice; what makes a guard less safe has a name that says so. A field that
//! the file has and this type has not is an error, so that a misspelt rule is never silently absent.
//!
//! ```
//! use keybound_guard::policy::Policy;
//!
//! let policy = Policy::from_toml(r#"
//!     resources = ["https://api.example.com"]
//!
//!     [[issuers]]
//!     issuer = "https://login.example.com/oauth2/default"
//!     audiences = ["api://default"]
//!
//!     [[routes]]
//!     path = "/orders/*"
//!     methods = ["GET"]
//!     scopes = ["orders.read"]
//! "#)?;
//! assert_eq!(policy.proofs.max_age.as_secs(), 60);
//! # Ok::<(), keybound_guard::policy::PolicyError>(())
//! ```

mod contents;
mod cors;
mod error;
mod file;
mod issuer;
mod names;
mod replay;
mod route;
mod seconds;

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use keybound::proof::ProofPolicy;
use keybound::{Algorithm, NoncePolicy, TargetUri};
use serde::Deserialize;

pub use cors::{CorsRules, MAX_ALLOWED_ORIGINS, MAX_CORS_NAMES, MAX_PREFLIGHT_AGE};
pub use error::PolicyError;
pub use file::MAX_POLICY_BYTES;
pub use issuer::{Introspection, Issuer, KeySource};
pub use names::{NotAResource, resource};
pub use replay::{RedisMode, ReplayRules, ReplayStoreKind, WhenStoreIsDown};
pub use route::Route;

/// All that a guard is told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The external URLs of what is guarded, as clients see them (`https://api.example.com`,
    /// `https://example.com/orders`), without query and fragment. The first is the one in metadata. With one,
    /// every request is for its host, whatever its `Host` says; with several, the request's host chooses among
    /// them, and another host is refused. A path in them names the resource and limits nothing: which paths are
    /// open is for `routes` to say.
    #[serde(default, deserialize_with = "names::uris")]
    pub resources: Vec<TargetUri>,
    /// Without `resources`: takes whatever host a request names for the target of its proof. A proof made
    /// for another service of the same client could then be used here, if a token of it is good here too.
    #[serde(default)]
    pub accept_any_host: bool,
    /// The networks of the proxies in front of the guard, whose `Forwarded` and `X-Forwarded-*` header
    /// fields are believed. From any other peer they are ignored.
    #[serde(default, deserialize_with = "names::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// In which header fields those proxies say what the client asked for.
    #[serde(default)]
    pub forwarded_in: ForwardedIn,
    /// A path that a proxy in front takes away from the beginning of every request's path: it is put back
    /// before proofs and routes are compared. Empty, or `/…` without a slash at its end.
    #[serde(default)]
    pub stripped_prefix: String,
    /// The authorization servers whose tokens are taken; at least one.
    #[serde(default)]
    pub issuers: Vec<Issuer>,
    /// What is accepted in proofs.
    #[serde(default)]
    pub proofs: ProofRules,
    /// Whether proofs need a nonce of this server.
    #[serde(default)]
    pub nonces: NonceRules,
    /// What is asked for, by path and method. Without any, a good token opens everything. With some, a
    /// request that none of them covers is refused.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Takes bearer tokens that are bound to no key. A bound one is never taken as a bearer token.
    #[serde(default)]
    pub accept_bearer_for_unbound_tokens: bool,
    /// Which pages of other origins may call, from browsers.
    #[serde(default)]
    pub cors: CorsRules,
    /// Which answers of the reverse proxy end when the access token of their request expires.
    #[serde(default)]
    pub answers_ended_at_expiry: EndedAnswers,
    /// How used proofs are remembered.
    #[serde(default)]
    pub replay: ReplayRules,
    /// The bounds.
    #[serde(default)]
    pub limits: Limits,
    /// Certificate authorities to trust beside the system's, for issuers: a PEM file.
    pub ca_file: Option<PathBuf>,
}

/// In which header fields proxies say what the client asked for. A proxy sets the ones and lets the others
/// through as the client sent them, so only the ones named here are believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardedIn {
    /// `X-Forwarded-Proto`, `X-Forwarded-Host`, `X-Forwarded-For`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Which answers end, while they still come, when the access token of their request expires. Connections that were
/// upgraded (WebSocket) do in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedAnswers {
    /// Those of types that have no end of their own: `text/event-stream`, gRPC, `multipart/x-mixed-replace`. They
    /// would bring news to whoever is not let in for it any more, and their clients are made to come again.
    #[default]
    EventStreams,
    /// All, downloads among them: a client that asks shortly before its token expires is left with half an answer.
    All,
    /// None: what was admitted comes to its own end, if it has one.
    None,
}

/// What is accepted in proofs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProofRules {
    /// The algorithms; all asymmetric ones unless told otherwise.
    #[serde(deserialize_with = "names::algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// How old a proof may be; at most [`MAX_PROOF_AGE`].
    #[serde(rename = "max_age_seconds", deserialize_with = "seconds::duration")]
    pub max_age: Duration,
    /// How far a client's clock may be ahead; at most [`MAX_PROOF_AGE`].
    #[serde(rename = "future_tolerance_seconds", deserialize_with = "seconds::duration")]
    pub future_tolerance: Duration,
}

/// The longest a proof may live: an older one has lost what makes it fresh, and must be remembered for as
/// long.
pub const MAX_PROOF_AGE: Duration = Duration::from_secs(3600);

impl Default for ProofRules {
    fn default() -> Self {
        let ProofPolicy { algorithms, max_age, future_tolerance } = ProofPolicy::default();
        Self { algorithms, max_age, future_tolerance }
    }
}

impl From<&ProofRules> for ProofPolicy {
    fn from(rules: &ProofRules) -> Self {
        Self {
            algorithms: rules.algorithms.clone(),
            max_age: rules.max_age,
            future_tolerance: rules.future_tolerance,
        }
    }
}

/// Whether proofs need a nonce of this server (RFC 9449 section 9).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NonceRules {
    /// Of which requests.
    pub required: NoncesRequired,
    /// Files with the secrets that nonces are made with: 32 bytes in base64url each, the newest first. All
    /// guards of a fleet have the same. Without any, a secret is made at the start: good for one guard.
    pub secret_files: Vec<PathBuf>,
    /// A new nonce is given this often.
    #[serde(rename = "renewed_every_seconds", deserialize_with = "seconds::duration")]
    pub renewed_every: Duration,
    /// A nonce is taken for this long: not less than `renewed_every`, and never less than two of its periods,
    /// so that one that was just given can be used.
    #[serde(rename = "accepted_for_seconds", deserialize_with = "seconds::duration")]
    pub accepted_for: Duration,
}

/// Which requests need a nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoncesRequired {
    /// None.
    #[default]
    Never,
    /// All.
    Always,
    /// Those of the routes that say `nonce = true`.
    ByRoute,
}

impl Default for NonceRules {
    fn default() -> Self {
        let NoncePolicy { renewed_every, accepted_for } = NoncePolicy::default();
        Self { required: NoncesRequired::Never, secret_files: Vec::new(), renewed_every, accepted_for }
    }
}

/// The bounds of what a guard keeps and waits for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Verified access tokens that are remembered, at most; one takes about a kilobyte.
    pub cached_tokens: u64,
    /// Questions to one introspection endpoint under way at once, at most. Further tokens are refused with
    /// 503, so that strangers' tokens can't pile up here.
    pub introspections_at_once: usize,
    /// How long an issuer may take to answer.
    #[serde(rename = "issuer_timeout_seconds", deserialize_with = "seconds::duration")]
    pub issuer_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cached_tokens: 10_000, introspections_at_once: 64, issuer_timeout: Duration::from_secs(5) }
    }
}
