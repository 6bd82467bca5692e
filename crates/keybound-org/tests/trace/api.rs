//! `/keybound/v1/traces`.

use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use keybound_org::trace::{MAX_LISTENERS, TraceFile};

use crate::support::{READ, TestOrg};

const PATH: &str = "/keybound/v1/traces";

#[tokio::test]
async fn only_the_administrators_token_lets_in() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[keybound_org::AdminRole::Super]);
    let token = test.token(&app, READ).await;
    for (method, path) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::GET, "/1"),
        (Method::GET, "/live"),
        (Method::GET, "/export"),
        (Method::POST, "/1/keep"),
        (Method::POST, "/1/replay"),
    ] {
        let path = format!("{PATH}{path}");
        for credentials in ["", "SSWS x", &format!("Bearer {token}")] {
            let request =
                test.http.request(method.clone(), test.url(&path)).header(AUTHORIZATION, credentials);
            let answer = test.send(request).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {credentials}");
            assert_eq!(answer.text("/errorCode"), "E0000011", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn exchanges_are_listed_newest_first_and_looked_at_kept_sent_again_and_forgotten() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    test.token(&app, READ).await;
    let list = test.administer(Method::GET, PATH, None).await;
    let ids: Vec<_> =
        list.json["exchanges"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, [2, 1]);
    let list = test.administer(Method::GET, &format!("{PATH}?after=1&limit=9"), None).await;
    assert_eq!(list.json["exchanges"].as_array().unwrap().len(), 1);
    for (query, status) in [("?limit=x", 400), ("?x=1", 400), ("?limit=1000000", 200)] {
        let answer = test.administer(Method::GET, &format!("{PATH}{query}"), None).await;
        assert_eq!(answer.status.as_u16(), status, "{query}");
    }

    let one = test.administer(Method::GET, &format!("{PATH}/2"), None).await;
    assert_eq!((one.status, one.header("cache-control")), (StatusCode::OK, "no-store"));
    assert_eq!(one.text("/verdict/outcome"), "admitted");
    for path in ["/99", "/x"] {
        let answer = test.administer(Method::GET, &format!("{PATH}{path}"), None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }

    let kept = test.administer(Method::POST, &format!("{PATH}/2/keep"), None).await;
    assert_eq!(kept.status, StatusCode::NO_CONTENT);
    assert!(test.org.traces().exchange(1).unwrap().kept, "the whole conversation");
    let again = test.administer(Method::POST, &format!("{PATH}/2/replay"), None).await;
    assert_eq!(
        (again.text("/first/verdict/outcome"), again.text("/again/verdict/outcome")),
        ("admitted", "refused")
    );

    let file = test.administer(Method::GET, &format!("{PATH}/export?conversation=1"), None).await;
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"keybound-trace-1.json\"");
    let file = TraceFile::parse(file.json.to_string().as_bytes()).unwrap();
    assert_eq!(file.exchanges, test.org.traces().conversation(1));
    let none = test.administer(Method::GET, &format!("{PATH}/export?conversation=99999"), None).await;
    assert_eq!((none.status, none.text("/errorCode")), (StatusCode::NOT_FOUND, "E0000007"));

    assert_eq!(test.administer(Method::DELETE, PATH, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(test.org.traces().exchanges(0, 10), []);
}

#[tokio::test]
async fn a_listener_is_told_as_it_happens_and_the_org_stops_with_it() {
    let test = TestOrg::start().await;
    let listen = async || {
        let token = format!("SSWS {}", test.org.admin_token());
        test.http.get(test.url(&format!("{PATH}/live"))).header(AUTHORIZATION, token).send().await.unwrap()
    };
    let mut live = listen().await;
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    test.get("/oauth2/v1/keys").await;
    let mut told = String::new();
    while !told.contains("\n\n") {
        told.push_str(std::str::from_utf8(&live.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(told.starts_with("event: exchange\ndata: {\"id\":1,"), "{told}");

    let mut more = Vec::new();
    for _ in 1..MAX_LISTENERS {
        more.push(listen().await);
    }
    assert_eq!(listen().await.status(), StatusCode::SERVICE_UNAVAILABLE);

    // Its grace for requests under way is five seconds; this is over at once.
    test.org.stop().await;
    assert_eq!(live.chunk().await.unwrap(), None, "the stream ends, it does not break");
}
