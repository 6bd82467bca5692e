//! Whether the strict models of Okta's SDKs can read what the org answers. `models.json` has, of each of them, the
//! members that the SDK or Terraform's provider demand or read, with their types: a type with `?` may be missing or null,
//! a list names all values that the enumeration had when it was looked at. A date is one of RFC 3339 with milliseconds and
//! `Z`, as Okta writes it, which the libraries of all languages read.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use crate::sdk;
use crate::support::{READ, TestOrg, es256};

/// What is wrong with an answer, by a model.
fn faults(model: &Value, answer: &Value) -> Vec<String> {
    let members = model["members"].as_object().unwrap();
    let fault = |(pointer, kind): (&String, &Value)| {
        let found = answer.pointer(pointer).unwrap_or(&Value::Null);
        (!is_of(kind, found)).then(|| format!("{pointer} is {found} and must be {kind}"))
    };
    members.iter().filter_map(fault).collect()
}

fn is_of(kind: &Value, found: &Value) -> bool {
    let Some(name) = kind.as_str() else { return kind.as_array().unwrap().contains(found) };
    let (name, may_be_missing) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
    match name {
        _ if found.is_null() => may_be_missing,
        "string" => found.is_string(),
        "text" => found.as_str().is_some_and(|text| !text.is_empty()),
        "date" => found.as_str().is_some_and(is_date),
        "boolean" => found.is_boolean(),
        "integer" => found.is_u64(),
        "object" => found.is_object(),
        "array" => found.is_array(),
        _ => panic!("{name} is no type of the table"),
    }
}

fn is_date(text: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:dd.dddZ";
    let is_like = |(found, like): (u8, u8)| if like == b'd' { found.is_ascii_digit() } else { found == like };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(is_like)
}

fn models() -> Map<String, Value> {
    serde_json::from_str(include_str!("models.json")).unwrap()
}

#[test]
fn a_model_finds_what_is_wrong() {
    let model = json!({"members": {
        "/a": "string", "/b": "date?", "/c": ["X"], "/d/e": "integer", "/f": "object?", "/g": "boolean", "/h": "array",
    }});
    let good = json!({
        "a": "", "b": "2026-01-31T12:00:00.000Z", "c": "X", "d": {"e": 1}, "f": null, "g": false, "h": [], "unknown": 1,
    });
    assert_eq!(faults(&model, &good), Vec::<String>::new());
    for (member, value) in [
        ("a", json!(1)),
        ("a", Value::Null),
        ("b", json!("2026-01-31T12:00:00Z")),
        ("c", json!("Y")),
        ("d", json!({"e": 1.5})),
        ("f", json!([])),
        ("g", json!("false")),
        ("h", Value::Null),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        assert_eq!(faults(&model, &bad).len(), 1, "{bad}");
    }
}

/// The answers of an org, by the name of the model that reads them.
#[derive(Default)]
struct Answers(BTreeMap<&'static str, Vec<Value>>);

impl Answers {
    /// Keeps what the administrator gets; of a list each item.
    async fn get(&mut self, test: &TestOrg, model: &'static str, path: &str) -> Value {
        self.keep(model, test.administer(Method::GET, path, None).await.json)
    }

    async fn post(&mut self, test: &TestOrg, model: &'static str, path: &str, body: Value) -> Value {
        self.keep(model, test.administer(Method::POST, path, Some(body)).await.json)
    }

    fn keep(&mut self, model: &'static str, answer: Value) -> Value {
        let kept = self.0.entry(model).or_default();
        match &answer {
            Value::Array(items) => kept.extend(items.clone()),
            one => kept.push(one.clone()),
        }
        answer
    }
}

fn id(answer: &Value) -> &str {
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

async fn people(test: &TestOrg, answers: &mut Answers) {
    let profile = |login: &str| json!({"firstName": "A", "lastName": "B", "email": login, "login": login});
    let credentials = json!({"password": {"value": "a-good-password"}});
    for (login, query) in [("a@example.com", ""), ("b@example.com", "?activate=false")] {
        let body = json!({"profile": profile(login), "credentials": credentials});
        let user = answers.post(test, "User", &format!("/api/v1/users{query}"), body).await;
        answers.get(test, "User", &format!("/api/v1/users/{}", id(&user))).await;
    }
    let user =
        answers.post(test, "User", "/api/v1/users", json!({"profile": profile("c@example.com")})).await;
    test.administer(Method::DELETE, &format!("/api/v1/users/{}", id(&user)), None).await;
    answers.get(test, "User", &format!("/api/v1/users/{}", id(&user))).await;
    answers.get(test, "User", "/api/v1/users?limit=200").await;
    answers.get(test, "User", "/api/v1/users/me").await;
    answers.post(test, "Group", "/api/v1/groups", json!({"profile": {"name": "No description"}})).await;
    answers.get(test, "Group", "/api/v1/groups").await;
}

async fn apps(test: &TestOrg, answers: &mut Answers) {
    const APP: &str = "OpenIdConnectApplication";
    let web = json!({
        "label": "Web", "signOnMode": "OPENID_CONNECT",
        "settings": {"oauthClient": {"application_type": "web", "redirect_uris": ["https://a.example/"]}},
    });
    answers.post(test, APP, "/api/v1/apps", web).await;
    let app = sdk::app(test, true).client_id;
    let es = test.app(&[READ], &[]).client_id;
    let listed = answers.get(test, APP, "/api/v1/apps?limit=200").await;
    for app in listed.as_array().unwrap() {
        for key in
            app.pointer("/settings/oauthClient/jwks/keys").and_then(Value::as_array).into_iter().flatten()
        {
            let is_rsa = key["kty"] == "RSA";
            let model =
                if is_rsa { "OAuth2ClientJsonWebKeyRsaResponse" } else { "OAuth2ClientJsonWebKeyECResponse" };
            answers.keep(model, key.clone());
        }
    }
    let added: Value = serde_json::from_str(
        &keybound::Signer::public_key(&es256()).clone().with_key_id("two").jwk().to_json(),
    )
    .unwrap();
    let keys = format!("/api/v1/apps/{es}/credentials/jwks");
    answers.post(test, "OAuth2ClientJsonWebKeyECResponse", &keys, added).await;
    answers.get(test, "OAuth2ClientJsonWebKeyECResponse", &keys).await;
    answers.get(test, "OAuth2ScopeConsentGrant", &format!("/api/v1/apps/{app}/grants")).await;
    answers.get(test, "StandardRole", &format!("/oauth2/v1/clients/{app}/roles")).await;
}

async fn assignments(test: &TestOrg, answers: &mut Answers) {
    let browser = json!({
        "label": "Browser", "signOnMode": "OPENID_CONNECT",
        "settings": {"oauthClient": {"application_type": "browser", "redirect_uris": ["https://a.example/"]}},
    });
    let app = test.administer(Method::POST, "/api/v1/apps", Some(browser)).await;
    let users = test.administer(Method::GET, "/api/v1/users?limit=1", None).await;
    let groups = test.administer(Method::GET, "/api/v1/groups?filter=type+eq+%22OKTA_GROUP%22", None).await;
    let (app, user, group) = (app.text("/id"), users.text("/0/id"), groups.text("/0/id"));
    let path = format!("/api/v1/apps/{app}/users");
    answers.post(test, "AppUser", &path, json!({"id": user, "credentials": {"userName": "a"}})).await;
    answers.get(test, "AppUser", &format!("{path}?limit=5")).await;
    let path = format!("/api/v1/apps/{app}/groups");
    let assigned = test.administer(Method::PUT, &format!("{path}/{group}"), Some(json!({}))).await;
    answers.keep("ApplicationGroupAssignment", assigned.json);
    answers.get(test, "ApplicationGroupAssignment", &path).await;
    answers.get(test, "AppLink", &format!("/api/v1/users/{user}/appLinks")).await;
    answers.get(test, "OpenIdConnectApplication", &format!("/api/v1/groups/{group}/apps")).await;
    for holder in [format!("users/{user}"), format!("groups/{group}")] {
        let path = format!("/api/v1/{holder}/roles");
        answers.post(test, "StandardRole", &path, json!({"type": "APP_ADMIN"})).await;
        answers.get(test, "StandardRole", &path).await;
    }
}

async fn servers(test: &TestOrg, answers: &mut Answers) {
    let new = json!({"name": "One", "description": "", "audiences": ["api://one"]});
    let server = answers.post(test, "AuthorizationServer", "/api/v1/authorizationServers", new).await;
    answers.get(test, "AuthorizationServer", "/api/v1/authorizationServers").await;
    let base = format!("/api/v1/authorizationServers/{}", id(&server));
    answers.post(test, "OAuth2Scope", &format!("{base}/scopes"), json!({"name": "a"})).await;
    answers.get(test, "OAuth2Scope", &format!("{base}/scopes")).await;
    let claim =
        json!({"name": "tier", "claimType": "RESOURCE", "valueType": "EXPRESSION", "value": "\"gold\""});
    answers.post(test, "OAuth2Claim", &format!("{base}/claims"), claim).await;
    answers.get(test, "OAuth2Claim", &format!("{base}/claims")).await;
    let policy = json!({
        "name": "P", "description": "P", "type": "OAUTH_AUTHORIZATION_POLICY", "priority": 1,
        "conditions": {"clients": {"include": ["ALL_CLIENTS"]}},
    });
    let policy = answers.post(test, "AuthorizationServerPolicy", &format!("{base}/policies"), policy).await;
    answers.get(test, "AuthorizationServerPolicy", "/api/v1/authorizationServers/default/policies").await;
    let rules = format!("{base}/policies/{}/rules", id(&policy));
    let rule = json!({
        "name": "R", "type": "RESOURCE_ACCESS",
        "conditions": {"grantTypes": {"include": ["client_credentials"]}, "scopes": {"include": ["*"]}},
    });
    answers.post(test, "AuthorizationServerPolicyRule", &rules, rule).await;
    answers.get(test, "AuthorizationServerPolicyRule", &rules).await;
    test.get("/oauth2/default/v1/keys").await;
    let keys = "/api/v1/authorizationServers/default/credentials/keys";
    answers.get(test, "AuthorizationServerJsonWebKey", keys).await;
}

#[tokio::test]
async fn every_kind_of_answer_can_be_read_by_the_model_of_okta_s_sdks() {
    let test = TestOrg::start().await;
    let mut answers = Answers::default();
    people(&test, &mut answers).await;
    apps(&test, &mut answers).await;
    assignments(&test, &mut answers).await;
    servers(&test, &mut answers).await;
    test.token(&test.app(&[READ], &[]), READ).await;
    answers.get(&test, "LogEvent", "/api/v1/logs?limit=1000").await;
    answers.get(&test, "WellKnownOrgMetadata", "/.well-known/okta-organization").await;
    answers.get(&test, "OrgSetting", "/api/v1/org").await;
    for path in ["/api/v1/users/nobody", "/api/v1/zones", "/api/v1/users?limit=x"] {
        answers.get(&test, "Error", path).await;
    }
    let mut models = models();
    for (name, kept) in &answers.0 {
        let model = models.remove(*name).unwrap_or_else(|| panic!("there is no model {name}"));
        assert!(!kept.is_empty(), "{name}: nothing was answered");
        for answer in kept {
            let faults = faults(&model, answer);
            assert!(faults.is_empty(), "{name} of {}: {faults:#?}\n{answer:#}", model["source"]);
        }
    }
    assert!(models.is_empty(), "no answer was held to {:?}", models.keys());
}
