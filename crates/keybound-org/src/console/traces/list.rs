//! The newest conversations, each as a sequence of messages; new ones come by themselves.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{Redirect, Response};
use http::{HeaderMap, StatusCode};
use keybound::Secret;
use url::form_urlencoded;

use super::{SECTION, path};
use crate::background;
use crate::console::frame::{Done, Frame};
use crate::console::{Administrator, Console, Failure, run};
use crate::pages::{Page, Scripts};
use crate::trace::{self, Exchange, Lane, file_answer};

/// Conversations on the page; a file of everything has the others too.
const SHOWN: usize = 12;

#[derive(Template)]
#[template(path = "console/traces/list.html")]
struct LiveTrace {
    frame: Frame,
    conversations: Vec<Conversation>,
    are_recorded: bool,
}

impl Page for LiveTrace {
    const SCRIPTS: Scripts = Scripts::OfTheOrg;
}

/// The exchanges of one client.
pub(super) struct Conversation {
    pub(super) id: u64,
    /// Who it is with: the name of the app, or what else is known.
    pub(super) client: String,
    pub(super) exchanges: Vec<Exchange>,
    /// The one that the page is about.
    pub(super) current: Option<u64>,
    /// Whether all its exchanges are on the page.
    pub(super) is_whole_here: bool,
}

impl Conversation {
    /// Those of one client that is called so.
    pub(super) fn of(id: u64, client: Option<String>, exchanges: Vec<Exchange>) -> Self {
        let client = client.unwrap_or_else(|| "unknown client".to_owned());
        Self { id, client, exchanges, current: None, is_whole_here: false }
    }

    /// Where an exchange is shown.
    pub(super) fn link(&self, exchange: &Exchange) -> String {
        if self.is_whole_here { format!("#exchange-{}", exchange.id) } else { path(exchange.id) }
    }

    /// Whether the page is about it.
    pub(super) fn is_current(&self, exchange: &Exchange) -> bool {
        self.current == Some(exchange.id)
    }

    /// Whether it is kept when newer ones need its place.
    pub(super) fn is_kept(&self) -> bool {
        self.exchanges.iter().all(|exchange| exchange.kept)
    }

    /// When it began, by the org's clock.
    pub(super) fn began(&self) -> String {
        self.exchanges.first().map(Exchange::time).unwrap_or_default()
    }

    /// Whether something was sent to the API.
    pub(super) fn has_calls(&self) -> bool {
        self.exchanges.iter().any(|exchange| exchange.lane == Lane::Api)
    }
}

impl Console {
    /// A conversation, with the name of its client.
    pub(super) fn conversation(&self, id: u64) -> Conversation {
        let exchanges = self.traces.conversation(id);
        let client_id = exchanges.iter().find_map(|exchange| exchange.client_id.clone());
        let app = client_id.as_deref().and_then(|client_id| self.management.store.app(client_id).ok()?);
        let address = || exchanges.first().and_then(|exchange| exchange.client_address.clone());
        let sender = || exchanges.iter().find_map(Exchange::sender);
        let client = app.map(|app| app.label).or_else(sender).or_else(address);
        Conversation::of(id, client, exchanges)
    }
}

/// `GET /admin/traces`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
) -> Result<Response, Failure> {
    run(move || {
        let ids = console.traces.conversations(SHOWN);
        let conversations = ids.into_iter().map(|id| console.conversation(id)).collect();
        let frame = console.frame(&administrator, SECTION);
        let are_recorded = console.traces.are_recorded();
        Ok(LiveTrace { frame, conversations, are_recorded }.answer(StatusCode::OK, &[]))
    })
    .await
}

/// `GET /admin/traces/live`: the exchanges as they happen, for the page's script, until the session ends.
pub(super) async fn live(
    _: Administrator,
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let listener = console.traces.listen().ok_or_else(|| {
        let text = "As many pages listen already as may. This one shows what is new when it is loaded again.";
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "Too many listen", text)
    })?;
    let traces = Arc::clone(&console.traces);
    let cookie = console.cookie().of_request(&headers);
    let is_signed_in = move || {
        let is_alive = |cookie: &Secret| console.sessions.is_alive(cookie.expose(), console.now());
        cookie.as_ref().is_some_and(is_alive)
    };
    Ok(trace::live_answer(traces, listener, is_signed_in))
}

/// `POST /admin/traces/clear`: forgets everything.
pub(super) async fn clear(_: Administrator, State(console): State<Arc<Console>>) -> Redirect {
    console.traces.clear();
    Done::TracesForgotten.at(SECTION.path)
}

/// `GET /admin/traces/file`: a file of everything, or of one conversation.
pub(super) async fn file(
    _: Administrator,
    State(console): State<Arc<Console>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = query.unwrap_or_default();
    let named = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "conversation");
    let conversation = named.and_then(|(_, id)| id.parse().ok());
    let traces = Arc::clone(&console.traces);
    let file = background::run(move || traces.export(conversation)).await?;
    Ok(file_answer(&file, conversation))
}
