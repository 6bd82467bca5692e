//! Opens the key that a reference names, if the program was built with what that needs.

use std::sync::Arc;

use keybound::{Algorithm, Signer};

use super::KeyReference;
#[cfg(any(feature = "pkcs11", feature = "tpm2"))]
use super::PinSource;

/// Why the key that a reference names can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The program was built without what is needed.
    #[error("this program was built without keys of that kind: build it with the feature `{feature}`")]
    NotBuilt {
        /// The feature, of `keybound-client` and of what is built on it.
        feature: &'static str,
    },
    /// The token.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Pkcs11(#[from] crate::signers::pkcs11::Pkcs11Error),
    /// The TPM.
    #[cfg(feature = "tpm2")]
    #[error(transparent)]
    Tpm2(#[from] crate::signers::tpm2::Tpm2Error),
    /// AWS KMS.
    #[cfg(feature = "aws-kms")]
    #[error(transparent)]
    AwsKms(#[from] crate::signers::aws_kms::KmsError),
    /// The keyring.
    #[cfg(feature = "keyring")]
    #[error(transparent)]
    Keyring(#[from] crate::signers::keyring::KeyringError),
    /// The key is not for the algorithm.
    #[error(transparent)]
    Key(#[from] keybound::KeyError),
}

impl KeyReference {
    /// The signer with that key, for `algorithm`; without one for RS256 with RSA, and for the one that fits
    /// any other key.
    ///
    /// It waits for a device, the network or the keyring: not for the threads of async code.
    pub fn open(&self, algorithm: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
        match self {
            Self::Pkcs11(reference) => reference.open(algorithm),
            Self::Tpm2(reference) => reference.open(algorithm),
            Self::AwsKms { key_id } => open_in_kms(key_id, algorithm),
            Self::Keyring { service, account } => open_in_keyring(service, account, algorithm),
        }
    }
}

#[cfg(feature = "aws-kms")]
fn open_in_kms(key_id: &str, algorithm: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
    let mut options = crate::signers::aws_kms::KmsOptions::new(key_id);
    options.algorithm = algorithm;
    Ok(Arc::new(crate::signers::aws_kms::KmsSigner::open(options)?))
}

#[cfg(not(feature = "aws-kms"))]
fn open_in_kms(_: &str, _: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
    Err(OpenError::NotBuilt { feature: "aws-kms" })
}

#[cfg(feature = "keyring")]
fn open_in_keyring(
    service: &str,
    account: &str,
    algorithm: Option<Algorithm>,
) -> Result<Arc<dyn Signer>, OpenError> {
    let key = crate::signers::keyring::load(&crate::signers::keyring::Place::new(service, account))?;
    let algorithm = crate::signers::algorithm_for(key.public_key(), algorithm)?;
    Ok(Arc::new(keybound::SigningKey::new(key, algorithm)?))
}

#[cfg(not(feature = "keyring"))]
fn open_in_keyring(_: &str, _: &str, _: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
    Err(OpenError::NotBuilt { feature: "keyring" })
}

#[cfg(any(feature = "pkcs11", feature = "tpm2"))]
impl From<&PinSource> for crate::signers::pin::Pin {
    fn from(source: &PinSource) -> Self {
        match source {
            PinSource::File(path) => Self::File(path.clone()),
            PinSource::Environment(name) => Self::Environment(name.clone()),
        }
    }
}
