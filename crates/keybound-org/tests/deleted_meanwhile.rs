//! A request meets the deletion of what it is about: between any two things that it does, the other is done whole. The
//! answer is that of a request that came before it or after it, and never that the org failed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use http::Method;
use keybound::Signer as _;
use keybound_org::OrgSettings;
use serde_json::{Value, json};
use support::{TestOrg, es256};

/// Requests that another administrator sends in one moment of a request.
#[derive(Default)]
struct Meanwhile {
    address: String,
    token: String,
    /// How many times more the org looks at its clock before they are sent, and their methods and paths.
    armed: Option<(usize, Vec<(&'static str, String)>)>,
}

/// Sends them if it is time.
fn look(meanwhile: &Mutex<Meanwhile>) {
    let (requests, address, token) = {
        let mut meanwhile = meanwhile.lock().unwrap();
        match &mut meanwhile.armed {
            None => return,
            Some((0, _)) => {
                let (_, requests) = meanwhile.armed.take().unwrap();
                (requests, meanwhile.address.clone(), meanwhile.token.clone())
            }
            Some((left, _)) => {
                *left -= 1;
                return;
            }
        }
    };
    // The thread may be one that the org serves requests with.
    tokio::task::block_in_place(|| send(&address, &token, &requests));
}

fn send(address: &str, token: &str, requests: &[(&str, String)]) {
    for (method, path) in requests {
        let mut connection = TcpStream::connect(address).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: SSWS {token}\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{method} {path}: {answer}");
    }
}

struct Scene {
    test: TestOrg,
    meanwhile: Arc<Mutex<Meanwhile>>,
}

impl Scene {
    async fn set() -> Self {
        let meanwhile = Arc::new(Mutex::new(Meanwhile::default()));
        let looked = Arc::clone(&meanwhile);
        let settings = OrgSettings { requests_per_minute: u32::MAX, seed_users: 0, ..OrgSettings::default() };
        let test = TestOrg::start_watched(settings, move || look(&looked)).await;
        {
            let mut meanwhile = meanwhile.lock().unwrap();
            meanwhile.address = test.url("").replace("http://", "");
            meanwhile.token = String::from(test.org.admin_token());
        }
        Self { test, meanwhile }
    }

    /// Makes something; gives its path.
    async fn make(&self, list: &str, body: Value) -> String {
        let made = self.test.administer(Method::POST, list, Some(body)).await;
        assert!(made.status.is_success(), "{list}: {made:?}");
        format!("{list}/{}", made.text("/id"))
    }

    /// Things of their own for each round, which have names of their own.
    async fn props(&self, round: usize) -> Props {
        let name = format!("round {round}");
        let login = format!("ada-{round}@example.com");
        let profile = json!({"firstName": "Ada", "lastName": "L", "email": login, "login": login});
        let app = json!({
            "name": "oidc_client", "label": name, "signOnMode": "OPENID_CONNECT",
            "credentials": {"oauthClient": {"token_endpoint_auth_method": "private_key_jwt"}},
            "settings": {"oauthClient": {
                "application_type": "service", "grant_types": ["client_credentials"],
                "response_types": ["token"], "jwks": {"keys": [key()]},
            }},
        });
        let server = json!({"name": name, "description": "", "audiences": ["api://round"]});
        let server = self.make("/api/v1/authorizationServers", server).await;
        let policy = json!({
            "type": "OAUTH_AUTHORIZATION_POLICY", "name": "A policy", "description": "", "priority": 1,
            "conditions": {"clients": {"include": ["ALL_CLIENTS"]}},
        });
        Props {
            user: self.make("/api/v1/users?activate=true", json!({"profile": profile})).await,
            group: self.make("/api/v1/groups", json!({"profile": {"name": name}})).await,
            app: self.make("/api/v1/apps", app).await,
            policy: self.make(&format!("{server}/policies"), policy).await,
            server,
        }
    }
}

fn key() -> Value {
    let mut key = serde_json::to_value(es256().public_key().jwk()).unwrap();
    key["kid"] = json!(support::fresh_id());
    key
}

/// The paths of what a request is about.
struct Props {
    user: String,
    group: String,
    app: String,
    server: String,
    policy: String,
}

impl Props {
    /// A path that names them by `{user}`, `{app}` and so on, and their ids by `<user>`.
    fn named(&self, text: &str) -> String {
        let props = [
            ("user", &self.user),
            ("group", &self.group),
            ("app", &self.app),
            ("server", &self.server),
            ("policy", &self.policy),
        ];
        props.iter().fold(text.to_owned(), |text, (name, path)| {
            let path = path.replace("?activate=true", "");
            let id = path.rsplit('/').next().unwrap();
            text.replace(&format!("{{{name}}}"), &path).replace(&format!("<{name}>"), id)
        })
    }
}

const DELETE_USER: &[(&str, &str)] = &[("DELETE", "{user}"), ("DELETE", "{user}")];
const DELETE_GROUP: &[(&str, &str)] = &[("DELETE", "{group}")];
const DELETE_APP: &[(&str, &str)] = &[("POST", "{app}/lifecycle/deactivate"), ("DELETE", "{app}")];
const DELETE_SERVER: &[(&str, &str)] = &[("POST", "{server}/lifecycle/deactivate"), ("DELETE", "{server}")];
const DELETE_POLICY: &[(&str, &str)] = &[("DELETE", "{policy}")];

/// A request, what is deleted meanwhile, and whether only the database can tell that it was.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], bool);

const CASES: &[Case] = &[
    ("POST {user}/roles", r#"{"type":"READ_ONLY_ADMIN"}"#, DELETE_USER, true),
    ("POST {group}/roles", r#"{"type":"READ_ONLY_ADMIN"}"#, DELETE_GROUP, true),
    ("POST /oauth2/v1/clients/<app>/roles", r#"{"type":"READ_ONLY_ADMIN"}"#, DELETE_APP, true),
    ("POST {app}/users", r#"{"id":"<user>"}"#, DELETE_USER, true),
    ("POST {app}/users", r#"{"id":"<user>"}"#, DELETE_APP, true),
    ("PUT {app}/groups/<group>", "{}", DELETE_GROUP, true),
    ("PUT {app}/groups/<group>", "{}", DELETE_APP, true),
    ("PUT {group}/users/<user>", "", DELETE_USER, false),
    ("PUT {group}/users/<user>", "", DELETE_GROUP, false),
    ("POST {user}", r#"{"profile":{"nickName":"A"}}"#, DELETE_USER, false),
    ("DELETE {user}/clients/<app>/tokens", "", DELETE_USER, false),
    ("DELETE {user}/clients/<app>/tokens", "", DELETE_APP, false),
    ("PUT {group}", r#"{"profile":{"name":"Another"}}"#, DELETE_GROUP, false),
    ("POST {app}/grants", r#"{"scopeId":"okta.users.read","issuer":"<org>"}"#, DELETE_APP, false),
    ("POST {app}/credentials/jwks", "<key>", DELETE_APP, false),
    ("POST {server}/scopes", r#"{"name":"a"}"#, DELETE_SERVER, false),
    (
        "POST {server}/claims",
        r#"{"name":"a","claimType":"RESOURCE","valueType":"EXPRESSION","value":"user.login"}"#,
        DELETE_SERVER,
        false,
    ),
    (
        "POST {server}/policies",
        r#"{"type":"OAUTH_AUTHORIZATION_POLICY","name":"Another","description":"","priority":1,"conditions":{"clients":{"include":["ALL_CLIENTS"]}}}"#,
        DELETE_SERVER,
        false,
    ),
    (
        "POST {policy}/rules",
        r#"{"type":"RESOURCE_ACCESS","name":"A rule","priority":1,"conditions":{"people":{"groups":{"include":["EVERYONE"]}},"grantTypes":{"include":["client_credentials"]},"scopes":{"include":["*"]}},"actions":{"token":{"accessTokenLifetimeMinutes":60}}}"#,
        DELETE_POLICY,
        false,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_that_meets_a_deletion_is_answered_as_if_it_came_before_or_after() {
    let scene = Scene::set().await;
    let mut round = 0;
    for (line, body, deletions, is_refused_by_database) in CASES {
        let mut causes = Vec::new();
        // One round for each time that the request looks at the clock.
        for moment in 0.. {
            round += 1;
            let props = scene.props(round).await;
            let (method, path) = line.split_once(' ').unwrap();
            let body = props.named(body).replace("<org>", scene.test.org.url());
            let body = if body == "<key>" { key().to_string() } else { body };
            let body = (!body.is_empty()).then(|| serde_json::from_str(&body).unwrap());
            let requests = deletions.iter().map(|(method, path)| (*method, props.named(path)));
            scene.meanwhile.lock().unwrap().armed = Some((moment, requests.collect()));
            let answer = scene.test.administer(method.parse().unwrap(), &props.named(path), body).await;
            let was_too_late = scene.meanwhile.lock().unwrap().armed.take().is_some();
            let shown = format!("{line}, {deletions:?} at moment {moment}: {answer:?}");
            assert!(answer.status.is_success() || answer.text("/errorCode") == "E0000007", "{shown}");
            if was_too_late {
                assert!(moment > 0 && answer.status.is_success(), "{shown}");
                break;
            }
            causes.push(answer.text("/errorCauses/0/errorSummary").to_owned());
        }
        let told = causes.iter().any(|cause| cause.contains("deleted by another request"));
        assert!(told || !is_refused_by_database, "{line}, {deletions:?}: {causes:?}");
    }
}
