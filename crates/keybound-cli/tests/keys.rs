//! `keybound keys`, `keybound proof` and `keybound inspect`, without any org.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Workspace, text};

const TARGET: [&str; 4] = ["--method", "GET", "--url", "https://api.example/orders?limit=2"];

fn new_key(workspace: &Workspace, algorithm: &str, prefix: &str) -> Value {
    workspace.run(&["keys", "new", "--alg", algorithm, "--out", prefix]).json()
}

/// `keybound VERB --method … --url … MORE`.
fn with_target<'a>(verb: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [verb, &TARGET, more].concat()
}

fn outcome<'a>(inspected: &'a Value, source: &str) -> Vec<&'a str> {
    let rules = inspected["rules"].as_array().unwrap().iter();
    rules.filter(|rule| rule["source"] == source).map(|rule| rule["outcome"].as_str().unwrap()).collect()
}

#[cfg(unix)]
#[test]
fn a_private_key_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let workspace = Workspace::new();
    new_key(&workspace, "ES256", "a");
    let mode = |name| fs::metadata(workspace.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("a_private_key.pem"), 0o600);

    fs::set_permissions(workspace.path("a_private_key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    workspace
        .run(&with_target(&["proof", "--key", "a_private_key.pem"], &[]))
        .assert_failed(4, &["a_private_key.pem", "0644", "chmod 600 a_private_key.pem"]);
}

#[test]
fn a_public_key_is_ready_to_be_registered() {
    let workspace = Workspace::new();
    for (algorithm, kty) in [("RS256", "RSA"), ("ES256", "EC"), ("ES512", "EC"), ("EdDSA", "OKP")] {
        let made = new_key(&workspace, algorithm, algorithm);
        let public = workspace.path(&format!("{algorithm}_public_key.json"));
        let jwk: Value = serde_json::from_str(&fs::read_to_string(public).unwrap()).unwrap();
        assert_eq!((&jwk["kty"], &jwk["alg"], &jwk["use"]), (&kty.into(), &algorithm.into(), &"sig".into()));
        assert_eq!(jwk["kid"], made["kid"]);
        assert_eq!(jwk.get("d"), None);

        let private = format!("{algorithm}_private_key.pem");
        let shown = workspace.run(&["keys", "show", &private]);
        assert_eq!(shown.json()["thumbprint"], made["kid"], "{algorithm}");
        assert!(!shown.stdout.contains("PRIVATE") && shown.json()["jwk"].get("d").is_none(), "{algorithm}");
    }
}

#[test]
fn keys_are_never_overwritten_and_never_half_a_pair() {
    for (there, other) in
        [("a_private_key.pem", "a_public_key.json"), ("a_public_key.json", "a_private_key.pem")]
    {
        let workspace = Workspace::new();
        workspace.write(there, "mine");
        workspace
            .run(&["keys", "new", "--alg", "ES256", "--out", "a"])
            .assert_failed(15, &[there, "is there already", "another name"]);
        assert_eq!(fs::read_to_string(workspace.path(there)).unwrap(), "mine");
        assert!(!workspace.path(other).exists(), "{other}");
    }
    let workspace = Workspace::new();
    workspace.run(&["keys", "new", "--out", "no/such/folder/a"]).assert_failed(4, &["no/such/folder"]);
}

#[test]
fn a_key_is_the_same_in_every_form() {
    let workspace = Workspace::new();
    for (algorithm, prefix) in [("RS256", "r"), ("ES512", "e"), ("EdDSA", "d")] {
        let kid = new_key(&workspace, algorithm, prefix)["kid"].as_str().unwrap().to_owned();
        let private = format!("{prefix}_private_key.pem");
        let jwk = format!("{prefix}.jwk");
        workspace.run(&["keys", "convert", &private, "--to", "jwk", "--out", &jwk]).json();
        let again = workspace.run(&["keys", "convert", &jwk, "--to", "pem", "--stdout"]);
        assert_eq!(again.stdout, fs::read_to_string(workspace.path(&private)).unwrap(), "{algorithm}");
        for form in ["public-pem", "public-jwk"] {
            let public = workspace.run(&["keys", "convert", &jwk, "--to", form]);
            assert!(!public.stdout.contains("PRIVATE") && !public.stdout.contains("\"d\""), "{public:?}");
            workspace.write("public", &public.stdout);
            assert_eq!(workspace.run(&["keys", "thumbprint", "public"]).stdout.trim(), kid, "{form}");
        }
    }
}

#[test]
fn a_private_key_is_written_to_its_owner_alone() {
    let workspace = Workspace::new();
    new_key(&workspace, "ES256", "a");
    let convert =
        |more: &[&str]| workspace.run(&[&["keys", "convert", "a_private_key.pem", "--to"], more].concat());
    convert(&["jwk"]).assert_failed(2, &["without being told to", "--out FILE", "--stdout"]);
    convert(&["jwk", "--out", "a.jwk"]).json();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let mode = |name| fs::metadata(workspace.path(name)).unwrap().permissions().mode() & 0o777;
        convert(&["public-jwk", "--out", "a.public"]).json();
        assert_eq!((mode("a.jwk"), mode("a.public")), (0o600, 0o644));
    }
    convert(&["pem", "--out", "a.jwk"]).assert_failed(15, &["a.jwk", "is there already"]);
    let public = workspace.run(&["keys", "convert", "a_public_key.json", "--to", "pem", "--stdout"]);
    assert_eq!((public.code, public.stdout.as_str()), (Some(4), ""), "a public key has no private half");
}

#[test]
fn an_encrypted_key_is_decrypted_with_the_passphrase_of_the_environment() {
    use keybound::random::OperatingSystem;
    use keybound::{KeyKind, PrivateKey};

    let workspace = Workspace::new();
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    workspace.write("locked.pem", &key.to_encrypted_pkcs8_pem(b"open", &OperatingSystem).unwrap());
    let convert = |form, environment: &[(&str, &str)]| {
        workspace.run_with(&["keys", "convert", "locked.pem", "--to", form, "--stdout"], environment, "")
    };
    let opened = convert("pem", &[("KEYBOUND_KEY_PASSPHRASE", "open")]);
    assert_eq!(opened.stdout, *key.to_pkcs8_pem().unwrap());
    let public = convert("public-pem", &[("KEYBOUND_KEY_PASSPHRASE", "open")]);
    assert_eq!(public.stdout, key.public_key().to_pem());
    convert("pem", &[]).assert_failed(4, &["locked.pem is encrypted", "KEYBOUND_KEY_PASSPHRASE"]);
    convert("pem", &[("KEYBOUND_KEY_PASSPHRASE", "closed")]).assert_failed(4, &["check the passphrase"]);

    // Wherever a private key is read; in a pipe nobody is asked.
    let proof = ["proof", "--key", "locked.pem", "--url", "https://api.example/"];
    workspace.run(&proof).assert_failed(4, &["locked.pem is encrypted", "KEYBOUND_KEY_PASSPHRASE"]);
    let environment = [("KEYBOUND_KEY_PASSPHRASE", "open")];
    let thumbprint = workspace.run_with(&["keys", "thumbprint", "locked.pem"], &environment, "");
    assert_eq!(thumbprint.stdout.trim(), key.public_key().thumbprint().to_string());
    assert_eq!(workspace.run_with(&proof, &environment, "").code, Some(0));
}

#[test]
fn what_is_no_key_is_told() {
    let workspace = Workspace::new();
    for (content, words) in [
        ("", "not a public key"),
        ("hello", "not a public key"),
        ("{}", "not a public key"),
        (r#"{"kty":"oct","k":"c2VjcmV0"}"#, "not a public key"),
        (&"x".repeat(100_000), "too long"),
    ] {
        let file = workspace.write("a", content);
        workspace.run(&["keys", "show", text(&file)]).assert_failed(4, &[words]);
    }
    workspace.run(&["keys", "show", "missing"]).assert_failed(4, &["missing", "keybound keys new"]);
    workspace.run(&["keys", "new", "--alg", "HS256", "--out", "a"]).assert_usage();
}

#[test]
fn a_proof_that_was_made_here_is_accepted_here() {
    let workspace = Workspace::new();
    for algorithm in ["RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"] {
        let made = new_key(&workspace, algorithm, algorithm);
        let key = format!("{algorithm}_private_key.pem");
        let more = ["--alg", algorithm, "--access-token", "a-token", "--nonce", "a-nonce"];
        let proof = workspace.run(&with_target(&["proof", "--key", &key], &more));
        assert_eq!(proof.code, Some(0), "{proof:?}");

        let known = ["--access-token", "a-token", "--nonce", "a-nonce"];
        let inspected = workspace.run_with(&with_target(&["inspect"], &known), &[], &proof.stdout).json();
        assert_eq!(inspected["accepted"], true, "{algorithm}: {inspected}");
        assert_eq!(inspected["claims"]["htu"], "https://api.example/orders");
        assert_eq!(inspected["thumbprint"], made["kid"]);
        assert_eq!(outcome(&inspected, "RFC 9449 section 4.3, check 9"), ["passed"]);
        assert_eq!(outcome(&inspected, "RFC 9449 section 4.3, check 10"), ["passed"]);
        assert_eq!(outcome(&inspected, "RFC 9449 section 4.3, check 12"), ["passed", "not_checked"]);
    }
}

#[test]
fn a_proof_is_held_to_every_rule_and_not_only_the_first() {
    let workspace = Workspace::new();
    new_key(&workspace, "ES256", "a");
    let proof = workspace.run(&with_target(&["proof", "--key", "a_private_key.pem"], &[])).stdout;
    let request =
        ["inspect", "--method", "POST", "--url", "https://api.example/other", "--access-token", "t"];
    let late = ["--nonce", "n", "--clock-offset", "3600"];
    let ended = workspace.run_with(&[&request[..], &late].concat(), &[], &proof);
    assert_eq!(ended.code, Some(13), "{ended:?}");
    assert!(ended.stderr.contains("breaks 5 rules"), "{ended:?}");
    let inspected: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(inspected["accepted"], false);
    for check in [8, 9, 10, 11] {
        assert_eq!(
            outcome(&inspected, &format!("RFC 9449 section 4.3, check {check}")),
            ["failed"],
            "{check}"
        );
    }
    assert_eq!(outcome(&inspected, "RFC 9449 section 4.3, check 6"), ["passed"]);
}

#[test]
fn a_client_assertion_and_an_access_token_are_told_apart_and_held_to_their_rules() {
    let workspace = Workspace::new();
    let inspect = |header: &str, claims: &str, more: &[&str]| {
        let text = format!("{}.{}.AAAA", encoded(header), encoded(claims));
        let ended = workspace.run_with(&[&["inspect"], more].concat(), &[], &text);
        (ended.code, serde_json::from_str::<Value>(&ended.stdout).unwrap())
    };
    let at = ["--at", "1800000000"];

    let claims = r#"{"iss":"0oa1","sub":"0oa1","aud":"https://o.example/token","exp":1800000060,"jti":"x"}"#;
    let (code, found) = inspect(r#"{"alg":"ES256"}"#, claims, &at);
    assert_eq!((code, &found["kind"]), (Some(0), &"client assertion".into()), "{found}");
    assert_eq!(outcome(&found, "RFC 7523 section 3, rules 4 to 6"), ["passed"]);
    let late = [&at[..], &["--audience", "https://p.example/token", "--clock-offset", "0"]].concat();
    let (code, found) = inspect(r#"{"alg":"ES256"}"#, &claims.replace("60", "00"), &late);
    assert_eq!(code, Some(13), "{found}");
    assert_eq!(outcome(&found, "RFC 7523 section 3, rule 3"), ["failed"]);

    let claims = r#"{"iss":"https://o.example","sub":"0oa1","aud":"https://o.example","exp":1799999000,
        "cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}"#;
    let (code, found) = inspect(r#"{"alg":"RS256","typ":"at+jwt"}"#, claims, &at);
    assert_eq!((code, &found["kind"]), (Some(13), &"access token".into()), "{found}");
    assert_eq!(found["thumbprint"], "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert_eq!(outcome(&found, "RFC 9449 section 6.1"), ["passed"]);
}

#[test]
fn a_private_key_in_a_proof_is_not_shown() {
    let workspace = Workspace::new();
    let header = r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"c2VjcmV0"}}"#;
    let text = format!("{}.{}.AAAA", encoded(header), encoded("{}"));
    let ended = workspace.run_with(&["inspect"], &[], &text);
    assert_eq!(ended.code, Some(13));
    assert!(!ended.stdout.contains("c2VjcmV0"), "{}", ended.stdout);
}

#[test]
fn no_input_makes_inspect_panic() {
    let workspace = Workspace::new();
    for input in ["x", "a.b.c", "..", "....", "é.é.é", "eyJ9.eyJ9.", "DPoP: x"] {
        let ended = workspace.run_with(&["inspect"], &[], input);
        assert_eq!(ended.code, Some(13), "{input}: {ended:?}");
    }
    workspace.run_with(&["inspect"], &[], " \n").assert_failed(2, &["standard input is empty"]);
    workspace.run_with(&["inspect"], &[], &"x".repeat(70_000)).assert_failed(2, &["bytes"]);
}

#[cfg(unix)]
#[test]
fn a_pin_that_others_can_read_is_refused_before_the_token_is_asked() {
    use std::os::unix::fs::PermissionsExt as _;

    let workspace = Workspace::new();
    let pin = workspace.write("pin", "8642");
    std::fs::set_permissions(pin, std::fs::Permissions::from_mode(0o640)).unwrap();
    let key = "pkcs11:token=services;object=dpop?module-path=/none.so&pin-source=file:pin";
    workspace.run(&["keys", "show", key]).assert_failed(4, &["the file pin", "0640", "chmod 600"]);
    let proof = ["proof", "--key", key, "--url", "https://api.example/"];
    workspace.run(&proof).assert_failed(4, &["the file pin"]);
    workspace.make_private("pin");
    workspace.run(&["keys", "show", key]).assert_failed(4, &["/none.so"]);
}

fn encoded(json: &str) -> String {
    keybound::base64url::encode(json)
}
