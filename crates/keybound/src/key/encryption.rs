//! Encrypted private keys: PKCS#8 with PBES2 (RFC 8018 section 6.2).
//!
//! What a file asks for is bounded before it is done, since it decides how long the decryption takes.

use pkcs8::pkcs5::pbes2::{Kdf, Parameters, ScryptParams};
use pkcs8::pkcs5::{self, EncryptionScheme};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument, der};

use super::KeyError;
use crate::random::Random;

/// Rounds of PBKDF2, at most: some seconds. Ten times what is recommended for SHA-256.
pub const MAX_PBKDF2_ITERATIONS: u32 = 6_000_000;

/// Blocks of scrypt (N · r · p), at most: some seconds, and at 128 bytes each 256 MiB.
pub const MAX_SCRYPT_BLOCKS: u64 = 1 << 21;

/// Rounds of PBKDF2 with HMAC-SHA-256 for keys that are encrypted here, as OWASP recommends.
const PBKDF2_ITERATIONS: u32 = 600_000;

/// Bytes of salt, as NIST SP 800-132 section 5.1 asks for.
const SALT_BYTES: usize = 16;

/// Bytes of an initialisation vector of AES in CBC mode.
const IV_BYTES: usize = 16;

/// The PKCS#8 DER in an `EncryptedPrivateKeyInfo`.
pub(super) fn decrypt(encrypted: &[u8], password: &[u8]) -> Result<SecretDocument, KeyError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(encrypted).map_err(|error| malformed(&error))?;
    affordable(&info.encryption_algorithm)?;
    info.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::UnsupportedAlgorithm { oid }) => {
            KeyError::UnsupportedEncryption { found: oid.to_string() }
        }
        // Padding, and DER, that a wrong password leaves in ruins.
        _ => KeyError::WrongPassword,
    })
}

/// The `EncryptedPrivateKeyInfo` of a PKCS#8 DER: PBKDF2 with HMAC-SHA-256, AES-256 in CBC mode, which
/// all software reads.
pub(super) fn encrypt(
    pkcs8: &[u8],
    password: &[u8],
    random: &dyn Random,
) -> Result<SecretDocument, KeyError> {
    let (mut salt, mut iv) = ([0; SALT_BYTES], [0; IV_BYTES]);
    random.fill(&mut salt)?;
    random.fill(&mut iv)?;
    let encrypted = || -> Result<_, pkcs8::Error> {
        let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ITERATIONS, &salt, iv)?;
        PrivateKeyInfoRef::try_from(pkcs8)?.encrypt_with_params(parameters, password)
    };
    encrypted().map_err(|_| KeyError::Cryptography { operation: "encrypt a key" })
}

fn malformed(error: &pkcs8::Error) -> KeyError {
    if let pkcs8::Error::Asn1(error) = error
        && let der::ErrorKind::OidUnknown { oid } = error.kind()
    {
        return KeyError::UnsupportedEncryption { found: oid.to_string() };
    }
    KeyError::MalformedDer { container: "encrypted PKCS#8 key" }
}

fn affordable(scheme: &EncryptionScheme) -> Result<(), KeyError> {
    let Some(parameters) = scheme.pbes2() else {
        return Err(KeyError::UnsupportedEncryption { found: scheme.oid().to_string() });
    };
    let (found, limit, unit) = match &parameters.kdf {
        Kdf::Pbkdf2(pbkdf2) => {
            (pbkdf2.iteration_count.into(), MAX_PBKDF2_ITERATIONS.into(), "rounds of PBKDF2")
        }
        Kdf::Scrypt(scrypt) => (scrypt_blocks(scrypt)?, MAX_SCRYPT_BLOCKS, "blocks of scrypt"),
        other => return Err(KeyError::UnsupportedEncryption { found: other.oid().to_string() }),
    };
    if found > limit { Err(KeyError::DecryptionTooCostly { found, limit, unit }) } else { Ok(()) }
}

/// N · r · p, where N is a power of two above 1 (RFC 7914 section 2): the library takes that for granted.
fn scrypt_blocks(scrypt: &ScryptParams) -> Result<u64, KeyError> {
    if scrypt.cost_parameter < 2 || !scrypt.cost_parameter.is_power_of_two() {
        return Err(KeyError::MalformedDer { container: "encrypted PKCS#8 key" });
    }
    let factors = [u64::from(scrypt.block_size), u64::from(scrypt.parallelization)];
    Ok(factors.into_iter().fold(scrypt.cost_parameter.into(), u64::saturating_mul))
}
