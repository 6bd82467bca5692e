//! Encrypted private keys: PKCS#8 with PBES2 (RFC 8018 section 6.2).
//!
//! What a file asks for is bounded before it is done, since it decides how long the decryption takes.

use pkcs8::der::asn1::AnyRef;
use pkcs8::der::{self, Decode as _};
use pkcs8::pkcs5::pbes2::{self, Kdf, Parameters, ScryptParams};
use pkcs8::pkcs5::{self, EncryptionScheme};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};

use super::{KeyError, pem};
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

const MALFORMED: KeyError = KeyError::MalformedDer { container: "encrypted PKCS#8 key" };

/// The PKCS#8 DER in an `EncryptedPrivateKeyInfo`.
pub(super) fn decrypt(encrypted: &[u8], password: &[u8]) -> Result<SecretDocument, KeyError> {
    let info =
        EncryptedPrivateKeyInfoRef::try_from(encrypted).map_err(|error| undecryptable(encrypted, &error))?;
    affordable(&info.encryption_algorithm)?;
    info.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::UnsupportedAlgorithm { oid }) => {
            pem::unsupported_encryption(oid)
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

/// Why these bytes are no `EncryptedPrivateKeyInfo` that can be decrypted.
fn undecryptable(encrypted: &[u8], error: &pkcs8::Error) -> KeyError {
    if let pkcs8::Error::Asn1(error) = error
        && let der::ErrorKind::OidUnknown { oid } = error.kind()
    {
        return pem::unsupported_encryption(oid);
    }
    match scheme(encrypted) {
        Ok(oid) if oid != pbes2::PBES2_OID => pem::unsupported_encryption(oid),
        _ => MALFORMED,
    }
}

fn scheme(encrypted: &[u8]) -> der::Result<ObjectIdentifier> {
    AnyRef::from_der(encrypted)?.sequence(|reader| {
        let algorithm = AlgorithmIdentifierRef::decode(reader)?;
        AnyRef::decode(reader)?;
        Ok(algorithm.oid)
    })
}

fn affordable(scheme: &EncryptionScheme) -> Result<(), KeyError> {
    let Some(parameters) = scheme.pbes2() else {
        return Err(pem::unsupported_encryption(scheme.oid()));
    };
    let (found, limit, unit) = match &parameters.kdf {
        Kdf::Pbkdf2(pbkdf2) => {
            (pbkdf2.iteration_count.into(), MAX_PBKDF2_ITERATIONS.into(), "rounds of PBKDF2")
        }
        Kdf::Scrypt(scrypt) => (scrypt_blocks(scrypt)?, MAX_SCRYPT_BLOCKS, "blocks of scrypt"),
        other => return Err(pem::unsupported_encryption(other.oid())),
    };
    if found > limit { Err(KeyError::DecryptionTooCostly { found, limit, unit }) } else { Ok(()) }
}

/// N · r · p, where N is a power of two above 1 (RFC 7914 section 2): the library takes that for granted.
fn scrypt_blocks(scrypt: &ScryptParams) -> Result<u64, KeyError> {
    if scrypt.cost_parameter < 2 || !scrypt.cost_parameter.is_power_of_two() {
        return Err(MALFORMED);
    }
    let factors = [u64::from(scrypt.block_size), u64::from(scrypt.parallelization)];
    Ok(factors.into_iter().fold(scrypt.cost_parameter, u64::saturating_mul))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_of_scrypt_that_is_no_power_of_two_above_one_is_malformed() {
        let parameters = |cost_parameter, block_size, parallelization| ScryptParams {
            salt: b"salt".as_slice().try_into().unwrap(),
            cost_parameter,
            block_size,
            parallelization,
            key_length: None,
        };
        for cost in [0, 1, 3, 16_383] {
            assert_eq!(scrypt_blocks(&parameters(cost, 8, 1)), Err(MALFORMED), "{cost}");
        }
        assert_eq!(scrypt_blocks(&parameters(16_384, 8, 1)), Ok(131_072));
        let most = scrypt_blocks(&parameters(1 << 31, u16::MAX, u16::MAX)).unwrap();
        assert!(most > MAX_SCRYPT_BLOCKS);
    }
}
