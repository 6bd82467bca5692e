//! The inward flow: what a protected resource does with a request (RFC 9449 section 7).
//!
//! credentials → access token → binding → proof → replay → admitted, or refused by the first rule that
//! does not hold. How an access token is verified is the caller's: by its signature, by introspection,
//! from a cache.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::access_token::{AccessToken, AccessTokenRefusal, EXPIRY_LEEWAY};
use crate::credentials::{Credentials, Scheme};
use crate::htu::TargetUri;
use crate::nonce::Nonces;
use crate::numeric_date::NumericDate;
use crate::proof::{
    AccessTokenHash, BoundToken, KnownKeys, ProofContext, ProofPolicy, ProofRefusal, VerifiedProof,
    proof_header,
};
use crate::refusal::Refusal;
use crate::replay::ReplayStore;

/// What a resource demands of every request.
#[derive(Clone)]
pub struct ProtectedResource {
    /// What is accepted in proofs.
    pub proofs: ProofPolicy,
    /// The proofs that were accepted before.
    pub replay: Arc<dyn ReplayStore>,
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

/// Who was let in. Made by [`ProtectedResource::admit`] alone.
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

    /// Refuses unless the token has one of these scopes; the first is the one to ask for.
    pub fn require_scope(&self, any_of: &[&str]) -> Result<(), Refusal> {
        let has = |scope: &&str| self.access_token.scopes.iter().any(|granted| granted == scope);
        if any_of.iter().any(has) {
            return Ok(());
        }
        let needed = any_of.first().copied().unwrap_or_default().to_owned();
        Err(Refusal::InsufficientScope { needed })
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
        let access_token = current(verify_token(credentials.access_token)?.into(), now)?;
        let Some(bound) = self.binding(&credentials, &access_token)? else {
            return Ok(Admitted { access_token, proof: None });
        };
        let proof = self.verified_proof(request, bound, now)?;
        self.replay.record(proof.replay_key(), proof.expires(), now)?;
        Ok(Admitted { access_token, proof: Some(proof) })
    }

    /// The key that a proof must show; `None` for a bearer token that may be admitted as such.
    fn binding(
        &self,
        credentials: &Credentials<'_>,
        access_token: &AccessToken,
    ) -> Result<Option<BoundToken>, Refusal> {
        match (credentials.scheme, access_token.thumbprint) {
            (Scheme::Dpop, Some(thumbprint)) => {
                let hash = AccessTokenHash::of(credentials.access_token);
                Ok(Some(BoundToken { hash, thumbprint }))
            }
            (Scheme::Dpop, None) => Err(Refusal::UnboundTokenAsDpop),
            (Scheme::Bearer, Some(_)) => Err(Refusal::BoundTokenAsBearer),
            (Scheme::Bearer, None) if self.accept_bearer_for_unbound_tokens => Ok(None),
            (Scheme::Bearer, None) => Err(Refusal::BearerToken),
        }
    }

    fn verified_proof(
        &self,
        request: &ResourceRequest<'_>,
        bound: BoundToken,
        now: NumericDate,
    ) -> Result<VerifiedProof, ProofRefusal> {
        let proof = proof_header(request.headers)?.ok_or(ProofRefusal::Missing)?;
        let context = ProofContext {
            method: request.method,
            target: request.target,
            access_token: Some(bound),
            nonces: self.nonces.as_deref(),
            now,
        };
        let known = self.known_keys.get(bound.thumbprint);
        let proof = self.proofs.check_knowing(proof, &context, known.as_ref())?;
        if known.is_none() {
            self.known_keys.keep(proof.public_key());
        }
        Ok(proof)
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
        formatter
            .debug_struct("ProtectedResource")
            .field("proofs", &self.proofs)
            .field("nonces", &self.nonces)
            .field("accept_bearer_for_unbound_tokens", &self.accept_bearer_for_unbound_tokens)
            .finish_non_exhaustive()
    }
}
