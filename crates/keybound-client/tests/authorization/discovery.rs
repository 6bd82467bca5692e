//! Where the metadata of an issuer is found (RFC 8414, OpenID Connect Discovery).

use http::Response;
use keybound::metadata::MetadataError;
use keybound_client::{DiscoveryError, Transport, TransportOptions, discover};

use super::scripted::{Asked, Server, answer};
use super::{metadata, origin};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

#[tokio::test]
async fn metadata_is_found_in_either_place() {
    type Place = Box<dyn Fn(&Asked) -> Response<String> + Send + Sync>;
    let good = || -> Place { Box::new(|asked| answer(200, &[], metadata(&origin(asked), ""))) };
    let status = |status| -> Place { Box::new(move |_| answer(status, &[("location", "/x")], "")) };
    let other = || -> Place { Box::new(|_| answer(200, &[], r#"{"issuer":"https://evil.example"}"#)) };
    for (oauth, openid, outcome, asked, why) in [
        (good(), status(404), Ok(()), 1, "RFC 8414 section 3"),
        (status(404), good(), Ok(()), 2, "OpenID Connect Discovery section 4"),
        (status(302), good(), Ok(()), 2, "a redirect is no answer, and not followed"),
        (other(), good(), Ok(()), 2, "another's metadata in the first place"),
        (other(), status(404), Err("another issuer"), 2, "the first fault is told"),
        (status(404), status(500), Err("500"), 2, "none at all"),
        (status(404), other(), Err("another issuer"), 2, "RFC 8414 section 3.3"),
    ] {
        let server = Server::start(move |asked| match asked.uri.path() {
            OAUTH => oauth(asked),
            OPENID => openid(asked),
            _ => answer(404, &[], ""),
        })
        .await;
        let found = discover(&Transport::new(TransportOptions::default()), &server.origin).await;
        match (found, outcome) {
            (Ok(metadata), Ok(())) => assert_eq!(metadata.issuer, server.origin, "{why}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{why}: {error}"),
            (found, _) => panic!("{why}: {found:?}"),
        }
        assert_eq!(server.asked().len(), asked, "{why}");
    }
}

#[tokio::test]
async fn an_issuer_that_can_not_be_asked_is_not_asked() {
    let transport = Transport::new(TransportOptions::default());
    for issuer in ["http://as.example", "https://as.example?x", "as.example", ""] {
        let error = discover(&transport, issuer).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::Issuer { .. }), "{error}");
    }
    let server = Server::start(|_| answer(200, &[], " ".repeat(70_000))).await;
    let error = discover(&transport, &server.origin).await.unwrap_err();
    let DiscoveryError::Metadata { reason, .. } = error else { panic!("{error}") };
    assert_eq!(reason, MetadataError::TooLarge { found: 70_000 });
}
