//! The names of Okta's scopes: what a scope has to be called to be one of an Okta API.

use super::all;
use crate::suggestion;

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
///
/// ```
/// use keybound_okta::operations;
///
/// assert!(operations::is_scope("okta.users.read"));
/// assert!(!operations::is_scope("okta.user.read"));
/// assert_eq!(operations::nearest_scopes("okta.user.read").first(), Some(&"okta.users.read"));
/// ```
pub fn is_scope(name: &str) -> bool {
    OF_THE_USER.contains(&name)
        || OTHER_APIS.iter().any(|api| name.strip_prefix(api).is_some_and(|rest| !rest.is_empty()))
        || all().any(|operation| operation.scopes().any(|scope| scope == name))
}

/// The scopes whose names are nearest to one that is none, a few at most.
pub fn nearest_scopes(name: &str) -> Vec<&'static str> {
    let mut scopes: Vec<_> = all().flat_map(|operation| operation.scopes()).chain(OF_THE_USER).collect();
    scopes.sort_unstable();
    scopes.dedup();
    suggestion::nearest(name, scopes.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_known_by_its_name_alone() {
        for (name, known, nearest, why) in [
            ("okta.users.read", true, Some("okta.users.read"), "of the management API"),
            ("ssf.read", true, Some("ssf.read"), "of it, without the usual beginning"),
            ("okta.users.read.self", true, Some("okta.users.read.self"), "about the user alone"),
            ("okta.myAccount.profile.read", true, None, "of another API"),
            ("okta.myAccount.", false, None, "of another API, and no name"),
            ("okta.user.read", false, Some("okta.users.read"), "a letter is missing"),
            ("okta.Users.Read", false, Some("okta.users.read"), "scopes are compared to the letter"),
            ("okta.users", false, None, "half of one"),
            ("okta.aliens.read", false, None, "not one of Okta's"),
            ("orders.read", false, None, "a custom one"),
            ("openid", false, None, "of OpenID Connect"),
            ("-", false, None, "what stands for none in the index"),
            ("", false, None, "nothing"),
        ] {
            assert_eq!(is_scope(name), known, "{why}: {name}");
            if let Some(nearest) = nearest {
                assert_eq!(nearest_scopes(name).first(), Some(&nearest), "{why}: {name}");
            }
        }
    }
}
