//! A new application.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::app::Tab;
use super::{NEW, SECTION, app_body, kind_name, lines};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::form::Form;
use crate::management::{ApiError, AppBody};
use crate::pages::Page;
use crate::store::{AppStatus, ApplicationType, GrantType, ResponseType};

#[derive(Template)]
#[template(path = "console/apps/new.html")]
struct NewApplication {
    frame: Frame,
    problems: Problems,
    kind: ApplicationType,
    label: String,
    redirect_uris: String,
    post_logout_redirect_uris: String,
}

impl Page for NewApplication {}

impl NewApplication {
    /// Each type of application: what it is called, and what it is.
    fn kinds() -> impl Iterator<Item = (ApplicationType, &'static str, &'static str)> {
        [
            (ApplicationType::Service, "A program that calls the API for itself, with nobody at hand."),
            (ApplicationType::Web, "A server that signs users in, and can keep a secret."),
            (ApplicationType::Native, "A program on a user's own device."),
            (ApplicationType::Browser, "JavaScript in a user's browser."),
        ]
        .into_iter()
        .map(|(kind, what)| (kind, kind_name(kind), what))
    }
}

/// `GET /admin/apps/new`.
pub(super) async fn page(administrator: Administrator, State(console): State<Arc<Console>>) -> Response {
    let page = NewApplication {
        frame: console.frame(&administrator, SECTION),
        problems: Problems::default(),
        kind: ApplicationType::Service,
        label: String::new(),
        redirect_uris: String::new(),
        post_logout_redirect_uris: String::new(),
    };
    page.answer(StatusCode::OK, &[])
}

/// `POST /admin/apps/new`.
pub(super) async fn create(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let kind = form.get("application_type").and_then(ApplicationType::of_name);
        let kind = kind.unwrap_or(ApplicationType::Service);
        let created = body(kind, &form)
            .and_then(|body| console.management.create_app(&administrator.permit(), body, AppStatus::Active));
        let error = match created {
            Ok((app, _)) => {
                return Ok(Done::AppCreated.at(&Tab::General.path(&app.client_id)).into_response());
            }
            Err(error) => error,
        };
        let typed = |name| form.get(name).unwrap_or_default().to_owned();
        let page = NewApplication {
            frame: console.frame(&administrator, SECTION),
            problems: Problems::of(error)?,
            kind,
            label: typed("label"),
            redirect_uris: typed("redirect_uris"),
            post_logout_redirect_uris: typed("post_logout_redirect_uris"),
        };
        Ok(page.answer(StatusCode::BAD_REQUEST, &[]))
    })
    .await
}

/// The application as the management API is told of it. What a type of application may do is what Okta's console sets
/// up for it.
fn body(kind: ApplicationType, form: &Form) -> Result<AppBody, ApiError> {
    let mut oauth = json!({ "application_type": kind.name() });
    if kind != ApplicationType::Service {
        let mut grant_types = vec![GrantType::AuthorizationCode.name(), GrantType::RefreshToken.name()];
        if kind == ApplicationType::Native {
            grant_types.push(GrantType::DeviceCode.name());
        }
        oauth = json!({
            "application_type": kind.name(),
            "grant_types": grant_types,
            "response_types": [ResponseType::Code.name()],
            "redirect_uris": lines(form, "redirect_uris"),
            "post_logout_redirect_uris": lines(form, "post_logout_redirect_uris"),
        });
    }
    app_body(form.get("label").unwrap_or_default(), &json!({}), &oauth)
}
