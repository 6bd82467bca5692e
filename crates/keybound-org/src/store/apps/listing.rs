//! Lists of apps, and what they are looked for by.

use rusqlite::types::Value;

use super::{App, COLUMNS, complete, read};
use crate::store::app_users::ASSIGNED_TO_USER;
use crate::store::condition::{Condition, Property};
use crate::store::page::{self, Listing, Page};
use crate::store::{Store, StoreError};

/// Whether the group of the id `?1` is assigned to the app in the row of `apps`.
const ASSIGNED_TO_GROUP: &str = "EXISTS (SELECT 1 FROM app_group_assignments AS assigned \
                                 WHERE assigned.client_id = apps.client_id AND group_id = ?1)";

/// What may be looked for in apps.
pub(crate) fn app_property(name: &str) -> Option<Property> {
    Some(match name {
        "id" => Property::Identifier("client_id"),
        "status" => Property::Identifier("status"),
        "label" => Property::Text("label"),
        // Every app here is an OpenID Connect client.
        "name" => Property::Text("'oidc_client'"),
        "created" => Property::Seconds("created"),
        "lastUpdated" => Property::Seconds("last_updated"),
        "user.id" => Property::BelongsTo(ASSIGNED_TO_USER),
        "group.id" => Property::BelongsTo(ASSIGNED_TO_GROUP),
        _ => return None,
    })
}

impl Store {
    /// The condition for apps whose name begins with a text.
    pub(crate) fn apps_beginning_with(text: &str) -> Condition {
        Condition::beginning_with(&["label"], text)
    }

    /// The condition for apps that a group is assigned to.
    pub(crate) fn apps_of_group(group_id: &str) -> Condition {
        let text = ASSIGNED_TO_GROUP.replace("?1", "?");
        Condition::always().and(&text, [Value::Text(group_id.to_owned())])
    }

    /// A page of apps.
    pub(crate) fn apps(&self, listing: &Listing) -> Result<Page<App>, StoreError> {
        self.read(|transaction| {
            let mut page = page::select(transaction, "apps", COLUMNS, listing, read)?;
            for app in &mut page.items {
                complete(transaction, app)?;
            }
            Ok(page)
        })
    }
}
