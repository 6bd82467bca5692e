//! Admits to an API only who holds the key that the access token is bound to (DPoP, RFC 9449).
//!
//! A [`Guard`] is made from a [`policy::Policy`] and held against every request: [`Guard::admit`] is the
//! inward flow, one straight line in `guard.rs`. The faces put it in front of an API: a tower layer
//! ([`layer::GuardLayer`]) with extractors for axum, a reverse proxy, a forward-auth service, and Envoy's
//! `ext_authz`. All of them ask the same guard and send the same answers ([`answer`]).

pub mod answer;
mod audit;
#[cfg(feature = "server")]
pub mod ext_authz;
#[cfg(feature = "axum")]
pub mod extract;
#[cfg(feature = "server")]
pub mod forward_auth;
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

pub use guard::{
    Admission, Explanation, Guard, GuardBuilder, GuardError, IncomingRequest, Refused, Step, Verdict,
};
pub use peer::PeerAddress;
pub use scope::{RequireScope, RequireScopeService};
