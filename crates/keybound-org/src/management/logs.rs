//! `/api/v1/logs`: the system log.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Management;
use super::admission::Permit;
use super::error::ApiError;
use super::page::{ListKind, ListRequest};
use super::right::ReadLogs;
use crate::background;
use crate::event::Event;
use crate::store::{Condition, Key, LoggedEvent, Order, Page, Place, Store, event_property};
use crate::timestamp;

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new().route("/logs", get(list))
}

const LOGS: ListKind =
    ListKind { default_limit: 100, largest_limit: 1_000, filter: Some(event_property), search: None };

/// How far back events are listed from where `since` is not given.
const DEFAULT_SPAN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The time that a request asks for, in milliseconds, and in which direction.
struct Span {
    since: i64,
    until: Option<i64>,
    is_descending: bool,
}

/// `GET /api/v1/logs`.
async fn list(
    _: Permit<ReadLogs>,
    State(api): State<Arc<Management>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let span = Span::read(&query, &api)?;
    let request = ListRequest::in_order(&query, &LOGS, Order::of_time(span.is_descending))?;
    background::run(move || {
        let listing = request.listing(condition(&request, span.since, span.until));
        let page = api.store.events(&listing)?;
        let events: Vec<_> = page.items.iter().map(view).collect();
        // Without an end there is always more to come: from where this page ends, or began.
        let beginning = Place { key: Key::Number(span.since), number: 0 };
        let next = match (page.has_next, span.is_polled()) {
            (true, _) => page.last,
            (false, true) => page.last.or(listing.after).or(Some(beginning)),
            (false, false) => None,
        };
        Ok(request.answer(&events, &api.list_url("logs"), next.as_ref()))
    })
    .await?
}

/// The condition for the events of a time that a request asks for.
fn condition(request: &ListRequest, since: i64, until: Option<i64>) -> Condition {
    let mut condition = Store::published_between(since, until);
    if let Some(filter) = &request.condition {
        condition = condition.and_also(filter);
    }
    match &request.q {
        Some(words) => Store::with_words(condition, words),
        None => condition,
    }
}

impl Span {
    fn read(query: &str, api: &Management) -> Result<Self, ApiError> {
        let parameters: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let find = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let time = |name: &str| {
            let read = |text: &std::borrow::Cow<'_, str>| {
                timestamp::milliseconds(text).ok_or_else(|| not_a_time(name))
            };
            find(name).map(read).transpose()
        };
        let is_descending = match find("sortOrder").map(|order| order.to_ascii_uppercase()).as_deref() {
            None | Some("ASCENDING" | "ASC") => false,
            Some("DESCENDING" | "DESC") => true,
            Some(_) => {
                let cause = "sortOrder: must be ASCENDING or DESCENDING";
                return Err(ApiError::invalid("sortOrder", [cause.to_owned()]));
            }
        };
        let week_ago = api.clock.now().seconds().saturating_sub(DEFAULT_SPAN.as_secs());
        let week_ago = i64::try_from(week_ago.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Ok(Self { since: time("since")?.unwrap_or(week_ago), until: time("until")?, is_descending })
    }

    /// Whether the list goes on as long as something happens.
    const fn is_polled(&self) -> bool {
        self.until.is_none() && !self.is_descending
    }
}

fn not_a_time(name: &str) -> ApiError {
    ApiError::invalid(name, [format!("{name}: must be a time such as 2026-01-31T12:00:00.000Z")])
}

impl Management {
    /// The page of the whole log that a query asks for by `q`, `filter` and `after`, the newest event first.
    pub(crate) fn newest_events(&self, query: &str) -> Result<(ListRequest, Page<LoggedEvent>), ApiError> {
        let request = ListRequest::in_order(query, &LOGS, Order::of_time(true))?;
        let page = self.store.events(&request.listing(condition(&request, 0, None)))?;
        Ok((request, page))
    }

    /// Writes an event into the system log. What it tells of has been done, so it is no fault of the request if
    /// it cannot be written.
    pub(crate) fn log(&self, event: &Event) {
        if let Err(error) = self.store.log(event, self.clock.now(), self.random.as_ref()) {
            tracing::error!(%error, event_type = %event.event_type, "the system log cannot be written");
        }
    }
}

fn view(event: &LoggedEvent) -> Value {
    json!({
        "uuid": event.uuid,
        "published": timestamp::text_of_milliseconds(event.published),
        "eventType": event.event_type,
        "version": "0",
        "severity": event.severity,
        "legacyEventType": null,
        "displayMessage": event.display_message,
        "actor": event.actor.json(),
        "client": {
            "id": null,
            "device": null,
            "zone": null,
            "geographicalContext": null,
            "ipAddress": event.client_ip,
            "userAgent": {
                "rawUserAgent": event.client_user_agent,
                "os": null,
                "browser": null,
            },
        },
        "authenticationContext": { "authenticationStep": 0, "externalSessionId": event.session_id },
        "securityContext": {},
        "outcome": { "result": event.outcome_result, "reason": event.outcome_reason },
        "target": event.targets,
        "transaction": { "type": "WEB", "id": event.uuid, "detail": {} },
        "debugContext": { "debugData": event.debug_data },
        "request": { "ipChain": [] },
    })
}
