//! A user's login at the program's own local org, from the sign-in page to the logout. The test plays the browser.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::io::BufReader;
use std::process::Child;

use serde_json::{Value, json};
use support::{Ended, Org, SCOPE, USERS, Workspace, exchange};
use url::form_urlencoded::Serializer;

const LOGIN: &str = "ada@example.com";
const PASSWORD: &str = "Correct-Horse-9";

/// An org with a user and a native app.
struct Place {
    workspace: Workspace,
    org: Org,
    client_id: String,
}

impl Place {
    fn new() -> Self {
        let workspace = Workspace::new();
        let org = Org::start(&workspace);
        let user = json!({
            "profile": {"firstName": "Ada", "lastName": "Lovelace", "email": LOGIN, "login": LOGIN},
            "credentials": {"password": {"value": PASSWORD}},
        });
        let fields = format!("Authorization: SSWS {}\r\nContent-Type: application/json\r\n", org.admin_token);
        let made = exchange("POST", &format!("{}{USERS}?activate=true", org.url), &fields, &user.to_string());
        assert!(made.starts_with("HTTP/1.1 200"), "{made}");
        let role = json!({"type": "READ_ONLY_ADMIN"}).to_string();
        let assigned = exchange("POST", &format!("{}{USERS}/{LOGIN}/roles", org.url), &fields, &role);
        assert!(assigned.starts_with("HTTP/1.1 200"), "{assigned}");
        let create = ["org", "app", "create", "--data", org.data(), "--label", "A desk", "--type", "native"];
        let more = ["--redirect-uri", "http://127.0.0.1/callback", "--scope", SCOPE];
        let app = workspace.run(&[&create[..], &more].concat()).json();
        assert_eq!(app["client_secret"], Value::Null, "a native app can keep none");
        let client_id = app["client_id"].as_str().unwrap().to_owned();
        Self { workspace, org, client_id }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.workspace.run(&[arguments, &["--org-url", &self.org.url]].concat())
    }

    fn start_login(&self, how: &str) -> Child {
        let who = ["login", "--org-url", &self.org.url, "--client-id", &self.client_id, how];
        // The scope `profile` is what lets the program show the user by name.
        let who = [&who[..], &["--scope", SCOPE, "--scope", "profile"]].concat();
        self.workspace.command(&who).spawn().unwrap()
    }

    /// Sends a page's form with these fields beside its hidden ones; gives the answer.
    fn submit(&self, page: &str, fields: &[(&str, &str)]) -> String {
        let cookie = page.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap();
        let hidden = page
            .split("<input type=\"hidden\" ")
            .skip(1)
            .map(|tag| (attribute(tag, "name"), attribute(tag, "value").replace("&#38;", "&")));
        let given = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let body = Serializer::new(String::new()).extend_pairs(hidden.chain(given)).finish();
        let action = attribute(page.split("<form ").nth(1).unwrap(), "action");
        let fields = format!("Cookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
        exchange("POST", &format!("{}{action}", self.org.url), &fields, &body)
    }
}

fn attribute(tag: &str, name: &str) -> String {
    let value = tag.split(&format!("{name}=\"")).nth(1).unwrap();
    value.split('"').next().unwrap().to_owned()
}

/// The next line that the program prints for its user, without the white space around it.
fn line(reader: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

#[test]
fn a_user_logs_in_in_the_browser_calls_and_logs_out() {
    let place = Place::new();
    let mut child = place.start_login("--no-browser");
    let mut told = BufReader::new(child.stderr.take().unwrap());
    assert_eq!(line(&mut told), "Log in here:");
    let page = exchange("GET", &line(&mut told), "", "");
    assert!(page.contains("A desk"), "{page}");
    let answered = place.submit(&page, &[("username", LOGIN), ("password", PASSWORD)]);
    let location = answered
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .unwrap_or_else(|| panic!("{answered}"));
    assert!(exchange("GET", location, "", "").starts_with("HTTP/1.1 200"));
    let told = Ended::of(child).json();
    assert_eq!((&told["kind"], &told["user"]), (&"user".into(), &LOGIN.into()));

    let call = ["api", "/api/v1/users?limit=2", "--as-user"];
    assert_eq!(place.run(&call).json().as_array().unwrap().len(), 2);
    // Each of these refreshes, with the token that the one before was given.
    for _ in 0..3 {
        place.run(&[&call[..], &["--no-cache"]].concat()).json();
    }
    // The only login is meant where no org is named.
    assert_eq!(place.workspace.run(&call).json().as_array().unwrap().len(), 2);
    assert_eq!(place.workspace.run(&["whoami"]).json()["user"], LOGIN);
    assert_eq!(place.workspace.run(&["logout"]).json()["revoked"], true);
    place.workspace.run(&call).assert_failed(3, &["OKTA_ORG_URL"]);
    place.run(&call).assert_failed(19, &["keybound login"]);
}

#[test]
fn a_user_logs_in_on_another_device() {
    let place = Place::new();
    let mut child = place.start_login("--device");
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let lines: Vec<_> = (0..4).map(|_| line(&mut told)).collect();
    assert_eq!(lines[1], format!("{}/activate", place.org.url), "{lines:?}");
    let page = exchange("GET", &lines[1], "", "");
    let asked = place.submit(&page, &[("user_code", &lines[3]), ("username", LOGIN), ("password", PASSWORD)]);
    assert!(asked.contains("A desk") && asked.contains(SCOPE), "{asked}");
    let done = place.submit(&asked, &[("decision", "allow")]);
    assert!(done.contains("Device activated"), "{done}");
    assert_eq!(Ended::of(child).json()["user"], LOGIN);
    assert!(place.run(&["api", "/api/v1/users?limit=1", "--as-user"]).json().is_array());
}

#[test]
fn an_app_is_registered_as_its_kind_needs() {
    let workspace = Workspace::new();
    let create = ["org", "app", "create", "--data", "org-data", "--label", "x"];
    let run = |more: &[&str]| workspace.run(&[&create[..], more].concat());
    let web = run(&["--type", "web", "--redirect-uri", "https://localhost:3000/callback"]).json();
    assert_eq!(web["client_secret"].as_str().map(str::len), Some(40), "{web}");
    let browser = run(&["--type", "browser", "--redirect-uri", "https://localhost:3000/"]).json();
    assert_eq!(browser["client_secret"], Value::Null);
    assert_eq!(run(&["--type", "native"]).code, Some(0), "for devices alone");
    run(&["--type", "web"]).assert_usage();
    run(&["--scope", SCOPE]).assert_usage();
}

#[test]
fn an_app_that_acts_for_users_has_no_role_unless_it_is_given_one() {
    let workspace = Workspace::new();
    workspace.run(&["keys", "new", "--out", "cc"]).json();
    let redirect = ["--redirect-uri", "https://localhost:3000/"];
    let service = ["--public-jwk", "cc_public_key.json", "--scope", SCOPE];
    for (label, more, roles, why) in [
        ("a", &service[..], &["READ_ONLY_ADMIN"][..], "what a service reads with"),
        ("b", &[&service[..], &["--role", "USER_ADMIN"]].concat(), &["USER_ADMIN"], "in place of the usual"),
        ("c", &["--type", "native", "--scope", SCOPE], &[], "an app on a user's device"),
        ("d", &[&["--type", "web"], &redirect[..]].concat(), &[], "a server that acts for users"),
        ("e", &[&["--type", "browser"], &redirect[..]].concat(), &[], "an app in a browser"),
        ("f", &["--type", "native", "--role", "APP_ADMIN"], &["APP_ADMIN"], "as it was asked for"),
    ] {
        let create = ["org", "app", "create", "--data", "org-data", "--label", label];
        workspace.run(&[&create[..], more].concat()).json();
        let apps = workspace.run(&["org", "app", "list", "--data", "org-data"]).json();
        let app = apps.as_array().unwrap().iter().find(|app| app["label"] == label).unwrap();
        assert_eq!(app["roles"], json!(roles), "{why}");
    }
}

#[test]
fn an_app_is_granted_scopes_of_oktas_api_alone() {
    let workspace = Workspace::new();
    let create = ["org", "app", "create", "--data", "org-data", "--label", "x", "--type", "native"];
    for (scope, complaint) in [
        ("okta.user.read", "did you mean okta.users.read"),
        ("okta.users.raed", "did you mean okta.users.read"),
        ("okta.aliens.summon", "keybound operations"),
        ("orders.read", "access policy"),
        ("openid", "need no grant"),
        ("okta.users.read okta.groups.read", "Okta has no scope of this name"),
        ("", "okta."),
    ] {
        let refused = workspace.run(&[&create[..], &["--scope", scope]].concat());
        refused.assert_usage();
        assert!(refused.stderr.contains(complaint), "{scope}: {refused:?}");
        assert!(!workspace.path("org-data").exists(), "{scope}");
    }
}
