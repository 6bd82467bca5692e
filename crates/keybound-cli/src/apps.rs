//! `keybound apps`: the apps of the org; of service apps their keys, scopes and roles.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use keybound::PublicKey;
use keybound_okta::{App, AppKey, Apps, NewServiceApp, OktaClient, RoleAssignment, ScopeGrant};
use serde_json::json;

use crate::connection::Connection;
use crate::consent::Consent;
use crate::key_file;
use crate::listing::{Listing, Row, Selection, readable};
use crate::output::{FAINT, GOOD, Output};
use crate::report::{Failure, Outcome};
use crate::runtime;

mod by_name;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List apps: a table on a terminal, JSON in a pipe.
    #[command(after_help = "\
Examples:
  keybound apps list --q billing
  keybound apps list --filter 'status eq \"ACTIVE\"' --ndjson | jq -r .label")]
    List(List),
    /// Print one app as JSON.
    #[command(after_help = "\
Examples:
  keybound apps get 0oa1 | jq .settings.oauthClient.dpop_bound_access_tokens")]
    Get(Named),
    /// Create a service app, whose tokens are bound to a key unless told otherwise.
    #[command(after_help = "\
Examples:
  keybound apps create 'billing export' --public-jwk cc_public_key.json
  keybound apps create 'billing export' --public-jwk cc_public_key.json | jq -r .id")]
    Create(Create),
    /// Let an app's clients in.
    #[command(after_help = "\
Examples:
  keybound apps activate 0oa1")]
    Activate(Named),
    /// Shut an app's clients out.
    #[command(after_help = "\
Examples:
  keybound apps deactivate 0oa1
  keybound apps deactivate 0oa1 --yes")]
    Deactivate(End),
    /// Delete an app for good; it has to be deactivated first.
    #[command(after_help = "\
Examples:
  keybound apps deactivate 0oa1 && keybound apps delete 0oa1")]
    Delete(End),
    /// List the keys that an app's client authenticates with.
    #[command(after_help = "\
Examples:
  keybound apps keys 0oa1")]
    Keys(Listed),
    /// Register a public key of an app's client.
    #[command(after_help = "\
Examples:
  keybound keys new --out next && keybound apps add-key 0oa1 next_public_key.json")]
    AddKey(AddKey),
    /// Delete a key of an app's client; one in use is deactivated first.
    #[command(after_help = "\
Examples:
  keybound apps delete-key 0oa1 pks1")]
    DeleteKey(DeleteKey),
    /// List the scopes that are granted to an app.
    #[command(after_help = "\
Examples:
  keybound apps grants 0oa1 | jq -r '.[].scopeId'")]
    Grants(Listed),
    /// Grant a scope to an app.
    #[command(after_help = "\
Examples:
  keybound apps grant 0oa1 okta.users.read")]
    Grant(Grant),
    /// Take a granted scope back.
    #[command(after_help = "\
Examples:
  keybound apps revoke 0oa1 okta.users.read
  keybound apps revoke 0oa1 oag1 --yes")]
    Revoke(Revoke),
    /// List the admin roles of a client, by which its scopes are cut.
    #[command(after_help = "\
Examples:
  keybound apps roles 0oa1")]
    Roles(Listed),
    /// Give a client an admin role.
    #[command(after_help = "\
Examples:
  keybound apps assign 0oa1 READ_ONLY_ADMIN")]
    Assign(Assign),
    /// Take an admin role from a client.
    #[command(after_help = "\
Examples:
  keybound apps unassign 0oa1 READ_ONLY_ADMIN
  keybound apps unassign 0oa1 JBCUYUC7IRCVGS27IFCE2SKO --yes")]
    Unassign(Unassign),
}

#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Named {
    /// The app, by id.
    app: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Listed {
    /// The app, by id; of a service app that is its client id too.
    app: String,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Create {
    /// What people see.
    label: String,
    /// The app's public key, JWK or PEM; its thumbprint is its `kid`, if it has none.
    #[arg(long, value_name = "FILE")]
    public_jwk: PathBuf,
    /// Give its clients tokens that anyone who gets hold of them can use.
    #[arg(long)]
    allow_bearer: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct End {
    /// The app, by id.
    app: String,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct AddKey {
    /// The app, by id.
    app: String,
    /// The public key, JWK or PEM; its thumbprint is its `kid`, if it has none.
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteKey {
    /// The app, by id.
    app: String,
    /// The key, by Okta's id of it or by its `kid`.
    #[arg(allow_hyphen_values = true)]
    key: String,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Grant {
    /// The app, by id.
    app: String,
    /// The scope: okta.users.read.
    scope: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Revoke {
    /// The app, by id.
    app: String,
    /// The scope, or the id of the grant.
    grant: String,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Assign {
    /// The client, by its client id.
    app: String,
    /// The role: READ_ONLY_ADMIN, USER_ADMIN, …
    role: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Unassign {
    /// The client, by its client id.
    app: String,
    /// The role, or the id of its assignment.
    role: String,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(verb: &Verb, output: Output) -> Outcome {
    let okta = verb.connection().open()?;
    runtime::run(&okta, verb.run(&okta, output))
}

impl Verb {
    fn connection(&self) -> &Connection {
        match self {
            Self::List(List { connection, .. })
            | Self::Get(Named { connection, .. })
            | Self::Create(Create { connection, .. })
            | Self::Activate(Named { connection, .. })
            | Self::Deactivate(End { connection, .. })
            | Self::Delete(End { connection, .. })
            | Self::Keys(Listed { connection, .. })
            | Self::AddKey(AddKey { connection, .. })
            | Self::DeleteKey(DeleteKey { connection, .. })
            | Self::Grants(Listed { connection, .. })
            | Self::Grant(Grant { connection, .. })
            | Self::Revoke(Revoke { connection, .. })
            | Self::Roles(Listed { connection, .. })
            | Self::Assign(Assign { connection, .. })
            | Self::Unassign(Unassign { connection, .. }) => connection,
        }
    }

    async fn run(&self, okta: &OktaClient, output: Output) -> Outcome {
        let apps = okta.apps();
        match self {
            Self::List(list) => list.listing.print(apps.list(&list.selection.query()), output).await,
            Self::Get(named) => output.json(&apps.get(&named.app).await?),
            Self::Create(create) => {
                let app = apps.create_service(&create.app()?).await?;
                let label = app.label.as_deref().unwrap_or_default();
                output.changed(
                    format_args!("{} {FAINT}{}{FAINT:#}", line(label, "created"), readable(&app.id)),
                    &app,
                )
            }
            Self::Activate(named) => {
                apps.activate(&named.app).await?;
                now(&named.app, "activated", apps, output).await
            }
            Self::Deactivate(end) => {
                end.consent.to(format_args!("deactivate the app {}", end.app))?;
                apps.deactivate(&end.app).await?;
                now(&end.app, "deactivated", apps, output).await
            }
            Self::Delete(end) => {
                end.consent.to(format_args!("delete the app {} for good", end.app))?;
                apps.delete(&end.app).await?;
                output.changed(line(&end.app, "deleted"), &json!({ "app": end.app, "deleted": true }))
            }
            Self::Keys(listed) => listed.listing.print(apps.keys(&listed.app), output).await,
            Self::AddKey(add) => {
                let key = apps.add_key(&add.app, &public_key(&add.file)?).await?;
                output.changed(line(key.kid.as_deref().unwrap_or_default(), "registered"), &key)
            }
            Self::DeleteKey(delete) => delete.run(apps, output).await,
            Self::Grants(listed) => listed.listing.print(apps.grants(&listed.app), output).await,
            Self::Grant(grant) => {
                let granted = apps.grant(&grant.app, &grant.scope).await?;
                output.changed(line(&grant.scope, "granted"), &granted)
            }
            Self::Revoke(revoke) => revoke.run(apps, output).await,
            Self::Roles(listed) => listed.listing.print(apps.roles(&listed.app), output).await,
            Self::Assign(assign) => {
                let assigned = apps.assign_role(&assign.app, &assign.role).await?;
                output.changed(line(&assign.role, "assigned"), &assigned)
            }
            Self::Unassign(unassign) => unassign.run(apps, output).await,
        }
    }
}

impl Create {
    fn app(&self) -> Outcome<NewServiceApp> {
        let mut app = NewServiceApp::new(&self.label, public_key(&self.public_jwk)?);
        app.dpop_bound_access_tokens = !self.allow_bearer;
        Ok(app)
    }
}

impl DeleteKey {
    async fn run(&self, apps: Apps<'_>, output: Output) -> Outcome {
        self.consent.to(format_args!("delete the key {} of the app {} for good", self.key, self.app))?;
        let found = by_name::key(apps.keys(&self.app), &self.key).await?;
        // Okta deletes no key that is in use.
        if found.status.as_deref() != Some("INACTIVE") {
            apps.deactivate_key(&self.app, &found.id).await?;
        }
        apps.delete_key(&self.app, &found.id).await?;
        let gone = json!({ "app": self.app, "key": found.id, "deleted": true });
        output.changed(line(&self.key, "deleted"), &gone)
    }
}

impl Revoke {
    async fn run(&self, apps: Apps<'_>, output: Output) -> Outcome {
        self.consent.to(format_args!("take {} from the app {}", self.grant, self.app))?;
        let grant = by_name::grant(apps.grants(&self.app), &self.grant).await?;
        apps.revoke(&self.app, &grant).await?;
        let gone = json!({ "app": self.app, "grant": grant, "revoked": true });
        output.changed(line(&self.grant, "revoked"), &gone)
    }
}

impl Unassign {
    async fn run(&self, apps: Apps<'_>, output: Output) -> Outcome {
        self.consent.to(format_args!("take the role {} from the client {}", self.role, self.app))?;
        let assignment = by_name::role(apps.roles(&self.app), &self.role).await?;
        apps.remove_role(&self.app, &assignment).await?;
        let gone = json!({ "app": self.app, "assignment": assignment, "removed": true });
        output.changed(line(&self.role, "taken away"), &gone)
    }
}

/// A key to register, under its thumbprint if it has no name.
fn public_key(file: &std::path::Path) -> Outcome<PublicKey> {
    let key = key_file::read_public(file)?;
    let thumbprint = key.thumbprint().to_string();
    Ok(if key.key_id().is_some() { key } else { key.with_key_id(thumbprint) })
}

/// Tells a person of a change whose answer says nothing; a program gets what the app is now.
async fn now(app: &str, what: &str, apps: Apps<'_>, output: Output) -> Outcome {
    if output.is_terminal() {
        return output.line(line(app, what));
    }
    let read = apps.get(app).await.map_err(|error| Failure::after_change(error, app, what));
    output.json(&read?)
}

fn line(name: &str, what: &str) -> String {
    format!("{} {GOOD}{what}{GOOD:#}", readable(name))
}

fn text(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}

impl Row for App {
    const NOUNS: (&'static str, &'static str) = ("app", "apps");
    const HEADER: &'static [&'static str] = &["ID", "STATUS", "SIGN-ON", "LABEL"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            text(self.status.as_ref()),
            text(self.sign_on_mode.as_ref()),
            text(self.label.as_ref()),
        ]
    }
}

impl Row for AppKey {
    const NOUNS: (&'static str, &'static str) = ("key", "keys");
    const HEADER: &'static [&'static str] = &["ID", "STATUS", "KID", "CREATED"];

    fn cells(&self) -> Vec<String> {
        vec![
            text(self.id.as_ref()),
            text(self.status.as_ref()),
            text(self.kid.as_ref()),
            text(self.created.as_ref()),
        ]
    }
}

impl Row for ScopeGrant {
    const NOUNS: (&'static str, &'static str) = ("grant", "grants");
    const HEADER: &'static [&'static str] = &["ID", "STATUS", "SCOPE", "CREATED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            text(self.status.as_ref()),
            text(self.scope_id.as_ref()),
            text(self.created.as_ref()),
        ]
    }
}

impl Row for RoleAssignment {
    const NOUNS: (&'static str, &'static str) = ("role", "roles");
    const HEADER: &'static [&'static str] = &["ID", "STATUS", "ROLE", "LABEL"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.clone(), text(self.status.as_ref()), text(self.kind.as_ref()), text(self.label.as_ref())]
    }
}
