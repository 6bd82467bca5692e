//! A user's leave in the browser: RFC 6749 section 4.1, RFC 8252, RFC 9126, RFC 9207.

use std::sync::Arc;

use keybound::Secret;
use keybound::authorization::ResponseRefusal;
use keybound::metadata::{NotSupported, ServerMetadata};
use keybound_client::authorization::{
    Asked as Wanted, AuthorizationError, Loopback, MAX_REQUEST_BYTES, UserAuthorization,
};
use keybound_client::{ClientRegistration, TokenBinding};
use tokio::net::TcpStream;

use super::scripted::{NotedSleep, answer, refuse};
use super::{GRANTED, Never, Stage, dpop_key, field, get, metadata, parameter, redirect, send, system};

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
    let begin_as = |client: ClientRegistration, members: &str| {
        let binding = TokenBinding::Dpop(dpop_key());
        UserAuthorization::new(system(Arc::new(Never)), parse(members), client, binding)
    };
    let begin = |members: &str| begin_as(ClientRegistration::public("c"), members);
    assert!(matches!(
        begin(r#","dpop_signing_alg_values_supported":["RS256"]"#),
        Err(AuthorizationError::NotSupported(NotSupported::ProofAlgorithm { .. }))
    ));
    let by_key_alone = r#","token_endpoint_auth_methods_supported":["private_key_jwt"]"#;
    assert!(matches!(
        begin_as(ClientRegistration::with_secret("c", Secret::new("s")), by_key_alone),
        Err(AuthorizationError::NotSupported(NotSupported::ClientAuthentication { .. }))
    ));
    assert!(begin(by_key_alone).is_ok(), "a public client does not authenticate: RFC 6749 section 3.2.1");
    for (members, why) in [
        (r#","code_challenge_methods_supported":["plain"]"#, "RFC 7636 section 7.2"),
        (r#","require_pushed_authorization_requests":true"#, "and nowhere to push it: RFC 9126 section 5"),
    ] {
        let browser = begin(members).unwrap().begin(Wanted::default(), &Loopback::default()).await;
        assert!(matches!(browser.err(), Some(AuthorizationError::NotSupported(_))), "{why}");
    }
}
