//! Signers whose private keys are not in a file: in a hardware module, in a key service, in the keyring of
//! the operating system. Each is behind a feature of its own.
//!
//! | feature | signer | where the key is |
//! | --- | --- | --- |
//! | `pkcs11` | `pkcs11::Pkcs11Signer` | in a token or a hardware security module; it never leaves it |
//! | `tpm2` | `tpm2::Tpm2Signer` | in a TPM 2.0; it never leaves it |
//! | `aws-kms` | `aws_kms::KmsSigner` | in the AWS Key Management Service; it never leaves it |
//! | `keyring` | `keyring::load`, which gives a key in this process | in the keyring of the operating system |
//!
//! [`KeyReference`] says in one line which key, for settings, and opens it.

#[cfg(feature = "aws-kms")]
pub mod aws_kms;
#[cfg(feature = "aws-kms")]
mod blocking;
#[cfg(any(feature = "aws-kms", feature = "pkcs11", feature = "tpm2"))]
mod digest;
#[cfg(feature = "keyring")]
pub mod keyring;
#[cfg(any(feature = "pkcs11", feature = "tpm2"))]
mod pin;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
mod reference;
#[cfg(feature = "tpm2")]
pub mod tpm2;

#[cfg(any(feature = "aws-kms", feature = "keyring", feature = "pkcs11", feature = "tpm2"))]
use keybound::{Algorithm, KeyError, KeyKind, PublicKey};

pub use reference::{
    KeyReference, MAX_REFERENCE_BYTES, OpenError, PinSource, Pkcs11Reference, ReferenceError, Tpm2Place,
    Tpm2Reference,
};

/// The algorithm that was asked for, if it is one for this key. Without one, that of its curve, and of RSA
/// keys RS256, which every server takes.
#[cfg(any(feature = "aws-kms", feature = "keyring", feature = "pkcs11", feature = "tpm2"))]
fn algorithm_for(key: &PublicKey, asked_for: Option<Algorithm>) -> Result<Algorithm, KeyError> {
    let algorithm = asked_for.unwrap_or(match key.kind() {
        KeyKind::Rsa { .. } => Algorithm::RS256,
        KeyKind::P256 => Algorithm::ES256,
        KeyKind::P384 => Algorithm::ES384,
        KeyKind::P521 => Algorithm::ES512,
        KeyKind::Ed25519 => Algorithm::EdDSA,
    });
    key.allow(algorithm)?;
    Ok(algorithm)
}
