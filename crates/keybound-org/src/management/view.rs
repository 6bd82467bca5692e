//! A user as the management API shows it.

use keybound::NumericDate;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Management;
use crate::timestamp;
use crate::user::User;

/// The one type of user that this org has; each user of Okta's names its own.
const USER_TYPE: &str = "otyKeyboundDefault01";

/// The members in Okta's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserView<'a> {
    id: &'a str,
    status: &'static str,
    created: String,
    activated: Option<String>,
    status_changed: Option<String>,
    last_login: Option<String>,
    last_updated: String,
    password_changed: Option<String>,
    r#type: TypeView,
    profile: &'a Map<String, Value>,
    pub(super) credentials: CredentialsView,
    #[serde(rename = "_links")]
    links: LinksView,
}

#[derive(Serialize)]
struct TypeView {
    id: &'static str,
}

#[derive(Serialize)]
pub(super) struct CredentialsView {
    /// An empty object says that there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Empty>,
    provider: ProviderView,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct ProviderView {
    r#type: &'static str,
    name: &'static str,
}

#[derive(Serialize)]
struct LinksView {
    #[serde(rename = "self")]
    own: LinkView,
}

#[derive(Serialize)]
struct LinkView {
    href: String,
}

impl Management {
    /// What a client is shown of a user.
    pub(super) fn view<'a>(&self, user: &'a User) -> UserView<'a> {
        let optional = |date: Option<NumericDate>| date.map(timestamp::text);
        UserView {
            id: &user.id,
            status: user.status.name(),
            created: timestamp::text(user.created),
            activated: optional(user.activated),
            status_changed: optional(user.status_changed),
            last_login: optional(user.last_login),
            last_updated: timestamp::text(user.last_updated),
            password_changed: optional(user.password_changed),
            r#type: TypeView { id: USER_TYPE },
            profile: user.profile.members(),
            credentials: CredentialsView {
                password: user.password_changed.map(|_| Empty {}),
                provider: ProviderView { r#type: "OKTA", name: "OKTA" },
            },
            links: LinksView { own: LinkView { href: format!("{}/{}", self.list_url("users"), user.id) } },
        }
    }
}
