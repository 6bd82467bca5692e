//! Requests to a local org, over the wire: it answers each, and never with a fault of its own. What is shown as a page
//! has no markup from the request.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::time::Duration;

use keybound_org::{LocalOrg, OrgSettings, Scheme};
use libfuzzer_sys::{arbitrary, fuzz_target};

static ORG: LazyLock<(tokio::runtime::Runtime, LocalOrg)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let settings =
        OrgSettings { scheme: Scheme::Http, requests_per_minute: u32::MAX, ..OrgSettings::default() };
    let org = runtime.block_on(LocalOrg::start(settings)).expect("an org");
    (runtime, org)
});

#[derive(arbitrary::Arbitrary, Debug)]
enum Input<'a> {
    Token { form: &'a [u8], proof: &'a str },
    Authorize { query: &'a str },
    SignIn { form: &'a [u8] },
    Activate { form: &'a [u8] },
    Form { endpoint: u8, form: &'a [u8] },
    CreateUser { json: &'a [u8] },
    UpdateUser { id: &'a str, json: &'a [u8], whole: bool },
    List { query: &'a str },
    Anything { method: &'a str, path: &'a str },
}

fuzz_target!(|input: Input<'_>| {
    let (_, org) = &*ORG;
    let form = "application/x-www-form-urlencoded";
    let (line, content_type, proof, body) = match input {
        Input::Token { form: body, proof } => ("POST /oauth2/v1/token".to_owned(), form, proof, body),
        Input::Authorize { query } => (format!("GET /oauth2/v1/authorize?{query}"), form, "", &[][..]),
        Input::SignIn { form: body } => ("POST /oauth2/v1/authorize/sign-in".to_owned(), form, "", body),
        Input::Activate { form: body } => ("POST /activate".to_owned(), form, "", body),
        Input::Form { endpoint, form: body } => {
            let names = ["par", "introspect", "revoke", "device/authorize", "logout", "authorize/consent"];
            let name = names[usize::from(endpoint) % names.len()];
            (format!("POST /oauth2/default/v1/{name}"), form, "", body)
        }
        Input::CreateUser { json } => ("POST /api/v1/users".to_owned(), "application/json", "", json),
        Input::UpdateUser { id, json, whole } => {
            let method = if whole { "PUT" } else { "POST" };
            (format!("{method} /api/v1/users/{id}"), "application/json", "", json)
        }
        Input::List { query } => (format!("GET /api/v1/users?{query}"), form, "", &[][..]),
        Input::Anything { method, path } => (format!("{method} /{path}"), form, "", &[][..]),
    };
    if line.chars().chain(proof.chars()).any(char::is_control) {
        return;
    }
    let address = org.url().trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).expect("the org listens");
    connection.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let head = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: SSWS {}\r\ndpop: {proof}\r\n\
         content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        org.admin_token(),
        body.len()
    );
    let mut answer = Vec::new();
    // The org may refuse what it has read of the head and close before it has read the body.
    let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(body));
    let _ = connection.read_to_end(&mut answer);
    // What was recorded can be explained, whatever it was, and tells no secret.
    let told = format!("{:?}", org.traces().exchanges(0, 1));
    assert!(!told.contains(org.admin_token()), "{told}");
    let shown = String::from_utf8_lossy(&answer);
    assert!(!shown.starts_with("HTTP/1.1 5"), "{shown}");
    // The one page with a script answers requests of registered apps alone, and here is none.
    assert!(!shown.contains("text/html") || !shown.to_ascii_lowercase().contains("<script"), "{shown}");
});
