//! `keybound guard check`: what a policy means, and what it would do with a recorded request.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod guard_support;
mod support;

use guard_support::{policy, recorded};
use serde_json::Value;
use support::{Workspace, token_or_key};

const CHECK: [&str; 4] = ["guard", "check", "--policy", "guard.toml"];

/// The outcome of each step.
fn outcomes(told: &Value) -> Vec<(&str, &str)> {
    let steps = told["steps"].as_array().unwrap().iter();
    steps.map(|step| (step["step"].as_str().unwrap(), step["outcome"].as_str().unwrap())).collect()
}

fn check(workspace: &Workspace, more: &[&str]) -> (Option<i32>, Value) {
    let ended = workspace.run(&[&CHECK[..], more].concat());
    let told = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    assert_eq!(token_or_key(&ended.stderr), None, "{ended:?}");
    (ended.code, told)
}

#[test]
fn a_policy_is_told_in_sentences_with_what_is_less_safe() {
    let workspace = Workspace::new();
    policy(&workspace, "[[routes]]\npath = \"/orders\"\nscopes = [\"orders.read\"]\n");
    let (code, told) = check(&workspace, &[]);
    assert_eq!(code, Some(0));
    let meaning = told["meaning"].to_string();
    for words in
        ["https://api.example.com", "jwks.json", "60 s", "/orders needs the scope orders.read", "404"]
    {
        assert!(meaning.contains(words), "{words} is not in {meaning}");
    }
    assert_eq!(told["warnings"], serde_json::json!([]));

    let text = std::fs::read_to_string(workspace.path("guard.toml")).unwrap();
    workspace.write("guard.toml", &format!("accept_bearer_for_unbound_tokens = true\n{text}"));
    let (_, told) = check(&workspace, &[]);
    assert_eq!(told["warnings"].as_array().unwrap().len(), 1, "{told}");

    workspace.write("guard.toml", "resources = [");
    workspace.run(&CHECK).assert_failed(3, &["policy", "line 1", "guard.toml"]);
}

/// Each row: a change of the policy, a sentence that has to be there for it, and one that would be untrue.
#[test]
fn a_policy_is_told_as_the_guard_goes_by_it() {
    let workspace = Workspace::new();
    workspace.write("secret", "secret");
    policy(&workspace, "");
    let text = std::fs::read_to_string(workspace.path("guard.toml")).unwrap();
    let route = "[[routes]]\npath = \"/orders\"\nnonce = true\n";
    let introspection = "[issuers.introspection]\nclient_id = \"guard\"\nclient_secret_file = \"secret\"\n";
    for (changed, told, untrue) in [
        (format!("{text}{route}"), "nonce = true counts only with", ", and a nonce"),
        (
            format!("{text}{route}[nonces]\nrequired = \"by_route\"\n"),
            "/orders needs a good token, and a nonce.",
            "!",
        ),
        (format!("{text}[nonces]\nrequired = \"by_route\"\n"), "no route has nonce = true", ", and a nonce"),
        // A proof for any other path is taken as well.
        (
            text.replace("example.com\"]", "example.com/orders\"]"),
            "for URLs at https://api.example.com.",
            "example.com/orders.",
        ),
        (text.replace("example.com\"]", "example.com/orders\"]"), "a path in them limits nothing", "!"),
        (
            format!("{text}revocation_checked_every_seconds = 60\n{introspection}"),
            "jwks.json, ES256; it is asked every 60 s whether they were revoked",
            "asked about each",
        ),
        (
            format!("{text}{introspection}"),
            "jwks.json, ES256; it is asked about those that are no JWTs",
            "asked about each",
        ),
        (
            format!("{}{introspection}", text.replace("jwks_file = \"jwks.json\"\n", "")),
            "the issuer is asked about each of them",
            "verified by",
        ),
        (
            format!("{text}[cors]\nallowed_origins = [\"https://app.example\", \"http://localhost:3000\"]\n"),
            "Pages of https://app.example or http://localhost:3000 may call from a browser",
            "!",
        ),
        (
            format!("{text}[cors]\nallowed_origins = [\"http://localhost.example\"]\n"),
            "a page that comes over http can be changed",
            "!",
        ),
        (
            format!("{text}[cors]\nallowed_origins = [\"https://app.example\"]\nallow_credentials = true\n"),
            "no key-bound token needs them",
            "!",
        ),
    ] {
        workspace.write("guard.toml", &changed);
        let (_, answer) = check(&workspace, &[]);
        let all = format!("{}{}", answer["meaning"], answer["warnings"]).replace("\\\"", "\"");
        assert!(all.contains(told) && !all.contains(untrue), "{told}: {all}");
    }
}

/// The guard that is asked has secrets of its own, so that nothing said here of a nonce's value would hold there.
#[test]
fn a_nonce_is_told_of_as_far_as_it_can_be_known() {
    let workspace = Workspace::new();
    let nonces = "[nonces]\nrequired = \"always\"\n";
    let caller = policy(&workspace, nonces);
    recorded(&workspace, "request.txt", "/orders", &caller.credentials("GET", "/orders"));
    let rule_10 = |told: &Value| {
        let rules = told["proof"].as_array().unwrap();
        rules.iter().find(|rule| rule["source"].to_string().contains("check 10")).unwrap()["outcome"].clone()
    };
    for (secret, shows_nonce) in [("", false), ("secret_files = [\"nonces\"]\n", true)] {
        workspace.write("nonces", &"A".repeat(43));
        let text = std::fs::read_to_string(workspace.path("guard.toml")).unwrap();
        workspace.write("guard.toml", &format!("{text}{secret}"));
        let (code, told) = check(&workspace, &["--request", "request.txt"]);
        assert_eq!((code, rule_10(&told)), (Some(13), "failed".into()), "the proof has none: {told}");
        let nonce = told["answer"]["headers"]["dpop-nonce"][0].as_str().unwrap();
        assert_eq!(!nonce.contains(' '), shows_nonce, "{nonce}");
    }
    let caller = policy(&workspace, "");
    recorded(&workspace, "request.txt", "/orders", &caller.credentials("GET", "/orders"));
    let (_, told) = check(&workspace, &["--request", "request.txt"]);
    assert_eq!(rule_10(&told), "not_checked", "none is asked for: {told}");
}

#[test]
fn a_request_that_would_be_admitted_passes_every_step_again_and_again() {
    let workspace = Workspace::new();
    let caller = policy(&workspace, "");
    recorded(&workspace, "good.txt", "/orders?limit=2", &caller.credentials("GET", "/orders"));
    for _ in 0..2 {
        let (code, told) = check(&workspace, &["--request", "good.txt"]);
        assert_eq!((code, &told["admitted"]), (Some(0), &true.into()), "{told}");
        let expected = ["target", "route", "credentials", "access token", "proof", "scope"];
        let passed = expected.map(|step| (step, "passed"));
        assert_eq!(outcomes(&told), [&passed[..], &[("replay", "not_checked")]].concat());
        let rules = told["proof"].as_array().unwrap();
        assert_eq!(rules.len(), 19);
        assert!(rules.iter().all(|rule| rule["outcome"] != "failed"), "{told}");
    }
}

#[test]
fn a_request_that_would_be_refused_is_told_with_rule_and_answer() {
    let workspace = Workspace::new();
    let route = "[[routes]]\npath = \"/orders\"\nscopes = [\"orders.write\"]\n[[routes]]\npath = \"/open\"\n\
                 admit_without_token = true\n[[routes]]\npath = \"/mine\"\n";
    let caller = policy(&workspace, route);
    let good = |path: &str| caller.credentials("GET", path);
    for (path, fields, step, status, error) in [
        ("/orders", String::new(), "credentials", 401, Value::Null),
        ("/orders", good("/other"), "proof", 401, "invalid_dpop_proof".into()),
        ("/orders", good("/orders"), "scope", 403, "insufficient_scope".into()),
        ("/nowhere", good("/nowhere"), "route", 404, "invalid_request".into()),
        ("/orders/%2e%2e", good("/orders"), "route", 400, "invalid_request".into()),
        (
            "/mine",
            caller.credentials_with("eyK.e30.AA", "GET", "/mine"),
            "access token",
            401,
            "invalid_token".into(),
        ),
        // Whatever that token is, the proof is for another one.
        ("/mine", good("/mine").replace("DPoP eyJ", "DPoP eyK"), "proof", 401, "invalid_dpop_proof".into()),
    ] {
        recorded(&workspace, "request.txt", path, &fields);
        let (code, told) = check(&workspace, &["--request", "request.txt", "--json"]);
        assert_eq!((code, &told["admitted"]), (Some(13), &false.into()), "{told}");
        let failed = outcomes(&told).into_iter().find(|(_, outcome)| *outcome == "failed");
        assert_eq!(failed, Some((step, "failed")), "{told}");
        assert_eq!(
            (&told["answer"]["status"], &told["answer"]["body"]["error"]),
            (&status.into(), &error),
            "{told}"
        );
        let challenged = !told["answer"]["headers"]["www-authenticate"].is_null();
        assert_eq!(challenged, status != 404, "{told}");
    }
    recorded(&workspace, "request.txt", "/open", "");
    assert_eq!(check(&workspace, &["--request", "request.txt"]).0, Some(0));
}

/// A reverse proxy with `[cors]` answers a preflight itself; without, it is a request like any.
#[test]
fn a_preflight_is_told_as_the_reverse_proxy_answers_it() {
    let workspace = Workspace::new();
    let cors = "[cors]\nallowed_origins = [\"https://app.example\"]\n";
    let asks = "Access-Control-Request-Method: GET\n";
    for (cors, fields, code, status, step, reader) in [
        (
            cors,
            format!("Origin: https://app.example\n{asks}"),
            0,
            204,
            "preflight",
            Some("https://app.example"),
        ),
        (cors, format!("Origin: https://evil.example\n{asks}"), 13, 403, "preflight", None),
        (cors, "Origin: https://app.example\n".to_owned(), 13, 401, "target", Some("https://app.example")),
        ("", format!("Origin: https://app.example\n{asks}"), 13, 401, "target", None),
    ] {
        policy(&workspace, cors);
        workspace.write("request.txt", &format!("OPTIONS /orders HTTP/1.1\nHost: a\n{fields}\n"));
        let (exited, told) = check(&workspace, &["--request", "request.txt"]);
        assert_eq!((exited, &told["answer"]["status"]), (Some(code), &status.into()), "{fields}: {told}");
        assert_eq!((outcomes(&told)[0].0, &told["admitted"]), (step, &false.into()), "{fields}: {told}");
        let named = &told["answer"]["headers"]["access-control-allow-origin"][0];
        assert_eq!(named.as_str(), reader, "{fields}: {told}");
    }
}

#[test]
fn metadata_is_told_as_the_reverse_proxy_answers_it() {
    let workspace = Workspace::new();
    policy(&workspace, "");
    for (path, code, status, step) in [
        ("/.well-known/oauth-protected-resource", 0, 200, "metadata"),
        ("/.well-known/oauth-protected-resource/other", 13, 401, "target"),
    ] {
        recorded(&workspace, "request.txt", path, "");
        let (exited, told) = check(&workspace, &["--request", "request.txt"]);
        assert_eq!((exited, &told["answer"]["status"]), (Some(code), &status.into()), "{path}: {told}");
        assert_eq!((outcomes(&told)[0].0, &told["admitted"]), (step, &false.into()), "{path}: {told}");
    }
}

#[test]
fn a_warning_is_told_once() {
    let workspace = Workspace::new();
    policy(&workspace, "");
    let text = std::fs::read_to_string(workspace.path("guard.toml")).unwrap();
    workspace.write("guard.toml", &format!("answers_ended_at_expiry = \"none\"\n{text}"));
    let (_, told) = check(&workspace, &[]);
    assert_eq!(told["warnings"].as_array().unwrap().len(), 1, "{told}");
}

#[test]
fn a_request_is_held_to_the_time_when_it_was_recorded() {
    let workspace = Workspace::new();
    let caller = policy(&workspace, "");
    let good = caller.credentials("GET", "/orders");
    let long_ago = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    recorded(&workspace, "old.txt", "/orders", &format!("{good}{long_ago}"));
    let (code, told) = check(&workspace, &["--request", "old.txt"]);
    assert_eq!((code, &told["at"]), (Some(13), &784_111_777.into()), "{told}");
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
    assert_eq!(check(&workspace, &["--request", "old.txt", "--at", &now]).0, Some(0));
}

#[test]
fn what_is_no_request_is_told_without_showing_it() {
    let workspace = Workspace::new();
    policy(&workspace, "");
    let check = |input: &str| workspace.run_with(&[&CHECK[..], &["--request", "-"]].concat(), &[], input);
    check("DPoP eyJsecret").assert_failed(2, &["no HTTP request", "first line"]);
    check("GET / HTTP/1.1\neyJsecret\n").assert_failed(2, &["line 2"]);
    assert_eq!(check("GET / HTTP/1.1\nHost: a\n\n").code, Some(13));
    workspace
        .run(&[&CHECK[..], &["--request", "missing.txt"]].concat())
        .assert_failed(2, &["missing.txt", "`-`"]);
}
