//! Wrong settings, tried as a new user would: each says what failed, why, and what to do, and has an exit
//! code of its own.

mod support;

use support::{Ended, SCOPE, Service, USERS, Workspace};

const SETTINGS: i32 = 3;
const KEY_FILE: i32 = 4;
const CONNECTION: i32 = 5;
const CLOCK: i32 = 6;
const CLIENT: i32 = 7;
const SCOPE_REFUSED: i32 = 8;
const DPOP: i32 = 9;
const API_REFUSED: i32 = 10;

impl Service {
    fn call_with(&self, environment: &[(&str, &str)]) -> Ended {
        self.workspace.run_with(&["api", USERS], environment, "")
    }
}

#[test]
fn a_missing_or_senseless_setting_is_named() {
    let workspace = Workspace::new();
    workspace.run(&["users", "list"]).assert_failed(SETTINGS, &["OKTA_ORG_URL", "keybound init"]);
    workspace
        .run_with(&["users", "list"], &[("OKTA_ORG_URL", "https://example.okta.com")], "")
        .assert_failed(SETTINGS, &["OKTA_CLIENT_ID"]);

    let service = Service::start();
    for (name, value, words) in [
        ("OKTA_ORG_URL", "https://{yourOktaDomain}", &["OKTA_ORG_URL", "placeholder"][..]),
        ("OKTA_ORG_URL", "example.okta.com", &["OKTA_ORG_URL", "https://"]),
        ("OKTA_ORG_URL", "http://example.okta.com", &["OKTA_ORG_URL", "http"]),
        ("OKTA_ORG_URL", "https://example-admin.okta.com", &["OKTA_ORG_URL", "-admin"]),
    ] {
        service.call_with(&[(name, value)]).assert_failed(SETTINGS, words);
    }
    service.workspace.write(".env", "OKTA_ORG_URL\n");
    service.call_with(&[]).assert_failed(SETTINGS, &[".env", "line 1"]);
}

#[test]
fn a_key_file_that_cannot_be_used_is_named() {
    let service = Service::start();
    service
        .call_with(&[("OKTA_CC_PRIVATE_KEY_FILE", "missing.pem")])
        .assert_failed(KEY_FILE, &["OKTA_CC_PRIVATE_KEY_FILE", "missing.pem"]);
    service.workspace.write("text.pem", "hello");
    service.workspace.make_private("text.pem");
    service
        .call_with(&[("OKTA_CC_PRIVATE_KEY_FILE", "text.pem")])
        .assert_failed(KEY_FILE, &["OKTA_CC_PRIVATE_KEY_FILE", "text.pem"]);
}

#[cfg(unix)]
#[test]
fn a_dpop_key_file_of_the_wrong_mode_or_content_is_named() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    let service = Service::start();
    let made = service.workspace.run(&["keys", "new", "--alg", "ES256", "--out", "dpop"]);
    assert_eq!(made.code, Some(0));
    let setting = [("OKTA_DPOP_PRIVATE_KEY_FILE", "dpop_private_key.pem")];
    let file = service.workspace.path("dpop_private_key.pem");
    assert_eq!(service.call_with(&setting).code, Some(0), "the good key");

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    service.call_with(&setting).assert_failed(KEY_FILE, &["dpop_private_key.pem", "644", "chmod 600"]);

    service.workspace.make_private("dpop_public_key.json");
    service
        .call_with(&[("OKTA_DPOP_PRIVATE_KEY_FILE", "dpop_public_key.json")])
        .assert_failed(KEY_FILE, &["OKTA_DPOP_PRIVATE_KEY_FILE", "dpop_public_key.json"]);
}

#[test]
fn an_org_url_where_no_org_is_is_told() {
    let service = Service::start();
    // Discard's port, at which nobody listens: one that is free now may be another's in a moment.
    let unused = "127.0.0.1:9";
    service
        .call_with(&[("OKTA_ORG_URL", &format!("http://{unused}"))])
        .assert_failed(CONNECTION, &[unused, "the org's URL"]);
    service
        .call_with(&[("OKTA_ORG_URL", "https://no-such-org.invalid")])
        .assert_failed(CONNECTION, &["no-such-org.invalid", "the org's URL"]);
    service
        .call_with(&[("OKTA_ORG_URL", &service.org.url.replace("http://", "https://"))])
        .assert_failed(CONNECTION, &["the org's URL"]);
}

#[test]
fn a_certificate_of_an_unknown_authority_is_told() {
    let workspace = Workspace::new();
    let org = support::Org::start_with(&workspace, &[]);
    workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]).json();
    let client_id = org.create_app(&workspace, &workspace.path("cc_public_key.json"), "required");
    let settings = [
        ("OKTA_ORG_URL", org.url.as_str()),
        ("OKTA_CLIENT_ID", &client_id),
        ("OKTA_SCOPES", SCOPE),
        ("OKTA_CC_PRIVATE_KEY_FILE", "cc_private_key.pem"),
    ];
    workspace
        .run_with(&["api", USERS], &settings, "")
        .assert_failed(CONNECTION, &["certificate", "KEYBOUND_CA_FILE"]);
    let trusted = [&settings[..], &[("KEYBOUND_CA_FILE", org.ca_file.as_deref().unwrap())]].concat();
    assert_eq!(workspace.run_with(&["api", USERS], &trusted, "").code, Some(0));
}

#[test]
fn a_clock_days_off_is_told_and_one_hours_off_is_corrected() {
    let service = Service::start();
    for offset in ["172800", "-172800"] {
        service
            .workspace
            .run(&["api", USERS, "--clock-offset", offset])
            .assert_failed(CLOCK, &["clock", "172800 s"]);
    }
    for offset in ["30", "7200", "-7200"] {
        let run = service.workspace.run(&["api", USERS, "--clock-offset", offset]);
        assert_eq!(run.code, Some(0), "corrected: {offset}");
    }
}

#[test]
fn a_key_that_is_not_registered_is_told() {
    let service = Service::start();
    service.workspace.run(&["keys", "new", "--alg", "ES256", "--out", "other"]).json();
    service
        .call_with(&[("OKTA_CC_PRIVATE_KEY_FILE", "other_private_key.pem")])
        .assert_failed(CLIENT, &["invalid_client", "regist"]);
    service
        .call_with(&[("OKTA_CLIENT_ID", "0oaNoSuchClient00000")])
        .assert_failed(CLIENT, &["invalid_client"]);
}

#[test]
fn a_scope_that_is_unknown_or_not_granted_is_told() {
    let service = Service::start();
    for (scope, what_to_do) in [
        ("okta.nonsense", "Okta has none that is called okta.nonsense"),
        ("okta.user.read", "did you mean okta.users.read?"),
        ("okta.groups.read", "Grant the scopes to the app"),
    ] {
        service
            .call_with(&[("OKTA_SCOPES", scope)])
            .assert_failed(SCOPE_REFUSED, &["invalid_scope", what_to_do]);
    }
}

#[test]
fn an_app_that_requires_dpop_gets_none_without() {
    let service = Service::start();
    service.workspace.run(&["api", USERS, "--no-dpop"]).assert_failed(DPOP, &["invalid_dpop_proof", "DPoP"]);
}

#[test]
fn a_refusal_of_the_api_is_told_with_its_body() {
    let service = Service::start();
    let missing = service.workspace.run(&["api", "/api/v1/users/00uNoSuchUser0000000"]);
    assert_eq!(missing.code, Some(API_REFUSED), "{missing:?}");
    assert!(missing.stderr.starts_with("error: the org answered 404 Not Found, E0000007"), "{missing:?}");
    let body: serde_json::Value = serde_json::from_str(&missing.stdout).unwrap();
    assert_eq!(body["errorCode"], "E0000007", "the body is for the script");
    let elsewhere = service.workspace.run(&["api", "https://elsewhere.example/api/v1/users"]);
    elsewhere.assert_failed(2, &["elsewhere.example", &service.org.url]);
}

/// An issuer is told by the same names, and what is not for its tokens gets none.
#[test]
fn an_issuer_that_cannot_be_used_and_an_address_that_its_tokens_are_not_for_are_named() {
    let service = Service::start();
    let custom = format!("{}/oauth2/default", service.org.url);
    let none = format!("{}/oauth2/none", service.org.url);
    let api = "http://127.0.0.1:9/things";
    let issuer = |value: &'static str| [("OKTA_OAUTH2_ISSUER", value)];
    let run = |arguments: &[&str], environment: &[(&str, &str)]| {
        service.workspace.run_with(&[&["api"], arguments].concat(), environment, "")
    };
    for (value, words) in [
        ("https://{yourOktaDomain}/oauth2/default", &["OKTA_OAUTH2_ISSUER", "placeholder"][..]),
        ("example.okta.com/oauth2/default", &["OKTA_OAUTH2_ISSUER", "https://"]),
        ("http://as.example", &["OKTA_OAUTH2_ISSUER", "https"]),
        ("https://example-admin.okta.com/oauth2/default", &["OKTA_OAUTH2_ISSUER", "-admin"]),
    ] {
        run(&[api], &issuer(value)).assert_failed(SETTINGS, words);
    }
    run(&[api, "--issuer", &none], &[]).assert_failed(CONNECTION, &["404", "OKTA_OAUTH2_ISSUER"]);
    let scheme = service.org.url.replace("127.0.0.1", "localhost");
    let other_name = format!("{scheme}/oauth2/default");
    run(&[api, "--issuer", &other_name], &[]).assert_failed(CONNECTION, &["another issuer", "RFC 8414"]);
    run(&[USERS, "--issuer", &custom], &[]).assert_failed(2, &["org's API", &custom, "OKTA_ORG_URL"]);
    let bearer = [api, "--issuer", &custom, "--no-dpop"];
    run(&bearer, &[]).assert_failed(2, &["Bearer", "http://127.0.0.1:9", "--resource"]);
    run(&[api, "--issuer", &custom], &[]).assert_failed(SCOPE_REFUSED, &["invalid_scope", &custom]);
    let settings = [("OKTA_CC_PRIVATE_KEY_FILE", ""), ("OKTA_OAUTH2_ISSUER", custom.as_str())];
    service.workspace.write(".env", "OKTA_CLIENT_ID=0oa1\n");
    run(&[api], &settings).assert_failed(SETTINGS, &["OKTA_CC_PRIVATE_KEY_FILE"]);
    let proxy = service.workspace.run_with(&["proxy"], &settings, "");
    proxy.assert_failed(SETTINGS, &["OKTA_CC_PRIVATE_KEY_FILE"]);
    service.workspace.write(".env", &service.settings());
    service.workspace.run(&["proxy", "--issuer", &custom]).assert_failed(2, &["--to", "OKTA_OAUTH2_ISSUER"]);
}
