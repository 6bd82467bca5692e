//! The pages of faults.

use http::{Method, StatusCode};

use crate::browser::Browser;
use crate::support::TestOrg;

const FAULTS: &str = "/admin/faults";

#[tokio::test]
async fn faults_are_armed_by_a_click_or_by_a_form_listed_removed_and_cleared() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let page = browser.open(FAULTS).await;
    assert!(page.html.contains("Nothing goes wrong on purpose"), "{}", page.html);
    assert!(page.html.contains(r#"<a href="/admin/faults" aria-current="page">Faults</a>"#), "{}", page.html);
    for preset in 0..8 {
        let answer = browser.submit(&page, "/admin/faults/preset", &[("preset", &preset.to_string())]).await;
        assert_eq!(answer.location(), "/admin/faults?done=fault-added", "{answer:?}");
    }
    let wrong = browser.submit(&page, "/admin/faults/preset", &[("preset", "8")]).await;
    assert_eq!(wrong.status, StatusCode::NOT_FOUND);
    assert_eq!(test.org.faults().list().len(), 8);

    let listed = browser.open(FAULTS).await;
    for words in ["rate-limited", "times 3", "OVER", "ARMED", "seconds -300"] {
        assert!(listed.html.contains(words), "{words} is not in {}", listed.html);
    }
    assert_eq!(test.administer(Method::GET, "/api/v1/users", None).await.status.as_u16(), 429);
    test.org.faults().add(keybound_org::Fault::clock_skew(300_000_000)).await.unwrap();
    assert_eq!(browser.open(FAULTS).await.status, StatusCode::OK, "a wrong clock ends no session");
    let removed = browser.submit(&listed, "/admin/faults/f1/remove", &[]).await;
    assert_eq!(removed.location(), "/admin/faults?done=fault-removed");
    assert_eq!(browser.submit(&listed, "/admin/faults/f1/remove", &[]).await.status, StatusCode::NOT_FOUND);
    browser.submit(&listed, "/admin/faults/clear", &[]).await;
    assert_eq!(test.org.faults().list(), []);
}

#[tokio::test]
async fn each_kind_has_a_form_that_arms_it_and_keeps_what_was_typed_if_it_cannot() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    for (kind, fields) in [
        ("slow", vec![("delay_ms", "5"), ("probability", "0.5")]),
        ("rate-limited", vec![("path", "/api/v1/users/*"), ("method", "get"), ("times", "3")]),
        ("server-error", vec![("status", "503"), ("body", "html"), ("endpoint", "api")]),
        ("cut-connection", vec![("at", "in-head"), ("client_id", "0oa1")]),
        ("clock-skew", vec![("seconds", "-5"), ("for_seconds", "60")]),
        ("rotate-nonce", vec![("old", "accepted")]),
        ("rotate-key", vec![("server", "default"), ("old", "published")]),
        ("revoke-token", vec![("all", "true")]),
        ("replay", vec![]),
    ] {
        let path = format!("/admin/faults/new/{kind}");
        let page = browser.open(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{kind}");
        let armed = browser.submit(&page, &path, &fields).await;
        assert_eq!(armed.location(), "/admin/faults?done=fault-added", "{kind}: {}", armed.html);
        assert_eq!(test.org.faults().list().last().unwrap().fault.kind().name(), kind);
    }
    assert_eq!(browser.open("/admin/faults/new/nonsense").await.status, StatusCode::NOT_FOUND);

    for (kind, name) in [("slow", "delay_ms"), ("clock-skew", "seconds")] {
        let page = browser.open(&format!("/admin/faults/new/{kind}")).await;
        let first = page.html.split("<div class=\"field\">").nth(1).unwrap();
        let first = first.split("</div>").next().unwrap();
        for part in [&format!(" name=\"{name}\""), "(required)</label>", " required "] {
            assert!(first.contains(part), "{kind}, {part}: {first}");
        }
        assert_eq!(page.html.matches("(required)").count(), 1, "{kind}");
    }
    let path = "/admin/faults/new/slow";
    let page = browser.open(path).await;
    let refused = browser.submit(&page, path, &[("delay_ms", "99999"), ("path", "/kept")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.html.contains("A delay of 99999 ms is too long"), "{}", refused.html);
    assert_eq!(refused.form(path)["path"], "/kept");
    let path = "/admin/faults/new/revoke-token";
    let page = browser.open(path).await;
    let refused = browser.submit(&page, path, &[("token", "eyJhidden"), ("jti", "x")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(!refused.html.contains("eyJhidden"), "a token is not shown again");
}

#[tokio::test]
async fn only_an_administrator_sees_or_changes_faults() {
    let test = TestOrg::start().await;
    let mut stranger = Browser::new(&test);
    for path in [FAULTS, "/admin/faults/new/slow"] {
        assert_eq!(stranger.open(path).await.status, StatusCode::SEE_OTHER, "{path}");
    }
    for path in ["/admin/faults/preset", "/admin/faults/clear", "/admin/faults/new/rotate-nonce"] {
        let answer = stranger.post(path, &[("preset", "0")]).await;
        assert!(answer.location().starts_with("/admin/sign-in"), "{path}: {answer:?}");
        let mut browser = Browser::signed_in(&test).await;
        let answer = browser.post(path, &[("preset", "0")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: no form token");
    }
    assert_eq!(test.org.faults().list(), []);
}
