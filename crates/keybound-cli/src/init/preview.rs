//! What `init` would write and send. Nothing is.

use keybound_okta::{Call, OrgUrl};
use serde_json::{Value, json};

use crate::output::{FAINT, NAME, Output, TITLE};
use crate::report::{Failure, Outcome};

use super::files::Files;

/// A request as it would be sent, but for the token.
pub(super) struct Request {
    method: String,
    url: String,
    body: Option<Value>,
}

impl Request {
    pub(super) fn of(call: &Call, org: &OrgUrl) -> Outcome<Self> {
        let url = org.resolve(&call.path).map_err(Failure::usage)?.to_string();
        Ok(Self { method: call.method.to_string(), url, body: serde_json::from_slice(&call.body).ok() })
    }
}

pub(super) fn tell(files: &Files, requests: &[Request], output: Output) -> Outcome {
    if !output.is_terminal() {
        let sent = requests
            .iter()
            .map(|request| json!({ "method": request.method, "url": request.url, "body": request.body }));
        return output
            .json(&json!({ "would_write": files.unwritten(), "would_send": sent.collect::<Vec<_>>() }));
    }
    output.line(format_args!("{TITLE}Would be written{TITLE:#}"))?;
    for path in files.unwritten() {
        output.line(format_args!("  {}", path.display()))?;
    }
    if requests.is_empty() {
        return Ok(());
    }
    output.line(format_args!(
        "\n{TITLE}Would be sent{TITLE:#} {FAINT}by the administrator's API token{FAINT:#}"
    ))?;
    for Request { method, url, body } in requests {
        output.line(format_args!("{NAME}{method} {url}{NAME:#}"))?;
        if let Some(body) = body {
            output.json(body)?;
        }
    }
    Ok(())
}
