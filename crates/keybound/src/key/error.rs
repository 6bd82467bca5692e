//! Why a key is refused.

use super::{KeyKind, MAX_RSA_BITS, MIN_RSA_BITS};
use crate::algorithm::Algorithm;
use crate::excerpt::{NAME, excerpt};
use crate::json::{MemberError, NotStrictJson};
use crate::random::RandomUnavailable;

/// What is wrong with a key, or with the text that should hold one, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is longer than any key.
    #[error("the {container} has {found} bytes, more than the {limit} that are read")]
    TooLarge {
        /// `PEM`, `JWK` or `JWK set`.
        container: &'static str,
        /// Bytes of the text.
        found: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// A JWK that is not a strict JSON object.
    #[error("the JWK is {0}")]
    NotStrictJson(NotStrictJson),
    /// A member of a JWK is missing or of the wrong type.
    #[error("the JWK's {0} (RFC 7517, RFC 7518 section 6)")]
    Member(MemberError),
    /// A member of a JWK is not strict base64url.
    #[error("the JWK's `{member}` is not base64url without padding (RFC 7515 section 2)")]
    NotBase64Url {
        /// The member's name.
        member: &'static str,
    },
    /// A member of a JWK does not have the length that its curve gives it.
    #[error(
        "the JWK's `{member}` has {found} bytes; on this curve it has {expected}, leading zeros included"
    )]
    WrongLength {
        /// The member's name.
        member: &'static str,
        /// Bytes it has.
        found: usize,
        /// Bytes it must have (RFC 7518 section 6.2.1.2, RFC 8037 section 2).
        expected: usize,
    },
    /// A number of an RSA key is not in its shortest form, so the key would have several thumbprints.
    #[error(
        "the JWK's `{member}` starts with a zero byte; a number is in its shortest form (RFC 7518 section 6.3.1)"
    )]
    LeadingZero {
        /// The member's name.
        member: &'static str,
    },
    /// A private member where a public key belongs: the key is not a secret any more.
    #[error("the JWK has the private member `{member}`, and only the public key may stand here")]
    PrivateMember {
        /// The member's name.
        member: &'static str,
    },
    /// A shared secret (`kty` `oct`) where a key pair belongs.
    #[error("the JWK is a shared secret (`kty` is `oct`); a key pair is needed: RSA, EC or OKP")]
    SharedSecret,
    /// Another type of key.
    #[error("the key type `{found}` is not supported; use RSA, P-256, P-384, P-521 or Ed25519")]
    UnsupportedKeyType {
        /// The type by its name or object identifier, cut to 64 characters.
        found: String,
    },
    /// Another curve.
    #[error("the curve `{found}` is not supported; use P-256, P-384, P-521 or Ed25519")]
    UnsupportedCurve {
        /// The curve by its name or object identifier, cut to 64 characters.
        found: String,
    },
    /// A JWK set without an array of keys.
    #[error("the JWK set has no array `keys` (RFC 7517 section 5)")]
    NotAJwkSet,
    /// A JWK set with more keys than are read.
    #[error("the JWK set has {found} keys, more than the {limit} that are read")]
    TooManyKeys {
        /// Keys in the set.
        found: usize,
        /// Keys it may have.
        limit: usize,
    },
    /// The RSA modulus is too short or too long.
    #[error(
        "the RSA key has {bits} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted (RFC 7518 section 3.3): make \
         another key"
    )]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// RSA keys are made in a few sizes only.
    #[error("RSA keys are made with 2048, 3072, 4096 or 8192 bits, not with {bits}")]
    RsaSizeNotMade {
        /// Bits that were asked for.
        bits: u16,
    },
    /// The RSA modulus is even: not a product of two large primes.
    #[error("the RSA modulus is an even number, so this is not an RSA key: make another")]
    RsaModulusEven,
    /// The RSA public exponent is even, 1, or larger than any in use.
    #[error("the RSA public exponent is not an odd number of at least 3 and at most 33 bits; 65537 is usual")]
    RsaExponent,
    /// The point is not on its curve, or is the point at infinity.
    #[error("the point is not on the curve {curve}: the public key is damaged or forged")]
    NotOnCurve {
        /// The curve's name.
        curve: &'static str,
    },
    /// The key is of another kind than the algorithm's.
    #[error("{algorithm} is not for a key of the kind {kind}")]
    DoesNotFit {
        /// The algorithm.
        algorithm: Algorithm,
        /// The key's kind.
        kind: KeyKind,
    },
    /// `alg`, `use` or `key_ops` of a JWK reserve the key for something else.
    #[error("the JWK's `{member}` reserves the key for something else than {algorithm} (RFC 7517 section 4)")]
    ReservedForOther {
        /// `alg`, `use` or `key_ops`.
        member: &'static str,
        /// The algorithm that the key was to be used with.
        algorithm: Algorithm,
    },
    /// No PEM block at all.
    #[error("there is no PEM block: no line like `-----BEGIN PRIVATE KEY-----`")]
    NotPem,
    /// A PEM block that does not end, or whose text is not base64.
    #[error(
        "the PEM block is damaged: it lacks its END line, or its text is not base64; line breaks written as `\\n` \
         must be real ones"
    )]
    DamagedPem,
    /// More than one PEM block.
    #[error("the PEM has several blocks ({labels}); leave only the key")]
    SeveralPemBlocks {
        /// What the blocks are called.
        labels: String,
    },
    /// Another thing than a key of that half, or a key in a container that is not read.
    #[error("the PEM block is a `{label}`, and a {needed} key is needed; {advice}")]
    WrongPemBlock {
        /// What the block is called.
        label: String,
        /// `private` or `public`.
        needed: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The content of a PEM block is not what its label says.
    #[error(
        "the content of the PEM block is not a well-formed {container}: it is damaged; take the key from its source again"
    )]
    MalformedDer {
        /// The container that its label stands for.
        container: &'static str,
    },
    /// A point of an elliptic curve in its compressed form.
    #[error(
        "the point of the public key is compressed; write it in full with \
         `openssl ec -pubin -in KEY -conv_form uncompressed -out NEW`"
    )]
    CompressedPoint,
    /// An RSA key with more than two primes.
    #[error("the RSA key has more than two primes, which is not supported: make another")]
    MultiPrime,
    /// An encrypted key without a password.
    #[error("the private key is encrypted: give its password")]
    PasswordNeeded,
    /// A password for a key that is not encrypted.
    #[error("the private key is not encrypted: read it without a password")]
    NotEncrypted,
    /// The password does not decrypt the key.
    #[error("the password does not decrypt the private key: it is another key's, or the key is damaged")]
    WrongPassword,
    /// A key encrypted in another way than PBES2 with AES and SHA-2 or scrypt.
    #[error(
        "the encryption of the private key ({found}) is not supported; encrypt it anew with `openssl pkcs8 -topk8 \
         -v2 aes-256-cbc -v2prf hmacWithSHA256 -in KEY -out NEW`"
    )]
    UnsupportedEncryption {
        /// What the key is encrypted with, by name or object identifier.
        found: String,
    },
    /// A key whose decryption would take too long.
    #[error(
        "decrypting the private key would take {found} {unit}, more than the {limit} that are done; encrypt it \
         anew with a lower cost"
    )]
    DecryptionTooCostly {
        /// What the file asks for.
        found: u64,
        /// What is done at most.
        limit: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// A public JWK where a private one is needed.
    #[error("the JWK has no `d`: it is a public key, and the private key is needed")]
    PrivateMemberMissing,
    /// An RSA JWK with `d` alone, or with some of the other members only.
    #[error(
        "the private RSA key has no `{member}`; d, p, q, dp, dq and qi are needed, all of them (RFC 7518 section \
         6.3.2): export the key with them"
    )]
    CrtMemberMissing {
        /// The first that is missing.
        member: &'static str,
    },
    /// The private and the public numbers are not of one key.
    #[error(
        "the numbers of the private key do not belong together: it is damaged, or put together from two keys"
    )]
    Inconsistent,
    /// `key_ops` of a private JWK leaves signing out.
    #[error("the JWK's `key_ops` has no `sign`, so the key is not for signatures (RFC 7517 section 4.3)")]
    NotForSigning,
    /// A container that is for other kinds of keys.
    #[error("{container} is not for a key of the kind {kind}; use PKCS#8, which is for all")]
    WrongContainer {
        /// The container.
        container: &'static str,
        /// The key's kind.
        kind: KeyKind,
    },
    /// An Ed25519 key of small order.
    #[error("the Ed25519 key is a point of small order: anybody can make signatures that it verifies")]
    SmallOrder,
    /// No randomness to encrypt a key with.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// The cryptographic library failed for no reason that lies in the key.
    #[error("the cryptographic library failed to {operation}")]
    Cryptography {
        /// What it was to do.
        operation: &'static str,
    },
}

impl KeyError {
    pub(crate) fn unsupported_key_type(name: &str) -> Self {
        Self::UnsupportedKeyType { found: excerpt(name, NAME) }
    }

    pub(crate) fn unsupported_curve(name: &str) -> Self {
        Self::UnsupportedCurve { found: excerpt(name, NAME) }
    }
}
