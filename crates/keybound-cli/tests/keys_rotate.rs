//! `keybound keys rotate`: whatever fails, and wherever, the key that `.env` names is one that the org knows.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod refusing_org;
mod support;

use std::fs;
use std::sync::{Arc, Mutex};

use keybound::base64url;
use refusing_org::{Answer, Asked, ScriptedOrg};
use serde_json::{Value, json};
use support::{Ended, Workspace};

const KEYS: &str = "/api/v1/apps/0oa1/credentials/jwks";
const TOKEN: &str = "POST /oauth2/v1/token";
const OTHERS: &str = "# mine\nOKTA_CLIENT_ID=0oa1\n";

/// The keys that the org knows for the app: `id`, `status` and the members of the JWK.
type Registered = Arc<Mutex<Vec<Value>>>;

/// A folder with settings, and an org that knows their key.
struct Place {
    workspace: Workspace,
    org: ScriptedOrg,
    registered: Registered,
    env: String,
    old_kid: String,
}

impl Place {
    /// The org refuses what `refuses` says.
    fn new(refuses: impl Fn(&Asked, &[Value]) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let workspace = Workspace::new();
        let made = workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]).json();
        let old_kid = made["kid"].as_str().unwrap().to_owned();
        let jwk = fs::read_to_string(workspace.path("cc_public_key.json")).unwrap();
        let registered: Registered = Arc::new(Mutex::new(vec![key("pks1", &jwk)]));
        let keys = Arc::clone(&registered);
        let org = ScriptedOrg::start(move |asked| {
            let mut keys = keys.lock().unwrap();
            refuses(asked, &keys).or_else(|| answer(asked, &mut keys))
        });
        let env = format!(
            "{OTHERS}OKTA_ORG_URL={}\nOKTA_SCOPES=okta.users.read\nOKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem\n",
            org.url
        );
        workspace.write(".env", &env);
        Self { workspace, org, registered, env, old_kid }
    }

    fn rotate(&self, arguments: &[&str]) -> Ended {
        self.workspace.run(&[&["keys", "rotate"], arguments].concat())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.workspace.path(name)).unwrap()
    }

    fn kids(&self) -> Vec<String> {
        let keys = self.registered.lock().unwrap();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    /// The old settings are in place, the old key is registered, and nothing is left of the new one.
    fn assert_as_before(&self, why: &str) {
        assert_eq!(self.read(".env"), self.env, "{why}");
        assert_eq!(self.kids(), [self.old_kid.as_str()], "{why}");
        assert_eq!(self.private_keys(), ["cc_private_key.pem"], "{why}");
        assert!(!self.workspace.path(".env.before-rotation").exists(), "{why}");
    }

    fn private_keys(&self) -> Vec<String> {
        let files = fs::read_dir(self.workspace.path("")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.contains("_private_key.")).collect();
        names.sort();
        names
    }
}

fn key(id: &str, jwk: &str) -> Value {
    let mut key: Value = serde_json::from_str(jwk).unwrap();
    key["id"] = id.into();
    key["status"] = "ACTIVE".into();
    key
}

/// As Okta's API has keys of apps, by its description.
fn answer(asked: &Asked, keys: &mut Vec<Value>) -> Option<Answer> {
    let (method, path) = asked.line.split_once(' ').unwrap();
    let rest = path.strip_prefix(KEYS)?;
    let position = |id: &str| keys.iter().position(|key| key["id"] == id);
    match (method, rest.trim_start_matches('/')) {
        ("GET", "") => Some((200, json!(keys).to_string())),
        ("POST", "") => {
            let made = key(&format!("pks{}", keys.len() + 1), &asked.body);
            keys.push(made.clone());
            Some((201, made.to_string()))
        }
        ("POST", action) => {
            let (id, action) = action.split_once("/lifecycle/").unwrap();
            let position = position(id).unwrap();
            keys[position]["status"] = if action == "deactivate" { "INACTIVE" } else { "ACTIVE" }.into();
            Some((200, keys[position].to_string()))
        }
        ("DELETE", id) => {
            let position = position(id).unwrap();
            if keys[position]["status"] == "ACTIVE" {
                return Some(refused());
            }
            keys.remove(position);
            Some((204, String::new()))
        }
        _ => None,
    }
}

fn refused() -> Answer {
    (403, r#"{"errorCode":"E0000006","errorSummary":"You do not have permission"}"#.to_owned())
}

fn unknown_client() -> Answer {
    (401, r#"{"error":"invalid_client","error_description":"The client is unknown."}"#.to_owned())
}

/// The key id that the client assertion of a token request names.
fn kid(asked: &Asked) -> Option<String> {
    let assertion = asked.body.split('&').find_map(|field| field.strip_prefix("client_assertion="))?;
    let header = base64url::decode(assertion.split('.').next()?).ok()?;
    serde_json::from_slice::<Value>(&header).ok()?["kid"].as_str().map(str::to_owned)
}

#[test]
fn the_new_key_is_registered_tried_and_then_used() {
    let place = Place::new(|_, _| None);
    let told = place.rotate(&[]).json();
    let kid = told["kid"].as_str().unwrap();
    assert_eq!(place.kids(), [&place.old_kid, kid], "both are registered");
    let file = told["private_key_file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let changed = format!("OKTA_CC_PRIVATE_KEY_FILE={file}\nOKTA_CLIENT_KID={kid}\n");
    let expected = place.env.replace("OKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem\n", &changed);
    assert_eq!(place.read(".env"), expected);
    assert_eq!(place.read(".env.before-rotation"), place.env, "nothing is lost");
    assert_eq!(place.private_keys().len(), 2, "nor is the old key");
    assert_eq!((told["old_key"].as_str(), &told["old_key_deleted"]), (Some("pks1"), &false.into()));
    assert!(told["next"].as_str().unwrap().contains("deletejwk 0oa1 pks1"), "{told}");
    let thumbprint = place.workspace.run(&["keys", "thumbprint", &file]);
    assert_eq!(thumbprint.stdout.trim(), kid);
    let again = place.rotate(&[]);
    again.assert_failed(15, &[".env.before-rotation", "is there already"]);
    assert_eq!(place.kids().len(), 2, "nothing was registered");
}

#[test]
fn the_old_key_goes_last() {
    let place = Place::new(|_, _| None);
    let told = place.rotate(&["--delete-old"]).json();
    assert_eq!(place.kids(), [told["kid"].as_str().unwrap()]);
    assert_eq!(told["old_key_deleted"], true);
    let lines = place.org.lines();
    let changing: Vec<_> =
        lines.iter().filter(|line| !line.starts_with("GET ")).map(String::as_str).collect();
    let deactivate = format!("POST {KEYS}/pks1/lifecycle/deactivate");
    let (add, delete) = (format!("POST {KEYS}"), format!("DELETE {KEYS}/pks1"));
    assert_eq!(changing, [TOKEN, &add, TOKEN, TOKEN, &deactivate, &delete]);
}

#[test]
fn whatever_fails_before_the_switch_leaves_all_as_it_was() {
    type Refuses = fn(&Asked, &[Value]) -> Option<Answer>;
    let cases: [(Refuses, i32, &[&str], &str); 4] = [
        (
            |asked, _| (asked.line == TOKEN).then(unknown_client),
            7,
            &["invalid_client"],
            "the old key gets no token",
        ),
        (
            |asked, _| (asked.line == format!("POST {KEYS}")).then(refused),
            10,
            &["E0000006", "was not registered"],
            "the app may not change apps",
        ),
        (
            |asked, keys| (asked.line == TOKEN && keys.len() > 1).then(unknown_client),
            7,
            &["invalid_client", "taken back"],
            "the new key gets no token",
        ),
        (
            |asked, _| (asked.line == format!("POST {KEYS}")).then(|| (201, "{".to_owned())),
            5,
            &["may be registered"],
            "the answer can't be read",
        ),
    ];
    for (refuses, code, words, why) in cases {
        let place = Place::new(refuses);
        place.rotate(&["--delete-old"]).assert_failed(code, words);
        place.assert_as_before(why);
    }
}

#[test]
fn a_key_that_cannot_be_taken_back_is_named() {
    let place = Place::new(|asked, keys| {
        let fails = asked.line.starts_with("DELETE ") || (asked.line == TOKEN && keys.len() > 1);
        fails.then(unknown_client)
    });
    place.rotate(&[]).assert_failed(7, &["stays registered, without use"]);
    assert_eq!(place.read(".env"), place.env);
    assert_eq!(place.kids()[0], place.old_kid);
}

#[test]
fn an_env_that_changes_meanwhile_is_not_written_over() {
    let (write, written) = (Arc::new(Mutex::new(None)), "OKTA_SCOPES=okta.groups.read\n");
    let target = Arc::clone(&write);
    let place = Place::new(move |asked, keys| {
        if asked.line == TOKEN && keys.len() > 1 {
            let path: Option<std::path::PathBuf> = target.lock().unwrap().clone();
            fs::write(path.unwrap(), written).unwrap();
        }
        None
    });
    *write.lock().unwrap() = Some(place.workspace.path(".env"));
    place.rotate(&[]).assert_failed(3, &[".env was changed meanwhile"]);
    assert_eq!(place.read(".env"), written);
    assert_eq!(place.kids(), [place.old_kid.as_str()]);
}

#[test]
fn an_old_key_that_cannot_be_deleted_changes_nothing_about_the_new_one() {
    let place = Place::new(|asked, _| asked.line.starts_with("DELETE ").then(refused));
    place.rotate(&["--delete-old"]).assert_failed(10, &["old key is not deleted", "deletejwk 0oa1 pks1"]);
    let env = place.read(".env");
    let new = place.kids()[1].clone();
    assert!(env.contains(&format!("OKTA_CLIENT_KID={new}\n")), "{env}");
}

#[test]
fn a_key_that_is_not_set_in_env_is_not_rotated() {
    let place = Place::new(|_, _| None);
    for flags in [&["--private-key-file", "cc_private_key.pem"][..], &["--key-id", "k1"]] {
        place.rotate(flags).assert_failed(3, &["not set in .env", "OKTA_CC_PRIVATE_KEY_FILE"]);
        place.assert_as_before(flags[0]);
    }
    assert!(place.org.lines().is_empty(), "nothing was sent");
}

#[test]
fn each_token_request_names_a_key_that_is_registered() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let place = Place::new(move |asked, keys| {
        if asked.line == TOKEN {
            let registered = kid(asked).is_none_or(|kid| keys.iter().any(|key| key["kid"] == kid.as_str()));
            log.lock().unwrap().push((kid(asked), registered));
        }
        None
    });
    let told = place.rotate(&["--delete-old"]).json();
    let new = told["kid"].as_str().map(str::to_owned);
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, [(None, true), (new.clone(), true), (new, true)]);
}
