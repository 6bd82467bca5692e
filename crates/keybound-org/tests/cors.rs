//! Pages of other origins: for each kind of endpoint and each kind of origin, whether a browser may ask and read.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod support;

use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN, VARY};
use http::{HeaderMap, Method};
use keybound::NumericDate;
use keybound::random::OperatingSystem;
use keybound_org::{
    AdminRole, AppStatus, ApplicationType, ClientSettings, Data, Fault, GrantType, NewApp, OrgSettings,
    ResponseType, StoreError, TokenEndpointAuthMethod,
};
use reqwest::redirect::Policy;
use serde_json::json;
use support::{Answer, NOW, READ, TestOrg};

const TRUSTED: &str = "https://trusted.example.com";
const OF_APP: &str = "https://spa.example.com:8443";

/// Whether a page may read an answer, and by what leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    No,
    /// `*`.
    Everybody,
    /// The origin, without cookies.
    Origin,
    /// The origin, with whatever the browser sends by itself.
    WithCredentials,
}

/// The leave that an answer gives to an origin; a mixture of two is none of them.
fn leave(headers: &HeaderMap, origin: &str) -> Leave {
    let text = |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    let (allowed, credentials): (Vec<&str>, Vec<&str>) =
        (text("access-control-allow-origin"), text("access-control-allow-credentials"));
    match (allowed.as_slice(), credentials.as_slice()) {
        ([], []) => Leave::No,
        (["*"], []) => Leave::Everybody,
        ([allowed], []) if *allowed == origin => Leave::Origin,
        ([allowed], ["true"]) if *allowed == origin => Leave::WithCredentials,
        other => panic!("{other:?} for {origin}"),
    }
}

/// An org with a Trusted Origin of each kind, and an app of each kind with a redirect URI.
async fn org() -> TestOrg {
    let settings = OrgSettings {
        requests_per_minute: u32::MAX,
        trusted_origins: vec![TRUSTED.parse().unwrap()],
        ..OrgSettings::default()
    };
    let mut test = TestOrg::start_with(settings).await;
    test.http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    trust(&test, "https://redirect.example.com", "REDIRECT").await;
    let inactive = trust(&test, "https://inactive.example.com", "CORS").await;
    let deactivate = format!("/api/v1/trustedOrigins/{inactive}/lifecycle/deactivate");
    test.administer(Method::POST, &deactivate, None).await;
    app(&test, ApplicationType::Browser, &format!("{OF_APP}/callback"));
    app(&test, ApplicationType::Web, "https://web.example.com/callback");
    app(&test, ApplicationType::Native, "https://native.example.com/callback");
    let old = app(&test, ApplicationType::Browser, "https://old.example.com/callback");
    let gone = |app: &mut keybound_org::App| {
        app.status = AppStatus::Inactive;
        Ok::<_, StoreError>(())
    };
    test.org.store().change_app(&old, NumericDate::from_seconds(NOW), gone).unwrap();
    test
}

async fn trust(test: &TestOrg, origin: &str, scope: &str) -> String {
    let body = json!({ "name": origin, "origin": origin, "scopes": [{ "type": scope }] });
    let made = test.administer(Method::POST, "/api/v1/trustedOrigins", Some(body)).await;
    made.text("/id").to_owned()
}

fn app(test: &TestOrg, application_type: ApplicationType, redirect_uri: &str) -> String {
    let client = ClientSettings {
        application_type,
        redirect_uris: vec![redirect_uri.to_owned()],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        response_types: vec![ResponseType::Code],
        token_endpoint_auth_method: TokenEndpointAuthMethod::None,
        ..ClientSettings::default()
    };
    let client = match application_type {
        ApplicationType::Web => ClientSettings {
            token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecretBasic,
            ..client
        },
        _ => client,
    };
    let client_secret = (application_type == ApplicationType::Web)
        .then(|| keybound_org::ClientSecret::generate(&OperatingSystem).unwrap());
    let new = NewApp { label: "An app".to_owned(), client, client_secret, ..NewApp::default() };
    let now = NumericDate::from_seconds(test.now());
    test.org.store().create_app(&new, now, &OperatingSystem).unwrap().client_id
}

/// Endpoints, with the leave that each gives to a Trusted Origin, to the origin of an app, and to all others.
const ENDPOINTS: &[(&str, [Leave; 3])] = {
    use Leave::{Everybody, No, Origin, WithCredentials};
    let all = [Everybody, Everybody, Everybody];
    let apps = [WithCredentials, Origin, No];
    let trusted = [WithCredentials, No, No];
    let none = [No, No, No];
    &[
        ("GET /.well-known/openid-configuration", all),
        ("GET /.well-known/oauth-authorization-server", all),
        ("GET /oauth2/default/.well-known/openid-configuration", all),
        ("GET /oauth2/v1/keys", all),
        ("GET /oauth2/default/v1/keys", all),
        ("GET /oauth2/nothing/v1/keys", all),
        ("POST /oauth2/v1/token", apps),
        ("POST /oauth2/default/v1/token", apps),
        ("GET /oauth2/default/v1/token", apps),
        ("POST /oauth2/v1/introspect", apps),
        ("POST /oauth2/v1/revoke", apps),
        ("POST /oauth2/v1/par", apps),
        ("POST /oauth2/v1/device/authorize", apps),
        ("GET /oauth2/v1/userinfo", apps),
        ("POST /oauth2/default/v1/userinfo", apps),
        ("GET /api/v1/users", trusted),
        ("PUT /api/v1/groups/x", trusted),
        ("DELETE /api/v1/apps/x", trusted),
        ("GET /api/v1/trustedOrigins", trusted),
        ("GET /api/v1/nothing", trusted),
        ("POST /api/v1/authn", trusted),
        ("GET /api/v1/sessions/me", trusted),
        ("DELETE /api/v1/sessions/me", trusted),
        ("POST /api/v1/sessions/me/lifecycle/refresh", trusted),
        ("GET /oauth2/v1/clients/x/roles", trusted),
        ("GET /oauth2/v1/authorize", none),
        ("POST /oauth2/default/v1/authorize", none),
        ("GET /oauth2/v1/logout", none),
        ("GET /login/signout", none),
        ("GET /login/sessionCookieRedirect", none),
        ("GET /activate", none),
        ("GET /admin", none),
        ("POST /admin/trusted-origins/new", none),
        ("GET /assets/console.css", none),
        ("GET /keybound/v1/traces", none),
        ("DELETE /keybound/v1/faults", none),
        ("GET /", none),
    ]
};

/// Origins, with the place of each in the table above.
const ORIGINS: &[(&str, usize)] = &[
    (TRUSTED, 0),
    (OF_APP, 1),
    // Another port, another scheme, another case, a name that only begins or ends so: another origin.
    ("https://trusted.example.com:444", 2),
    ("http://trusted.example.com", 2),
    ("https://TRUSTED.example.com", 2),
    ("https://trusted.example.com.evil.example", 2),
    ("https://eviltrusted.example.com", 2),
    ("https://trusted.example.com/", 2),
    ("https://spa.example.com", 2),
    ("https://redirect.example.com", 2),
    ("https://inactive.example.com", 2),
    ("https://web.example.com", 2),
    ("https://native.example.com", 2),
    ("https://old.example.com", 2),
    ("https://evil.example", 2),
    ("null", 2),
    ("*", 2),
    ("", 2),
];

#[tokio::test]
async fn each_endpoint_is_shared_with_the_pages_that_it_is_for_and_no_others() {
    let test = org().await;
    for (line, leaves) in ENDPOINTS {
        let (method, path) = line.split_once(' ').unwrap();
        let is_shared = leaves[0] != Leave::No;
        for (origin, place) in ORIGINS {
            let request = test.http.request(method.parse().unwrap(), test.url(path));
            let answer = request.header(ORIGIN, *origin).send().await.unwrap();
            let expected = leaves[*place];
            assert_eq!(leave(answer.headers(), origin), expected, "{line} from {origin}");
            let exposed = answer.headers().get("access-control-expose-headers");
            assert_eq!(exposed.is_some(), expected != Leave::No, "{line} from {origin}");
            if expected == Leave::No || expected == Leave::Everybody {
                continue;
            }
            let exposed = exposed.unwrap().to_str().unwrap();
            for name in ["DPoP-Nonce", "WWW-Authenticate", "Link", "Retry-After", "X-Rate-Limit-Reset"] {
                assert!(exposed.contains(name), "{name}");
            }
        }
        // What differs by the origin says so to caches, to whomever it is sent.
        let answer = test.http.request(method.parse().unwrap(), test.url(path)).send().await.unwrap();
        let varies = answer.headers().get_all(VARY).iter().any(|vary| vary == "Origin");
        assert_eq!(varies, is_shared && leaves[0] != Leave::Everybody, "{line}");
        assert_eq!(leave(answer.headers(), ""), Leave::No, "{line} without an origin");
    }
}

#[tokio::test]
async fn a_browser_is_told_before_it_sends_whether_it_may() {
    let test = org().await;
    for (line, leaves) in ENDPOINTS {
        let (method, path) = line.split_once(' ').unwrap();
        for (origin, place) in ORIGINS {
            let answer = preflight(&test, path, method, origin).await;
            let (expected, shown) = (leaves[*place], format!("{line} from {origin}: {answer:?}"));
            assert_eq!(leave(answer.headers(), origin), expected, "{shown}");
            let field = |name: &str| {
                answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
            };
            if expected == Leave::No {
                assert_eq!(field("access-control-allow-methods"), "", "{shown}");
                assert_eq!(field("access-control-allow-headers"), "", "{shown}");
                let is_shared = leaves[0] != Leave::No;
                assert!(!is_shared || answer.status().as_u16() == 403, "{shown}");
                continue;
            }
            assert_eq!(answer.status().as_u16(), 204, "{shown}");
            let methods = field("access-control-allow-methods");
            let is_served = line != &"GET /oauth2/default/v1/token";
            assert!(!is_served || methods.split(", ").any(|known| known == method), "{shown}");
            assert_eq!(
                field("access-control-allow-headers"),
                "authorization,dpop,x-okta-user-agent-extended"
            );
            assert_eq!(field("access-control-max-age"), "600");
            assert!(!field("x-okta-request-id").is_empty(), "{shown}");
        }
    }
}

async fn preflight(test: &TestOrg, path: &str, method: &str, origin: &str) -> reqwest::Response {
    test.http
        .request(Method::OPTIONS, test.url(path))
        .header(ORIGIN, origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "authorization,dpop,x-okta-user-agent-extended")
        .send()
        .await
        .unwrap()
}

/// A request from a page.
async fn from(test: &TestOrg, origin: &str, method: Method, path: &str) -> Answer {
    test.send(test.http.request(method, test.url(path)).header(ORIGIN, origin)).await
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let test = org().await;
    for (path, origin, told) in [
        ("/oauth2/v1/token", "https://evil.example", "no active app of the type browser has a redirect URI"),
        ("/api/v1/users", "https://evil.example", "no active Trusted Origin with the scope CORS"),
        ("/api/v1/users", "null", "serve it over http"),
        ("/api/v1/users", "evil.example", "must name one origin"),
    ] {
        let refused = preflight(&test, path, "GET", origin).await;
        let body: serde_json::Value = serde_json::from_slice(&refused.bytes().await.unwrap()).unwrap();
        assert_eq!(body["errorCode"], "E0000006");
        let cause = body["errorCauses"][0]["errorSummary"].as_str().unwrap();
        assert!(cause.starts_with(&format!("origin {origin}: ")) && cause.contains(told), "{cause}");
    }
    let traces = test.administer(Method::GET, "/keybound/v1/traces", None).await;
    let exchanges = traces.json["exchanges"].as_array().unwrap();
    let preflights: Vec<_> = exchanges.iter().filter(|one| one["method"] == "OPTIONS").collect();
    assert_eq!(preflights.len(), 4);
    for exchange in preflights {
        assert_eq!(exchange["findings"], json!([]), "no rule for tokens: {exchange}");
        let verdict = &exchange["verdict"];
        assert!(verdict["change"].as_str().unwrap().starts_with("Trust the origin"), "{verdict}");
    }
    let long = "a".repeat(5_000);
    let refused = preflight(&test, "/api/v1/users", "GET", &long).await;
    assert!(refused.bytes().await.unwrap().len() < 1_000, "a hostile one is not repeated whole");
}

#[tokio::test]
async fn two_origins_are_none() {
    let test = org().await;
    let request = test.http.get(test.url("/api/v1/users")).header(ORIGIN, TRUSTED).header(ORIGIN, TRUSTED);
    let answer = request.send().await.unwrap();
    assert_eq!(leave(answer.headers(), TRUSTED), Leave::No);
}

#[tokio::test]
async fn the_orgs_own_pages_and_options_without_a_page_are_as_without_all_this() {
    let test = org().await;
    let own = test.org.url().to_owned();
    let answer = from(&test, &own, Method::GET, "/api/v1/users").await;
    assert_eq!((answer.status.as_u16(), leave(&answer.headers, &own)), (401, Leave::No));
    for request in [
        test.http.request(Method::OPTIONS, test.url("/api/v1/users")),
        test.http.request(Method::OPTIONS, test.url("/api/v1/users")).header(ORIGIN, TRUSTED),
    ] {
        assert_eq!(test.send(request).await.status.as_u16(), 405);
    }
}

#[tokio::test]
async fn a_page_can_read_challenges_rate_limits_and_what_fails() {
    let settings = OrgSettings {
        requests_per_minute: 2,
        trusted_origins: vec![TRUSTED.parse().unwrap()],
        ..OrgSettings::default()
    };
    let test = TestOrg::start_with(settings).await;
    let client = app(&test, ApplicationType::Browser, &format!("{OF_APP}/callback"));
    let form = [("grant_type", "refresh_token"), ("client_id", &*client), ("refresh_token", "x")];
    let form = support::url_encoded(&form);
    let key = support::es256();
    let proof = support::proof(&test, &key, "POST", &test.token_endpoint()).sign(&key);
    let ask = test.http.post(test.token_endpoint()).header(ORIGIN, OF_APP).body(form);
    let ask = ask.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let challenged = test.send(ask.header("dpop", proof)).await;
    assert_eq!(challenged.text("/error"), "use_dpop_nonce", "{challenged:?}");
    assert!(challenged.headers.contains_key("dpop-nonce"), "{challenged:?}");
    assert_eq!(leave(&challenged.headers, OF_APP), Leave::Origin, "{challenged:?}");

    let refused = from(&test, TRUSTED, Method::GET, "/api/v1/users").await;
    assert_eq!((refused.status.as_u16(), leave(&refused.headers, TRUSTED)), (401, Leave::WithCredentials));
    assert!(refused.headers.contains_key("www-authenticate"));
    for _ in 0..5 {
        assert_eq!(preflight(&test, "/api/v1/users", "GET", TRUSTED).await.status().as_u16(), 204);
    }
    let second = from(&test, TRUSTED, Method::GET, "/api/v1/users").await;
    assert_eq!(second.status.as_u16(), 401, "what a browser asks before counts for nothing");
    let limited = from(&test, TRUSTED, Method::GET, "/api/v1/users").await;
    assert_eq!((limited.status.as_u16(), leave(&limited.headers, TRUSTED)), (429, Leave::WithCredentials));

    test.org.faults().add(Fault::rate_limited().on_path("/api/v1/groups").times(1)).await.unwrap();
    assert_eq!(preflight(&test, "/api/v1/groups", "GET", TRUSTED).await.status().as_u16(), 204);
    let struck = from(&test, TRUSTED, Method::GET, "/api/v1/groups").await;
    assert_eq!((struck.status.as_u16(), leave(&struck.headers, TRUSTED)), (429, Leave::WithCredentials));
    assert!(struck.headers.contains_key("x-keybound-fault"));
}

#[tokio::test]
async fn an_api_token_is_not_for_pages() {
    let test = org().await;
    let request = test.http.get(test.url("/api/v1/users?limit=1")).header(ORIGIN, TRUSTED);
    let request = request.header(AUTHORIZATION, format!("SSWS {}", test.org.admin_token()));
    let answer = test.send(request).await;
    assert_eq!((answer.status.as_u16(), leave(&answer.headers, TRUSTED)), (200, Leave::No));
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let token = test.token(&app, READ).await;
    let path = "/api/v1/users";
    let proof = app.call_proof(&test, &Method::GET, path, &token).sign(&app.dpop_key);
    let request = test.http.get(test.url(path)).header(ORIGIN, TRUSTED);
    let answer =
        test.send(request.header(AUTHORIZATION, format!("DPoP {token}")).header("dpop", proof)).await;
    assert_eq!((answer.status.as_u16(), leave(&answer.headers, TRUSTED)), (200, Leave::WithCredentials));
}

#[tokio::test]
async fn what_is_trusted_when_the_org_starts_is_there_once_and_active_again() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || OrgSettings {
        data: Data::Directory(folder.path().to_owned()),
        trusted_origins: vec![TRUSTED.parse().unwrap()],
        ..OrgSettings::default()
    };
    for _ in 0..2 {
        let test = TestOrg::start_with(settings()).await;
        let listed = test.administer(Method::GET, "/api/v1/trustedOrigins", None).await;
        assert_eq!(listed.json.as_array().map(Vec::len), Some(1));
        assert_eq!((listed.text("/0/origin"), listed.text("/0/createdBy")), (TRUSTED, "system"));
        let answer = from(&test, TRUSTED, Method::GET, "/api/v1/users").await;
        assert_eq!(leave(&answer.headers, TRUSTED), Leave::WithCredentials);
        // Only for redirects, and not even that.
        let path = format!("/api/v1/trustedOrigins/{}", listed.text("/0/id"));
        let body = json!({ "name": "It", "origin": TRUSTED, "scopes": [{ "type": "REDIRECT" }], "status": "INACTIVE" });
        test.administer(Method::PUT, &path, Some(body)).await;
        let answer = from(&test, TRUSTED, Method::GET, "/api/v1/users").await;
        assert_eq!(leave(&answer.headers, TRUSTED), Leave::No, "from now on");
        test.org.stop().await;
    }
}

#[tokio::test]
async fn a_page_gets_tokens_by_a_code_with_pkce_or_a_refresh_token_and_else_not() {
    let test = org().await;
    let client_id = app(&test, ApplicationType::Browser, &format!("{OF_APP}/second"));
    let service = test.app(&[READ], &[AdminRole::ReadOnly]);
    let ask = async |form: &[(&str, &str)], origin: Option<&str>| {
        let mut request = test.http.post(test.token_endpoint()).body(support::url_encoded(form));
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        test.send(request).await
    };
    let own = service.assertion(&test).sign(&service.client_key);
    let with = |grant_type, more| vec![("grant_type", grant_type), ("client_id", &*client_id), more];
    // Whatever is not refused for the page is so for the proof that is not there.
    for (form, is_refused) in [
        (support::grant(READ, &own), true),
        (with("authorization_code", ("code", "x")), true),
        (with("authorization_code", ("code_verifier", "x")), false),
        (with("refresh_token", ("refresh_token", "x")), false),
    ] {
        let from_page = ask(&form, Some(OF_APP)).await;
        let expected = if is_refused { (401, "invalid_client") } else { (400, "invalid_dpop_proof") };
        assert_eq!((from_page.status.as_u16(), from_page.text("/error")), expected, "{form:?}");
        assert_eq!(leave(&from_page.headers, OF_APP), Leave::Origin);
        let words = "Browser requests to the token endpoint must use Proof Key for Code Exchange.";
        assert_eq!(from_page.text("/error_description") == words, is_refused, "{from_page:?}");
        let from_server = ask(&form, None).await;
        assert_eq!(from_server.text("/error"), "invalid_dpop_proof", "{form:?}");
    }
}
