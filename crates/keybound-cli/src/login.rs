//! `keybound login`, `logout` and `whoami`: a user lets the program act in their name, until they take it back.

mod failure;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::SystemTime;

use anstream::eprintln;
use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use keybound::endpoint::Endpoint;
use keybound::id_token::IdToken;
use keybound::metadata::ServerMetadata;
use keybound::proof::DpopKey;
use keybound::{Algorithm, SigningKey};
use keybound_client::authorization::{Asked, Loopback, SignedIn, UserAuthorization};
use keybound_client::{ClientRegistration, DiscoveryError, Issuer, System, TokenBinding, discover, field};
use keybound_okta::{OrgUrl, UserSettings};
use serde_json::json;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use crate::connection::{Caller, Connection};
use crate::exit_code::ExitCode;
use crate::kept_files;
use crate::output::Output;
use crate::report::{Failure, Outcome};
use crate::runtime;
use crate::session::{self, KeptLogin, Session};

use failure::failed;

/// What a login asks for besides: who the user is, and a refresh token (OpenID Connect Core sections 3.1.2.1 and 11).
const ALWAYS_ASKED: [&str; 2] = ["openid", "offline_access"];

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound login --org-url https://example.okta.com --client-id 0oa1 --scope okta.users.read
  keybound login --device                          on a machine without a browser
  keybound login --resource https://api.example    for an API that has to be named
  keybound api /api/v1/users/me --as-user

The app is a native one that is public (no secret), with the grants Authorization Code (or Device Authorization) and \
Refresh Token, and http://127.0.0.1:PORT/callback as a redirect URI.")]
pub(crate) struct Arguments {
    /// Print the URL and open no browser.
    #[arg(long)]
    no_browser: bool,
    /// Approve on another device, by a code.
    #[arg(long)]
    device: bool,
    /// The port of the redirect URI; a free one, if not given.
    #[arg(long, value_name = "PORT", default_value_t = 0, conflicts_with = "device")]
    port: u16,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct WhichLogin {
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let settings = arguments.connection.user_settings()?;
    if arguments.connection.asks_for_bearer() {
        return Err(Failure::new(ExitCode::Usage, "a login is bound to a key always")
            .because("its refresh token is kept in a file, and would be of use to whoever reads that")
            .do_next("leave --no-dpop out; the server has to take proofs (RFC 9449)"));
    }
    if settings.audience.is_some() {
        return Err(Failure::new(ExitCode::Usage, "a login can't ask for an audience")
            .because("no standard has a parameter for it where a user is asked, and a token for something else would come")
            .do_next("name the API by --resource (RFC 8707); leave --audience and KEYBOUND_AUDIENCE out"));
    }
    let Some(client_id) = settings.client_id.clone() else {
        return Err(Failure::new(ExitCode::Settings, "no client id is set")
            .do_next("give the client id of a native app: --client-id ID, or OKTA_CLIENT_ID"));
    };
    let login = KeptLogin::at(&settings.org_url, &client_id)?;
    let system = arguments.connection.system(settings.transport_options());
    let issuer = settings.issuer.as_ref().map_or_else(|| settings.org_url.origin(), Issuer::as_str);
    let session = runtime::one_thread()?.block_on(async {
        let metadata = discover(&system.transport, issuer).await.map_err(not_found)?;
        let pending = Pending::new(metadata, client_id)?;
        let signed_in = pending.authorize(arguments, &settings, system).await?;
        let session = pending.session(&signed_in, &settings)?;
        keep(&session, &login).await?;
        // The token that came with the login is there for the first call.
        let okta = arguments.connection.client_of_login(&settings, login, None)?;
        okta.begin_with(signed_in.token).await?;
        Ok::<_, Failure>(session)
    })?;
    output.json(&described(&session, &settings))
}

/// Keeps a login in the place of the one before, whose tokens are of no more use.
async fn keep(session: &Session, login: &KeptLogin) -> Outcome {
    let _lock = lock(login).await?;
    let before = login.read().ok();
    login.write(session)?;
    match before {
        Some(before) => forget_tokens(&before),
        None => Ok(()),
    }
}

/// Drops the access tokens that are kept of a login.
fn forget_tokens(session: &Session) -> Outcome {
    let Some(cache) = kept_files::token_cache() else { return Ok(()) };
    let forgotten = cache.forget_bound_to(session.key()?.thumbprint());
    forgotten.map(drop).map_err(|error| {
        Failure::new(ExitCode::Login, "the access tokens of the login can't be removed").because(error)
    })
}

/// A login before anybody has approved it, with a key of its own.
struct Pending {
    metadata: ServerMetadata,
    client_id: String,
    algorithm: Algorithm,
    key: Arc<SigningKey>,
}

impl Pending {
    fn new(metadata: ServerMetadata, client_id: String) -> Outcome<Self> {
        let algorithm = metadata.choose_proof_algorithm().map_err(|error| failed(error.into()))?;
        let key =
            SigningKey::generate(algorithm).map_err(|error| Failure::new(ExitCode::Unexpected, error))?;
        Ok(Self { metadata, client_id, algorithm, key: Arc::new(key) })
    }

    async fn authorize(
        &self,
        arguments: &Arguments,
        settings: &UserSettings,
        system: System,
    ) -> Outcome<SignedIn> {
        let binding = TokenBinding::Dpop(DpopKey::new(Arc::<SigningKey>::clone(&self.key)));
        let client = ClientRegistration::public(&self.client_id);
        let authorization =
            UserAuthorization::new(system, self.metadata.clone(), client, binding).map_err(failed)?;
        let resources = settings.resources.clone();
        let asked = Asked { scopes: asked_scopes(settings), resources, ..Asked::default() };
        if arguments.device {
            on_device(&authorization, asked).await
        } else {
            in_browser(&authorization, asked, arguments).await
        }
    }

    fn session(&self, signed_in: &SignedIn, settings: &UserSettings) -> Outcome<Session> {
        let (granted, user) = (&signed_in.token, signed_in.user.as_ref());
        let Some(refresh_token) = &granted.refresh_token else {
            return Err(Failure::new(ExitCode::Login, "the login can't be kept")
                .because("the server gave no refresh token")
                .do_next("switch the grant \"Refresh Token\" on for the app"));
        };
        let private_key = self
            .key
            .private_key()
            .to_pkcs8_pem()
            .map_err(|error| Failure::new(ExitCode::Unexpected, error))?;
        let endpoint = self.metadata.token_endpoint().map_err(|error| failed(error.into()))?;
        Ok(Session {
            issuer: self.metadata.issuer.clone(),
            client_id: self.client_id.clone(),
            user: user.map(shown),
            subject: user.map(|user| user.subject.clone()),
            scopes: granted.scopes.clone().unwrap_or_else(|| asked_scopes(settings)),
            resources: settings.resources.clone(),
            token_endpoint: endpoint.to_string(),
            revocation_endpoint: self.metadata.revocation_endpoint.as_ref().map(ToString::to_string),
            since: SystemTime::now().into(),
            algorithm: self.algorithm,
            private_key,
            refresh_token: refresh_token.secret().clone(),
        })
    }
}

/// Who the user is, to be shown and for nothing else.
fn shown(user: &IdToken) -> String {
    field::readable(user.preferred_username.as_deref().or(user.email.as_deref()).unwrap_or(&user.subject))
}

async fn in_browser(
    authorization: &UserAuthorization,
    asked: Asked,
    arguments: &Arguments,
) -> Outcome<SignedIn> {
    let mut place = Loopback::default();
    place.port = arguments.port;
    let browser = authorization.begin(asked, &place).await.map_err(failed)?;
    eprintln!("Log in here:\n  {}", browser.url());
    if !arguments.no_browser {
        open_browser(browser.url());
    }
    browser.finish().await.map_err(failed)
}

async fn on_device(authorization: &UserAuthorization, asked: Asked) -> Outcome<SignedIn> {
    let device = authorization.begin_on_device(asked).await.map_err(failed)?;
    let shown = device.authorization();
    eprintln!(
        "Open this on another device:\n  {}\nand type the code:\n  {}",
        shown.verification_uri, shown.user_code
    );
    device.finish().await.map_err(failed)
}

/// Opens the user's browser, if the system knows one; who has none opens the URL that is printed.
fn open_browser(url: &str) {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        command
    } else {
        Command::new("xdg-open")
    };
    let quiet = command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if quiet.spawn().is_err() {
        eprintln!("(No browser could be opened.)");
    }
}

/// The scopes that are set, and those of every login.
fn asked_scopes(settings: &UserSettings) -> Vec<String> {
    let mut scopes = settings.scopes.clone();
    for scope in ALWAYS_ASKED {
        if !scopes.iter().any(|asked| asked == scope) {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

pub(crate) fn log_out(arguments: &WhichLogin, output: Output) -> Outcome {
    let connection = &arguments.connection;
    let settings = connection.settings_of_login()?;
    let Some(login) = KeptLogin::find(&settings.org_url, connection.client_id(&settings))? else {
        return Err(session::nobody(&settings.org_url));
    };
    let system = connection.system(settings.transport_options());
    let revoked = runtime::one_thread()?.block_on(async {
        // Held, so that no other run gets a new token for the one that is given back.
        let _lock = lock(&login).await?;
        let session = login.read();
        // Forgotten whatever the server says: the user wants it gone.
        login.forget()?;
        let session = session?;
        let forgotten = forget_tokens(&session);
        let revoked = revoke(&session, &system).await?;
        forgotten.map(|()| revoked)
    })?;
    output.json(&json!({ "logged_out": true, "revoked": revoked }))
}

/// Gives the refresh token back (RFC 7009), and with it the whole grant. Whether the server takes tokens back.
async fn revoke(session: &Session, system: &System) -> Outcome<bool> {
    let Some(endpoint) = session.revocation_endpoint.as_deref().and_then(|url| Endpoint::parse(url).ok())
    else {
        return Ok(false);
    };
    let mut form = Serializer::new(String::new());
    form.append_pair("token", session.refresh_token.expose());
    form.append_pair("token_type_hint", "refresh_token");
    form.append_pair("client_id", &session.client_id);
    let form = Zeroizing::new(form.finish());
    let mut request = Request::new(Bytes::copy_from_slice(form.as_bytes()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.uri().clone();
    let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(CONTENT_TYPE, content_type);
    let not_revoked = |why: String| {
        Failure::new(ExitCode::Login, "the login is forgotten here, and the server did not take it back")
            .because(why)
            .do_next("end the session at the org, if this machine is not yours")
    };
    let answer = system.transport.send(request).await.map_err(|error| not_revoked(error.to_string()))?;
    if answer.status().is_success() {
        return Ok(true);
    }
    Err(not_revoked(format!("it answered with {}", answer.status())))
}

pub(crate) fn tell_who(arguments: &WhichLogin, output: Output) -> Outcome {
    let connection = &arguments.connection;
    match connection.caller()? {
        Caller::App(settings) => output.json(&json!({
            "kind": "app",
            "client_id": settings.grant.client_id,
            "org_url": settings.org_url.as_ref().map(OrgUrl::origin),
            "issuer": settings.issuer(),
            "scopes": settings.grant.scopes,
            "is_bound": settings.binding.is_bound(),
            "dpop_key": settings.binding.key().map(|key| key.thumbprint().to_string()),
        })),
        Caller::User(settings, login) => {
            let session = login.read()?;
            let okta = connection.client_of_user(&settings, login)?;
            let token = runtime::run(&okta, async { Ok(okta.token().await?) })?;
            let mut described = described(&session, &settings);
            if let (Some(expires_at), Some(members)) = (token.expires_at(), described.as_object_mut()) {
                members.insert("token_expires_at".to_owned(), expires_at.seconds().into());
            }
            output.json(&described)
        }
    }
}

fn described(session: &Session, settings: &UserSettings) -> serde_json::Value {
    json!({
        "kind": "user",
        "user": session.user,
        "subject": session.subject,
        "org_url": settings.org_url.origin(),
        "issuer": session.issuer,
        "client_id": session.client_id,
        "scopes": session.scopes,
        "resources": session.resources,
        "since": session.since.seconds(),
    })
}

async fn lock(login: &KeptLogin) -> Outcome<keybound_client::CacheLock> {
    login.lock().await.map_err(|error| Failure::new(ExitCode::Login, "the login is in use").because(error))
}

fn not_found(error: DiscoveryError) -> Failure {
    Failure::new(ExitCode::Connection, "the authorization server can't be used")
        .because(error)
        .do_next("check the org's URL, or name the server: --issuer URL (OKTA_OAUTH2_ISSUER)")
}
