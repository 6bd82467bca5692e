//! Custom authorization servers: their audience, scopes, claims, and the policies by which they give tokens.

mod claims;
mod policies;
mod ranked;
mod rules;
mod scopes;

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::{Row, Transaction};

use super::condition::Condition;
use super::page::{self, Listing, Page};
use super::{Store, StoreError, column, date, unless_taken};
use crate::okta_id::{self, IdKind};
use crate::wire_name::wire_names;

pub(super) use claims::find as claim;
pub use claims::{ClaimSource, ClaimedToken, CustomClaim};
pub use policies::AccessPolicy;
pub(crate) use policies::PolicySettings;
pub(super) use policies::find as policy;
pub(crate) use ranked::Ranked;
pub(super) use rules::find as rule;
pub use rules::{AccessPolicyRule, Lifetimes};
pub use scopes::CustomScope;

/// A custom authorization server to be made.
#[derive(Clone, Debug)]
pub struct NewAuthorizationServer {
    /// Its name, which no other has.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What its access tokens are for (`aud`).
    pub audience: String,
}

/// A custom authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomServer {
    /// Its id: `default`, or `aus` and 17 letters and digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What its access tokens are for (`aud`).
    pub audience: String,
    /// Whether it answers.
    pub status: LifecycleStatus,
    /// When it was made; 1970 for the one that every org has from the start.
    pub created: NumericDate,
    /// When it last changed.
    pub last_updated: NumericDate,
}

impl CustomServer {
    /// The id of the server that every org has from the start, and that cannot be deleted.
    pub const DEFAULT_ID: &'static str = "default";
}

wire_names! {
    /// Whether an authorization server, a claim, a policy or a rule counts.
    pub enum LifecycleStatus {
        /// It does.
        Active = "ACTIVE",
        /// It is as if it were not there.
        Inactive = "INACTIVE",
    }
}

/// A scope or a claim, with the id that it is kept under.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identified<T> {
    /// Its place in the order in which they were added.
    pub(crate) number: i64,
    /// `scp` or `ocl`, and 17 letters and digits.
    pub id: String,
    /// What it is.
    pub value: T,
}

impl Store {
    /// Makes a custom authorization server. It gives no tokens before it has a policy.
    pub fn create_authorization_server(
        &self,
        new: &NewAuthorizationServer,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<CustomServer, StoreError> {
        let id = okta_id::generate(IdKind::AuthorizationServer, random)?;
        self.write(|transaction| {
            let inserted = transaction.execute(
                "INSERT INTO authorization_servers (id, name, description, audience, created, last_updated) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
                (&id, &new.name, &new.description, &new.audience, column(now)),
            );
            unless_taken(inserted, StoreError::ServerNameTaken { name: new.name.clone() })?;
            require(transaction, &id)
        })
    }

    /// The custom authorization servers, in the order in which they were made.
    pub fn list_authorization_servers(&self) -> Result<Vec<CustomServer>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction
                .prepare_cached(&format!("SELECT {COLUMNS} FROM authorization_servers ORDER BY number"))?;
            statement.query_and_then([], read_server)?.collect()
        })
    }

    /// A page of them.
    pub(crate) fn authorization_servers(&self, listing: &Listing) -> Result<Page<CustomServer>, StoreError> {
        self.read(|transaction| {
            page::select(transaction, "authorization_servers", COLUMNS, listing, read_server)
        })
    }

    /// The condition for servers whose name or audience begins with a text.
    pub(crate) fn servers_beginning_with(text: &str) -> Condition {
        Condition::beginning_with(&["name", "audience"], text)
    }

    /// The custom authorization server of this id, if there is one; also one that is not active.
    pub fn authorization_server(&self, id: &str) -> Result<Option<CustomServer>, StoreError> {
        self.read(|transaction| server(transaction, id))
    }

    /// Changes name, description, audience and status of a server; gives it as it then is.
    pub fn change_authorization_server<E: From<StoreError>>(
        &self,
        id: &str,
        now: NumericDate,
        change: impl FnOnce(&mut CustomServer) -> Result<(), E>,
    ) -> Result<CustomServer, E> {
        self.write(|transaction| {
            let mut server = require(transaction, id)?;
            change(&mut server)?;
            server.last_updated = now;
            update(transaction, &server)?;
            Ok(server)
        })
    }

    /// Deletes a server with all that belongs to it, unless `check` refuses; gives it as it was. Its tokens are worth
    /// nothing then.
    pub(crate) fn delete_authorization_server<E: From<StoreError>>(
        &self,
        id: &str,
        check: impl FnOnce(&CustomServer) -> Result<(), E>,
    ) -> Result<CustomServer, E> {
        self.write(|transaction| {
            let server = require(transaction, id)?;
            check(&server)?;
            delete(transaction, id)?;
            Ok(server)
        })
    }
}

fn delete(transaction: &Transaction<'_>, id: &str) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM authorization_servers WHERE id = ?1", [id])?;
    for table in ["signing_keys", "authorizations", "pushed_requests", "device_requests"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE server = ?1"), [id])?;
    }
    Ok(())
}

const COLUMNS: &str = "number, id, name, description, audience, status, created, last_updated";

fn read_server(row: &Row<'_>) -> Result<CustomServer, StoreError> {
    Ok(CustomServer {
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        audience: row.get("audience")?,
        status: status(row)?,
        created: date(row.get("created")?),
        last_updated: date(row.get("last_updated")?),
    })
}

/// Refuses if `owner` has as many rows of a table as it may. The token endpoint reads them all for each request.
fn room_for_another(
    transaction: &Transaction<'_>,
    (table, of): (&'static str, &'static str),
    owner: &str,
    limit: i64,
) -> Result<(), StoreError> {
    let there: i64 = transaction
        .prepare_cached(&format!("SELECT count(*) FROM {table} WHERE {of} = ?1"))?
        .query_row([owner], |row| row.get(0))?;
    if there < limit { Ok(()) } else { Err(StoreError::TooManyOfServer { limit }) }
}

/// The status in a row.
fn status(row: &Row<'_>) -> Result<LifecycleStatus, StoreError> {
    let unknown =
        StoreError::Damaged { what: "something of an authorization server has a status that is not known" };
    LifecycleStatus::of_name(&row.get::<_, String>("status")?).ok_or(unknown)
}

pub(super) fn server(transaction: &Transaction<'_>, id: &str) -> Result<Option<CustomServer>, StoreError> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM authorization_servers WHERE id = ?1"))?
        .query_and_then([id], read_server)?
        .next()
        .transpose()
}

fn require(transaction: &Transaction<'_>, id: &str) -> Result<CustomServer, StoreError> {
    server(transaction, id)?.ok_or_else(|| StoreError::UnknownServer { id: id.to_owned() })
}

fn update(transaction: &Transaction<'_>, server: &CustomServer) -> Result<(), StoreError> {
    let put = transaction.execute(
        "UPDATE authorization_servers SET name = ?2, description = ?3, audience = ?4, status = ?5, \
         last_updated = ?6 WHERE id = ?1",
        (
            &server.id,
            &server.name,
            &server.description,
            &server.audience,
            server.status.name(),
            column(server.last_updated),
        ),
    );
    unless_taken(put, StoreError::ServerNameTaken { name: server.name.clone() })
}
