//! A recorded request that the guard as a reverse proxy answers itself and does not judge: a preflight of a page (CORS),
//! or one for the metadata of the resource.

use bytes::Bytes;
use http::Response;
use keybound::NumericDate;
use keybound_guard::{Guard, IncomingRequest};
use serde_json::json;

use super::check::{shown_answer, tell_answer};
use super::recorded_request::RecordedRequest;
use crate::exit_code::ExitCode;
use crate::output::{BAD, GOOD, NAME, Output, TITLE};
use crate::report::{Failure, Outcome};

/// The answer, and why it is none of the API's.
pub(super) struct OwnAnswer {
    step: &'static str,
    reason: &'static str,
    is_refusal: bool,
    response: Response<Bytes>,
}

impl OwnAnswer {
    /// That to `request`; `None` if it would be judged.
    pub(super) fn of(guard: &Guard, request: &IncomingRequest<'_>) -> Option<Self> {
        if let Some(preflight) = guard.explain_preflight(request) {
            let reason = if preflight.is_allowed {
                "pages of its origin may call: as a reverse proxy the guard answers it itself, and asks for neither \
                 token nor proof"
            } else {
                "pages of its origin may not call: it is none of the policy's cors.allowed_origins"
            };
            let is_refusal = !preflight.is_allowed;
            return Some(Self { step: "preflight", reason, is_refusal, response: preflight.response });
        }
        let response = guard.metadata(request)?;
        let reason = "it is for everybody: as a reverse proxy the guard answers it itself (RFC 9728)";
        Some(Self { step: "metadata", reason, is_refusal: false, response })
    }

    /// Tells it, for a person or as JSON.
    pub(super) fn tell(
        &self,
        request: &RecordedRequest,
        now: NumericDate,
        for_person: bool,
        output: Output,
    ) -> Outcome {
        if for_person {
            self.tell_person(request, now, output)?;
        } else {
            let (outcome, said) = if self.is_refusal { ("failed", "reason") } else { ("passed", "found") };
            output.json(&json!({
                "method": request.method.as_str(),
                "path": request.uri.path(),
                "at": now.seconds(),
                "admitted": false,
                "steps": [{ "step": self.step, "outcome": outcome, said: self.reason }],
                "proof": [],
                "answer": shown_answer(&self.response),
            }))?;
        }
        if !self.is_refusal {
            return Ok(());
        }
        Err(Failure::new(ExitCode::InspectRefused, "the preflight would be refused")
            .because(self.reason)
            .do_next("add the page's origin to cors.allowed_origins, exactly as the browser writes it"))
    }

    fn tell_person(&self, request: &RecordedRequest, now: NumericDate, output: Output) -> Outcome {
        let (mark, style) = if self.is_refusal { ("✗", BAD) } else { ("✓", GOOD) };
        output.line(format_args!("{TITLE}{} {}{TITLE:#}, at {now}", request.method, request.uri.path()))?;
        output.line(format_args!("{style}{mark}{style:#} {NAME}{}{NAME:#}: {}", self.step, self.reason))?;
        output.line(format_args!("\nwould get this answer:"))?;
        tell_answer(&self.response, output)
    }
}
