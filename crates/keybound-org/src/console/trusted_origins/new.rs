//! A new Trusted Origin.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{Fields, NEW, SECTION, path};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::pages::Page;
use crate::store::TrustedOriginScope;

#[derive(Template)]
#[template(path = "console/trusted_origins/new.html")]
struct NewTrustedOrigin {
    frame: Frame,
    problems: Problems,
    typed: Fields,
}

impl Page for NewTrustedOrigin {}

/// `GET /admin/trusted-origins/new`.
pub(super) async fn page(administrator: Administrator, State(console): State<Arc<Console>>) -> Response {
    let scopes = vec![TrustedOriginScope::Cors];
    let typed = Fields { name: String::new(), origin: String::new(), scopes };
    let frame = console.frame(&administrator, SECTION);
    NewTrustedOrigin { frame, problems: Problems::default(), typed }.answer(StatusCode::OK, &[])
}

/// `POST /admin/trusted-origins/new`.
pub(super) async fn create(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let typed = Fields::of_form(&form);
        match console.management.create_trusted_origin(&administrator.permit(), &typed.body()) {
            Ok(origin) => Ok(Done::TrustedOriginCreated.at(&path(&origin.id)).into_response()),
            Err(error) => {
                let (frame, problems) = (console.frame(&administrator, SECTION), Problems::of(error)?);
                Ok(NewTrustedOrigin { frame, problems, typed }.answer(StatusCode::BAD_REQUEST, &[]))
            }
        }
    })
    .await
}
