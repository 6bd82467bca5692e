//! Groups of an org and their members, as `/api/v1/groups` has them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::OktaClient;
use crate::error::Error;
use crate::items::Items;
use crate::list_query::ListQuery;
use crate::null;
use crate::operation_call::OperationCall;
use crate::users::{USERS_PER_PAGE, User};

/// Groups on a page. Okta gives up to 10,000, of which a page would be some ten MiB.
const GROUPS_PER_PAGE: usize = 200;

/// The groups of an org.
#[derive(Clone, Copy)]
pub struct Groups<'c>(&'c OktaClient);

impl OktaClient {
    /// The org's groups.
    pub fn groups(&self) -> Groups<'_> {
        Groups(self)
    }
}

impl<'c> Groups<'c> {
    /// The groups that `query` asks for (`listGroups`).
    pub fn list(&self, query: &ListQuery) -> Items<Group> {
        let call = self.0.operation("listGroups").map(|call| query.ask(call));
        Items::of(self.0, call, query.most, GROUPS_PER_PAGE)
    }

    /// One group (`getGroup`).
    pub async fn get(&self, group: &str) -> Result<Group, Error> {
        self.of("getGroup", group)?.read().await
    }

    /// Creates a group (`addGroup`).
    pub async fn create(&self, profile: &GroupProfile) -> Result<Group, Error> {
        self.0.operation("addGroup")?.object(&json!({ "profile": profile }))?.read().await
    }

    /// Puts `profile` in place of the group's (`replaceGroup`).
    pub async fn replace(&self, group: &str, profile: &GroupProfile) -> Result<Group, Error> {
        self.of("replaceGroup", group)?.object(&json!({ "profile": profile }))?.read().await
    }

    /// Deletes a group (`deleteGroup`). Its members stay.
    pub async fn delete(&self, group: &str) -> Result<(), Error> {
        self.of("deleteGroup", group)?.done().await
    }

    /// The members of a group (`listGroupUsers`), up to `most` if there is a number.
    pub fn members(&self, group: &str, most: Option<usize>) -> Items<User> {
        Items::of(self.0, self.of("listGroupUsers", group), most, USERS_PER_PAGE)
    }

    /// Makes a user a member (`assignUserToGroup`); one who is stays one.
    pub async fn add_member(&self, group: &str, user: &str) -> Result<(), Error> {
        self.of("assignUserToGroup", group)?.parameter("userId", user).done().await
    }

    /// Ends a membership (`unassignUserFromGroup`).
    pub async fn remove_member(&self, group: &str, user: &str) -> Result<(), Error> {
        self.of("unassignUserFromGroup", group)?.parameter("userId", user).done().await
    }

    fn of(&self, operation: &str, group: &str) -> Result<OperationCall<'c>, Error> {
        Ok(self.0.operation(operation)?.parameter("groupId", group))
    }
}

/// A group. What this type has no name for is kept in `extra`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Group {
    /// `00g` and 17 letters and digits.
    pub id: String,
    /// When the group was created, in ISO 8601, UTC.
    pub created: Option<String>,
    /// When its profile last changed.
    pub last_updated: Option<String>,
    /// When its members last changed.
    pub last_membership_updated: Option<String>,
    /// Where it comes from: `OKTA_GROUP`, `APP_GROUP`, `BUILT_IN`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What it is called.
    #[serde(default, deserialize_with = "null::is_empty")]
    pub profile: GroupProfile,
    /// Everything else: `objectClass`, `_links`, …
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A group's profile. Orgs add members of their own, which are kept in `extra`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct GroupProfile {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl GroupProfile {
    /// A profile with a name, and with words on what the group is for if there are any.
    pub fn new(name: impl Into<String>, description: Option<String>) -> Self {
        Self { name: Some(name.into()), description, extra: Map::new() }
    }
}
