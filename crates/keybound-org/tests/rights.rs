//! Scopes and admin roles decide, for each endpoint, what an app may do: a table of them all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use http::Method;
use keybound_org::{AdminRole, EndpointGroup, OrgSettings};
use support::TestOrg;

const ALL: &[AdminRole] = AdminRole::ALL;

/// An endpoint, the scope that it asks for, and the roles that may.
const TABLE: &[(&str, &str, &[AdminRole])] = {
    use AdminRole::{App, GroupMembership, HelpDesk, Org, ReadOnly, Super, User};
    &[
        ("GET /api/v1/users", "okta.users.read", ALL),
        ("GET /api/v1/users/x", "okta.users.read", ALL),
        ("GET /api/v1/users/x/groups", "okta.users.read", ALL),
        ("POST /api/v1/users", "okta.users.manage", &[Super, Org, User]),
        ("DELETE /api/v1/users/x", "okta.users.manage", &[Super, Org, User]),
        ("POST /api/v1/users/x/lifecycle/suspend", "okta.users.manage", &[Super, Org, User]),
        ("POST /api/v1/users/x/lifecycle/unlock", "okta.users.manage", &[Super, Org, User, HelpDesk]),
        ("POST /api/v1/users/x/lifecycle/reset_password", "okta.users.manage", &[Super, Org, User, HelpDesk]),
        (
            "POST /api/v1/users/x/credentials/change_password",
            "okta.users.manage",
            &[Super, Org, User, HelpDesk],
        ),
        (
            "POST /api/v1/users/x/lifecycle/expire_password_with_temp_password",
            "okta.users.manage",
            &[Super, Org, User, HelpDesk],
        ),
        ("DELETE /api/v1/users/x/sessions", "okta.users.manage", &[Super, Org, User, HelpDesk]),
        ("GET /api/v1/users/x/clients", "okta.users.read", ALL),
        ("GET /api/v1/users/x/clients/y/tokens", "okta.users.read", ALL),
        ("GET /api/v1/users/x/clients/y/tokens/z", "okta.users.read", ALL),
        ("DELETE /api/v1/users/x/clients/y/tokens", "okta.users.manage", &[Super, Org, User, HelpDesk]),
        ("DELETE /api/v1/users/x/clients/y/tokens/z", "okta.users.manage", &[Super, Org, User, HelpDesk]),
        ("GET /api/v1/sessions/x", "okta.sessions.read", &[Super, Org, User, HelpDesk, ReadOnly]),
        ("DELETE /api/v1/sessions/x", "okta.sessions.manage", &[Super, Org, User, HelpDesk]),
        ("POST /api/v1/sessions/x/lifecycle/refresh", "okta.sessions.manage", &[Super, Org, User, HelpDesk]),
        ("GET /api/v1/org", "okta.orgs.read", &[Super, Org, ReadOnly]),
        ("GET /api/v1/groups", "okta.groups.read", ALL),
        ("GET /api/v1/groups/x/users", "okta.groups.read", ALL),
        ("POST /api/v1/groups", "okta.groups.manage", &[Super, Org, User]),
        ("DELETE /api/v1/groups/x", "okta.groups.manage", &[Super, Org, User]),
        ("PUT /api/v1/groups/x/users/y", "okta.groups.manage", &[Super, Org, User, GroupMembership]),
        ("GET /api/v1/apps", "okta.apps.read", &[Super, Org, App, ReadOnly]),
        ("GET /api/v1/apps/x/credentials/jwks", "okta.apps.read", &[Super, Org, App, ReadOnly]),
        ("POST /api/v1/apps", "okta.apps.manage", &[Super, App]),
        ("POST /api/v1/apps/x/credentials/jwks", "okta.apps.manage", &[Super, App]),
        (
            "GET /api/v1/internal/apps/x/settings/oauth/idToken",
            "okta.apps.read",
            &[Super, Org, App, ReadOnly],
        ),
        ("POST /api/v1/internal/apps/x/settings/oauth/idToken", "okta.apps.manage", &[Super, App]),
        ("POST /api/v1/apps/x/lifecycle/activate", "okta.apps.manage", &[Super, App]),
        ("GET /api/v1/apps/x/grants", "okta.appGrants.read", &[Super, Org, App, ReadOnly]),
        ("POST /api/v1/apps/x/grants", "okta.appGrants.manage", &[Super]),
        ("DELETE /api/v1/apps/x/grants/y", "okta.appGrants.manage", &[Super]),
        ("GET /api/v1/apps/x/users", "okta.apps.read", &[Super, Org, App, ReadOnly]),
        ("GET /api/v1/apps/x/users/y", "okta.apps.read", &[Super, Org, App, ReadOnly]),
        ("POST /api/v1/apps/x/users", "okta.apps.manage", &[Super, App]),
        ("POST /api/v1/apps/x/users/y", "okta.apps.manage", &[Super, App]),
        ("PUT /api/v1/apps/x/users/y", "okta.apps.manage", &[Super, App]),
        ("DELETE /api/v1/apps/x/users/y", "okta.apps.manage", &[Super, App]),
        ("GET /api/v1/apps/x/groups", "okta.apps.read", &[Super, Org, App, ReadOnly]),
        ("GET /api/v1/apps/x/groups/y", "okta.apps.read", &[Super, Org, App, ReadOnly]),
        ("PUT /api/v1/apps/x/groups/y", "okta.apps.manage", &[Super, App]),
        ("DELETE /api/v1/apps/x/groups/y", "okta.apps.manage", &[Super, App]),
        ("GET /api/v1/groups/x/apps", "okta.groups.read", &[Super, Org, App, ReadOnly]),
        ("GET /api/v1/users/x/appLinks", "okta.users.read", ALL),
        ("GET /api/v1/users/x/roles", "okta.roles.read", &[Super, Org, ReadOnly]),
        ("GET /api/v1/users/x/roles/y", "okta.roles.read", &[Super, Org, ReadOnly]),
        ("POST /api/v1/users/x/roles", "okta.roles.manage", &[Super]),
        ("DELETE /api/v1/users/x/roles/y", "okta.roles.manage", &[Super]),
        ("GET /api/v1/users/x/roles/y/targets/groups", "okta.roles.read", &[Super, Org, ReadOnly]),
        ("GET /api/v1/groups/x/roles", "okta.roles.read", &[Super, Org, ReadOnly]),
        ("POST /api/v1/groups/x/roles", "okta.roles.manage", &[Super]),
        ("DELETE /api/v1/groups/x/roles/y", "okta.roles.manage", &[Super]),
        ("GET /oauth2/v1/clients/x/roles", "okta.roles.read", &[Super, Org, ReadOnly]),
        ("POST /oauth2/v1/clients/x/roles", "okta.roles.manage", &[Super]),
        ("DELETE /oauth2/v1/clients/x/roles/y", "okta.roles.manage", &[Super]),
        ("GET /api/v1/authorizationServers", "okta.authorizationServers.read", &[Super, Org, App, ReadOnly]),
        (
            "GET /api/v1/authorizationServers/x/claims",
            "okta.authorizationServers.read",
            &[Super, Org, App, ReadOnly],
        ),
        ("POST /api/v1/authorizationServers", "okta.authorizationServers.manage", &[Super]),
        ("PUT /api/v1/authorizationServers/x", "okta.authorizationServers.manage", &[Super]),
        ("DELETE /api/v1/authorizationServers/x/scopes/y", "okta.authorizationServers.manage", &[Super]),
        (
            "POST /api/v1/authorizationServers/x/lifecycle/activate",
            "okta.authorizationServers.manage",
            &[Super],
        ),
        (
            "POST /api/v1/authorizationServers/x/policies/y/rules",
            "okta.authorizationServers.manage",
            &[Super],
        ),
        (
            "POST /api/v1/authorizationServers/x/credentials/lifecycle/keyRotate",
            "okta.authorizationServers.manage",
            &[Super],
        ),
        ("GET /api/v1/trustedOrigins", "okta.trustedOrigins.read", &[Super, Org, ReadOnly]),
        ("GET /api/v1/trustedOrigins/x", "okta.trustedOrigins.read", &[Super, Org, ReadOnly]),
        ("POST /api/v1/trustedOrigins", "okta.trustedOrigins.manage", &[Super, Org]),
        ("PUT /api/v1/trustedOrigins/x", "okta.trustedOrigins.manage", &[Super, Org]),
        ("DELETE /api/v1/trustedOrigins/x", "okta.trustedOrigins.manage", &[Super, Org]),
        ("POST /api/v1/trustedOrigins/x/lifecycle/activate", "okta.trustedOrigins.manage", &[Super, Org]),
        ("GET /api/v1/logs", "okta.logs.read", &[Super, Org, App, ReadOnly]),
    ]
};

#[tokio::test]
async fn each_endpoint_asks_for_its_scope_and_its_roles() {
    let test =
        TestOrg::start_with(OrgSettings { requests_per_minute: u32::MAX, ..OrgSettings::default() }).await;
    for role in ALL {
        let mut scopes: Vec<_> = TABLE.iter().map(|(_, scope, _)| *scope).collect();
        scopes.dedup();
        let app = test.app(&scopes, &[*role]);
        let token = test.token(&app, &scopes.join(" ")).await;
        for (line, scope, roles) in TABLE {
            let (method, path) = line.split_once(' ').unwrap();
            let method: Method = method.parse().unwrap();
            let answer = test.call(&app, &token, method.clone(), path).await;
            let is_refused = answer.status.as_u16() == 403;
            assert_eq!(is_refused, !roles.contains(role), "{line} as {role}: {answer:?}");
            if *role == AdminRole::Super {
                let other = if *scope == "okta.logs.read" { "okta.users.read" } else { "okta.logs.read" };
                let token = test.token(&app, other).await;
                let answer = test.call(&app, &token, method, path).await;
                assert_eq!(answer.status.as_u16(), 403, "{line} with {other}");
                assert!(answer.header("www-authenticate").contains(scope), "{line}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_app_that_has_admin_roles_is_changed_by_a_super_administrator_alone() {
    const SCOPE: &str = "okta.apps.manage";
    let test = TestOrg::start().await;
    let plain = test.app(&[SCOPE], &[]).client_id;
    let powerful = test.app(&[SCOPE], &[AdminRole::Super]);
    for (role, target, status) in [
        (AdminRole::App, &plain, 200),
        (AdminRole::App, &powerful.client_id, 403),
        (AdminRole::Super, &powerful.client_id, 200),
    ] {
        let app = test.app(&[SCOPE], &[role]);
        let token = test.token(&app, SCOPE).await;
        let path = format!("/api/v1/apps/{target}/lifecycle/activate");
        assert_eq!(test.call(&app, &token, Method::POST, &path).await.status.as_u16(), status, "{role}");
        if status == 403 {
            for (method, path) in [
                (Method::DELETE, format!("/api/v1/apps/{target}")),
                (Method::DELETE, format!("/api/v1/apps/{target}/credentials/jwks/x")),
                (Method::POST, format!("/api/v1/apps/{target}/credentials/jwks/x/lifecycle/deactivate")),
            ] {
                assert_eq!(test.call(&app, &token, method, &path).await.status.as_u16(), 403, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_group_of_endpoints_can_have_a_limit_of_its_own() {
    let settings = OrgSettings { rate_limits: vec![(EndpointGroup::Logs, 1)], ..OrgSettings::default() };
    let test = TestOrg::start_with(settings).await;
    for (path, limit, status) in [
        ("/api/v1/logs", "1", 200),
        ("/api/v1/logs", "1", 429),
        ("/api/v1/users", "600", 200),
        ("/api/v1/users/x/clients", "600", 404),
        ("/api/v1/sessions/x", "600", 404),
        ("/api/v1/org", "600", 200),
        ("/oauth2/v1/clients/x/roles", "600", 404),
    ] {
        let answer = test.administer(Method::GET, path, None).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-rate-limit-limit")), (status, limit), "{path}");
    }
}

#[tokio::test]
async fn an_operation_of_oktas_that_is_not_served_says_so() {
    let test = TestOrg::start().await;
    for (method, path, operation) in [
        (Method::GET, "/api/v1/zones", "listNetworkZones"),
        (Method::GET, "/api/v1/groups/rules", "listGroupRules"),
        (Method::POST, "/api/v1/groups/rules", "createGroupRule"),
        (Method::GET, "/api/v1/users/00u1/factors", "listFactors"),
        (
            Method::GET,
            "/api/v1/authorizationServers/default/clients",
            "listOAuth2ClientsForAuthorizationServer",
        ),
        (Method::GET, "/api/v1/users/00u1/grants", "listUserGrants"),
        (Method::GET, "/api/v1/users/00u1/clients/0oa1/grants", "listGrantsForUserAndClient"),
        (Method::POST, "/api/v1/users/00u1/credentials/change_recovery_question", "changeRecoveryQuestion"),
        (Method::POST, "/api/v1/org", "updateOrgSettings"),
        (Method::PATCH, "/api/v1/apps/0oa1/groups/00g1", "updateGroupAssignmentToApplication"),
    ] {
        let answer = test.administer(method.clone(), path, None).await;
        assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (404, "E0000007"), "{method} {path}");
        let cause = answer.text("/errorCauses/0/errorSummary");
        assert_eq!(cause, format!("exists in Okta's API, not served by the local org: {operation}"));
    }
    let nothing = test.administer(Method::GET, "/api/v1/nothing", None).await;
    assert_eq!(nothing.json["errorCauses"], serde_json::json!([]));
}
