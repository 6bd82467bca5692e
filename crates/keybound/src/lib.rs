//! OAuth 2.0 sender-constrained tokens (DPoP, RFC 9449), without IO.
//!
//! A bearer token can be used by whoever steals it. DPoP binds a token to a key: each request carries a
//! fresh proof, signed with that key, so that a stolen token is worth nothing. This crate is the
//! protocol: it makes and checks, and leaves sending and receiving to its caller, from whom it takes the
//! time and randomness ([`Clock`] and [`random::Random`] are the seams for them).
//! It is synchronous and serves every runtime.
//!
//! # The two flows
//!
//! **Outward**, a client: [`exchange::TokenExchange`] gets a token, in as many attempts as the server's
//! nonce challenges need; [`proof::DpopKey::prove`] makes the proof for each call with it.
//!
//! **Inward**, a server: [`resource::ProtectedResource::admit`] goes from a request's header fields to
//! who sent it, or to a [`Refusal`] that names the broken [`Rule`] and becomes the right answer. An
//! authorization server takes the steps one by one: [`assertion::UnverifiedAssertion`] for the client,
//! [`proof::ProofPolicy::check`] and [`replay::ReplayStore::record`] for the proof.
//!
//! A client proves that it holds a key; a server checks the proof, sees whose key it is, and takes the same proof no
//! second time. ([`resource`] shows the server's side whole, with the access token.)
//!
//! ```
//! use std::sync::Arc;
//! use http::Method;
//! use keybound::proof::{DpopKey, ProofContext, ProofPolicy, ProofRequest};
//! use keybound::random::OperatingSystem;
//! use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayStore};
//! use keybound::{Algorithm, NumericDate, SigningKey, TargetUri};
//!
//! let (method, now) = (&Method::POST, NumericDate::from_seconds(1_800_000_000));
//! let target = &TargetUri::parse("https://as.example.com/token")?;
//!
//! let key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256)?));
//! let request = ProofRequest { method, target, access_token: None, nonce: None };
//! let proof = key.prove(&request, now, &OperatingSystem)?; // the value of the header field `DPoP`
//!
//! let used = MemoryReplayStore::new(MemoryReplayLimits::default(), &OperatingSystem)?; // once for all requests
//! let context = ProofContext { method, target, access_token: None, nonces: None, now };
//! let verified = ProofPolicy::default().check(&proof, &context)?; // or the rule that it breaks
//! used.record(verified.replay_key(), verified.expires(), now)?;
//! assert_eq!(verified.thumbprint(), key.thumbprint());
//! assert!(used.record(verified.replay_key(), verified.expires(), now).is_err(), "it was used");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Keys elsewhere
//!
//! What signs is a [`Signer`]. A key in an HSM or a KMS that answers later works too:
//! [`proof::ProofTemplate::prepare`] and [`exchange::TokenExchange::attempt`] give out what is to be
//! signed as an [`UnsignedJws`], which takes the [`Signature`] back.
//!
//! # Cargo features
//!
//! - `aws-lc` (default): cryptography by aws-lc, which is compiled from C. With both libraries on, it is this one.
//! - `rust-crypto`: cryptography in Rust alone, for where C cannot be compiled. It is slower; what signing with
//!   RSA means there is said in `docs/wasm.md`.
//! - `wasm-js`: `rust-crypto`, and on `wasm32-unknown-unknown` randomness and [`SystemClock`] of the JavaScript
//!   host. Without it that target has no [`SystemClock`], and randomness comes from a source that the program
//!   registers with the crate `getrandom`.
//!
//! # What holds everywhere
//!
//! No input makes a function panic; every size is bounded by a named constant. Private keys and secrets
//! are wiped from memory when they are dropped, as far as the libraries below do so, and are in no error and
//! no `Debug` text.

pub mod access_token;
mod algorithm;
pub mod assertion;
pub mod authorization;
pub mod base64url;
mod clock;
pub mod credentials;
mod cryptography;
mod decoded_jwt;
pub mod device;
pub mod endpoint;
pub mod excerpt;
pub mod exchange;
mod htu;
pub mod id_token;
pub mod inspection;
mod introspection;
pub mod json;
mod jwk;
mod jwk_set;
mod jws;
mod jwt;
pub mod key;
pub mod metadata;
mod nonce;
mod numeric_date;
pub mod proof;
pub mod random;
mod refusal;
mod remedy;
pub mod replay;
pub mod resource;
mod rule;
mod secret;
mod signer;
mod thumbprint;

pub use algorithm::{Algorithm, UnsupportedAlgorithm};
pub use clock::Clock;
#[cfg(any(feature = "wasm-js", not(all(target_family = "wasm", target_os = "unknown"))))]
pub use clock::SystemClock;
pub use decoded_jwt::DecodedJwt;
pub use htu::{MAX_TARGET_URI_BYTES, TargetUri, TargetUriError};
pub use jwk::PublicJwk;
pub use jwk_set::{JwkSet, MAX_JWK_SET_BYTES, MAX_JWK_SET_KEYS};
pub use jws::{
    HeaderAlgorithmError, JwsError, UnsignedJws, UnverifiedJws, has_critical_extensions, header_algorithm,
    is_media_type,
};
pub use jwt::MAX_KEYS_TRIED;
pub use key::{KeyError, KeyKind, PrivateKey, PublicKey, SigningKey, VerifyingKey};
pub use nonce::{MAX_NONCE_BYTES, Nonce, NoncePolicy, NonceRefusal, NonceSecret, Nonces, NotANonce};
pub use numeric_date::NumericDate;
pub use refusal::{ChallengeContext, ErrorCode, Refusal, RefusalAnswer, description};
pub use rule::Rule;
pub use secret::Secret;
pub use signer::{SignError, Signature, Signer};
pub use thumbprint::{NotAThumbprint, Thumbprint};
