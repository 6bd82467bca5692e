//! A new user.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use zeroize::Zeroizing;

use super::{Field, NEW, SECTION, path};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::form::Form;
use crate::management::{FirstSteps, UserBody};
use crate::pages::Page;

#[derive(Template)]
#[template(path = "console/users/new.html")]
struct NewUser {
    frame: Frame,
    problems: Problems,
    fields: Vec<Field>,
    activates: bool,
}

impl Page for NewUser {}

/// `GET /admin/users/new`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
) -> Result<Response, Failure> {
    let frame = console.frame(&administrator, SECTION);
    let fields = Field::all(|_| String::new());
    let page = NewUser { frame, problems: Problems::default(), fields, activates: true };
    Ok(page.answer(StatusCode::OK, &[]))
}

/// `POST /admin/users/new`. A password that was typed is not shown again.
pub(super) async fn create(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let fields = Field::typed(&form);
        let activates = form.get("activate").is_some();
        let first = if activates { FirstSteps::Activate } else { FirstSteps::None };
        let body = UserBody::new(Field::profile(&fields), password(&form));
        match console.management.create_user(&administrator.permit(), body, first) {
            Ok(user) => Ok(Done::UserCreated.at(&path(&user.id)).into_response()),
            Err(error) => {
                let frame = console.frame(&administrator, SECTION);
                let page = NewUser { frame, problems: Problems::of(error)?, fields, activates };
                Ok(page.answer(StatusCode::BAD_REQUEST, &[]))
            }
        }
    })
    .await
}

fn password(form: &Form) -> Option<Zeroizing<String>> {
    form.get("password").map(|password| Zeroizing::new(password.to_owned()))
}
