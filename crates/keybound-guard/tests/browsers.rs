//! Pages of other origins (CORS): whose preflights are answered, who may read answers, and that none of it gets anybody
//! past the guard.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "server")]

mod serving;

use keybound_guard::Guard;
use keybound_guard::policy::Policy;
use keybound_guard::server::ServerSettings;
use serving::identity_provider::IdentityProvider;
use serving::{Proxy, Upstream, status};

const PAGE: &str = "https://app.example.com";
const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// What a policy says of pages.
const CORS: &str = r#"
    [cors]
    allowed_origins = ["https://app.example.com", "http://localhost:3000"]
    exposed_headers = ["Retry-After"]
"#;

async fn guarded(provider: &IdentityProvider, more: &str, upstream: &Upstream) -> Proxy {
    let guard = Guard::new(Policy::from_file(&provider.policy(more)).unwrap()).unwrap();
    Proxy::before(guard, upstream.settings(), ServerSettings::default()).await
}

fn request(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n")
}

fn preflight(origin: &str) -> String {
    let fields = format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: dpop\r\n"
    );
    request("OPTIONS", "/orders", &fields)
}

/// The values of a header field of an answer, in their order.
fn field(answer: &str, name: &str) -> Vec<String> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
}

fn allowed_origin(answer: &str) -> Vec<String> {
    field(answer, "access-control-allow-origin")
}

#[tokio::test]
async fn a_preflight_of_an_allowed_page_is_answered_without_a_token_and_goes_no_further() {
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = guarded(&provider, CORS, &upstream).await;
    for page in [PAGE, "http://localhost:3000"] {
        let answer = proxy.send(&preflight(page)).await;
        assert_eq!(status(&answer), 204, "{answer}");
        for (name, expected) in [
            ("access-control-allow-origin", page),
            ("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
            ("access-control-allow-headers", "Authorization, DPoP, Content-Type"),
            ("access-control-max-age", "600"),
            ("vary", "Origin"),
        ] {
            assert_eq!(field(&answer, name), [expected], "{name} of {answer}");
        }
        assert_eq!(field(&answer, "access-control-allow-credentials"), [""; 0], "{answer}");
        assert!(!upstream.has_more());
    }
}

#[tokio::test]
async fn an_origin_that_the_policy_does_not_name_to_the_byte_may_nothing() {
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = guarded(&provider, CORS, &upstream).await;
    let client = provider.client("user-1", "");
    for (origin, why) in [
        ("null", "a page from a file, in a sandbox, or after a redirect"),
        ("https://app.example.com.evil.example", "an origin that begins like one"),
        ("https://evil-app.example.com", "one that ends like one"),
        ("https://evil.example/https://app.example.com", "one that names one behind it"),
        ("https://evil.example?https://app.example.com", "or in its query"),
        ("https://app.example.com@evil.example", "one that names one as its user"),
        ("https://sub.app.example.com", "a domain below it"),
        ("https://example.com", "a domain above it"),
        ("http://app.example.com", "another scheme"),
        ("https://app.example.com:443", "the port written out, which no browser does"),
        ("https://app.example.com:8443", "another port"),
        ("http://localhost", "without its port"),
        ("http://localhost:30000", "a longer port"),
        ("https://APP.example.com", "another case, which no browser sends"),
        ("HTTPS://app.example.com", "the scheme in capitals"),
        ("https://app.example.com/", "a slash at its end"),
        ("https://app.example.com.", "the host with its last dot"),
        ("https://app.example.com https://evil.example", "a list, which origins once were"),
        ("https://app.example.com, https://evil.example", "a list with a comma"),
        ("https://app.example.com\r\nOrigin: https://evil.example", "two fields"),
        ("*", "every origin"),
        ("", "nothing"),
    ] {
        let answer = proxy.send(&preflight(origin)).await;
        assert_eq!(status(&answer), 403, "{why}: {answer}");
        assert_eq!(allowed_origin(&answer), [""; 0], "{why}: {answer}");
        assert_eq!(field(&answer, "access-control-allow-headers"), [""; 0], "{why}: {answer}");
        assert_eq!(field(&answer, "vary"), ["Origin"], "{why}: {answer}");
        assert!(!upstream.has_more(), "{why}");
        // A request that a browser sends without asking: it is judged as ever, and can't be read.
        let fields = format!("Origin: {origin}\r\n{}", client.credentials("GET", "/orders", None));
        let answer = proxy.send(&request("GET", "/orders", &fields)).await;
        assert_eq!((status(&answer), allowed_origin(&answer)), (200, vec![]), "{why}: {answer}");
        assert_eq!(field(&answer, "vary"), ["Origin"], "{why}: {answer}");
        upstream.next_head().await;
    }
}

#[tokio::test]
async fn options_that_is_no_preflight_is_judged_as_any_request() {
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(HELLO).await;
    let routes = "[[routes]]\npath = \"/orders/**\"\nscopes = [\"orders\"]\n";
    let proxy = guarded(&provider, &format!("{CORS}{routes}"), &upstream).await;
    let page = format!("Origin: {PAGE}\r\n");
    let asks = "Access-Control-Request-Method: GET\r\n";
    for (method, path, fields, expected, why) in [
        ("OPTIONS", "/orders", "", 401, "neither origin nor method"),
        ("OPTIONS", "/orders", page.as_str(), 401, "no method is asked for"),
        ("OPTIONS", "/orders", asks, 401, "no origin asks"),
        ("GET", "/orders", &format!("{page}{asks}"), 401, "no OPTIONS"),
        ("options", "/orders", &format!("{page}{asks}"), 401, "methods have case"),
        ("HEAD", "/orders", &format!("{page}{asks}X-HTTP-Method-Override: OPTIONS\r\n"), 401, "an override"),
        ("OPTIONS", "/other", page.as_str(), 404, "no route"),
        ("OPTIONS", "/orders/../admin", page.as_str(), 400, "a path that can be read in two ways"),
    ] {
        let answer = proxy.send(&request(method, path, fields)).await;
        assert_eq!(status(&answer), expected, "{why}: {answer}");
        assert!(!upstream.has_more(), "{why}");
    }
    let client = provider.client("user-1", "orders");
    let fields = format!("{page}{}", client.credentials("OPTIONS", "/orders", None));
    let answer = proxy.send(&request("OPTIONS", "/orders", &fields)).await;
    assert_eq!(status(&answer), 200, "with a token and a proof it goes on: {answer}");
    assert!(upstream.next_head().await.starts_with("options /orders "));
}

#[tokio::test]
async fn a_preflight_opens_nothing_for_the_request_after_it_on_the_same_connection() {
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(HELLO).await;
    let open = "[[routes]]\npath = \"/**\"\nmethods = [\"OPTIONS\"]\nadmit_without_token = true\n\
                [[routes]]\npath = \"/**\"\n";
    let proxy = guarded(&provider, &format!("{CORS}{open}"), &upstream).await;
    for origin in [PAGE, "https://evil.example"] {
        let first = preflight(origin).replace("Connection: close\r\n", "");
        let answers =
            proxy.send(&(first + &request("DELETE", "/orders", &format!("Origin: {origin}\r\n")))).await;
        let expected = if origin == PAGE { [204, 401] } else { [403, 401] };
        assert_eq!(serving::statuses(&answers), expected, "{answers}");
        assert!(!upstream.has_more(), "not even where a route admits OPTIONS without a token");
    }
}

#[tokio::test]
async fn an_allowed_page_can_read_every_answer_and_why_it_was_refused() {
    let provider = IdentityProvider::new();
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\
         Access-Control-Expose-Headers: Link\r\nVary: Accept\r\ncontent-length: 5\r\n\r\nhello",
    )
    .await;
    let nonces = "[nonces]\nrequired = \"always\"\n[[routes]]\npath = \"/orders\"\n[[routes]]\npath = \"/down\"\nadmit_without_token = true\n";
    let proxy = guarded(&provider, &format!("{CORS}{nonces}"), &upstream).await;
    let client = provider.client("user-1", "");
    let page = format!("Origin: {PAGE}\r\n");
    let ask =
        async |path: &str, fields: &str| proxy.send(&request("GET", path, &format!("{page}{fields}"))).await;
    for (path, fields, expected) in [
        ("/orders", String::new(), 401),
        ("/orders", client.credentials("GET", "/orders", None), 401),
        ("/other", String::new(), 404),
        ("/orders", "Host: b\r\n".to_owned(), 400),
    ] {
        let answer = ask(path, &fields).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert_eq!(allowed_origin(&answer), [PAGE], "{answer}");
        let exposed = ["DPoP-Nonce, WWW-Authenticate, Retry-After"];
        assert_eq!(field(&answer, "access-control-expose-headers"), exposed, "{answer}");
        assert_eq!(field(&answer, "vary"), ["Origin"], "{answer}");
    }
    // The API's own word of who may read is replaced, or there would be two.
    let answer = ask("/down", "").await;
    assert_eq!((status(&answer), allowed_origin(&answer)), (200, vec![PAGE.to_owned()]), "{answer}");
    assert_eq!(field(&answer, "access-control-allow-credentials"), [""; 0], "{answer}");
    assert_eq!(field(&answer, "vary"), ["Accept", "Origin"], "{answer}");
    let exposed = ["Link", "DPoP-Nonce, WWW-Authenticate, Retry-After"];
    assert_eq!(field(&answer, "access-control-expose-headers"), exposed, "{answer}");
    // Everybody may read the metadata.
    let answer = ask("/.well-known/oauth-protected-resource", "").await;
    assert_eq!((status(&answer), allowed_origin(&answer)), (200, vec!["*".to_owned()]), "{answer}");
}

#[tokio::test]
async fn every_page_may_call_where_the_policy_says_so_and_credentials_come_along_only_where_it_names_them() {
    let provider = IdentityProvider::new();
    let upstream = Upstream::answering(HELLO).await;
    let every = guarded(&provider, "[cors]\nallowed_origins = [\"*\"]\n", &upstream).await;
    for origin in ["https://any.example", "null"] {
        let answer = every.send(&preflight(origin)).await;
        assert_eq!((status(&answer), allowed_origin(&answer)), (204, vec!["*".to_owned()]), "{answer}");
        assert_eq!(field(&answer, "vary"), [""; 0], "it depends on nobody: {answer}");
        assert_eq!(field(&answer, "access-control-allow-credentials"), [""; 0], "{answer}");
    }
    let named = guarded(&provider, &format!("{CORS}allow_credentials = true\n"), &upstream).await;
    for (origin, expected) in [(PAGE, vec!["true"]), ("https://evil.example", vec![])] {
        let answer = named.send(&preflight(origin)).await;
        assert_eq!(field(&answer, "access-control-allow-credentials"), expected, "{answer}");
    }
}

#[tokio::test]
async fn without_a_word_of_pages_a_preflight_is_a_request_without_a_token() {
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = guarded(&provider, "", &upstream).await;
    let answer = proxy.send(&preflight(PAGE)).await;
    assert_eq!((status(&answer), allowed_origin(&answer)), (401, vec![]), "{answer}");
    assert_eq!(field(&answer, "vary"), [""; 0], "{answer}");
    assert!(!upstream.has_more());
}

#[tokio::test]
async fn a_new_policy_opens_and_shuts_for_pages() {
    let provider = IdentityProvider::new();
    let upstream = Upstream::answering(HELLO).await;
    let proxy = guarded(&provider, "", &upstream).await;
    for (more, expected) in
        [(CORS, 204), ("[cors]\nallowed_origins = [\"https://b.example\"]\n", 403), ("", 401)]
    {
        proxy.guard.reload(Policy::from_file(&provider.policy(more)).unwrap()).unwrap();
        assert_eq!(status(&proxy.send(&preflight(PAGE)).await), expected);
    }
}
