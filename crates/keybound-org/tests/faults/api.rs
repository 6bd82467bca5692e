//! `/keybound/v1/faults`.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{READ, TestOrg};

const FAULTS: &str = "/keybound/v1/faults";

#[tokio::test]
async fn a_fault_is_added_listed_read_and_removed() {
    let test = TestOrg::start().await;
    let said = json!({ "kind": "rate-limited", "path": "/api/v1/users", "times": 3 });
    let added = test.administer(Method::POST, FAULTS, Some(said)).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    let expected = json!({
        "id": "f1", "kind": "rate-limited", "path": "/api/v1/users", "times": 3, "reset_after_seconds": 1,
        "struck": 0, "over": false,
    });
    assert_eq!(added.json, expected);
    assert_eq!(added.header("cache-control"), "no-store");
    let read = async |path: &str| test.administer(Method::GET, path, None).await;
    assert_eq!(read(FAULTS).await.json, json!([expected]));
    assert_eq!(read("/keybound/v1/faults/f1").await.json, expected);

    test.administer(Method::GET, "/api/v1/users", None).await;
    assert_eq!(read("/keybound/v1/faults/f1").await.json["struck"], 1);
    let remove = async |path: &str| test.administer(Method::DELETE, path, None).await.status;
    assert_eq!(remove("/keybound/v1/faults/f1").await, StatusCode::NO_CONTENT);
    for path in ["/keybound/v1/faults/f1", "/keybound/v1/faults/f01", "/keybound/v1/faults/nonsense"] {
        assert_eq!(remove(path).await, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(read(path).await.text("/errorCode"), "E0000007", "{path}");
    }
    for kind in ["replay", "rotate-nonce"] {
        test.administer(Method::POST, FAULTS, Some(json!({ "kind": kind }))).await;
    }
    let listed = read(FAULTS).await.json;
    assert_eq!((&listed[1]["struck"], &listed[1]["over"]), (&json!(1), &json!(true)), "it happened at once");
    assert_eq!(remove(FAULTS).await, StatusCode::NO_CONTENT);
    assert_eq!(read(FAULTS).await.json, json!([]));
}

#[tokio::test]
async fn what_is_no_fault_is_refused_in_the_shape_of_the_management_api() {
    let test = TestOrg::start().await;
    for (said, words) in [
        (json!({}), "kind is missing"),
        (json!({ "kind": "slow", "delay_ms": 5, "tims": 1 }), "tims is no member"),
        (json!({ "kind": "slow" }), "slow needs a delay"),
        (json!({ "kind": "server-error", "status": 404 }), "status is 404"),
        (json!({ "kind": "rotate-key", "server": "aus1" }), "`aus1`"),
        (json!({ "kind": "clock-skew", "seconds": 5, "times": 1 }), "one for the whole org"),
    ] {
        let answer = test.administer(Method::POST, FAULTS, Some(said.clone())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{said}: {answer:?}");
        assert_eq!(answer.text("/errorCode"), "E0000001");
        let cause = answer.text("/errorCauses/0/errorSummary");
        assert!(cause.contains(words), "{words} is not in {cause}");
    }
    let post = |content_type: &'static str, body: String| {
        let request = test.http.post(test.url(FAULTS)).header("content-type", content_type).body(body);
        test.send(request.header("authorization", format!("SSWS {}", test.org.admin_token())))
    };
    assert_eq!(post("text/plain", "{}".to_owned()).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        post("application/json", " ".repeat(32 * 1024 + 1)).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(test.org.faults().list(), []);
}

#[tokio::test]
async fn only_the_administrators_token_is_let_in() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[keybound_org::AdminRole::Super]);
    let token = test.token(&app, READ).await;
    for (method, path) in [
        (Method::GET, FAULTS),
        (Method::POST, FAULTS),
        (Method::DELETE, FAULTS),
        (Method::GET, "/keybound/v1/faults/f1"),
        (Method::DELETE, "/keybound/v1/faults/f1"),
    ] {
        let ask = async |authorization: Option<&str>| {
            let mut request = test.http.request(method.clone(), test.url(path));
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            test.send(request).await
        };
        for authorization in [None, Some("SSWS wrong"), Some("SSWS"), Some(&*format!("Bearer {token}"))] {
            let answer = ask(authorization).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {authorization:?}");
            assert_eq!(answer.text("/errorCode"), "E0000011");
        }
        let bound = test.call(&app, &token, method.clone(), path).await;
        assert_eq!(bound.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_is_repeated_nowhere() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let token = test.token(&app, READ).await;
    let said = json!({ "kind": "revoke-token", "token": token });
    let added = test.administer(Method::POST, FAULTS, Some(said)).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    let jwt_id: Value = crate::support::claims(&token)["jti"].clone();
    assert_eq!(added.json["jti"], jwt_id);
    let listed = test.administer(Method::GET, FAULTS, None).await.json.to_string();
    let logged = test.administer(Method::GET, "/api/v1/logs", None).await.json.to_string();
    for part in token.split('.') {
        assert!(!listed.contains(part) && !logged.contains(part) && !added.json.to_string().contains(part));
    }
}
