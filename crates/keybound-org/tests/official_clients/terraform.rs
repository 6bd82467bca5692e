//! What Terraform's provider for Okta calls for a resource from its making to its end, with the bodies that it sends
//! (`okta/services/idaas/resource_okta_*.go`), and what it reads of the answers.

use http::Method;
use serde_json::{Value, json};

use crate::raw::send;
use crate::support::{TestOrg, es256};

/// A run of calls by the administrator; `{id}` stands for the id in the answer to the first.
struct Run<'t> {
    test: &'t TestOrg,
    id: String,
}

impl<'t> Run<'t> {
    async fn create(test: &'t TestOrg, path: &str, body: Value) -> (Self, Value) {
        let made = test.administer(Method::POST, path, Some(body)).await;
        assert!(made.status.is_success(), "{path}: {made:?}");
        (Self { test, id: made.text("/id").to_owned() }, made.json)
    }

    async fn ask(&self, line: &str, body: Option<Value>) -> (u16, Value) {
        let (method, path) = line.split_once(' ').unwrap();
        let path = path.replace("{id}", &self.id);
        let answer = self.test.administer(method.parse().unwrap(), &path, body).await;
        (answer.status.as_u16(), answer.json)
    }

    /// The same where the provider goes on only if it is done.
    async fn done(&self, line: &str, body: Option<Value>) -> Value {
        let (status, json) = self.ask(line, body).await;
        assert!((200..300).contains(&status), "{line}: {status} {json}");
        json
    }

    /// It takes a resource for gone that is not found, and nothing else.
    async fn gone(&self, path: &str) {
        assert_eq!(self.ask(&format!("GET {path}"), None).await.0, 404, "{path}");
    }
}

/// The provider is led to a local org by its setting `http_proxy`, which takes the place of the org's URL and is the proxy
/// of its newer clients too: those send the whole URL in the first line, and credentials for a proxy (config.go,
/// oktaV3SDKClient).
#[tokio::test(flavor = "multi_thread")]
async fn a_request_as_to_a_proxy_is_answered() {
    let test = TestOrg::start().await;
    let authorization = format!("SSWS {}", test.org.admin_token());
    let fields = [
        ("User-Agent", "okta-sdk-golang/6.1.7 okta-terraform/6.0.0"),
        ("Accept", "application/json"),
        ("Authorization", authorization.as_str()),
        ("Proxy-Authorization", "Basic Og=="),
    ];
    let line = format!("GET {}", test.url("/api/v1/users/me"));
    let answer = send(&test, &line, &fields, "");
    assert_eq!((answer.status, answer.text("/status").as_str()), (200, "ACTIVE"), "{answer:?}");
}

/// It asks once which API the org has. Without an answer it takes it for one with authentication policies, which it then
/// looks for (`config.go`, `IsClassicOrg`; `app_authentication_policy.go`).
#[tokio::test]
async fn the_org_says_that_it_has_no_authentication_policies() {
    let test = TestOrg::start().await;
    let told = test.get("/.well-known/okta-organization").await;
    assert_eq!((told.status.as_u16(), told.text("/pipeline")), (200, "v1"), "{told:?}");
    assert_eq!((&told.text("/id")[..3], told.text("/id").len()), ("00o", 20));
    assert_eq!(told.text("/_links/organization/href"), test.url(""));
}

#[tokio::test]
async fn okta_group() {
    let test = TestOrg::start().await;
    let profile = |name: &str| json!({"profile": {"name": name, "description": ""}});
    let (run, _) = Run::create(&test, "/api/v1/groups", profile("Platform")).await;
    assert_eq!(run.done("GET /api/v1/groups/{id}", None).await["profile"]["name"], "Platform");
    assert_eq!(run.done("PUT /api/v1/groups/{id}", Some(profile("R&D"))).await["profile"]["name"], "R&D");
    run.done("DELETE /api/v1/groups/{id}", None).await;
    run.gone("/api/v1/groups/{id}").await;
}

#[tokio::test]
async fn okta_user_and_okta_group_memberships() {
    let test = TestOrg::start().await;
    let profile = json!({
        "firstName": "Ann", "lastName": "Lee", "login": "ann@example.com", "email": "ann@example.com", "title": "Clerk",
    });
    let body = json!({"profile": profile, "credentials": {"password": {}}});
    let (run, made) = Run::create(&test, "/api/v1/users?activate=false", body).await;
    assert_eq!(made["status"], "STAGED");
    let user = "/api/v1/users/{id}";
    run.done(&format!("POST {user}/lifecycle/activate?sendEmail=true"), None).await;
    let mut changed = profile.clone();
    changed["title"] = json!("Head clerk");
    let answered = run.done(&format!("PUT {user}"), Some(json!({"profile": changed}))).await;
    assert_eq!(answered["profile"]["title"], "Head clerk");
    // A password is set by a body that has nothing else (resource_okta_user.go, resourceUserUpdate).
    let password = json!({"credentials": {"password": {"value": "a-good-password"}}});
    let answered = run.done(&format!("PUT {user}"), Some(password)).await;
    assert_eq!((&answered["profile"], &answered["status"]), (&changed, &json!("ACTIVE")));
    assert_eq!(run.done(&format!("GET {user}"), None).await["profile"], changed);
    // With `old_password` it is changed as the user would.
    let both =
        json!({"oldPassword": {"value": "a-good-password"}, "newPassword": {"value": "a-better-password"}});
    let credentials = run.done(&format!("POST {user}/credentials/change_password"), Some(both)).await;
    assert_eq!(credentials["provider"]["type"], "OKTA");
    assert_eq!(run.done(&format!("GET {user}/roles"), None).await, json!([]), "the data source okta_user");

    let (group, _) = Run::create(&test, "/api/v1/groups", json!({"profile": {"name": "G"}})).await;
    let membership = format!("/api/v1/groups/{}/users/{}", group.id, run.id);
    run.done(&format!("PUT {membership}"), None).await;
    let members = group.done("GET /api/v1/groups/{id}/users?limit=200", None).await;
    assert_eq!(members[0]["id"], run.id.as_str());
    let groups = run.done(&format!("GET {user}/groups"), None).await;
    assert!(groups.as_array().unwrap().iter().any(|found| found["id"] == group.id.as_str()));
    run.done(&format!("DELETE {membership}"), None).await;

    for step in ["suspend", "unsuspend"] {
        run.done(&format!("POST {user}/lifecycle/{step}"), None).await;
    }
    run.done(&format!("DELETE {user}"), None).await;
    assert_eq!(run.done(&format!("GET {user}"), None).await["status"], "DEPROVISIONED");
    run.done(&format!("DELETE {user}"), None).await;
    run.gone(user).await;
}

/// What `okta_app_oauth` sends of a service app. A key has neither use nor algorithm, and one of an elliptic curve does
/// not name the curve (buildAppOAuthV6). Inferred: Okta takes it, since the provider's own tests make one.
fn service_app() -> Value {
    let key = es256();
    let jwk: Value = serde_json::from_str(&keybound::Signer::public_key(&key).jwk().to_json()).unwrap();
    json!({
        "name": "oidc_client",
        "label": "Terraform's",
        "signOnMode": "OPENID_CONNECT",
        "accessibility": {"selfService": false, "errorRedirectUrl": "", "loginRedirectUrl": ""},
        "visibility": {"autoSubmitToolbar": false, "hide": {"iOS": true, "web": true}},
        "credentials": {
            "oauthClient": {
                "autoKeyRotation": true, "pkce_required": false, "token_endpoint_auth_method": "private_key_jwt",
            },
            "userNameTemplate": {"template": "${source.login}", "type": "BUILT_IN"},
        },
        "settings": {
            "notes": {"admin": "Made by Terraform"},
            "oauthClient": {
                "application_type": "service",
                "consent_method": "TRUSTED",
                "logo_uri": "https://a.example/logo.png",
                "grant_types": ["client_credentials"],
                "response_types": ["token"],
                "issuer_mode": "ORG_URL",
                "wildcard_redirect": "DISABLED",
                "idp_initiated_login": {"mode": "DISABLED", "default_scope": []},
                "jwks": {"keys": [{"kty": "EC", "kid": "one", "x": jwk["x"], "y": jwk["y"]}]},
            },
        },
    })
}

#[tokio::test]
async fn okta_app_oauth() {
    let test = TestOrg::start().await;
    let (run, made) = Run::create(&test, "/api/v1/apps?activate=false", service_app()).await;
    assert_eq!(made["status"], "INACTIVE", "status = INACTIVE in the configuration");
    let app = "/api/v1/apps/{id}";
    run.done(&format!("POST {app}/lifecycle/activate"), None).await;
    let read = run.done(&format!("GET {app}"), None).await;
    assert_eq!((&read["name"], &read["status"]), (&json!("oidc_client"), &json!("ACTIVE")));
    // What it sent it compares with what it reads: a difference is one that it would mend for ever.
    for (member, sent) in [
        ("/visibility/hide/iOS", json!(true)),
        ("/visibility/autoSubmitToolbar", json!(false)),
        ("/accessibility/errorRedirectUrl", json!("")),
        ("/settings/oauthClient/consent_method", json!("TRUSTED")),
        ("/settings/oauthClient/issuer_mode", json!("ORG_URL")),
        ("/settings/oauthClient/logo_uri", json!("https://a.example/logo.png")),
        ("/settings/notes/admin", json!("Made by Terraform")),
    ] {
        assert_eq!((read.pointer(member), made.pointer(member)), (Some(&sent), Some(&sent)), "{member}");
    }
    let key = &read["settings"]["oauthClient"]["jwks"]["keys"][0];
    assert_eq!((&key["kty"], &key["kid"], &key["crv"]), (&json!("EC"), &json!("one"), &json!("P-256")));

    // With an API token it sets and reads the issuer of ID tokens apart, with a groups claim if there is one
    // (sdk/app_oauth_group_claim.go).
    let id_token = "/api/v1/internal/apps/{id}/settings/oauth/idToken";
    run.done(&format!("POST {id_token}"), Some(json!({"issuerMode": "DYNAMIC"}))).await;
    assert_eq!(run.done(&format!("GET {id_token}"), None).await, json!({"issuerMode": "DYNAMIC"}));
    for refused in
        [json!({"name": "groups", "value": ".*"}), json!({"issuerMode": "CUSTOM_URL"}), json!({"name": 5})]
    {
        assert_eq!(run.ask(&format!("POST {id_token}"), Some(refused)).await.0, 400);
    }

    // It sends what it made again, with the client id that it has read.
    let mut changed = service_app();
    changed["label"] = json!("Renamed");
    changed["credentials"]["oauthClient"]["client_id"] = json!(run.id);
    changed["settings"]["oauthClient"]["jwks"]["keys"][0] =
        json!({"kty": "EC", "kid": "one", "x": key["x"], "y": key["y"]});
    let answered = run.done(&format!("PUT {app}"), Some(changed)).await;
    assert_eq!(answered["label"], "Renamed");
    assert_eq!(answered["settings"]["oauthClient"]["jwks"]["keys"][0]["id"], key["id"], "the same key");
    // What was read may be sent back.
    assert_eq!(run.done(&format!("PUT {app}"), Some(answered.clone())).await["label"], "Renamed");

    // okta_app_oauth_api_scope and okta_app_oauth_role_assignment.
    let grant = json!({"scopeId": "okta.users.read", "issuer": test.org.url()});
    let granted = run.done(&format!("POST {app}/grants"), Some(grant)).await;
    assert_eq!(run.done(&format!("GET {app}/grants?expand=scope"), None).await[0]["id"], granted["id"]);
    run.done(&format!("DELETE {app}/grants/{}", granted["id"].as_str().unwrap()), None).await;
    let role = run.done("POST /oauth2/v1/clients/{id}/roles", Some(json!({"type": "READ_ONLY_ADMIN"}))).await;
    let role = format!("/oauth2/v1/clients/{{id}}/roles/{}", role["id"].as_str().unwrap());
    assert_eq!(run.done(&format!("GET {role}"), None).await["type"], "READ_ONLY_ADMIN");
    run.done(&format!("DELETE {role}"), None).await;

    run.done(&format!("POST {app}/lifecycle/deactivate"), None).await;
    run.done(&format!("DELETE {app}"), None).await;
    run.gone(app).await;
}

/// `okta_app_oauth_redirect_uri` reads the app, and sends it back whole with another URI.
#[tokio::test]
async fn okta_app_oauth_redirect_uri() {
    let test = TestOrg::start().await;
    let web = json!({
        "name": "oidc_client", "label": "Web", "signOnMode": "OPENID_CONNECT",
        "credentials": {"oauthClient": {"token_endpoint_auth_method": "client_secret_basic", "pkce_required": true}},
        "settings": {"oauthClient": {
            "application_type": "web", "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"], "redirect_uris": ["https://a.example/callback"],
            "refresh_token": {"rotation_type": "STATIC", "leeway": 0},
        }},
    });
    let (run, made) = Run::create(&test, "/api/v1/apps?activate=true", web).await;
    assert!(made["credentials"]["oauthClient"]["client_secret"].is_string());
    let mut app = run.done("GET /api/v1/apps/{id}", None).await;
    app["settings"]["oauthClient"]["redirect_uris"] =
        json!(["https://a.example/callback", "https://b.example/"]);
    let answered = run.done("PUT /api/v1/apps/{id}", Some(app.clone())).await;
    assert_eq!(answered["settings"], app["settings"]);
}

/// An app as the provider makes one: it always says whether nobody needs an assignment, and `false` if it is not told, so
/// that Okta assigns nobody (buildAppOAuthV6).
fn browser_app() -> Value {
    json!({
        "name": "oidc_client", "label": "Page", "signOnMode": "OPENID_CONNECT",
        "credentials": {"oauthClient": {"token_endpoint_auth_method": "none", "pkce_required": true}},
        "settings": {"implicitAssignment": false, "oauthClient": {
            "application_type": "browser", "grant_types": ["authorization_code"], "response_types": ["code"],
            "redirect_uris": ["https://a.example/callback"],
        }},
    })
}

/// `okta_app_group_assignments` takes away each group that it does not know of: an app of the provider must begin without
/// any (`resource_okta_app_group_assignments.go`).
#[tokio::test]
async fn okta_app_group_assignments() {
    let test = TestOrg::start().await;
    let (group, _) = Run::create(&test, "/api/v1/groups", json!({"profile": {"name": "G"}})).await;
    let (run, made) = Run::create(&test, "/api/v1/apps?activate=true", browser_app()).await;
    assert_eq!(made["settings"]["implicitAssignment"], false);
    let groups = "/api/v1/apps/{id}/groups";
    assert_eq!(run.done(&format!("GET {groups}?limit=200"), None).await, json!([]));
    let one = format!("{groups}/{}", group.id);
    // Without a profile it sends null.
    let sent = json!({"id": group.id, "priority": 0, "profile": null});
    assert_eq!(run.done(&format!("PUT {one}"), Some(sent)).await["id"], group.id.as_str());
    let read = run.done(&format!("GET {one}"), None).await;
    assert_eq!((&read["priority"], &read["profile"]), (&json!(0), &json!({})));
    let sent = json!({"priority": 3, "profile": {"role": "reader"}});
    run.done(&format!("PUT {one}"), Some(sent.clone())).await;
    let listed = run.done(&format!("GET {groups}?limit=200"), None).await;
    assert_eq!((&listed[0]["priority"], &listed[0]["profile"]), (&sent["priority"], &sent["profile"]));
    run.done(&format!("DELETE {one}"), None).await;
    run.gone(&one).await;
}

#[tokio::test]
async fn okta_app_user() {
    let test = TestOrg::start().await;
    let profile =
        json!({"firstName": "A", "lastName": "L", "login": "a@example.com", "email": "a@example.com"});
    let (user, _) = Run::create(&test, "/api/v1/users", json!({"profile": profile})).await;
    let (run, _) = Run::create(&test, "/api/v1/apps?activate=true", browser_app()).await;
    let users = "/api/v1/apps/{id}/users";
    let sent = |name: &str, profile: Value| json!({"id": user.id, "credentials": {"userName": name, "password": {}}, "profile": profile});
    let made = run.done(&format!("POST {users}"), Some(sent("ann", Value::Null))).await;
    assert_eq!(made["id"], user.id.as_str());
    let one = format!("{users}/{}", user.id);
    run.done(&format!("POST {one}"), Some(sent("anna", json!({"nickName": "A"})))).await;
    let read = run.done(&format!("GET {one}"), None).await;
    assert_eq!(
        (&read["credentials"]["userName"], &read["profile"]),
        (&json!("anna"), &json!({"nickName": "A"}))
    );
    run.done(&format!("DELETE {one}"), None).await;
    run.gone(&one).await;
}

/// Both look at `assignmentType`, to tell a user's own roles from those of groups, and `okta_group_role` at the targets of
/// a role that can have some (`user.go`, `listUserOnlyRoles`; `resource_okta_group_role.go`).
#[tokio::test]
async fn okta_user_admin_roles_and_okta_group_role() {
    let test = TestOrg::start().await;
    let profile =
        json!({"firstName": "A", "lastName": "L", "login": "a@example.com", "email": "a@example.com"});
    let (user, _) = Run::create(&test, "/api/v1/users", json!({"profile": profile})).await;
    let (group, _) = Run::create(&test, "/api/v1/groups", json!({"profile": {"name": "G"}})).await;
    for (run, list, kind) in [(&user, "users", "USER"), (&group, "groups", "GROUP")] {
        let roles = format!("/api/v1/{list}/{{id}}/roles");
        let query = "?disableNotifications=false";
        let made = run.done(&format!("POST {roles}{query}"), Some(json!({"type": "APP_ADMIN"}))).await;
        let listed = run.done(&format!("GET {roles}"), None).await;
        assert_eq!((&listed[0]["type"], &listed[0]["assignmentType"]), (&json!("APP_ADMIN"), &json!(kind)));
        let one = format!("{roles}/{}", made["id"].as_str().unwrap());
        assert_eq!(run.done(&format!("GET {one}"), None).await, made);
        for targets in ["targets/groups?limit=200", "targets/catalog/apps?limit=200&status=ACTIVE"] {
            assert_eq!(run.done(&format!("GET {one}/{targets}"), None).await, json!([]));
        }
        run.done(&format!("DELETE {one}"), None).await;
        run.gone(&one).await;
    }
}

#[tokio::test]
async fn okta_auth_server_and_what_is_below_it() {
    let test = TestOrg::start().await;
    let server = |name: &str| {
        json!({
            "name": name, "description": "", "audiences": ["api://terraform"], "issuerMode": "ORG_URL",
            "credentials": {"signing": {"rotationMode": "AUTO"}},
        })
    };
    let (run, _) = Run::create(&test, "/api/v1/authorizationServers", server("One")).await;
    let base = "/api/v1/authorizationServers/{id}";
    let read = run.done(&format!("GET {base}"), None).await;
    assert_eq!(
        (&read["issuerMode"], &read["credentials"]["signing"]["rotationMode"]),
        (&json!("ORG_URL"), &json!("AUTO"))
    );
    assert!(
        read["credentials"]["signing"]["kid"].is_string() || read["credentials"]["signing"]["kid"].is_null()
    );
    for step in ["deactivate", "activate"] {
        run.done(&format!("POST {base}/lifecycle/{step}"), None).await;
    }
    assert_eq!(run.done(&format!("PUT {base}"), Some(server("Two"))).await["name"], "Two");

    let scope = json!({
        "name": "things.read", "consent": "IMPLICIT", "metadataPublish": "ALL_CLIENTS", "description": "", "default": false,
    });
    let made = run.done(&format!("POST {base}/scopes"), Some(scope.clone())).await;
    whole_life(&run, &format!("{base}/scopes"), &made, scope).await;

    let claim = json!({
        "name": "tier", "status": "ACTIVE", "claimType": "RESOURCE", "valueType": "EXPRESSION", "value": "\"gold\"",
        "alwaysIncludeInToken": true, "conditions": {"scopes": []},
    });
    let made = run.done(&format!("POST {base}/claims"), Some(claim.clone())).await;
    whole_life(&run, &format!("{base}/claims"), &made, claim).await;

    let policy = json!({
        "name": "All", "type": "OAUTH_AUTHORIZATION_POLICY", "status": "ACTIVE", "priority": 1, "description": "For all",
        "conditions": {"clients": {"include": ["ALL_CLIENTS"]}},
    });
    let made = run.done(&format!("POST {base}/policies"), Some(policy.clone())).await;
    let rules = format!("{base}/policies/{}/rules", made["id"].as_str().unwrap());
    let rule = json!({
        "name": "Rule", "status": "ACTIVE", "priority": 1, "type": "RESOURCE_ACCESS",
        "actions": {"token": {
            "accessTokenLifetimeMinutes": 60, "refreshTokenLifetimeMinutes": 0, "refreshTokenWindowMinutes": 10080,
        }},
        "conditions": {
            "grantTypes": {"include": ["client_credentials"]},
            "scopes": {"include": ["*"]},
            "people": {"groups": {"include": ["EVERYONE"], "exclude": []}, "users": {"include": [], "exclude": []}},
        },
    });
    let of_policy = run.done(&format!("POST {rules}"), Some(rule.clone())).await;
    // The provider takes these for granted, and ends with a panic where one is missing.
    for pointer in [
        "/actions/token",
        "/conditions/grantTypes/include",
        "/conditions/scopes/include",
        "/conditions/people/users",
    ] {
        assert!(of_policy.pointer(pointer).is_some_and(|found| !found.is_null()), "{pointer}: {of_policy}");
    }
    let one = format!("{rules}/{}", of_policy["id"].as_str().unwrap());
    for step in ["deactivate", "activate"] {
        run.done(&format!("POST {one}/lifecycle/{step}"), None).await;
    }
    whole_life(&run, &rules, &of_policy, rule).await;
    let policies = format!("{base}/policies");
    whole_life(&run, &policies, &made, policy).await;

    run.done(&format!("POST {base}/lifecycle/deactivate"), None).await;
    run.done(&format!("DELETE {base}"), None).await;
    run.gone(base).await;
}

/// Reads, replaces, reads and deletes something of a list that was just made.
async fn whole_life(run: &Run<'_>, list: &str, made: &Value, body: Value) {
    let path = format!("{list}/{}", made["id"].as_str().unwrap());
    assert_eq!(run.done(&format!("GET {path}"), None).await["name"], body["name"]);
    for (name, value) in body.as_object().unwrap() {
        if value.is_string() || value.is_boolean() {
            assert_eq!(made[name], *value, "{path}: what it sent stands in the answer");
        }
    }
    assert_eq!(run.done(&format!("PUT {path}"), Some(body.clone())).await["id"], made["id"]);
    let listed = run.done(&format!("GET {list}"), None).await;
    assert!(listed.as_array().unwrap().iter().any(|found| found["id"] == made["id"]), "{listed}");
    run.done(&format!("DELETE {path}"), None).await;
    run.gone(&path).await;
}
