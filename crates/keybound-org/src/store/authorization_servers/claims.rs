//! The claims that a custom authorization server puts into its tokens.

use keybound::random::Random;
use rusqlite::{Row, Transaction};

use super::{Identified, LifecycleStatus, require, room_for_another, status};
use crate::okta_id::{self, IdKind};
use crate::store::{Store, StoreError, list, list_column, unless_taken};
use crate::wire_name::wire_names;

/// A claim that a custom server puts into its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomClaim {
    /// The claim's name.
    pub name: String,
    /// The token that it is put into.
    pub token: ClaimedToken,
    /// Where its value comes from.
    pub source: ClaimSource,
    /// The scopes of which a token must have one to have the claim; empty: it always has it.
    pub scopes: Vec<String>,
    /// Whether it is put into tokens at all.
    pub status: LifecycleStatus,
}

impl CustomClaim {
    /// A claim that every such token has.
    pub fn new(name: impl Into<String>, token: ClaimedToken, source: ClaimSource) -> Self {
        Self { name: name.into(), token, source, scopes: Vec::new(), status: LifecycleStatus::Active }
    }

    /// Whether a token of this kind and with these scopes has the claim.
    pub(crate) fn is_in(&self, token: ClaimedToken, scopes: &[String]) -> bool {
        let is_asked_for = self.scopes.is_empty() || self.scopes.iter().any(|scope| scopes.contains(scope));
        self.status == LifecycleStatus::Active && self.token == token && is_asked_for
    }
}

wire_names! {
    /// The token that a claim is put into.
    pub enum ClaimedToken {
        /// The access token (Okta: `RESOURCE`).
        Access = "access",
        /// The ID token (Okta: `IDENTITY`).
        Id = "id",
    }
}

/// Where a claim's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimSource {
    /// This text.
    Text(String),
    /// A member of the user's profile (Okta: `user.…`); without a user, or without the member, there is no claim.
    Profile(String),
}

impl ClaimSource {
    const TEXT: &str = "text";
    const PROFILE: &str = "profile";

    /// The words of its two columns.
    pub(crate) fn columns(&self) -> (&'static str, &str) {
        match self {
            Self::Text(text) => (Self::TEXT, text),
            Self::Profile(member) => (Self::PROFILE, member),
        }
    }

    /// What two columns say.
    pub(crate) fn of_columns(source: &str, value: String) -> Option<Self> {
        match source {
            Self::TEXT => Some(Self::Text(value)),
            Self::PROFILE => Some(Self::Profile(value)),
            _ => None,
        }
    }
}

/// Claims of a server, at most: a token with all of them is still read by everybody.
const MAX_CLAIMS: i64 = 100;

impl Store {
    /// Adds a claim to a custom server's tokens. The claims that every token has stay as they are.
    pub fn add_claim(
        &self,
        server: &str,
        claim: &CustomClaim,
        random: &dyn Random,
    ) -> Result<Identified<CustomClaim>, StoreError> {
        let id = okta_id::generate(IdKind::CustomClaim, random)?;
        self.write(|transaction| {
            require(transaction, server)?;
            room_for_another(transaction, ("server_claims", "server"), server, MAX_CLAIMS)?;
            let statement = "INSERT INTO server_claims (server, id, token, name, source, value, scopes, status) \
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            put(transaction, statement, server, &id, claim)?;
            let number = transaction.last_insert_rowid();
            Ok(Identified { number, id, value: claim.clone() })
        })
    }

    /// The claims of a custom server, in the order in which they were added; also those that are not active.
    pub fn list_claims(&self, server: &str) -> Result<Vec<Identified<CustomClaim>>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM server_claims WHERE server = ?1 ORDER BY number"
            ))?;
            statement.query_and_then([server], read)?.collect()
        })
    }

    /// The claim of this id, if the server has it.
    pub(crate) fn claim(
        &self,
        server: &str,
        id: &str,
    ) -> Result<Option<Identified<CustomClaim>>, StoreError> {
        self.read(|transaction| find(transaction, server, id))
    }

    /// Puts another claim in the place of one; `None` if the server has none of this id.
    pub(crate) fn replace_claim(
        &self,
        server: &str,
        id: &str,
        claim: &CustomClaim,
    ) -> Result<Option<Identified<CustomClaim>>, StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE server_claims SET token = ?3, name = ?4, source = ?5, value = ?6, scopes = ?7, \
                             status = ?8 WHERE server = ?1 AND id = ?2";
            put(transaction, statement, server, id, claim)?;
            find(transaction, server, id)
        })
    }

    /// Deletes a claim; gives it as it was, or `None` if the server has none of this id.
    pub(crate) fn delete_claim(
        &self,
        server: &str,
        id: &str,
    ) -> Result<Option<Identified<CustomClaim>>, StoreError> {
        self.write(|transaction| {
            let found = find(transaction, server, id)?;
            transaction.execute("DELETE FROM server_claims WHERE server = ?1 AND id = ?2", [server, id])?;
            Ok(found)
        })
    }
}

const COLUMNS: &str = "number, id, token, name, source, value, scopes, status";

fn put(
    transaction: &Transaction<'_>,
    statement: &str,
    server: &str,
    id: &str,
    claim: &CustomClaim,
) -> Result<(), StoreError> {
    let (source, value) = claim.source.columns();
    let scopes = list_column(&claim.scopes);
    let put = transaction.execute(
        statement,
        (server, id, claim.token.name(), &claim.name, source, value, scopes, claim.status.name()),
    );
    unless_taken(put, StoreError::ClaimTaken { name: claim.name.clone() })
}

pub(in crate::store) fn find(
    transaction: &Transaction<'_>,
    server: &str,
    id: &str,
) -> Result<Option<Identified<CustomClaim>>, StoreError> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM server_claims WHERE server = ?1 AND id = ?2"))?
        .query_and_then([server, id], read)?
        .next()
        .transpose()
}

fn read(row: &Row<'_>) -> Result<Identified<CustomClaim>, StoreError> {
    let unknown =
        || StoreError::Damaged { what: "a claim is for a token, or of a source, that is not known" };
    let (token, source): (String, String) = (row.get("token")?, row.get("source")?);
    let value = CustomClaim {
        name: row.get("name")?,
        token: ClaimedToken::of_name(&token).ok_or_else(unknown)?,
        source: ClaimSource::of_columns(&source, row.get("value")?).ok_or_else(unknown)?,
        scopes: list(&row.get::<_, String>("scopes")?)?,
        status: status(row)?,
    };
    Ok(Identified { number: row.get("number")?, id: row.get("id")?, value })
}
