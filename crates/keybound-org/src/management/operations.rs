//! Which operations Okta's API has, so that one that is not served here can be told from one that nobody has.

use http::{Method, Uri};

use super::error::ApiError;

const INDEX: &str = include_str!("../../data/operations.txt");

/// All operations of Okta's management API: `METHOD /path/{parameter} operationId`, one a line, by path.
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
