//! A user's leave, from the metadata to the refreshed token, against servers that answer by a script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod scripted;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode};
use keybound::authorization::ResponseRefusal;
use keybound::exchange::{ExchangeError, GrantedToken, RefreshToken};
use keybound::metadata::{MetadataError, NotSupported, ServerMetadata};
use keybound::proof::DpopKey;
use keybound::{Algorithm, JwkSet, Secret, Signer as _, SigningKey, base64url};
use keybound_client::authorization::{
    Asked as Wanted, AuthorizationError, BrowserAuthorization, KeysFault, Loopback, MAX_REQUEST_BYTES,
    UserAuthorization,
};
use keybound_client::{
    AuthorizationClient, Begun, CacheLock, ClientRegistration, DiscoveryError, FileTokenCache, NotKept,
    NotStored, RefreshTokenStore, Refresher, Sleep, System, TokenBinding, TokenError, TokenSource, Transport,
    TransportOptions, discover,
};
use scripted::{Asked, DATE, NOW, NotedSleep, Server, SetClock, answer, refuse};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const GRANTED: &str = r#"{"access_token":"t","token_type":"DPoP","expires_in":3600,"refresh_token":"r1"}"#;

fn dpop_key() -> DpopKey {
    DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()))
}

/// A timer that never ends, so that nothing here depends on patience.
struct Never;

impl Sleep for Never {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

fn system(timer: Arc<dyn Sleep>) -> System {
    let mut system = System::default();
    system.clock = SetClock::at(NOW);
    system.timer = timer;
    system
}

/// The field of a request's form.
fn field(asked: &Asked, name: &str) -> Option<String> {
    let form = String::from_utf8(asked.body.to_vec()).unwrap();
    parameter(&form, name)
}

/// A parameter of a query or a form, of those that need no decoding but for `%3A`.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    Some(value.replace("%3A", ":").replace("%2F", "/"))
}

fn metadata(origin: &str, members: &str) -> String {
    format!(
        r#"{{"issuer":"{origin}","token_endpoint":"{origin}/oauth2/v1/token",
        "authorization_endpoint":"{origin}/authorize","device_authorization_endpoint":"{origin}/device"{members}}}"#
    )
}

fn origin(asked: &Asked) -> String {
    format!("http://{}", asked.headers["host"].to_str().unwrap())
}

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

/// What goes with the browser: a public client, its key, and a server that has these further members in its
/// metadata.
struct Stage {
    server: Server,
    key: DpopKey,
    authorization: UserAuthorization,
}

impl Stage {
    async fn set(
        members: &str,
        timer: Arc<dyn Sleep>,
        script: impl Fn(&Asked) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        let server = Server::start(script).await;
        let key = dpop_key();
        let members = members.replace("ORIGIN", &server.origin);
        let metadata =
            ServerMetadata::parse(metadata(&server.origin, &members).as_bytes(), &server.origin).unwrap();
        let client = ClientRegistration::public("c1");
        let binding = TokenBinding::Dpop(key.clone());
        let authorization = UserAuthorization::new(system(timer), metadata, client, binding).unwrap();
        Self { server, key, authorization }
    }

    async fn begin(&self) -> BrowserAuthorization {
        let wanted = Wanted { scopes: vec!["things.read".to_owned()], ..Wanted::default() };
        self.authorization.begin(wanted, &Loopback::default()).await.unwrap()
    }
}

/// Sends `request` to the listener at `port`, as it stands, and reads the whole answer.
async fn send(host: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(host).await.unwrap();
    // A listener that has had enough closes while it is written to.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n")
}

/// Host and port of the redirect URI, and `state`, out of an authorization URL.
fn redirect(url: &str) -> (String, String) {
    let query = url.split_once('?').unwrap().1;
    let uri = parameter(query, "redirect_uri").unwrap();
    let host = uri.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/callback")).unwrap();
    (host.to_owned(), parameter(query, "state").unwrap())
}

#[tokio::test]
async fn a_user_who_approves_gives_a_bound_token() {
    let rig = Stage::set("", Arc::new(Never), |asked| match (asked.uri.path(), asked.before) {
        ("/oauth2/v1/token", 0) => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "n1")]),
        _ => answer(200, &[], GRANTED),
    })
    .await;
    let browser = rig.begin().await;
    let url = browser.url().to_owned();
    assert!(url.starts_with(&format!("{}/authorize?response_type=code&", rig.server.origin)), "{url}");
    assert_eq!(parameter(&url, "dpop_jkt"), Some(rig.key.thumbprint().to_string()), "RFC 9449 section 10");
    assert_eq!(parameter(&url, "code_challenge_method").as_deref(), Some("S256"));

    let (host, state) = redirect(&url);
    let target = format!("/callback?code=abc&state={state}");
    let (token, page) = tokio::join!(browser.finish(), async { send(&host, &get(&host, &target)).await });
    let signed_in = token.unwrap();
    assert_eq!(signed_in.user, None, "no `openid` was asked for");
    let token = signed_in.token;
    assert_eq!(&**token.access_token, "t");
    assert_eq!(token.refresh_token.unwrap().bound_to(), Some(rig.key.thumbprint()), "RFC 9449 section 5");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");

    let asked = rig.server.asked_for_token();
    assert_eq!(asked.len(), 2, "one challenge, one answer");
    for (request, nonce) in asked.iter().zip([None, Some("n1")]) {
        request.check_proof(&rig.server.origin, None, &rig.key).unwrap();
        assert_eq!(request.nonce().as_deref(), nonce);
        assert_eq!(field(request, "code").as_deref(), Some("abc"));
        assert_eq!(field(request, "client_id").as_deref(), Some("c1"));
        assert_eq!(field(request, "redirect_uri"), Some(format!("http://{host}/callback")));
        assert_eq!(field(request, "code_verifier").unwrap().len(), 43, "RFC 7636 section 4.1");
    }
}

#[tokio::test]
async fn a_request_is_pushed_where_the_server_takes_that() {
    let members = r#","pushed_authorization_request_endpoint":"ORIGIN/par""#;
    let rig = Stage::set(members, Arc::new(Never), |asked| match (asked.uri.path(), asked.before) {
        ("/par", 0) => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "n1")]),
        ("/par", _) => answer(201, &[("dpop-nonce", "n2")], r#"{"request_uri":"urn:x:1","expires_in":60}"#),
        _ => answer(200, &[], GRANTED),
    })
    .await;
    let browser = rig.begin().await;
    let expected = format!("{}/authorize?client_id=c1&request_uri=urn%3Ax%3A1", rig.server.origin);
    assert_eq!(browser.url(), expected, "RFC 9126 section 4: nothing else is in the browser");

    let pushed = rig.server.asked();
    assert_eq!(pushed.len(), 2, "one challenge, one answer: RFC 9449 section 10.1");
    pushed[1].check_proof(&rig.server.origin, None, &rig.key).unwrap();
    assert_eq!(field(&pushed[1], "dpop_jkt"), Some(rig.key.thumbprint().to_string()));
    let form = String::from_utf8(pushed[1].body.to_vec()).unwrap();
    let (host, state) = redirect(&format!("?{form}"));
    let target = format!("/callback?code=abc&state={state}");
    let (token, _) = tokio::join!(browser.finish(), async { send(&host, &get(&host, &target)).await });
    assert_eq!(&**token.unwrap().token.access_token, "t");
    assert_eq!(rig.server.asked_for_token()[0].nonce().as_deref(), Some("n2"), "the newest of the origin");
}

#[tokio::test]
async fn what_is_not_the_response_is_turned_away_and_the_response_still_comes() {
    let rig = Stage::set("", Arc::new(Never), |_| answer(200, &[], GRANTED)).await;
    let browser = rig.begin().await;
    let (host, state) = redirect(browser.url());
    let good = format!("/callback?code=abc&state={state}");
    let requests = async {
        // A connection that a browser opened ahead of need, and never uses.
        let idle = TcpStream::connect(&host).await.unwrap();
        for (request, status, why) in [
            (get(&host, "/favicon.ico"), "404", "the icon of a page"),
            (get(&host, "/"), "404", "another path"),
            (get(&host, "/callback"), "404", "no query at all"),
            (get(&host, &format!("/callback/?code=abc&state={state}")), "404", "almost the path"),
            (get(&host, "/callback?code=abc&state=guessed"), "400", "a forged response"),
            (get(&host, "/callback?code=abc"), "400", "a response without state"),
            (get(&host, &format!("{good}&state={state}")), "400", "RFC 6749 section 3.1"),
            (get(&host, &good).replace("GET", "POST"), "405", "another method"),
            (get(&host, &good).replace(&host, "evil.example"), "400", "a name that points here: rebinding"),
            (get(&host, &good).replace("Accept", "Host"), "400", "two hosts"),
            (get(&host, &good).replace("HTTP/1.1", "HTTP/2.0"), "400", "no such version"),
            ("\r\n\r\n".to_owned(), "400", "nothing"),
        ] {
            let answer = send(&host, &request).await;
            let (head, page) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{why}: {head}");
            for name in ["no-store", "default-src 'none'", "no-referrer", "nosniff", "Connection: close"] {
                assert!(head.contains(name), "{why}: {head}");
            }
            assert!(!page.contains("<script") && !page.contains("guessed"), "{why}: {page}");
        }
        let endless = format!("GET /callback?{} HTTP/1.1\r\n", "x".repeat(MAX_REQUEST_BYTES));
        assert_eq!(send(&host, &endless).await, "", "beyond what is read");
        let answer = send(&host, &get(&host, &good)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        drop(idle);
    };
    let (token, ()) = tokio::join!(browser.finish(), requests);
    assert_eq!(&**token.unwrap().token.access_token, "t");
    assert_eq!(rig.server.asked_for_token().len(), 1);
}

#[tokio::test]
async fn a_user_who_refuses_or_another_server_ends_it() {
    for (members, query, refusal, why) in [
        (
            "",
            "error=access_denied",
            Some(ResponseRefusal::Refused { error: "access_denied".to_owned(), description: None }),
            "RFC 6749 section 4.1.2.1",
        ),
        (
            r#","authorization_response_iss_parameter_supported":true"#,
            "code=abc",
            Some(ResponseRefusal::MissingIssuer),
            "RFC 9207 section 2.4",
        ),
        ("", "code=abc&iss=https://evil.example", None, "mix-up: RFC 9207 section 2.4"),
    ] {
        let rig = Stage::set(members, Arc::new(Never), |_| answer(200, &[], GRANTED)).await;
        let browser = rig.begin().await;
        let (host, state) = redirect(browser.url());
        let target = format!("/callback?{query}&state={state}");
        let (token, page) = tokio::join!(browser.finish(), async { send(&host, &get(&host, &target)).await });
        match (token.unwrap_err(), refusal) {
            (AuthorizationError::Response(found), Some(expected)) => assert_eq!(found, expected, "{why}"),
            (AuthorizationError::Response(ResponseRefusal::WrongIssuer { .. }), None) => {}
            (error, _) => panic!("{why}: {error}"),
        }
        assert!(page.contains("did not get access"), "{why}: {page}");
        assert!(rig.server.asked().is_empty(), "{why}: no code is sent anywhere");
    }
}

#[tokio::test]
async fn a_browser_that_does_not_come_back_is_not_waited_for_forever() {
    let timer = Arc::new(NotedSleep::default());
    let rig = Stage::set("", timer.clone(), |_| answer(200, &[], GRANTED)).await;
    let error = rig.begin().await.finish().await.unwrap_err();
    assert!(matches!(error, AuthorizationError::NoResponse { .. }), "{error}");
    assert_eq!(timer.noted(), [keybound_client::authorization::PATIENCE]);
}

#[tokio::test]
async fn a_server_that_does_not_do_it_is_not_asked() {
    let parse = |members: &str| {
        let origin = "https://as.example";
        ServerMetadata::parse(metadata(origin, members).as_bytes(), origin).unwrap()
    };
    let begin = |members: &str| {
        let binding = TokenBinding::Dpop(dpop_key());
        UserAuthorization::new(
            system(Arc::new(Never)),
            parse(members),
            ClientRegistration::public("c"),
            binding,
        )
    };
    assert!(matches!(
        begin(r#","dpop_signing_alg_values_supported":["RS256"]"#),
        Err(NotSupported::ProofAlgorithm { .. })
    ));
    assert!(matches!(
        begin(r#","token_endpoint_auth_methods_supported":["private_key_jwt"]"#),
        Err(NotSupported::ClientAuthentication { .. })
    ));
    for (members, why) in [
        (r#","code_challenge_methods_supported":["plain"]"#, "RFC 7636 section 7.2"),
        (r#","require_pushed_authorization_requests":true"#, "and nowhere to push it: RFC 9126 section 5"),
    ] {
        let browser = begin(members).unwrap().begin(Wanted::default(), &Loopback::default()).await;
        assert!(matches!(browser.err(), Some(AuthorizationError::NotSupported(_))), "{why}");
    }
}

#[tokio::test]
async fn a_user_approves_on_another_device() {
    let timer = Arc::new(NotedSleep::default());
    let rig = Stage::set("", timer.clone(), |asked| match (asked.uri.path(), asked.before) {
        ("/device", _) => answer(
            200,
            &[],
            format!(
                r#"{{"device_code":"d","user_code":"WDJB","verification_uri":"{}/d","expires_in":600,"interval":3}}"#,
                origin(asked)
            ),
        ),
        (_, 0) => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "n1")]),
        (_, 1 | 3) => refuse(400, "authorization_pending", &[]),
        (_, 2) => refuse(400, "slow_down", &[]),
        _ => answer(200, &[], GRANTED),
    })
    .await;
    let device = rig.authorization.begin_on_device(Wanted::default()).await.unwrap();
    assert_eq!(device.authorization().user_code, "WDJB");
    let token = device.finish().await.unwrap().token;
    assert_eq!(&**token.access_token, "t");
    let waited: Vec<_> = timer.noted().iter().map(Duration::as_secs).collect();
    assert_eq!(waited, [3, 3, 8, 8], "RFC 8628 section 3.5: slow_down adds five seconds, for good");
    for request in rig.server.asked_for_token() {
        request.check_proof(&rig.server.origin, None, &rig.key).unwrap();
        assert_eq!(field(&request, "device_code").as_deref(), Some("d"));
    }
    assert!(!rig.server.called()[0].headers.contains_key("dpop"), "no proof goes to the device endpoint");
}

/// The claims of an ID token that holds, for the nonce that was asked for.
fn id_token_claims(origin: &str, nonce: Option<&str>) -> Value {
    let now = NOW.seconds();
    json!({ "iss": origin, "aud": "c1", "sub": "u1", "iat": now, "exp": now + 60, "nonce": nonce })
}

fn id_token(key: &SigningKey, claims: &Value) -> String {
    let header = json!({ "alg": "ES256", "kid": "k1" });
    let input =
        format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(claims.to_string()));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(signature.as_bytes()))
}

/// What the server has of it.
#[derive(Clone)]
struct Issuer {
    key: Arc<SigningKey>,
    /// What it says, of the claims that hold.
    says: fn(Value) -> Value,
    jwks: fn(&SigningKey) -> Response<String>,
}

fn published(key: &SigningKey) -> Response<String> {
    answer(200, &[], JwkSet::from_keys(vec![key.public_key().clone().with_key_id("k1")]).to_json())
}

impl Issuer {
    /// The answer to anything but the device endpoint; `nonce` is that of the request.
    fn answer(&self, asked: &Asked, nonce: Option<&str>) -> Response<String> {
        if asked.uri.path() == "/keys" {
            return (self.jwks)(&self.key);
        }
        let claims = (self.says)(id_token_claims(&origin(asked), nonce));
        let id_token = id_token(&self.key, &claims);
        answer(200, &[], GRANTED.replace('}', &format!(r#","id_token":"{id_token}"}}"#)))
    }
}

const SIGNS: &str = r#","jwks_uri":"ORIGIN/keys","id_token_signing_alg_values_supported":["ES256"]"#;

#[tokio::test]
async fn nobody_signs_in_by_an_id_token_that_does_not_hold() {
    type Held = fn(&AuthorizationError) -> bool;
    let refused: Held = |error| matches!(error, AuthorizationError::IdToken(_));
    let same: fn(Value) -> Value = |claims| claims;
    for (members, says, jwks, held, asks_for_keys, why) in [
        (SIGNS, same, published as fn(&SigningKey) -> _, None, true, "it holds"),
        (
            SIGNS,
            (|mut claims| {
                claims["nonce"] = json!("another");
                claims
            }) as fn(Value) -> Value,
            published,
            Some(refused),
            false,
            "of another sign-in: the keys are not even asked for",
        ),
        (
            SIGNS,
            |mut claims| {
                claims["aud"] = json!("c2");
                claims
            },
            published,
            Some(refused),
            false,
            "for another client",
        ),
        (
            SIGNS,
            same,
            |_| {
                let other = SigningKey::generate(Algorithm::ES256).unwrap();
                published(&other)
            },
            Some(refused),
            true,
            "signed by another",
        ),
        (SIGNS, same, |_| answer(200, &[], r#"{"keys":[]}"#), Some(refused), true, "no key"),
        (
            SIGNS,
            same,
            |_| answer(503, &[], ""),
            Some(|error| matches!(error, AuthorizationError::Keys { reason: KeysFault::Status(_), .. })),
            true,
            "no keys to be had",
        ),
        (
            SIGNS,
            same,
            |_| answer(200, &[], "[]"),
            Some(|error| matches!(error, AuthorizationError::Keys { reason: KeysFault::Unusable(_), .. })),
            true,
            "no JWK set",
        ),
        (
            r#","id_token_signing_alg_values_supported":["ES256"]"#,
            same,
            published,
            Some(|error| {
                matches!(error, AuthorizationError::NotSupported(NotSupported::NoEndpoint("jwks_uri")))
            }),
            false,
            "no place for keys",
        ),
        (
            r#","jwks_uri":"ORIGIN/keys""#,
            same,
            published,
            Some(refused),
            false,
            "RS256 where there is no list",
        ),
    ] {
        let issuer = Issuer { key: Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()), says, jwks };
        let nonce = Arc::new(Mutex::new(None::<String>));
        let known = Arc::clone(&nonce);
        let rig = Stage::set(members, Arc::new(Never), move |asked| {
            issuer.answer(asked, known.lock().unwrap().as_deref())
        })
        .await;
        let wanted = Wanted { scopes: vec!["openid".to_owned()], ..Wanted::default() };
        let browser = rig.authorization.begin(wanted, &Loopback::default()).await.unwrap();
        let url = browser.url().to_owned();
        *nonce.lock().unwrap() = parameter(&url, "nonce");
        let (host, state) = redirect(&url);
        let target = format!("/callback?code=abc&state={state}");
        let (signed_in, _) =
            tokio::join!(browser.finish(), async { send(&host, &get(&host, &target)).await });
        match (signed_in, held) {
            (Ok(signed_in), None) => assert_eq!(signed_in.user.unwrap().subject, "u1", "{why}"),
            (Err(error), Some(held)) => assert!(held(&error), "{why}: {error}"),
            (outcome, _) => panic!("{why}: {outcome:?}"),
        }
        let asked = rig.server.asked();
        assert_eq!(asked.iter().any(|asked| asked.uri.path() == "/keys"), asks_for_keys, "{why}");
    }
}

#[tokio::test]
async fn an_id_token_from_a_device_has_no_nonce_and_is_verified_all_the_same() {
    for (scope, subject, is_good) in
        [("openid", Some("u1"), true), ("openid", None, false), ("x", None, true)]
    {
        let says: fn(Value) -> Value = if is_good {
            |claims| claims
        } else {
            |mut claims| {
                claims["exp"] = json!(1);
                claims
            }
        };
        let key = Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
        let issuer = Issuer { key, says, jwks: published };
        let rig = Stage::set(SIGNS, Arc::new(NotedSleep::default()), move |asked| match asked.uri.path() {
            "/device" => {
                let device =
                    r#"{"device_code":"d","user_code":"A","verification_uri":"O/d","expires_in":30,"interval":3}"#;
                answer(200, &[], device.replace('O', &origin(asked)))
            }
            _ => issuer.answer(asked, None),
        })
        .await;
        let wanted = Wanted { scopes: vec![scope.to_owned()], ..Wanted::default() };
        let device = rig.authorization.begin_on_device(wanted).await.unwrap();
        let signed_in = device.finish().await;
        assert_eq!(signed_in.is_ok(), is_good, "{signed_in:?}");
        let user = signed_in.ok().and_then(|signed_in| signed_in.user);
        assert_eq!(user.map(|user| user.subject).as_deref(), subject, "{scope}");
    }
}

#[tokio::test]
async fn a_device_outlasts_a_network_that_fails() {
    let timer = Arc::new(NotedSleep::default());
    // The token endpoint is a port that nobody listens at.
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = Server::start(|asked| {
        let device =
            r#"{"device_code":"d","user_code":"A","verification_uri":"O/d","expires_in":30,"interval":3}"#;
        answer(200, &[], device.replace('O', &origin(asked)))
    })
    .await;
    let json = metadata(&server.origin, "")
        .replace(&server.url("/oauth2/v1/token"), &format!("http://{nobody}/oauth2/v1/token"));
    let metadata = ServerMetadata::parse(json.as_bytes(), &server.origin).unwrap();
    let client = ClientRegistration::public("c1");
    let authorization =
        UserAuthorization::new(system(timer.clone()), metadata, client, TokenBinding::Dpop(dpop_key()))
            .unwrap();
    let device = authorization.begin_on_device(Wanted::default()).await.unwrap();
    let error = device.finish().await.unwrap_err();
    assert!(matches!(error, AuthorizationError::Token(TokenError::Transport(_))), "{error}");
    let waited: Vec<_> = timer.noted().iter().map(Duration::as_secs).collect();
    assert_eq!(
        waited,
        [3, 6, 12, 24],
        "RFC 8628 section 3.5: half as often each time, until the code expires"
    );
}

/// A store that remembers what it was given, and fails as often as it is told.
#[derive(Default)]
struct Kept {
    tokens: Mutex<Vec<String>>,
    failures: Mutex<usize>,
}

impl RefreshTokenStore for Kept {
    fn keep<'a>(
        &'a self,
        token: &'a RefreshToken,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + 'a>> {
        let mut failures = self.failures.lock().unwrap();
        let outcome = if *failures > 0 {
            *failures -= 1;
            Err(NotKept { reason: "disk full".to_owned() })
        } else {
            self.tokens.lock().unwrap().push(token.secret().expose().to_owned());
            Ok(())
        };
        Box::pin(std::future::ready(outcome))
    }
}

struct Refreshing {
    server: Server,
    client: AuthorizationClient,
    refresher: Refresher,
    store: Arc<Kept>,
}

impl Refreshing {
    async fn from(
        failures: usize,
        ahead: u64,
        script: impl Fn(&Asked) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        let server = Server::start(script).await;
        let key = dpop_key();
        let mut system = system(Arc::new(Never));
        system.clock = SetClock::at(NOW.after(Duration::from_secs(ahead)));
        let binding = TokenBinding::Dpop(key.clone());
        let client = AuthorizationClient::new(system, ClientRegistration::public("c1"), binding);
        let endpoint = keybound::endpoint::Endpoint::parse(&server.url("/oauth2/v1/token")).unwrap();
        let store = Arc::new(Kept { failures: Mutex::new(failures), ..Kept::default() });
        let token = RefreshToken::new(Secret::new("r0"), Some(key.thumbprint()));
        Self { server, client, refresher: Refresher::new(endpoint, token, store.clone()), store }
    }

    async fn token(&self) -> Result<GrantedToken, TokenError> {
        self.refresher.token(&self.client).await
    }

    /// The refresh tokens that were sent, one after the other.
    fn sent(&self) -> Vec<String> {
        self.server.asked().iter().map(|asked| field(asked, "refresh_token").unwrap()).collect()
    }
}

/// Grants with the refresh token after the one that was sent: `r1` for `r0`.
fn rotate(asked: &Asked) -> Response<String> {
    let next = field(asked, "refresh_token").unwrap()[1..].parse::<u32>().unwrap() + 1;
    answer(200, &[], format!(r#"{{"access_token":"t{next}","token_type":"DPoP","refresh_token":"r{next}"}}"#))
}

#[tokio::test]
async fn each_refresh_token_is_kept_before_the_one_before_is_forgotten() {
    let refreshing = Refreshing::from(0, 0, rotate).await;
    for _ in 0..3 {
        refreshing.token().await.unwrap();
    }
    assert_eq!(refreshing.sent(), ["r0", "r1", "r2"], "RFC 6749 section 6");
    assert_eq!(*refreshing.store.tokens.lock().unwrap(), ["r1", "r2", "r3"]);
    assert_eq!(refreshing.refresher.refresh_token().await.secret().expose(), "r3");
}

#[tokio::test]
async fn a_server_that_does_not_rotate_keeps_the_token() {
    let refreshing =
        Refreshing::from(0, 0, |_| answer(200, &[], r#"{"access_token":"t","token_type":"DPoP"}"#)).await;
    refreshing.token().await.unwrap();
    refreshing.token().await.unwrap();
    assert_eq!(refreshing.sent(), ["r0", "r0"]);
    assert!(refreshing.store.tokens.lock().unwrap().is_empty(), "nothing new to keep");
}

#[tokio::test]
async fn a_token_that_could_not_be_kept_is_kept_at_the_next_turn() {
    let refreshing = Refreshing::from(1, 0, rotate).await;
    assert_eq!(&**refreshing.token().await.unwrap().access_token, "t1", "of use all the same");
    assert!(refreshing.store.tokens.lock().unwrap().is_empty());
    refreshing.token().await.unwrap();
    assert_eq!(refreshing.sent(), ["r0", "r1"], "the new one, although it was not kept");
    assert_eq!(*refreshing.store.tokens.lock().unwrap(), ["r1", "r2"]);
}

#[tokio::test]
async fn two_who_refresh_at_once_send_no_refresh_token_twice() {
    let refreshing = Refreshing::from(0, 0, rotate).await;
    let (one, two) = tokio::join!(refreshing.token(), refreshing.token());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(refreshing.sent(), ["r0", "r1"], "RFC 9700 section 4.14.2");
}

#[tokio::test]
async fn a_refresh_token_is_sent_again_only_if_the_server_did_not_act() {
    for (error, nonce, ahead, sent, why) in [
        ("use_dpop_nonce", Some("n1"), 0, 2, "a challenge: RFC 9449 section 8"),
        ("invalid_dpop_proof", None, 60, 2, "refused by the proof's time, before the grant"),
        ("invalid_dpop_proof", None, 0, 1, "refused by the proof, and not for the clock"),
        ("invalid_grant", None, 60, 1, "the grant was looked at, whatever the clock"),
        ("invalid_request", None, 60, 1, "who knows"),
        ("temporarily_unavailable", None, 0, 1, "who knows"),
    ] {
        let refreshing = Refreshing::from(0, ahead, move |asked| match asked.before {
            0 => {
                let fields: Vec<_> = nonce.iter().map(|nonce| ("dpop-nonce", *nonce)).collect();
                refuse(400, error, &fields)
            }
            _ => rotate(asked),
        })
        .await;
        let outcome = refreshing.token().await;
        assert_eq!(refreshing.sent().len(), sent, "{why} ({DATE})");
        assert_eq!(outcome.is_ok(), sent == 2, "{why}");
        if let Err(TokenError::Refused { refusal, .. }) = outcome {
            assert!(
                matches!(refusal, ExchangeError::Refused { status: StatusCode::BAD_REQUEST, .. }),
                "{why}: {refusal}"
            );
            assert_eq!(refreshing.refresher.refresh_token().await.secret().expose(), "r0", "{why}");
        }
    }
}

#[tokio::test]
async fn a_refresh_token_of_another_key_is_not_sent() {
    let refreshing = Refreshing::from(0, 0, rotate).await;
    let other = RefreshToken::new(Secret::new("r0"), Some(dpop_key().thumbprint()));
    let endpoint = refreshing.refresher.token_endpoint().clone();
    let refresher = Refresher::new(endpoint, other, refreshing.store.clone());
    let error = refresher.token(&refreshing.client).await.unwrap_err();
    assert!(
        matches!(error, TokenError::Refused { refusal: ExchangeError::WrongKey(_), .. }),
        "RFC 9449 section 5: {error}"
    );
    assert!(refreshing.server.asked().is_empty());
}

#[tokio::test]
async fn a_token_source_refreshes_and_its_sources_for_other_scopes_share_the_refresh_token_and_the_nonce() {
    let Refreshing { server, client, refresher, store } =
        Refreshing::from(0, 0, |asked| match asked.before {
            0 => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "n1")]),
            _ => rotate(asked),
        })
        .await;
    let tokens = TokenSource::refreshing(client, refresher);
    let (one, two) = tokio::join!(tokens.token(), tokens.token());
    assert_eq!(one.unwrap().secret(), "t1");
    assert_eq!(two.unwrap().secret(), "t1", "one exchange for both");
    let fewer = tokens.with_scopes(vec!["things.read".to_owned()]);
    assert_eq!(fewer.token().await.unwrap().secret(), "t2");
    let refused = tokens.token().await.unwrap();
    assert_eq!(tokens.renew(&refused).await.unwrap().secret(), "t3");

    let asked = server.asked_for_token();
    let sent: Vec<_> = asked.iter().map(|asked| field(asked, "refresh_token").unwrap()).collect();
    assert_eq!(sent, ["r0", "r0", "r1", "r2"], "one challenge, and no token twice but for it");
    assert_eq!(field(&asked[2], "scope").as_deref(), Some("things.read"));
    assert_eq!(field(&asked[3], "scope"), None, "all that were granted: RFC 6749 section 6");
    assert_eq!(*store.tokens.lock().unwrap(), ["r1", "r2", "r3"]);
}

/// A store that another process writes to, and whose lock tells when it is dropped.
struct Shared {
    newest: Mutex<Option<RefreshToken>>,
    log: Arc<Mutex<Vec<String>>>,
}

/// What is dropped with the lock.
struct Unlocks(Arc<Mutex<Vec<String>>>);

impl Drop for Unlocks {
    fn drop(&mut self) {
        self.0.lock().unwrap().push("unlocked".to_owned());
    }
}

impl RefreshTokenStore for Shared {
    fn begin(&self) -> Pin<Box<dyn Future<Output = Result<Begun, NotKept>> + Send + '_>> {
        self.log.lock().unwrap().push("locked".to_owned());
        let token = self.newest.lock().unwrap().clone();
        let lock = Some(CacheLock::new(Unlocks(Arc::clone(&self.log))));
        Box::pin(std::future::ready(Ok(Begun { token, lock })))
    }

    fn keep<'a>(
        &'a self,
        token: &'a RefreshToken,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + 'a>> {
        self.log.lock().unwrap().push(token.secret().expose().to_owned());
        *self.newest.lock().unwrap() = Some(token.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn a_refresh_token_that_another_process_has_replaced_is_not_sent() {
    let refreshing = Refreshing::from(0, 0, rotate).await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept =
        RefreshToken::new(Secret::new("r7"), Some(refreshing.client.binding().key().unwrap().thumbprint()));
    let store = Shared { newest: Mutex::new(Some(kept)), log: Arc::clone(&log) };
    let before = refreshing.refresher.refresh_token().await;
    let endpoint = refreshing.refresher.token_endpoint().clone();
    let refresher = Refresher::new(endpoint, before, Arc::new(store));
    refresher.token(&refreshing.client).await.unwrap();
    assert_eq!(refreshing.sent(), ["r7"], "RFC 9700 section 4.14.2");
    assert_eq!(*log.lock().unwrap(), ["locked", "r8", "unlocked"], "kept before another process reads it");
}

#[tokio::test]
async fn a_users_tokens_are_kept_in_a_cache_where_it_is_known_whose_they_are() {
    for (users, requests, why) in [
        ([Some("ada"), Some("ada")], 1, "the same user"),
        ([Some("ada"), Some("grace")], 2, "another user's token is not taken"),
        ([None, None], 2, "nobody knows whose they are"),
    ] {
        let Refreshing { server, client, refresher, .. } = Refreshing::from(0, 0, |asked| {
            let granted = r#"{"access_token":"t","token_type":"DPoP","expires_in":3600}"#;
            assert!(asked.is_for_token());
            answer(200, &[], granted)
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let cache = Arc::new(FileTokenCache::open(folder.path().join("tokens")).unwrap());
        for user in users {
            let (endpoint, token) = (refresher.token_endpoint().clone(), refresher.refresh_token().await);
            let mut refresher = Refresher::new(endpoint, token, Arc::new(NotStored));
            refresher.user = user.map(str::to_owned);
            let tokens = TokenSource::refreshing(client.clone(), refresher).with_cache(cache.clone());
            tokens.token().await.unwrap();
        }
        assert_eq!(server.asked().len(), requests, "{why}");
    }
}
