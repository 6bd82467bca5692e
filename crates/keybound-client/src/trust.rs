//! Which servers are taken for who they say they are: those that an authority of the options vouches for, or one of
//! the system's.
//!
//! The system's authorities are hundreds of certificates, which take longer to read than a call takes. So they are
//! read once a server comes that the others don't vouch for.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, WantsVerifier,
};
use rustls_platform_verifier::Verifier;

/// How a client speaks TLS that trusts the authorities of `added`, PEM, and the system's.
///
/// That there are none at all is an error, unless `none_will_do`: then no server is accepted.
pub(crate) fn tls(added: &[String], none_will_do: bool) -> Result<ClientConfig, String> {
    let trust = Trust::new(added)?;
    if trust.added.is_none() && !none_will_do {
        trust.system().map_err(|error| error.to_string())?;
    }
    Ok(versions(&trust.provider)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust))
        .with_no_client_auth())
}

/// TLS for where nobody speaks it: it accepts no server, and costs next to nothing.
pub(crate) fn nobody() -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    Ok(versions(&provider)?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn versions(provider: &Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}

/// Asks the authorities that were added, and only then the system's.
#[derive(Debug)]
struct Trust {
    added: Option<Arc<WebPkiServerVerifier>>,
    system: OnceLock<Result<Verifier, Error>>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    fn new(added: &[String]) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in added.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes())) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        let by_roots =
            |roots| WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let added = (!roots.is_empty()).then(|| by_roots(Arc::new(roots)));
        let added = added.transpose().map_err(|error| error.to_string())?;
        Ok(Self { added, system: OnceLock::new(), provider })
    }

    fn system(&self) -> Result<&Verifier, Error> {
        let system = self.system.get_or_init(|| Verifier::new(Arc::clone(&self.provider)));
        system.as_ref().map_err(Clone::clone)
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by = |verifier: &dyn ServerCertVerifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        let nobody = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let refused = match self.added.as_deref().map_or(Err(nobody.clone()), |added| by(added)) {
            Ok(verified) => return Ok(verified),
            Err(refused) => refused,
        };
        let Ok(system) = self.system() else { return Err(refused) };
        // Whoever knows the issuer says what is wrong with the certificate.
        by(system).map_err(|error| if refused == nobody { error } else { refused })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use std::time::SystemTime;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// What `trust` says of a certificate of `authority` for this machine.
    fn verify(trust: &Trust, authority: &Authority, name: &'static str) -> Result<(), Error> {
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&KeyPair::generate().unwrap(), authority).unwrap();
        let now = UnixTime::since_unix_epoch(SystemTime::UNIX_EPOCH.elapsed().unwrap());
        let name = ServerName::try_from(name).unwrap();
        trust.verify_server_cert(certificate.der(), &[], &name, &[], now).map(drop)
    }

    #[test]
    fn the_system_is_asked_about_servers_that_nobody_else_vouches_for() {
        let (known, unknown) = (authority("known"), authority("unknown"));
        let nobody = || Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        for (added, name, outcome, is_asked, why) in [
            (&known, "localhost", Ok(()), false, "an authority that was added"),
            (&unknown, "localhost", nobody(), true, "another one"),
        ] {
            let trust = Trust::new(&[added.pem()]).unwrap();
            assert_eq!(verify(&trust, &known, name), outcome, "{why}");
            assert_eq!(trust.system.get().is_some(), is_asked, "{why}");
        }
        let trust = Trust::new(&[known.pem()]).unwrap();
        let error = verify(&trust, &known, "other.example").unwrap_err();
        assert!(
            error.to_string().contains("not valid for name"),
            "whoever knows the issuer says why: {error}"
        );
    }
}
