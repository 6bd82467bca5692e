//! aws-lc, the library of the default build.

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::rsa::{KeyPairComponents, KeySize};
use aws_lc_rs::signature::{
    self as library, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, ED25519,
    EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair as _, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaParameters,
    RsaPublicKeyComponents,
};
use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::Encode as _;
use zeroize::Zeroizing;

use super::{ED25519_KEY_BYTES, Failed, HashBits, SHA256_BYTES};
use crate::algorithm::Algorithm;
use crate::key::{Curve, RsaNumbers};

pub(crate) fn sha256(message: &[u8]) -> [u8; SHA256_BYTES] {
    let mut hash = [0; SHA256_BYTES];
    hash.copy_from_slice(digest::digest(&SHA256, message).as_ref());
    hash
}

/// The hash of SHA-2 with so many bits: 256, 384 or 512.
pub(crate) fn sha2(bits: HashBits, message: &[u8]) -> Vec<u8> {
    let hash = match bits {
        HashBits::Of256 => &SHA256,
        HashBits::Of384 => &SHA384,
        HashBits::Of512 => &SHA512,
    };
    digest::digest(hash, message).as_ref().to_vec()
}

/// Random bytes of the operating system.
pub(crate) fn fill_with_random(bytes: &mut [u8]) -> Result<(), Failed> {
    SystemRandom::new().fill(bytes).map_err(|_| Failed)
}

/// A key for HMAC-SHA-256.
pub(crate) struct HmacKey(hmac::Key);

impl HmacKey {
    pub(crate) fn new(secret: &[u8; SHA256_BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(crate) fn code(&self, message: &[u8]) -> [u8; SHA256_BYTES] {
        let mut code = [0; SHA256_BYTES];
        code.copy_from_slice(hmac::sign(&self.0, message).as_ref());
        code
    }
}

/// A public key, parsed for one algorithm.
pub(crate) struct PublicKey(ParsedPublicKey);

impl PublicKey {
    /// `algorithm` is one of RSA.
    pub(crate) fn rsa(key: &RsaNumbers, algorithm: Algorithm) -> Result<Self, Failed> {
        let der = key.as_pkcs1().and_then(|key| key.to_der()).map_err(|_| Failed)?;
        ParsedPublicKey::new(rsa_parameters(algorithm)?, der).map(Self).map_err(|_| Failed)
    }

    /// `point` is uncompressed.
    pub(crate) fn elliptic(curve: Curve, point: &[u8]) -> Result<Self, Failed> {
        ParsedPublicKey::new(elliptic_verification(curve), point).map(Self).map_err(|_| Failed)
    }

    pub(crate) fn ed25519(key: &[u8; ED25519_KEY_BYTES]) -> Result<Self, Failed> {
        ParsedPublicKey::new(&ED25519, key).map(Self).map_err(|_| Failed)
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Failed> {
        self.0.verify_sig(message, signature).map_err(|_| Failed)
    }
}

pub(crate) struct RsaKeyPair(library::RsaKeyPair);

impl RsaKeyPair {
    /// Sizes in bits of the keys that can be made.
    const SIZES: [(u16, KeySize); 4] = [
        (2048, KeySize::Rsa2048),
        (3072, KeySize::Rsa3072),
        (4096, KeySize::Rsa4096),
        (8192, KeySize::Rsa8192),
    ];

    /// A new key of one of the sizes that [`crate::key`] makes.
    pub(crate) fn generate(bits: u16) -> Result<Self, Failed> {
        let (_, size) = Self::SIZES.into_iter().find(|(size, _)| *size == bits).ok_or(Failed)?;
        library::RsaKeyPair::generate(size).map(Self).map_err(|_| Failed)
    }

    /// The key of these numbers, if they belong together.
    pub(crate) fn new(key: &RsaPrivateKeyRef<'_>) -> Result<Self, Failed> {
        let public_key =
            RsaPublicKeyComponents { n: key.modulus.as_bytes(), e: key.public_exponent.as_bytes() };
        let components = KeyPairComponents {
            public_key,
            d: key.private_exponent.as_bytes(),
            p: key.prime1.as_bytes(),
            q: key.prime2.as_bytes(),
            dP: key.exponent1.as_bytes(),
            dQ: key.exponent2.as_bytes(),
            qInv: key.coefficient.as_bytes(),
        };
        library::RsaKeyPair::from_components(&components).map(Self).map_err(|_| Failed)
    }

    /// The public half.
    pub(crate) fn public(&self) -> Result<RsaNumbers, Failed> {
        let der = self.0.public_key().as_ref();
        RsaPublicKeyRef::try_from(der).map(RsaNumbers::from).map_err(|_| Failed)
    }

    /// The `RSAPrivateKey` of PKCS#1.
    pub(crate) fn private_der(&self) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let pkcs8 = self.0.as_der().map_err(|_| Failed)?;
        let info = PrivateKeyInfoRef::try_from(pkcs8.as_ref()).map_err(|_| Failed)?;
        Ok(Zeroizing::new(info.private_key.as_bytes().to_vec()))
    }

    /// `algorithm` is one of RSA.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, Failed> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        // aws-lc takes its own randomness and ignores this source, here and for elliptic curves.
        let signed = self.0.sign(rsa_encoding(algorithm)?, &SystemRandom::new(), message, &mut signature);
        signed.map(|()| signature).map_err(|_| Failed)
    }
}

pub(crate) struct EllipticKeyPair(library::EcdsaKeyPair);

impl EllipticKeyPair {
    pub(crate) fn generate(curve: Curve) -> Result<Self, Failed> {
        library::EcdsaKeyPair::generate(elliptic_signing(curve)).map(Self).map_err(|_| Failed)
    }

    /// The key of these halves, if they belong together. `private` has the length of the curve; `point` is
    /// uncompressed.
    pub(crate) fn new(curve: Curve, private: &[u8], point: &[u8]) -> Result<Self, Failed> {
        library::EcdsaKeyPair::from_private_key_and_public_key(elliptic_signing(curve), private, point)
            .map(Self)
            .map_err(|_| Failed)
    }

    /// The key in an `ECPrivateKey` (RFC 5915 section 3), if what it says is of one key of this curve.
    pub(crate) fn from_sec1(curve: Curve, der: &[u8]) -> Result<Self, Failed> {
        library::EcdsaKeyPair::from_private_key_der(elliptic_signing(curve), der)
            .map(Self)
            .map_err(|_| Failed)
    }

    /// The public half, uncompressed.
    pub(crate) fn point(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    /// The private half in the length of the curve.
    pub(crate) fn private(&self) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let private = self.0.private_key().as_be_bytes().map_err(|_| Failed)?;
        Ok(Zeroizing::new(private.as_ref().to_vec()))
    }

    /// Both numbers in the length of the curve, one after the other.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failed> {
        let signed = self.0.sign(&SystemRandom::new(), message);
        signed.map(|signature| signature.as_ref().to_vec()).map_err(|_| Failed)
    }
}

pub(crate) struct Ed25519KeyPair(library::Ed25519KeyPair);

impl Ed25519KeyPair {
    pub(crate) fn generate() -> Result<Self, Failed> {
        library::Ed25519KeyPair::generate().map(Self).map_err(|_| Failed)
    }

    /// The key of this private half; if the public one is given too, they must belong together.
    pub(crate) fn new(private: &[u8], public: Option<&[u8]>) -> Result<Self, Failed> {
        let pair = match public {
            Some(public) => library::Ed25519KeyPair::from_seed_and_public_key(private, public),
            None => library::Ed25519KeyPair::from_seed_unchecked(private),
        };
        pair.map(Self).map_err(|_| Failed)
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    pub(crate) fn private(&self) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let seed = self.0.seed().and_then(|seed| seed.as_be_bytes()).map_err(|_| Failed)?;
        Ok(Zeroizing::new(seed.as_ref().to_vec()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failed> {
        self.0.try_sign(message).map(|signature| signature.as_ref().to_vec()).map_err(|_| Failed)
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Result<&'static dyn RsaEncoding, Failed> {
    match algorithm {
        Algorithm::RS256 => Ok(&RSA_PKCS1_SHA256),
        Algorithm::RS384 => Ok(&RSA_PKCS1_SHA384),
        Algorithm::RS512 => Ok(&RSA_PKCS1_SHA512),
        Algorithm::PS256 => Ok(&RSA_PSS_SHA256),
        Algorithm::PS384 => Ok(&RSA_PSS_SHA384),
        Algorithm::PS512 => Ok(&RSA_PSS_SHA512),
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 | Algorithm::EdDSA | Algorithm::Ed25519 => {
            Err(Failed)
        }
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Result<&'static RsaParameters, Failed> {
    match algorithm {
        Algorithm::RS256 => Ok(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Ok(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Ok(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Ok(&RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Ok(&RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Ok(&RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 | Algorithm::EdDSA | Algorithm::Ed25519 => {
            Err(Failed)
        }
    }
}

const fn elliptic_signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}

const fn elliptic_verification(curve: Curve) -> &'static EcdsaVerificationAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED,
    }
}
