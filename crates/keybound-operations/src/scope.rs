//! The names of Okta's scopes: what a scope has to be called to be one of an Okta API.

use std::collections::BTreeSet;

use crate::all;

/// What the scopes of Okta's other APIs begin with: those that are no part of the management API's description.
const OTHER_APIS: [&str; 6] = [
    "okta.clients.",
    "okta.enduser.",
    "okta.governance.",
    "okta.myAccount.",
    "okta.universalLogout.",
    "okta.workflows.",
];

/// What the scopes that are about their user alone are called, beside those for everybody.
const OF_THE_USER: [&str; 2] = ["okta.users.manage.self", "okta.users.read.self"];

/// Whether Okta has a scope of this name: one that an operation needs, or one of an API beside the management API.
/// Scopes are compared to the letter (RFC 6749 section 3.3).
///
/// ```
/// assert!(keybound_operations::is_scope("okta.users.read"));
/// assert!(!keybound_operations::is_scope("okta.user.read"));
/// ```
pub fn is_scope(name: &str) -> bool {
    let is_of = |api: &&str| name.strip_prefix(*api).is_some_and(|rest| !rest.is_empty());
    OTHER_APIS.iter().any(is_of) || of_the_management_api().any(|scope| scope == name)
}

/// The scopes of the management API, by name. Those of Okta's other APIs are known by what they begin with alone.
pub fn scopes() -> BTreeSet<&'static str> {
    of_the_management_api().collect()
}

fn of_the_management_api() -> impl Iterator<Item = &'static str> {
    OF_THE_USER.into_iter().chain(all().flat_map(|operation| operation.scopes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_known_by_its_name_alone() {
        for (name, is_known, why) in [
            ("okta.users.read", true, "of the management API"),
            ("ssf.read", true, "of it, without the usual beginning"),
            ("okta.users.read.self", true, "about the user alone"),
            ("okta.myAccount.profile.read", true, "of another API"),
            ("okta.myAccount.", false, "of another API, and no name"),
            ("okta.user.read", false, "a letter is missing"),
            ("okta.Users.Read", false, "scopes are compared to the letter"),
            ("okta.users", false, "half of one"),
            ("okta.aliens.read", false, "not one of Okta's"),
            ("orders.read", false, "a custom one"),
            ("openid", false, "of OpenID Connect"),
            ("listUsers", false, "an operation"),
            ("-", false, "what stands for none in the index"),
            ("", false, "nothing"),
        ] {
            assert_eq!(is_scope(name), is_known, "{why}: {name}");
        }
        assert!(scopes().into_iter().all(is_scope));
        assert!(scopes().contains("okta.users.manage.self"));
    }
}
