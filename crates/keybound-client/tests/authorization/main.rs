//! A user's leave, from the metadata to the refreshed token, against servers that answer by a script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod browser;
mod device;
mod discovery;
mod id_tokens;
mod refresh;
#[path = "../scripted/mod.rs"]
mod scripted;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use keybound::metadata::ServerMetadata;
use keybound::proof::DpopKey;
use keybound::{Algorithm, SigningKey};
use keybound_client::authorization::{Asked as Wanted, BrowserAuthorization, Loopback, UserAuthorization};
use keybound_client::{ClientRegistration, Sleep, System, TokenBinding};
use scripted::{Asked, NOW, Server, SetClock, answer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const GRANTED: &str = r#"{"access_token":"t","token_type":"DPoP","expires_in":3600,"refresh_token":"r1"}"#;

fn dpop_key() -> DpopKey {
    DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()))
}

/// A timer that never ends, so that nothing here depends on patience.
struct Never;

impl Sleep for Never {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

fn system(timer: Arc<dyn Sleep>) -> System {
    let mut system = System::default();
    system.clock = SetClock::at(NOW);
    system.timer = timer;
    system
}

/// The field of a request's form.
fn field(asked: &Asked, name: &str) -> Option<String> {
    let form = String::from_utf8(asked.body.to_vec()).unwrap();
    parameter(&form, name)
}

/// A parameter of a query or a form, of those that need no decoding but for `%3A`.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    Some(value.replace("%3A", ":").replace("%2F", "/"))
}

fn metadata(origin: &str, members: &str) -> String {
    format!(
        r#"{{"issuer":"{origin}","token_endpoint":"{origin}/oauth2/v1/token",
        "authorization_endpoint":"{origin}/authorize","device_authorization_endpoint":"{origin}/device"{members}}}"#
    )
}

fn origin(asked: &Asked) -> String {
    format!("http://{}", asked.headers["host"].to_str().unwrap())
}

/// What goes with the browser: a public client, its key, and a server that has these further members in its
/// metadata.
struct Stage {
    server: Server,
    key: DpopKey,
    authorization: UserAuthorization,
}

impl Stage {
    async fn set(
        members: &str,
        timer: Arc<dyn Sleep>,
        script: impl Fn(&Asked) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        let server = Server::start(script).await;
        let key = dpop_key();
        let members = members.replace("ORIGIN", &server.origin);
        let metadata =
            ServerMetadata::parse(metadata(&server.origin, &members).as_bytes(), &server.origin).unwrap();
        let client = ClientRegistration::public("c1");
        let binding = TokenBinding::Dpop(key.clone());
        let authorization = UserAuthorization::new(system(timer), metadata, client, binding).unwrap();
        Self { server, key, authorization }
    }

    async fn begin(&self) -> BrowserAuthorization {
        let wanted = Wanted { scopes: vec!["things.read".to_owned()], ..Wanted::default() };
        self.authorization.begin(wanted, &Loopback::default()).await.unwrap()
    }
}

/// Sends `request` to the listener at `port`, as it stands, and reads the whole answer.
async fn send(host: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(host).await.unwrap();
    // A listener that has had enough closes while it is written to.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n")
}

/// Host and port of the redirect URI, and `state`, out of an authorization URL.
fn redirect(url: &str) -> (String, String) {
    let query = url.split_once('?').unwrap().1;
    let uri = parameter(query, "redirect_uri").unwrap();
    let host = uri.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/callback")).unwrap();
    (host.to_owned(), parameter(query, "state").unwrap())
}

/// The answer of the device endpoint: a code for thirty seconds, to be asked about every three.
fn granted_device(asked: &Asked) -> Response<String> {
    let device =
        r#"{"device_code":"d","user_code":"A","verification_uri":"O/d","expires_in":30,"interval":3}"#;
    answer(200, &[], device.replace('O', &origin(asked)))
}
