//! A user's login, from the printed URL to the logout, against an authorization server that answers by a script. The
//! test plays the browser.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use keybound::{Algorithm, JwkSet, Signer as _, SigningKey, base64url};
use serde_json::{Value, json};
use support::{Ended, Workspace};

/// A request as the server got it.
#[derive(Clone, Debug)]
struct Asked {
    path: String,
    head: String,
    form: String,
}

impl Asked {
    fn field(&self, name: &str) -> Option<&str> {
        self.form.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))
    }

    fn resources(&self) -> Vec<String> {
        values(url::form_urlencoded::parse(self.form.as_bytes()), "resource")
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// An org and its authorization server, whose refresh tokens rotate: `r1`, `r2`, …
struct Server {
    origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// The nonce of the authorization request, which the test as the browser has seen.
    nonce: Arc<Mutex<Option<String>>>,
}

/// What it signs ID tokens with.
struct Issuer {
    origin: String,
    key: SigningKey,
    nonce: Arc<Mutex<Option<String>>>,
    script: Script,
}

impl Issuer {
    fn id_token(&self) -> String {
        let (header, now) = (json!({ "alg": "ES256", "kid": "k1" }), SystemTime::now());
        let now = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let audience = if self.script.mistakes_the_client { "another" } else { "native" };
        let claims = json!({
            "iss": self.origin, "aud": audience, "sub": "00u1", "preferred_username": "ada@example.com",
            "iat": now, "exp": now + 60, "nonce": *self.nonce.lock().unwrap(),
        });
        let input =
            format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(claims.to_string()));
        let signature = self.key.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(signature.as_bytes()))
    }

    fn keys(&self) -> String {
        JwkSet::from_keys(vec![self.key.public_key().clone().with_key_id("k1")]).to_json()
    }
}

/// The values of all parameters of this name.
fn values(parameters: url::form_urlencoded::Parse<'_>, name: &str) -> Vec<String> {
    parameters.filter(|(found, _)| found == name).map(|(_, value)| value.into_owned()).collect()
}

/// What differs between servers.
#[derive(Clone, Copy, Default)]
struct Script {
    /// The user has taken the leave back.
    ended: bool,
    revocation_status: u16,
    /// ID tokens are for another client.
    mistakes_the_client: bool,
}

impl Server {
    fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (asked, nonce) = (Arc::new(Mutex::new(Vec::new())), Arc::default());
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let issuer = Arc::new(Issuer { origin: origin.clone(), key, nonce: Arc::clone(&nonce), script });
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, issuer) = (Arc::clone(&log), Arc::clone(&issuer));
                thread::spawn(move || serve(stream.unwrap(), &log, &issuer));
            }
        });
        Self { origin, asked, nonce }
    }

    /// The requests to `path` so far.
    fn asked(&self, path: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.path == path).cloned().collect()
    }

    fn refresh_tokens(&self) -> Vec<String> {
        self.asked("/token")
            .iter()
            .filter_map(|asked| asked.field("refresh_token").map(str::to_owned))
            .collect()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Asked>>, issuer: &Issuer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or_default() == 0 {
            return;
        }
    }
    let mut asked =
        Asked { path: head.split([' ', '?']).nth(1).unwrap().to_owned(), head, form: String::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    asked.form = String::from_utf8(body).unwrap();
    let (status, body) = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        answer(&asked, &log, issuer)
    };
    let answer = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes());
}

fn answer(asked: &Asked, log: &[Asked], issuer: &Issuer) -> (u16, String) {
    let Issuer { origin, script, .. } = issuer;
    match asked.path.as_str() {
        "/.well-known/oauth-authorization-server" => {
            let revocation = match script.revocation_status {
                0 => String::new(),
                _ => format!(r#","revocation_endpoint":"{origin}/revoke""#),
            };
            let metadata = format!(
                r#"{{"issuer":"{origin}","token_endpoint":"{origin}/token","authorization_endpoint":"{origin}/authorize",
                "device_authorization_endpoint":"{origin}/device","jwks_uri":"{origin}/keys",
                "id_token_signing_alg_values_supported":["ES256"]{revocation}}}"#
            );
            (200, metadata)
        }
        "/device" => {
            let codes = r#"{"device_code":"d","user_code":"WDJB","verification_uri":"O/d","expires_in":60,"interval":1}"#;
            (200, codes.replace('O', origin))
        }
        "/token" if asked.field("refresh_token").is_some() && script.ended => {
            (400, r#"{"error":"invalid_grant"}"#.to_owned())
        }
        "/token" => {
            let number = log.iter().filter(|asked| asked.path == "/token").count();
            let id_token = issuer.id_token();
            let granted = format!(
                r#"{{"access_token":"t{number}","token_type":"DPoP","expires_in":3600,"refresh_token":"r{number}",
                "scope":"okta.users.read openid offline_access","id_token":"{id_token}"}}"#
            );
            (200, granted)
        }
        "/keys" => (200, issuer.keys()),
        "/revoke" => (script.revocation_status, String::new()),
        "/api/v1/users" => (200, "[]".to_owned()),
        path => panic!("{path}"),
    }
}

struct Place {
    workspace: Workspace,
    server: Server,
}

impl Place {
    fn new(script: Script) -> Self {
        Self { workspace: Workspace::new(), server: Server::start(script) }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.workspace.run(&[arguments, &["--org-url", &self.server.origin]].concat())
    }

    fn start_login(&self, arguments: &[&str]) -> Child {
        let who = [
            "login",
            "--org-url",
            &self.server.origin,
            "--client-id",
            "native",
            "--scope",
            "okta.users.read",
        ];
        self.workspace.command(&[&who, arguments].concat()).spawn().unwrap()
    }

    /// Logs in, as the user does in the browser.
    fn log_in(&self) -> Value {
        self.try_to_log_in(&[]).0.json()
    }

    /// How it ends, and the URL of the authorization request.
    fn try_to_log_in(&self, arguments: &[&str]) -> (Ended, String) {
        let mut child = self.start_login(&[&["--no-browser"], arguments].concat());
        let url = printed_url(&mut child);
        let query = |name: &str| parameter(&url, name);
        assert!(
            query("dpop_jkt").is_some() && query("code_challenge_method") == Some("S256".to_owned()),
            "{url}"
        );
        *self.server.nonce.lock().unwrap() = query("nonce");
        assert_eq!(query("scope").as_deref(), Some("okta.users.read openid offline_access"));
        let page =
            get(&query("redirect_uri").unwrap(), &format!("code=abc&state={}", query("state").unwrap()));
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        (Ended::of(child), url)
    }

    /// The logins that are kept.
    fn files(&self) -> Vec<PathBuf> {
        self.files_in(".local/state/keybound")
    }

    /// The access tokens that are kept.
    fn tokens(&self) -> Vec<PathBuf> {
        self.files_in(".cache/keybound")
    }

    fn files_in(&self, folder: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.workspace.path(folder)) else {
            return Vec::new();
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
    }
}

/// The URL on the line after the first.
fn printed_url(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    lines.next().unwrap().unwrap();
    lines.next().unwrap().unwrap().trim().to_owned()
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn get(redirect_uri: &str, query: &str) -> String {
    let url = url::Url::parse(redirect_uri).unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(&host).unwrap();
    stream
        .write_all(format!("GET {}?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n", url.path()).as_bytes())
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

#[test]
fn a_user_logs_in_calls_and_logs_out() {
    let place = Place::new(Script { revocation_status: 200, ..Script::default() });
    let told = place.log_in();
    assert_eq!((&told["kind"], &told["user"]), (&"user".into(), &"ada@example.com".into()));
    let files = place.files();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700));
    }

    let lent = place.run(&["api", "/api/v1/users", "--curl"]);
    lent.assert_failed(2, &["for this program alone", "keybound proxy --as-user"]);

    // No private key is set, so that the user calls; the token is kept between runs.
    for arguments in [&["api", "/api/v1/users"][..], &["api", "/api/v1/users", "--as-user"]] {
        assert_eq!(place.run(arguments).json(), Value::Array(Vec::new()));
    }
    let calls = place.server.asked("/api/v1/users");
    assert_eq!(
        calls.iter().map(|call| call.header("authorization").unwrap()).collect::<Vec<_>>(),
        ["DPoP t1"; 2],
        "the token that came with the login"
    );
    assert!(calls.iter().all(|call| call.header("dpop").is_some()));
    assert_eq!(place.server.refresh_tokens(), [""; 0], "nothing was refreshed so far");
    let told = place.run(&["whoami"]).json();
    assert_eq!(told["subject"], "00u1");
    assert_eq!((&told["user"], &told["client_id"]), (&"ada@example.com".into(), &"native".into()));
    assert!(told["token_expires_at"].is_u64() && told["scopes"][0] == "okta.users.read", "{told}");

    // Without the cache each run refreshes, by the token of the run before.
    for _ in 0..2 {
        place.run(&["api", "/api/v1/users", "--no-cache"]).json();
    }
    assert_eq!(place.server.refresh_tokens(), ["r1", "r2"], "RFC 9700 section 4.14.2");

    place.run(&["api", "/api/v1/users", "--scope", "okta.users.read"]).json();
    assert_eq!(place.tokens().len(), 2, "one for fewer scopes, too");
    assert_eq!(place.run(&["logout"]).json()["revoked"], true);
    let revoked = place.server.asked("/revoke");
    assert_eq!(
        revoked[0].form, "token=r4&token_type_hint=refresh_token&client_id=native",
        "RFC 7009 section 2.1"
    );
    assert!(place.files().is_empty() && place.tokens().is_empty(), "{:?}", place.tokens());
    place.run(&["logout"]).assert_failed(19, &["nobody is logged in", "keybound login"]);
    place.run(&["api", "/api/v1/users", "--as-user"]).assert_failed(19, &["keybound login"]);
    place.run(&["api", "/api/v1/users"]).assert_failed(3, &["OKTA_CLIENT_ID"]);
}

#[test]
fn a_user_logs_in_on_another_device() {
    let place = Place::new(Script::default());
    let told = Ended::of(place.start_login(&["--device"]));
    assert!(
        told.stderr.contains("WDJB") && told.stderr.contains(&format!("{}/d", place.server.origin)),
        "{told:?}"
    );
    assert_eq!(told.json()["user"], "ada@example.com");
    assert_eq!(place.server.asked("/token")[0].field("device_code"), Some("d"));
    assert_eq!(place.run(&["logout"]).json()["revoked"], false, "the server takes no tokens back");
}

#[test]
fn what_a_server_refuses_is_told() {
    let place = Place::new(Script { revocation_status: 503, ..Script::default() });
    let mut child = place.start_login(&["--no-browser"]);
    let url = printed_url(&mut child);
    let (to, state) = (parameter(&url, "redirect_uri").unwrap(), parameter(&url, "state").unwrap());
    get(&to, &format!("error=access_denied&state={state}"));
    let refused = Ended::of(child);
    assert_eq!(refused.code, Some(19), "{refused:?}");
    assert!(refused.stderr.contains("access_denied") && place.files().is_empty(), "{refused:?}");

    place.log_in();
    place.run(&["logout"]).assert_failed(19, &["forgotten here", "503"]);
    assert!(place.files().is_empty(), "whatever the server says");

    let ended = Place::new(Script { ended: true, ..Script::default() });
    ended.log_in();
    ended.run(&["api", "/api/v1/users", "--no-cache"]).assert_failed(7, &["invalid_grant", "keybound login"]);
}

#[test]
fn a_login_without_a_key_is_refused() {
    let place = Place::new(Script::default());
    let refused = Ended::of(place.start_login(&["--no-browser", "--no-dpop"]));
    refused.assert_failed(2, &["a login is bound to a key", "leave --no-dpop out"]);
    assert!(place.server.asked("/token").is_empty() && place.files().is_empty());
}

#[test]
fn an_id_token_that_does_not_hold_ends_the_login() {
    let place = Place::new(Script { mistakes_the_client: true, ..Script::default() });
    let refused = place.try_to_log_in(&[]).0;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(19), ""), "{refused:?}");
    assert!(refused.stderr.contains("was not issued for native alone: its `aud` is another"), "{refused:?}");
    assert!(place.files().is_empty() && place.tokens().is_empty());
}

#[test]
fn a_new_login_takes_the_tokens_of_the_one_before() {
    let place = Place::new(Script::default());
    place.log_in();
    let before = place.tokens();
    place.log_in();
    let after = place.tokens();
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after, "each login has a key of its own");
}

#[test]
fn runs_at_once_send_no_refresh_token_twice() {
    let place = Place::new(Script::default());
    place.log_in();
    let arguments = ["api", "/api/v1/users", "--no-cache", "--org-url", &place.server.origin];
    let children: Vec<_> = (0..4).map(|_| place.workspace.command(&arguments).spawn().unwrap()).collect();
    for child in children {
        Ended::of(child).json();
    }
    assert_eq!(place.server.refresh_tokens(), ["r1", "r2", "r3", "r4"], "RFC 9700 section 4.14.2");
}

#[test]
fn an_app_whose_key_is_set_calls_for_itself() {
    let place = Place::new(Script::default());
    place.log_in();
    assert_eq!(place.workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]).code, Some(0));
    let app = ["--client-id", "app", "--private-key-file", "cc_private_key.pem"];
    let told = place.run(&[&["whoami"][..], &app].concat()).json();
    assert_eq!((&told["kind"], &told["client_id"]), (&"app".into(), &"app".into()));
    assert_eq!(place.run(&["whoami", "--as-user"]).json()["kind"], "user");
    place.run(&["whoami", "--as-user", "--client-id", "other"]).assert_failed(19, &["nobody is logged in"]);
    place.run(&["token", "--as-user"]).assert_failed(2, &["keybound api --as-user"]);
}

#[test]
fn a_login_names_its_resources_wherever_a_token_is_asked_for() {
    let resources = ["https://api.example/orders", "https://b.example"];
    let flags = ["--resource", resources[0], "--resource", resources[1]];
    let place = Place::new(Script::default());
    let (ended, url) = place.try_to_log_in(&flags);
    let told = ended.json();
    assert_eq!(told["resources"], json!(resources));
    let url = url::Url::parse(&url).unwrap();
    assert_eq!(values(url.query_pairs(), "resource"), resources, "RFC 8707 section 2.1");
    assert_eq!(place.server.asked("/token")[0].resources(), resources, "RFC 8707 section 2.2");
    assert_eq!(place.run(&["whoami", "--as-user"]).json()["resources"], json!(resources));
    assert_eq!(place.server.asked("/token").len(), 1, "the token that came with the login is kept");
    place.run(&["api", "/api/v1/users", "--as-user", "--no-cache"]).json();
    let refreshed = place.server.asked("/token").pop().unwrap();
    assert_eq!(
        (refreshed.field("refresh_token"), refreshed.resources()),
        (Some("r1"), resources.map(str::to_owned).into())
    );

    let on_device = Ended::of(place.start_login(&["--device", "--resource", resources[0]]));
    assert_eq!(on_device.json()["resources"], json!([resources[0]]));
    for path in ["/device", "/token"] {
        assert_eq!(place.server.asked(path).pop().unwrap().resources(), [resources[0]], "{path}");
    }
}

#[test]
fn what_a_login_can_not_ask_for_is_refused_before_anybody_is_asked() {
    let place = Place::new(Script::default());
    let login = ["login", "--client-id", "native"];
    for (arguments, code, words) in [
        (&["--audience", "orders"][..], 2, &["--resource", "KEYBOUND_AUDIENCE"][..]),
        (&["--resource", "orders"], 3, &["`orders`", "RFC 8707 section 2"]),
        (&["--resource", "https://api.example#a"], 3, &["RFC 8707 section 2"]),
    ] {
        place.run(&[&login, arguments].concat()).assert_failed(code, words);
    }
    place.run(&["api", "/api/v1/users", "--as-user", "--resource", "https://api.example"]).assert_usage();
    assert!(place.server.asked.lock().unwrap().is_empty(), "nothing is sent");
}
