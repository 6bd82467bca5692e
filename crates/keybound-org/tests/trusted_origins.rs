//! Trusted Origins over the management API: whose pages may ask the org from a browser.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use http::{Method, StatusCode};
use keybound::NumericDate;
use keybound_org::{ImportError, LineProblem, Secrets, Store};
use serde_json::{Value, json};
use support::{NOW, TestOrg};

const PATH: &str = "/api/v1/trustedOrigins";

fn body(name: &str, origin: &str, scopes: &[&str]) -> Value {
    let scopes: Vec<_> = scopes.iter().map(|scope| json!({ "type": scope })).collect();
    json!({ "name": name, "origin": origin, "scopes": scopes })
}

async fn create(test: &TestOrg, name: &str, origin: &str) -> Value {
    let made = test.administer(Method::POST, PATH, Some(body(name, origin, &["CORS", "REDIRECT"]))).await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    made.json
}

#[tokio::test]
async fn a_trusted_origin_lives_as_oktas_does() {
    let test = TestOrg::start().await;
    let made = create(&test, "Example", "https://app.example.com").await;
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("tos") && id.len() == 20, "{id}");
    let url = test.url(&format!("{PATH}/{id}"));
    assert_eq!(
        made,
        json!({
            "id": id,
            "name": "Example",
            "origin": "https://app.example.com",
            "status": "ACTIVE",
            "scopes": [{ "type": "CORS" }, { "type": "REDIRECT" }],
            "created": "2027-01-15T08:00:00.000Z",
            "createdBy": "administrator",
            "lastUpdated": "2027-01-15T08:00:00.000Z",
            "lastUpdatedBy": "administrator",
            "_links": {
                "self": { "href": url, "hints": { "allow": ["GET", "PUT", "DELETE"] } },
                "deactivate": { "href": format!("{url}/lifecycle/deactivate"), "hints": { "allow": ["POST"] } },
            },
        })
    );
    let one = format!("{PATH}/{id}");
    assert_eq!(test.administer(Method::GET, &one, None).await.json, made);

    test.wait(5);
    let changed = body("Other", "http://localhost:3000", &["REDIRECT"]);
    let changed = test.administer(Method::PUT, &one, Some(changed)).await;
    assert_eq!((changed.text("/name"), changed.text("/origin")), ("Other", "http://localhost:3000"));
    assert_eq!(changed.json["scopes"], json!([{ "type": "REDIRECT" }]));
    assert_ne!(changed.text("/created"), changed.text("/lastUpdated"));

    for (step, status, link) in
        [("deactivate", "INACTIVE", "/_links/activate"), ("activate", "ACTIVE", "/_links/deactivate")]
    {
        let path = format!("{one}/lifecycle/{step}");
        let stepped = test.administer(Method::POST, &path, None).await;
        assert_eq!((stepped.status, stepped.text("/status")), (StatusCode::OK, status), "{step}");
        assert!(stepped.json.pointer(link).is_some(), "{stepped:?}");
    }
    // What is sent back as it was read keeps its status.
    test.administer(Method::POST, &format!("{one}/lifecycle/deactivate"), None).await;
    let kept = test.administer(Method::PUT, &one, Some(body("Other", "http://localhost:3000", &["CORS"])));
    assert_eq!(kept.await.text("/status"), "INACTIVE");

    let gone = test.administer(Method::DELETE, &one, None).await;
    assert_eq!((gone.status, gone.json), (StatusCode::NO_CONTENT, Value::Null));
    for (method, path, body) in [
        (Method::GET, one.clone(), None),
        (Method::PUT, one.clone(), Some(body("Other", "http://localhost:3000", &["CORS"]))),
        (Method::DELETE, one.clone(), None),
        (Method::POST, format!("{one}/lifecycle/activate"), None),
    ] {
        let answer = test.administer(method.clone(), &path, body).await;
        assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (404, "E0000007"), "{method}");
        assert_eq!(
            answer.text("/errorSummary"),
            format!("Not found: Resource not found: {id} (TrustedOrigin)")
        );
    }
    assert_eq!(
        events(&test).await,
        ["create", "update", "deactivate", "activate", "deactivate", "update", "delete"]
            .map(|step| format!("security.trusted_origin.{step}"))
    );
}

async fn events(test: &TestOrg) -> Vec<String> {
    let path = "/api/v1/logs?filter=target.type+eq+%22TrustedOrigin%22";
    let logged = test.administer(Method::GET, path, None).await;
    let types = logged.json.as_array().unwrap().iter().map(|event| event["eventType"].as_str().unwrap());
    types.map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_not_as_it_must_be_is_refused_by_its_name() {
    let test = TestOrg::start().await;
    let taken = create(&test, "Taken", "https://taken.example.com").await["id"].as_str().unwrap().to_owned();
    let mine = create(&test, "Mine", "https://mine.example.com").await["id"].as_str().unwrap().to_owned();
    let good = "https://app.example.com";
    let long = "a".repeat(256);
    for (body, member, cause) in [
        (body("", good, &["CORS"]), "name", "The field cannot be left blank"),
        (body(&long, good, &["CORS"]), "name", "The field is too long"),
        (body("a", "example.com", &["CORS"]), "origin", "Origin value is not valid"),
        (body("a", "https://app.example.com/", &["CORS"]), "origin", "Origin value is not valid"),
        (body("a", "https://*.example.com", &["CORS"]), "origin", "Origin value is not valid"),
        (body("a", "null", &["CORS"]), "origin", "Origin value is not valid"),
        (body("a", "", &["CORS"]), "origin", "Origin value is not valid"),
        (body("a", good, &[]), "scopes", "The field cannot be left blank"),
        (body("a", good, &["CORS", "CORS"]), "scopes", "each can be there once"),
        (
            body("a", good, &["IFRAME_EMBED"]),
            "scopes",
            "must be CORS or REDIRECT; the local org has nothing else",
        ),
        (
            body("taken", good, &["CORS"]),
            "name",
            "An object with this field already exists in the current organization",
        ),
        (
            body("a", "https://taken.example.com", &["CORS"]),
            "origin",
            "An object with this field already exists in the current organization",
        ),
        (
            json!({ "name": "a", "origin": good, "scopes": [{ "type": "CORS" }], "status": "GONE" }),
            "status",
            "must be ACTIVE or INACTIVE",
        ),
    ] {
        for (method, path) in [(Method::POST, PATH.to_owned()), (Method::PUT, format!("{PATH}/{mine}"))] {
            let answer = test.administer(method.clone(), &path, Some(body.clone())).await;
            assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (400, "E0000001"), "{body}");
            assert_eq!(answer.text("/errorSummary"), format!("Api validation failed: {member}"), "{method}");
            let cause = format!("{member}: {cause}");
            assert_eq!(answer.text("/errorCauses/0/errorSummary"), cause, "{method} {body}");
        }
    }
    let hint = test.administer(Method::POST, PATH, Some(body("a", "https://app.example.com/", &["CORS"])));
    assert!(hint.await.text("/errorCauses/1/errorSummary").ends_with("; write https://app.example.com"));
    // Its own name and origin are not taken from it.
    let same = body("Taken", "https://taken.example.com", &["CORS"]);
    let same = test.administer(Method::PUT, &format!("{PATH}/{taken}"), Some(same)).await;
    assert_eq!(same.status, StatusCode::OK, "{same:?}");
    let step = test.administer(Method::POST, &format!("{PATH}/{taken}/lifecycle/suspend"), None).await;
    assert_eq!(step.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lists_are_found_by_the_beginning_and_by_filters_and_go_on_by_pages() {
    let test = TestOrg::start().await;
    for number in 0..5 {
        create(&test, &format!("Site {number}"), &format!("https://site{number}.example.com")).await;
    }
    let other = create(&test, "Other", "http://localhost:3000").await["id"].as_str().unwrap().to_owned();
    test.administer(Method::POST, &format!("{PATH}/{other}/lifecycle/deactivate"), None).await;
    for (query, expected) in [
        ("", 6),
        ("?q=site", 5),
        ("?q=https://site1", 1),
        ("?q=nothing", 0),
        ("?filter=name+eq+%22Site+3%22", 1),
        ("?filter=status+eq+%22INACTIVE%22", 1),
        ("?filter=origin+eq+%22http://localhost:3000%22", 1),
        ("?filter=createdBy+eq+%22administrator%22", 6),
        ("?filter=created+lt+%222020-01-01T00:00:00.000Z%22", 0),
        (&format!("?filter=%28id+eq+%22{other}%22+or+name+eq+%22Site+0%22%29"), 2),
    ] {
        let found = test.administer(Method::GET, &format!("{PATH}{query}"), None).await;
        assert_eq!(found.json.as_array().map(Vec::len), Some(expected), "{query}: {found:?}");
    }
    let refused = test.administer(Method::GET, &format!("{PATH}?filter=scopes+eq+%22CORS%22"), None).await;
    assert_eq!(refused.text("/errorCode"), "E0000031");

    let (mut path, mut seen) = (format!("{PATH}?limit=4"), Vec::new());
    loop {
        let page = test.administer(Method::GET, &path, None).await;
        seen.extend(page.json.as_array().unwrap().iter().map(|origin| origin["name"].to_string()));
        let mut links = page.headers.get_all("link").iter().map(|link| link.to_str().unwrap());
        let next = links.find_map(|link| link.strip_suffix(">; rel=\"next\""));
        let Some(next) = next else { break };
        path = next.strip_prefix(&format!("<{}", test.org.url())).unwrap().to_owned();
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
}

#[tokio::test]
async fn they_are_exported_imported_and_gone_after_a_reset() {
    let test = TestOrg::start().await;
    create(&test, "Example", "https://app.example.com").await;
    let mut file = Vec::new();
    test.org.store().export(Secrets::LeftOut, &mut file).unwrap();
    let exported = String::from_utf8(file.clone()).unwrap();
    let record = exported.lines().find(|line| line.contains("\"trustedOrigin\"")).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let now = NumericDate::from_seconds(NOW);
    store.import(file.as_slice(), now).unwrap();
    let mut again = Vec::new();
    store.export(Secrets::LeftOut, &mut again).unwrap();
    assert_eq!(again, file);
    assert!(matches!(store.import(file.as_slice(), now), Err(ImportError::NotEmpty)));

    for (from, to) in [
        ("\"https://app.example.com\"", "\"https://app.example.com/\""),
        ("\"https://app.example.com\"", "\"*\""),
        ("[\"CORS\",\"REDIRECT\"]", "[]"),
        ("[\"CORS\",\"REDIRECT\"]", "[\"ALL\"]"),
        ("\"ACTIVE\"", "\"GONE\""),
    ] {
        assert!(record.contains(from), "{record}");
        let spoiled = exported.replace(record, &record.replace(from, to));
        let folder = tempfile::tempdir().unwrap();
        let refused = Store::open(folder.path()).unwrap().import(spoiled.as_bytes(), now);
        let is_it = matches!(
            &refused,
            Err(ImportError::Line { problem: LineProblem::NotAllowed("trustedOrigin"), .. })
        );
        assert!(is_it, "{to}: {refused:?}");
    }
    test.org.store().reset().unwrap();
    assert_eq!(test.administer(Method::GET, PATH, None).await.json, json!([]));
}
