//! Which tables the file holds, and how a row of each is written: the format, in the order of its records.

use keybound::{Algorithm, PrivateKey, SigningKey};
use rusqlite::Transaction;
use serde_json::{Map, Value};

use crate::store::{
    AdminRole, StoreError, app_groups, app_users, apps, authorization_servers, groups, is_scope,
    signing_keys, trusted_origins, users,
};

/// The members of one line.
pub(super) type Record = Map<String, Value>;

/// A table, and what its rows are called in the file.
pub(super) struct Table {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    /// The columns by which rows are ordered, in the file and when they are read from it.
    pub(super) order: &'static str,
    /// Whether there is nothing in it but secrets.
    pub(super) is_secret: bool,
    pub(super) columns: &'static [Column],
    /// Whether a row that was just put is one that the org can read.
    pub(super) is_good: fn(&Transaction<'_>, &Record) -> Result<bool, StoreError>,
}

/// A column, and what a record calls it.
pub(super) struct Column {
    pub(super) member: &'static str,
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) is_secret: bool,
}

/// What stands in a column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An identifier in Okta's form.
    Id,
    Text,
    /// A whole number that is not negative: a time in seconds since 1970, a number of seconds, a count.
    Whole,
    OptionalWhole,
    Flag,
    /// A JSON array of strings, as text.
    List,
    OptionalList,
    /// A JSON object, as text.
    Object,
    /// Bytes, in a record as base64url.
    Bytes,
    OptionalBytes,
    /// The number of a row of another table, in a record the id of that row.
    NumberOf(&'static str),
}

const fn column(member: &'static str, name: &'static str, shape: Shape) -> Column {
    Column { member, name, shape, is_secret: false }
}

use Shape::{
    Bytes, Flag, Id, List, NumberOf, Object, OptionalBytes, OptionalList, OptionalWhole, Text, Whole,
};

/// The text of a member.
fn text<'r>(record: &'r Record, member: &str) -> &'r str {
    record.get(member).and_then(Value::as_str).unwrap_or_default()
}

const CREATED: Column = column("created", "created", Whole);
const UPDATED: Column = column("lastUpdated", "last_updated", Whole);
const ID: Column = column("id", "id", Id);
const NAME: Column = column("name", "name", Text);
const STATUS: Column = column("status", "status", Text);
const DESCRIPTION: Column = column("description", "description", Text);
const CLIENT: Column = column("client", "client_id", Id);
const SERVER: Column = column("server", "server", Id);
const PRIORITY: Column = column("priority", "priority", Whole);
const PROFILE: Column = column("profile", "profile", Object);
const ROLE: Column = column("role", "role", Text);

fn has_role(record: &Record) -> bool {
    AdminRole::of_name(text(record, "role")).is_some()
}

/// All of them.
pub(super) const TABLES: &[Table] = &[
    Table {
        kind: "user",
        name: "users",
        order: "number",
        is_secret: false,
        columns: &[
            ID,
            STATUS,
            CREATED,
            column("activated", "activated", OptionalWhole),
            column("statusChanged", "status_changed", OptionalWhole),
            column("lastLogin", "last_login", OptionalWhole),
            UPDATED,
            column("passwordChanged", "password_changed", OptionalWhole),
            PROFILE,
        ],
        is_good: |transaction, record| Ok(users::find(transaction, text(record, "id"))?.is_some()),
    },
    Table {
        kind: "password",
        name: "passwords",
        order: "user_number",
        is_secret: true,
        columns: &[
            column("user", "user_number", NumberOf("users")),
            column("iterations", "iterations", Whole),
            column("salt", "salt", Bytes),
            column("hash", "hash", Bytes),
            column("failures", "failures", Whole),
        ],
        is_good: |transaction, record| crate::store::passwords::is_kept(transaction, text(record, "user")),
    },
    Table {
        kind: "group",
        name: "groups",
        order: "number",
        is_secret: false,
        columns: &[
            ID,
            column("type", "type", Text),
            CREATED,
            UPDATED,
            column("lastMembershipUpdated", "last_membership_updated", Whole),
            PROFILE,
        ],
        is_good: |transaction, record| Ok(groups::find(transaction, text(record, "id"))?.is_some()),
    },
    Table {
        kind: "membership",
        name: "memberships",
        order: "group_number, user_number",
        is_secret: false,
        columns: &[
            column("group", "group_number", NumberOf("groups")),
            column("user", "user_number", NumberOf("users")),
        ],
        is_good: |_, _| Ok(true),
    },
    Table {
        kind: "app",
        name: "apps",
        order: "number",
        is_secret: false,
        columns: &[
            column("clientId", "client_id", Id),
            column("label", "label", Text),
            STATUS,
            column("applicationType", "application_type", Text),
            column("redirectUris", "redirect_uris", List),
            column("postLogoutRedirectUris", "post_logout_redirect_uris", List),
            column("grantTypes", "grant_types", List),
            column("responseTypes", "response_types", List),
            column("tokenEndpointAuthMethod", "token_endpoint_auth_method", Text),
            Column { is_secret: true, ..column("clientSecretHash", "client_secret_hash", OptionalBytes) },
            column("pkceRequired", "pkce_required", Flag),
            column("dpopBoundAccessTokens", "dpop_bound_access_tokens", Flag),
            column("implicitAssignment", "implicit_assignment", Flag),
            CREATED,
            UPDATED,
        ],
        is_good: |transaction, record| Ok(apps::find(transaction, text(record, "clientId"))?.is_some()),
    },
    Table {
        kind: "appPresentation",
        name: "app_presentations",
        order: "client_id",
        is_secret: false,
        columns: &[CLIENT, column("members", "members", Object)],
        is_good: |transaction, record| apps::is_presentation_kept(transaction, text(record, "client")),
    },
    Table {
        kind: "clientKey",
        name: "client_keys",
        order: "number",
        is_secret: false,
        columns: &[
            ID,
            CLIENT,
            column("keyId", "key_id", Text),
            column("jwk", "jwk", Object),
            STATUS,
            CREATED,
            UPDATED,
        ],
        is_good: |transaction, record| {
            apps::has_key(transaction, text(record, "client"), text(record, "keyId"))
        },
    },
    Table {
        kind: "scopeGrant",
        name: "scope_grants",
        order: "number",
        is_secret: false,
        columns: &[ID, CLIENT, column("scope", "scope", Text), CREATED],
        is_good: |_, record| Ok(is_scope(text(record, "scope"))),
    },
    Table {
        kind: "roleAssignment",
        name: "role_assignments",
        order: "number",
        is_secret: false,
        columns: &[ID, CLIENT, ROLE, CREATED],
        is_good: |_, record| Ok(has_role(record)),
    },
    Table {
        kind: "userRoleAssignment",
        name: "user_role_assignments",
        order: "number",
        is_secret: false,
        columns: &[ID, column("user", "user_id", Id), ROLE, CREATED],
        is_good: |_, record| Ok(has_role(record)),
    },
    Table {
        kind: "groupRoleAssignment",
        name: "group_role_assignments",
        order: "number",
        is_secret: false,
        columns: &[ID, column("group", "group_id", Id), ROLE, CREATED],
        is_good: |_, record| Ok(has_role(record)),
    },
    Table {
        kind: "appUserAssignment",
        name: "app_user_assignments",
        order: "number",
        is_secret: false,
        columns: &[
            CLIENT,
            column("user", "user_id", Id),
            column("userName", "user_name", Text),
            PROFILE,
            CREATED,
            UPDATED,
        ],
        is_good: |transaction, record| {
            app_users::is_kept(transaction, text(record, "client"), text(record, "user"))
        },
    },
    Table {
        kind: "appGroupAssignment",
        name: "app_group_assignments",
        order: "number",
        is_secret: false,
        columns: &[CLIENT, column("group", "group_id", Id), PRIORITY, PROFILE, UPDATED],
        is_good: |transaction, record| {
            Ok(app_groups::find(transaction, text(record, "client"), text(record, "group"))?.is_some())
        },
    },
    Table {
        kind: "authorizationServer",
        name: "authorization_servers",
        order: "number",
        is_secret: false,
        columns: &[ID, NAME, DESCRIPTION, column("audience", "audience", Text), STATUS, CREATED, UPDATED],
        is_good: |transaction, record| {
            Ok(authorization_servers::server(transaction, text(record, "id"))?.is_some())
        },
    },
    Table {
        kind: "scope",
        name: "server_scopes",
        order: "number",
        is_secret: false,
        columns: &[
            ID,
            SERVER,
            NAME,
            column("displayName", "display_name", Text),
            DESCRIPTION,
            column("default", "is_default", Flag),
            column("published", "is_published", Flag),
        ],
        is_good: |_, record| Ok(is_scope(text(record, "name"))),
    },
    Table {
        kind: "claim",
        name: "server_claims",
        order: "number",
        is_secret: false,
        columns: &[
            ID,
            SERVER,
            column("token", "token", Text),
            NAME,
            column("source", "source", Text),
            column("value", "value", Text),
            column("scopes", "scopes", List),
            STATUS,
        ],
        is_good: |transaction, record| {
            let (server, id) = (text(record, "server"), text(record, "id"));
            Ok(authorization_servers::claim(transaction, server, id)?.is_some())
        },
    },
    Table {
        kind: "policy",
        name: "access_policies",
        order: "number",
        is_secret: false,
        columns: &[
            ID,
            SERVER,
            NAME,
            DESCRIPTION,
            column("clients", "clients", OptionalList),
            PRIORITY,
            STATUS,
            CREATED,
            UPDATED,
        ],
        is_good: |transaction, record| {
            let (server, id) = (text(record, "server"), text(record, "id"));
            Ok(authorization_servers::policy(transaction, server, id)?.is_some())
        },
    },
    Table {
        kind: "rule",
        name: "access_policy_rules",
        order: "number",
        is_secret: false,
        columns: &[
            ID,
            column("policy", "policy", Id),
            NAME,
            column("grantTypes", "grant_types", List),
            column("scopes", "scopes", OptionalList),
            column("accessTokenLife", "access_token_life", Whole),
            column("refreshTokenLife", "refresh_token_life", OptionalWhole),
            column("refreshTokenIdle", "refresh_token_idle", Whole),
            PRIORITY,
            STATUS,
            CREATED,
            UPDATED,
        ],
        is_good: |transaction, record| {
            let (policy, id) = (text(record, "policy"), text(record, "id"));
            let rule = authorization_servers::rule(transaction, policy, id)?;
            Ok(rule.is_some_and(|rule| rule.value.lifetimes.are_allowed()))
        },
    },
    Table {
        kind: "trustedOrigin",
        name: "trusted_origins",
        order: "number",
        is_secret: false,
        columns: &[
            ID,
            NAME,
            column("origin", "origin", Text),
            column("scopes", "scopes", List),
            STATUS,
            CREATED,
            column("createdBy", "created_by", Text),
            UPDATED,
            column("lastUpdatedBy", "last_updated_by", Text),
        ],
        is_good: |transaction, record| {
            let found = trusted_origins::find(transaction, "id", text(record, "id"))?;
            Ok(found.is_some_and(|found| !found.settings.scopes.is_empty()))
        },
    },
    Table {
        kind: "signingKey",
        name: "signing_keys",
        order: "number",
        is_secret: true,
        columns: &[
            column("server", "server", Text),
            column("keyId", "key_id", Text),
            column("privateKey", "pkcs8", Text),
            column("state", "state", Text),
            column("since", "since", Whole),
        ],
        is_good: |_, record| {
            let key = PrivateKey::from_pem(text(record, "privateKey"));
            let key = key.and_then(|key| SigningKey::new(key, Algorithm::RS256));
            Ok(key.is_ok() && signing_keys::KeyState::of_name(text(record, "state")).is_some())
        },
    },
];
