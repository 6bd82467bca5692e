//! The inward flow: what a protected resource does with a request (RFC 9449 section 7).
//!
//! credentials → access token → binding → proof → replay → admitted, or refused by the first rule that
//! does not hold. How an access token is verified is the caller's: by its signature, by introspection,
//! from a cache.
//!
//! [`ProtectedResource::admit`] is the whole line, for a caller that never waits. One that waits for an
//! issuer or for a replay store over a network takes its steps: [`Credentials::of_request`], its own
//! verification of the token, [`Demands::verify`], its own record of the proof, [`Verified::recorded`].
//! Before it asks anybody about the token it can hold the request to everything else, so that nobody is asked in
//! vain: [`Demands::present`], its verification of the token, [`Demands::bind`].
//!
//! ```
//! use std::sync::Arc;
//! use std::time::SystemTime;
//!
//! use http::{HeaderMap, Method};
//! use keybound::access_token::AccessTokenPolicy;
//! use keybound::random::OperatingSystem;
//! use keybound::replay::{MemoryReplayLimits, MemoryReplayStore};
//! use keybound::resource::{Demands, ProtectedResource, ResourceRequest};
//! use keybound::{ChallengeContext, JwkSet, TargetUri};
//!
//! // Once, at the start: what is demanded, the proofs that were used, and whose tokens are taken.
//! let replay = MemoryReplayStore::new(MemoryReplayLimits::default(), &OperatingSystem)?;
//! let resource = ProtectedResource { demands: Demands::default(), replay: Arc::new(replay) };
//! let tokens = AccessTokenPolicy::new("https://as.example.com".into(), "https://api.example.com".into());
//! let keys = JwkSet::parse(br#"{"keys":[]}"#)?; // what is at the issuer's `jwks_uri`
//!
//! // For each request, here one without a token:
//! let (method, headers) = (&Method::GET, &HeaderMap::new());
//! let target = &TargetUri::parse("https://api.example.com/orders")?; // your own base URL, and its path
//! let request = ResourceRequest { method, target, query: None, headers };
//! let now = SystemTime::now().into();
//! match resource.admit(&request, |token| tokens.verify(token, &keys, now), now) {
//!     Ok(admitted) => println!("{} is let in", admitted.access_token().subject),
//!     Err(refusal) => {
//!         let algorithms = &resource.demands.proofs.algorithms;
//!         let context = ChallengeContext { algorithms, accepts_bearer: false, metadata_uri: None };
//!         let challenges = refusal.challenges(&context); // the fields `WWW-Authenticate` of the answer
//!         assert_eq!(refusal.at_resource().status, 401);
//!         assert!(challenges[0].to_str()?.starts_with("DPoP algs="));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::access_token::{AccessToken, AccessTokenRefusal, EXPIRY_LEEWAY};
use crate::credentials::{Credentials, Scheme};
use crate::htu::TargetUri;
use crate::nonce::Nonces;
use crate::numeric_date::NumericDate;
use crate::proof::{
    AccessTokenHash, Binding, KnownKeys, ProofContext, ProofPolicy, ProofRefusal, TokenHash, VerifiedProof,
    proof_header,
};
use crate::refusal::Refusal;
use crate::replay::{ReplayRefusal, ReplayStore};
use crate::thumbprint::Thumbprint;

/// A resource that never waits: what it demands of every request, and a store in its own process.
#[derive(Clone)]
pub struct ProtectedResource {
    /// What every request is held to.
    pub demands: Demands,
    /// The proofs that were accepted before.
    pub replay: Arc<dyn ReplayStore>,
}

/// What a resource demands of every request, whoever remembers the proofs. The default: key-bound tokens
/// alone, proofs by the default [`ProofPolicy`], no nonces.
#[derive(Clone, Default)]
pub struct Demands {
    /// What is accepted in proofs.
    pub proofs: ProofPolicy,
    /// The keys of proofs that were accepted before; an empty cache to begin with.
    pub known_keys: Arc<KnownKeys>,
    /// The nonces that proofs must have; `None` if they need none.
    pub nonces: Option<Arc<Nonces>>,
    /// Admits bearer tokens that are bound to no key. A bound one is never admitted as a bearer token.
    pub accept_bearer_for_unbound_tokens: bool,
}

/// A request as far as its admission depends on it.
#[derive(Clone, Copy)]
pub struct ResourceRequest<'r> {
    /// The method.
    pub method: &'r Method,
    /// The target, from the resource's own base URL and the request's path.
    pub target: &'r TargetUri,
    /// The query, without its question mark.
    pub query: Option<&'r str>,
    /// The header fields.
    pub headers: &'r HeaderMap,
}

/// A request that holds by every rule that does not depend on what its access token says.
#[derive(Debug)]
pub struct Presented {
    scheme: Scheme,
    proof: Option<VerifiedProof>,
}

/// A request that holds by every rule but one: whether its proof was used before is not known yet.
#[derive(Debug)]
pub struct Verified(Admitted);

impl Verified {
    /// The proof to record before the request is admitted; `None` with a bearer token.
    pub fn proof(&self) -> Option<&VerifiedProof> {
        self.0.proof()
    }

    /// What the access token says.
    pub fn access_token(&self) -> &AccessToken {
        self.0.access_token()
    }

    /// Admits the request if the store has recorded its proof now. `outcome` is what the store says of
    /// [`Verified::proof`]'s replay key, or `Ok` where there is no proof.
    pub fn recorded(self, outcome: Result<(), ReplayRefusal>) -> Result<Admitted, Refusal> {
        outcome?;
        Ok(self.0)
    }
}

/// Who was let in. Made by [`Verified::recorded`] alone.
#[derive(Clone, Debug)]
pub struct Admitted {
    access_token: Arc<AccessToken>,
    proof: Option<VerifiedProof>,
}

impl Admitted {
    /// What the access token says.
    pub fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// The proof; `None` if it was let in with a bearer token.
    pub fn proof(&self) -> Option<&VerifiedProof> {
        self.proof.as_ref()
    }

    /// What the access token says, to keep beyond the request.
    pub fn shared_access_token(&self) -> Arc<AccessToken> {
        Arc::clone(&self.access_token)
    }

    /// Refuses unless the token has one of these scopes; the first is the one to ask for.
    pub fn require_scope(&self, any_of: &[&str]) -> Result<(), Refusal> {
        self.access_token.require_scope(any_of)
    }
}

impl ProtectedResource {
    /// Admits `request`, or tells which rule it breaks. `verify_token` is asked about the access token;
    /// it gives what the token says, owned or, from a cache, shared. A token that expired more than
    /// [`EXPIRY_LEEWAY`] ago is refused whatever it says.
    pub fn admit<T: Into<Arc<AccessToken>>>(
        &self,
        request: &ResourceRequest<'_>,
        verify_token: impl FnOnce(&str) -> Result<T, AccessTokenRefusal>,
        now: NumericDate,
    ) -> Result<Admitted, Refusal> {
        let credentials = Credentials::of_request(request.headers, request.query)?;
        let access_token = verify_token(credentials.access_token)?.into();
        let hash = TokenHash::Of(credentials.access_token);
        let verified = self.demands.verify_hashing(request, credentials.scheme, hash, access_token, now)?;
        let outcome = match verified.proof() {
            Some(proof) => self.replay.record(proof.replay_key(), proof.expires(), now),
            None => Ok(()),
        };
        verified.recorded(outcome)
    }
}

impl Demands {
    /// Holds `request` to every rule but replay. `scheme` is that of its credentials, `hash` the hash of
    /// the access token in them, and `access_token` what that token says, which the caller has verified.
    /// A token that expired more than [`EXPIRY_LEEWAY`] ago is refused whatever it says.
    pub fn verify(
        &self,
        request: &ResourceRequest<'_>,
        scheme: Scheme,
        hash: AccessTokenHash,
        access_token: Arc<AccessToken>,
        now: NumericDate,
    ) -> Result<Verified, Refusal> {
        self.verify_hashing(request, scheme, TokenHash::Taken(hash), access_token, now)
    }

    fn verify_hashing(
        &self,
        request: &ResourceRequest<'_>,
        scheme: Scheme,
        hash: TokenHash<'_>,
        access_token: Arc<AccessToken>,
        now: NumericDate,
    ) -> Result<Verified, Refusal> {
        let access_token = current(access_token, now)?;
        let proof = match self.binding(scheme, &access_token)? {
            Some(thumbprint) => Some(self.verified_proof(request, hash, Some(thumbprint), now)?),
            None => None,
        };
        Ok(Verified(Admitted { access_token, proof }))
    }

    /// Holds `request` to every rule that can be told before anybody knows what its access token says: whether
    /// its scheme is taken here, and its proof but for whose it is. `scheme` is that of its credentials, `hash`
    /// the hash of the access token in them.
    pub fn present(
        &self,
        request: &ResourceRequest<'_>,
        scheme: Scheme,
        hash: AccessTokenHash,
        now: NumericDate,
    ) -> Result<Presented, Refusal> {
        let proof = match scheme {
            Scheme::Dpop => Some(self.verified_proof(request, TokenHash::Taken(hash), None, now)?),
            Scheme::Bearer if self.accept_bearer_for_unbound_tokens => None,
            Scheme::Bearer => return Err(Refusal::BearerToken),
        };
        Ok(Presented { scheme, proof })
    }

    /// Holds what was presented to what its access token says, which the caller has verified since. Together
    /// with [`Demands::present`] this asks all that [`Demands::verify`] asks.
    pub fn bind(
        &self,
        presented: Presented,
        access_token: Arc<AccessToken>,
        now: NumericDate,
    ) -> Result<Verified, Refusal> {
        let access_token = current(access_token, now)?;
        let Presented { scheme, proof } = presented;
        match (self.binding(scheme, &access_token)?, &proof) {
            (Some(thumbprint), Some(proof)) if proof.thumbprint() == thumbprint => {
                self.known_keys.keep(proof.public_key());
            }
            (None, None) => {}
            _ => return Err(ProofRefusal::WrongKey.into()),
        }
        Ok(Verified(Admitted { access_token, proof }))
    }

    /// The key that a proof must show; `None` for a bearer token that may be admitted as such.
    fn binding(&self, scheme: Scheme, access_token: &AccessToken) -> Result<Option<Thumbprint>, Refusal> {
        match (scheme, access_token.thumbprint) {
            (Scheme::Dpop, Some(thumbprint)) => Ok(Some(thumbprint)),
            (Scheme::Dpop, None) => Err(Refusal::UnboundTokenAsDpop),
            (Scheme::Bearer, _) if !self.accept_bearer_for_unbound_tokens => Err(Refusal::BearerToken),
            (Scheme::Bearer, Some(_)) => Err(Refusal::BoundTokenAsBearer),
            (Scheme::Bearer, None) => Ok(None),
        }
    }

    fn verified_proof(
        &self,
        request: &ResourceRequest<'_>,
        hash: TokenHash<'_>,
        thumbprint: Option<Thumbprint>,
        now: NumericDate,
    ) -> Result<VerifiedProof, ProofRefusal> {
        let proof = proof_header(request.headers)?.ok_or(ProofRefusal::Missing)?;
        let context = ProofContext {
            method: request.method,
            target: request.target,
            access_token: None,
            nonces: self.nonces.as_deref(),
            now,
        };
        let binding = Binding { hash, thumbprint, known_keys: Some(&self.known_keys) };
        self.proofs.check_binding(proof, &context, Some(&binding))
    }
}

/// A cache must not make a token live longer than it does.
fn current(token: Arc<AccessToken>, now: NumericDate) -> Result<Arc<AccessToken>, AccessTokenRefusal> {
    if token.expires.after(EXPIRY_LEEWAY) <= now {
        return Err(AccessTokenRefusal::Expired { expired: token.expires, now });
    }
    Ok(token)
}

impl fmt::Debug for ProtectedResource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProtectedResource").field("demands", &self.demands).finish_non_exhaustive()
    }
}

impl fmt::Debug for Demands {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Demands")
            .field("proofs", &self.proofs)
            .field("nonces", &self.nonces)
            .field("accept_bearer_for_unbound_tokens", &self.accept_bearer_for_unbound_tokens)
            .finish_non_exhaustive()
    }
}
