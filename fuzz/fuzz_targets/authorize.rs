//! Authorization requests of an app that is registered: each is answered by a page without markup of its own, or by a
//! redirect to where the app registered.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use keybound::random::OperatingSystem;
use keybound_org::{
    ApplicationType, ClientSettings, GrantType, LocalOrg, NewApp, OrgSettings, Scheme,
    TokenEndpointAuthMethod,
};
use libfuzzer_sys::fuzz_target;

const CALLBACK: &str = "https://app.example/callback";

struct Place {
    _runtime: tokio::runtime::Runtime,
    org: LocalOrg,
    client_id: String,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let settings = OrgSettings { scheme: Scheme::Http, ..OrgSettings::default() };
    let org = runtime.block_on(LocalOrg::start(settings)).expect("an org");
    let app = NewApp {
        client: ClientSettings {
            application_type: ApplicationType::Native,
            redirect_uris: vec![CALLBACK.to_owned()],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            token_endpoint_auth_method: TokenEndpointAuthMethod::None,
            ..ClientSettings::default()
        },
        ..NewApp::default()
    };
    let app = org.store().create_app(&app, SystemTime::now().into(), &OperatingSystem).expect("an app");
    Place { _runtime: runtime, org, client_id: app.client_id }
});

fuzz_target!(|query: &str| {
    if !query.bytes().all(|byte| byte.is_ascii_graphic()) || query.len() > 16_384 {
        return;
    }
    let Place { org, client_id, .. } = &*PLACE;
    let address = org.url().trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).expect("the org listens");
    connection.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let head = format!(
        "GET /oauth2/v1/authorize?client_id={client_id}&{query} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    );
    let mut answer = String::new();
    let _ = connection.write_all(head.as_bytes());
    connection.read_to_string(&mut answer).expect("an answer in UTF-8");
    let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
    match answer.get(9..12) {
        Some("200") => assert!(answer.contains("<form method=\"post\""), "{answer}"),
        Some("303") => assert!(location.is_some_and(|to| to.starts_with(CALLBACK)), "{answer}"),
        Some("400") => assert!(location.is_none(), "{answer}"),
        _ => panic!("{answer}"),
    }
    let scripts = answer.matches("<script").count();
    let is_form_post = answer.contains("<script>document.forms[0].submit()</script>");
    assert_eq!(scripts, usize::from(is_form_post), "{answer}");
});
