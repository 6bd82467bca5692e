//! Every operation of Okta's management API, by the `operationId` of Okta's published `OpenAPI` description
//! 2026.06.3: what it is called with, the scopes that it needs, and a call of it whose parameters are checked.
//!
//! ```
//! use http::Method;
//! use keybound_okta::operations;
//!
//! let operation = operations::find("listUserGroups").unwrap();
//! assert_eq!(operation.path(), "/api/v1/users/{id}/groups");
//! assert_eq!(operations::of(&Method::GET, "/api/v1/users/00u1/groups"), Some(operation));
//! assert_eq!(operations::nearest("listUser").first(), Some(&"listUsers"));
//! ```

mod error;
mod request;

pub use error::OperationError;
pub use keybound_operations::{
    Operation, ParameterKind, QueryParameter, Segment, all, find, is_scope, of, scopes, search,
};
pub use request::OperationRequest;

use crate::suggestion;

/// The ids that are nearest to one that is none, a few at most.
pub fn nearest(id: &str) -> Vec<&'static str> {
    suggestion::nearest(id, all().map(|operation| operation.id()))
}

/// The scopes whose names are nearest to one that is none, a few at most.
///
/// ```
/// use keybound_okta::operations;
///
/// assert!(!operations::is_scope("okta.user.read"));
/// assert_eq!(operations::nearest_scopes("okta.user.read").first(), Some(&"okta.users.read"));
/// ```
pub fn nearest_scopes(name: &str) -> Vec<&'static str> {
    suggestion::nearest(name, scopes().into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_to_a_name_that_is_none_is_found() {
        for (id, expected) in
            [("listUser", "listUsers"), ("list-users", "listUsers"), ("LISTLOGEVENT", "listLogEvents")]
        {
            assert_eq!(nearest(id).first(), Some(&expected), "{id}");
        }
        assert!(nearest("nothing like any of them at all").is_empty());
        for (name, expected, why) in [
            ("okta.users.read", "okta.users.read", "itself"),
            ("okta.user.read", "okta.users.read", "a letter is missing"),
            ("okta.Users.Read", "okta.users.read", "upper and lower case"),
            ("sf.read", "ssf.read", "without the usual beginning"),
            ("okta.users.read.slf", "okta.users.read.self", "about the user alone"),
        ] {
            assert_eq!(nearest_scopes(name).first(), Some(&expected), "{why}: {name}");
        }
    }
}
