//! Tokens of a server that is known by its issuer: found by its metadata, asked by what that says.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod scripted;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use http::Response;
use keybound::metadata::NotSupported;
use keybound::proof::DpopKey;
use keybound::{Algorithm, Secret, SigningKey};
use keybound_client::{
    AssertionAudience, Client, DiscoveryError, FileTokenCache, Issuer, SecretMethod, ServiceCredential,
    ServiceGrant, System, TokenBinding, TokenError, TokenServer, TokenSource,
};
use scripted::{Asked, NOW, Server, SetClock, answer, grant};
use tempfile::TempDir;

const METADATA: &str = "/.well-known/oauth-authorization-server";

/// Metadata of the issuer at `path` of the server that was asked.
fn metadata(asked: &Asked, path: &str, endpoint: &str, more: &str) -> Response<String> {
    let origin = format!("http://{}", asked.headers["host"].to_str().unwrap());
    let text = format!(r#"{{"issuer":"{origin}{path}","token_endpoint":"{origin}{endpoint}"{more}}}"#);
    answer(200, &[], text)
}

/// A server with one issuer, whose metadata has `more` in it.
async fn issuer(more: &'static str) -> Server {
    Server::start(move |asked| match asked.uri.path() {
        METADATA => metadata(asked, "", "/tokens", more),
        "/tokens" => grant("token", "DPoP"),
        _ => answer(404, &[], ""),
    })
    .await
}

fn service(issuer: &str) -> ServiceGrant {
    let issuer = Issuer::parse(issuer).unwrap();
    let server = TokenServer::Issuer { issuer, assertion_audience: AssertionAudience::Issuer };
    ServiceGrant::new(server, "client", ["things.read"])
}

fn source(grant: ServiceGrant, key: &DpopKey) -> TokenSource {
    let client_key = Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
    source_of(grant, client_key, TokenBinding::Dpop(key.clone()))
}

fn source_of(
    grant: ServiceGrant,
    credential: impl Into<ServiceCredential>,
    binding: TokenBinding,
) -> TokenSource {
    let mut system = System::default();
    system.clock = SetClock::at(NOW);
    TokenSource::of_service(system, grant, credential, binding)
}

fn key() -> DpopKey {
    DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()))
}

fn paths(server: &Server) -> Vec<String> {
    server.asked().iter().map(|asked| asked.uri.path().to_owned()).collect()
}

#[tokio::test]
async fn the_metadata_is_read_once_and_by_nobody_before_the_first_token() {
    let server = issuer("").await;
    let tokens = source(service(&server.origin), &key());
    let others = tokens.with_scopes(vec!["things.write".to_owned()]);
    assert!(paths(&server).is_empty(), "nothing is sent yet");
    let outcomes = join_all((0..8).map(|number| {
        let tokens = if number % 2 == 0 { &tokens } else { &others };
        tokens.token()
    }))
    .await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(paths(&server), [METADATA, "/tokens", "/tokens"], "one for each set of scopes");
}

#[tokio::test]
async fn the_request_says_for_whom_and_for_what_it_is() {
    let server = issuer("").await;
    let endpoint = server.url("/tokens");
    for (assertion_audience, aud, why) in [
        (AssertionAudience::Issuer, server.origin.clone(), "RFC 7523bis"),
        (AssertionAudience::TokenEndpoint, endpoint.clone(), "RFC 7523 section 3, and Okta"),
    ] {
        let issuer = Issuer::parse(&server.origin).unwrap();
        let mut grant = ServiceGrant::new(
            TokenServer::Issuer { issuer, assertion_audience },
            "client",
            Vec::<String>::new(),
        );
        grant.resources = vec!["https://a.example".to_owned(), "https://b.example/x".to_owned()];
        grant.audience = Some("things".to_owned());
        let key = key();
        source(grant, &key).token().await.unwrap();
        let asked = server.asked().pop().unwrap();
        assert_eq!(asked.assertion()["aud"], aud, "{why}");
        asked.check_proof(&server.origin, None, &key).unwrap();
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&asked.body).into_owned().collect();
        let values = |name: &str| -> Vec<&str> {
            form.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
        };
        assert_eq!(values("resource"), ["https://a.example", "https://b.example/x"], "RFC 8707");
        assert_eq!(values("audience"), ["things"]);
        assert!(values("scope").is_empty(), "the server chooses: RFC 6749 section 3.3");
    }
}

#[tokio::test]
async fn a_server_that_says_what_it_takes_is_not_asked_by_other_means() {
    type Check = fn(&NotSupported) -> bool;
    let cases: [(&'static str, Option<Check>, &str); 5] = [
        (
            r#","token_endpoint_auth_methods_supported":["client_secret_basic"]"#,
            Some(|it| matches!(it, NotSupported::ClientAuthentication { .. })),
            "no private_key_jwt",
        ),
        (
            r#","token_endpoint_auth_signing_alg_values_supported":["PS256"]"#,
            Some(|it| matches!(it, NotSupported::AssertionAlgorithm { given: Algorithm::ES256, .. })),
            "no such assertion",
        ),
        (
            r#","dpop_signing_alg_values_supported":["RS256"]"#,
            Some(|it| matches!(it, NotSupported::ProofAlgorithm { given: Algorithm::ES256, .. })),
            "no such proof",
        ),
        (
            r#","token_endpoint_auth_methods_supported":["private_key_jwt"],
               "token_endpoint_auth_signing_alg_values_supported":["RS256","ES256"],
               "dpop_signing_alg_values_supported":["ES256"]"#,
            None,
            "all that is needed",
        ),
        ("", None, "a server that does not say"),
    ];
    for (more, refusal, why) in cases {
        let server = issuer(more).await;
        let outcome = source(service(&server.origin), &key()).token().await;
        match (outcome, refusal) {
            (Err(TokenError::NotSupported(problem)), Some(is_expected)) => {
                assert!(is_expected(&problem), "{why}: {problem}");
                assert!(!paths(&server).contains(&"/tokens".to_owned()), "{why}");
            }
            (Ok(_), None) => {}
            (outcome, _) => panic!("{why}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_secret_goes_where_the_server_takes_it() {
    const SECRET: &str = "s e:c%ret";
    let basic = "Basic Y2xpZW50OnMrZSUzQWMlMjVyZXQ=";
    let (in_header, in_form) = (Some((Some(basic), false)), Some((None, true)));
    for (more, method, sent, why) in [
        ("", None, in_header, "no list: the default of RFC 8414 section 2"),
        (
            r#","token_endpoint_auth_methods_supported":["client_secret_post","client_secret_basic"]"#,
            None,
            in_header,
            "both: RFC 6749 section 2.3.1 has every server take the header",
        ),
        (
            r#","token_endpoint_auth_methods_supported":["private_key_jwt","client_secret_post"]"#,
            None,
            in_form,
            "the form alone",
        ),
        ("", Some(SecretMethod::Post), in_form, "as it is set"),
        (
            r#","token_endpoint_auth_methods_supported":["client_secret_post","client_secret_basic"]"#,
            Some(SecretMethod::Post),
            in_form,
            "as it is set, of what the server takes",
        ),
        (
            r#","token_endpoint_auth_methods_supported":["client_secret_basic"]"#,
            Some(SecretMethod::Post),
            None,
            "as it is set, and not taken",
        ),
        (r#","token_endpoint_auth_methods_supported":["private_key_jwt"]"#, None, None, "no secret at all"),
    ] {
        let server = issuer(more).await;
        let (key, secret) = (key(), Secret::new(SECRET));
        let credential = ServiceCredential::Secret { secret, method };
        let tokens = source_of(service(&server.origin), credential, TokenBinding::Dpop(key.clone()));
        let outcome = tokens.token().await;
        let Some((authorization, is_in_form)) = sent else {
            let refused = TokenError::NotSupported(NotSupported::ClientAuthentication {
                given: if method.is_some() { "client_secret_post" } else { "client_secret_basic" },
                supported: vec![
                    if method.is_some() { "client_secret_basic" } else { "private_key_jwt" }.to_owned(),
                ],
            });
            assert_eq!(outcome.unwrap_err(), refused, "{why}");
            assert_eq!(paths(&server), [METADATA], "{why}");
            continue;
        };
        outcome.unwrap();
        let asked = server.asked().pop().unwrap();
        let found = asked.headers.get("authorization").map(|value| value.to_str().unwrap());
        assert_eq!(found, authorization, "{why}");
        let form = std::str::from_utf8(&asked.body).unwrap();
        assert_eq!(form.contains("client_secret=s+e%3Ac%25ret"), is_in_form, "{why}: {form}");
        assert!(!form.contains("client_assertion"), "{why}: {form}");
        asked.check_proof(&server.origin, None, &key).unwrap();
    }
}

#[tokio::test]
async fn a_fresh_key_is_of_an_algorithm_that_the_server_takes() {
    for (more, algorithm, why) in [
        ("", Some(Algorithm::ES256), "no list"),
        (r#","dpop_signing_alg_values_supported":["RS256","ES256"]"#, Some(Algorithm::ES256), "ES256 first"),
        (r#","dpop_signing_alg_values_supported":["ES384","EdDSA"]"#, Some(Algorithm::EdDSA), "the shorter"),
        (r#","dpop_signing_alg_values_supported":["HS256","ES512"]"#, Some(Algorithm::ES512), "the only one"),
        (r#","dpop_signing_alg_values_supported":["ES256K"]"#, None, "none that can be made here"),
        (r#","dpop_signing_alg_values_supported":[]"#, None, "none at all"),
    ] {
        let server = issuer(more).await;
        let binding = TokenBinding::fresh();
        let client_key = Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
        let tokens = source_of(service(&server.origin), client_key, binding.clone());
        assert!(binding.is_bound() && binding.key().is_none(), "{why}: it is not known yet");
        let outcome = tokens.token().await;
        let Some(algorithm) = algorithm else {
            let refused = matches!(
                &outcome,
                Err(TokenError::NotSupported(problem @ NotSupported::NoProofAlgorithm { .. }))
                    if problem.to_string().contains("RFC 9449 section 5.1")
            );
            assert!(refused, "{why}: {outcome:?}");
            assert_eq!(paths(&server), [METADATA], "{why}");
            continue;
        };
        let key = binding.key().unwrap();
        assert_eq!(key.algorithm(), algorithm, "{why}");
        server.asked().pop().unwrap().check_proof(&server.origin, None, key).unwrap();
        assert_eq!(outcome.unwrap().bound_to().unwrap().thumbprint(), key.thumbprint(), "{why}");
        tokens.with_scopes(vec!["things.write".to_owned()]).token().await.unwrap();
        server.asked().pop().unwrap().check_proof(&server.origin, None, key).unwrap();
    }
}

#[tokio::test]
async fn a_fresh_key_makes_proofs_for_calls_and_its_tokens_are_in_no_cache() {
    let server = Server::start(|asked| {
        if asked.uri.path() == "/tokens" { grant("token", "DPoP") } else { answer(200, &[], "") }
    })
    .await;
    let folder = TempDir::new().unwrap();
    let cache = Arc::new(FileTokenCache::open(folder.path().join("tokens")).unwrap());
    let binding = TokenBinding::fresh();
    let endpoint = keybound::endpoint::Endpoint::parse(&server.url("/tokens")).unwrap();
    let grant = ServiceGrant::new(TokenServer::at(endpoint), "client", ["things.read"]);
    let client_key = Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
    let tokens = source_of(grant, client_key, binding.clone()).with_cache(cache);
    let request = http::Request::get(server.url("/things")).body(bytes::Bytes::new()).unwrap();
    Client::new(tokens).send(request).await.unwrap();
    let key = binding.key().unwrap();
    assert_eq!(key.algorithm(), Algorithm::ES256, "a server without metadata");
    let asked = server.asked();
    asked[0].check_proof(&server.origin, None, key).unwrap();
    asked[1].check_proof(&server.origin, Some("token"), key).unwrap();
    assert_eq!(asked.len(), 2);
    let kept = std::fs::read_dir(folder.path().join("tokens")).unwrap().count();
    assert_eq!(kept, 0, "the key is gone in the next run");
}

#[tokio::test]
async fn metadata_that_is_not_the_issuers_or_not_there_brings_no_token() {
    let server = Server::start(|asked| match asked.uri.path() {
        "/.well-known/oauth-authorization-server/a" => metadata(asked, "/b", "/tokens", ""),
        _ => answer(404, &[], ""),
    })
    .await;
    for (path, words) in [("/a", "another issuer"), ("/none", "404")] {
        let error = source(service(&server.url(path)), &key()).token().await.unwrap_err();
        assert!(matches!(error, TokenError::Discovery(_)) && error.to_string().contains(words), "{error}");
    }
    let gone = source(service("http://127.0.0.1:1"), &key()).token().await.unwrap_err();
    let TokenError::Discovery(error) = gone else { panic!("{gone:?}") };
    assert!(matches!(*error, DiscoveryError::Transport(_)), "{error}");
}

#[tokio::test]
async fn a_token_endpoint_that_has_moved_is_looked_for_again() {
    let has_moved = Arc::new(AtomicBool::new(false));
    let moved = Arc::clone(&has_moved);
    let server = Server::start(move |asked| match (asked.uri.path(), moved.load(Ordering::Relaxed)) {
        (METADATA, false) => metadata(asked, "", "/old", ""),
        (METADATA, true) => metadata(asked, "", "/new", ""),
        ("/old", false) | ("/new", true) => grant("token", "DPoP"),
        _ => answer(404, &[], ""),
    })
    .await;
    let tokens = source(service(&server.origin), &key());
    let first = tokens.token().await.unwrap();
    has_moved.store(true, Ordering::Relaxed);
    let renewed = tokens.renew(&first).await;
    assert!(matches!(renewed, Err(TokenError::Refused { .. })), "{renewed:?}");
    let others = tokens.with_scopes(vec!["things.write".to_owned()]);
    others.token().await.unwrap();
    assert_eq!(paths(&server), [METADATA, "/old", "/old", METADATA, "/new"]);
}

#[tokio::test]
async fn tokens_of_two_issuers_are_never_mixed_in_a_cache() {
    let server = Server::start(|asked| match asked.uri.path() {
        "/.well-known/oauth-authorization-server/a" => metadata(asked, "/a", "/tokens", ""),
        "/.well-known/oauth-authorization-server/b" => metadata(asked, "/b", "/tokens", ""),
        "/tokens" => grant(&format!("token-{}", asked.before), "DPoP"),
        _ => answer(404, &[], ""),
    })
    .await;
    let (folder, key) = (TempDir::new().unwrap(), key());
    let run = async |issuer: &str| {
        let cache = Arc::new(FileTokenCache::open(folder.path().join("tokens")).unwrap());
        let tokens = source(service(&server.url(issuer)), &key).with_cache(cache);
        tokens.token().await.unwrap().secret().to_owned()
    };
    assert_eq!((run("/a").await, run("/b").await), ("token-0".to_owned(), "token-1".to_owned()));
    let asked = server.asked().len();
    assert_eq!((run("/a").await, run("/b").await), ("token-0".to_owned(), "token-1".to_owned()));
    assert_eq!(server.asked().len(), asked, "a kept token needs no metadata");
}
