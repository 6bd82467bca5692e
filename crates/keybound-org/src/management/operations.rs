//! Which operations and scopes Okta's API has, so that what is not served here can be told from what nobody has.

use http::{Method, Uri};

use super::error::ApiError;

const INDEX: &str = include_str!("../../data/operations.txt");

/// What the scopes of Okta's other APIs begin with.
const OTHER_APIS: [&str; 6] = [
    "okta.clients.",
    "okta.enduser.",
    "okta.governance.",
    "okta.myAccount.",
    "okta.universalLogout.",
    "okta.workflows.",
];

/// The scopes that are about their user alone, beside those of operations.
const OF_THE_USER: [&str; 2] = ["okta.users.manage.self", "okta.users.read.self"];

/// All operations of Okta's management API: `METHOD /path/{parameter} operationId scope,scope`, one a line, by path.
fn operations() -> impl Iterator<Item = &'static str> {
    INDEX.lines().filter(|line| !line.starts_with('#'))
}

/// The id of the operation that Okta has for a request, if it has one.
pub(crate) fn in_okta(method: &Method, path: &str) -> Option<&'static str> {
    operations().find_map(|line| {
        let mut words = line.split(' ');
        let (known, pattern, id) = (words.next()?, words.next()?, words.next()?);
        (known == method.as_str() && is_of(pattern, path)).then_some(id)
    })
}

/// Whether Okta has a scope of this name.
pub(super) fn is_scope(name: &str) -> bool {
    let needs =
        |line: &str| line.rsplit(' ').next().is_some_and(|scopes| scopes.split(',').any(|one| one == name));
    let is_other = |api: &&str| name.strip_prefix(*api).is_some_and(|rest| !rest.is_empty());
    OF_THE_USER.contains(&name) || OTHER_APIS.iter().any(is_other) || (name != "-" && operations().any(needs))
}

/// Whether a path is one of a pattern whose parameters are each a segment that is not empty.
fn is_of(pattern: &str, path: &str) -> bool {
    let (mut known, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (known.next(), given.next()) {
            (None, None) => return true,
            (Some(known), Some(given)) => {
                let is_parameter = known.starts_with('{') && !given.is_empty();
                if known != given && !is_parameter {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// The answer to a request for which nothing is served.
pub(crate) async fn not_served(method: Method, uri: Uri) -> ApiError {
    refusal(&method, uri.path(), ApiError::no_such_path())
}

/// The answer to a request whose path is served for other methods.
pub(crate) async fn not_served_so(method: Method, uri: Uri) -> ApiError {
    refusal(&method, uri.path(), ApiError::no_such_method())
}

fn refusal(method: &Method, path: &str, otherwise: ApiError) -> ApiError {
    let Some(operation) = in_okta(method, path) else { return otherwise };
    tracing::warn!(%method, path, "exists in Okta's API, not served by the local org: {operation}");
    ApiError::not_served(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_known_by_its_name_alone() {
        for (name, is_known) in [
            ("okta.users.read", true),
            ("ssf.read", true),
            ("okta.users.read.self", true),
            ("okta.myAccount.profile.read", true),
            ("okta.myAccount.", false),
            ("okta.user.read", false),
            ("okta.Users.Read", false),
            ("okta.users", false),
            ("okta.aliens.read", false),
            ("openid", false),
            ("listUsers", false),
            ("-", false),
            ("", false),
        ] {
            assert_eq!(is_scope(name), is_known, "{name}");
        }
    }

    #[test]
    fn an_operation_is_found_by_method_and_path() {
        assert_eq!(operations().count(), 732);
        for (method, path, expected) in [
            (Method::GET, "/api/v1/users", Some("listUsers")),
            (Method::GET, "/api/v1/users/00u1/factors", Some("listFactors")),
            (Method::GET, "/api/v1/zones", Some("listNetworkZones")),
            (Method::PATCH, "/api/v1/users", None),
            (Method::GET, "/api/v1/users//factors", None),
            (Method::GET, "/api/v1/zones/", None),
            (Method::GET, "/api/v1", None),
            (Method::GET, "", None),
        ] {
            assert_eq!(in_okta(&method, path), expected, "{method} {path}");
        }
    }
}
