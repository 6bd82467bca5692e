//! The canary: every verb is run at TRACE with secrets that are known, and none of them may be in what comes out.
//!
//! Known are the keys and files that a run is given, what the server grants, and what goes over the wire: assertions,
//! proofs, verifiers, codes. The verbs are those of the manual pages, which are made of the command line itself, so that a
//! new verb without a row here fails. What a verb is there to print is said in its row.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod guard_support;
mod sidecar;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use guard_support::{Guard, Upstream, policy};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, JwkSet, KeyKind, PrivateKey, Signer as _, SigningKey, base64url};
use serde_json::{Value, json};
use sidecar::Sidecar;
use support::received::Received;
use support::{Ended, Org, Workspace, exchange};

const ACCESS: &str = "canary-access-token-5d1c";
const REFRESH: &str = "canary-refresh-token-9a2e";
const DEVICE: &str = "canary-device-code-77b0";
const CODE: &str = "canary-authorization-code-3c4d";
const ADMIN: &str = "00canaryAdminToken-41f6";
const YAML: &str = "00canaryYamlToken-8e20";
const PASSPHRASE: &str = "canary passphrase 62";
const PROXY: &str = "canary-proxy-secret-1b9f-0123456789abcdef";
const COOKIE: &str = "canary-cookie-c0ffee";
const GIVEN: &str = "canary-given-authorization-0d";
const CLIENT_SECRET: &str = "canary-client-secret-2f7d-0123456789";

/// Secrets by what they are.
type Secrets = BTreeMap<&'static str, BTreeSet<String>>;

/// What is done with a verb.
enum Doing {
    /// It ends by itself; its input.
    Run(&'static str),
    /// The test lets it serve, or plays the user's browser.
    Play(fn(&Stage) -> Vec<Ended>),
}

struct Row {
    verb: &'static str,
    arguments: &'static str,
    /// The code that it ends with.
    code: i32,
    doing: Doing,
    /// What it is there to print to standard output.
    prints: &'static [&'static str],
}

fn row(verb: &'static str, arguments: &'static str) -> Row {
    Row { verb, arguments, code: 0, doing: Doing::Run(""), prints: &[] }
}

impl Row {
    fn prints(self, prints: &'static [&'static str]) -> Self {
        Self { prints, ..self }
    }

    fn given(self, input: &'static str) -> Self {
        Self { doing: Doing::Run(input), ..self }
    }

    fn code(self, code: i32) -> Self {
        Self { code, ..self }
    }

    fn played(verb: &'static str, play: fn(&Stage) -> Vec<Ended>) -> Self {
        Self { doing: Doing::Play(play), ..row(verb, "") }
    }
}

/// Pages of what has verbs below it and does nothing itself.
const GROUPS: [&str; 11] =
    ["", "users", "groups", "apps", "logs", "keys", "org", "org-app", "org-key", "org-fault", "org-trace"];

fn rows() -> Vec<Row> {
    const TOKEN: &[&str] = &["access token"];
    const KEY: &[&str] = &["client key"];
    let of_org = rows_of_org();
    let others = vec![
        // Its tokens and keys are its own, and known to nobody: the pattern of a JWS is looked for.
        row("demo", "demo"),
        row("init", "init --dir made --org-url ORIGIN --admin-token-file admin-token"),
        row("doctor", "doctor --probe-bearer"),
        row("api", "api /api/v1/users -H Cookie:canary-cookie-c0ffee -F q=x"),
        row("api", "api /api/v1/users -H Authorization:canary-given-authorization-0d").code(2),
        row("api", "api /api/v1/users -H Cookie:canary-cookie-c0ffee --dry-run").prints(&["cookie"]),
        row("api", "api /api/v1/users -H Cookie:canary-cookie-c0ffee --curl").prints(&["cookie"]),
        row("api", "api /failing").code(11),
        row("api", "api /refused").code(10),
        row("operations", "operations users"),
        row("users-list", "users list --limit 1"),
        row("users-get", "users get u1"),
        row("users-create", "users create --first-name A --last-name B --email a@example.com"),
        row("users-update", "users update u1 --set title=x"),
        row("users-delete", "users delete u1 --yes"),
        row("users-activate", "users activate u1 --no-mail"),
        row("users-deactivate", "users deactivate u1 --yes"),
        row("users-suspend", "users suspend u1"),
        row("users-unsuspend", "users unsuspend u1"),
        row("users-unlock", "users unlock u1"),
        row("users-reset-password", "users reset-password u1"),
        row("users-expire-password", "users expire-password u1"),
        row("users-groups", "users groups u1"),
        row("groups-list", "groups list --limit 1"),
        row("groups-get", "groups get g1"),
        row("groups-create", "groups create A"),
        row("groups-update", "groups update g1 --name B"),
        row("groups-delete", "groups delete g1 --yes"),
        row("groups-members", "groups members g1 --limit 1"),
        row("groups-add", "groups add g1 u1"),
        row("groups-remove", "groups remove g1 u1"),
        row("apps-list", "apps list --limit 1"),
        row("apps-get", "apps get a1"),
        row("apps-create", "apps create A --public-jwk cc_public_key.json"),
        row("apps-activate", "apps activate a1"),
        row("apps-deactivate", "apps deactivate a1 --yes"),
        row("apps-delete", "apps delete a1 --yes"),
        row("apps-keys", "apps keys a1"),
        row("apps-add-key", "apps add-key a1 cc_public_key.json"),
        row("apps-delete-key", "apps delete-key a1 x1 --yes"),
        row("apps-grants", "apps grants a1"),
        row("apps-grant", "apps grant a1 okta.users.read"),
        row("apps-revoke", "apps revoke a1 x1 --yes"),
        row("apps-roles", "apps roles a1"),
        row("apps-assign", "apps assign a1 READ_ONLY_ADMIN"),
        row("apps-unassign", "apps unassign a1 x1 --yes"),
        row("logs-list", "logs list --limit 1"),
        row("logs-follow", "logs follow --limit 1"),
        row("keys-new", "keys new --alg ES256 --out another"),
        row("keys-show", "keys show cc_private_key.pem"),
        row("keys-show", "keys show cc.jwk"),
        row("keys-convert", "keys convert locked.pem --to jwk --out unlocked.jwk"),
        row("keys-convert", "keys convert cc_private_key.pem --to jwk --stdout").prints(KEY),
        row("keys-convert", "keys convert locked.pem --to pem --stdout").prints(&["locked key"]),
        row("keys-thumbprint", "keys thumbprint cc.jwk"),
        row("keys-rotate", "keys rotate --alg ES256").code(0),
        row("token", "token --key dpop.jwk").prints(TOKEN),
        row("token", "token --key dpop.jwk --issuer ORIGIN/oauth2/default --resource https://api.example")
            .prints(TOKEN),
        row(
            "token",
            "token --key dpop.jwk --issuer ORIGIN/oauth2/default --client-secret-file client.secret",
        )
        .prints(TOKEN),
        row("token", "token --key dpop.jwk --profile secret").prints(TOKEN),
        row("api", "api ORIGIN/api/v1/users --profile secret --no-cache"),
        row("api", "api ORIGIN/api/v1/users --profile secret --curl"),
        row("doctor", "doctor --profile secret"),
        row("whoami", "whoami --profile secret"),
        row("token-revoke", "token revoke --profile secret").given(ACCESS),
        row("token-show", "token show").given(ACCESS).code(2),
        row("token-revoke", "token revoke").given(ACCESS),
        Row::played("login", Stage::log_in),
        row("whoami", "whoami --as-user"),
        row("api", "api /api/v1/users --as-user --no-cache"),
        row("logout", "logout --client-id native"),
        row(
            "proof",
            "proof --key dpop.jwk --url https://api.example/ --access-token canary-access-token-5d1c",
        )
        .prints(&["JWS"]),
        row(
            "inspect",
            "inspect --method GET --url https://api.example/ --access-token canary-access-token-5d1c",
        )
        .given("eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIxIn0.c2lnbmF0dXJlLW9mLWEtcHJvb2Y")
        .code(13),
        Row::played("proxy", Stage::lend),
        Row::played("guard", Stage::guard),
        Row::played("guard-check", Stage::check),
        row("completions", "completions bash"),
        row("man", "man --out pages"),
    ];
    others.into_iter().chain(of_org).collect()
}

/// The local org's own verbs. What they ask here is no org, and says so.
fn rows_of_org() -> Vec<Row> {
    vec![
        Row::played("org-start", Stage::start_org),
        row(
            "org-app-create",
            "org app create --data org-data --label A --public-jwk cc_public_key.json --scope okta.users.read",
        ),
        row("org-app-list", "org app list --data org-data"),
        row("org-key-add", "org key add --data org-data --client-id none --public-jwk cc_public_key.json")
            .code(14),
        row("org-fault-add", "org fault add slow --org-url ORIGIN --admin-token-file admin-token"),
        row("org-fault-list", "org fault list --org-url ORIGIN --admin-token-file admin-token"),
        row("org-fault-remove", "org fault remove f1 --org-url ORIGIN --admin-token-file admin-token"),
        row("org-fault-clear", "org fault clear --org-url ORIGIN --admin-token-file admin-token"),
        row("org-trust", "org trust --data nowhere").code(14),
        row("org-trace-list", "org trace list --org-url ORIGIN --admin-token-file admin-token").code(5),
        row("org-trace-show", "org trace show 1 --org-url ORIGIN --admin-token-file admin-token").code(5),
        row("org-trace-replay", "org trace replay 1 --org-url ORIGIN --admin-token-file admin-token").code(5),
        row("org-trace-export", "org trace export --org-url ORIGIN --admin-token-file admin-token"),
        row("org-trace-open", "org trace open admin-token").code(2),
        row("org-trace-clear", "org trace clear --org-url ORIGIN --admin-token-file admin-token"),
        row("org-seed", "org seed --data org-data --users 3 --seed 9"),
        row("org-export", "org export --data org-data"),
        row("org-export", "org export --data org-data --secrets --out exported.jsonl"),
        row("org-import", "org import --data imported exported.jsonl"),
        row("org-reset", "org reset --data imported --yes"),
    ]
}

#[test]
fn no_verb_lets_a_secret_out_however_much_is_logged() {
    let stage = Stage::set();
    let rows = rows();
    stage.every_verb_has_a_row(&rows);
    let mut faults = Vec::new();
    for row in &rows {
        let outputs = match row.doing {
            Doing::Run(input) => {
                vec![stage.run(&row.arguments.replace("ORIGIN", &stage.server.origin), input)]
            }
            Doing::Play(play) => play(&stage),
        };
        for ended in outputs {
            if ended.code != Some(row.code) {
                faults.push(format!("{} {}: {}", row.verb, row.arguments, excerpt(&ended)));
            }
            faults.extend(stage.secrets_in(row, &ended));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    stage.every_secret_was_in_use();
}

/// Enough of a failed run to see why.
fn excerpt(ended: &Ended) -> String {
    let told = ended.stderr.lines().rev().filter(|line| !line.starts_with("20")).take(8).collect::<Vec<_>>();
    let beginning = ended.stdout.get(..300).unwrap_or(&ended.stdout);
    format!("ended with {:?}: {beginning:?} {told:?}", ended.code)
}

struct Stage {
    workspace: Workspace,
    server: Server,
    given: Secrets,
}

impl Stage {
    fn set() -> Self {
        let (workspace, server) = (Workspace::new(), Server::start());
        let mut given = Secrets::new();
        for (name, secret) in [
            ("access token", ACCESS),
            ("refresh token", REFRESH),
            ("device code", DEVICE),
            ("authorization code", CODE),
            ("admin token", ADMIN),
            ("token of okta.yaml", YAML),
            ("passphrase", PASSPHRASE),
            ("the proxy's secret", PROXY),
            ("cookie", COOKIE),
            ("given Authorization", GIVEN),
            ("client secret", CLIENT_SECRET),
        ] {
            given.entry(name).or_default().insert(secret.to_owned());
        }
        let write = |name: &str, content: &str| {
            workspace.write(name, content);
            workspace.make_private(name);
        };
        let client = PrivateKey::generate(KeyKind::for_algorithm(Algorithm::RS256)).unwrap();
        write("cc_private_key.pem", &client.to_pkcs8_pem().unwrap());
        write("cc.jwk", &client.to_jwk().unwrap());
        workspace.write("cc_public_key.json", &client.public_key().clone().with_key_id("k1").jwk().to_json());
        given.insert("client key", parts(&client));
        let dpop = PrivateKey::generate(KeyKind::P256).unwrap();
        write("dpop.jwk", &dpop.to_jwk().unwrap());
        given.insert("DPoP key", parts(&dpop));
        let locked = PrivateKey::generate(KeyKind::P256).unwrap();
        let pem = locked.to_encrypted_pkcs8_pem(PASSPHRASE.as_bytes(), &OperatingSystem).unwrap();
        write("locked.pem", &pem);
        given.insert("locked key", parts(&locked));
        write("admin-token", ADMIN);
        write("proxy.secret", PROXY);
        write("client.secret", CLIENT_SECRET);
        fs::create_dir_all(workspace.path(".config/keybound")).unwrap();
        let profile = format!(
            "[profiles.secret]\nissuer = \"{}/oauth2/default\"\nclient_secret = \"{CLIENT_SECRET}\"\n\
             token_endpoint_auth_method = \"client_secret_post\"\n",
            server.origin
        );
        write(".config/keybound/config.toml", &profile);
        let settings = [
            &format!("OKTA_ORG_URL={}", server.origin),
            "OKTA_CLIENT_ID=0oa1",
            "OKTA_SCOPES=okta.users.read",
            "OKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem",
            "OKTA_DPOP_PRIVATE_KEY_FILE=dpop.jwk",
        ];
        write(".env", &(settings.join("\n") + "\n"));
        write("okta.yaml", &format!("okta:\n  client:\n    token: {YAML}\n"));
        Self { workspace, server, given }
    }

    /// At TRACE, with the libraries below.
    fn run(&self, arguments: &str, input: &str) -> Ended {
        let arguments: Vec<_> = arguments.split(' ').chain(["-vvv"]).collect();
        let environment = [("RUST_LOG", "trace"), ("KEYBOUND_KEY_PASSPHRASE", PASSPHRASE)];
        self.workspace.run_with(&arguments, &environment, input)
    }

    fn every_verb_has_a_row(&self, rows: &[Row]) {
        let made = self.workspace.run(&["man", "--out", "manual"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        let pages: BTreeSet<_> = fs::read_dir(self.workspace.path("manual"))
            .unwrap()
            .map(|page| page.unwrap().file_name().into_string().unwrap())
            .map(|name| {
                name.trim_end_matches(".1").trim_start_matches("keybound").trim_start_matches('-').to_owned()
            })
            .collect();
        let known: BTreeSet<_> = rows.iter().map(|row| row.verb).chain(GROUPS).map(str::to_owned).collect();
        assert_eq!(pages, known, "a verb has no row here, or a row has no verb");
    }

    /// What is seen in an output that must not be.
    fn secrets_in(&self, row: &Row, ended: &Ended) -> Vec<String> {
        let seen = self.server.seen.lock().unwrap();
        let is_named = |what: &str, name: &str, secret: &str| {
            name.starts_with(what) || (what == "JWS" && secret.starts_with("eyJ"))
        };
        let may_print = |name: &str, secret: &str| row.prints.iter().any(|what| is_named(what, name, secret));
        let mut faults = Vec::new();
        for (name, secret) in
            self.given.iter().chain(seen.iter()).flat_map(|(name, all)| all.iter().map(move |it| (*name, it)))
        {
            let line = ended.stderr.lines().find(|line| line.contains(secret.as_str()));
            faults.extend(line.map(|line| format!("the {name} is on standard error: {line}")));
            if ended.stdout.contains(secret.as_str()) && !may_print(name, secret) {
                faults.push(format!("the {name} is on standard output"));
            }
        }
        // What is never printed needs no leave; and where it is, this sees it.
        for what in row.prints.iter().filter(|what| **what != "JWS") {
            let named = self.given.iter().filter(|(name, _)| name.starts_with(what)).flat_map(|(_, all)| all);
            if !named.into_iter().any(|secret| ended.stdout.contains(secret.as_str())) {
                faults.push(format!("the {what} is not on standard output, where it belongs"));
            }
        }
        faults.extend(jws_in(&ended.stderr).map(|jws| format!("a JWS is on standard error: {jws}")));
        let jws = jws_in(&ended.stdout).filter(|jws| !may_print("JWS", jws));
        faults.extend(jws.map(|jws| format!("a JWS is on standard output: {jws}")));
        if ended.stderr.contains("PRIVATE KEY-----") {
            faults.push("a key is on standard error".to_owned());
        }
        faults.into_iter().map(|fault| format!("{} {}: {fault}", row.verb, row.arguments)).collect()
    }

    /// A secret that nothing knew would never be found.
    fn every_secret_was_in_use(&self) {
        let seen = self.server.seen.lock().unwrap();
        for name in [
            "access token on the wire",
            "admin token on the wire",
            "proof",
            "client assertion",
            "PKCE verifier",
            "code on the wire",
            "refresh token on the wire",
            "device code on the wire",
            "ID token",
            "cookie on the wire",
            "client secret in Authorization",
            "client secret in the form",
        ] {
            assert!(seen.contains_key(name), "no {name} was seen: {:?}", seen.keys());
        }
    }

    fn log_in(&self) -> Vec<Ended> {
        let who = ["login", "--org-url", &self.server.origin, "--client-id", "native", "-vvv"];
        let in_browser = {
            let mut child = self.workspace.command(&[&who[..], &["--no-browser"]].concat()).spawn().unwrap();
            let mut stderr = BufReader::new(child.stderr.take().unwrap());
            let (url, before) = authorization_url(&mut stderr);
            let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
            *self.server.nonce.lock().unwrap() = query.get("nonce").cloned();
            // What is shown in the browser is no secret of the log: `state` is for one response.
            let to = url::Url::parse(&query["redirect_uri"]).unwrap();
            let host = format!("{}:{}", to.host_str().unwrap(), to.port().unwrap());
            let mut browser = TcpStream::connect(&host).unwrap();
            let target = format!("{}?code={CODE}&state={}", to.path(), query["state"]);
            write!(browser, "GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
            browser.read_to_string(&mut String::new()).unwrap();
            let mut rest = String::new();
            stderr.read_to_string(&mut rest).unwrap();
            Ended { stderr: before + &rest, ..Ended::of(child) }
        };
        *self.server.nonce.lock().unwrap() = None;
        let on_device = self.workspace.run(&[&who[..], &["--device"]].concat());
        vec![in_browser, on_device]
    }

    fn lend(&self) -> Vec<Ended> {
        let flags = ["-vvv", "--secret-file", "proxy.secret", "--no-cache"];
        let sidecar = Sidecar::start(&self.workspace, &flags);
        let fields = format!("Authorization: Bearer {PROXY}\r\nCookie: sid={COOKIE}\r\n");
        for path in ["/api/v1/users", "/refused", "/failing"] {
            sidecar.send("GET", path, &fields, b"");
        }
        sidecar.send("GET", "/api/v1/users", &format!("Authorization: Bearer {GIVEN}\r\n"), b"");
        let metrics = String::from_utf8(sidecar.admin("/metrics").body).unwrap();
        let told = sidecar.told.to_string();
        let (status, log) = sidecar.end_with_log();
        vec![Ended { code: status.code(), stdout: told + &metrics, stderr: log }]
    }

    fn guard(&self) -> Vec<Ended> {
        let caller = policy(&self.workspace, "");
        let upstream = Upstream::start();
        let guard =
            Guard::start(&self.workspace, &["-vvv", "--policy", "guard.toml", "--upstream", &upstream.url]);
        let fields = caller.credentials("GET", "/orders");
        self.note_credentials(&fields);
        let cookie = format!("{fields}Cookie: sid={COOKIE}\r\n");
        for fields in [cookie.as_str(), fields.as_str(), ""] {
            guard.get(&guard.address, "/orders", fields);
        }
        let told = guard.told.to_string();
        let (status, log) = guard.signal_and_wait("TERM");
        vec![Ended { code: status.code(), stdout: told, stderr: log }]
    }

    fn check(&self) -> Vec<Ended> {
        // The policy before had another issuer's key.
        fs::remove_file(self.workspace.path("jwks.json")).unwrap();
        let caller = policy(&self.workspace, "");
        let fields = caller.credentials("GET", "/orders");
        self.note_credentials(&fields);
        let request =
            format!("GET /orders HTTP/1.1\r\nHost: api.example.com\r\n{fields}Cookie: sid={COOKIE}\r\n\r\n");
        let arguments = ["guard", "check", "--policy", "guard.toml", "--request", "-", "-vvv"];
        vec![self.workspace.run_with(&arguments, &[], &request)]
    }

    fn note_credentials(&self, fields: &str) {
        let mut seen = self.server.seen.lock().unwrap();
        let jws = fields.split([' ', '\r', '\n']).filter(|word| word.starts_with("eyJ"));
        seen.entry("proof").or_default().extend(jws.map(str::to_owned));
    }

    fn start_org(&self) -> Vec<Ended> {
        let mut org = Org::start_with(&self.workspace, &["--http", "-vvv"]);
        let admin = org.admin_token.clone();
        let mut stderr = org.stderr();
        let log = thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        let call = ["api", "/api/v1/users", "--org-url", &org.url, "-vvv"];
        let refused = self.workspace.run(&call);
        assert_eq!(refused.code, Some(7), "{}", excerpt(&refused));
        let of_console = sign_in_to_console(&org);
        let status = org.terminate();
        let log = log.join().unwrap();
        assert!(!log.contains(&admin), "the org's admin token is in its log");
        for secret in of_console {
            assert!(!log.contains(&secret), "a code or a cookie of the admin console is in the log");
        }
        vec![Ended { code: status.code(), stdout: String::new(), stderr: log + &refused.stderr }]
    }
}

/// Signs in to the admin console by the link that the org has printed, and opens a page; gives the link's code and the
/// session's cookie.
fn sign_in_to_console(org: &Org) -> [String; 2] {
    let (page, code) = org.console_url.split_once("?code=").unwrap();
    assert!(exchange("GET", &org.console_url, "", "").contains(code), "the page's form has the code");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let signed_in = exchange("POST", page, form, &format!("code={code}"));
    let cookie = signed_in.to_ascii_lowercase().find("set-cookie: ").map(|at| &signed_in[at..]);
    let cookie =
        cookie.and_then(|field| field.split([' ', ';']).nth(1)).unwrap_or_else(|| panic!("{signed_in}"));
    let apps = exchange("GET", &format!("{}/admin/apps", org.url), &format!("Cookie: {cookie}\r\n"), "");
    assert!(apps.starts_with("HTTP/1.1 200"), "{apps}");
    [code.to_owned(), cookie.split_once('=').unwrap().1.to_owned()]
}

/// What of a private key must not be seen: the lines of its PEM forms, and the private members of its JWK.
fn parts(key: &PrivateKey) -> BTreeSet<String> {
    let pem = key.to_pkcs8_pem().unwrap();
    // Of an RSA key the first seven lines have what all such keys begin with, and the modulus, which is public; of a key
    // on a curve the third has nothing but its public half.
    let secret_lines = if matches!(key.kind(), KeyKind::Rsa { .. }) { 7..usize::MAX } else { 0..2 };
    let lines = pem.lines().filter(|line| !line.starts_with('-')).enumerate();
    let lines = lines.filter(|(number, line)| secret_lines.contains(number) && line.len() >= 32);
    let lines = lines.map(|(_, line)| line.to_owned());
    let jwk: Value = serde_json::from_str(&key.to_jwk().unwrap()).unwrap();
    let members = ["d", "p", "q", "dp", "dq", "qi"];
    let members = members.iter().filter_map(|name| jwk[name].as_str()).map(str::to_owned);
    let secret: BTreeSet<_> = lines.chain(members).collect();
    assert!(!secret.is_empty());
    secret
}

/// Three parts of base64url, the first of which is an object.
fn jws_in(output: &str) -> Option<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    output.split(|character| !is_part(character)).find(|word| {
        let parts: Vec<_> = word.split('.').collect();
        word.starts_with("eyJ") && parts.len() >= 3 && parts.iter().take(3).all(|part| part.len() > 8)
    })
}

/// The URL that is printed, and all lines up to it.
fn authorization_url(stderr: &mut impl std::io::BufRead) -> (url::Url, String) {
    let mut before = String::new();
    loop {
        let start = before.len();
        assert_ne!(stderr.read_line(&mut before).unwrap(), 0, "{before}");
        let line = before[start..].trim();
        if line.starts_with("http://") && line.contains("response_type=code") {
            return (url::Url::parse(line).unwrap(), before);
        }
    }
}

/// An org and authorization server that takes everything and remembers what is secret of it.
struct Server {
    origin: String,
    seen: Arc<Mutex<Secrets>>,
    /// The nonce of the authorization request.
    nonce: Arc<Mutex<Option<String>>>,
}

struct Shared {
    origin: String,
    key: SigningKey,
    seen: Arc<Mutex<Secrets>>,
    nonce: Arc<Mutex<Option<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (seen, nonce) = (Arc::<Mutex<Secrets>>::default(), Arc::<Mutex<Option<String>>>::default());
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let shared =
            Shared { origin: origin.clone(), key, seen: Arc::clone(&seen), nonce: Arc::clone(&nonce) };
        let shared = Arc::new(shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(stream));
            }
        });
        Self { origin, seen, nonce }
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let Some(received) = Received::read(&mut reader) else { return };
        let form = &received.body;
        let authorization = received.field("authorization").unwrap_or_default();
        if let Some((scheme, token)) = authorization.split_once(' ') {
            let name = match scheme {
                "SSWS" => "admin token on the wire",
                "Basic" => "client secret in Authorization",
                _ => "access token on the wire",
            };
            self.note(name, token);
        }
        for (name, secret) in
            [("proof", received.field("dpop")), ("cookie on the wire", received.field("cookie"))]
        {
            if let Some(secret) = secret {
                self.note(name, secret);
            }
        }
        let parameters: BTreeMap<String, String> =
            url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        for (parameter, name) in [
            ("client_assertion", "client assertion"),
            ("code_verifier", "PKCE verifier"),
            ("code", "code on the wire"),
            ("refresh_token", "refresh token on the wire"),
            ("device_code", "device code on the wire"),
            ("client_secret", "client secret in the form"),
        ] {
            if let Some(value) = parameters.get(parameter) {
                self.note(name, value);
            }
        }
        let line = received.line().to_owned();
        let (status, text) = self.answer(&line, &parameters, received.field("dpop").is_some());
        let answer = format!(
            "HTTP/1.1 {status} Canary\r\nContent-Type: application/json\r\nSet-Cookie: sid={COOKIE}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        // Who asked may have gone.
        let _ = reader.get_mut().write_all(answer.as_bytes());
    }

    fn note(&self, name: &'static str, secret: &str) {
        self.seen.lock().unwrap().entry(name).or_default().insert(secret.to_owned());
    }

    fn answer(&self, line: &str, form: &BTreeMap<String, String>, is_proven: bool) -> (u16, String) {
        let origin = &self.origin;
        let (method, target) = line.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap();
        match path {
            "/.well-known/oauth-authorization-server"
            | "/.well-known/oauth-authorization-server/oauth2/default"
            | "/.well-known/openid-configuration" => {
                let server = if path.ends_with("/default") { "/oauth2/default" } else { "" };
                let metadata = json!({
                    "issuer": format!("{origin}{server}"), "token_endpoint": format!("{origin}/oauth2/v1/token"),
                    "authorization_endpoint": format!("{origin}/authorize"),
                    "device_authorization_endpoint": format!("{origin}/device"),
                    "revocation_endpoint": format!("{origin}/revoke"), "jwks_uri": format!("{origin}/keys"),
                    "id_token_signing_alg_values_supported": ["ES256"],
                    "dpop_signing_alg_values_supported": ["RS256", "ES256"],
                });
                (200, metadata.to_string())
            }
            "/oauth2/v1/token" => (200, self.grant(form, is_proven).to_string()),
            "/keys" => {
                let key = self.key.public_key().clone().with_key_id("k1");
                (200, JwkSet::from_keys(vec![key]).to_json())
            }
            "/device" => {
                let codes = json!({
                    "device_code": DEVICE, "user_code": "WDJB", "verification_uri": format!("{origin}/d"),
                    "expires_in": 60, "interval": 1,
                });
                (200, codes.to_string())
            }
            "/failing" => (500, r#"{"errorCode":"E0000009","errorSummary":"failed"}"#.to_owned()),
            "/refused" => (403, r#"{"errorCode":"E0000006","errorSummary":"refused"}"#.to_owned()),
            _ => (200, object(method, path).to_string()),
        }
    }

    fn grant(&self, form: &BTreeMap<String, String>, is_proven: bool) -> Value {
        let mut granted = json!({
            "access_token": ACCESS, "expires_in": 3600, "token_type": if is_proven { "DPoP" } else { "Bearer" },
        });
        if form["grant_type"] != "client_credentials" {
            let id_token = self.id_token();
            self.note("ID token", &id_token);
            granted["refresh_token"] = json!(REFRESH);
            granted["id_token"] = json!(id_token);
        }
        granted
    }

    fn id_token(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header = json!({ "alg": "ES256", "kid": "k1" });
        let claims = json!({
            "iss": self.origin, "aud": "native", "sub": "00u1", "iat": now, "exp": now + 60,
            "nonce": *self.nonce.lock().unwrap(),
        });
        let input =
            format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(claims.to_string()));
        format!("{input}.{}", base64url::encode(self.key.sign(input.as_bytes()).unwrap().as_bytes()))
    }
}

/// What every type of the API can be read from, or a list of one where a list is asked for.
fn object(method: &str, path: &str) -> Value {
    let object = json!({
        "id": "x1", "uuid": "x1", "kid": "k1", "status": "INACTIVE", "label": "A", "published": "2026-01-01T00:00:00Z",
        "profile": { "login": "a", "name": "A" }, "scopeId": "okta.logs.read", "type": "APP_ADMIN",
    });
    let lists = ["/users", "/groups", "/apps", "/logs", "/jwks", "/grants", "/roles"];
    let is_list = method == "GET" && lists.iter().any(|list| path.ends_with(list));
    if is_list { json!([object]) } else { object }
}
