//! A recorded preflight of a page (CORS), which the guard as a reverse proxy answers itself and does not judge.

use keybound::NumericDate;
use keybound_guard::PreflightAnswer;
use serde_json::json;

use super::check::{shown_answer, tell_answer};
use super::recorded_request::RecordedRequest;
use crate::exit_code::ExitCode;
use crate::output::{BAD, GOOD, NAME, Output, TITLE};
use crate::report::{Failure, Outcome};

const MAY_CALL: &str =
    "pages of its origin may call: the guard answers it itself, and asks for neither token nor proof";
const MAY_NOT_CALL: &str =
    "pages of its origin may not call: it is none of the policy's cors.allowed_origins";

/// Tells how `request` is answered, for a person or as JSON.
pub(super) fn tell(
    request: &RecordedRequest,
    answer: &PreflightAnswer,
    now: NumericDate,
    for_person: bool,
    output: Output,
) -> Outcome {
    let (outcome, found, mark, style) = if answer.is_allowed {
        ("passed", MAY_CALL, "✓", GOOD)
    } else {
        ("failed", MAY_NOT_CALL, "✗", BAD)
    };
    if for_person {
        output.line(format_args!("{TITLE}{} {}{TITLE:#}, at {now}", request.method, request.uri.path()))?;
        output.line(format_args!("{style}{mark}{style:#} {NAME}preflight{NAME:#}: {found}"))?;
        output.line(format_args!("\nwould get this answer:"))?;
        tell_answer(&answer.response, output)?;
    } else {
        let said = if answer.is_allowed { "found" } else { "reason" };
        output.json(&json!({
            "method": request.method.as_str(),
            "path": request.uri.path(),
            "at": now.seconds(),
            "admitted": false,
            "steps": [{ "step": "preflight", "outcome": outcome, said: found }],
            "proof": [],
            "answer": shown_answer(&answer.response),
        }))?;
    }
    if answer.is_allowed {
        return Ok(());
    }
    Err(Failure::new(ExitCode::InspectRefused, "the preflight would be refused")
        .because(MAY_NOT_CALL)
        .do_next("add the page's origin to cors.allowed_origins, exactly as the browser writes it"))
}
