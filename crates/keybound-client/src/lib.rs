//! Key-bound tokens over the network: gets them, keeps them, and calls protected resources with them
//! (OAuth 2.0 client credentials with `private_key_jwt`, RFC 7523, or a secret; DPoP, RFC 9449).
//!
//! A request goes from top to bottom: [`Client::send`] takes a token from its [`TokenSource`], which runs
//! the exchange of the `keybound` crate when it has none; signs a fresh proof for each attempt; sends it
//! over the [`Transport`]; and answers what the server may ask for: a nonce, a new token, the right time,
//! patience. [`Client::execute`] does the same with bodies that stream, [`DpopLayer`] around another HTTP
//! client.
//!
//! ```no_run
//! use std::sync::Arc;
//! use keybound::exchange::ClientCredentials;
//! use keybound::proof::DpopKey;
//! use keybound::{Algorithm, PrivateKey, SigningKey};
//! use keybound_client::{Client, System, TokenBinding, TokenSource};
//!
//! # async fn call() -> Result<(), Box<dyn std::error::Error>> {
//! let grant = ClientCredentials::new("https://as.example.com/token", "client-id", ["things.read"])?;
//! // The key whose public half is registered for the client, and one for proofs, which nobody has to know before.
//! let registered = PrivateKey::from_pem(&std::fs::read_to_string("cc_private_key.pem")?)?;
//! let client_key = Arc::new(SigningKey::new(registered, Algorithm::RS256)?);
//! let dpop_key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256)?));
//! let tokens = TokenSource::new(System::default(), grant, client_key, TokenBinding::Dpop(dpop_key));
//! let client = Client::new(tokens);
//!
//! let request = http::Request::get("https://api.example.com/things?limit=10").body(Default::default())?;
//! let answer = client.send(request).await?;
//! println!("{}: {} bytes", answer.status(), answer.body().len());
//! # Ok(())
//! # }
//! ```
//!
//! # Cargo features
//!
//! None is on unless it is asked for.
//!
//! - `blocking`: the client for code that is not async.
//! - `metrics`: counts calls, attempts and token requests through the `metrics` facade ([`call_metrics`],
//!   [`token_metrics`]).
//! - `pkcs11`, `tpm2`, `aws-kms`, `keyring`: keys that are not in a file ([`signers`]). `tpm2` needs the libraries of
//!   the TPM2 Software Stack where it is built and where it runs.

pub mod authorization;
mod authorization_client;
#[cfg(feature = "blocking")]
pub mod blocking;
mod body;
mod call;
pub mod call_metrics;
mod challenge;
mod client;
mod clock;
mod connections;
mod discovery;
pub mod field;
mod kept_token;
mod layer;
mod pacing;
mod rate_limit;
mod redirect;
mod refresh;
mod registration;
mod renewal;
mod retry;
mod servers;
mod service;
mod service_credential;
pub mod signers;
mod signing;
mod system;
mod token;
mod token_cache;
pub mod token_metrics;
mod token_source;
mod transport;
mod trust;
mod wire;

pub use authorization_client::AuthorizationClient;
pub use body::{RequestBody, ResponseBody};
pub use challenge::Challenge;
pub use client::{CallError, Client, ClientOptions, Refused, TOTAL_TIMEOUT};
pub use clock::{ClockOffset, MonotonicStopwatch, Sleep, Stopwatch, TokioTimer};
pub use discovery::{DiscoveryError, discover};
pub use keybound::{Clock, SystemClock};
pub use layer::{DpopLayer, DpopService, LayerError};
pub use pacing::{Bucket, Pacing};
pub use redirect::{RedirectFault, ReturnRedirects};
pub use refresh::{Begun, NotKept, NotStored, RefreshTokenStore, Refresher};
pub use registration::ClientRegistration;
pub use renewal::{
    FIRST_PAUSE, LONGEST_PAUSE, LONGEST_RENEWAL_PAUSE, RENEWAL_PART, RENEWAL_WINDOW, TRAVEL_TIME,
};
pub use retry::{Idempotent, RetryOptions};
pub use service::{AssertionAudience, Issuer, ServiceGrant, TokenServer};
pub use service_credential::{SecretMethod, ServiceCredential};
pub use system::System;
pub use token::{FreshDpopKey, Token, TokenBinding};
pub use token_cache::{
    CacheKey, CacheLock, CacheServer, CachedToken, FileTokenCache, MAX_CACHED_BYTES, MAX_CACHED_NONCES,
    NotACachedToken, TokenCache,
};
pub use token_source::{TokenError, TokenSource};
pub use transport::{
    CONNECT_TIMEOUT, IDLE_TIMEOUT, MAX_RESPONSE_BYTES, Observer, Proxy, TIMEOUT, Transport, TransportError,
    TransportOptions,
};
