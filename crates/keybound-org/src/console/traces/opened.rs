//! A file of a trace, opened: nothing of it is kept, and nothing in it can be sent again.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::SECTION;
use crate::console::frame::Frame;
use crate::console::traces::list::Conversation;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::pages::{Page, Scripts};
use crate::trace::{Exchange, Lane, MAX_TRACE_BYTES, TraceFile};

/// Where files are opened.
pub(in crate::console) const OPEN_PATH: &str = "/admin/traces/open";

/// Bytes of the form that a file comes in, at most: its quotation marks and brackets take three bytes there.
pub(in crate::console) const MAX_OPENED_FORM_BYTES: usize = 2 * MAX_TRACE_BYTES;

#[derive(Template)]
#[template(path = "console/traces/open.html")]
struct Open {
    frame: Frame,
    problem: Option<String>,
}

impl Page for Open {
    const SCRIPTS: Scripts = Scripts::OfTheOrg;
}

#[derive(Template)]
#[template(path = "console/traces/opened.html")]
struct Opened {
    frame: Frame,
    org: String,
    conversations: Vec<Conversation>,
}

impl Page for Opened {}

/// `GET /admin/traces/open`.
pub(super) async fn form(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
) -> Result<Response, Failure> {
    let frame = console.frame(&administrator, SECTION);
    Ok(Open { frame, problem: None }.answer(StatusCode::OK, &[]))
}

/// `POST /admin/traces/open`: shows the file that was sent.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let frame = console.frame(&administrator, SECTION);
        match TraceFile::parse(form.get("file").unwrap_or_default().as_bytes()) {
            Ok(file) => {
                let conversations = conversations(file.exchanges);
                Ok(Opened { frame, org: file.org, conversations }.answer(StatusCode::OK, &[]))
            }
            Err(error) => {
                let problem = Some(error.to_string());
                Ok(Open { frame, problem }.answer(StatusCode::BAD_REQUEST, &[]))
            }
        }
    })
    .await
}

fn conversations(exchanges: Vec<Exchange>) -> Vec<Conversation> {
    let mut by_id: BTreeMap<u64, Vec<Exchange>> = BTreeMap::new();
    for exchange in exchanges {
        by_id.entry(exchange.conversation).or_default().push(exchange);
    }
    let named = |(id, exchanges): (u64, Vec<Exchange>)| {
        let client = exchanges.iter().find_map(Exchange::sender);
        Conversation { is_whole_here: true, ..Conversation::of(id, client, exchanges) }
    };
    by_id.into_iter().map(named).collect()
}
