//! A new fault of one kind.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::fields::{Field, Input, common, meaning, own};
use super::{NEW, SECTION};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted};
use crate::faults::{Fault, FaultKind, read_members};
use crate::form::Form;
use crate::management::ApiError;
use crate::named::Named;
use crate::pages::Page;

#[derive(Template)]
#[template(path = "console/faults/new.html")]
struct NewFault {
    frame: Frame,
    problems: Problems,
    kind: FaultKind,
    /// What was typed before, if anything was.
    typed: Option<Form>,
}

impl Page for NewFault {}

impl NewFault {
    /// The fields in their parts, each with its heading.
    fn parts(&self) -> [(&'static str, Vec<Field>); 2] {
        [("What happens", own(self.kind)), ("Where and how often", common(self.kind))]
    }

    /// A token is not shown again.
    fn typed(&self, name: &str) -> &str {
        let typed = self.typed.as_ref().filter(|_| name != "token");
        typed.and_then(|form| form.get(name)).unwrap_or_default()
    }

    /// Whether a choice stands at `option`.
    fn stands_at(&self, name: &str, option: &str) -> bool {
        match self.typed(name) {
            "" => name == "endpoint" && option == "any",
            typed => typed == option,
        }
    }
}

fn kind_of(name: &str) -> Result<FaultKind, Failure> {
    FaultKind::of_name(name).ok_or_else(|| ApiError::no_such("FaultKind", name).into())
}

/// `GET /admin/faults/new/{kind}`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(kind): Named<String>,
) -> Result<Response, Failure> {
    let frame = console.frame(&administrator, SECTION);
    let page = NewFault { frame, problems: Problems::default(), kind: kind_of(&kind)?, typed: None };
    Ok(page.answer(StatusCode::OK, &[]))
}

/// `POST /admin/faults/new/{kind}`.
pub(super) async fn arm(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(kind): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    let kind = kind_of(&kind)?;
    match console.arm(kind, &form).await {
        Ok(()) => Ok(Done::FaultAdded.at(SECTION.path).into_response()),
        Err(error) => {
            let frame = console.frame(&administrator, SECTION);
            let page = NewFault { frame, problems: Problems::of(error)?, kind, typed: Some(form) };
            Ok(page.answer(StatusCode::BAD_REQUEST, &[]))
        }
    }
}

impl Console {
    async fn arm(&self, kind: FaultKind, form: &Form) -> Result<(), ApiError> {
        let typed = |name: &str| form.get(name).map(str::trim).filter(|text| !text.is_empty());
        let fault: Fault = read_members(kind, typed).map_err(|cause| ApiError::invalid("fault", [cause]))?;
        self.faults.add(fault).await?;
        Ok(())
    }
}
