//! `keybound org`: a local org, its apps and their keys.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use keybound::NumericDate;
use keybound::random::OperatingSystem;
use keybound_org::{
    AdminRole, App as RegisteredApp, ApplicationType, ClientSecret, ClientSettings, Data, GrantType,
    LocalOrg, NewApp, NoncePolicy, OrgSettings, ResponseType, Scheme, Store, StoreError,
    TokenEndpointAuthMethod,
};
use serde_json::{Value, json};

use crate::exit_code::ExitCode;
use crate::key_file;
use crate::output::Output;
use crate::report::{Failure, Outcome};
use crate::runtime;
use crate::signals::Signals;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start the local org; one JSON line says where it serves. Ctrl-C ends it.
    Start(Start),
    /// Register and list apps, also while the org runs.
    #[command(subcommand)]
    App(App),
    /// Register keys, also while the org runs.
    #[command(subcommand)]
    Key(Key),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org start --listen 127.0.0.1:8443 --data ./org
  keybound org start --listen 127.0.0.1:8080 --http --data ./org")]
pub(crate) struct Start {
    /// Address to serve at; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Serve plain http, on loopback only.
    #[arg(long)]
    http: bool,
    /// Listen where other machines can reach it, as one does in a container; https only.
    #[arg(long, conflicts_with = "http")]
    listen_beyond_loopback: bool,
    /// Folder of the database, the certificate authority and the keys; made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Made-up users that a new org begins with.
    #[arg(long, value_name = "N", default_value_t = OrgSettings::default().seed_users)]
    seed_users: usize,
    /// Requests that the management API takes in a minute, before it answers 429.
    #[arg(long, value_name = "N", default_value_t = OrgSettings::default().requests_per_minute)]
    requests_per_minute: u32,
    /// How often the authorization servers renew their nonce, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..))]
    nonce_period: u64,
    /// For how long after the start of its period a nonce is taken, in seconds; two periods at least.
    #[arg(long, value_name = "SECONDS", default_value_t = 259_200)]
    nonce_grace: u64,
    /// For how long a refresh token may be used again, in seconds, since an answer may have been lost.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    refresh_token_grace: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum App {
    /// Register an app; its client id, and its secret if it has one, are printed as JSON.
    Create(CreateApp),
    /// List the apps.
    List(ListApps),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Register another public key of an app.
    Add(AddKey),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org app create --data ./org --label job --public-jwk cc_public_key.json --scope okta.users.read
  keybound org app create --data ./org --label desk --type native --redirect-uri http://127.0.0.1/callback \
--scope okta.users.read
  keybound org app create --data ./org --label site --type web --redirect-uri https://localhost:3000/callback

A service app authenticates with its key, a web app with its key or, without one, with a secret that is printed once. A
native app and one in a browser have neither.")]
pub(crate) struct CreateApp {
    /// Folder of the org's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The app's name.
    #[arg(long, value_parser = label)]
    label: String,
    /// What the app runs as; a service, if not given.
    #[arg(long = "type", value_enum)]
    kind: Option<AppKind>,
    /// The app's public key, a JWK.
    #[arg(long, value_name = "FILE", required_unless_present = "kind", required_if_eq("kind", "service"))]
    public_jwk: Option<PathBuf>,
    /// Where the app's users are sent back to; may be given several times. Of a loopback address the port may differ
    /// for a native app.
    #[arg(long = "redirect-uri", value_name = "URI", required_if_eq_any([("kind", "web"), ("kind", "browser")]))]
    redirect_uris: Vec<String>,
    /// Where the app's users may be sent after signing out; may be given several times.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// A scope to grant; may be given several times. Those of OpenID Connect need no grant.
    #[arg(long = "scope", value_name = "SCOPE", required_unless_present = "kind", required_if_eq("kind", "service"), value_parser = scope)]
    scopes: Vec<String>,
    /// An admin role to assign; may be given several times.
    #[arg(long = "role", value_name = "ROLE", default_value = "READ_ONLY_ADMIN")]
    roles: Vec<AdminRole>,
    /// Whether token requests must carry a proof.
    #[arg(long, value_enum, default_value = "required")]
    dpop: Dpop,
}

/// What an app runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AppKind {
    /// A server, for itself.
    Service,
    /// A server, for its users.
    Web,
    /// A user's device.
    Native,
    /// A browser.
    Browser,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dpop {
    Required,
    Off,
}

#[derive(Args, Debug)]
pub(crate) struct ListApps {
    /// Folder of the org's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct AddKey {
    /// Folder of the org's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The app's client id.
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// The public key, a JWK.
    #[arg(long, value_name = "FILE")]
    public_jwk: PathBuf,
}

pub(crate) fn run(verb: &Verb, output: Output) -> Outcome {
    match verb {
        Verb::Start(arguments) => start(arguments, output),
        Verb::App(App::Create(arguments)) => create_app(arguments, output),
        Verb::App(App::List(arguments)) => list_apps(arguments, output),
        Verb::Key(Key::Add(arguments)) => add_key(arguments, output),
    }
}

/// Serves until it is told to end: Ctrl-C, or SIGTERM.
fn start(arguments: &Start, output: Output) -> Outcome {
    let settings = OrgSettings {
        listen: arguments.listen,
        scheme: if arguments.http { Scheme::Http } else { Scheme::Https },
        listen_beyond_loopback: arguments.listen_beyond_loopback,
        data: Data::Directory(arguments.data.clone()),
        seed_users: arguments.seed_users,
        requests_per_minute: arguments.requests_per_minute,
        nonces: NoncePolicy {
            renewed_every: Duration::from_secs(arguments.nonce_period),
            accepted_for: Duration::from_secs(arguments.nonce_grace),
        },
        refresh_token_grace: Duration::from_secs(arguments.refresh_token_grace),
        ..OrgSettings::default()
    };
    let unable =
        |error: io::Error| Failure::new(ExitCode::LocalOrg, "the local org cannot start").because(error);
    runtime::start()?.block_on(async {
        // Listened for from the start, so that no signal is missed.
        let mut signals = Signals::listen().map_err(unable)?;
        let org = LocalOrg::start(settings).await?;
        let ca_file = org.ca_file().map(fs::canonicalize).transpose().map_err(unable)?;
        let line = json!({ "url": org.url(), "ca_file": ca_file, "admin_token": org.admin_token() });
        output.line(line)?;
        signals.told_to_end().await;
        org.stop().await;
        Ok(())
    })
}

/// A name that can be shown.
fn label(text: &str) -> Result<String, &'static str> {
    let is_name = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if is_name { Ok(text.to_owned()) } else { Err("a label is a text without control characters") }
}

/// A scope-token (RFC 6749 section 3.3).
fn scope(text: &str) -> Result<String, &'static str> {
    let is_scope = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    if !text.is_empty() && text.bytes().all(is_scope) {
        Ok(text.to_owned())
    } else {
        Err("a scope is printable ASCII without spaces; give --scope once for each")
    }
}

fn create_app(arguments: &CreateApp, output: Output) -> Outcome {
    let key = arguments.public_jwk.as_deref().map(key_file::read_public).transpose()?;
    let client = client(arguments, key.is_some());
    let client_secret = client
        .token_endpoint_auth_method
        .uses_secret()
        .then(|| ClientSecret::generate(&OperatingSystem))
        .transpose()
        .map_err(StoreError::from)?;
    let new = NewApp {
        label: arguments.label.clone(),
        public_keys: key.into_iter().collect(),
        scopes: arguments.scopes.clone(),
        roles: arguments.roles.clone(),
        dpop_bound_access_tokens: arguments.dpop == Dpop::Required,
        client,
        client_secret: client_secret.clone(),
    };
    let app = Store::open(&arguments.data)?.create_app(&new, now(), &OperatingSystem)?;
    output.json(&match &client_secret {
        Some(secret) => json!({ "client_id": app.client_id, "client_secret": secret.expose() }),
        None => json!({ "client_id": app.client_id }),
    })
}

/// What a client of this kind may do, as Okta's console sets it up.
fn client(arguments: &CreateApp, has_key: bool) -> ClientSettings {
    use GrantType as G;
    use TokenEndpointAuthMethod as M;
    let (application_type, grant_types, method) = match arguments.kind.unwrap_or(AppKind::Service) {
        AppKind::Service => return ClientSettings::default(),
        AppKind::Web => {
            let method = if has_key { M::PrivateKeyJwt } else { M::ClientSecretBasic };
            (ApplicationType::Web, vec![G::AuthorizationCode, G::RefreshToken], method)
        }
        AppKind::Native => {
            let grant_types = vec![G::AuthorizationCode, G::RefreshToken, G::DeviceCode];
            (ApplicationType::Native, grant_types, M::None)
        }
        AppKind::Browser => (ApplicationType::Browser, vec![G::AuthorizationCode, G::RefreshToken], M::None),
    };
    ClientSettings {
        application_type,
        redirect_uris: arguments.redirect_uris.clone(),
        post_logout_redirect_uris: arguments.post_logout_redirect_uris.clone(),
        grant_types,
        response_types: vec![ResponseType::Code],
        token_endpoint_auth_method: method,
        pkce_required: true,
    }
}

/// The data of an org that is there: a wrong path must not make a new one.
fn open_existing(data: &Path) -> Outcome<Store> {
    if Store::is_in(data) {
        return Ok(Store::open(data)?);
    }
    Err(Failure::new(ExitCode::LocalOrg, format_args!("there is no org's data in {}", data.display()))
        .because("the folder holds no database of an org")
        .do_next("give the folder that `keybound org start --data` was given"))
}

fn list_apps(arguments: &ListApps, output: Output) -> Outcome {
    let apps = open_existing(&arguments.data)?.list_apps()?;
    if output.is_terminal() {
        table(&apps, output)
    } else {
        output.json(&json!(apps.iter().map(shown).collect::<Vec<_>>()))
    }
}

fn shown(app: &RegisteredApp) -> Value {
    json!({
        "client_id": app.client_id,
        "label": app.label,
        "scopes": app.scopes,
        "roles": app.roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
        "dpop": dpop(app),
        "key_ids": key_ids(app),
        "created": app.created.seconds(),
    })
}

fn table(apps: &[RegisteredApp], output: Output) -> Outcome {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["CLIENT ID", "LABEL", "DPOP", "SCOPES", "KEYS"]);
    for app in apps {
        let keys = key_ids(app).join("\n");
        table.add_row([&app.client_id, &app.label, dpop(app), &app.scopes.join("\n"), &keys]);
    }
    output.line(table.trim_fmt())
}

const fn dpop(app: &RegisteredApp) -> &'static str {
    if app.dpop_bound_access_tokens { "required" } else { "off" }
}

fn key_ids(app: &RegisteredApp) -> Vec<&str> {
    app.keys.keys().iter().filter_map(|key| key.key_id()).collect()
}

fn add_key(arguments: &AddKey, output: Output) -> Outcome {
    let key = key_file::read_public(&arguments.public_jwk)?;
    open_existing(&arguments.data)?.add_key(&arguments.client_id, &key, now())?;
    let key_id = key.key_id().map_or_else(|| key.thumbprint().to_string(), str::to_owned);
    output.json(&json!({ "client_id": arguments.client_id, "kid": key_id }))
}

fn now() -> NumericDate {
    SystemTime::now().into()
}
