//! A key in the AWS Key Management Service. It never leaves the service: what is signed, or its digest, goes
//! there, and the signature comes back. RSA keys and P-256, P-384 and P-521 keys with the usage `SIGN_VERIFY`
//! are served.
//!
//! ```no_run
//! use std::sync::Arc;
//! use keybound::proof::DpopKey;
//! use keybound_client::signers::aws_kms::{KmsOptions, KmsSigner};
//!
//! let options = KmsOptions::new("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab");
//! let key = DpopKey::new(Arc::new(KmsSigner::open(options)?));
//! # Ok::<(), keybound_client::signers::aws_kms::KmsError>(())
//! ```
//!
//! Two calls are needed, `GetPublicKey` and `Sign`, so they are made here, over the project's transport, and
//! signed by Signature Version 4 (60 lines over aws-lc) rather than by AWS's SDK. The SDK is 111 crates, which
//! take a minute and a half to build on two cores, with an HTTP client of their own and another implementation
//! of SHA-2 and HMAC; `aws-sigv4` alone is 58 crates and twenty seconds. What the SDK has beside that is the
//! search for credentials: whoever needs more than the environment implements [`CredentialSource`], over the
//! SDK if need be.
//!
//! A call is not repeated: a signature that is late is of little use. What AWS refuses, for one that too many
//! signatures are asked for, comes as [`SignError::Unavailable`] with AWS's words.

mod credentials;
mod error;
mod service;
mod signature_v4;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keybound::{Algorithm, Clock, PublicKey, SignError, Signature, Signer, SystemClock};

use self::service::{Message, Service};
use super::{algorithm_for, digest};
use crate::transport::TransportOptions;

pub use credentials::{CredentialSource, Credentials, Environment};
pub use error::KmsError;

/// How long a call may take: a request that waits for its signature should fail and not hang.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest text that KMS digests itself (`Sign`, `Message`); of a longer one it gets the digest.
const MAX_MESSAGE_BYTES: usize = 4096;

/// An answer of KMS has a public key or a signature, and some names.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Which key, and how to get at it.
#[derive(Clone)]
#[non_exhaustive]
pub struct KmsOptions {
    /// The key: its ARN, its id, or an alias (`alias/…`). An alias can be pointed to another key; then this
    /// signer's signatures are refused until it is opened anew.
    pub key_id: String,
    /// The region; without one that of the ARN, and then `AWS_REGION` or `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// Where KMS is, if not at `https://kms.REGION.amazonaws.com`: a VPC endpoint, or an emulator.
    pub endpoint: Option<String>,
    /// Who asks.
    pub credentials: Arc<dyn CredentialSource>,
    /// The algorithm; without one RS256 for RSA, and the one that fits any other key.
    pub algorithm: Option<Algorithm>,
    /// Time-outs, and certificate authorities to trust.
    pub transport: TransportOptions,
    /// Dates the calls.
    pub clock: Arc<dyn Clock>,
}

impl KmsOptions {
    /// The key of this ARN, id or alias, with the environment's region and credentials.
    pub fn new(key_id: impl Into<String>) -> Self {
        let mut transport = TransportOptions::default();
        (transport.timeout, transport.max_response_bytes) = (TIMEOUT, MAX_ANSWER_BYTES);
        Self {
            key_id: key_id.into(),
            region: None,
            endpoint: None,
            credentials: Arc::new(Environment),
            algorithm: None,
            transport,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Signs with a key in the AWS Key Management Service.
pub struct KmsSigner {
    service: Service,
    public_key: PublicKey,
    algorithm: Algorithm,
    algorithm_name: &'static str,
}

impl KmsSigner {
    /// Asks KMS for the public half of the key.
    ///
    /// It waits for the network: not for the threads of async code.
    pub fn open(options: KmsOptions) -> Result<Self, KmsError> {
        let asked_for = options.algorithm;
        let service = Service::new(options)?;
        let (public_key, offered) = service.public_key()?;
        let algorithm = algorithm_for(&public_key, asked_for)?;
        let offered_here = |name: &&str| offered.iter().any(|offer| offer == name);
        let Some(algorithm_name) = name(algorithm).filter(offered_here) else {
            return Err(KmsError::AlgorithmNotOffered { algorithm, offered });
        };
        Ok(Self { service, public_key, algorithm, algorithm_name })
    }

    fn sign_in_service(&self, signing_input: &[u8]) -> Result<Signature, KmsError> {
        let is_long = signing_input.len() > MAX_MESSAGE_BYTES;
        let digest = is_long.then(|| digest::of(self.algorithm, signing_input)).flatten();
        let message = match &digest {
            Some(digest) => Message::Digest(digest.as_ref()),
            None => Message::Raw(signing_input),
        };
        let made = self.service.sign(self.algorithm_name, &message)?;
        Ok(match self.algorithm {
            Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 => {
                Signature::from_ecdsa_der(self.algorithm, &made)?
            }
            _ => Signature::from_bytes(made),
        })
    }
}

/// The algorithm as KMS calls it. Ed25519 is left out: KMS has it only where no emulator has, so nothing here
/// could show that it works.
const fn name(algorithm: Algorithm) -> Option<&'static str> {
    Some(match algorithm {
        Algorithm::RS256 => "RSASSA_PKCS1_V1_5_SHA_256",
        Algorithm::RS384 => "RSASSA_PKCS1_V1_5_SHA_384",
        Algorithm::RS512 => "RSASSA_PKCS1_V1_5_SHA_512",
        Algorithm::PS256 => "RSASSA_PSS_SHA_256",
        Algorithm::PS384 => "RSASSA_PSS_SHA_384",
        Algorithm::PS512 => "RSASSA_PSS_SHA_512",
        Algorithm::ES256 => "ECDSA_SHA_256",
        Algorithm::ES384 => "ECDSA_SHA_384",
        Algorithm::ES512 => "ECDSA_SHA_512",
        Algorithm::EdDSA | Algorithm::Ed25519 => return None,
    })
}

impl Signer for KmsSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, signing_input: &[u8]) -> Result<Signature, SignError> {
        self.sign_in_service(signing_input).map_err(|error| match error {
            KmsError::Signature(error) => error,
            error => SignError::Unavailable { reason: error.to_string() },
        })
    }

    fn waits(&self) -> bool {
        true
    }
}

impl fmt::Debug for KmsSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KmsSigner({} {})", self.algorithm, self.public_key.thumbprint())
    }
}
