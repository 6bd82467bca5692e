//! A call that changes nothing, to see whether calls go through.

use bytes::Bytes;
use http::Response;
use keybound_okta::operations::{self, Operation};
use keybound_okta::{Error, OktaClient};

/// The list that `scope` alone gives leave to read, by the shortest path. Who may manage may read.
pub(crate) fn harmless(scope: &str) -> Option<Operation> {
    let resource = scope.strip_suffix(".read").or_else(|| scope.strip_suffix(".manage"))?;
    let reading = format!("{resource}.read");
    let needs_it_alone = |operation: &Operation| {
        operation.is_paged()
            && operation.scopes().eq([reading.as_str()])
            && operation.path_parameters().next().is_none()
            && operation.query_parameters().any(|parameter| parameter.name == "limit")
            && !operation.query_parameters().any(|parameter| parameter.is_required)
    };
    operations::all().filter(needs_it_alone).min_by_key(|operation| operation.path().len())
}

/// Asks for one object of the list.
pub(crate) async fn call(okta: &OktaClient, operation: &Operation) -> Result<Response<Bytes>, Error> {
    okta.operation(operation.id())?.parameter("limit", 1).send().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_tried_with_the_plainest_list_that_it_is_for() {
        for (scope, id, why) in [
            ("okta.users.read", Some("listUsers"), "users"),
            ("okta.users.manage", Some("listUsers"), "who may manage may read"),
            ("okta.groups.read", Some("listGroups"), "groups"),
            ("okta.apps.manage", Some("listApplications"), "apps"),
            ("okta.logs.read", Some("listLogEvents"), "the log"),
            ("okta.nonsense.read", None, "no list"),
            ("openid", None, "not of the management API"),
        ] {
            assert_eq!(harmless(scope).map(|operation| operation.id()), id, "{why}: {scope}");
        }
    }
}
