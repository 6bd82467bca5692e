//! Which admin role an app needs for its scopes: without one, Okta's API refuses what the scopes allow.

use crate::report::{Failure, Outcome};

const READING: &str = "READ_ONLY_ADMIN";

/// What `--role` has for an app that gets none.
const NONE: &str = "none";

/// The least role that may change what scopes of a resource are for, of those that every org has.
const CHANGING: [(&str, &str); 3] =
    [("okta.users.", "USER_ADMIN"), ("okta.groups.", "USER_ADMIN"), ("okta.apps.", "APP_ADMIN")];

/// May do everything.
const EVERYTHING: &str = "SUPER_ADMIN";

/// The role to assign: the one that was given, or the one that is enough for reading. One that may change things is
/// never assigned unasked.
pub(super) fn for_scopes(given: Option<&str>, scopes: &[String]) -> Outcome<Option<String>> {
    match given {
        Some(NONE) => return Ok(None),
        Some(role) => return Ok(Some(role.to_owned())),
        None => {}
    }
    let changes = |scope: &&String| scope.strip_suffix(".read").is_none();
    let changing: Vec<_> = scopes.iter().filter(changes).cloned().collect();
    if changing.is_empty() {
        return Ok(Some(READING.to_owned()));
    }
    let role = least(&changing);
    Err(Failure::usage("no admin role is given for scopes that change things")
        .because(format_args!("{READING} may read, and not use {}", changing.join(" ")))
        .do_next(format_args!(
            "add --role {role}, or the lesser role that is enough; or --role {NONE}, and assign one by hand"
        )))
}

fn least(scopes: &[String]) -> &'static str {
    let role = |scope: &String| {
        let found = CHANGING.iter().find(|(resource, _)| scope.starts_with(resource));
        found.map_or(EVERYTHING, |(_, role)| *role)
    };
    let mut roles = scopes.iter().map(role);
    let first = roles.next().unwrap_or(EVERYTHING);
    if roles.all(|role| role == first) { first } else { EVERYTHING }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_gets_its_role_and_changing_has_to_be_given_one() {
        for (given, scopes, expected, why) in [
            (None, &["okta.users.read", "okta.logs.read"][..], Ok(Some("READ_ONLY_ADMIN")), "reading"),
            (Some("HELP_DESK_ADMIN"), &["okta.users.manage"], Ok(Some("HELP_DESK_ADMIN")), "as given"),
            (Some("none"), &["okta.users.read"], Ok(None), "none wanted"),
            (None, &["okta.users.manage"], Err("--role USER_ADMIN"), "users"),
            (None, &["okta.users.read", "okta.groups.manage"], Err("--role USER_ADMIN"), "one that changes"),
            (None, &["okta.apps.manage"], Err("--role APP_ADMIN"), "apps"),
            (
                None,
                &["okta.apps.manage", "okta.users.manage"],
                Err("--role SUPER_ADMIN"),
                "no one lesser role",
            ),
            (None, &["okta.policies.manage"], Err("--role SUPER_ADMIN"), "anything else"),
        ] {
            let scopes: Vec<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            let role = for_scopes(given, &scopes);
            match (role, expected) {
                (Ok(role), Ok(expected)) => assert_eq!(role.as_deref(), expected, "{why}"),
                (Err(failure), Err(words)) => assert!(failure.next().unwrap().contains(words), "{why}"),
                (role, _) => panic!("{why}: {role:?}"),
            }
        }
    }
}
