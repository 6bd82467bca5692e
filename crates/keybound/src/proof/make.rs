//! Making a proof (RFC 9449 section 4.2).

use std::fmt;
use std::sync::Arc;

use http::Method;
use serde::Serialize;

use super::{AccessTokenHash, PROOF_TYPE};
use crate::algorithm::Algorithm;
use crate::htu::TargetUri;
use crate::jws::UnsignedJws;
use crate::key::PublicKey;
use crate::nonce::Nonce;
use crate::numeric_date::NumericDate;
use crate::random::{Random, RandomUnavailable, jwt_id};
use crate::signer::{SignError, Signature, Signer};
use crate::thumbprint::Thumbprint;
use crate::{base64url, json};

/// The request that a proof is for.
#[derive(Clone, Copy)]
pub struct ProofRequest<'a> {
    /// The method, which becomes `htm`.
    pub method: &'a Method,
    /// The URI, which becomes `htu`.
    pub target: &'a TargetUri,
    /// The hash of the access token that the request carries, taken once per token; it becomes `ath`.
    pub access_token: Option<AccessTokenHash>,
    /// The newest nonce that the request's server gave, if it gave one.
    pub nonce: Option<&'a Nonce>,
}

/// Why no proof could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// No randomness for `jti`.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// The key gave no signature.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A client's key for proofs, which access tokens are bound to.
///
/// ```
/// use std::sync::Arc;
/// use keybound::proof::{AccessTokenHash, DpopKey, ProofRequest};
/// use keybound::random::OperatingSystem;
/// use keybound::{Algorithm, NumericDate, SigningKey, TargetUri};
///
/// let key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256)?));
/// let request = ProofRequest {
///     method: &http::Method::GET,
///     target: &TargetUri::parse("https://api.example.com/things?page=2")?,
///     access_token: Some(AccessTokenHash::of("an access token")),
///     nonce: None,
/// };
/// let now = NumericDate::from(std::time::SystemTime::now());
/// let proof = key.prove(&request, now, &OperatingSystem)?;
/// # assert_eq!(proof.split('.').count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DpopKey {
    signer: Arc<dyn Signer>,
    template: ProofTemplate,
}

impl DpopKey {
    /// A key for proofs, wherever `signer` keeps it.
    pub fn new(signer: Arc<dyn Signer>) -> Self {
        let template = ProofTemplate::new(signer.public_key(), signer.algorithm());
        Self { signer, template }
    }

    /// What signs the proofs.
    pub fn signer(&self) -> &Arc<dyn Signer> {
        &self.signer
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    /// The algorithm of the proofs.
    pub fn algorithm(&self) -> Algorithm {
        self.signer.algorithm()
    }

    /// The thumbprint that a token bound to this key has in `cnf.jkt`.
    pub fn thumbprint(&self) -> Thumbprint {
        self.public_key().thumbprint()
    }

    /// What proofs of this key are made from where they are signed later or elsewhere.
    pub fn template(&self) -> &ProofTemplate {
        &self.template
    }

    /// A fresh proof for `request`, with a `jti` of its own; every attempt of a request needs another.
    pub fn prove(
        &self,
        request: &ProofRequest<'_>,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<String, ProveError> {
        let unsigned = self.template.prepare(request, now, random)?;
        Ok(unsigned.sign(self.signer.as_ref())?)
    }

    /// The signature of this key for a proof that its template prepared.
    pub fn sign(&self, proof: &UnsignedJws) -> Result<Signature, SignError> {
        self.signer.sign(proof.signing_input())
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DpopKey({} {})", self.algorithm(), self.thumbprint())
    }
}

/// The constant part of all proofs of one key: their header, encoded once.
#[derive(Clone, Debug)]
pub struct ProofTemplate {
    encoded_header: Arc<str>,
    thumbprint: Thumbprint,
}

impl ProofTemplate {
    /// The template for proofs of this key, made with this algorithm.
    pub fn new(key: &PublicKey, algorithm: Algorithm) -> Self {
        // Only what the key is: a proof gains nothing from `kid`, `use` and the like.
        let jwk = key.jwk().required_members();
        let header = json::write(&Header { typ: PROOF_TYPE, alg: algorithm.name(), jwk });
        Self { encoded_header: base64url::encode(header).into(), thumbprint: key.thumbprint() }
    }

    /// The thumbprint of the key, to which what is asked for with its proofs is bound.
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// A fresh proof for `request` that waits for its signature.
    pub fn prepare(
        &self,
        request: &ProofRequest<'_>,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<UnsignedJws, RandomUnavailable> {
        let claims = json::write(&Claims {
            jti: &jwt_id(random)?,
            htm: request.method.as_str(),
            htu: request.target.as_sent(),
            iat: now.seconds(),
            ath: request.access_token.map(|hash| hash.to_string()),
            nonce: request.nonce.map(Nonce::as_str),
        });
        Ok(UnsignedJws::with_encoded_header(&self.encoded_header, &claims))
    }
}

#[derive(Serialize)]
struct Header<'a, K> {
    typ: &'a str,
    alg: &'a str,
    jwk: K,
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}
