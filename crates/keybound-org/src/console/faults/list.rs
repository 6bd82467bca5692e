//! All faults, with how often each has struck, and those that one click arms.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{Redirect, Response};
use http::StatusCode;
use serde_json::Value;

use super::fields::meaning;
use super::{NEW, SECTION};
use crate::console::frame::{Done, Frame};
use crate::console::{Administrator, Console, Failure, Posted};
use crate::faults::{ArmedFault, Fault, FaultKind, read_json};
use crate::management::ApiError;
use crate::named::Named;
use crate::pages::Page;

#[derive(Template)]
#[template(path = "console/faults/list.html")]
struct FaultList {
    frame: Frame,
    faults: Vec<ArmedFault>,
}

impl Page for FaultList {}

/// What is asked for most, each as the API takes it.
const PRESETS: [(&str, &str); 8] = [
    ("429 for the next three calls", r#"{"kind":"rate-limited","endpoint":"api","times":3}"#),
    (
        "A proxy's 502, one call in five",
        r#"{"kind":"server-error","status":502,"body":"html","endpoint":"api","probability":0.2}"#,
    ),
    (
        "The next answer cut in its body",
        r#"{"kind":"cut-connection","at":"in-body","endpoint":"api","times":1}"#,
    ),
    ("Answers two seconds late", r#"{"kind":"slow","delay_ms":2000}"#),
    ("Clock five minutes behind, for a minute", r#"{"kind":"clock-skew","seconds":-300,"for_seconds":60}"#),
    ("New nonce now", r#"{"kind":"rotate-nonce"}"#),
    ("New signing key now, the old one gone", r#"{"kind":"rotate-key","old":"gone"}"#),
    ("All access tokens revoked now", r#"{"kind":"revoke-token","all":true}"#),
];

impl FaultList {
    fn presets() -> impl Iterator<Item = (usize, &'static str)> {
        PRESETS.iter().enumerate().map(|(number, (name, _))| (number, *name))
    }

    fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
        FaultKind::ALL.iter().map(|kind| (kind.name(), meaning(*kind)))
    }

    const fn state(fault: &ArmedFault) -> &'static str {
        if fault.is_over { "OVER" } else { "ARMED" }
    }

    /// Where, how often and how, in the words of the API.
    fn details(fault: &ArmedFault) -> String {
        let said = fault.json();
        let members = said.as_object().into_iter().flatten();
        let others = members
            .filter(|(name, _)| !matches!(name.as_str(), "id" | "kind" | "struck" | "over" | "last_replay"));
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        others.map(|(name, value)| format!("{name} {}", shown(value))).collect::<Vec<_>>().join(", ")
    }
}

/// `GET /admin/faults`.
pub(super) async fn page(administrator: Administrator, State(console): State<Arc<Console>>) -> Response {
    let page = FaultList { frame: console.frame(&administrator, SECTION), faults: console.faults.list() };
    page.answer(StatusCode::OK, &[])
}

/// `POST /admin/faults/preset`.
pub(super) async fn arm(
    State(console): State<Arc<Console>>,
    Posted(form): Posted,
) -> Result<Redirect, Failure> {
    let preset = form.get("preset").and_then(|number| PRESETS.get(number.parse::<usize>().ok()?));
    let (_, said) = preset.ok_or_else(|| ApiError::no_such("Preset", "of this number"))?;
    let fault: Fault = read_json(said.as_bytes()).map_err(|cause| ApiError::invalid("fault", [cause]))?;
    console.faults.add(fault).await.map_err(ApiError::from)?;
    Ok(Done::FaultAdded.at(SECTION.path))
}

/// `POST /admin/faults/{fault}/remove`.
pub(super) async fn remove(
    State(console): State<Arc<Console>>,
    Named(fault): Named<String>,
) -> Result<Redirect, Failure> {
    if fault.parse().is_ok_and(|id| console.faults.remove(id)) {
        return Ok(Done::FaultRemoved.at(SECTION.path));
    }
    Err(ApiError::no_such("Fault", &fault).into())
}

/// `POST /admin/faults/clear`.
pub(super) async fn clear(State(console): State<Arc<Console>>) -> Redirect {
    console.faults.clear();
    Done::FaultsCleared.at(SECTION.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_fault() {
        for (name, said) in PRESETS {
            assert!(read_json(said.as_bytes()).is_ok(), "{name}");
        }
    }
}
