//! Private keys as settings give them: a file, or the key itself; PEM or JWK.

use std::path::{Path, PathBuf};

use keybound::json::Object;
use keybound::{Algorithm, KeyError, KeyKind, PrivateKey, PublicKey, SigningKey, UnsupportedAlgorithm};
use keybound_client::signers::{KeyReference, OpenError, ReferenceError};
use zeroize::Zeroizing;

use super::file::{self, ReadError};
use super::sources::Found;

/// Bytes of a key file, at most; an RSA key of 8192 bits has some 7 KiB in PEM and 9 KiB as a JWK.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// Why a key can't be used. No part of the key is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// The file can't be read.
    #[error("can't be read: {0}")]
    Unreadable(#[from] ReadError),
    /// The value is neither the name of a file nor a key.
    #[error("is neither the name of a file nor a key in PEM or JWK form")]
    NeitherFileNorKey,
    /// Other users of the machine can read it.
    #[error("can be read by other users of this machine (mode {mode:04o}), so it is no longer private")]
    Exposed {
        /// The file's mode.
        mode: u32,
    },
    /// A set of keys.
    #[error("holds a set of keys (JWKS), and one key is needed")]
    KeySet,
    /// A key that is locked with a password.
    #[error("holds a key that is encrypted with a password, and there is no way to give one here")]
    Encrypted,
    /// Not a key, or not one that can be used.
    #[error("holds no key that can be used: {0}")]
    NotUsable(#[from] KeyError),
    /// The file has a key of a TPM, which is named by a reference.
    #[error("holds a key that only a TPM can use")]
    OfTpm,
    /// The value begins as a reference to a key does, and is none.
    #[error("is no reference to a key: {0}")]
    Reference(#[from] ReferenceError),
    /// The key that a reference names can't be used.
    #[error("names a key in {place} that can't be used: {error}")]
    Elsewhere {
        /// Where it is, in a few words.
        place: &'static str,
        /// What is wrong.
        error: OpenError,
    },
    /// Other users of the machine can read the PIN.
    #[error(
        "names a PIN in {} that can be read by other users of this machine (mode {mode:04o})", .path.display()
    )]
    PinExposed {
        /// The file that has the PIN.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The JWK's `alg` is unknown.
    #[error("names an algorithm that can't be used: {0}")]
    Algorithm(#[from] UnsupportedAlgorithm),
}

impl KeyProblem {
    /// What to do about it; `path` is where the key stands, if it is a file.
    pub(super) fn advice(&self, path: Option<&Path>) -> String {
        let path = path.map_or_else(|| "the file".to_owned(), |path| path.display().to_string());
        match self {
            Self::Unreadable(ReadError::Io(std::io::ErrorKind::NotFound)) => {
                "Check the path (relative ones start in the working folder, where .env is), or save the \
                 private key there."
                    .to_owned()
            }
            Self::Exposed { .. } => format!(
                "chmod 600 {path}   (or set KEYBOUND_EXPOSED_KEYS=accept where the mode is not yours to \
                 choose)"
            ),
            Self::OfTpm => format!("Name it by a reference: tss2:{path}   (docs/signers.md has the rest)"),
            Self::Reference(_) => {
                "Write pkcs11:…, handle:0x…, tss2:PATH, awskms:… or keyring:SERVICE/ACCOUNT, as docs/signers.md \
                 describes them; or name a file."
                    .to_owned()
            }
            Self::Elsewhere { error: OpenError::NotBuilt { feature }, .. } => format!(
                "Build the program with it: cargo install --path crates/keybound-cli --features {feature}; or name a \
                 file."
            ),
            Self::Elsewhere { .. } => {
                "See that the device or the service is there and the reference names the right key; \
                 docs/signers.md has more on each kind."
                    .to_owned()
            }
            Self::PinExposed { path, .. } => format!(
                "chmod 600 {}   (or set KEYBOUND_EXPOSED_KEYS=accept where the mode is not yours to choose)",
                path.display()
            ),
            Self::Encrypted => format!(
                "Take the password off and keep the file to yourself: openssl pkey -in {path} -out key.pem && \
                 chmod 600 key.pem"
            ),
            _ => {
                "Give a private key in PEM (PKCS #8, PKCS #1, SEC 1) or as a JWK: RSA of 2048 bits or more, \
                  P-256, P-384, P-521 or Ed25519."
                    .to_owned()
            }
        }
    }
}

/// The text of a key.
pub(super) struct KeyText {
    text: Zeroizing<String>,
    exposed_mode: Option<u32>,
}

/// A private key with what its JWK says of its use.
pub(super) struct KeyOfSettings {
    pub(super) key: PrivateKey,
    pub(super) key_id: Option<String>,
    pub(super) algorithm: Option<Algorithm>,
}

/// Where the key is that a setting names.
pub(super) fn path_of(found: &Found) -> Option<PathBuf> {
    let value = found.value.trim();
    (!is_key(value) && !KeyReference::is_meant_by(value)).then(|| found.folder.join(value))
}

/// The same, unless the value may be a key by mistake, which is never shown.
pub(super) fn shown_path_of(found: &Found) -> Option<PathBuf> {
    path_of(found).filter(|_| !is_bare_key(found.value.trim()))
}

impl KeyText {
    /// The key itself, or the file that `found` names.
    pub(super) fn read(found: &Found) -> Result<Self, KeyProblem> {
        let value = found.value.trim();
        if is_key(value) {
            // A PEM text that had to be one line has `\n` for its line ends.
            let is_jwk = value.starts_with('{');
            let text = if is_jwk { value.to_owned() } else { value.replace("\\n", "\n") };
            return Ok(Self { text: Zeroizing::new(text), exposed_mode: found.exposed_mode });
        }
        if is_bare_key(value) {
            return Err(KeyProblem::NeitherFileNorKey);
        }
        let file = file::read(&found.folder.join(value), MAX_KEY_BYTES)?;
        Ok(Self { text: file.text, exposed_mode: file.exposed_mode })
    }

    /// Refuses a key that other users of the machine can read.
    pub(super) fn refuse_exposed(&self) -> Result<(), KeyProblem> {
        self.exposed_mode.map_or(Ok(()), |mode| Err(KeyProblem::Exposed { mode }))
    }

    /// The private key that the text holds.
    pub(super) fn private_key(&self) -> Result<KeyOfSettings, KeyProblem> {
        if self.text.contains("-----BEGIN TSS2 PRIVATE KEY-----") {
            return Err(KeyProblem::OfTpm);
        }
        let key = match self.jwk()? {
            Some(jwk) => PrivateKey::from_jwk(jwk)?,
            None => PrivateKey::from_pem(&self.text).map_err(|error| match error {
                KeyError::PasswordNeeded => KeyProblem::Encrypted,
                other => KeyProblem::NotUsable(other),
            })?,
        };
        let key_id = key.public_key().key_id().map(str::to_owned);
        let algorithm = algorithm_of(key.public_key())?;
        Ok(KeyOfSettings { key, key_id, algorithm })
    }

    /// The public key that the text holds.
    pub(super) fn public_key(&self) -> Result<PublicKey, KeyProblem> {
        Ok(match self.jwk()? {
            Some(jwk) => PublicKey::from_jwk(jwk)?,
            None => PublicKey::from_pem(&self.text)?,
        })
    }

    /// The text, if it is a JWK rather than PEM.
    fn jwk(&self) -> Result<Option<&[u8]>, KeyProblem> {
        let text = self.text.trim().as_bytes();
        if !text.starts_with(b"{") {
            return Ok(None);
        }
        match Object::parse(text) {
            Ok(object) if object.contains("keys") => Err(KeyProblem::KeySet),
            _ => Ok(Some(text)),
        }
    }
}

impl KeyOfSettings {
    /// The key with the algorithm that its JWK names, or else `preferred`, or else the usual one of its
    /// kind.
    pub(super) fn into_signing_key(self, preferred: Option<Algorithm>) -> Result<SigningKey, KeyProblem> {
        let algorithm = self.algorithm.or(preferred).unwrap_or(usual_algorithm(self.key.kind()));
        Ok(SigningKey::new(self.key, algorithm)?)
    }
}

/// The algorithm that a key is reserved for, if it is.
pub(super) fn algorithm_of(key: &PublicKey) -> Result<Option<Algorithm>, UnsupportedAlgorithm> {
    key.jwk().algorithm().map(str::parse).transpose()
}

/// The algorithm that servers expect of a key that names none. Okta takes RS256, but no PS256.
fn usual_algorithm(kind: KeyKind) -> Algorithm {
    match kind {
        KeyKind::Rsa { .. } => Algorithm::RS256,
        KeyKind::P256 => Algorithm::ES256,
        KeyKind::P384 => Algorithm::ES384,
        KeyKind::P521 => Algorithm::ES512,
        KeyKind::Ed25519 => Algorithm::EdDSA,
    }
}

fn is_key(value: &str) -> bool {
    value.starts_with("-----BEGIN ") || value.starts_with('{')
}

/// Whether a value looks like a key without its PEM lines; as the name of a file it would be shown.
fn is_bare_key(value: &str) -> bool {
    const LONGEST_PATH: usize = 4096;
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_\n\r \\".contains(&byte);
    value.len() > LONGEST_PATH
        || value.contains('\n')
        || (value.len() > 60 && value.starts_with("MI") && value.bytes().all(is_base64))
}
