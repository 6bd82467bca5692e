//! A service whose issuer gave it a secret in place of a key: every verb that asks for tokens, and what goes wrong.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod refusing_org;
mod sidecar;
mod support;

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, OnceLock};

use refusing_org::{Answer, Asked, ScriptedOrg};
use serde_json::json;
use sidecar::Sidecar;
use support::{Ended, Workspace};

const SECRET: &str = "7Fjfp0ZBr1KtDRbnfVdmIw-secret";
/// `client:` and the secret.
const BASIC: &str = "Basic Y2xpZW50OjdGamZwMFpCcjFLdERSYm5mVmRtSXctc2VjcmV0";

/// An issuer that knows the secret, and an API that takes its tokens.
struct Issuer {
    server: ScriptedOrg,
    workspace: Workspace,
}

impl Issuer {
    /// `more` stands in its metadata.
    fn start(more: &'static str) -> Self {
        let origin = Arc::new(OnceLock::<String>::new());
        let own = Arc::clone(&origin);
        let server =
            ScriptedOrg::start(move |asked| answer(asked, own.get().map_or("", String::as_str), more));
        origin.set(server.url.clone()).unwrap();
        let workspace = Workspace::new();
        workspace.write("secret", &format!("{SECRET}\n"));
        workspace.make_private("secret");
        workspace.run(&["keys", "new", "--alg", "ES256", "--out", "dpop"]).json();
        Self { server, workspace }
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        let own = [("OKTA_OAUTH2_ISSUER", self.server.url.as_str()), ("OKTA_CLIENT_ID", "client")];
        let ended = self.workspace.run_with(arguments, &[&own, environment].concat(), "a token\n");
        for secret in [SECRET, BASIC] {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{ended:?}");
        }
        ended
    }
}

fn answer(asked: &Asked, origin: &str, more: &str) -> Option<Answer> {
    let form: HashMap<String, String> =
        url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str);
    let by_form = field("client_id") == Some("client") && field("client_secret") == Some(SECRET);
    let by_header = asked.authorization.as_deref() == Some(BASIC);
    let is_known = if more.contains("_post") { by_form && !by_header } else { by_header && !by_form };
    match asked.line.as_str() {
        "GET /.well-known/oauth-authorization-server" => Some((
            200,
            format!(
                r#"{{"issuer":"{origin}","token_endpoint":"{origin}/oauth2/v1/token","revocation_endpoint":"{origin}/revoke"{more}}}"#
            ),
        )),
        "POST /oauth2/v1/token" | "POST /revoke" if !is_known => {
            Some((401, r#"{"error":"invalid_client"}"#.to_owned()))
        }
        "POST /revoke" => Some((200, String::new())),
        "GET /things" if asked.authorization.as_deref() == Some("DPoP opaque") => {
            Some((200, "[]".to_owned()))
        }
        _ => None,
    }
}

const POST_ALONE: &str =
    r#","token_endpoint_auth_methods_supported":["private_key_jwt","client_secret_post"]"#;

#[test]
fn every_verb_authenticates_as_the_issuer_takes_it() {
    for more in ["", r#","token_endpoint_auth_methods_supported":["client_secret_basic"]"#, POST_ALONE] {
        let issuer = Issuer::start(more);
        let things = format!("{}/things", issuer.server.url);
        let secret = [("OKTA_CLIENT_SECRET", SECRET)];
        let in_file = [("OKTA_CLIENT_SECRET_FILE", "secret")];
        for environment in [&secret, &in_file] {
            assert_eq!(issuer.run(&["api", &things], environment).json(), json!([]), "{more}");
            assert_eq!(issuer.run(&["token", "revoke"], environment).json()["revoked"], true, "{more}");
            let who = issuer.run(&["whoami"], environment).json();
            assert_eq!((&who["kind"], &who["is_bound"]), (&json!("app"), &json!(true)), "{more}");
        }
        let token = ["token", "--client-secret-file", "secret", "--key", "dpop_private_key.pem"];
        let token = issuer.run(&token, &[("OKTA_CC_PRIVATE_KEY_FILE", "a flag counts over it")]);
        assert_eq!((token.code, token.stdout.as_str()), (Some(0), "opaque\n"), "{more}: {token:?}");
    }
}

#[test]
fn the_sidecar_lends_what_a_secret_gets() {
    for more in ["", POST_ALONE] {
        let issuer = Issuer::start(more);
        let (url, file) = (issuer.server.url.as_str(), "secret");
        let flags = [
            "--issuer",
            url,
            "--client-id",
            "client",
            "--client-secret-file",
            file,
            "--to",
            url,
            "--no-cache",
        ];
        let answer = Sidecar::start(&issuer.workspace, &flags).get("/things");
        assert_eq!((answer.status, answer.json()), (200, json!([])), "{more}: {answer:?}");
    }
}

#[test]
fn the_doctor_judges_a_secret() {
    let step = |issuer: &Issuer, name: &str, environment: &[(&str, &str)]| {
        let ended = issuer.run(&["doctor"], environment);
        let steps: Vec<serde_json::Value> = serde_json::from_str(&ended.stdout).unwrap();
        let found = steps.into_iter().find(|step| step["step"] == name);
        (ended.code, found.unwrap_or_default())
    };
    let (basic, post) = (Issuer::start(""), Issuer::start(POST_ALONE));
    let other_proofs = Issuer::start(r#","dpop_signing_alg_values_supported":["RS256","ES512"]"#);
    let unknown_proofs = Issuer::start(r#","dpop_signing_alg_values_supported":["ES256K"]"#);
    let right = [("OKTA_CLIENT_SECRET_FILE", "secret")];
    for (issuer, name, environment, code, outcome, words) in [
        (&basic, "keys", &right[..], 0, "ok", &["client secret, file mode 0600, not shown"][..]),
        (&basic, "authentication", &right, 0, "ok", &["does not say", "client_secret_basic"]),
        (&post, "authentication", &right, 0, "ok", &["client_secret_post"]),
        (&basic, "client", &right, 0, "ok", &["takes its secret"]),
        (&other_proofs, "proof algorithm", &right, 0, "ok", &["ES512"]),
        (&other_proofs, "token", &right, 0, "ok", &["DPoP token"]),
        (&unknown_proofs, "proof algorithm", &right, 9, "failed", &["ES256K", "RFC 9449 section 5.1"]),
        (&basic, "keys", &[("OKTA_CLIENT_SECRET", "short")], 7, "warning", &["RFC 6749 section 10.10"]),
        (&basic, "client", &[("OKTA_CLIENT_SECRET", "short")], 7, "failed", &["secret is its own"]),
        (
            &post,
            "authentication",
            &[right[0], ("KEYBOUND_TOKEN_ENDPOINT_AUTH_METHOD", "client_secret_basic")],
            7,
            "failed",
            &["client_secret_basic", "private_key_jwt, client_secret_post"],
        ),
    ] {
        let (ended_with, found) = step(issuer, name, environment);
        assert_eq!((ended_with, &found["outcome"]), (Some(code), &json!(outcome)), "{name}: {found}");
        let all = found.to_string();
        assert!(words.iter().all(|words| all.contains(words)), "{name}: {found}");
    }
    let org = [("OKTA_OAUTH2_ISSUER", ""), ("OKTA_ORG_URL", basic.server.url.as_str()), right[0]];
    let (_, found) = step(&basic, "keys", &org);
    assert!(found["why"].as_str().unwrap().contains("private_key_jwt alone"), "{found}");
}

#[test]
fn a_secret_that_is_wrong_or_in_the_wrong_place_is_told() {
    let issuer = Issuer::start("");
    let things = format!("{}/things", issuer.server.url);
    let call = |environment: &[(&str, &str)]| issuer.run(&["api", &things], environment);
    call(&[("OKTA_CLIENT_SECRET", "another")]).assert_failed(
        7,
        &["invalid_client", "the secret is its own", "KEYBOUND_TOKEN_ENDPOINT_AUTH_METHOD"],
    );
    call(&[("OKTA_CLIENT_SECRET", SECRET), ("OKTA_CC_PRIVATE_KEY_FILE", "cc.pem")])
        .assert_failed(3, &["OKTA_CLIENT_SECRET", "OKTA_CC_PRIVATE_KEY_FILE", "one of"]);
    call(&[]).assert_failed(3, &["OKTA_CC_PRIVATE_KEY_FILE", "OKTA_CLIENT_SECRET_FILE"]);
    call(&[("OKTA_CLIENT_SECRET_FILE", SECRET)])
        .assert_failed(4, &["OKTA_CLIENT_SECRET_FILE", "no such file"]);
    issuer.run(&["keys", "rotate"], &[("OKTA_CLIENT_SECRET", SECRET)]).assert_failed(3, &[".env"]);
    let as_argument = issuer.workspace.run(&["token", "--client-secret", "x"]);
    as_argument.assert_usage();

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let path = issuer.workspace.path("secret");
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        call(&[("OKTA_CLIENT_SECRET_FILE", "secret")]).assert_failed(4, &["0644", "chmod 600"]);
    }
}
