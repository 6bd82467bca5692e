//! Apps: the clients that may ask for tokens, with their keys, scopes and roles.

mod client;
mod grants;
mod keys;
mod listing;
mod presentation;
mod secret;

use keybound::random::Random;
use keybound::{JwkSet, NumericDate, PublicKey};
use rusqlite::{Row, Transaction};
use serde_json::json;

use super::{AdminRole, RoleHolder, Store, StoreError, app_groups, column, date, list, list_column, roles};
use crate::okta_id::{self, IdKind};

pub use client::{
    AppStatus, ApplicationType, ClientSettings, GrantType, ResponseType, TokenEndpointAuthMethod,
};
pub use grants::ScopeGrant;
pub use keys::{ClientKey, KeyStatus};
pub(crate) use listing::app_property;
pub use presentation::AppPresentation;
pub(super) use presentation::is_kept as is_presentation_kept;
pub use secret::{ClientSecret, ClientSecretHash};

/// An app to be registered. The default is a service app without keys, scopes and roles, whose tokens are
/// bound to a key.
#[derive(Clone, Debug)]
pub struct NewApp {
    /// The name that people know it by.
    pub label: String,
    /// The keys that its client assertions may be signed with. A key without `kid` is registered under its
    /// thumbprint.
    pub public_keys: Vec<PublicKey>,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
    /// The admin roles that it acts in when it calls for itself; for a user it acts in theirs.
    pub roles: Vec<AdminRole>,
    /// Whether the group of all users is assigned to it; to a service app nobody is.
    pub assign_everyone: bool,
    /// Whether everybody may sign in to it, assigned or not.
    pub implicit_assignment: bool,
    /// Whether its token requests must carry a proof.
    pub dpop_bound_access_tokens: bool,
    /// What kind of client it is, and where its users are sent.
    pub client: ClientSettings,
    /// The secret that it authenticates with, if it does so by one. Only a hash of it is kept.
    pub client_secret: Option<ClientSecret>,
    /// Whether its clients are let in at once.
    pub status: AppStatus,
    /// What is shown of it and decides nothing.
    pub presentation: AppPresentation,
}

impl Default for NewApp {
    fn default() -> Self {
        Self {
            label: String::new(),
            public_keys: Vec::new(),
            scopes: Vec::new(),
            roles: Vec::new(),
            assign_everyone: true,
            implicit_assignment: false,
            dpop_bound_access_tokens: true,
            client: ClientSettings::default(),
            client_secret: None,
            status: AppStatus::Active,
            presentation: AppPresentation::default(),
        }
    }
}

/// A registered app.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// Its id, which is also that of the app in Okta's sense: `0oa` and 17 letters and digits.
    pub client_id: String,
    /// The name that people know it by.
    pub label: String,
    /// Whether its clients are let in.
    pub status: AppStatus,
    /// What kind of client it is, and where its users are sent.
    pub client: ClientSettings,
    /// The keys that its client assertions may be signed with, each with its `kid`; without those that are
    /// not active ([`Store::keys_of`] has all).
    pub keys: JwkSet,
    /// What is kept of the secret that it authenticates with, if it does so by one.
    pub client_secret_hash: Option<ClientSecretHash>,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
    /// The admin roles that it acts in when it calls for itself.
    pub roles: Vec<AdminRole>,
    /// Whether everybody may sign in to it, assigned or not.
    pub implicit_assignment: bool,
    /// Whether its token requests must carry a proof.
    pub dpop_bound_access_tokens: bool,
    /// When it was registered.
    pub created: NumericDate,
    /// When its settings last changed.
    pub last_updated: NumericDate,
}

/// What an app has beside its settings, as far as it is changed.
#[derive(Default)]
pub(crate) struct BesideSettings {
    /// The keys that take the place of all active ones.
    pub(crate) keys: Option<Vec<PublicKey>>,
    /// The members that take the place of those of before.
    pub(crate) presentation: AppPresentation,
}

impl Store {
    /// Registers an app; gives it with its client id.
    pub fn create_app(&self, new: &NewApp, now: NumericDate, random: &dyn Random) -> Result<App, StoreError> {
        has_credentials(new)?;
        let client_id = okta_id::generate(IdKind::App, random)?;
        self.write(|transaction| {
            insert(transaction, &client_id, new, now)?;
            presentation::keep(transaction, &client_id, &new.presentation)?;
            for key in &new.public_keys {
                keys::insert(transaction, &client_id, key, now)?;
            }
            for scope in &new.scopes {
                grants::insert(transaction, &client_id, scope, now, random)?;
            }
            for role in &new.roles {
                roles::insert(transaction, RoleHolder::Client(&client_id), *role, now, random)?;
            }
            if new.assign_everyone && new.client.application_type != ApplicationType::Service {
                app_groups::assign_everyone(transaction, &client_id, now, random)?;
            }
            find(transaction, &client_id)?.ok_or(StoreError::Damaged { what: "a new app is not there" })
        })
    }

    /// The app of this client id, if there is one; also one that is not active.
    pub fn app(&self, client_id: &str) -> Result<Option<App>, StoreError> {
        self.read(|transaction| find(transaction, client_id))
    }

    /// All apps, in the order in which they were registered.
    pub fn list_apps(&self) -> Result<Vec<App>, StoreError> {
        self.read(|transaction| {
            let mut statement =
                transaction.prepare_cached(&format!("SELECT {COLUMNS} FROM apps ORDER BY number"))?;
            let mut apps: Vec<App> = statement.query_and_then([], read)?.collect::<Result<_, _>>()?;
            apps.iter_mut().try_for_each(|app| complete(transaction, app))?;
            Ok(apps)
        })
    }

    /// Changes label, status, client settings, secret, implicit assignment and the demand for proofs of an app; gives it as it
    /// then is. Keys, scopes and roles have functions of their own.
    pub fn change_app<E: From<StoreError>>(
        &self,
        client_id: &str,
        now: NumericDate,
        change: impl FnOnce(&mut App) -> Result<(), E>,
    ) -> Result<App, E> {
        self.replace_app(client_id, now, |app| change(app).map(|()| BesideSettings::default()))
    }

    /// Does what [`Store::change_app`] does, and puts what `change` gives in the place of what the app has.
    pub(crate) fn replace_app<E: From<StoreError>>(
        &self,
        client_id: &str,
        now: NumericDate,
        change: impl FnOnce(&mut App) -> Result<BesideSettings, E>,
    ) -> Result<App, E> {
        self.write(|transaction| {
            let mut app = find(transaction, client_id)?.ok_or_else(|| unknown(client_id))?;
            let BesideSettings { keys, presentation } = change(&mut app)?;
            if let Some(keys) = keys {
                keys::replace(transaction, client_id, &keys, now)?;
                app.keys = keys::active(transaction, client_id)?;
            }
            presentation::keep(transaction, client_id, &presentation)?;
            app.last_updated = now;
            update(transaction, &app)?;
            Ok(app)
        })
    }

    /// Deletes an app, unless `check` refuses; gives it as it was.
    pub(crate) fn delete_app<E: From<StoreError>>(
        &self,
        client_id: &str,
        check: impl FnOnce(&App) -> Result<(), E>,
    ) -> Result<App, E> {
        self.write(|transaction| {
            let app = find(transaction, client_id)?.ok_or_else(|| unknown(client_id))?;
            check(&app)?;
            transaction
                .execute("DELETE FROM apps WHERE client_id = ?1", [client_id])
                .map_err(StoreError::from)?;
            Ok(app)
        })
    }

    /// Switches on or off that an app's token requests must carry a proof.
    pub fn require_dpop(&self, client_id: &str, required: bool) -> Result<(), StoreError> {
        self.write(|transaction| {
            let changed = transaction.execute(
                "UPDATE apps SET dpop_bound_access_tokens = ?2 WHERE client_id = ?1",
                (client_id, required),
            )?;
            if changed == 0 { Err(unknown(client_id)) } else { Ok(()) }
        })
    }
}

/// The error for a client id that no app has.
fn unknown(client_id: &str) -> StoreError {
    StoreError::UnknownApp { client_id: client_id.to_owned() }
}

/// Refuses a client id that no app has.
fn require(transaction: &Transaction<'_>, client_id: &str) -> Result<(), StoreError> {
    if exists(transaction, client_id)? { Ok(()) } else { Err(unknown(client_id)) }
}

/// Whether an app has a key of this `kid` that can be read and is of use.
pub(super) fn has_key(
    transaction: &Transaction<'_>,
    client_id: &str,
    key_id: &str,
) -> Result<bool, StoreError> {
    let key = keys::find(transaction, client_id, key_id)?;
    Ok(key.is_some_and(|key| key.key.key_id() == Some(key_id) && keys::is_supported(&key.key)))
}

fn exists(transaction: &Transaction<'_>, client_id: &str) -> Result<bool, StoreError> {
    Ok(transaction.prepare_cached("SELECT 1 FROM apps WHERE client_id = ?1")?.exists([client_id])?)
}

/// What a client of this kind authenticates with must be there from the beginning.
fn has_credentials(new: &NewApp) -> Result<(), StoreError> {
    match new.client.token_endpoint_auth_method {
        TokenEndpointAuthMethod::PrivateKeyJwt if new.public_keys.is_empty() => Err(StoreError::NoKey),
        method if method.uses_secret() && new.client_secret.is_none() => Err(StoreError::NoSecret),
        _ => Ok(()),
    }
}

const COLUMNS: &str = "number, client_id, label, status, implicit_assignment, application_type, redirect_uris, post_logout_redirect_uris, \
                       grant_types, response_types, token_endpoint_auth_method, client_secret_hash, \
                       pkce_required, dpop_bound_access_tokens, created, last_updated";

fn insert(
    transaction: &Transaction<'_>,
    client_id: &str,
    new: &NewApp,
    now: NumericDate,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO apps (client_id, label, dpop_bound_access_tokens, created) VALUES (?1, ?2, ?3, ?4)",
        (client_id, &new.label, new.dpop_bound_access_tokens, column(now)),
    )?;
    let mut app = find(transaction, client_id)?.ok_or_else(|| unknown(client_id))?;
    app.status = new.status;
    app.client.clone_from(&new.client);
    app.implicit_assignment = new.implicit_assignment;
    app.client_secret_hash = new.client_secret.as_ref().map(ClientSecret::hash);
    app.last_updated = now;
    update(transaction, &app)
}

fn update(transaction: &Transaction<'_>, app: &App) -> Result<(), StoreError> {
    let client = &app.client;
    let names = |names: Vec<&'static str>| json!(names).to_string();
    transaction
        .prepare_cached(
            "UPDATE apps SET label = ?2, status = ?3, application_type = ?4, redirect_uris = ?5, \
             post_logout_redirect_uris = ?6, grant_types = ?7, response_types = ?8, \
             token_endpoint_auth_method = ?9, client_secret_hash = ?10, pkce_required = ?11, \
             dpop_bound_access_tokens = ?12, last_updated = ?13, implicit_assignment = ?14 WHERE client_id = ?1",
        )?
        .execute((
            &app.client_id,
            &app.label,
            app.status.name(),
            client.application_type.name(),
            list_column(&client.redirect_uris),
            list_column(&client.post_logout_redirect_uris),
            names(client.grant_types.iter().map(|grant| grant.name()).collect()),
            names(client.response_types.iter().map(|response| response.name()).collect()),
            client.token_endpoint_auth_method.name(),
            app.client_secret_hash.as_ref().map(ClientSecretHash::digest),
            client.pkce_required,
            app.dpop_bound_access_tokens,
            column(app.last_updated),
            app.implicit_assignment,
        ))?;
    Ok(())
}

pub(super) fn find(transaction: &Transaction<'_>, client_id: &str) -> Result<Option<App>, StoreError> {
    let mut statement =
        transaction.prepare_cached(&format!("SELECT {COLUMNS} FROM apps WHERE client_id = ?1"))?;
    let Some(mut app) = statement.query_and_then([client_id], read)?.next().transpose()? else {
        return Ok(None);
    };
    complete(transaction, &mut app)?;
    Ok(Some(app))
}

/// Reads what other tables have of an app.
fn complete(transaction: &Transaction<'_>, app: &mut App) -> Result<(), StoreError> {
    app.keys = keys::active(transaction, &app.client_id)?;
    app.scopes = grants::scopes(transaction, &app.client_id)?;
    app.roles = roles::roles(transaction, RoleHolder::Client(&app.client_id))?;
    Ok(())
}

/// An app without what other tables have of it.
fn read(row: &Row<'_>) -> Result<App, StoreError> {
    let texts = |column| list(&row.get::<_, String>(column)?);
    Ok(App {
        client_id: row.get("client_id")?,
        label: row.get("label")?,
        status: named(row, "status", AppStatus::of_name)?,
        client: ClientSettings {
            application_type: named(row, "application_type", ApplicationType::of_name)?,
            redirect_uris: texts("redirect_uris")?,
            post_logout_redirect_uris: texts("post_logout_redirect_uris")?,
            grant_types: all_named(&texts("grant_types")?, GrantType::of_name)?,
            response_types: all_named(&texts("response_types")?, ResponseType::of_name)?,
            token_endpoint_auth_method: named(
                row,
                "token_endpoint_auth_method",
                TokenEndpointAuthMethod::of_name,
            )?,
            pkce_required: row.get("pkce_required")?,
        },
        keys: JwkSet::from_keys(Vec::new()),
        client_secret_hash: secret::read(row)?,
        scopes: Vec::new(),
        roles: Vec::new(),
        implicit_assignment: row.get("implicit_assignment")?,
        dpop_bound_access_tokens: row.get("dpop_bound_access_tokens")?,
        created: date(row.get("created")?),
        last_updated: date(row.get("last_updated")?),
    })
}

const UNKNOWN_NAME: StoreError =
    StoreError::Damaged { what: "an app has a status, type or method that is not known" };

fn named<T>(row: &Row<'_>, column: &str, of_name: fn(&str) -> Option<T>) -> Result<T, StoreError> {
    of_name(&row.get::<_, String>(column)?).ok_or(UNKNOWN_NAME)
}

fn all_named<T>(names: &[String], of_name: fn(&str) -> Option<T>) -> Result<Vec<T>, StoreError> {
    names.iter().map(|name| of_name(name).ok_or(UNKNOWN_NAME)).collect()
}
