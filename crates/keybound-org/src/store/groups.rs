//! Groups, and who is in them.

use std::collections::HashMap;

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row, Transaction};
use serde_json::json;

use super::condition::{Condition, Property, is_member_name};
use super::page::{self, Listing, Page};
use super::{Store, StoreError, column, date, unless_taken};
use crate::group::{Group, GroupKind, GroupProfile};
use crate::okta_id::{self, IdKind};
use crate::user::User;

/// What may be looked for in groups.
pub(crate) fn group_property(name: &str) -> Option<Property> {
    Some(match name {
        "id" => Property::Identifier("id"),
        "type" => Property::Identifier("type"),
        "created" => Property::Seconds("created"),
        "lastUpdated" => Property::Seconds("last_updated"),
        "lastMembershipUpdated" => Property::Seconds("last_membership_updated"),
        "profile.name" => Property::Text("name"),
        name => {
            let member = name.strip_prefix("profile.").filter(|member| is_member_name(member))?;
            Property::Member("profile", member.to_owned())
        }
    })
}

/// The ids of the groups that the user of the id `?1` is in, who is there: everyone's, and those of others.
pub(super) const GROUPS_OF_USER: &str = "SELECT groups.id FROM groups WHERE type = 'BUILT_IN' OR number IN \
                                         (SELECT group_number FROM memberships JOIN users \
                                         ON users.number = user_number WHERE users.id = ?1)";

impl Store {
    /// Adds a group.
    pub(crate) fn insert_group(&self, group: &Group) -> Result<(), StoreError> {
        self.write(|transaction| insert(transaction, group))
    }

    /// The group of this id, if there is one.
    pub(crate) fn group(&self, id: &str) -> Result<Option<Group>, StoreError> {
        self.read(|transaction| find(transaction, id))
    }

    /// Those of the groups of these ids that are there, by id.
    pub(crate) fn groups_of_ids<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<HashMap<String, Group>, StoreError> {
        let ids = json!(ids.into_iter().collect::<Vec<_>>()).to_string();
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM groups WHERE id IN (SELECT value FROM json_each(?1))"
            ))?;
            let groups = statement.query_and_then([ids], read)?;
            groups.map(|group| group.map(|group| (group.id.clone(), group))).collect()
        })
    }

    /// A page of groups.
    pub(crate) fn groups(&self, listing: &Listing) -> Result<Page<Group>, StoreError> {
        self.read(|transaction| page::select(transaction, "groups", COLUMNS, listing, read))
    }

    /// The condition for groups whose name begins with a text.
    pub(crate) fn groups_beginning_with(text: &str) -> Condition {
        Condition::beginning_with(&["name"], text)
    }

    /// Puts another profile in the place of a group's; gives the group as it then is. A group that is built in
    /// stays as it is. `None` if there is no such group.
    pub(crate) fn replace_group(
        &self,
        id: &str,
        profile: GroupProfile,
        now: NumericDate,
    ) -> Result<Option<Group>, StoreError> {
        self.write(|transaction| {
            let Some(mut group) = find(transaction, id)? else { return Ok(None) };
            if group.kind == GroupKind::Okta {
                group.profile = profile;
                group.last_updated = now;
                let put = transaction.execute(
                    "UPDATE groups SET profile = ?2, last_updated = ?3 WHERE id = ?1",
                    (id, json!(group.profile.members()).to_string(), column(now)),
                );
                unless_taken(put, StoreError::GroupNameTaken)?;
            }
            Ok(Some(group))
        })
    }

    /// Deletes a group that is not built in; gives it as it was, or `None` if there is none.
    pub(crate) fn delete_group(&self, id: &str) -> Result<Option<Group>, StoreError> {
        self.write(|transaction| {
            let found = find(transaction, id)?;
            transaction.execute("DELETE FROM groups WHERE id = ?1 AND type <> 'BUILT_IN'", [id])?;
            Ok(found)
        })
    }

    /// A page of the members of a group.
    pub(crate) fn members(&self, group: &Group, listing: &Listing) -> Result<Page<User>, StoreError> {
        let condition = match group.kind {
            GroupKind::BuiltIn => Self::not_deprovisioned(),
            GroupKind::Okta => Condition::always().and(
                "number IN (SELECT user_number FROM memberships JOIN groups ON groups.number = group_number \
                 WHERE groups.id = ?)",
                [Value::Text(group.id.clone())],
            ),
        };
        self.users(&Listing { condition, ..listing.clone() })
    }

    /// The groups that a user is in: everyone's, and those of others.
    pub(crate) fn groups_of(&self, user_id: &str) -> Result<Vec<Group>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM groups WHERE id IN ({GROUPS_OF_USER}) ORDER BY number"
            ))?;
            statement.query_and_then([user_id], read)?.collect()
        })
    }

    /// Makes a user a member of a group, if both are there; one who is stays one.
    pub(crate) fn add_member(&self, group: &str, user_id: &str, now: NumericDate) -> Result<(), StoreError> {
        self.write(|transaction| add_member(transaction, group, user_id, now).map(drop))
    }

    /// Ends a membership, if there is one.
    pub(crate) fn remove_member(
        &self,
        group: &str,
        user_id: &str,
        now: NumericDate,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let removed = transaction.execute(
                "DELETE FROM memberships WHERE group_number = (SELECT number FROM groups WHERE id = ?1) \
                 AND user_number = (SELECT number FROM users WHERE id = ?2)",
                (group, user_id),
            )?;
            if removed > 0 {
                touch_members(transaction, group, now)?;
            }
            Ok(())
        })
    }
}

/// Makes a user a member of a group that has members of its own; `None` if one of them is not there.
pub(super) fn add_member(
    transaction: &Transaction<'_>,
    group: &str,
    user_id: &str,
    now: NumericDate,
) -> Result<Option<()>, StoreError> {
    let numbers: Option<(i64, i64)> = transaction
        .prepare_cached(
            "SELECT groups.number, users.number FROM groups, users WHERE groups.id = ?1 AND users.id = ?2 \
             AND type <> 'BUILT_IN'",
        )?
        .query_row((group, user_id), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some(numbers) = numbers else { return Ok(None) };
    let added = transaction
        .prepare_cached("INSERT OR IGNORE INTO memberships (group_number, user_number) VALUES (?1, ?2)")?
        .execute(numbers)?;
    if added > 0 {
        touch_members(transaction, group, now)?;
    }
    Ok(Some(()))
}

fn touch_members(transaction: &Transaction<'_>, group: &str, now: NumericDate) -> Result<(), StoreError> {
    transaction
        .execute("UPDATE groups SET last_membership_updated = ?2 WHERE id = ?1", (group, column(now)))?;
    Ok(())
}

/// Makes the group that all users are in, if it is not there.
pub(super) fn furnish_everyone(
    transaction: &Transaction<'_>,
    now: NumericDate,
    random: &dyn Random,
) -> Result<(), StoreError> {
    if transaction.prepare("SELECT 1 FROM groups WHERE type = 'BUILT_IN'")?.exists([])? {
        return Ok(());
    }
    furnish(transaction, GroupKind::BuiltIn, "Everyone", "All users in your organization", now, random)
}

/// Makes a group for each department in which users work who were added behind `number`, if it is not there, and puts
/// those users into it.
pub(super) fn add_to_departments(
    transaction: &Transaction<'_>,
    number: i64,
    now: NumericDate,
    random: &dyn Random,
) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT DISTINCT profile ->> 'department' AS department FROM users WHERE users.number > ?1 AND \
         department IS NOT NULL AND department NOT IN (SELECT name FROM groups) ORDER BY department",
    )?;
    let departments = statement.query_map([number], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for department in departments {
        let description = format!("Everybody who works in {department}");
        furnish(transaction, GroupKind::Okta, &department, &description, now, random)?;
    }
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO memberships SELECT groups.number, users.number FROM users JOIN groups \
             ON groups.name = users.profile ->> 'department' WHERE users.number > ?1 AND groups.type = 'OKTA_GROUP'",
        )?
        .execute([number])?;
    Ok(())
}

fn furnish(
    transaction: &Transaction<'_>,
    kind: GroupKind,
    name: &str,
    description: &str,
    now: NumericDate,
    random: &dyn Random,
) -> Result<(), StoreError> {
    let damaged = StoreError::Damaged { what: "a made-up group has no name" };
    let profile = json!({ "name": name, "description": description });
    let profile = profile.as_object().and_then(|members| GroupProfile::new(members.clone()).ok());
    let group = Group {
        id: okta_id::generate(IdKind::Group, random)?,
        kind,
        created: now,
        last_updated: now,
        last_membership_updated: now,
        profile: profile.ok_or(damaged)?,
    };
    insert(transaction, &group)
}

const COLUMNS: &str = "number, id, type, created, last_updated, last_membership_updated, profile";

fn insert(transaction: &Transaction<'_>, group: &Group) -> Result<(), StoreError> {
    let put = transaction.execute(
        "INSERT INTO groups (id, type, created, last_updated, last_membership_updated, profile) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            &group.id,
            group.kind.name(),
            column(group.created),
            column(group.last_updated),
            column(group.last_membership_updated),
            json!(group.profile.members()).to_string(),
        ),
    );
    unless_taken(put, StoreError::GroupNameTaken)
}

pub(super) fn find(transaction: &Transaction<'_>, id: &str) -> Result<Option<Group>, StoreError> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM groups WHERE id = ?1"))?
        .query_and_then([id], read)?
        .next()
        .transpose()
}

fn read(row: &Row<'_>) -> Result<Group, StoreError> {
    let damaged = |what| StoreError::Damaged { what };
    let kind: String = row.get("type")?;
    let profile: String = row.get("profile")?;
    let profile = serde_json::from_str(&profile).ok().and_then(|members| GroupProfile::new(members).ok());
    Ok(Group {
        id: row.get("id")?,
        kind: GroupKind::of_name(&kind).ok_or(damaged("a group has a type that is not known"))?,
        created: date(row.get("created")?),
        last_updated: date(row.get("last_updated")?),
        last_membership_updated: date(row.get("last_membership_updated")?),
        profile: profile.ok_or(damaged("a group's profile has no name"))?,
    })
}
