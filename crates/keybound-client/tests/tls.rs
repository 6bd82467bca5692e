//! Which certificates are accepted, and what is said of the others.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use axum_server::tls_rustls::RustlsConfig;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use keybound::exchange::ClientCredentials;
use keybound::proof::DpopKey;
use keybound::{Algorithm, SigningKey, base64url};
use keybound_client::{
    Client, Proxy, System, TokenBinding, TokenSource, Transport, TransportError, TransportOptions,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncReadExt as _;

/// A certificate authority as a local server has it.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Serves an empty page with a certificate of `authority` made of `params`; gives its URL.
fn serve(authority: &CertifiedIssuer<'static, KeyPair>, params: &CertificateParams) -> String {
    serve_app(authority, params, Router::new().fallback(|| async {}))
}

/// Serves `app` so, by HTTP/1.1 and HTTP/2.
fn serve_app(
    authority: &CertifiedIssuer<'static, KeyPair>,
    params: &CertificateParams,
    app: Router,
) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(config))).unwrap();
    tokio::spawn(server.serve(app.into_make_service()));
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
        assert!(error.to_string().contains("that is trusted here"), "{error}");
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

/// A token of client credentials for whoever asks, and a nonce that every call needs.
fn nonce_app() -> Router {
    Router::new()
        .route("/token", post(|| async { r#"{"token_type":"DPoP","access_token":"t","expires_in":3600}"# }))
        .fallback(|request: axum::extract::Request| async move {
            let proof = request.headers()["dpop"].to_str().unwrap().split('.').nth(1).unwrap().to_owned();
            let claims: serde_json::Value =
                serde_json::from_slice(&base64url::decode(&proof).unwrap()).unwrap();
            if claims["nonce"] == "nonce" {
                return Response::new(format!("{:?}", request.version()));
            }
            Response::builder()
                .status(401)
                .header("www-authenticate", r#"DPoP error="use_dpop_nonce""#)
                .header("dpop-nonce", "nonce")
                .body(String::new())
                .unwrap()
        })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_share_a_connection_of_http_2() {
    let authority = authority();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let url = serve_app(&authority, &params, nonce_app());
    let mut options = TransportOptions::default();
    options.certificate_authorities = vec![authority.pem()];
    let es256 = || Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
    let grant = ClientCredentials::new(&format!("{url}token"), "client", ["things"]).unwrap();
    let binding = TokenBinding::Dpop(DpopKey::new(es256()));
    let client = Client::new(TokenSource::new(System::new(options), grant, es256(), binding));
    let calls = (0..1000).map(|number| {
        let (client, url) = (client.clone(), format!("{url}things/{number}"));
        tokio::spawn(async move { client.send(Request::get(url).body(Bytes::new()).unwrap()).await })
    });
    for outcome in join_all(calls).await {
        let response = outcome.unwrap().unwrap();
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, &b"HTTP/2.0"[..]));
    }
}

#[tokio::test]
async fn a_proxy_is_asked_for_other_machines_and_not_for_this_one() {
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = TransportOptions::default();
    options.proxy = Proxy::Through(format!("http://{}", proxy.local_addr().unwrap()));
    let transport = Transport::new(options);
    let request = |url: &str| Request::get(url).body(Bytes::new()).unwrap();

    let asked = async {
        let (mut stream, _) = proxy.accept().await.unwrap();
        let mut head = [0; 64];
        let length = stream.read(&mut head).await.unwrap();
        String::from_utf8_lossy(&head[..length]).into_owned()
    };
    let (asked, outcome) = tokio::join!(asked, transport.send(request("https://things.example/secret")));
    assert!(asked.starts_with("CONNECT things.example:443 "), "{asked}");
    assert!(matches!(outcome, Err(TransportError::Connect { .. })), "{outcome:?}");

    // Discard's port, at which nobody listens: one that is free now may be another's in a moment.
    let gone = "127.0.0.1:9";
    let outcome = transport.send(request(&format!("http://{gone}/"))).await;
    assert!(matches!(outcome, Err(TransportError::Connect { .. })), "{outcome:?}");
}
