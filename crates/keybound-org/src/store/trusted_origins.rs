//! Trusted Origins: whose pages may ask the org from a browser, and where users may be sent when they signed in or out.

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::{Row, Transaction};

use super::condition::{Condition, Property};
use super::page::{self, Listing, Page};
use super::{LifecycleStatus, Store, StoreError, column, date, list, list_column};
use crate::okta_id::{self, IdKind};
use crate::web_origin::WebOrigin;
use crate::wire_name::wire_names;

/// A Trusted Origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustedOrigin {
    pub(crate) id: String,
    pub(crate) settings: TrustedOriginSettings,
    pub(crate) created: NumericDate,
    /// The id of who made it.
    pub(crate) created_by: String,
    pub(crate) last_updated: NumericDate,
    pub(crate) last_updated_by: String,
}

/// What an administrator says of a Trusted Origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustedOriginSettings {
    /// Its name, which no other has.
    pub(crate) name: String,
    /// The origin, which no other is for.
    pub(crate) origin: WebOrigin,
    /// What it is trusted for.
    pub(crate) scopes: Vec<TrustedOriginScope>,
    pub(crate) status: LifecycleStatus,
}

wire_names! {
    /// What an origin is trusted for.
    pub(crate) enum TrustedOriginScope {
        /// Its pages may ask the org and read the answers.
        Cors = "CORS",
        /// Users may be sent there when they signed in or out.
        Redirect = "REDIRECT",
    }
}

/// What may be looked for in Trusted Origins.
pub(crate) fn trusted_origin_property(name: &str) -> Option<Property> {
    Some(match name {
        "id" => Property::Identifier("id"),
        "name" => Property::Text("name"),
        "origin" => Property::Identifier("origin"),
        "status" => Property::Identifier("status"),
        "created" => Property::Seconds("created"),
        "createdBy" => Property::Identifier("created_by"),
        "lastUpdated" => Property::Seconds("last_updated"),
        "lastUpdatedBy" => Property::Identifier("last_updated_by"),
        _ => return None,
    })
}

impl Store {
    /// Makes a Trusted Origin in the name of `by`.
    pub(crate) fn create_trusted_origin(
        &self,
        settings: TrustedOriginSettings,
        by: &str,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<TrustedOrigin, StoreError> {
        let origin = new(settings, by, now, random)?;
        self.write(|transaction| insert(transaction, &origin))?;
        Ok(origin)
    }

    /// Makes sure that this origin is a Trusted Origin for CORS that is active.
    pub(crate) fn trust(
        &self,
        origin: &WebOrigin,
        by: &str,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let Some(mut known) = find(transaction, "origin", origin.as_str())? else {
                let (name, origin) = (origin.to_string(), origin.clone());
                let (scopes, status) = (vec![TrustedOriginScope::Cors], LifecycleStatus::Active);
                let settings = TrustedOriginSettings { name, origin, scopes, status };
                return insert(transaction, &new(settings, by, now, random)?);
            };
            let settings = &mut known.settings;
            if is_trusted_for(settings, TrustedOriginScope::Cors) {
                return Ok(());
            }
            settings.status = LifecycleStatus::Active;
            if !settings.scopes.contains(&TrustedOriginScope::Cors) {
                settings.scopes.push(TrustedOriginScope::Cors);
            }
            (known.last_updated, known.last_updated_by) = (now, by.to_owned());
            update(transaction, &known)
        })
    }

    /// The Trusted Origin of this id, if there is one.
    pub(crate) fn trusted_origin(&self, id: &str) -> Result<Option<TrustedOrigin>, StoreError> {
        self.read(|transaction| find(transaction, "id", id))
    }

    /// A page of Trusted Origins.
    pub(crate) fn trusted_origins(&self, listing: &Listing) -> Result<Page<TrustedOrigin>, StoreError> {
        self.read(|transaction| page::select(transaction, "trusted_origins", COLUMNS, listing, read))
    }

    /// The condition for Trusted Origins of which the name or the origin begins with a text.
    pub(crate) fn trusted_origins_beginning_with(text: &str) -> Condition {
        Condition::beginning_with(&["name", "origin"], text)
    }

    /// Changes a Trusted Origin in the name of `by`; gives it as it then is.
    pub(crate) fn change_trusted_origin(
        &self,
        id: &str,
        by: &str,
        now: NumericDate,
        change: impl FnOnce(&mut TrustedOriginSettings),
    ) -> Result<TrustedOrigin, StoreError> {
        self.write(|transaction| {
            let mut origin = find(transaction, "id", id)?.ok_or_else(|| unknown(id))?;
            change(&mut origin.settings);
            (origin.last_updated, origin.last_updated_by) = (now, by.to_owned());
            update(transaction, &origin)?;
            Ok(origin)
        })
    }

    /// Deletes a Trusted Origin; gives it as it was.
    pub(crate) fn delete_trusted_origin(&self, id: &str) -> Result<TrustedOrigin, StoreError> {
        self.write(|transaction| {
            let origin = find(transaction, "id", id)?.ok_or_else(|| unknown(id))?;
            transaction.execute("DELETE FROM trusted_origins WHERE id = ?1", [id])?;
            Ok(origin)
        })
    }

    /// Whether this origin is a Trusted Origin for this that is active.
    pub(crate) fn trusts(&self, origin: &WebOrigin, scope: TrustedOriginScope) -> Result<bool, StoreError> {
        let found = self.read(|transaction| find(transaction, "origin", origin.as_str()))?;
        Ok(found.is_some_and(|found| is_trusted_for(&found.settings, scope)))
    }

    /// Whether an active app in browsers has a redirect URI at this origin.
    pub(crate) fn has_browser_app_at(&self, origin: &WebOrigin) -> Result<bool, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT value FROM apps, json_each(redirect_uris) \
                 WHERE application_type = 'browser' AND status = 'ACTIVE'",
            )?;
            let mut uris = statement.query([])?;
            while let Some(row) = uris.next()? {
                let uri: String = row.get(0)?;
                if WebOrigin::of_url(&uri).as_ref() == Some(origin) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }
}

fn is_trusted_for(settings: &TrustedOriginSettings, scope: TrustedOriginScope) -> bool {
    settings.status == LifecycleStatus::Active && settings.scopes.contains(&scope)
}

fn unknown(id: &str) -> StoreError {
    StoreError::UnknownTrustedOrigin { id: id.to_owned() }
}

fn new(
    settings: TrustedOriginSettings,
    by: &str,
    now: NumericDate,
    random: &dyn Random,
) -> Result<TrustedOrigin, StoreError> {
    Ok(TrustedOrigin {
        id: okta_id::generate(IdKind::TrustedOrigin, random)?,
        settings,
        created: now,
        created_by: by.to_owned(),
        last_updated: now,
        last_updated_by: by.to_owned(),
    })
}

const COLUMNS: &str =
    "number, id, name, origin, scopes, status, created, created_by, last_updated, last_updated_by";

fn insert(transaction: &Transaction<'_>, origin: &TrustedOrigin) -> Result<(), StoreError> {
    let TrustedOrigin { id, settings, created, created_by, .. } = origin;
    refuse_taken(transaction, origin)?;
    transaction.execute(
        "INSERT INTO trusted_origins \
         (id, name, origin, scopes, status, created, created_by, last_updated, last_updated_by) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6, ?7)",
        (
            id,
            &settings.name,
            settings.origin.as_str(),
            scopes_column(&settings.scopes),
            settings.status.name(),
            column(*created),
            created_by,
        ),
    )?;
    Ok(())
}

fn update(transaction: &Transaction<'_>, origin: &TrustedOrigin) -> Result<(), StoreError> {
    let TrustedOrigin { id, settings, last_updated, last_updated_by, .. } = origin;
    refuse_taken(transaction, origin)?;
    transaction.execute(
        "UPDATE trusted_origins SET name = ?2, origin = ?3, scopes = ?4, status = ?5, last_updated = ?6, \
         last_updated_by = ?7 WHERE id = ?1",
        (
            id,
            &settings.name,
            settings.origin.as_str(),
            scopes_column(&settings.scopes),
            settings.status.name(),
            column(*last_updated),
            last_updated_by,
        ),
    )?;
    Ok(())
}

/// Refuses a name or an origin that another one has, and says which.
fn refuse_taken(transaction: &Transaction<'_>, origin: &TrustedOrigin) -> Result<(), StoreError> {
    for (column, value, taken) in [
        ("name", origin.settings.name.as_str(), StoreError::TrustedOriginNameTaken),
        ("origin", origin.settings.origin.as_str(), StoreError::TrustedOriginTaken),
    ] {
        if find(transaction, column, value)?.is_some_and(|other| other.id != origin.id) {
            return Err(taken);
        }
    }
    Ok(())
}

/// The Trusted Origin that has this value in a column of distinct values.
pub(super) fn find(
    transaction: &Transaction<'_>,
    column: &'static str,
    value: &str,
) -> Result<Option<TrustedOrigin>, StoreError> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM trusted_origins WHERE {column} = ?1"))?
        .query_and_then([value], read)?
        .next()
        .transpose()
}

fn scopes_column(scopes: &[TrustedOriginScope]) -> String {
    list_column(&scopes.iter().map(|scope| scope.name().to_owned()).collect::<Vec<_>>())
}

fn read(row: &Row<'_>) -> Result<TrustedOrigin, StoreError> {
    let damaged = |what| StoreError::Damaged { what };
    let text = |column| row.get::<_, String>(column);
    let scopes = list(&text("scopes")?)?;
    let scopes: Option<_> = scopes.iter().map(|scope| TrustedOriginScope::of_name(scope)).collect();
    let status = LifecycleStatus::of_name(&text("status")?);
    let settings = TrustedOriginSettings {
        name: text("name")?,
        origin: text("origin")?.parse().map_err(|_| damaged("a Trusted Origin has no origin"))?,
        scopes: scopes.ok_or(damaged("a Trusted Origin has a scope that is not known"))?,
        status: status.ok_or(damaged("a Trusted Origin has a status that is not known"))?,
    };
    Ok(TrustedOrigin {
        id: text("id")?,
        settings,
        created: date(row.get("created")?),
        created_by: text("created_by")?,
        last_updated: date(row.get("last_updated")?),
        last_updated_by: text("last_updated_by")?,
    })
}
