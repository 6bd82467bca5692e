//! A client of a scripted org, and the users that such an org gives.
#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;

use http::Response;
use keybound::exchange::ClientCredentials;
use keybound::proof::DpopKey;
use keybound::{Algorithm, NumericDate, SigningKey};
use keybound_client::{System, TokenBinding};
use keybound_okta::{OktaClient, OrgUrl, Settings};

use crate::scripted::{Asked, NOW, NotedSleep, Server, SetClock, answer, grant};

/// An org that grants tokens and lets `api` answer the rest.
pub(crate) async fn org(api: impl Fn(&Asked) -> Response<String> + Send + Sync + 'static) -> Server {
    Server::start(move |asked| if asked.is_for_token() { grant("token", "DPoP") } else { api(asked) }).await
}

pub(crate) fn client(origin: &str) -> OktaClient {
    client_at(origin, NOW)
}

pub(crate) fn client_at(origin: &str, time: NumericDate) -> OktaClient {
    client_with(origin, &["okta.users.read"], time).0
}

/// A client without scopes of its own.
pub(crate) fn client_without_scopes(origin: &str) -> OktaClient {
    client_with(origin, &[], NOW).0
}

/// A client and the timer that it waits by.
pub(crate) fn client_with(origin: &str, scopes: &[&str], time: NumericDate) -> (OktaClient, Arc<NotedSleep>) {
    let org_url = OrgUrl::parse(origin).unwrap();
    let key = || Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
    let settings = Settings {
        grant: ClientCredentials::new(&org_url.token_endpoint(), "0oa1", scopes.to_vec()).unwrap().into(),
        org_url: Some(org_url),
        credential: key().into(),
        binding: TokenBinding::Dpop(DpopKey::new(key())),
        keeps_tokens: true,
        certificate_authorities: Vec::new(),
    };
    let mut system = System::new(settings.transport_options());
    system.clock = SetClock::at(time);
    let timer = Arc::new(NotedSleep::default());
    system.timer = Arc::<NotedSleep>::clone(&timer);
    (OktaClient::with_system(settings, system), timer)
}

pub(crate) fn user(number: usize) -> String {
    format!(
        r#"{{"id":"00u{number:017}","status":"ACTIVE","profile":{{"login":"user-{number}@example.com"}}}}"#
    )
}

/// A page of users, with a link to the next one.
pub(crate) fn page(users: std::ops::Range<usize>, next: Option<&str>) -> Response<String> {
    let body = format!("[{}]", users.map(user).collect::<Vec<_>>().join(","));
    match next {
        Some(next) => answer(200, &[("link", &format!("<{next}>; rel=\"next\""))], body),
        None => answer(200, &[], body),
    }
}
