//! What of an app is meant by the name that a person knows: Okta ends it by its own id alone.

use futures_util::TryStreamExt as _;
use keybound_okta::{AppKey, Items, RoleAssignment, ScopeGrant};
use serde::de::DeserializeOwned;

use crate::report::{Failure, Outcome};

/// A key by its id.
pub(super) struct FoundKey {
    pub(super) id: String,
    pub(super) status: Option<String>,
}

/// The key with this id or `kid`.
pub(super) async fn key(keys: Items<AppKey>, name: &str) -> Outcome<FoundKey> {
    let is_it = |key: &AppKey| [&key.id, &key.kid].into_iter().flatten().any(|own| own == name);
    let AppKey { id, status, .. } = one(keys, is_it, "key", name).await?;
    // A key that Okta has no id for can only be meant by the name that it was found by.
    Ok(FoundKey { id: id.unwrap_or_else(|| name.to_owned()), status })
}

/// The id of the grant with this id, or of this scope.
pub(super) async fn grant(grants: Items<ScopeGrant>, name: &str) -> Outcome<String> {
    let is_it = |grant: &ScopeGrant| grant.id == name || grant.scope_id.as_deref() == Some(name);
    Ok(one(grants, is_it, "grant", name).await?.id)
}

/// The id of the assignment with this id, or of this role.
pub(super) async fn role(roles: Items<RoleAssignment>, name: &str) -> Outcome<String> {
    let is_it = |role: &RoleAssignment| role.id == name || role.kind.as_deref() == Some(name);
    Ok(one(roles, is_it, "role", name).await?.id)
}

/// The only one that is meant: two with the same name are told apart by their ids.
async fn one<T: DeserializeOwned>(
    mut items: Items<T>,
    is_it: impl Fn(&T) -> bool,
    sort: &str,
    name: &str,
) -> Outcome<T> {
    let mut found = None;
    while let Some(item) = items.try_next().await? {
        if is_it(&item) && found.replace(item).is_some() {
            return Err(Failure::usage(format_args!("the app has more than one {sort} of the name {name}"))
                .do_next("name it by its id"));
        }
    }
    found.ok_or_else(|| Failure::usage(format_args!("the app has no {sort} {name}")))
}
