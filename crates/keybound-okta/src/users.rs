//! Users of an org: their whole life, as `/api/v1/users` has it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::OktaClient;
use crate::error::Error;
use crate::groups::Group;
use crate::items::Items;
use crate::list_query::ListQuery;
use crate::null;
use crate::operation_call::OperationCall;

/// Users on a page: what Okta gives at most.
pub(crate) const USERS_PER_PAGE: usize = 200;

/// The users of an org. A user is named by id or by login.
#[derive(Clone, Copy)]
pub struct Users<'c>(&'c OktaClient);

impl OktaClient {
    /// The org's users.
    pub fn users(&self) -> Users<'_> {
        Users(self)
    }
}

impl<'c> Users<'c> {
    /// The users that `query` asks for (`listUsers`); pages are fetched as they are needed.
    pub fn list(&self, query: &ListQuery) -> Items<User> {
        let call = self.0.operation("listUsers").map(|call| query.ask(call));
        Items::of(self.0, call, query.most, USERS_PER_PAGE)
    }

    /// One user (`getUser`).
    pub async fn get(&self, user: &str) -> Result<User, Error> {
        self.of("getUser", user)?.read().await
    }

    /// Creates a user (`createUser`), and activates them if they are to be.
    pub async fn create(&self, user: &NewUser, activation: Activation) -> Result<User, Error> {
        let activate = activation == Activation::Now;
        self.0.operation("createUser")?.parameter("activate", activate).object(user)?.read().await
    }

    /// Changes what `change` names and leaves the rest as it is (`updateUser`).
    pub async fn update(&self, user: &str, change: &UserChange) -> Result<User, Error> {
        self.of("updateUser", user)?.object(change)?.read().await
    }

    /// Puts `change` in place of the whole profile (`replaceUser`): what it does not name is emptied.
    pub async fn replace(&self, user: &str, change: &UserChange) -> Result<User, Error> {
        self.of("replaceUser", user)?.object(change)?.read().await
    }

    /// Activates a user who is staged or deactivated (`activateUser`). Without mail the answer has the link
    /// that the user needs.
    pub async fn activate(&self, user: &str, mail: Mail) -> Result<UserLink, Error> {
        self.of("activateUser", user)?.parameter("sendEmail", mail.is_sent()).read().await
    }

    /// Activates once more a user who did not use the first link (`reactivateUser`).
    pub async fn reactivate(&self, user: &str, mail: Mail) -> Result<UserLink, Error> {
        self.of("reactivateUser", user)?.parameter("sendEmail", mail.is_sent()).read().await
    }

    /// Deactivates a user (`deactivateUser`): they can't sign in, and lose their apps.
    pub async fn deactivate(&self, user: &str, mail: Mail) -> Result<(), Error> {
        self.of("deactivateUser", user)?.parameter("sendEmail", mail.is_sent()).done().await
    }

    /// Shuts an active user out for a while (`suspendUser`).
    pub async fn suspend(&self, user: &str) -> Result<(), Error> {
        self.of("suspendUser", user)?.done().await
    }

    /// Lets a suspended user in again (`unsuspendUser`).
    pub async fn unsuspend(&self, user: &str) -> Result<(), Error> {
        self.of("unsuspendUser", user)?.done().await
    }

    /// Lets a user in again who gave too many wrong passwords (`unlockUser`).
    pub async fn unlock(&self, user: &str) -> Result<(), Error> {
        self.of("unlockUser", user)?.done().await
    }

    /// Has a user choose a new password by a link (`resetPassword`); until then they are in `RECOVERY`.
    /// Without mail the answer has the link.
    pub async fn reset_password(&self, user: &str, mail: Mail) -> Result<UserLink, Error> {
        self.of("resetPassword", user)?.parameter("sendEmail", mail.is_sent()).read().await
    }

    /// Has a user choose a new password when they next sign in with the old one (`expirePassword`).
    pub async fn expire_password(&self, user: &str) -> Result<User, Error> {
        self.of("expirePassword", user)?.read().await
    }

    /// Deletes a user for good, in two calls (`deleteUser` twice): the first only deactivates a user who is
    /// not, and the second deletes. Of one who was deactivated before, the first call deletes, and the second
    /// finds nobody.
    ///
    /// If the second call fails the user is left deactivated, and this can be called again.
    pub async fn delete(&self, user: &str, mail: Mail) -> Result<(), Error> {
        let call = || Ok::<_, Error>(self.of("deleteUser", user)?.parameter("sendEmail", mail.is_sent()));
        call()?.done().await?;
        match call()?.done().await {
            Err(Error::Api(error)) if error.status == http::StatusCode::NOT_FOUND => Ok(()),
            outcome => outcome,
        }
    }

    /// The groups that a user is a member of (`listUserGroups`).
    pub fn groups(&self, user: &str) -> Items<Group> {
        Items::whole(self.0, self.of("listUserGroups", user))
    }

    fn of(&self, operation: &str, user: &str) -> Result<OperationCall<'c>, Error> {
        Ok(self.0.operation(operation)?.parameter("id", user))
    }
}

/// A user to be created.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewUser {
    /// Who the user is; Okta wants first and last name, email and login.
    pub profile: Profile,
    /// The groups that the user shall be a member of, by id.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub group_ids: Vec<String>,
    /// Everything else: `credentials`, `type`, …
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl NewUser {
    /// A user with this profile.
    pub fn new(profile: Profile) -> Self {
        Self { profile, ..Self::default() }
    }
}

/// What of a user is to be changed. A member of the profile that is to be emptied is given as `null`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UserChange {
    /// Members of the profile.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub profile: Map<String, Value>,
    /// Everything else: `credentials`, …
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl UserChange {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another value of a member of the profile.
    #[must_use]
    pub fn with(mut self, member: impl Into<String>, value: impl Into<Value>) -> Self {
        self.profile.insert(member.into(), value.into());
        self
    }
}

/// Whether a user who is created can sign in at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Activated; without a password in the credentials, Okta sends the user a mail.
    Now,
    /// Staged, to be activated by another call.
    Later,
}

/// Whether Okta sends a mail: to the user, or of a deactivation to the administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mail {
    /// Okta sends one.
    Sent,
    /// None is sent; where the user needs a link, the answer has it.
    NotSent,
}

impl Mail {
    fn is_sent(self) -> bool {
        self == Self::Sent
    }
}

/// The link that a user goes on with, where no mail takes it to them. It is as good as a password.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UserLink {
    /// Where the user chooses a password.
    #[serde(alias = "resetPasswordUrl")]
    pub activation_url: Option<String>,
    /// The secret part of it, by itself.
    pub activation_token: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl std::fmt::Debug for UserLink {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("UserLink { .. }")
    }
}

/// A user. What this type has no name for is kept in `extra`, so that nothing is lost on the way through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct User {
    /// `00u` and 17 letters and digits.
    pub id: String,
    /// Where the user is in the lifecycle.
    pub status: UserStatus,
    /// When the user was created, as every time here in ISO 8601, UTC.
    pub created: Option<String>,
    /// When the user became active.
    pub activated: Option<String>,
    /// When the status last changed.
    pub status_changed: Option<String>,
    /// When the user last signed in.
    pub last_login: Option<String>,
    /// When the user last changed.
    pub last_updated: Option<String>,
    /// When the password last changed.
    pub password_changed: Option<String>,
    /// Who the user is.
    #[serde(default, deserialize_with = "null::is_empty")]
    pub profile: Profile,
    /// Everything else: `type`, `credentials`, `_links`, …
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A user's profile. Orgs add members of their own, which are kept in `extra`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Profile {
    /// Given name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Primary address for mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What the user signs in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Profile {
    /// The four members that Okta wants of every user.
    pub fn new(
        first_name: impl Into<String>,
        last_name: impl Into<String>,
        email: impl Into<String>,
        login: impl Into<String>,
    ) -> Self {
        Self {
            first_name: Some(first_name.into()),
            last_name: Some(last_name.into()),
            email: Some(email.into()),
            login: Some(login.into()),
            extra: Map::new(),
        }
    }
}

/// Where a user is in the lifecycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum UserStatus {
    /// Created, not activated.
    Staged,
    /// Activated, without credentials yet.
    Provisioned,
    /// Can sign in.
    Active,
    /// Asked for a new password.
    Recovery,
    /// Shut out after too many wrong passwords.
    LockedOut,
    /// Has to choose a new password.
    PasswordExpired,
    /// Shut out by an administrator.
    Suspended,
    /// Deactivated.
    Deprovisioned,
    /// One that this version doesn't know.
    #[serde(untagged)]
    Other(String),
}

impl UserStatus {
    /// The name on the wire: `ACTIVE`, `LOCKED_OUT`, …
    pub fn as_str(&self) -> &str {
        match self {
            Self::Staged => "STAGED",
            Self::Provisioned => "PROVISIONED",
            Self::Active => "ACTIVE",
            Self::Recovery => "RECOVERY",
            Self::LockedOut => "LOCKED_OUT",
            Self::PasswordExpired => "PASSWORD_EXPIRED",
            Self::Suspended => "SUSPENDED",
            Self::Deprovisioned => "DEPROVISIONED",
            Self::Other(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_user_goes_through_without_loss() {
        let given = json!({
            "id": "00ub0oNGTSWTBKOLGLNR", "status": "ACTIVE",
            "created": "2013-06-24T16:39:18.000Z", "activated": "2013-06-24T16:39:19.000Z",
            "statusChanged": null, "lastLogin": null, "lastUpdated": null, "passwordChanged": null,
            "type": { "id": "otyfnjfba4ye7pgjB0g4" },
            "profile": {
                "firstName": "Isaac", "lastName": "Brock", "email": "isaac.brock@example.com",
                "login": "isaac.brock@example.com", "mobilePhone": null, "costCenter": 12,
            },
            "credentials": { "provider": { "type": "OKTA", "name": "OKTA" } },
            "_links": { "self": { "href": "https://o.example/api/v1/users/00ub0oNGTSWTBKOLGLNR" } },
        });
        let user: User = serde_json::from_value(given.clone()).unwrap();
        assert_eq!(user.status, UserStatus::Active);
        assert_eq!(user.profile.last_name.as_deref(), Some("Brock"));
        assert_eq!(user.extra["type"]["id"], "otyfnjfba4ye7pgjB0g4");
        assert_eq!(serde_json::to_value(user).unwrap(), given);
    }

    #[test]
    fn every_status_has_its_name_on_the_wire() {
        for name in [
            "STAGED",
            "PROVISIONED",
            "ACTIVE",
            "RECOVERY",
            "LOCKED_OUT",
            "PASSWORD_EXPIRED",
            "SUSPENDED",
            "DEPROVISIONED",
            "NEW_ONE",
        ] {
            let status: UserStatus = serde_json::from_value(json!(name)).unwrap();
            assert_eq!(status.as_str(), name);
            assert_eq!(serde_json::to_value(&status).unwrap(), name);
            assert_eq!(matches!(status, UserStatus::Other(_)), name == "NEW_ONE");
        }
    }
}
