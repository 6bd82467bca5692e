//! RSA. Each private operation is blinded with fresh randomness, lest its time tell something of the key
//! (RUSTSEC-2023-0071 is about what happens otherwise).

use getrandom::SysRng;
use pkcs1::{RsaPrivateKeyRef, UintRef};
use rsa::BoxedUint;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::Failed;
use crate::algorithm::Algorithm;
use crate::key::{MAX_RSA_BITS, MIN_RSA_BITS, RsaNumbers};

/// A public key for one algorithm of RSA.
pub(crate) struct PublicKey {
    key: rsa::PublicKey,
    algorithm: Algorithm,
}

impl PublicKey {
    pub(super) fn new(numbers: &RsaNumbers, algorithm: Algorithm) -> Result<Self, Failed> {
        let (modulus, exponent) = (number(&numbers.modulus)?, number(&numbers.exponent)?);
        let sizes = usize::from(MIN_RSA_BITS)..=usize::from(MAX_RSA_BITS);
        let key = rsa::PublicKey::new_with_size_limits(modulus, exponent, sizes).map_err(|_| Failed)?;
        Ok(Self { key, algorithm })
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Failed> {
        match self.algorithm {
            Algorithm::RS256 => self.key.pkcs1v15_verify::<Sha256>(message, signature),
            Algorithm::RS384 => self.key.pkcs1v15_verify::<Sha384>(message, signature),
            Algorithm::RS512 => self.key.pkcs1v15_verify::<Sha512>(message, signature),
            Algorithm::PS256 => self.key.pss_verify::<Sha256>(message, signature),
            Algorithm::PS384 => self.key.pss_verify::<Sha384>(message, signature),
            Algorithm::PS512 => self.key.pss_verify::<Sha512>(message, signature),
            Algorithm::ES256
            | Algorithm::ES384
            | Algorithm::ES512
            | Algorithm::EdDSA
            | Algorithm::Ed25519 => return Err(Failed),
        }
        .map_err(|_| Failed)
    }
}

pub(crate) struct RsaKeyPair(rsa::PrivateKey);

impl RsaKeyPair {
    /// A new key of one of the sizes that [`crate::key`] makes.
    pub(crate) fn generate(bits: u16) -> Result<Self, Failed> {
        rsa::PrivateKey::new(&mut SysRng, bits.into()).map(Self).map_err(|_| Failed)
    }

    /// The key of these numbers, if they belong together.
    pub(crate) fn new(key: &RsaPrivateKeyRef<'_>) -> Result<Self, Failed> {
        let number = |octets: UintRef<'_>| number(octets.as_bytes());
        let primes = vec![number(key.prime1)?, number(key.prime2)?];
        let (modulus, exponent) = (number(key.modulus)?, number(key.public_exponent)?);
        let pair = rsa::PrivateKey::from_components(modulus, exponent, number(key.private_exponent)?, primes)
            .map_err(|_| Failed)?;
        // The library makes these three anew and does not ask what they were.
        let remade = [pair.dp().cloned(), pair.dq().cloned(), pair.crt_coefficient()];
        for (given, remade) in [key.exponent1, key.exponent2, key.coefficient].into_iter().zip(remade) {
            let remade = Zeroizing::new(remade.ok_or(Failed)?);
            if number(given)? != *remade {
                return Err(Failed);
            }
        }
        Ok(Self(pair))
    }

    /// The public half.
    #[expect(clippy::unnecessary_wraps, reason = "aws-lc can fail here")]
    pub(crate) fn public(&self) -> Result<RsaNumbers, Failed> {
        Ok(RsaNumbers { modulus: self.0.n_bytes().into_vec(), exponent: self.0.e_bytes().into_vec() })
    }

    /// The `RSAPrivateKey` of PKCS#1.
    pub(crate) fn private_der(&self) -> Result<Zeroizing<Vec<u8>>, Failed> {
        use rsa::pkcs1::EncodeRsaPrivateKey as _;
        let document = self.0.to_pkcs1_der().map_err(|_| Failed)?;
        Ok(Zeroizing::new(document.as_bytes().to_vec()))
    }

    /// `algorithm` is one of RSA.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, Failed> {
        let (key, random) = (&self.0, &mut SysRng);
        match algorithm {
            Algorithm::RS256 => key.pkcs1v15_sign_with_rng::<Sha256, _>(random, message),
            Algorithm::RS384 => key.pkcs1v15_sign_with_rng::<Sha384, _>(random, message),
            Algorithm::RS512 => key.pkcs1v15_sign_with_rng::<Sha512, _>(random, message),
            Algorithm::PS256 => key.pss_sign_with_rng::<Sha256, _>(random, message),
            Algorithm::PS384 => key.pss_sign_with_rng::<Sha384, _>(random, message),
            Algorithm::PS512 => key.pss_sign_with_rng::<Sha512, _>(random, message),
            Algorithm::ES256
            | Algorithm::ES384
            | Algorithm::ES512
            | Algorithm::EdDSA
            | Algorithm::Ed25519 => return Err(Failed),
        }
        .map_err(|_| Failed)
    }
}

/// The number that is written big-endian.
fn number(octets: &[u8]) -> Result<BoxedUint, Failed> {
    let bits = u32::try_from(octets.len()).ok().and_then(|bytes| bytes.checked_mul(8)).ok_or(Failed)?;
    BoxedUint::from_be_slice(octets, bits).map_err(|_| Failed)
}
