//! Applications, from their creation to the settings of a program, as the sample has its reader do it.

use http::{Method, StatusCode};
use keybound::{PrivateKey, Signer as _, SigningKey};
use keybound_org::{AdminRole, App, AppStatus, ApplicationType, TokenEndpointAuthMethod};
use serde_json::Value;

use crate::browser::{Browser, Page};
use crate::support::{TestApp, TestOrg, es256};

const NEW: &str = "/admin/apps/new";

/// An administrator's browser on the page of a new API Services app.
async fn with_new_service(test: &TestOrg) -> (Browser, String, Page) {
    let mut browser = Browser::signed_in(test).await;
    let page = browser.open(NEW).await;
    let created = browser.submit(&page, NEW, &[("label", "job")]).await;
    assert_eq!(created.status, StatusCode::SEE_OTHER, "{created:?}");
    let path = created.location().strip_suffix("?done=app-created").unwrap().to_owned();
    let page = browser.open(&path).await;
    (browser, path, page)
}

fn app(test: &TestOrg, path: &str) -> App {
    test.org.store().app(path.rsplit('/').next().unwrap()).unwrap().unwrap()
}

/// What stands in the element of this id.
fn shown(page: &Page, id: &str) -> String {
    let (_, from) =
        page.html.split_once(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("{id}: {}", page.html));
    let text = from.split_once('>').unwrap().1.split("</").next().unwrap();
    crate::browser::unescaped(text)
}

/// The types of the last events, the newest first.
async fn events(test: &TestOrg, count: usize) -> Vec<String> {
    let log = test.administer(Method::GET, "/api/v1/logs?sortOrder=DESCENDING", None).await;
    (0..count).map(|number| log.text(&format!("/{number}/eventType")).to_owned()).collect()
}

#[tokio::test]
async fn the_steps_of_the_sample_end_with_a_token_that_the_api_takes() {
    let test = TestOrg::start().await;
    let (mut browser, path, page) = with_new_service(&test).await;
    assert!(page.html.contains(&app(&test, &path).client_id) && page.html.contains(test.org.url()));

    let action = format!("{path}/keys/generate");
    let page = browser.submit(&page, &action, &[("alg", "ES256")]).await;
    assert_eq!(
        (page.status, &page.headers["cache-control"]),
        (StatusCode::CREATED, &"no-store".parse().unwrap())
    );
    let pem = shown(&page, "pem");
    let key = PrivateKey::from_pem(&pem).unwrap();
    let registered = app(&test, &path);
    assert_eq!(registered.keys.keys()[0].thumbprint(), key.public_key().thumbprint());
    assert_eq!(registered.client.token_endpoint_auth_method, TokenEndpointAuthMethod::PrivateKeyJwt);
    let jwk: Value = serde_json::from_str(&shown(&page, "jwk")).unwrap();
    assert_eq!(jwk["kid"], registered.keys.keys()[0].key_id().unwrap());
    assert!(PrivateKey::from_jwk(jwk.to_string().as_bytes()).is_ok());
    assert_eq!(
        events(&test, 2).await,
        ["application.lifecycle.update", "app.oauth2.client.lifecycle.key.create"]
    );

    let page = browser.open(&format!("{path}/scopes")).await;
    browser.submit(&page, &format!("{path}/scopes"), &[("scopeId", "okta.users.read")]).await;
    let page = browser.open(&format!("{path}/roles")).await;
    browser.submit(&page, &format!("{path}/roles"), &[("type", "READ_ONLY_ADMIN")]).await;
    let ready = app(&test, &path);
    assert_eq!((ready.scopes, ready.roles), (vec!["okta.users.read".to_owned()], vec![AdminRole::ReadOnly]));

    let algorithm = keybound::Algorithm::ES256;
    let app = TestApp {
        client_id: ready.client_id,
        scope: "okta.users.read".to_owned(),
        client_key: SigningKey::new(key, algorithm).unwrap(),
        dpop_key: es256(),
    };
    let token = test.token(&app, "okta.users.read").await;
    let users = test.call(&app, &token, Method::GET, "/api/v1/users?limit=1").await;
    assert_eq!(users.status, StatusCode::OK, "{users:?}");

    let page = browser.open(&format!("{path}/program")).await;
    let settings = shown(&page, "env");
    for line in [
        format!("OKTA_ORG_URL={}", test.org.url()),
        format!("OKTA_CLIENT_ID={}", app.client_id),
        "OKTA_SCOPES=okta.users.read".to_owned(),
        "KEYBOUND_DPOP=required".to_owned(),
    ] {
        assert!(settings.lines().any(|known| known == line), "{line} is not in {settings}");
    }
    assert_eq!(shown(&page, "command").trim(), "keybound api '/api/v1/users?limit=5'");
    assert!(page.html.contains("keybound keys new --alg ES256 --out dpop"), "the usual choice for DPoP");
    assert!(!page.html.contains("is-open"), "nothing is left to do");
}

#[tokio::test]
async fn a_private_key_is_shown_once_and_nowhere_else() {
    let test = TestOrg::start().await;
    let (mut browser, path, page) = with_new_service(&test).await;
    let page = browser.submit(&page, &format!("{path}/keys/generate"), &[("alg", "ES256")]).await;
    let jwk: Value = serde_json::from_str(&shown(&page, "jwk")).unwrap();
    let secret = jwk["d"].as_str().unwrap();
    for tab in ["", "/scopes", "/roles", "/program"] {
        let page = browser.open(&format!("{path}{tab}")).await;
        assert!(!page.html.contains(secret) && !page.html.contains("PRIVATE KEY"), "{tab}");
    }
    for list in ["/api/v1/apps", "/api/v1/logs"] {
        let answer = test.administer(Method::GET, list, None).await;
        assert!(!answer.json.to_string().contains(secret), "{list}");
    }
}

#[tokio::test]
async fn a_key_that_is_pasted_is_public_or_refused_and_never_shown_again() {
    let test = TestOrg::start().await;
    let (mut browser, path, page) = with_new_service(&test).await;
    let action = format!("{path}/keys");
    let key = es256();
    let private = key.private_key().to_jwk().unwrap();
    let pem = key.private_key().to_pkcs8_pem().unwrap();
    let bare: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    for (text, problem, is_kept) in [
        ("nonsense", "This is not a JWK", false),
        ("{'kty':'EC','d':'S'}", "This is not a JWK", false),
        (bare.trim(), "This is not a JWK", false),
        ("{\"kty\":\"EC\",\"\\u0064\":\"S\"}", "must stay with the application", false),
        (
            "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"p\":\"S\",\"q\":\"S\"}",
            "must stay with the application",
            false,
        ),
        ("{\"kty\":\"AKP\",\"pub\":\"x\",\"priv\":\"S\"}", "must stay with the application", false),
        ("{\"kty\":\"EC\",\"unknown\":\"S\"}", "problem", false),
        ("{\"kty\":\"EC\",\"kid\":{\"d\":\"S\"}}", "problem", false),
        ("{\"kty\":\"EC\"}", "problem", true),
        (&private, "must stay with the application", false),
        (&pem, "This is not a JWK", false),
    ] {
        let shown = browser.submit(&page, &action, &[("jwks", text)]).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{problem}");
        assert!(shown.html.contains(problem), "{problem}: {}", shown.html);
        let expected = if is_kept { text } else { "" };
        assert_eq!(shown.form(&action)["jwks"], expected, "{text}");
    }
    let public = key.public_key().jwk().to_json();
    let added = browser.submit(&page, &action, &[("jwks", &public)]).await;
    assert_eq!(added.location(), format!("{path}?done=key-added"));
    let again = browser.submit(&page, &action, &[("jwks", &public)]).await;
    assert!(again.html.contains("already has a key"), "{again:?}");

    let id = test.org.store().keys_of(&app(&test, &path).client_id).unwrap().unwrap()[0].id.clone();
    let action = format!("{path}/keys/{id}");
    let page = browser.open(&path).await;
    for (action, field) in [
        (action.clone(), "action"),
        (format!("{path}/status"), "status"),
        (format!("{path}/keys/generate"), "alg"),
    ] {
        let refused = browser.submit(&page, &action, &[(field, "nonsense")]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{field}");
    }
    let of_client = || app(&test, &path);
    assert_eq!((of_client().status, of_client().keys.keys().len()), (AppStatus::Active, 1));
    for (change, done) in [
        ("deactivate", "key-deactivated"),
        ("activate", "key-activated"),
        ("deactivate", "key-deactivated"),
        ("delete", "key-deleted"),
    ] {
        let changed = browser.submit(&page, &action, &[("action", change)]).await;
        assert_eq!(changed.location(), format!("{path}?done={done}"));
    }
    assert_eq!(events(&test, 1).await, ["app.oauth2.client.lifecycle.key.delete"]);
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_and_what_was_typed_stays() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let page = browser.open(NEW).await;
    let typed =
        [("label", ""), ("application_type", "web"), ("redirect_uris", "no uri\r\nhttps://a.example/cb")];
    let shown = browser.submit(&page, NEW, &typed).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    for part in [
        "id=\"label-problem\" class=\"problem\">The field cannot be left blank.",
        "id=\"redirect_uris-problem\" class=\"problem\">Must be absolute URIs",
        "aria-invalid=\"true\" aria-describedby=\"redirect_uris-problem\"",
        "<a href=\"#redirect_uris\">Sign-in redirect URIs</a>",
    ] {
        assert!(shown.html.contains(part), "{part} is not in {}", shown.html);
    }
    let form = shown.form(NEW);
    assert_eq!(form["application_type"], "web");
    assert_eq!(form["redirect_uris"].replace('\r', ""), "no uri\nhttps://a.example/cb");

    let (mut browser, path, page) = with_new_service(&test).await;
    let shown = browser.submit(&page, &path, &[("label", &"x".repeat(101))]).await;
    assert_eq!((shown.status, shown.form(&path)["label"].len()), (StatusCode::BAD_REQUEST, 101));
    let scopes = format!("{path}/scopes");
    for scope in ["users.read", "okta.users read", "okta.user.read", "okta.\"><script>"] {
        let page = browser.open(&scopes).await;
        let shown = browser.submit(&page, &scopes, &[("scopeId", scope)]).await;
        assert_eq!((shown.status, &*shown.form(&scopes)["scopeId"]), (StatusCode::BAD_REQUEST, scope));
        assert!(!shown.html.contains("<script"), "{}", shown.html);
    }
    let authentication = format!("{path}/authentication");
    let keyless = [("token_endpoint_auth_method", "private_key_jwt")];
    let shown = browser.submit(&page, &authentication, &keyless).await;
    assert!(shown.html.contains("needs a public key"), "{shown:?}");
}

#[tokio::test]
async fn each_type_of_application_has_what_oktas_console_gives_it() {
    use ApplicationType as T;
    use TokenEndpointAuthMethod as M;
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    for (kind, method, pkce_required, dpop) in [
        (T::Service, M::ClientSecretBasic, false, true),
        (T::Web, M::ClientSecretBasic, false, false),
        (T::Native, M::None, true, false),
        (T::Browser, M::None, true, false),
    ] {
        let page = browser.open(NEW).await;
        let typed =
            [("label", "it"), ("application_type", kind.name()), ("redirect_uris", "https://a.example/cb")];
        let created = browser.submit(&page, NEW, &typed).await;
        let path = created.location().split('?').next().unwrap();
        let app = app(&test, path);
        let made =
            (app.client.application_type, app.client.token_endpoint_auth_method, app.client.pkce_required);
        assert_eq!((made, app.dpop_bound_access_tokens), ((kind, method, pkce_required), dpop));
        assert_eq!(app.client.redirect_uris.is_empty(), kind == T::Service);
        for tab in ["", "/assignments", "/scopes", "/roles", "/program"] {
            assert_eq!(browser.open(&format!("{path}{tab}")).await.status, StatusCode::OK, "{kind:?} {tab}");
        }
    }
}

#[tokio::test]
async fn a_secret_is_shown_when_it_is_made_and_only_its_hash_is_kept() {
    let test = TestOrg::start().await;
    let (mut browser, path, page) = with_new_service(&test).await;
    let page = browser.submit(&page, &format!("{path}/secret"), &[]).await;
    assert_eq!((page.status, &page.headers["cache-control"]), (StatusCode::OK, &"no-store".parse().unwrap()));
    let secret = shown(&page, "secret");
    assert!(app(&test, &path).client_secret_hash.unwrap().is_of(&secret), "{secret}");
    assert!(!browser.open(&path).await.html.contains(&secret));
}

#[tokio::test]
async fn an_application_is_deleted_only_after_it_was_deactivated() {
    let test = TestOrg::start().await;
    let (mut browser, path, page) = with_new_service(&test).await;
    let token = page.form(&path)["form_token"].clone();
    let form = [("form_token", token.as_str())];
    let delete = format!("{path}/delete");
    let refused = browser.post(&delete, &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.html.contains("deactivate it first"), "{refused:?}");
    browser.submit(&page, &format!("{path}/status"), &[("status", "INACTIVE")]).await;
    assert_eq!(app(&test, &path).status, AppStatus::Inactive);
    assert_eq!(browser.post(&delete, &form).await.location(), "/admin/apps?done=app-deleted");
    assert_eq!(events(&test, 2).await, ["application.lifecycle.delete", "application.lifecycle.deactivate"]);
    let gone = browser.open(&path).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(gone.html.contains("There is nothing here"), "{gone:?}");
}
