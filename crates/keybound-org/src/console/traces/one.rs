//! One exchange: what was decided and why, its tokens by every rule, and what to change.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{Redirect, Response};
use http::StatusCode;

use super::list::Conversation;
use super::{SECTION, path};
use crate::console::frame::{Done, Frame};
use crate::console::{Administrator, Console, Failure, run};
use crate::management::ApiError;
use crate::named::Named;
use crate::pages::Page;
use crate::trace::{Exchange, Lane, NotReplayed};

#[derive(Template)]
#[template(path = "console/traces/one.html")]
struct One {
    frame: Frame,
    conversation: Conversation,
    exchange: Exchange,
    /// The exchange of which it is the replay.
    first: Option<Exchange>,
    previous: Option<u64>,
    next: Option<u64>,
}

impl Page for One {}

fn no_such(id: &str) -> Failure {
    ApiError::no_such("Trace", id).into()
}

fn number(id: &str) -> Result<u64, Failure> {
    id.parse().map_err(|_| no_such(id))
}

/// `GET /admin/traces/{id}`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    run(move || {
        let exchange = console.traces.exchange(number(&id)?).ok_or_else(|| no_such(&id))?;
        let of_exchange = console.conversation(exchange.conversation);
        let conversation = Conversation { current: Some(exchange.id), ..of_exchange };
        let ids = || conversation.exchanges.iter().map(|other| other.id);
        let page = One {
            previous: ids().rfind(|other| *other < exchange.id),
            next: ids().find(|other| *other > exchange.id),
            first: exchange.replay_of.and_then(|first| console.traces.exchange(first)),
            frame: console.frame(&administrator, SECTION),
            conversation,
            exchange,
        };
        Ok(page.answer(StatusCode::OK, &[]))
    })
    .await
}

/// `POST /admin/traces/{id}/replay`: sends the request again.
pub(super) async fn replay(
    _: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    match console.traces.replay(number(&id)?).await {
        Ok(replayed) => Ok(Done::Replayed.at(&path(replayed.again.id))),
        Err(NotReplayed::Forgotten) => Err(no_such(&id)),
        Err(error) => Err(Failure::new(StatusCode::CONFLICT, "This was not sent again", error.to_string())),
    }
}

/// `POST /admin/traces/{id}/keep`: keeps the conversation that it belongs to.
pub(super) async fn keep(
    _: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    run(move || {
        let exchange = console.traces.exchange(number(&id)?).ok_or_else(|| no_such(&id))?;
        match console.traces.keep(exchange.conversation) {
            Ok(()) => Ok(Done::ConversationKept.at(&path(exchange.id))),
            Err(full) => Err(Failure::new(StatusCode::CONFLICT, "This was not kept", full.to_string())),
        }
    })
    .await
}

/// `POST /admin/traces/{id}/forget`: forgets the conversation that it belongs to.
pub(super) async fn forget(
    _: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    run(move || {
        let exchange = console.traces.exchange(number(&id)?).ok_or_else(|| no_such(&id))?;
        console.traces.forget(exchange.conversation);
        Ok(Done::TracesForgotten.at(SECTION.path))
    })
    .await
}
