//! The program against its own local org: what scripts rely on.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;
use support::{Org, SCOPE, Service, USERS, Workspace, token_or_key};

#[test]
fn the_org_says_in_one_line_where_it_serves_and_ends_when_it_is_asked() {
    let workspace = Workspace::new();
    let org = Org::start(&workspace);
    assert!(org.url.starts_with("http://127.0.0.1:"), "{}", org.url);
    assert_eq!(org.ca_file, None);
    assert!(!org.admin_token.is_empty());
    assert!(org.console_url.starts_with(&format!("{}/admin/sign-in?code=", org.url)), "{}", org.console_url);
    assert_eq!(org.terminate().code(), Some(0));

    let org = Org::start_with(&workspace, &[]);
    assert!(org.url.starts_with("https://"), "{}", org.url);
    let authority = fs::read_to_string(org.ca_file.as_ref().unwrap()).unwrap();
    assert!(authority.contains("BEGIN CERTIFICATE"));
    assert_eq!(org.terminate().code(), Some(0));
}

#[test]
fn apps_and_keys_are_registered_while_the_org_runs() {
    let service = Service::start();
    let Service { workspace, org, client_id } = &service;
    let listed = workspace.run(&["org", "app", "list", "--data", org.data()]).json();
    let app = listed.as_array().unwrap().iter().find(|app| app["client_id"] == client_id.as_str()).unwrap();
    assert_eq!((&app["label"], &app["dpop"]), (&"An app".into(), &"required".into()), "{app}");

    workspace.run(&["keys", "new", "--alg", "RS256", "--out", "second"]).json();
    let with_second = [("OKTA_CC_PRIVATE_KEY_FILE", "second_private_key.pem")];
    assert_eq!(workspace.run_with(&["users", "list"], &with_second, "").code, Some(7), "not yet");
    let add = ["org", "key", "add", "--data", org.data(), "--client-id", client_id];
    workspace.run(&[&add[..], &["--public-jwk", "second_public_key.json"]].concat()).json();
    assert_eq!(workspace.run_with(&["users", "list"], &with_second, "").code, Some(0));
}

#[test]
fn an_org_that_cannot_start_says_why() {
    let workspace = Workspace::new();
    let org = Org::start(&workspace);
    let taken = org.url.trim_start_matches("http://");
    let start =
        |listen: &str| workspace.run(&["org", "start", "--http", "--data", "other", "--listen", listen]);
    start(taken).assert_failed(14, &[taken, "another port"]);
    workspace
        .run(&["org", "start", "--http", "--data", org.data(), "--listen", taken])
        .assert_failed(14, &["another port", "runs with this data already", &org.url]);
    assert!(!workspace.path("other").exists(), "it leaves nothing behind");
    start("0.0.0.0:0").assert_failed(14, &["other machines", "127.0.0.1"]);
    workspace.write("file", "");
    let into_file = ["org", "start", "--http", "--listen", "127.0.0.1:0", "--data", "file"];
    workspace.run(&into_file).assert_failed(14, &["file"]);
    workspace.run(&["org", "app", "list", "--data", "typo"]).assert_failed(14, &["typo", "org start"]);
    assert!(!workspace.path("typo").exists());
}

#[test]
fn a_private_key_is_not_registered() {
    let service = Service::start();
    let create = ["org", "app", "create", "--data", service.org.data(), "--label", "x", "--scope", SCOPE];
    service
        .workspace
        .run(&[&create[..], &["--public-jwk", "cc_private_key.pem"]].concat())
        .assert_failed(4, &["not a public key", "_public_key.json"]);
}

#[test]
fn users_are_listed_for_programs() {
    let service = Service::start();
    let all = service.workspace.run(&["users", "list"]).json();
    assert_eq!(all.as_array().unwrap().len(), 200);
    assert!(all[0]["profile"]["login"].is_string());
    let some = service.workspace.run(&["users", "list", "--limit", "3"]).json();
    assert_eq!(some.as_array().unwrap(), &all.as_array().unwrap()[..3]);
}

#[test]
fn any_call_of_the_management_api_can_be_made() {
    let service = Service::start();
    let run = |arguments: &[&str]| service.workspace.run(&[&["api"], arguments].concat());

    let page = run(&["/api/v1/users?limit=2"]);
    assert_eq!(page.json().as_array().unwrap().len(), 2);
    let pages = run(&["/api/v1/users?limit=90", "--paginate"]);
    assert_eq!(pages.json().as_array().unwrap().len(), 200);
    assert_eq!(pages.json(), service.workspace.run(&["users", "list"]).json());

    let included = run(&["/api/v1/users?limit=1", "--include"]);
    let (head, body) = included.stdout.split_once("\n\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\n"), "{head}");
    assert!(head.contains("\nlink: "), "{head}");
    assert!(serde_json::from_str::<Value>(body).unwrap().is_array());

    let id = page.json()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(run(&[&format!("{USERS}/{id}")]).json()["id"], id.as_str());
    // A read-only app with a read scope may not write: the guard, not the program, says so.
    let refused = run(&[&format!("{USERS}/{id}"), "-X", "DELETE"]);
    assert_eq!(refused.code, Some(8), "{refused:?}");
}

#[test]
fn no_secret_is_logged_however_much_is() {
    let service = Service::start();
    let logged = service.workspace.run(&["-vvv", "users", "list", "--limit", "1"]);
    assert_eq!(logged.code, Some(0), "{logged:?}");
    assert!(logged.stderr.contains("access token granted"), "{logged:?}");
    for secret in ["client_assertion=", "BEGIN PRIVATE KEY"] {
        assert!(!logged.stderr.contains(secret), "{secret} is in {}", logged.stderr);
    }
    assert_eq!(token_or_key(&logged.stderr), None, "{}", logged.stderr);
}

#[test]
fn what_is_set_in_an_argument_comes_before_the_environment_and_that_before_the_file() {
    let service = Service::start();
    let wrong = [("OKTA_CLIENT_ID", "0oaNoSuchClient00000")];
    assert_eq!(service.workspace.run_with(&["api", USERS], &wrong, "").code, Some(7), "over .env");
    let given = ["api", USERS, "--client-id", &service.client_id];
    assert_eq!(service.workspace.run_with(&given, &wrong, "").code, Some(0), "over the environment");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let service = Service::start();
    let mut child = service.workspace.command(&["users", "list"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 1];
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert_eq!(ended.status.code(), Some(0));
}

#[test]
fn init_makes_what_a_new_user_needs_and_overwrites_nothing() {
    let workspace = Workspace::new();
    let org = Org::start_with(&workspace, &[]);
    let authority = org.ca_file.as_ref().unwrap();
    let init = ["init", "--org-url", &org.url, "--ca-file", authority, "--dpop-key", "ES256", "--dir", "app"];
    let made = workspace.run(&init).json();
    assert_eq!(made["public_jwk"]["alg"], "RS256");
    let client_id = org.create_app(&workspace, &workspace.path("app/cc_public_key.json"), "required");
    let env = workspace.path("app/.env");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&env).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let settings = fs::read_to_string(&env).unwrap();
    fs::write(&env, settings.replace("OKTA_CLIENT_ID=\n", &format!("OKTA_CLIENT_ID={client_id}\n"))).unwrap();
    let listed = workspace
        .command(&["users", "list", "--limit", "1"])
        .current_dir(workspace.path("app"))
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:?}");

    workspace.run(&["init", "--dir", "app"]).assert_failed(15, &[".env", "is there already", "--dir"]);
    assert_eq!(fs::read_dir(workspace.path("app")).unwrap().count(), 5);
}

#[test]
fn init_trusts_what_the_environment_names_and_adds_it_to_an_env_that_is_there() {
    let workspace = Workspace::new();
    let org = Org::start_with(&workspace, &[]);
    workspace.write("admin-token", &org.admin_token);
    workspace.make_private("admin-token");
    let init = ["init", "--org-url", &org.url, "--admin-token-file", "admin-token", "--dir", "app"];
    workspace.run(&init).assert_failed(5, &["KEYBOUND_CA_FILE"]);
    let settings = || fs::read_to_string(workspace.path("app/.env")).unwrap();
    assert!(!settings().contains("KEYBOUND_CA_FILE"));

    let authority = org.ca_file.as_deref().unwrap();
    let made = workspace.run_with(&init, &[("KEYBOUND_CA_FILE", authority)], "").json();
    assert_eq!(made["call"]["status"], 200, "{made}");
    let line = settings().lines().filter(|line| line.starts_with("KEYBOUND_CA_FILE=")).count();
    assert_eq!(line, 1, "{}", settings());
    assert_eq!(workspace.run(&init).json()["call"]["status"], 200, "by .env alone");
    let missing = workspace.run_with(&init, &[("KEYBOUND_CA_FILE", "none.pem")], "");
    missing.assert_failed(3, &["none.pem", "KEYBOUND_CA_FILE"]);
}

#[test]
fn a_second_org_on_one_folder_is_told_that_others_find_the_first() {
    let workspace = Workspace::new();
    let _first = Org::start(&workspace);
    let mut second = Org::start(&workspace);
    let mut reader = std::io::BufReader::new(second.stderr());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    assert!(line.contains("another org runs with the data in"), "{line}");
}

#[test]
fn a_token_is_printed_for_proofs_that_are_made_elsewhere() {
    let service = Service::start();
    let workspace = &service.workspace;
    workspace.run(&["token"]).assert_failed(3, &["--key", "keybound keys new"]);
    workspace.run(&["keys", "new", "--alg", "ES256", "--out", "dpop"]).json();
    let key = workspace.run(&["keys", "show", "dpop_private_key.pem"]).json();
    let key_is_set = [("OKTA_DPOP_PRIVATE_KEY_FILE", "dpop_private_key.pem")];
    for got in [
        workspace.run(&["token", "--key", "dpop_private_key.pem"]),
        workspace.run_with(&["token", "-vvv"], &key_is_set, ""),
    ] {
        assert_eq!(got.code, Some(0), "{got:?}");
        assert_eq!(token_or_key(&got.stderr), None, "{}", got.stderr);
        let claims = got.stdout.trim().split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&keybound::base64url::decode(claims).unwrap()).unwrap();
        assert_eq!(claims["cnf"]["jkt"], key["thumbprint"], "{claims}");
    }
    workspace.run(&["token", "--no-dpop"]).assert_failed(9, &["invalid_dpop_proof"]);
    workspace.run(&["token", "--key", "missing.pem"]).assert_failed(4, &["missing.pem"]);
    workspace
        .run_with(&["token", "--key", "dpop_private_key.pem"], &[("OKTA_SCOPES", "okta.nonsense")], "")
        .assert_failed(8, &["invalid_scope"]);
    workspace.run(&["token", "--key", "a", "--no-dpop"]).assert_usage();
}

#[test]
fn an_org_leaves_word_of_itself_for_other_verbs_and_takes_it_back_when_it_ends() {
    let workspace = Workspace::new();
    let org = Org::start_with(&workspace, &[]);
    let file = std::path::Path::new(org.data()).join("running.json");
    let told: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(told["url"], org.url.as_str());
    assert_eq!(told["ca_file"], *org.ca_file.as_ref().unwrap());
    assert_eq!(told["admin_token"], org.admin_token.as_str());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    drop(org);
    assert!(file.exists(), "it was killed");
    let org = Org::start(&workspace);
    let told: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(told["url"], org.url.as_str(), "what a killed org left is overwritten");
    assert_eq!(org.terminate().code(), Some(0));
    assert!(!file.exists());
}

#[test]
fn a_folder_is_set_up_for_a_local_org_that_runs_by_naming_its_data() {
    let workspace = Workspace::new();
    let org = Org::start_with(&workspace, &[]);
    let init = ["init", "--data", org.data(), "--dir", "job"];
    let made = workspace.run(&init).json();
    assert_eq!(made["call"]["status"], 200, "{made}");
    let env = fs::read_to_string(workspace.path("job").join(".env")).unwrap();
    for line in [
        format!("OKTA_ORG_URL={}\n", org.url),
        format!("OKTA_CLIENT_ID={}\n", made["client_id"].as_str().unwrap()),
        format!("KEYBOUND_CA_FILE={}\n", org.ca_file.as_ref().unwrap()),
    ] {
        assert!(env.contains(&line), "{line} is not in {env}");
    }
    assert_eq!(workspace.run(&init).json()["client_id"], made["client_id"], "once more changes nothing");

    workspace.run(&["init", "--data", org.data(), "--org-url", &org.url]).assert_usage();
    workspace
        .run(&["init", "--data", "nothing"])
        .assert_failed(14, &["no org runs", "keybound org start --data nothing"]);
}

#[test]
fn pages_of_an_origin_that_is_trusted_from_the_start_may_call_and_of_others_the_log_tells() {
    let workspace = Workspace::new();
    let wrong =
        workspace.run(&["org", "start", "--http", "--trusted-origin", "http://localhost:3000/callback"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("write http://localhost:3000"), "{wrong:?}");

    let flags = ["--http", "--trusted-origin", "http://localhost:3000"];
    let mut org = Org::start_with(&workspace, &flags);
    let mut log = org.stderr();
    for (origin, is_let) in [("http://localhost:3000", true), ("http://localhost:4000", false)] {
        let mut page = TcpStream::connect(org.url.strip_prefix("http://").unwrap()).unwrap();
        let request = "GET /api/v1/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        write!(page, "{request}Origin: {origin}\r\n\r\n").unwrap();
        let mut answer = String::new();
        page.read_to_string(&mut answer).unwrap();
        let field = format!("access-control-allow-origin: {origin}\r\n");
        assert_eq!(answer.contains(&field), is_let, "{answer}");
    }
    drop(org);
    let mut logged = String::new();
    log.read_to_string(&mut logged).unwrap();
    assert!(logged.contains("http://localhost:4000") && logged.contains("--trusted-origin"), "{logged}");
    assert_eq!(logged.lines().count(), 1, "only what is refused: {logged}");
}
