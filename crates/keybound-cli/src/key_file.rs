//! Key files: read with limits and a look at their mode, written whole or not at all, never overwritten; and keys
//! that are in no file, which a reference names in the place of a path.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keybound::{Algorithm, PrivateKey, PublicKey, Signer, SigningKey};
use keybound_client::signers::KeyReference;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::exit_code::ExitCode;
use crate::passphrase;
use crate::report::{Failure, Outcome};

/// A PEM file of an RSA key of 8192 bits has 6.5 KB; its JWK somewhat more.
const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

/// Readable by the owner alone.
pub(crate) const PRIVATE: u32 = 0o600;
/// Readable by all: there is nothing in it that others may not know.
pub(crate) const PUBLIC: u32 = 0o644;

/// What a file is to hold, for the words that are said of it.
#[derive(Clone, Copy)]
enum Content {
    Key,
    /// A token, or what has one in it.
    Secret,
    Certificates,
}

impl Content {
    const fn file(self) -> &'static str {
        match self {
            Self::Key => "key file",
            Self::Secret => "file",
            Self::Certificates => "certificate file",
        }
    }

    const fn when_missing(self) -> &'static str {
        match self {
            Self::Key => "check the path, or make a key with `keybound keys new`",
            Self::Secret | Self::Certificates => "check the path",
        }
    }

    const fn when_read_by_others(self) -> &'static str {
        match self {
            Self::Key => "whoever reads a private key can act as its owner",
            Self::Secret | Self::Certificates => "whoever reads the secret in it can use it",
        }
    }
}

/// The pair that one prefix names.
#[derive(Clone, Debug)]
pub(crate) struct KeyFiles {
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
}

impl KeyFiles {
    /// `PREFIX_private_key.pem` and `PREFIX_public_key.json`.
    pub(crate) fn with_prefix(prefix: &Path) -> Self {
        let beside = |ending: &str| {
            let mut path = prefix.as_os_str().to_owned();
            path.push(ending);
            PathBuf::from(path)
        };
        Self { private: beside("_private_key.pem"), public: beside("_public_key.json") }
    }

    /// Writes both, or neither: each is written whole beside its place before either is put there.
    pub(crate) fn write(&self, key: &PrivateKey, algorithm: Algorithm) -> Outcome {
        self.refuse_existing()?;
        let pem = key.to_pkcs8_pem().map_err(|error| Failure::new(ExitCode::Unexpected, error))?;
        let jwk = registrable(key.public_key(), algorithm).jwk().to_json() + "\n";
        let private = Prepared::new(&self.private, pem.as_bytes(), PRIVATE)?;
        let public = Prepared::new(&self.public, jwk.as_bytes(), PUBLIC)?;
        private.put()?;
        public.put().inspect_err(|_| {
            // Ours, made in the line before; half a pair would only be in the way.
            let _ = fs::remove_file(&self.private);
        })
    }

    /// Takes back what [`Self::write`] has made.
    pub(crate) fn remove(&self) {
        for path in [&self.private, &self.public] {
            let _ = fs::remove_file(path);
        }
    }

    /// Says so before any key is made, which for RSA takes a moment.
    pub(crate) fn refuse_existing(&self) -> Outcome {
        [&self.private, &self.public].into_iter().try_for_each(|path| refuse_existing(path))
    }
}

pub(crate) fn refuse_existing(path: &Path) -> Outcome {
    // A link that leads nowhere is there as well.
    if fs::symlink_metadata(path).is_ok() { Err(would_overwrite(path)) } else { Ok(()) }
}

/// Writes a file that is not there yet, whole or not at all.
pub(crate) fn write_new(path: &Path, content: &[u8], mode: u32) -> Outcome {
    Prepared::new(path, content, mode)?.put()
}

/// Puts `content` in the place of a file that is there, in one step and with its mode: who reads it sees all of the
/// old or all of the new.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Outcome {
    let failed = |error: io::Error| unwritable(path, &error);
    let permissions = fs::metadata(path).map_err(failed)?.permissions();
    let prepared = Prepared::new(path, content, PRIVATE)?;
    prepared.file.as_file().set_permissions(permissions).map_err(failed)?;
    prepared.file.persist(path).map(drop).map_err(|error| failed(error.error))
}

/// The public key as an org takes it: with its thumbprint as `kid`, its algorithm, and its use.
pub(crate) fn registrable(key: &PublicKey, algorithm: Algorithm) -> PublicKey {
    key.clone().with_key_id(key.thumbprint().to_string()).with_algorithm(algorithm)
}

/// A private key, PEM or JWK, from a file that only its owner may read.
///
/// One that is encrypted others may read: it is of no use without its passphrase.
pub(crate) fn read_private(path: &Path) -> Outcome<PrivateKey> {
    let text = read(path)?;
    if is_encrypted(&text) {
        return decrypted(path, &text);
    }
    refuse_readable_by_others(path, Content::Key)?;
    let key =
        if is_json(&text) { PrivateKey::from_jwk(text.as_bytes()) } else { PrivateKey::from_pem(&text) };
    key.map_err(|error| {
        Failure::new(
            ExitCode::KeyFile,
            format_args!("{} is not a private key that can be used", path.display()),
        )
        .because(error)
        .do_next("give a PEM (PKCS#8, PKCS#1 or SEC1) or a JWK; `keybound keys new` makes one")
    })
}

/// The key that `place` refers to, if it is a reference and no path.
pub(crate) fn open_reference(place: &Path, algorithm: Option<Algorithm>) -> Outcome<Option<Arc<dyn Signer>>> {
    let Some(text) = place.to_str().filter(|text| KeyReference::is_meant_by(text)) else { return Ok(None) };
    let next = "docs/signers.md says how keys in a token, a TPM, AWS KMS and the keyring are named";
    let reference: KeyReference =
        text.parse().map_err(|error| Failure::new(ExitCode::KeyFile, error).do_next(next))?;
    if let Some(pin) = reference.pin_file() {
        refuse_readable_by_others(pin, Content::Secret)?;
    }
    let unusable = || format!("the key in {} cannot be used", reference.place());
    let opened = reference.open(algorithm);
    opened.map(Some).map_err(|error| Failure::new(ExitCode::KeyFile, unusable()).because(error).do_next(next))
}

/// The private key that `place` names, a file or a reference, for `algorithm` or the usual one.
pub(crate) fn open_private(
    place: &Path,
    algorithm: Option<Algorithm>,
    usual: impl FnOnce(&PrivateKey) -> Algorithm,
) -> Outcome<Arc<dyn Signer>> {
    if let Some(key) = open_reference(place, algorithm)? {
        return Ok(key);
    }
    let key = read_private(place)?;
    let algorithm = algorithm.unwrap_or_else(|| usual(&key));
    Ok(Arc::new(SigningKey::new(key, algorithm).map_err(|error| Failure::new(ExitCode::KeyFile, error))?))
}

/// PKCS#8, encrypted (RFC 7468 section 11).
fn is_encrypted(text: &str) -> bool {
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
}

fn decrypted(path: &Path, text: &str) -> Outcome<PrivateKey> {
    PrivateKey::from_encrypted_pem(text, passphrase::of(path)?.as_bytes()).map_err(|error| {
        Failure::new(ExitCode::KeyFile, format_args!("{} cannot be decrypted", path.display()))
            .because(error)
            .do_next(format_args!("check the passphrase ({})", passphrase::VARIABLE))
    })
}

/// Another secret, from a file that only its owner may read.
pub(crate) fn read_secret(path: &Path) -> Outcome<Zeroizing<String>> {
    refuse_readable_by_others(path, Content::Secret)?;
    read_as(path, Content::Secret)
}

/// Certificates (PEM), which anybody may read.
pub(crate) fn read_certificates(path: &Path) -> Outcome<Zeroizing<String>> {
    read_as(path, Content::Certificates)
}

/// A public key: JWK, or PEM.
pub(crate) fn read_public(path: &Path) -> Outcome<PublicKey> {
    let text = read(path)?;
    let key = if is_json(&text) { PublicKey::from_jwk(text.as_bytes()) } else { PublicKey::from_pem(&text) };
    key.map_err(|error| {
        Failure::new(
            ExitCode::KeyFile,
            format_args!("{} is not a public key that can be used", path.display()),
        )
        .because(error)
        .do_next(
            "give the public JWK (`…_public_key.json`) that `keybound keys new` wrote beside the private key",
        )
    })
}

/// The text of a key file. Wiped when it is dropped, since it may hold a private key.
pub(crate) fn read(path: &Path) -> Outcome<Zeroizing<String>> {
    read_as(path, Content::Key)
}

fn read_as(path: &Path, content: Content) -> Outcome<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let length = File::open(path)
        .and_then(|file| file.take(MAX_KEY_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| unreadable(path, content, &error))?;
    if length as u64 > MAX_KEY_FILE_BYTES {
        return Err(Failure::new(
            ExitCode::KeyFile,
            format_args!("the {} {} is too long", content.file(), path.display()),
        )
        .because(format_args!("such a file has {MAX_KEY_FILE_BYTES} bytes at most")));
    }
    Ok(text)
}

/// A JWK, where a PEM starts with dashes or with text before them.
pub(crate) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn unreadable(path: &Path, content: Content, error: &io::Error) -> Failure {
    let what = format_args!("the {} {} cannot be read", content.file(), path.display()).to_string();
    let failure = Failure::new(ExitCode::KeyFile, what).because(error);
    match error.kind() {
        io::ErrorKind::NotFound => failure.do_next(content.when_missing()),
        _ => failure,
    }
}

#[cfg(unix)]
fn refuse_readable_by_others(path: &Path, content: Content) -> Outcome {
    use std::os::unix::fs::PermissionsExt as _;

    let found = fs::metadata(path).map_err(|error| unreadable(path, content, &error))?;
    let mode = found.permissions().mode() & 0o777;
    if mode & !0o700 == 0 {
        return Ok(());
    }
    Err(Failure::new(
        ExitCode::KeyFile,
        format_args!("the {} {} can be used by others", content.file(), path.display()),
    )
    .because(format_args!("its mode is {mode:04o}; {}", content.when_read_by_others()))
    .do_next(format_args!("chmod 600 {}", path.display())))
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_path: &Path, _content: Content) -> Outcome {
    Ok(())
}

/// A file written whole, under a temporary name beside its place.
struct Prepared<'a> {
    file: NamedTempFile,
    path: &'a Path,
}

impl<'a> Prepared<'a> {
    fn new(path: &'a Path, content: &[u8], mode: u32) -> Outcome<Self> {
        Self::write(path, content, mode)
            .map(|file| Self { file, path })
            .map_err(|error| unwritable(path, &error))
    }

    fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<NamedTempFile> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".keybound-");
        set_mode(&mut builder, mode);
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    /// Puts it in its place, unless something is there.
    fn put(self) -> Outcome {
        match self.file.persist_noclobber(self.path) {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(would_overwrite(self.path))
            }
            Err(error) => Err(unwritable(self.path, &error.error)),
        }
    }
}

#[cfg(unix)]
fn set_mode(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;

    builder.permissions(fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn set_mode(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

fn would_overwrite(path: &Path) -> Failure {
    Failure::new(ExitCode::WouldOverwrite, format_args!("{} is there already", path.display()))
        .because("what is there may be needed and must not be lost, so nothing is overwritten")
        .do_next("choose another name, or move the file away")
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(ExitCode::KeyFile, format_args!("{} cannot be written", path.display())).because(error)
}
