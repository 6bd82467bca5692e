//! The program with keys that are in no file, against `SoftHSM` (`apt-get install softhsm2`); they run when they are
//! asked for (`--ignored`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Ended, Service, USERS, text};

const PIN: &str = "pin-of-the-token";

/// A service whose keys are in a token: they are imported, and their files deleted.
struct InToken {
    service: Service,
    configuration: String,
    client_thumbprint: String,
}

impl InToken {
    fn start() -> Self {
        let service = Service::start();
        let workspace = &service.workspace;
        let client_thumbprint =
            workspace.run(&["keys", "thumbprint", "cc_public_key.json"]).stdout.trim().to_owned();
        workspace.run(&["keys", "new", "--alg", "ES256", "--out", "dpop"]).json();

        fs::create_dir(workspace.path("tokens")).unwrap();
        let configuration = workspace.write(
            "softhsm2.conf",
            &format!(
                "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
                workspace.path("tokens").display()
            ),
        );
        let in_token = Self { configuration: text(&configuration).to_owned(), client_thumbprint, service };
        in_token.util(&["--init-token", "--free", "--label", "services", "--so-pin", "97531", "--pin", PIN]);
        for (name, id) in [("cc", "01"), ("dpop", "02")] {
            let file = in_token.service.workspace.path(&format!("{name}_private_key.pem"));
            let import = ["--import", text(&file), "--token", "services", "--pin", PIN];
            in_token.util(&[&import[..], &["--label", name, "--id", id]].concat());
            fs::remove_file(file).unwrap();
        }
        in_token.service.workspace.write("pin", &format!("{PIN}\n"));
        in_token.service.workspace.make_private("pin");
        let (client, dpop) = (reference("cc", "pin"), reference("dpop", "pin"));
        in_token.set(&client, &dpop);
        in_token
    }

    fn util(&self, arguments: &[&str]) {
        let status = Command::new("softhsm2-util")
            .args(arguments)
            .env("SOFTHSM2_CONF", &self.configuration)
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap_or_else(|error| panic!("softhsm2-util: {error}")).success(), "{arguments:?}");
    }

    fn set(&self, client_key: &str, dpop_key: &str) {
        let settings = self.service.settings().replace("cc_private_key.pem", client_key);
        let settings = format!("{settings}OKTA_DPOP_PRIVATE_KEY_FILE={dpop_key}\n");
        self.service.workspace.write(".env", &settings);
        self.service.workspace.make_private(".env");
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let ended = self.service.workspace.run_with(arguments, &[("SOFTHSM2_CONF", &self.configuration)], "");
        assert!(!format!("{ended:?}").contains(PIN), "{ended:?}");
        ended
    }
}

/// How a key in the token is named.
fn reference(key: &str, pin: &str) -> String {
    let module = std::env::var("SOFTHSM2_MODULE");
    let module = module.unwrap_or_else(|_| "/usr/lib/softhsm/libsofthsm2.so".to_owned());
    format!("pkcs11:token=services;object={key}?module-path={module}&pin-source=file:{pin}")
}

#[test]
#[ignore = "needs SoftHSM, which has to be installed"]
fn whatever_takes_a_key_takes_one_in_a_token() {
    let token = InToken::start();
    assert_eq!(token.run(&["users", "list"]).json().as_array().unwrap().len(), 200);
    let page = format!("{USERS}?limit=1");
    assert_eq!(token.run(&["api", &page]).json().as_array().unwrap().len(), 1);
    assert_eq!(token.run(&["api", &page, "--no-cache"]).json().as_array().unwrap().len(), 1);
    assert_eq!(token.run(&["token"]).code, Some(0));

    let client_key = reference("cc", "pin");
    let thumbprint = token.run(&["keys", "thumbprint", &client_key]);
    assert_eq!(thumbprint.stdout.trim(), token.client_thumbprint, "{thumbprint:?}");
    let shown = token.run(&["keys", "show", &client_key]).json();
    assert_eq!((&shown["private"], &shown["jwk"]["d"]), (&Value::Bool(true), &Value::Null));
    let proof = token.run(&["proof", "--key", &client_key, "--url", "https://api.example/"]);
    assert_eq!(proof.stdout.trim().split('.').count(), 3, "{proof:?}");
}

#[test]
#[ignore = "needs SoftHSM, which has to be installed"]
fn the_doctor_says_where_the_keys_are() {
    let token = InToken::start();
    let steps = token.run(&["doctor"]).json();
    let keys = steps.as_array().unwrap().iter().find(|step| step["step"] == "keys").unwrap();
    assert_eq!(keys["outcome"], "ok", "{steps}");
    let found = keys["found"].as_str().unwrap();
    assert_eq!(found.matches("in a PKCS#11 token").count(), 2, "{found}");
    assert!(found.contains(&token.client_thumbprint), "{found}");
}

#[test]
#[ignore = "needs SoftHSM, which has to be installed"]
fn what_shows_a_request_shows_the_reference_and_no_pin() {
    let token = InToken::start();
    for arguments in [["api", USERS, "--curl"], ["api", USERS, "--dry-run"]] {
        let ended = token.run(&arguments);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let curl = token.run(&["api", USERS, "--curl"]);
    assert!(curl.stdout.contains(&reference("dpop", "pin")), "{curl:?}");
}

#[test]
#[ignore = "needs SoftHSM, which has to be installed"]
fn a_key_that_can_not_be_had_is_told_with_what_to_do() {
    let token = InToken::start();
    let (client, dpop) = (reference("cc", "pin"), reference("dpop", "pin"));
    token.service.workspace.write("wrong", "0000\n");
    token.service.workspace.make_private("wrong");
    token.service.workspace.write("open", "0000\n");
    for (client_key, words) in [
        (reference("cc", "wrong"), vec!["CKR_PIN_INCORRECT", "a PKCS#11 token"]),
        (reference("cc", "open"), vec!["read by other users", "chmod 600"]),
        (reference("cc", "absent"), vec!["the PIN can't be read", "absent"]),
        (reference("other", "pin"), vec!["no private key", "`cc`"]),
        ("pkcs11:token=services".to_owned(), vec!["no module", "docs/signers.md"]),
    ] {
        token.set(&client_key, &dpop);
        token.run(&["users", "list"]).assert_failed(4, &words);
    }
    token.set(&client, &dpop);
    token.run(&["keys", "rotate"]).assert_failed(4, &["a PKCS#11 token", "keybound apps add-key"]);
    token.run(&["keys", "thumbprint", "pkcs11:object=cc"]).assert_failed(4, &["no module"]);
}
