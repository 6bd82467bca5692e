//! `keybound org app`: apps, registered and listed in an org's data.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use keybound::random::OperatingSystem;
use keybound_okta::operations;
use keybound_org::{
    AdminRole, App, ApplicationType, ClientSecret, ClientSettings, GrantType, NewApp, ResponseType, Store,
    StoreError, TokenEndpointAuthMethod,
};
use serde_json::{Value, json};

use super::{now, open_existing};
use crate::key_file;
use crate::output::Output;
use crate::report::Outcome;

/// What every client may ask for (OpenID Connect Core sections 5.4 and 11), and Okta's own for the user's groups.
const OPENID_CONNECT_SCOPES: [&str; 7] =
    ["openid", "profile", "email", "address", "phone", "offline_access", "groups"];

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Register an app; its client id, and its secret if it has one, are printed as JSON.
    Create(CreateApp),
    /// List the apps.
    List(ListApps),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org app create --data ./org --label job --public-jwk cc_public_key.json \\
      --scope okta.users.read
  keybound org app create --data ./org --label desk --type native \\
      --redirect-uri http://127.0.0.1/callback --scope okta.users.read
  keybound org app create --data ./org --label site --type web \\
      --redirect-uri https://localhost:3000/callback

A service app authenticates with its key, a web app with its key or, without one, with a secret that is printed once. A \
native app and one in a browser have neither. All users may sign in to these three: the group Everyone is assigned.

Only the scopes of Okta's own API are granted. Those of OpenID Connect need no grant, and those of a custom \
authorization server are allowed by its access policies.")]
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
    /// A scope of Okta's API to grant; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE", required_unless_present = "kind", required_if_eq("kind", "service"), value_parser = scope)]
    scopes: Vec<String>,
    /// An admin role for what the app does for itself; may be given several times [default: READ_ONLY_ADMIN for a service,
    /// none for others]. For a user the app acts in the roles of that user.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<AdminRole>,
    /// Whether token requests must carry a proof.
    #[arg(long, value_enum, default_value = "required")]
    dpop: Dpop,
}

impl CreateApp {
    fn kind(&self) -> AppKind {
        self.kind.unwrap_or(AppKind::Service)
    }

    /// Admin roles are what services act in; an app that acts for users has none unless it is given one.
    fn roles_or_usual(&self) -> Vec<AdminRole> {
        if self.roles.is_empty() && self.kind() == AppKind::Service {
            return vec![AdminRole::ReadOnly];
        }
        self.roles.clone()
    }
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
#[command(after_help = "\
Examples:
  keybound org app list --data ./org
  keybound org app list --data ./org | jq -r '.[].client_id'")]
pub(crate) struct ListApps {
    /// Folder of the org's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

pub(super) fn run(verb: &Verb, output: Output) -> Outcome {
    match verb {
        Verb::Create(arguments) => create_app(arguments, output),
        Verb::List(arguments) => list_apps(arguments, output),
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
        roles: arguments.roles_or_usual(),
        dpop_bound_access_tokens: arguments.dpop == Dpop::Required,
        client,
        client_secret: client_secret.clone(),
        ..NewApp::default()
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
    let (application_type, grant_types, method) = match arguments.kind() {
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
        // Okta too asks it of public clients alone, unless told otherwise.
        pkce_required: method == M::None,
    }
}

fn list_apps(arguments: &ListApps, output: Output) -> Outcome {
    let apps = open_existing(&arguments.data)?.list_apps()?;
    if output.is_terminal() {
        table(&apps, output)
    } else {
        output.json(&json!(apps.iter().map(shown).collect::<Vec<_>>()))
    }
}

fn shown(app: &App) -> Value {
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

fn table(apps: &[App], output: Output) -> Outcome {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["CLIENT ID", "LABEL", "DPOP", "SCOPES", "KEYS"]);
    for app in apps {
        let keys = key_ids(app).join("\n");
        table.add_row([&app.client_id, &app.label, dpop(app), &app.scopes.join("\n"), &keys]);
    }
    output.line(table.trim_fmt())
}

const fn dpop(app: &App) -> &'static str {
    if app.dpop_bound_access_tokens { "required" } else { "off" }
}

fn key_ids(app: &App) -> Vec<&str> {
    app.keys.keys().iter().filter_map(|key| key.key_id()).collect()
}

/// A name that can be shown.
fn label(text: &str) -> Result<String, &'static str> {
    let is_name = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if is_name { Ok(text.to_owned()) } else { Err("a label is a text without control characters") }
}

/// A scope of Okta's API.
fn scope(name: &str) -> Result<String, String> {
    if operations::is_scope(name) {
        return Ok(name.to_owned());
    }
    if OPENID_CONNECT_SCOPES.contains(&name) {
        return Err("the scopes of OpenID Connect need no grant; leave it out".to_owned());
    }
    if !name.starts_with("okta.") {
        return Err(
            "only scopes of Okta's API (okta.…) are granted to an app; one of a custom authorization server \
             is allowed by an access policy of that server"
                .to_owned(),
        );
    }
    Err(match operations::nearest_scopes(name).as_slice() {
        [] => "Okta has no scope of this name; `keybound operations` shows which scopes each operation needs"
            .to_owned(),
        near => format!("Okta has no scope of this name; did you mean {}?", near.join(" or ")),
    })
}
