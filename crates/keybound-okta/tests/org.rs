//! Calls of an org over a real connection, against servers that answer by a script.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

#[path = "../../keybound-client/tests/scripted/mod.rs"]
mod scripted;

mod okta_client;

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::{HeaderMap, HeaderValue, Method};
use keybound_okta::{Call, Error, ErrorKind, ListQuery, OktaClient, OktaError, User};
use okta_client::{client, client_at, org, page};
use scripted::{NOW, Server, answer, challenge, grant, refuse};

async fn logins(okta: &OktaClient, limit: Option<usize>) -> Result<Vec<String>, Error> {
    let users: Vec<User> = okta.users().list(&ListQuery::default().at_most(limit)).try_collect().await?;
    Ok(users.into_iter().filter_map(|user| user.profile.login).collect())
}

#[tokio::test]
async fn a_call_goes_out_as_it_was_given() {
    let org = org(|_| answer(201, &[], "{}")).await;
    let okta = client(&org.origin);
    let call = Call {
        method: Method::PUT,
        path: "/api/v1/users/me@example.com?strict=true".to_owned(),
        headers: HeaderMap::from_iter([("accept".parse().unwrap(), HeaderValue::from_static("text/plain"))]),
        body: Bytes::from_static(b"{}"),
    };
    assert_eq!(okta.call(call).await.unwrap().status(), 201);
    let called = org.called();
    let [call] = called.as_slice() else { panic!("{called:?}") };
    assert_eq!((&call.method, call.body.as_ref()), (&Method::PUT, &b"{}"[..]));
    assert_eq!(call.uri.to_string(), "/api/v1/users/me@example.com?strict=true");
    let header = |name| call.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!((header("accept"), header("content-type")), (Some("text/plain"), Some("application/json")));
}

#[tokio::test]
async fn users_are_listed_over_all_pages_and_up_to_a_limit() {
    let org = Server::start(|asked| {
        let host = asked.headers.get("host").and_then(|host| host.to_str().ok()).unwrap();
        let next = |after: usize| format!("http://{host}/api/v1/users?after={after}&limit=2");
        match asked.uri.query().unwrap_or_default() {
            _ if asked.is_for_token() => grant("token", "DPoP"),
            query if query.contains("after=2") => page(2..4, Some(&next(4))),
            query if query.contains("after=4") => page(4..5, None),
            _ => page(0..2, Some(&next(2))),
        }
    })
    .await;
    let login = |number| format!("user-{number}@example.com");
    for (limit, users, calls, query) in [
        (None, 5, 3, "limit=200"),
        (Some(0), 0, 0, ""),
        (Some(1), 1, 1, "limit=1"),
        (Some(3), 3, 2, "limit=3"),
        (Some(1000), 5, 3, "limit=200"),
    ] {
        let before = org.called().len();
        let listed = logins(&client(&org.origin), limit).await.unwrap();
        assert_eq!(listed, (0..users).map(login).collect::<Vec<_>>(), "{limit:?}");
        let called = org.called().split_off(before);
        assert_eq!(called.len(), calls, "{limit:?}: no page more than is needed");
        assert_eq!(called.first().and_then(|call| call.uri.query()).unwrap_or_default(), query);
    }
}

#[tokio::test]
async fn links_are_followed_within_the_org_and_never_in_a_circle() {
    let elsewhere = Server::start(|_| page(0..1, None)).await;
    let foreign = elsewhere.url("/api/v1/users?after=1");
    for (next, is_expected, why) in [
        (
            foreign.as_str(),
            (|error| matches!(error, Error::ForeignLink(_))) as fn(&Error) -> bool,
            "another port",
        ),
        ("https://evil.example/api/v1/users", |error| matches!(error, Error::ForeignLink(_)), "another host"),
        (
            "//evil.example/api/v1/users",
            |error| matches!(error, Error::ForeignLink(_)),
            "another host, relative",
        ),
        ("javascript:alert(1)", |error| matches!(error, Error::ForeignLink(_)), "no address"),
        ("", |error| matches!(error, Error::ForeignLink(_)), "empty"),
        ("/api/v1/users?limit=200", |error| matches!(error, Error::PagesInCircle), "the first page again"),
        (
            "/api/v1/../v1/users?limit=200#x",
            |error| matches!(error, Error::PagesInCircle),
            "the same, disguised",
        ),
        ("/api/v1/users?after=1", |error| matches!(error, Error::PagesInCircle), "the second page again"),
    ] {
        let link = next.to_owned();
        let org = org(move |_| page(0..1, Some(&link))).await;
        let okta = client(&org.origin);
        let mut pages = okta.pages(Call::get("/api/v1/users?limit=200"));
        let mut seen = 0;
        let error = loop {
            match pages.next().await {
                Ok(Some(_)) => seen += 1,
                Ok(None) => panic!("{why}: came to an end"),
                Err(error) => break error,
            }
        };
        assert!(is_expected(&error), "{why}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Server);
        assert_eq!(org.called().len(), seen, "{why}: what was fetched is given out");
        assert!(seen <= 2 && pages.next().await.unwrap().is_none(), "{why}: and that is the end");
        assert!(elsewhere.asked().is_empty(), "{why}: nothing goes elsewhere");
    }
}

#[tokio::test]
async fn nothing_is_called_outside_the_org() {
    let org = org(|_| answer(200, &[], "")).await;
    let okta = client(&org.origin);
    for path in
        ["https://evil.example/api", "//evil.example/api", "api/v1/users", "", "http://127.0.0.1:1/api"]
    {
        let error = okta.call(Call::get(path)).await.unwrap_err();
        assert!(matches!(error, Error::Path(_)), "{path}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Request);
    }
    assert!(org.asked().is_empty());
    okta.call(Call::get(org.url("/api/v1/users"))).await.unwrap();
}

#[tokio::test]
async fn errors_of_the_api_say_what_to_do() {
    let okta_error = |code: &str| {
        format!(r#"{{"errorCode":"{code}","errorSummary":"says Okta","errorId":"oae1","errorCauses":[]}}"#)
    };
    let scope = r#"DPoP error="insufficient_scope", scope="okta.users.manage""#;
    for (response, kind, words) in [
        (answer(401, &[], okta_error("E0000011")), ErrorKind::Api, "does not take the access token"),
        (answer(400, &[], okta_error("E0000011")), ErrorKind::Api, "KEYBOUND_DPOP"),
        (answer(403, &[], okta_error("E0000006")), ErrorKind::Api, "Admin roles"),
        (
            answer(403, &[("www-authenticate", scope)], okta_error("E0000006")),
            ErrorKind::Scope,
            "Okta API Scopes",
        ),
        (answer(404, &[], okta_error("E0000007")), ErrorKind::Api, "identifier in the path"),
        (answer(500, &[], okta_error("E0000009")), ErrorKind::Server, "try again later"),
        (challenge("invalid_token", &[]), ErrorKind::Api, "does not take the access token"),
        (answer(502, &[("content-type", "text/html")], "<html>"), ErrorKind::Server, ""),
    ] {
        let org = org(move |_| response.clone()).await;
        let error = client(&org.origin).call(Call::get("/api/v1/users")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.advice().unwrap_or_default().contains(words), "{words}: {:?}", error.advice());
        let Error::Api(error) = error else { panic!("{error:?}") };
        assert!(error.to_string().contains("says") || error.code.is_none(), "{error}");
    }
    let refused = challenge("invalid_dpop_proof", &[]);
    let org = org(move |_| refused.clone()).await;
    let error = client(&org.origin).call(Call::get("/api/v1/users")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dpop);
    let late = client_at(&org.origin, NOW.before(Duration::from_secs(172_800)));
    let error = late.call(Call::get("/api/v1/users")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Clock);
    assert!(error.advice().unwrap().contains("172800 s behind"));
}

#[tokio::test]
async fn refusals_of_the_token_endpoint_say_what_to_do() {
    let html = || answer(404, &[("content-type", "text/html")], "<html>no such org</html>");
    for (response, kind, words) in [
        (refuse(401, "invalid_client", &[]), ErrorKind::Client, "thumbprint"),
        (refuse(400, "unauthorized_client", &[]), ErrorKind::Client, "API Services"),
        (refuse(400, "invalid_scope", &[]), ErrorKind::Scope, "okta.users.read"),
        (refuse(400, "invalid_dpop_proof", &[]), ErrorKind::Dpop, "KEYBOUND_DPOP"),
        (grant("token", "Bearer"), ErrorKind::Dpop, "KEYBOUND_DPOP=off"),
        (html(), ErrorKind::Connection, "org's URL"),
        (answer(503, &[], "down"), ErrorKind::Server, "try again later"),
        (answer(429, &[], r#"{"errorCode":"E0000047"}"#), ErrorKind::Api, "rate limit"),
        (
            answer(302, &[("location", "https://elsewhere.example/")], ""),
            ErrorKind::Connection,
            "own address",
        ),
    ] {
        let org = Server::start(move |_| response.clone()).await;
        let error = client(&org.origin).call(Call::get("/api/v1/users")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.advice().unwrap_or_default().contains(words), "{words}: {:?}", error.advice());
    }
    let org = Server::start(|_| refuse(401, "invalid_client", &[])).await;
    let late = client_at(&org.origin, NOW.after(Duration::from_secs(172_800)));
    let error = late.call(Call::get("/api/v1/users")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Clock);
    assert!(error.advice().unwrap().contains("Set the clock"));
}

#[tokio::test]
async fn an_answer_that_is_no_list_of_users_is_told() {
    for body in ["<html>sign in</html>", "{}", r#"[{"id":1}]"#, ""] {
        let org = org(move |_| answer(200, &[("content-type", "text/html")], body)).await;
        let error = logins(&client(&org.origin), None).await.unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
        assert!(error.to_string().contains("200 OK, text/html"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Connection);
    }
}

#[tokio::test]
async fn the_whole_answer_stays_with_an_error() {
    let org = org(|_| answer(400, &[("x-okta-request-id", "Z1")], r#"{"errorCode":"E0000001"}"#)).await;
    let error = client(&org.origin).call(Call::get("/api/v1/users")).await.unwrap_err();
    let Error::Api(error) = error else { panic!("{error:?}") };
    let OktaError { request_id, response, .. } = *error;
    assert_eq!(request_id.as_deref(), Some("Z1"));
    assert_eq!(response.body(), r#"{"errorCode":"E0000001"}"#);
}
