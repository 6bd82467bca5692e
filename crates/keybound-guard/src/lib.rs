//! Admits to an API only who holds the key that the access token is bound to (DPoP, RFC 9449).
//!
//! A [`Guard`] is made from a [`policy::Policy`] and held against every request: [`Guard::admit`] is the
//! inward flow, one straight line in `guard/line.rs`. The faces put it in front of an API: a tower layer
//! ([`layer::GuardLayer`]) with extractors for axum, a reverse proxy, a forward-auth service, and Envoy's
//! `ext_authz`. All of them ask the same guard and send the same answers ([`answer`]).
//!
//! ```
//! use axum::{Router, routing::get};
//! use keybound_guard::{Guard, extract::Caller, layer::GuardLayer, policy::Policy};
//!
//! async fn whoami(caller: Caller) -> String {
//!     caller.subject().to_owned()
//! }
//!
//! # fn router() -> Result<Router, Box<dyn std::error::Error>> {
//! let policy = Policy::from_toml(
//!     r#"
//!     resources = ["https://api.example.com"]
//!     [[issuers]]
//!     issuer = "https://login.example.com"
//!     audiences = ["https://api.example.com"]
//!     "#,
//! )?;
//! let guarded = GuardLayer::new(Guard::new(policy)?).serving_metadata();
//! let router = Router::new().route("/whoami", get(whoami)).layer(guarded);
//! # Ok(router)
//! # }
//! # router().unwrap();
//! ```
//!
//! # Cargo features
//!
//! - `axum` (default): [extractors](extract) for handlers.
//! - `server` (default): the guard as a process of its own; reverse proxy, forward-auth, `ext_authz` over HTTP.
//! - `grpc`: Envoy's `ext_authz` over gRPC; with `server`.
//! - `redis`: proofs remembered for a fleet, in Redis or Valkey.
//!
//! The layer needs none of them.

pub mod answer;
mod audit;
#[cfg(feature = "server")]
mod cors;
#[cfg(feature = "server")]
pub mod ext_authz;
#[cfg(feature = "axum")]
pub mod extract;
#[cfg(feature = "server")]
pub mod forward_auth;
mod forwarded;
mod guard;
pub mod identity;
mod judged;
pub mod layer;
pub mod metadata;
pub mod metrics;
mod nonces;
pub mod overrides;
pub mod path;
mod peer;
pub mod policy;
pub mod replay;
#[cfg(feature = "server")]
pub mod reverse_proxy;
mod routes;
mod scope;
#[cfg(feature = "server")]
pub mod server;
mod target;
pub mod tokens;

#[cfg(feature = "server")]
pub use cors::PreflightAnswer;
pub use guard::{
    Admission, Explanation, Guard, GuardBuilder, GuardError, IncomingRequest, Refused, Step, Verdict,
};
pub use peer::PeerAddress;
pub use scope::{RequireScope, RequireScopeService};
