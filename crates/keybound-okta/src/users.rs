//! Users of an org, as `/api/v1/users` gives them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::OktaClient;
use crate::items::Items;

/// Users on a page: what Okta gives at most.
const USERS_PER_PAGE: usize = 200;

impl OktaClient {
    /// The org's users, up to `limit` if there is one; pages are fetched as they are needed.
    pub fn users(&self, limit: Option<usize>) -> Items<User> {
        Items::of(self, self.operation("listUsers"), limit, USERS_PER_PAGE)
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
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Primary address for mail.
    pub email: Option<String>,
    /// What the user signs in with.
    pub login: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
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
