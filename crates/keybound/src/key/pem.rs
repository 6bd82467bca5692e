//! PEM, the text around a key (RFC 7468), and the object identifiers inside it.
//!
//! Reading is lenient about white space and the length of lines, since keys are pasted through forms and
//! settings, and strict about there being one key and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::ObjectIdentifier;
use pkcs8::der::pem::LineEnding;
use zeroize::Zeroizing;

use super::{Curve, KeyError};

/// Bytes of a PEM text, at most. An RSA key of 8192 bits has 6.5 KB; what some tools write before it
/// comes on top.
pub const MAX_PEM_BYTES: usize = 32 * 1024;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// What OpenSSL writes before an EC key; the key names its curve itself.
const EC_PARAMETERS: &str = "EC PARAMETERS";

/// One block: what it says that it is, and what it holds.
pub(super) struct Block<'t> {
    pub(super) label: &'t str,
    pub(super) der: Zeroizing<Vec<u8>>,
}

impl<'t> Block<'t> {
    /// The only block of `text`; text before and after it is passed over (RFC 7468 section 2).
    pub(super) fn read(text: &'t str) -> Result<Self, KeyError> {
        if text.len() > MAX_PEM_BYTES {
            return Err(KeyError::TooLarge { container: "PEM", found: text.len(), limit: MAX_PEM_BYTES });
        }
        let mut blocks = frames(text)?;
        blocks.retain(|(label, _)| *label != EC_PARAMETERS);
        match blocks.as_slice() {
            [] => Err(KeyError::NotPem),
            [(label, body)] => Ok(Self { label, der: decode(body)? }),
            several => {
                let labels: Vec<_> = several.iter().map(|(label, _)| *label).collect();
                Err(KeyError::SeveralPemBlocks { labels: labels.join(", ") })
            }
        }
    }
}

/// The labels of all blocks and the text between their lines.
fn frames(text: &str) -> Result<Vec<(&str, &str)>, KeyError> {
    let mut frames = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once(BEGIN) {
        let (label, inner) = begun.split_once(DASHES).ok_or(KeyError::DamagedPem)?;
        let (body, ended) = inner.split_once(END).ok_or(KeyError::DamagedPem)?;
        let after = ended.strip_prefix(label).and_then(|ended| ended.strip_prefix(DASHES));
        rest = after.filter(|_| is_label(label)).ok_or(KeyError::DamagedPem)?;
        frames.push((label, body));
    }
    Ok(frames)
}

/// What a label is in practice, so that nothing else of a damaged file comes into a message.
fn is_label(label: &str) -> bool {
    const MAX_BYTES: usize = 40;
    let in_label = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b" #.".contains(&byte);
    (1..=MAX_BYTES).contains(&label.len()) && label.bytes().all(in_label)
}

fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    // Encryption of the time before PKCS#8 (RFC 1421), with a key derivation of one round of MD5.
    if body.contains("Proc-Type:") {
        return Err(KeyError::UnsupportedEncryption { found: "the old `Proc-Type` of OpenSSL".to_owned() });
    }
    let mut text = Zeroizing::new(String::with_capacity(body.len()));
    text.extend(body.chars().filter(|character| !character.is_ascii_whitespace()));
    STANDARD.decode(text.as_bytes()).map(Zeroizing::new).map_err(|_| KeyError::DamagedPem)
}

/// Encodes a block as RFC 7468 section 3 wants it.
pub(super) fn encode(label: &'static str, der: &[u8]) -> Result<Zeroizing<String>, KeyError> {
    pkcs8::der::pem::encode_string(label, LineEnding::LF, der)
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Cryptography { operation: "write a key as PEM" })
}

/// `rsaEncryption` (RFC 8017 appendix A.1).
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-ecPublicKey` (RFC 5480 section 2.1.1).
pub(super) const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `id-Ed25519` (RFC 8410 section 3).
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What people have in their files, and what it is called.
const OTHER_NAMES: [(&str, &str); 12] = [
    ("1.2.840.113549.1.1.10", "RSA restricted to RSASSA-PSS"),
    ("1.2.840.113549.1.1.7", "RSA restricted to RSAES-OAEP"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.132.0.33", "P-224"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.2.840.113549.2.7", "PBKDF2 with SHA-1"),
    ("1.2.840.113549.3.7", "triple DES"),
    ("1.2.840.113549.1.12.1.3", "PBES1 with SHA-1 and triple DES"),
];

fn name(identifier: ObjectIdentifier) -> String {
    let number = identifier.to_string();
    let named = OTHER_NAMES.iter().find(|(other, _)| *other == number);
    named.map_or(number, |(_, name)| (*name).to_owned())
}

pub(super) fn unsupported_key_type(identifier: ObjectIdentifier) -> KeyError {
    KeyError::unsupported_key_type(&name(identifier))
}

pub(super) fn unsupported_encryption(identifier: ObjectIdentifier) -> KeyError {
    KeyError::UnsupportedEncryption { found: name(identifier) }
}

/// The curve that a key names; one that is described by its parameters is not accepted (RFC 5480
/// section 2.1.1).
pub(super) fn curve(identifier: Option<ObjectIdentifier>) -> Result<Curve, KeyError> {
    let identifier = identifier.ok_or_else(|| KeyError::unsupported_curve("one without a name"))?;
    Curve::identified_by(identifier).ok_or_else(|| KeyError::unsupported_curve(&name(identifier)))
}
