//! All authorization servers, a page at a time.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::{NEW, SECTION};
use crate::console::frame::Frame;
use crate::console::{Administrator, Console, Failure, run};
use crate::management::{ListRequest, SERVERS};
use crate::pages::Page;
use crate::store::{CustomServer, LifecycleStatus};

#[derive(Template)]
#[template(path = "console/authorization_servers/list.html")]
struct AuthorizationServers {
    frame: Frame,
    /// Each server with its issuer.
    servers: Vec<(CustomServer, String)>,
    /// The beginning of the names and audiences that are looked for.
    q: String,
    /// The query of the next page, if there is one.
    next: Option<String>,
}

impl Page for AuthorizationServers {}

/// Servers of a page.
const PER_PAGE: usize = 25;

/// `GET /admin/authorization-servers`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    run(move || {
        let request = ListRequest::read(&query.unwrap_or_default(), &SERVERS)?.with_default_limit(PER_PAGE);
        let found = console.management.servers(&request)?;
        let next = found.next().map(|place| request.query(Some(place)));
        let with_issuer = |server: CustomServer| {
            let issuer = console.management.issuer_of_server(&server.id);
            (server, issuer)
        };
        let servers = found.items.into_iter().map(with_issuer).collect();
        let frame = console.frame(&administrator, SECTION);
        let page = AuthorizationServers { frame, servers, q: request.q.unwrap_or_default(), next };
        Ok(page.answer(StatusCode::OK, &[]))
    })
    .await
}
