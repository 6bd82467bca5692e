//! `keybound doctor`: each fault is found at its step, with the exit code of its sort and words that help.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod refusing_org;
mod support;

use refusing_org::{Answer, Asked, ScriptedOrg};
use serde_json::Value;
use support::{Ended, SCOPE, Service, Workspace, token_or_key};

/// What a run printed: the steps, and the code that it ended with.
struct Examined {
    ended: Ended,
    steps: Vec<Value>,
}

impl Examined {
    fn of(ended: Ended) -> Self {
        let shown = [&ended.stdout, &ended.stderr].map(|text| token_or_key(text));
        assert_eq!(shown, [None, None], "{ended:?}");
        let steps = serde_json::from_str(&ended.stdout).unwrap();
        Self { ended, steps }
    }

    fn names(&self, outcome: &str) -> Vec<&str> {
        let fitting = self.steps.iter().filter(|step| step["outcome"] == outcome);
        fitting.map(|step| step["step"].as_str().unwrap()).collect()
    }

    fn step(&self, name: &str) -> &Value {
        let mut steps = self.steps.iter();
        steps.find(|step| step["step"] == name).unwrap_or_else(|| panic!("no step {name}: {:?}", self.ended))
    }

    /// The first step that failed is this one; it has the words, a cause and something to do, and the code is its.
    fn assert_failed(&self, code: i32, step: &str, words: &[&str]) {
        assert_eq!(self.ended.code, Some(code), "{:?}", self.ended);
        assert_eq!(self.names("failed").first(), Some(&step), "{:?}", self.ended);
        let step = self.step(step);
        for member in ["found", "why", "next"] {
            assert!(step[member].as_str().is_some_and(|text| !text.is_empty()), "{member} is not in {step}");
        }
        let all = step.to_string();
        for words in words {
            assert!(all.contains(words), "{words} is not in {all}");
        }
    }
}

impl Service {
    fn examine(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Examined {
        let arguments = [&["doctor"], arguments].concat();
        Examined::of(self.workspace.run_with(&arguments, environment, ""))
    }
}

#[test]
fn where_all_is_well_each_step_says_so() {
    let service = Service::start();
    let examined = service.examine(&["--probe-bearer"], &[]);
    assert_eq!(examined.ended.code, Some(0), "{:?}", examined.ended);
    let expected = [
        "settings",
        "keys",
        "org",
        "proof algorithm",
        "clock",
        "client",
        "scopes",
        "token",
        "bearer",
        "call okta.users.read",
        "rate limit",
    ];
    assert_eq!(examined.names("ok"), expected, "{:?}", examined.ended);
    assert_eq!(examined.steps.len(), expected.len());
    for (step, words) in [
        ("settings", &["OKTA_CLIENT_ID in ", ".env:2", "cc_private_key.pem"][..]),
        ("keys", &["ES256", "file mode 0600", "made for this run"]),
        ("token", &["nonce challenge", "cnf.jkt"]),
        ("bearer", &["refused", "insists"]),
        ("call okta.users.read", &["listUsers", "200"]),
    ] {
        let found = examined.step(step)["found"].as_str().unwrap();
        assert!(words.iter().all(|words| found.contains(words)), "{step}: {found}");
    }
    let quiet = service.examine(&[], &[]);
    assert!(!quiet.names("ok").contains(&"bearer"), "no Bearer token is asked for without being told to");
}

#[test]
fn settings_and_keys_come_first() {
    let workspace = Workspace::new();
    Examined::of(workspace.run(&["doctor"])).assert_failed(3, "settings", &["OKTA_ORG_URL", "keybound init"]);
    let service = Service::start();
    service.workspace.write("text.pem", "hello");
    service.workspace.make_private("text.pem");
    for (environment, code, step, words) in [
        (("OKTA_ORG_URL", "example.okta.com"), 3, "settings", &["OKTA_ORG_URL", "https://"][..]),
        (("OKTA_CC_PRIVATE_KEY_FILE", "missing.pem"), 4, "keys", &["missing.pem", "Check the path"]),
        (("OKTA_CC_PRIVATE_KEY_FILE", "text.pem"), 4, "keys", &["text.pem", "PEM"]),
    ] {
        let examined = service.examine(&[], &[environment]);
        examined.assert_failed(code, step, words);
        assert_eq!(examined.names("failed").len(), 1, "nothing is sent: {:?}", examined.ended);
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_read_is_told() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    let service = Service::start();
    let file = service.workspace.path("cc_private_key.pem");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    service.examine(&[], &[]).assert_failed(4, "keys", &["cc_private_key.pem", "0644", "chmod 600"]);

    let accepted = service.examine(&[], &[("KEYBOUND_EXPOSED_KEYS", "accept")]);
    assert_eq!(accepted.ended.code, Some(0), "{:?}", accepted.ended);
    assert_eq!(accepted.names("warning"), ["keys"]);
    assert!(accepted.step("keys")["next"].as_str().unwrap().contains("chmod 600"));
}

#[test]
fn an_org_that_is_not_there_or_is_another_service_is_told() {
    let service = Service::start();
    // Discard's port, at which nobody listens: one that is free now may be another's in a moment.
    let unused = "127.0.0.1:9";
    let gone = format!("http://{unused}");
    service.examine(&[], &[("OKTA_ORG_URL", &gone)]).assert_failed(5, "org", &[&gone, "the org's URL"]);
    let elsewhere = ScriptedOrg::start(|_| Some((404, "{}".to_owned())));
    let other_issuer =
        ScriptedOrg::start(|_| Some((200, r#"{"issuer":"https://other.example"}"#.to_owned())));
    for (url, words) in [(&elsewhere.url, "404"), (&other_issuer.url, "https://other.example")] {
        let examined = service.examine(&[], &[("OKTA_ORG_URL", url)]);
        examined.assert_failed(5, "org", &[words, "not an Okta org"]);
        assert_eq!(examined.names("failed"), ["org"], "no assertion is sent there");
    }
}

#[test]
fn an_issuer_that_is_not_there_or_has_no_scopes_is_told() {
    let service = Service::start();
    let none = format!("{}/oauth2/none", service.org.url);
    let examined = service.examine(&["--issuer", &none], &[]);
    examined.assert_failed(5, "issuer", &["404", "OKTA_OAUTH2_ISSUER"]);
    assert_eq!(examined.names("failed"), ["issuer"], "no assertion is sent there");
    let custom = format!("{}/oauth2/default", service.org.url);
    let unknown = service.examine(&["--issuer", &custom], &[]);
    unknown.assert_failed(8, "scopes", &["unknown to the issuer: okta.users.read", &custom]);
    let unset = service.examine(&["--issuer", &custom], &[("OKTA_SCOPES", " ,")]);
    unset.assert_failed(8, "scopes", &["none are set, and the issuer chooses none"]);
    let days_off = service.examine(&["--issuer", &custom, "--clock-offset", "172800"], &[]);
    days_off.assert_failed(6, "clock", &["17280", "date -u"]);
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
    let examined = Examined::of(workspace.run_with(&["doctor"], &settings, ""));
    examined.assert_failed(5, "org", &["certificate", "KEYBOUND_CA_FILE"]);
    let trusted = [&settings[..], &[("KEYBOUND_CA_FILE", org.ca_file.as_deref().unwrap())]].concat();
    assert_eq!(workspace.run_with(&["doctor"], &trusted, "").code, Some(0));
}

#[test]
fn a_clock_days_off_fails_and_one_hours_off_is_a_warning() {
    let service = Service::start();
    for offset in ["172800", "-172800"] {
        let examined = service.examine(&["--clock-offset", offset], &[]);
        examined.assert_failed(6, "clock", &["17280", "date -u"]);
    }
    let corrected = service.examine(&["--clock-offset", "7200"], &[]);
    assert_eq!(corrected.ended.code, Some(0), "{:?}", corrected.ended);
    assert_eq!(corrected.names("warning"), ["clock"], "{:?}", corrected.ended);
}

#[test]
fn a_client_or_a_key_that_the_org_does_not_know_is_told() {
    let service = Service::start();
    service.workspace.run(&["keys", "new", "--alg", "ES256", "--out", "other"]).json();
    for (environment, words) in [
        (("OKTA_CLIENT_ID", "0oaNoSuchClient00000"), &["invalid_client", "0oaNoSuchClient00000"][..]),
        (("OKTA_CC_PRIVATE_KEY_FILE", "other_private_key.pem"), &["invalid_client", "registered"]),
    ] {
        service.examine(&[], &[environment]).assert_failed(7, "client", words);
    }
}

#[test]
fn the_scopes_that_are_not_granted_are_told_from_those_that_are() {
    let service = Service::start();
    let examined = service.examine(&[], &[("OKTA_SCOPES", "okta.users.read okta.groups.read okta.nonsense")]);
    examined.assert_failed(8, "scopes", &["invalid_scope", "grant"]);
    let why = examined.step("scopes")["why"].as_str().unwrap();
    assert!(why.contains("okta.groups.read okta.nonsense (granted: okta.users.read)"), "{why}");
    for step in ["client", "token", "call okta.users.read"] {
        assert_eq!(examined.step(step)["outcome"], "ok", "it goes on with what is granted: {step}");
    }
    let nothing = service.examine(&["--scope", "okta.groups.read"], &[]);
    nothing.assert_failed(8, "scopes", &["unknown to the org: okta.groups.read"]);
    assert_eq!(nothing.steps.last().unwrap()["step"], "scopes", "there is nothing to go on with");
}

#[test]
fn an_app_is_told_whether_it_takes_tokens_without_proofs() {
    let service = Service::start();
    let off = service.examine(&["--no-dpop"], &[]);
    off.assert_failed(9, "token", &["invalid_dpop_proof", "KEYBOUND_DPOP"]);
    let public = service.workspace.path("cc_public_key.json");
    let lax = service.org.create_app(&service.workspace, &public, "off");
    let probed = service.examine(&["--probe-bearer"], &[("OKTA_CLIENT_ID", &lax)]);
    assert_eq!(probed.ended.code, Some(0), "{:?}", probed.ended);
    assert_eq!(probed.names("warning"), ["bearer"]);
    assert!(probed.step("bearer")["next"].as_str().unwrap().contains("Proof of Possession"));
    let bearer = service.examine(&["--no-dpop"], &[("OKTA_CLIENT_ID", &lax)]);
    assert_eq!(bearer.ended.code, Some(0), "{:?}", bearer.ended);
    assert_eq!(bearer.names("warning"), ["keys", "token"], "Bearer works, and is said to");
}

#[test]
fn a_missing_admin_role_is_told_by_the_call() {
    let forbidden = |asked: &Asked| -> Option<Answer> {
        asked.line.starts_with("GET /api/v1/").then(|| {
            (403, r#"{"errorCode":"E0000006","errorSummary":"You do not have permission"}"#.to_owned())
        })
    };
    let org = ScriptedOrg::start(forbidden);
    let workspace = Workspace::new();
    workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]).json();
    let settings = [
        ("OKTA_ORG_URL", org.url.as_str()),
        ("OKTA_CLIENT_ID", "0oa1"),
        ("OKTA_SCOPES", "okta.groups.read"),
        ("OKTA_CC_PRIVATE_KEY_FILE", "cc_private_key.pem"),
    ];
    let examined = Examined::of(workspace.run_with(&["doctor"], &settings, ""));
    let words = ["E0000006", "no admin role", "Admin roles", "okta.groups.read"];
    examined.assert_failed(10, "call okta.groups.read", &words);
    let token = examined.step("token")["found"].as_str().unwrap();
    assert!(token.contains("no JWT"), "what can't be looked at is said to be so: {token}");
    assert_eq!(examined.names("warning"), ["clock"], "an answer without Date tells no time");
    let calls: Vec<_> = org.lines().into_iter().filter(|line| line.contains("/api/")).collect();
    assert_eq!(calls, ["GET /api/v1/groups?limit=1"], "one call, which changes nothing");
}

#[test]
fn a_token_that_is_not_bound_to_the_key_of_its_proof_is_told() {
    let workspace = Workspace::new();
    workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]).json();
    for (claims, words, why) in [
        (
            r#"{"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}"#,
            "another key",
            "of another proof",
        ),
        (r#"{"sub":"0oa1"}"#, "no cnf.jkt", "bound to nothing"),
    ] {
        let part = |text: &str| keybound::base64url::encode(text);
        let jwt = format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(claims), part("signature"));
        let granted = format!(r#"{{"access_token":"{jwt}","token_type":"DPoP","expires_in":3600}}"#);
        let org = ScriptedOrg::start(move |asked| {
            (asked.line == "POST /oauth2/v1/token").then(|| (200, granted.clone()))
        });
        let settings = [
            ("OKTA_ORG_URL", org.url.as_str()),
            ("OKTA_CLIENT_ID", "0oa1"),
            ("OKTA_CC_PRIVATE_KEY_FILE", "cc_private_key.pem"),
        ];
        let examined = Examined::of(workspace.run_with(&["doctor"], &settings, ""));
        examined.assert_failed(9, "token", &[words, "not bound to our key"]);
        let scopes = examined.step("scopes")["found"].as_str().unwrap();
        assert!(scopes.contains("okta.users.read (none are set"), "{why}: {scopes}");
    }
}
