//! The traces over HTTP, for whoever has the administrator's token: `/keybound/v1/traces`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Serialize;
use serde_json::json;
use url::form_urlencoded;

use super::Traces;
use super::exchange::Exchange;
use super::file::TraceFile;
use super::live::{Heard, Listener};
use super::replay::NotReplayed;
use crate::admin_token::AdminTokenHash;
use crate::background;
use crate::keybound_api;
use crate::management::ApiError;
use crate::named::Named;

/// Exchanges of a list, if it is not asked for others, and at most.
const LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;

/// How often a listener is told that the connection is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The endpoints.
pub(crate) fn routes(traces: Arc<Traces>, admin_token: Arc<AdminTokenHash>) -> Router {
    let endpoints = Router::new()
        .route("/", get(list).delete(clear))
        .route("/live", get(live))
        .route("/export", get(export))
        .route("/{id}", get(one))
        .route("/{id}/keep", post(keep))
        .route("/{id}/replay", post(replay))
        .with_state(traces);
    Router::new().nest("/keybound/v1/traces", keybound_api::admitting(endpoints, admin_token))
}

#[derive(Serialize)]
struct Listed {
    exchanges: Vec<Exchange>,
}

async fn list(State(traces): State<Arc<Traces>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let [after, limit] = numbers(query.as_deref(), ["after", "limit"])?;
    let limit = limit.map_or(LIMIT, |limit| usize::try_from(limit).unwrap_or(MAX_LIMIT).min(MAX_LIMIT));
    let exchanges = background::run(move || traces.exchanges(after.unwrap_or(0), limit)).await?;
    Ok(Json(Listed { exchanges }).into_response())
}

async fn one(State(traces): State<Arc<Traces>>, Named(id): Named<String>) -> Result<Response, ApiError> {
    let number = number(&id)?;
    let exchange = background::run(move || traces.exchange(number)).await?;
    Ok(Json(exchange.ok_or_else(|| ApiError::no_such("Trace", &id))?).into_response())
}

async fn clear(State(traces): State<Arc<Traces>>) -> StatusCode {
    traces.clear();
    StatusCode::NO_CONTENT
}

/// Keeps the conversation that an exchange belongs to.
async fn keep(State(traces): State<Arc<Traces>>, Named(id): Named<String>) -> Result<Response, ApiError> {
    let number = number(&id)?;
    let kept = background::run(move || {
        let exchange = traces.exchange(number)?;
        Some(traces.keep(exchange.conversation))
    });
    match kept.await?.ok_or_else(|| ApiError::no_such("Trace", &id))? {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(full) => Err(ApiError::invalid("keep", [full.to_string()])),
    }
}

async fn replay(State(traces): State<Arc<Traces>>, Named(id): Named<String>) -> Result<Response, ApiError> {
    match traces.replay(number(&id)?).await {
        Ok(replayed) => Ok(Json(json!({ "first": replayed.first, "again": replayed.again })).into_response()),
        Err(NotReplayed::Forgotten) => Err(ApiError::no_such("Trace", &id)),
        Err(NotReplayed::Cut) => Err(ApiError::invalid("replay", [NotReplayed::Cut.to_string()])),
        Err(NotReplayed::Unfinished(unfinished)) => Err(unfinished.into()),
    }
}

async fn export(State(traces): State<Arc<Traces>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let [conversation] = numbers(query.as_deref(), ["conversation"])?;
    let file = background::run(move || traces.export(conversation)).await?;
    if let Some(id) = conversation.filter(|_| file.exchanges.is_empty()) {
        return Err(ApiError::no_such("Conversation", &id.to_string()));
    }
    Ok(file_answer(&file, conversation))
}

/// A file to be saved.
pub(crate) fn file_answer(file: &TraceFile, conversation: Option<u64>) -> Response {
    let name = conversation.map_or_else(|| "all".to_owned(), |conversation| conversation.to_string());
    let disposition = format!("attachment; filename=\"keybound-trace-{name}.json\"");
    let fields = [(CONTENT_TYPE, "application/json".to_owned()), (CONTENT_DISPOSITION, disposition)];
    (fields, file.to_json()).into_response()
}

async fn live(State(traces): State<Arc<Traces>>) -> Result<Response, ApiError> {
    let listener = traces.listen().ok_or_else(ApiError::too_many_listeners)?;
    Ok(live_answer(traces, listener, || true))
}

impl Traces {
    /// Somebody who is told of each exchange as it ends; `None` if too many are already.
    pub(crate) fn listen(&self) -> Option<Listener> {
        self.live.listen()
    }
}

/// The events of a listener: `exchange` with what is shown of one, and `missed` with how many were missed. Whether it
/// `may_listen` still is asked before each, and before it is told that the connection is alive; the events end if not.
pub(crate) fn live_answer(
    traces: Arc<Traces>,
    listener: Listener,
    may_listen: impl Fn() -> bool + Send + 'static,
) -> Response {
    let begin = (traces, listener, may_listen);
    let events = futures_util::stream::unfold(begin, async |(traces, mut listener, may_listen)| {
        let heard = listener.next_within(KEEP_ALIVE).await.filter(|_| may_listen())?;
        let event = event(&traces, heard).await;
        Some((Ok::<_, Infallible>(event), (traces, listener, may_listen)))
    });
    Sse::new(events).into_response()
}

async fn event(traces: &Arc<Traces>, heard: Heard) -> Event {
    let missed = |missed: u64| Event::default().event("missed").data(json!({ "missed": missed }).to_string());
    let id = match heard {
        Heard::Silence => return Event::default().comment(""),
        Heard::Missed(count) => return missed(count),
        Heard::Exchange(id) => id,
    };
    let traces = Arc::clone(traces);
    let exchange = background::run(move || traces.exchange(id)).await.ok().flatten();
    // It may have been forgotten before it was looked at.
    match exchange.and_then(|exchange| serde_json::to_string(&exchange).ok()) {
        Some(exchange) => Event::default().event("exchange").data(exchange),
        None => missed(1),
    }
}

fn number(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::no_such("Trace", text))
}

/// The parameters of these names, which are numbers; there are no others.
fn numbers<const N: usize>(query: Option<&str>, names: [&str; N]) -> Result<[Option<u64>; N], ApiError> {
    let mut found = [None; N];
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let known = names.iter().position(|known| *known == name).and_then(|index| found.get_mut(index));
        let (Some(place), Ok(number)) = (known, value.parse()) else {
            let cause = format!("the parameters are {}, each a number", names.join(" and "));
            return Err(ApiError::invalid("query", [cause]));
        };
        *place = Some(number);
    }
    Ok(found)
}
