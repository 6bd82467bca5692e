//! Which certificates are accepted, and what is said of the others.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;

use axum::Router;
use axum_server::tls_rustls::RustlsConfig;
use bytes::Bytes;
use http::Request;
use keybound_client::{Transport, TransportError, TransportOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;

/// A certificate authority as a local server has it.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Serves an empty page with a certificate of `authority` made of `params`; gives its URL.
fn serve(authority: &CertifiedIssuer<'static, KeyPair>, params: &CertificateParams) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(config))).unwrap();
    tokio::spawn(server.serve(Router::new().fallback(|| async {}).into_make_service()));
    url
}

async fn get(url: &str, authorities: Vec<String>) -> Result<http::Response<Bytes>, TransportError> {
    let mut options = TransportOptions::default();
    options.certificate_authorities = authorities;
    Transport::new(options).send(Request::get(url).body(Bytes::new()).unwrap()).await
}

#[tokio::test]
async fn a_certificate_is_accepted_from_an_authority_that_was_added_and_from_no_other() {
    let (known, unknown) = (authority(), authority());
    let params = || CertificateParams::new(["localhost".to_owned()]).unwrap();
    let url = serve(&known, &params());
    assert_eq!(get(&url, vec![known.pem()]).await.unwrap().status(), 200);
    assert_eq!(get(&url, vec![unknown.pem() + &known.pem()]).await.unwrap().status(), 200, "of several");
    for authorities in [vec![], vec![unknown.pem()]] {
        let error = get(&url, authorities).await.unwrap_err();
        assert!(matches!(error, TransportError::Certificate { not_valid_yet: false, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_name_or_another_time_is_told() {
    let authority = authority();
    let localhost = || CertificateParams::new(["localhost".to_owned()]).unwrap();
    let (mut to_come, mut gone) = (localhost(), localhost());
    to_come.not_before = date_time_ymd(3000, 1, 1);
    gone.not_after = date_time_ymd(2000, 1, 1);
    for (params, yet, words) in [
        (CertificateParams::new(["things.example".to_owned()]).unwrap(), false, "not valid for name"),
        (gone, false, "expired"),
        (to_come, true, "not valid yet"),
    ] {
        let url = serve(&authority, &params);
        let error = get(&url, vec![authority.pem()]).await.unwrap_err();
        let TransportError::Certificate { not_valid_yet, detail, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*not_valid_yet, yet, "{words}");
        assert!(detail.contains(words), "{detail}");
    }
}
