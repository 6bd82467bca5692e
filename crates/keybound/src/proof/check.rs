//! Checking a proof (RFC 9449 section 4.3).
//!
//! The steps stand in the order of their cost: what can be seen in the text comes before the signature,
//! so that junk is refused for next to nothing. All must hold, so their order changes only which of
//! several faults is named.

use std::time::Duration;

use http::{HeaderMap, Method};

use super::binding::{Binding, BoundToken, TokenHash};
use super::claims::ProofClaims;
use super::{AccessTokenHash, MAX_PROOF_BYTES, PROOF_TYPE, ProofRefusal};
use crate::algorithm::Algorithm;
use crate::credentials::ascii;
use crate::excerpt::{NAME, excerpt};
use crate::htu::TargetUri;
use crate::json::Object;
use crate::jws::{UnverifiedJws, has_critical_extensions, header_algorithm, is_media_type};
use crate::key::{KeyError, PublicKey, VerifyingKey};
use crate::nonce::Nonces;
use crate::numeric_date::NumericDate;
use crate::replay::ReplayKey;
use crate::thumbprint::Thumbprint;

/// What a server accepts in a proof, whatever the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofPolicy {
    /// Algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// How old a proof may be.
    pub max_age: Duration,
    /// How far ahead of this server a client's clock may be.
    pub future_tolerance: Duration,
}

impl Default for ProofPolicy {
    /// All asymmetric algorithms, a minute of age, five seconds of tolerance.
    fn default() -> Self {
        Self {
            algorithms: Algorithm::ALL.to_vec(),
            max_age: Duration::from_secs(60),
            future_tolerance: Duration::from_secs(5),
        }
    }
}

/// The request that a proof came with, as the server knows it.
#[derive(Clone, Copy)]
pub struct ProofContext<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's target, from the server's own base URL.
    pub target: &'a TargetUri,
    /// The key-bound access token that the request carries; `None` at a token endpoint.
    pub access_token: Option<BoundToken>,
    /// The server's nonces, if a proof must have one.
    pub nonces: Option<&'a Nonces>,
    /// The server's time.
    pub now: NumericDate,
}

/// A proof that holds by every rule but one: whether it was seen before is for a
/// [`ReplayStore`](crate::replay::ReplayStore) to tell.
#[derive(Clone, Debug)]
pub struct VerifiedProof {
    public_key: PublicKey,
    jwt_id: String,
    issued_at: NumericDate,
    expires: NumericDate,
    replay_key: ReplayKey,
}

impl VerifiedProof {
    /// The key that signed it.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The key's thumbprint, to bind a token to.
    pub fn thumbprint(&self) -> Thumbprint {
        self.public_key.thumbprint()
    }

    /// The claim `jti`.
    pub fn jwt_id(&self) -> &str {
        &self.jwt_id
    }

    /// The claim `iat`.
    pub fn issued_at(&self) -> NumericDate {
        self.issued_at
    }

    /// The last second at which a check with the same policy would accept it.
    pub fn expires(&self) -> NumericDate {
        self.expires
    }

    /// What identifies it among the proofs seen before.
    pub fn replay_key(&self) -> &ReplayKey {
        &self.replay_key
    }
}

/// The one proof in the `DPoP` header field, or `None` where there is no such field (check 1).
pub fn proof_header(headers: &HeaderMap) -> Result<Option<&str>, ProofRefusal> {
    let mut fields = headers.get_all("dpop").iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(ProofRefusal::Several);
    }
    let proof = ascii(field).ok_or(ProofRefusal::NotText)?;
    // Intermediaries join fields with a comma, which no compact JWS has.
    if proof.contains(',') { Err(ProofRefusal::Several) } else { Ok(Some(proof)) }
}

impl ProofPolicy {
    /// Holds `proof` to every rule of RFC 9449 section 4.3 except replay.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use keybound::proof::{DpopKey, ProofContext, ProofPolicy, ProofRequest};
    /// # use keybound::random::OperatingSystem;
    /// # use keybound::{Algorithm, NumericDate, SigningKey, TargetUri};
    /// # let key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256)?));
    /// # let target = TargetUri::parse("https://server.example.com/token")?;
    /// # let method = &http::Method::POST;
    /// # let now = NumericDate::from_seconds(1_800_000_000);
    /// # let request = ProofRequest { method, target: &target, access_token: None, nonce: None };
    /// # let proof = key.prove(&request, now, &OperatingSystem)?;
    /// let context = ProofContext { method, target: &target, access_token: None, nonces: None, now };
    /// let verified = ProofPolicy::default().check(&proof, &context)?;
    /// assert_eq!(verified.thumbprint(), key.thumbprint());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check(&self, proof: &str, context: &ProofContext<'_>) -> Result<VerifiedProof, ProofRefusal> {
        let binding = context.access_token.map(|BoundToken { hash, thumbprint }| Binding {
            hash: TokenHash::Taken(hash),
            thumbprint: Some(thumbprint),
            known_keys: None,
        });
        self.check_binding(proof, context, binding.as_ref())
    }

    /// As [`ProofPolicy::check`], with `binding` in place of the context's access token.
    pub(crate) fn check_binding(
        &self,
        proof: &str,
        context: &ProofContext<'_>,
        binding: Option<&Binding<'_>>,
    ) -> Result<VerifiedProof, ProofRefusal> {
        let jws = decode(proof)?;
        let header = jws.header().map_err(ProofRefusal::Unreadable)?;
        no_critical_extensions(&header)?;
        right_type(&header)?;
        let algorithm = self.allowed_algorithm(&header)?;
        let claims = jws.claims().map_err(ProofRefusal::Unreadable)?;
        let claims = ProofClaims::read(&claims)?;
        right_method(&claims, context.method)?;
        right_target(&claims, context.target)?;
        self.fresh(&claims, context.now)?;
        self.current(&claims, context.now)?;
        given_nonce(&claims, context)?;

        let thumbprint = binding.and_then(|token| token.thumbprint);
        let known = binding.and_then(|token| token.known_keys?.get(token.thumbprint?));
        let public_key = match thumbprint {
            Some(thumbprint) => bound_key(&header, thumbprint, known.as_ref())?,
            None => public_key(&header)?,
        };
        // Tokens are longer than keys, so their hash may cost more than the key.
        if let Some(token) = binding {
            right_access_token_hash(&claims, &token.hash.get())?;
        }
        signed(&jws, &public_key, algorithm)?;
        // A key that no token is bound to would take the place of one that is.
        if let (Some(keys), Some(_), None) = (binding.and_then(|token| token.known_keys), thumbprint, known) {
            keys.keep(&public_key);
        }
        Ok(self.verified(&claims, public_key, context))
    }

    fn verified(
        &self,
        claims: &ProofClaims<'_>,
        public_key: PublicKey,
        context: &ProofContext<'_>,
    ) -> VerifiedProof {
        VerifiedProof {
            jwt_id: claims.jwt_id.to_owned(),
            issued_at: claims.issued_at,
            expires: claims.issued_at.after(self.max_age),
            replay_key: ReplayKey::new(public_key.thumbprint(), context.target, claims.jwt_id),
            public_key,
        }
    }

    /// Check 5.
    pub(super) fn allowed_algorithm(&self, header: &Object<'_>) -> Result<Algorithm, ProofRefusal> {
        let found = header_algorithm(header).map_err(ProofRefusal::UnusableAlgorithm)?;
        if self.algorithms.contains(&found) {
            Ok(found)
        } else {
            Err(ProofRefusal::AlgorithmNotAllowed { found })
        }
    }

    /// Check 11.
    pub(super) fn fresh(&self, claims: &ProofClaims<'_>, now: NumericDate) -> Result<(), ProofRefusal> {
        let age = now.since(claims.issued_at);
        if age > self.max_age {
            return Err(ProofRefusal::TooOld { age: age.as_secs(), limit: self.max_age.as_secs() });
        }
        let ahead = claims.issued_at.since(now);
        if ahead > self.future_tolerance {
            return Err(ProofRefusal::FromFuture {
                ahead: ahead.as_secs(),
                limit: self.future_tolerance.as_secs(),
            });
        }
        Ok(())
    }

    /// `exp` and `nbf`, which proofs need not have.
    pub(super) fn current(&self, claims: &ProofClaims<'_>, now: NumericDate) -> Result<(), ProofRefusal> {
        if let Some(expired) = claims.expires.filter(|expires| *expires <= now) {
            return Err(ProofRefusal::Expired { expired, now });
        }
        if let Some(begins) = claims.not_before.filter(|begins| *begins > now.after(self.future_tolerance)) {
            return Err(ProofRefusal::NotYetValid { begins, now });
        }
        Ok(())
    }
}

/// Check 2.
pub(super) fn decode(proof: &str) -> Result<UnverifiedJws<'_>, ProofRefusal> {
    UnverifiedJws::decode(proof, MAX_PROOF_BYTES).map_err(ProofRefusal::Unreadable)
}

pub(super) fn no_critical_extensions(header: &Object<'_>) -> Result<(), ProofRefusal> {
    if has_critical_extensions(header) { Err(ProofRefusal::CriticalExtensions) } else { Ok(()) }
}

/// Check 4.
pub(super) fn right_type(header: &Object<'_>) -> Result<(), ProofRefusal> {
    let found = header.string("typ").map_err(|_| ProofRefusal::TypeMissing)?;
    if is_media_type(found, PROOF_TYPE) {
        Ok(())
    } else {
        Err(ProofRefusal::WrongType { found: excerpt(found, NAME) })
    }
}

/// Check 8.
pub(super) fn right_method(claims: &ProofClaims<'_>, method: &Method) -> Result<(), ProofRefusal> {
    if claims.method == method.as_str() {
        return Ok(());
    }
    Err(ProofRefusal::WrongMethod { expected: method.to_string(), found: excerpt(claims.method, NAME) })
}

/// Check 9.
pub(super) fn right_target(claims: &ProofClaims<'_>, expected: &TargetUri) -> Result<(), ProofRefusal> {
    // Most proofs have the normal form, which needs no parsing.
    if claims.target_uri == expected.as_str() {
        return Ok(());
    }
    let found = TargetUri::parse(claims.target_uri).map_err(ProofRefusal::UnusableTargetUri)?;
    if found == *expected {
        Ok(())
    } else {
        Err(ProofRefusal::WrongTargetUri { expected: expected.clone(), found })
    }
}

/// Check 10.
fn given_nonce(claims: &ProofClaims<'_>, context: &ProofContext<'_>) -> Result<(), ProofRefusal> {
    let Some(nonces) = context.nonces else { return Ok(()) };
    let nonce = claims.nonce.ok_or(ProofRefusal::NonceMissing)?;
    nonces.check(nonce, context.now).map(|_| ()).map_err(ProofRefusal::NonceRefused)
}

/// Check 12, the token's hash.
pub(super) fn right_access_token_hash(
    claims: &ProofClaims<'_>,
    expected: &AccessTokenHash,
) -> Result<(), ProofRefusal> {
    let found = claims.access_token_hash.ok_or(ProofRefusal::AccessTokenHashMissing)?;
    if expected.is(found) { Ok(()) } else { Err(ProofRefusal::WrongAccessTokenHash) }
}

/// Check 7, and the quality of the key.
pub(super) fn public_key(header: &Object<'_>) -> Result<PublicKey, ProofRefusal> {
    let jwk = header.object("jwk").map_err(ProofRefusal::KeyMissing)?;
    PublicKey::from_jwk_object(jwk).map_err(bad_key)
}

/// Checks 7 and 12: the key that the token is bound to.
fn bound_key(
    header: &Object<'_>,
    thumbprint: Thumbprint,
    known: Option<&PublicKey>,
) -> Result<PublicKey, ProofRefusal> {
    let jwk = header.object("jwk").map_err(ProofRefusal::KeyMissing)?;
    PublicKey::from_jwk_object_of(jwk, thumbprint, known).map_err(bad_key)?.ok_or(ProofRefusal::WrongKey)
}

fn bad_key(error: KeyError) -> ProofRefusal {
    match error {
        KeyError::PrivateMember { member } => ProofRefusal::PrivateKey { member },
        error => ProofRefusal::UnusableKey(error),
    }
}

/// Check 12, the key that the token is bound to.
pub(super) fn right_key(key: &PublicKey, expected: Thumbprint) -> Result<(), ProofRefusal> {
    if key.thumbprint() == expected { Ok(()) } else { Err(ProofRefusal::WrongKey) }
}

/// The key fits the algorithm and may be used for it.
pub(super) fn verifying_key(key: &PublicKey, algorithm: Algorithm) -> Result<VerifyingKey, ProofRefusal> {
    VerifyingKey::new(key, algorithm).map_err(|error| ProofRefusal::KeyNotForAlgorithm { algorithm, error })
}

/// Check 6.
pub(super) fn signed(
    jws: &UnverifiedJws<'_>,
    key: &PublicKey,
    algorithm: Algorithm,
) -> Result<(), ProofRefusal> {
    verifying_key(key, algorithm)?
        .verify(jws.signing_input(), jws.signature())
        .map_err(|_| ProofRefusal::WrongSignature)
}
