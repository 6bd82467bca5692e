//! `/api/v1/authorizationServers`: custom authorization servers, made, changed and used.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use support::{Answer, TestApp, TestOrg, claims, grant, url_encoded};

const SERVERS: &str = "/api/v1/authorizationServers";
const SCOPE: &str = "things.read";

async fn ask(test: &TestOrg, line: &str, body: Option<Value>) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let answer = test.administer(method.parse().unwrap(), path, body).await;
    (answer.status.as_u16(), answer.json)
}

/// What is asked for works; gives the id of what it is about.
async fn done(test: &TestOrg, line: &str, body: Value) -> String {
    let (status, answer) = ask(test, line, Some(body)).await;
    assert!((200..300).contains(&status), "{line}: {status} {answer}");
    answer["id"].as_str().unwrap_or_default().to_owned()
}

fn codes(found: &(u16, Value)) -> (u16, &str) {
    (found.0, found.1["errorCode"].as_str().unwrap_or_default())
}

fn server() -> Value {
    json!({"name": "Things", "description": "For things", "audiences": ["https://things.example"]})
}

fn policy() -> Value {
    json!({"type": "OAUTH_AUTHORIZATION_POLICY", "name": "Everybody", "description": "All clients",
           "conditions": {"clients": {"include": ["ALL_CLIENTS"]}}})
}

fn rule(scope: &str, minutes: u64) -> Value {
    json!({"type": "RESOURCE_ACCESS", "name": format!("{scope} for {minutes}"),
           "conditions": {"people": {"groups": {"include": ["EVERYONE"]}},
                          "grantTypes": {"include": ["client_credentials"]}, "scopes": {"include": [scope]}},
           "actions": {"token": {"accessTokenLifetimeMinutes": minutes}}})
}

fn claim(name: &str, value: &str) -> Value {
    json!({"name": name, "claimType": "RESOURCE", "valueType": "EXPRESSION", "value": value})
}

/// A token of a custom server for a service app.
async fn token(test: &TestOrg, app: &TestApp, server: &str, scope: &str) -> Answer {
    let url = test.url(&format!("/oauth2/{server}/v1/token"));
    let assertion = app.assertion(test).claim("aud", json!(url)).sign(&app.client_key);
    let mut nonce = None;
    loop {
        let proof = app.token_proof(test, nonce.as_deref()).claim("htu", json!(url)).sign(&app.dpop_key);
        let request = test.http.post(&url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.header("dpop", proof).body(url_encoded(&grant(scope, &assertion)));
        let answer = test.send(request).await;
        if answer.text("/error") != "use_dpop_nonce" {
            return answer;
        }
        nonce = Some(answer.header("dpop-nonce").to_owned());
    }
}

#[tokio::test]
async fn a_server_made_by_the_api_gives_tokens_as_its_rules_and_claims_say() {
    let test = TestOrg::start().await;
    let app = test.app(&["okta.users.read"], &[]);
    let (status, created) = ask(&test, &format!("POST {SERVERS}"), Some(server())).await;
    assert_eq!(status, 201, "{created}");
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("aus") && id.len() == 20, "{id}");
    assert_eq!(created["issuer"], test.url(&format!("/oauth2/{id}")));
    let base = format!("{SERVERS}/{id}");
    assert_eq!(ask(&test, &format!("GET {base}"), None).await.1, created);

    done(&test, &format!("POST {base}/scopes"), json!({"name": SCOPE})).await;
    done(&test, &format!("POST {base}/scopes"), json!({"name": "things.write"})).await;
    done(&test, &format!("POST {base}/claims"), claim("tier", "\"gold\"")).await;
    let mut tied = claim("writes", "'yes'");
    tied["conditions"] = json!({"scopes": ["things.write"]});
    done(&test, &format!("POST {base}/claims"), tied).await;
    let refused = token(&test, &app, id, SCOPE).await;
    assert_eq!((refused.status.as_u16(), refused.text("/error")), (400, "access_denied"), "no policy");

    let policies = format!("{base}/policies");
    let policy = done(&test, &format!("POST {policies}"), policy()).await;
    let rules = format!("{policies}/{policy}/rules");
    let slow = done(&test, &format!("POST {rules}"), rule("*", 20)).await;
    let mut first = rule(SCOPE, 10);
    first["priority"] = json!(1);
    let quick = done(&test, &format!("POST {rules}"), first).await;
    let granted = token(&test, &app, id, SCOPE).await;
    assert_eq!(granted.json["expires_in"], 600, "the first rule decides: {granted:?}");
    let access = claims(granted.text("/access_token"));
    assert_eq!((&access["tier"], &access["writes"]), (&json!("gold"), &Value::Null));
    assert_eq!(access["aud"], "https://things.example");
    let granted = token(&test, &app, id, "things.read things.write").await;
    assert_eq!(granted.json["expires_in"], 1200, "the second rule decides");
    assert_eq!(claims(granted.text("/access_token"))["writes"], "yes");

    for (line, expected) in [
        (format!("POST {rules}/{quick}/lifecycle/deactivate"), Some(1200)),
        (format!("POST {rules}/{slow}/lifecycle/deactivate"), None),
        (format!("POST {rules}/{quick}/lifecycle/activate"), Some(600)),
        (format!("POST {policies}/{policy}/lifecycle/deactivate"), None),
        (format!("POST {policies}/{policy}/lifecycle/activate"), Some(600)),
        (format!("DELETE {rules}/{quick}"), None),
    ] {
        assert_eq!(ask(&test, &line, None).await.0, 204, "{line}");
        assert_eq!(token(&test, &app, id, SCOPE).await.json["expires_in"].as_u64(), expected, "{line}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_active_answers_nothing_and_may_be_deleted() {
    let test = TestOrg::start().await;
    let app = test.app(&["okta.users.read"], &[]);
    let id = done(&test, &format!("POST {SERVERS}"), server()).await;
    let base = format!("{SERVERS}/{id}");
    done(&test, &format!("POST {base}/scopes"), json!({"name": SCOPE})).await;
    let policy = done(&test, &format!("POST {base}/policies"), policy()).await;
    done(&test, &format!("POST {base}/policies/{policy}/rules"), rule("*", 5)).await;
    assert_eq!(codes(&ask(&test, &format!("DELETE {base}"), None).await), (403, "E0000038"), "it is active");
    assert_eq!(ask(&test, &format!("POST {base}/lifecycle/deactivate"), None).await.0, 204);
    assert_eq!(ask(&test, &format!("GET {base}"), None).await.1["status"], "INACTIVE");
    let refused = token(&test, &app, &id, SCOPE).await;
    let summary = format!("Not found: Resource not found: {id} (AuthorizationServer)");
    assert_eq!((refused.status.as_u16(), refused.text("/errorSummary")), (404, summary.as_str()));
    for path in ["/v1/keys", "/.well-known/oauth-authorization-server"] {
        assert_eq!(test.get(&format!("/oauth2/{id}{path}")).await.status.as_u16(), 404, "{path}");
    }
    assert_eq!(ask(&test, &format!("POST {base}/lifecycle/activate"), None).await.0, 204);
    assert_eq!(token(&test, &app, &id, SCOPE).await.status.as_u16(), 200);
    assert_eq!(ask(&test, &format!("POST {base}/lifecycle/deactivate"), None).await.0, 204);
    assert_eq!(ask(&test, &format!("DELETE {base}"), None).await.0, 204);
    for path in ["", "/scopes", "/claims", "/policies", "/credentials/keys"] {
        assert_eq!(codes(&ask(&test, &format!("GET {base}{path}"), None).await), (404, "E0000007"), "{path}");
    }

    let default = format!("{SERVERS}/default");
    assert_eq!(ask(&test, &format!("POST {default}/lifecycle/deactivate"), None).await.0, 204);
    assert_eq!(codes(&ask(&test, &format!("DELETE {default}"), None).await), (403, "E0000006"), "it stays");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_member_that_is_wrong() {
    let test = TestOrg::start().await;
    let id = done(&test, &format!("POST {SERVERS}"), server()).await;
    let base = format!("{SERVERS}/{id}");
    let policy_id = done(&test, &format!("POST {base}/policies"), policy()).await;
    let rules = format!("{base}/policies/{policy_id}/rules");
    done(&test, &format!("POST {base}/scopes"), json!({"name": SCOPE})).await;
    done(&test, &format!("POST {base}/claims"), claim("tier", "\"gold\"")).await;
    let with = |mut body: Value, pointer: &str, value: Value| {
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let claim = || claim("level", "\"gold\"");
    let mut hidden = claim();
    hidden["claimType"] = json!("IDENTITY");
    hidden["alwaysIncludeInToken"] = json!(false);
    for (path, body, member) in [
        (SERVERS.to_owned(), server(), "name"),
        (SERVERS.to_owned(), with(server(), "/name", json!(" ")), "name"),
        (SERVERS.to_owned(), with(server(), "/name", json!("x".repeat(256))), "name"),
        (SERVERS.to_owned(), with(server(), "/audiences", json!([])), "audiences"),
        (SERVERS.to_owned(), with(server(), "/audiences", json!(["a", "b"])), "audiences"),
        (format!("{base}/scopes"), json!({"name": SCOPE}), "name"),
        (format!("{base}/scopes"), json!({"name": "openid"}), "name"),
        (format!("{base}/scopes"), json!({"name": "a b"}), "name"),
        (format!("{base}/scopes"), json!({"name": "a", "consent": "REQUIRED"}), "consent"),
        (format!("{base}/scopes"), json!({"name": "a", "metadataPublish": "SOME"}), "metadataPublish"),
        (format!("{base}/claims"), with(claim(), "/name", json!("tier")), "name"),
        (format!("{base}/claims"), with(claim(), "/name", json!("scp")), "name"),
        (format!("{base}/claims"), with(claim(), "/claimType", json!("OTHER")), "claimType"),
        (format!("{base}/claims"), with(claim(), "/valueType", json!("GROUPS")), "valueType"),
        (format!("{base}/claims"), with(claim(), "/value", json!("String.len(user.a)")), "value"),
        (format!("{base}/claims"), hidden, "alwaysIncludeInToken"),
        (format!("{base}/policies"), with(policy(), "/name", json!("")), "name"),
        (format!("{base}/policies"), with(policy(), "/type", json!("PASSWORD")), "type"),
        (
            format!("{base}/policies"),
            with(policy(), "/conditions/clients/include", json!([])),
            "conditions.clients.include",
        ),
        (rules.clone(), rule("*", 4), "actions.token"),
        (rules.clone(), rule("*", 1441), "actions.token"),
        (rules.clone(), rule("a b", 5), "conditions.scopes.include"),
        (
            rules.clone(),
            with(rule("*", 5), "/conditions/people/groups/include", json!(["00g1"])),
            "conditions.people",
        ),
        (
            rules.clone(),
            with(rule("*", 5), "/conditions/grantTypes/include", json!(["magic"])),
            "conditions.grantTypes.include",
        ),
        (
            rules.clone(),
            with(rule("*", 5), "/actions/token", json!({"inlineHook": {"id": "cal1"}})),
            "actions.token.inlineHook",
        ),
    ] {
        let (status, refused) = ask(&test, &format!("POST {path}"), Some(body.clone())).await;
        assert_eq!((status, &refused["errorCode"]), (400, &json!("E0000001")), "{path} {body}: {refused}");
        let summary = format!("Api validation failed: {member}");
        assert_eq!(refused["errorSummary"], summary, "{path} {body}");
        assert_ne!(refused["errorCauses"], json!([]), "{path} {body}");
    }
}

#[tokio::test]
async fn everything_below_a_server_is_read_replaced_and_deleted_at_its_own_address() {
    let test = TestOrg::start().await;
    let id = done(&test, &format!("POST {SERVERS}"), server()).await;
    let base = format!("{SERVERS}/{id}");
    let policy_id = done(&test, &format!("POST {base}/policies"), policy()).await;
    for (path, prefix, body, replaced) in [
        (
            "scopes".to_owned(),
            "scp",
            json!({"name": SCOPE, "default": true}),
            json!({"name": SCOPE, "displayName": "Things", "metadataPublish": "ALL_CLIENTS"}),
        ),
        ("claims".to_owned(), "ocl", claim("tier", "'gold'"), claim("tier", "user.tier")),
        ("policies".to_owned(), "00p", policy(), {
            let mut other = policy();
            other["conditions"]["clients"]["include"] = json!(["0oa1"]);
            other
        }),
        (format!("policies/{policy_id}/rules"), "0pr", rule("*", 5), rule(SCOPE, 7)),
    ] {
        let list = format!("{base}/{path}");
        let one = done(&test, &format!("POST {list}"), body.clone()).await;
        assert!(one.starts_with(prefix) && one.len() == 20, "{one}");
        let url = format!("{list}/{one}");
        let read = ask(&test, &format!("GET {url}"), None).await;
        assert_eq!((read.0, &read.1["name"]), (200, &body["name"]), "{url}");
        assert_eq!(read.1["_links"]["self"]["href"], test.url(&url));
        test.wait(1);
        done(&test, &format!("PUT {url}"), replaced.clone()).await;
        let changed = ask(&test, &format!("GET {url}"), None).await.1;
        assert_ne!(changed, read.1, "{url}");
        let all = ask(&test, &format!("GET {list}"), None).await.1;
        assert!(all.as_array().unwrap().contains(&changed), "{all}");

        for (line, expected) in [
            (format!("PUT {list}/{prefix}nothing"), 404),
            (format!("GET {list}/{prefix}nothing"), 404),
            (format!("DELETE {list}/{prefix}nothing"), 404),
            (format!("GET {SERVERS}/default/{path}/{one}"), 404),
            (format!("DELETE {SERVERS}/default/{path}/{one}"), 404),
            (format!("DELETE {url}"), 204),
            (format!("DELETE {url}"), 404),
        ] {
            let body = line.starts_with("PUT").then(|| replaced.clone());
            assert_eq!(ask(&test, &line, body).await.0, expected, "{line}");
        }
    }
}

#[tokio::test]
async fn servers_and_scopes_are_found_and_listed_in_pages() {
    let test = TestOrg::start().await;
    for name in ["Alpha", "Beta"] {
        let body = json!({"name": name, "audiences": [format!("api://{name}-audience")]});
        done(&test, &format!("POST {SERVERS}"), body).await;
    }
    let names = async |path: &str| {
        let (mut names, mut path) = (Vec::new(), path.to_owned());
        loop {
            let answer = test.administer(Method::GET, &path, None).await;
            assert_eq!(answer.status.as_u16(), 200, "{path}: {answer:?}");
            let page = answer.json.as_array().unwrap();
            names.push(page.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
            let mut links = answer.headers.get_all("link").iter().map(|link| link.to_str().unwrap());
            let Some(next) = links.find_map(|link| link.strip_suffix(">; rel=\"next\"")) else {
                return names;
            };
            path = next.strip_prefix('<').unwrap().strip_prefix(test.org.url()).unwrap().to_owned();
        }
    };
    assert_eq!(names(SERVERS).await, [["default", "Alpha", "Beta"]]);
    assert_eq!(names(&format!("{SERVERS}?limit=2")).await, [vec!["default", "Alpha"], vec!["Beta"]]);
    assert_eq!(names(&format!("{SERVERS}?q=api://beta")).await, [["Beta"]], "by its audience");
    let scopes = format!("{SERVERS}/default/scopes");
    done(&test, &format!("POST {scopes}"), json!({"name": SCOPE})).await;
    let all = ["openid", "profile", "email", "offline_access", "groups", SCOPE];
    assert_eq!(names(&scopes).await, [all]);
    assert_eq!(names(&format!("{scopes}?limit=4")).await, [&all[..4], &all[4..]]);
    assert_eq!(names(&format!("{scopes}?q=THINGS")).await, [[SCOPE]]);
    let built_in = ask(&test, &format!("GET {scopes}?limit=1"), None).await.1[0].clone();
    let url = format!("{scopes}/{}", built_in["id"].as_str().unwrap());
    assert_eq!(ask(&test, &format!("GET {url}"), None).await.1, built_in);
    assert_eq!(codes(&ask(&test, &format!("DELETE {url}"), None).await), (403, "E0000006"));
}

#[tokio::test]
async fn keys_are_listed_and_rotate_and_the_log_tells_of_everything() {
    let test = TestOrg::start().await;
    let base = format!("{SERVERS}/default");
    let keys = async || ask(&test, &format!("GET {base}/credentials/keys"), None).await.1;
    let named = |keys: &Value, status: &str| {
        let mut found = keys.as_array().unwrap().iter().filter(|key| key["status"] == status);
        found.next().map(|key| key["kid"].as_str().unwrap().to_owned())
    };
    let before = keys().await;
    let next = named(&before, "NEXT").unwrap();
    let one = ask(&test, &format!("GET {base}/credentials/keys/{next}"), None).await.1;
    assert_eq!((&one["kty"], &one["use"], &one["d"]), (&json!("RSA"), &json!("sig"), &Value::Null));
    let rotate = format!("POST {base}/credentials/lifecycle/keyRotate");
    assert_eq!(codes(&ask(&test, &rotate, Some(json!({"use": "enc"}))).await), (400, "E0000001"));
    let (status, rotated) = ask(&test, &rotate, Some(json!({"use": "sig"}))).await;
    assert_eq!(status, 200, "{rotated}");
    assert_eq!(named(&rotated, "ACTIVE"), Some(next.clone()), "the next key signs");
    assert_eq!(named(&rotated, "EXPIRED"), named(&before, "ACTIVE"));
    let signing = ask(&test, &format!("GET {base}"), None).await.1["credentials"]["signing"].clone();
    assert_eq!(
        (&signing["kid"], &signing["lastRotated"]),
        (&json!(next), &json!("2027-01-15T08:00:00.000Z"))
    );

    let scope = done(&test, &format!("POST {base}/scopes"), json!({"name": SCOPE})).await;
    ask(&test, &format!("DELETE {base}/scopes/{scope}"), None).await;
    let (_, events) = ask(&test, "GET /api/v1/logs", None).await;
    let types: Vec<_> =
        events.as_array().unwrap().iter().map(|event| event["eventType"].as_str().unwrap()).collect();
    assert_eq!(types, ["app.oauth2.as.key.rollover", "oauth2.scope.created", "oauth2.scope.deleted"]);
}
