//! The system log, the newest event first.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde_json::Value;

use super::frame::{Frame, Section};
use super::problems::Problems;
use super::query::Query;
use super::{Administrator, Console, Failure, run};
use crate::pages::Page;
use crate::store::LoggedEvent;
use crate::timestamp;

pub(super) const SECTION: Section = Section { name: "System log", path: "/admin/logs" };

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route(SECTION.path, get(page))
}

#[derive(Template)]
#[template(path = "console/logs.html")]
struct SystemLog {
    frame: Frame,
    problems: Problems,
    events: Vec<LoggedEvent>,
    q: String,
    filter: String,
    /// The query of the next page, if there is one.
    next: Option<String>,
}

impl Page for SystemLog {}

impl LoggedEvent {
    /// What it was done to.
    fn target_names(&self) -> Vec<String> {
        let text =
            |target: &Value, member: &str| target.get(member).and_then(Value::as_str).map(str::to_owned);
        let targets = self.targets.as_array().into_iter().flatten();
        targets.filter_map(|target| text(target, "displayName").or_else(|| text(target, "id"))).collect()
    }

    /// What else it tells: each thing's name and text.
    fn details(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let known = [
            ("Reason", self.outcome_reason.clone()),
            ("Address", self.client_ip.clone()),
            ("Client", self.client_user_agent.clone()),
            ("Actor", Some(format!("{} {}", self.actor.kind, self.actor.id))),
            ("UUID", Some(self.uuid.clone())),
        ];
        let known = known.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?)));
        let debug = self.debug_data.as_object().into_iter().flatten();
        known.chain(debug.map(|(name, value)| (name.clone(), text(value)))).collect()
    }

    /// The look of the outcome.
    fn badge(&self) -> &'static str {
        match self.outcome_result.as_str() {
            "SUCCESS" | "ALLOW" => "good",
            "FAILURE" | "DENY" => "bad",
            _ => "off",
        }
    }
}

/// `GET /admin/logs`.
async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    query: RawQuery,
) -> Result<Response, Failure> {
    run(move || {
        let query = Query::read(query);
        let mut page = SystemLog {
            frame: console.frame(&administrator, SECTION),
            problems: Problems::default(),
            events: Vec::new(),
            q: query.typed("q"),
            filter: query.typed("filter"),
            next: None,
        };
        match console.management.newest_events(query.as_str()) {
            Ok((request, found)) => {
                page.next = found.next().map(|place| request.query(Some(place)));
                page.events = found.items;
                Ok(page.answer(StatusCode::OK, &[]))
            }
            Err(error) => {
                page.problems = Problems::of(error)?;
                Ok(page.answer(StatusCode::BAD_REQUEST, &[]))
            }
        }
    })
    .await
}
