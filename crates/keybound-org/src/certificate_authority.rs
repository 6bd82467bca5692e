//! The org's own certificate authority, as mkcert makes one: for `localhost` and this machine's loopback
//! addresses alone.
//!
//! It is made once and kept in the org's folder. A program that trusts `ca.pem` trusts every org started
//! from that folder. Whoever got hold of its key could pose as nothing but this machine: the certificate
//! is constrained to loopback names (RFC 5280 section 4.2.1.10).

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use keybound::{NumericDate, base64url};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::timestamp;

/// The certificate that clients are told to trust.
const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca_key.pem";

/// The files of an org's certificate authority in the folder of its data; without them it makes another.
pub const CA_FILE_NAMES: [&str; 2] = [CERTIFICATE_FILE, KEY_FILE];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longer than anyone keeps an org; trusting a new authority is a nuisance.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);

/// Browsers refuse server certificates that live longer than 398 days.
const CERTIFICATE_LIFE: Duration = DAY.saturating_mul(397);

/// Clocks of clients may be behind.
const BACKDATED: Duration = DAY;

/// Why there is no certificate to serve https with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file of the authority cannot be read or written.
    #[error("the certificate authority's file {} cannot be used: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The authority's key or certificate is damaged, or a certificate could not be made.
    #[error(
        "no certificate could be made: {0}; if {CERTIFICATE_FILE} or {KEY_FILE} in the data folder was changed, \
         remove both, and trust the new {CERTIFICATE_FILE}"
    )]
    Certificate(#[from] rcgen::Error),
    /// TLS cannot be set up with the certificate.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// A certificate authority in a folder.
pub(crate) struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate_file: PathBuf,
}

impl CertificateAuthority {
    /// The authority that is kept in `folder`, made if there is none.
    pub(crate) fn open(folder: &Path, now: NumericDate) -> Result<Self, CertificateError> {
        let made = KeyPair::generate()?;
        let key = Zeroizing::new(made.serialize_pem());
        let key = Zeroizing::new(kept_or_written(&folder.join(KEY_FILE), &key)?);
        let key = KeyPair::from_pem(&key)?;

        let certificate_file = folder.join(CERTIFICATE_FILE);
        let made = authority(&key, now).self_signed(&key)?.pem();
        let certificate = kept_or_written(&certificate_file, &made)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key)?;
        Ok(Self { issuer, certificate_file })
    }

    /// The authority's certificate, PEM.
    pub(crate) fn certificate_file(&self) -> &Path {
        &self.certificate_file
    }

    /// How to serve https with a new certificate for this machine.
    pub(crate) fn server_config(&self, now: NumericDate) -> Result<ServerConfig, CertificateError> {
        let key = KeyPair::generate()?;
        let certificate = this_machine(now).signed_by(&key, &self.issuer)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        // The provider is named here: a default of the whole process is not ours to choose.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// What the authority's certificate says.
fn authority(key: &KeyPair, now: NumericDate) -> CertificateParams {
    let mut certificate = CertificateParams::default();
    // Named after its key, so that a machine that trusts several can tell them apart.
    let key_name = base64url::encode(certificate.key_identifier(key));
    name(&mut certificate, &format!("Keybound local org CA {key_name}"));
    valid(&mut certificate, now, AUTHORITY_LIFE);
    certificate.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    certificate.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    certificate.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(Ipv6Addr::LOCALHOST.octets(), 128)),
        ],
        excluded_subtrees: Vec::new(),
    });
    certificate
}

/// What the server's certificate says.
fn this_machine(now: NumericDate) -> CertificateParams {
    let mut certificate = CertificateParams::default();
    name(&mut certificate, "localhost");
    valid(&mut certificate, now, CERTIFICATE_LIFE);
    certificate.subject_alt_names = vec![
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    if let Ok(localhost) = "localhost".try_into() {
        certificate.subject_alt_names.push(SanType::DnsName(localhost));
    }
    certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    certificate.use_authority_key_identifier_extension = true;
    certificate
}

fn name(certificate: &mut CertificateParams, common_name: &str) {
    certificate.distinguished_name = rcgen::DistinguishedName::new();
    certificate.distinguished_name.push(DnType::OrganizationName, "Keybound");
    certificate.distinguished_name.push(DnType::CommonName, common_name);
}

fn valid(certificate: &mut CertificateParams, now: NumericDate, life: Duration) {
    let from = now.before(BACKDATED);
    let (first, last) = (timestamp::utc(from).date(), timestamp::utc(from.after(life)).date());
    certificate.not_before = date_time_ymd(first.year().into(), month(first), day(first));
    certificate.not_after = date_time_ymd(last.year().into(), month(last), day(last));
}

fn month(date: Date) -> u8 {
    date.month().unsigned_abs()
}

fn day(date: Date) -> u8 {
    date.day().unsigned_abs()
}

/// What the file holds; if it is not there, `new` is written into it, whole or not at all, for its owner
/// alone. Of several processes that write it at once, the first decides.
fn kept_or_written(path: &Path, new: &str) -> Result<String, CertificateError> {
    let unusable = |source| CertificateError::File { path: path.to_owned(), source };
    match std::fs::read_to_string(path) {
        Ok(kept) => return Ok(kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(error)),
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(unusable)?;
    file.write_all(new.as_bytes()).map_err(unusable)?;
    file.as_file().sync_all().map_err(unusable)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(new.to_owned()),
        Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::read_to_string(path).map_err(unusable)
        }
        Err(failed) => Err(unusable(failed.error)),
    }
}
