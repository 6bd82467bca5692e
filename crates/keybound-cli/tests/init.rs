//! `keybound init` by an administrator's token, against an org that a test scripts: what it sets up, what it does when a
//! step fails, and how the next run goes on.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod refusing_org;
mod support;

use std::fs;
use std::sync::{Arc, Mutex};

use refusing_org::{Answer, Asked, ScriptedOrg};
use serde_json::{Value, json};
use support::{Ended, Workspace};

const TOKEN: &str = "00aKnownAdminToken-7f3b";

/// What the org has, and the step that fails next.
#[derive(Default)]
struct State {
    apps: Vec<Value>,
    keys: Vec<Value>,
    grants: Vec<Value>,
    roles: Vec<Value>,
    fault: Option<Fault>,
}

/// A request that is answered otherwise than it should be, by the start of its line.
#[derive(Clone)]
struct Fault {
    at: &'static str,
    answer: Answer,
    /// Whether the org has done what it was asked before.
    acts: bool,
}

struct FakeOrg {
    http: ScriptedOrg,
    state: Arc<Mutex<State>>,
    workspace: Workspace,
}

impl FakeOrg {
    fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let http = ScriptedOrg::start(move |asked| shared.lock().unwrap().answer(asked));
        let workspace = Workspace::new();
        workspace.write("admin-token", &format!("{TOKEN}\n"));
        workspace.make_private("admin-token");
        Self { http, state, workspace }
    }

    fn init(&self, more: &[&str]) -> Ended {
        let flags = ["init", "--org-url", &self.http.url, "--admin-token-file", "admin-token", "-vvv"];
        let ended = self.workspace.run(&[&flags[..], more].concat());
        assert!(!format!("{ended:?}").contains(TOKEN), "the admin token is in an output");
        let (log, told): (Vec<_>, Vec<_>) = ended.stderr.lines().partition(|line| is_log(line));
        let was_logged = !log.is_empty() || self.http.lines().is_empty();
        assert!(was_logged, "nothing was logged, so nothing was shown to be left out of it");
        Ended { stderr: told.join("\n"), ..ended }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How many apps, keys, grants and roles there are.
    fn sizes(&self) -> [usize; 4] {
        let state = self.state();
        [&state.apps, &state.keys, &state.grants, &state.roles].map(Vec::len)
    }

    fn env(&self) -> String {
        fs::read_to_string(self.workspace.path(".env")).unwrap()
    }
}

/// A line of the log begins with the time.
fn is_log(line: &str) -> bool {
    !["error: ", "  why: ", "   do: ", "       "].iter().any(|start| line.starts_with(start))
}

fn refused(status: u16, code: &str) -> Answer {
    (status, json!({ "errorCode": code, "errorSummary": "refused by the script" }).to_string())
}

impl State {
    fn answer(&mut self, asked: &Asked) -> Option<Answer> {
        let fault = self.fault.clone().filter(|fault| asked.line.starts_with(fault.at));
        match fault {
            Some(fault) if fault.acts => {
                self.usual(asked);
                Some(fault.answer)
            }
            Some(fault) => Some(fault.answer),
            None => self.usual(asked),
        }
    }

    fn usual(&mut self, asked: &Asked) -> Option<Answer> {
        let (method, target) = asked.line.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap();
        if path == "/oauth2/v1/token" || path.starts_with("/.well-known/") {
            return None;
        }
        let authorization = asked.authorization.as_deref().unwrap_or_default();
        if path == "/api/v1/users" {
            let is_bound = authorization.starts_with("DPoP ");
            return Some(if is_bound { (200, "[]".to_owned()) } else { refused(401, "E0000011") });
        }
        if authorization != format!("SSWS {TOKEN}") {
            return Some(refused(401, "E0000011"));
        }
        let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let list = |list: &[Value]| Some((200, json!(list).to_string()));
        match (method, path) {
            ("GET", "/api/v1/apps") => list(&self.apps),
            ("POST", "/api/v1/apps") => Some(self.create(&body)),
            ("GET", "/api/v1/apps/0oa1") => Some((200, self.apps[0].to_string())),
            ("GET", "/api/v1/apps/0oa1/credentials/jwks") => list(&self.keys),
            ("POST", "/api/v1/apps/0oa1/credentials/jwks") => Some(add(&mut self.keys, &body)),
            ("GET", "/api/v1/apps/0oa1/grants") => list(&self.grants),
            ("POST", "/api/v1/apps/0oa1/grants") => Some(add(&mut self.grants, &with_id(body))),
            ("GET", "/oauth2/v1/clients/0oa1/roles") => list(&self.roles),
            ("POST", "/oauth2/v1/clients/0oa1/roles") => Some(add(&mut self.roles, &with_id(body))),
            _ => None,
        }
    }

    fn create(&mut self, body: &Value) -> Answer {
        let oauth = &body["settings"]["oauthClient"];
        assert_eq!(
            (&body["name"], &body["credentials"]["oauthClient"]["token_endpoint_auth_method"]),
            (&json!("oidc_client"), &json!("private_key_jwt"))
        );
        assert_eq!(
            (&oauth["dpop_bound_access_tokens"], &oauth["grant_types"]),
            (&json!(true), &json!(["client_credentials"]))
        );
        self.keys.clone_from(oauth["jwks"]["keys"].as_array().unwrap());
        assert!(self.keys.iter().all(|key| key["kid"].is_string() && key.get("d").is_none()));
        add(&mut self.apps, &app(body["label"].as_str().unwrap(), "service"))
    }
}

fn app(label: &str, kind: &str) -> Value {
    json!({
        "id": "0oa1", "label": label, "status": "ACTIVE",
        "credentials": { "oauthClient": { "client_id": "0oa1" } },
        "settings": { "oauthClient": { "application_type": kind } },
    })
}

fn with_id(mut object: Value) -> Value {
    object["id"] = json!("x1");
    object
}

fn add(list: &mut Vec<Value>, object: &Value) -> Answer {
    list.push(object.clone());
    (200, object.to_string())
}

#[test]
fn from_nothing_to_a_working_call_by_an_administrators_token() {
    let org = FakeOrg::start();
    let preview = org.init(&["--dry-run"]).json();
    assert_eq!(org.http.lines(), [""; 0], "nothing is sent");
    assert_eq!(fs::read_dir(org.workspace.path(".")).unwrap().count(), 1, "nothing is written");

    let made = org.init(&[]).json();
    assert_eq!(made["client_id"], "0oa1");
    assert_eq!(
        (&made["granted"], &made["assigned"]),
        (&json!(["okta.users.read"]), &json!("READ_ONLY_ADMIN"))
    );
    assert_eq!(made["call"], json!({ "operation": "listUsers", "status": 200 }));
    assert!(org.env().contains("OKTA_CLIENT_ID=0oa1\n"), "{}", org.env());
    {
        let state = org.state();
        let issuer = json!({ "scopeId": "okta.users.read", "issuer": org.http.url, "id": "x1" });
        assert_eq!(state.grants, [issuer]);
        assert_eq!(state.keys[0], made["public_jwk"]);
    }

    let sent = org.http.lines();
    let (set_up, first_call) = sent.split_at(preview["would_send"].as_array().unwrap().len());
    let told = preview["would_send"].as_array().unwrap().iter().map(|request| {
        let path = request["url"].as_str().unwrap().strip_prefix(&org.http.url).unwrap();
        format!("{} {}", request["method"].as_str().unwrap(), path.replace("APP_ID", "0oa1"))
    });
    assert_eq!(told.collect::<Vec<_>>(), set_up, "what the dry run told is what was sent");
    assert_eq!(first_call, ["POST /oauth2/v1/token", "GET /api/v1/users?limit=1"]);

    // Once more: all is there, and nothing is changed.
    let again = org.init(&[]).json();
    assert_eq!((&again["granted"], &again["assigned"]), (&json!([]), &json!(null)));
    assert_eq!(again["public_jwk"], made["public_jwk"]);
    let changed = org.http.lines().split_off(sent.len());
    assert!(
        changed.iter().all(|line| line.starts_with("GET ") || line == "POST /oauth2/v1/token"),
        "{changed:?}"
    );
    let users = org.workspace.run(&["users", "list"]);
    assert_eq!(users.json(), json!([]));
}

#[test]
fn what_breaks_off_is_gone_on_with_and_makes_no_second_app() {
    let again = "run the same command again";
    for (at, answer, acts, code, words, why) in [
        (
            "GET /api/v1/apps?",
            refused(401, "E0000011"),
            false,
            10,
            ["Security → API → Tokens", again],
            "a wrong token",
        ),
        (
            "GET /api/v1/apps?",
            refused(403, "E0000006"),
            false,
            10,
            ["Super Administrator", again],
            "a weak token",
        ),
        (
            "GET /api/v1/apps?",
            refused(429, "E0000047"),
            false,
            10,
            ["rate limit", again],
            "too many requests",
        ),
        (
            "POST /api/v1/apps",
            refused(400, "E0000001"),
            false,
            10,
            ["to create the app", again],
            "not created",
        ),
        ("POST /api/v1/apps", (0, String::new()), true, 5, ["may have been created", again], "cut after it"),
        (
            "POST /api/v1/apps",
            refused(500, "E0000009"),
            true,
            11,
            ["may have been created", again],
            "failed after it",
        ),
        (
            "POST /api/v1/apps/0oa1/grants",
            refused(403, "E0000006"),
            false,
            10,
            ["the app 0oa1 is created", "to grant okta.users.read"],
            "grant refused",
        ),
        (
            "POST /oauth2/v1/clients/0oa1/roles",
            refused(403, "E0000006"),
            false,
            10,
            ["okta.users.read is granted", "to assign the role READ_ONLY_ADMIN"],
            "role refused",
        ),
        (
            "POST /oauth2/v1/token",
            (400, r#"{"error":"invalid_scope"}"#.to_owned()),
            false,
            8,
            ["the role READ_ONLY_ADMIN is assigned", "keybound doctor"],
            "the first token refused",
        ),
        (
            "GET /api/v1/users",
            refused(403, "E0000006"),
            false,
            10,
            ["the first call", "keybound doctor"],
            "the first call refused",
        ),
    ] {
        let org = FakeOrg::start();
        org.state().fault = Some(Fault { at, answer, acts });
        let broken_off = org.init(&[]);
        assert_eq!(broken_off.code, Some(code), "{why}: {broken_off:?}");
        broken_off.assert_failed(code, &words);
        let key = fs::read_to_string(org.workspace.path("cc_private_key.pem")).unwrap();
        assert!(org.env().contains("OKTA_ORG_URL="), "{why}");

        org.state().fault = None;
        let made = org.init(&[]).json();
        assert_eq!(made["client_id"], "0oa1", "{why}");
        assert!(org.env().contains("OKTA_CLIENT_ID=0oa1\n"), "{why}: {}", org.env());
        assert_eq!(key, fs::read_to_string(org.workspace.path("cc_private_key.pem")).unwrap(), "{why}");
        assert_eq!(org.sizes(), [1, 1, 1, 1], "{why}: each is there once");
    }
}

#[test]
fn the_name_of_somebody_elses_app_is_taken_and_its_client_id_has_to_be_given() {
    let org = FakeOrg::start();
    org.state().apps = vec![app("Keybound", "service")];
    let taken = org.init(&[]);
    taken.assert_failed(10, &["Keybound already: 0oa1", "--client-id 0oa1", "--app-name"]);
    assert!(org.http.lines().iter().all(|line| line.starts_with("GET ")), "nothing is changed");

    let made = org.init(&["--client-id", "0oa1"]).json();
    assert_eq!(made["client_id"], "0oa1");
    assert_eq!(org.sizes(), [1, 1, 1, 1], "the key was added to the app");
    org.init(&[]).json();
    assert_eq!(org.state().keys.len(), 1, "and once");

    let web = FakeOrg::start();
    web.state().apps = vec![app("A site", "web")];
    web.init(&["--client-id", "0oa1"]).assert_failed(10, &["no API Services app"]);
    let another = FakeOrg::start();
    another.state().apps = vec![app("Keybound and more", "service")];
    another.init(&[]).json();
    assert_eq!(another.state().apps.len(), 2, "a name that begins the same is another one");
}

#[test]
fn the_token_comes_from_a_file_from_the_environment_or_from_standard_input() {
    for (flags, environment, input, why) in [
        (&["--admin-token-file", "admin-token"][..], &[][..], "", "a file"),
        (&["--admin-token-file", "-"], &[], TOKEN, "standard input"),
        (&[], &[("OKTA_ADMIN_TOKEN", TOKEN)], "", "the environment"),
        (
            &["--admin-token-file", "admin-token"],
            &[("OKTA_ADMIN_TOKEN", "another")],
            "",
            "a flag counts first",
        ),
    ] {
        let org = FakeOrg::start();
        let init = ["init", "--org-url", &org.http.url, "-vvv"];
        let ended = org.workspace.run_with(&[&init[..], flags].concat(), environment, input);
        assert_eq!(ended.json()["client_id"], "0oa1", "{why}");
        assert!(!ended.stderr.contains(TOKEN), "{why}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_before_anything_is_written_or_sent() {
    for (token, flags, code, words, why) in [
        ("", &[][..], 3, ["no API token", "it is empty"], "no token"),
        ("two words", &[], 3, ["no API token", "characters"], "no token either"),
        (
            TOKEN,
            &["--scope", "okta.users.manage"],
            2,
            ["--role USER_ADMIN", "okta.users.manage"],
            "a role is needed",
        ),
        (TOKEN, &["--admin-token-file", "-"], 2, ["--admin-token-file", "multiple times"], "two tokens"),
        (TOKEN, &["--org-url", "http://127.0.0.1:1"], 2, ["--org-url", "multiple times"], "two orgs"),
    ] {
        let org = FakeOrg::start();
        org.workspace.write("admin-token", token);
        let ended = org.init_quietly(flags);
        assert_eq!(ended.code, Some(code), "{why}: {ended:?}");
        assert!(words.iter().all(|words| ended.stderr.contains(words)), "{why}: {ended:?}");
        assert_eq!(org.http.lines(), [""; 0], "{why}");
        assert!(
            !org.workspace.path(".env").exists() && !org.workspace.path("cc_private_key.pem").exists(),
            "{why}"
        );
    }
    let org = FakeOrg::start();
    org.workspace.run(&["init", "--admin-token-file", "admin-token"]).assert_failed(3, &["OKTA_ORG_URL"]);
    org.workspace.run(&["init", "--role", "SUPER_ADMIN"]).assert_failed(2, &["--admin-token-file"]);
    assert!(!org.workspace.path(".env").exists());
}

impl FakeOrg {
    fn init_quietly(&self, more: &[&str]) -> Ended {
        let flags = ["init", "--org-url", &self.http.url, "--admin-token-file", "admin-token"];
        self.workspace.run(&[&flags[..], more].concat())
    }
}

#[test]
fn another_org_than_that_of_the_folder_is_refused() {
    let (org, other) = (FakeOrg::start(), FakeOrg::start());
    org.init(&[]).json();
    let flags = ["init", "--org-url", &other.http.url, "--admin-token-file", "admin-token"];
    org.workspace.run(&flags).assert_failed(3, &["another value is set for the org's URL", "--dir"]);
    assert_eq!(other.http.lines(), [""; 0]);
    org.init_quietly(&["--scope", "okta.groups.read"]).assert_failed(3, &["okta.users.read", "--dir"]);
}

#[cfg(unix)]
#[test]
fn a_token_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let org = FakeOrg::start();
    fs::set_permissions(org.workspace.path("admin-token"), fs::Permissions::from_mode(0o644)).unwrap();
    org.init_quietly(&[]).assert_failed(4, &["0644", "chmod 600"]);
    assert_eq!(org.http.lines(), [""; 0]);
}
