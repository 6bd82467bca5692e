//! `keybound keys rotate`: a new client key in the place of the old one.
//!
//! # Order
//!
//! The new key is written to its file, registered, and tried, all while `.env` names the old one. Then `.env` is
//! switched over in one step. Only after that may the old key go. So at each moment the key that `.env` names is
//! registered, and whatever fails before the switch is taken back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use futures_util::TryStreamExt as _;
use keybound::{Algorithm, PrivateKey, PublicKey, SigningKey, Thumbprint};
use keybound_okta::{AppKey, OktaClient, Settings};
use serde_json::json;

use crate::connection::Connection;
use crate::exit_code::ExitCode;
use crate::key_file::{self, KeyFiles};
use crate::output::{FAINT, NAME, Output};
use crate::report::{Failure, Outcome};
use crate::runtime;

use super::env_switch::EnvSwitch;
use super::generate;

/// What it takes to register a key and to delete one.
const MANAGE_APPS: &str = "okta.apps.manage";

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound keys rotate                    a new key like the old one, which stays registered
  keybound keys rotate --delete-old       where nothing but this folder uses the old key
  keybound keys rotate --alg ES256 --out keys/cc-2027

The app needs the scope okta.apps.manage and an admin role that may change apps. The settings before stay in \
.env.before-rotation, the old key stays in its file.")]
pub(crate) struct Arguments {
    /// Algorithm of the new key; that of the old one, if not given.
    #[arg(long)]
    alg: Option<Algorithm>,
    /// What the names of the new key's files start with; beside .env, with the start of its thumbprint, if not given.
    #[arg(long, value_name = "PREFIX")]
    out: Option<PathBuf>,
    /// Delete the old key at the org, once the new one is in use here. Whoever else uses the old one is shut out.
    #[arg(long)]
    delete_old: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let rotation = Rotation::prepare(arguments)?;
    runtime::start()?.block_on(async {
        let done = rotation.replace().await?;
        let old = rotation.old_key(&done.okta).await;
        if !arguments.delete_old {
            return rotation.tell(old.as_ref(), false, output);
        }
        rotation.delete(&done.okta, old.as_ref()).await?;
        rotation.tell(old.as_ref(), true, output)
    })
}

/// A rotation of which nothing has been done yet.
struct Rotation<'a> {
    connection: &'a Connection,
    settings: Settings,
    /// The key before.
    old: Thumbprint,
    algorithm: Algorithm,
    key: PrivateKey,
    /// Its public half as it is registered.
    public: PublicKey,
    files: KeyFiles,
    env: EnvSwitch,
}

/// A rotation that is done.
struct Replaced {
    /// By the new key.
    okta: OktaClient,
}

impl<'a> Rotation<'a> {
    fn prepare(arguments: &'a Arguments) -> Outcome<Self> {
        let connection = &arguments.connection;
        let env = EnvSwitch::prepare(&connection.origins()?)?;
        let settings = connection.settings(None)?;
        let old = settings.credential.key().ok_or_else(no_key)?;
        let (algorithm, old) = (arguments.alg.unwrap_or(old.algorithm()), old.public_key().thumbprint());
        let key = generate(algorithm)?;
        let public = key_file::registrable(key.public_key(), algorithm);
        let prefix = arguments.out.clone().unwrap_or_else(|| {
            let thumbprint = key.public_key().thumbprint().to_string();
            env.folder().join(format!("cc-{}", thumbprint.chars().take(8).collect::<String>()))
        });
        let files = KeyFiles::with_prefix(&absolute(&prefix)?);
        files.refuse_existing()?;
        Ok(Self { connection, settings, old, algorithm, key, public, files, env })
    }

    fn app(&self) -> &str {
        &self.settings.grant.client_id
    }

    fn key_id(&self) -> &str {
        self.public.key_id().unwrap_or_default()
    }

    /// Writes, registers and tries the new key, and switches `.env` over. Takes back what is done if a step fails.
    async fn replace(&self) -> Outcome<Replaced> {
        let mut by_old = self.settings.clone();
        by_old.grant.scopes = vec![MANAGE_APPS.to_owned()];
        let by_old = self.connection.client(by_old);
        self.files.write(&self.key, self.algorithm)?;
        let registered = match by_old.apps().add_key(self.app(), &self.public).await {
            Ok(registered) => registered,
            Err(error) => {
                self.files.remove();
                return Err(not_registered(error.into()));
            }
        };
        match self.try_and_switch(&by_old, &registered).await {
            Ok(okta) => Ok(Replaced { okta }),
            Err(failure) => {
                self.files.remove();
                let taken_back = delete(&by_old, self.app(), &registered).await;
                Err(failure.because(taken_back.map_or_else(
                    |error| format!("{} stays registered, without use: {error}", self.key_id()),
                    |()| "the new key was taken back; all is as it was".to_owned(),
                )))
            }
        }
    }

    async fn try_and_switch(&self, by_old: &OktaClient, registered: &AppKey) -> Outcome<OktaClient> {
        if registered.status.as_deref() == Some("INACTIVE") {
            by_old.apps().activate_key(self.app(), id(registered)).await?;
        }
        let by_new = self.settings_with_new_key()?;
        self.connection.client(by_new.clone()).token().await?;
        self.env.switch(&self.files.private, self.key_id())?;
        self.check_switched().inspect_err(|_| self.env.switch_back())?;
        let mut managing = by_new;
        managing.grant.scopes = vec![MANAGE_APPS.to_owned()];
        Ok(self.connection.client(managing))
    }

    /// The settings as they are to be, with the new key as its file has it.
    fn settings_with_new_key(&self) -> Outcome<Settings> {
        let key = key_file::read_private(&self.files.private)?;
        let key =
            SigningKey::new(key, self.algorithm).map_err(|error| Failure::new(ExitCode::KeyFile, error))?;
        let mut settings = self.settings.clone();
        settings.credential = Arc::new(key).into();
        settings.grant.key_id = Some(self.key_id().to_owned());
        if settings.grant.scopes.is_empty() {
            settings.grant.scopes = vec![MANAGE_APPS.to_owned()];
        }
        Ok(settings)
    }

    /// Whether the settings are what they are to be, by whoever reads them next.
    fn check_switched(&self) -> Outcome {
        let now = self.connection.settings(None)?;
        let is_new = now.credential.key().map(|key| key.public_key().thumbprint())
            == Some(self.public.thumbprint())
            && now.grant.key_id.as_deref() == Some(self.key_id());
        if is_new {
            return Ok(());
        }
        Err(Failure::new(ExitCode::Settings, "the settings do not name the new key, though .env was changed")
            .do_next("look for a second line of OKTA_CC_PRIVATE_KEY_FILE or OKTA_CLIENT_KID, which counts over the first"))
    }

    /// The old key as the org has it, if it can be told which it is.
    async fn old_key(&self, okta: &OktaClient) -> Outcome<AppKey> {
        let keys: Vec<AppKey> = okta.apps().keys(self.app()).try_collect().await?;
        let thumbprint = self.old;
        let is_old = |key: &AppKey| key.public_key().is_some_and(|key| key.thumbprint() == thumbprint);
        keys.into_iter().find(is_old).ok_or_else(|| {
            Failure::new(
                ExitCode::ApiRefused,
                "the old key is not among those that the org lists for the app",
            )
            .because(format_args!("none has the thumbprint {thumbprint}"))
            .do_next("nothing, if it was deleted; else look at the app: Client Credentials → Public keys")
        })
    }

    async fn delete(&self, okta: &OktaClient, old: Result<&AppKey, &Failure>) -> Outcome {
        let not_deleted = |failure: &Failure, next: String| {
            Failure::new(failure.code(), format_args!("the old key is not deleted: {}", failure.what()))
                .because(".env has the new key, which works; the old one is still registered")
                .do_next(next)
        };
        let old = old.map_err(|failure| not_deleted(failure, self.how_to_delete(None)))?;
        let deleted = delete(okta, self.app(), old).await;
        deleted.map_err(|error| not_deleted(&error.into(), self.how_to_delete(Some(old))))
    }

    fn how_to_delete(&self, old: Option<&AppKey>) -> String {
        let (app, key) = (self.app(), old.map_or("KEY-ID", id));
        format!(
            "keybound api deactivateOAuth2ClientJsonWebKey {app} {key} --scope {MANAGE_APPS} && \
             keybound api deletejwk {app} {key} --scope {MANAGE_APPS}"
        )
    }

    fn tell(&self, old: Result<&AppKey, &Failure>, is_deleted: bool, output: Output) -> Outcome {
        let next = (!is_deleted).then(|| self.how_to_delete(old.ok()));
        if !output.is_terminal() {
            return output.json(&json!({
                "private_key_file": self.files.private,
                "public_key_file": self.files.public,
                "kid": self.key_id(),
                "env_before": self.env.before(),
                "old_key": old.ok().map(id),
                "old_key_deleted": is_deleted,
                "next": next,
            }));
        }
        output.line(format_args!("{NAME}new key{NAME:#}   {}", self.files.private.display()))?;
        output.line(format_args!(
            "{NAME}kid{NAME:#}       {} {FAINT}(registered, tried){FAINT:#}",
            self.key_id()
        ))?;
        output.line(format_args!(
            "{NAME}settings{NAME:#}  {} {FAINT}(before: {}){FAINT:#}",
            self.env.path().display(),
            self.env.before().display()
        ))?;
        match next {
            None => output.line(format_args!("{NAME}old key{NAME:#}   deleted at the org")),
            Some(next) => output.line(format_args!(
                "\nThe old key is still registered. Once nothing uses it any more, delete it (or next time --delete-old):\n  {next}"
            )),
        }
    }
}

/// A secret is replaced where it was made.
fn no_key() -> Failure {
    Failure::new(ExitCode::Settings, "there is no key to replace")
        .because("the app authenticates with a client secret")
        .do_next("have the issuer make another secret; or register a key, and set OKTA_CC_PRIVATE_KEY_FILE")
}

/// Where no answer came that can be read, the org may have done what it was asked.
fn not_registered(failure: Failure) -> Failure {
    match failure.code() {
        ExitCode::Connection | ExitCode::ServerFailed => {
            failure.because("the new key may be registered, without use; here all is as it was")
        }
        _ => failure.because("the new key was not registered; all is as it was"),
    }
}

/// The org's own id of a key.
fn id(key: &AppKey) -> &str {
    key.id.as_deref().or(key.kid.as_deref()).unwrap_or_default()
}

/// A key is deactivated before it is deleted; one that is so already is as good.
async fn delete(okta: &OktaClient, app: &str, key: &AppKey) -> Result<(), keybound_okta::Error> {
    let deactivated = okta.apps().deactivate_key(app, id(key)).await;
    let deleted = okta.apps().delete_key(app, id(key)).await;
    deleted.map_err(|error| deactivated.err().unwrap_or(error))
}

/// From the root, so that it can be written into `.env` wherever that is.
fn absolute(prefix: &Path) -> Outcome<PathBuf> {
    let folder = prefix.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).map_err(|error| {
        Failure::new(ExitCode::KeyFile, format_args!("the folder {} cannot be used", folder.display()))
            .because(error)
    })?;
    Ok(folder.join(prefix.file_name().unwrap_or_default()))
}
