//! The certificate that a server shows, and its key, read anew while it serves.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and its authority, PEM, its own first.
    pub certificate: PathBuf,
    /// Its private key, PEM without a password.
    pub key: PathBuf,
}

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFilesError {
    /// A file can't be read, or holds no PEM of the right kind.
    #[error("{what} in {} can't be used: {reason}", .path.display())]
    File {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not go together, or are of a kind that TLS does not use.
    #[error("the certificate and its key can't be used for TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// The TLS of a server, by the certificate that was read last.
pub(crate) struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    pub(crate) fn from_files(files: TlsFiles) -> Result<Self, TlsFilesError> {
        let config = ArcSwap::from_pointee(server_config(&files)?);
        Ok(Self { files, config })
    }

    pub(crate) fn files(&self) -> &TlsFiles {
        &self.files
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Reads the files anew; new connections get what they hold. If that can't be used, nothing changes.
    pub(crate) fn reload(&self) -> Result<(), TlsFilesError> {
        self.config.store(Arc::new(server_config(&self.files)?));
        Ok(())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

fn server_config(files: &TlsFiles) -> Result<ServerConfig, TlsFilesError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unusable("the private key", &files.key, &error))?;
    // The provider is named here: a default of the whole process is not ours to choose.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates in a PEM file; at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFilesError> {
    let what = "the certificate";
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates = certificates.map_err(|error| unusable(what, path, &error))?;
    if certificates.is_empty() {
        return Err(unusable(what, path, &"there is no BEGIN CERTIFICATE in it"));
    }
    Ok(certificates)
}

fn unusable(what: &'static str, path: &Path, reason: &dyn fmt::Display) -> TlsFilesError {
    TlsFilesError::File { what, path: path.to_owned(), reason: reason.to_string() }
}
