//! The refresh tokens that apps hold of a user, as an administrator sees them: one for each authorization of which there
//! is one that can still be used, and under the authorization's id.

use keybound::NumericDate;
use rusqlite::Row;
use rusqlite::types::Value as Sql;

use super::authorizations::end;
use super::page::{self, Listing, Page};
use super::{Condition, Order, ServerId, Store, StoreError, column, date, list};

/// What an app holds of a user at a time.
#[derive(Clone, Copy)]
pub(crate) struct HeldTokens<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) now: NumericDate,
}

/// The refresh token of an authorization.
#[derive(Clone, Debug)]
pub(crate) struct HeldToken {
    pub(crate) id: String,
    pub(crate) server: ServerId,
    pub(crate) scopes: Vec<String>,
    /// When the user let the app have it.
    pub(crate) created: NumericDate,
    /// When it took the place of the one before.
    pub(crate) issued: NumericDate,
    pub(crate) expires: NumericDate,
}

/// That an authorization has not ended, and that there is a refresh token of it that can still be used.
const IS_HELD: &str = "ended IS NULL AND EXISTS (SELECT 1 FROM refresh_tokens \
                       WHERE authorization_id = authorizations.id AND used IS NULL AND expires > ?)";

impl HeldTokens<'_> {
    /// That an authorization is of these.
    pub(crate) fn condition(&self) -> Condition {
        let names = [self.user_id, self.client_id].map(|name| Sql::Text(name.to_owned()));
        is_held(self.now).and("user_id = ? AND client_id = ?", names)
    }
}

fn is_held(now: NumericDate) -> Condition {
    Condition::always().and(IS_HELD, [Sql::Integer(column(now))])
}

impl Store {
    /// A page of what apps hold, in the order of ids.
    pub(crate) fn held_tokens(&self, listing: &Listing) -> Result<Page<HeldToken>, StoreError> {
        self.read(|transaction| page::select(transaction, "authorizations", COLUMNS, listing, read))
    }

    /// The one of them that has this id.
    pub(crate) fn held_token(
        &self,
        held: &HeldTokens<'_>,
        id: &str,
    ) -> Result<Option<HeldToken>, StoreError> {
        let mut page = self.held_tokens(&all(of_id(held, Some(id))))?;
        Ok(page.items.pop())
    }

    /// The client ids of the apps that hold any of a user.
    pub(crate) fn clients_with_tokens(
        &self,
        user_id: &str,
        now: NumericDate,
    ) -> Result<Vec<String>, StoreError> {
        self.read(|transaction| {
            let condition = is_held(now).and("user_id = ?", [Sql::Text(user_id.to_owned())]);
            let query =
                format!("SELECT DISTINCT client_id FROM authorizations WHERE {} ORDER BY 1", condition.sql);
            let mut statement = transaction.prepare_cached(&query)?;
            let ids = statement
                .query_map(rusqlite::params_from_iter(condition.values), |row| row.get::<_, String>(0))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
    }

    /// Ends the authorizations of all that an app holds, or of the one of this id; gives those that ended.
    pub(crate) fn revoke_held_tokens(
        &self,
        held: &HeldTokens<'_>,
        id: Option<&str>,
    ) -> Result<Vec<HeldToken>, StoreError> {
        self.write(|transaction| {
            let found =
                page::select(transaction, "authorizations", COLUMNS, &all(of_id(held, id)), read)?.items;
            for token in &found {
                end(transaction, &token.id, held.now)?;
            }
            Ok(found)
        })
    }
}

fn of_id(held: &HeldTokens<'_>, id: Option<&str>) -> Condition {
    match id {
        None => held.condition(),
        Some(id) => held.condition().and("id = ?", [Sql::Text(id.to_owned())]),
    }
}

/// Of these all: one more is asked for, to see whether there is a next page, so the number is not the largest.
fn all(condition: Condition) -> Listing {
    Listing { condition, order: Order::of_ids(), after: None, limit: usize::MAX - 1 }
}

/// Rows of authorizations have no number; their id tells them apart.
const COLUMNS: &str = "0 AS number, id, server, scopes, created, \
    (SELECT max(issued) FROM refresh_tokens WHERE authorization_id = authorizations.id AND used IS NULL) AS issued, \
    (SELECT max(expires) FROM refresh_tokens WHERE authorization_id = authorizations.id AND used IS NULL) AS expires";

fn read(row: &Row<'_>) -> Result<HeldToken, StoreError> {
    Ok(HeldToken {
        id: row.get("id")?,
        server: row.get("server")?,
        scopes: list(&row.get::<_, String>("scopes")?)?,
        created: date(row.get("created")?),
        issued: date(row.get("issued")?),
        expires: date(row.get("expires")?),
    })
}
