//! What a developer's program needs to act as an application: its settings, the command that tries them, and what is
//! still to be done for it to work.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::SECTION;
use super::app::{Head, Tab};
use crate::console::frame::Frame;
use crate::console::{Administrator, Console, Failure, run};
use crate::named::Named;
use crate::pages::Page;
use crate::store::{App, ApplicationType, TokenEndpointAuthMethod};

#[derive(Template)]
#[template(path = "console/apps/program.html")]
struct Program {
    frame: Frame,
    head: Head,
    /// The lines of `.env`.
    settings: Vec<String>,
    command: String,
    steps: Vec<Step>,
}

impl Page for Program {}

/// Something without which the program gets nothing.
struct Step {
    what: &'static str,
    is_done: bool,
    /// Where it is done.
    path: String,
}

/// `GET /admin/apps/{id}/program`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    run(move || {
        let app = console.management.app(&id)?;
        let page = Program {
            frame: console.frame(&administrator, SECTION),
            settings: console.settings(&app),
            command: command(&app),
            steps: steps(&app),
            head: Head::new(app, Tab::Program),
        };
        Ok(page.answer(StatusCode::OK, &[]))
    })
    .await
}

impl Console {
    /// The settings by the names that Okta's samples have.
    fn settings(&self, app: &App) -> Vec<String> {
        let is_service = app.client.application_type == ApplicationType::Service;
        let mut lines = vec![
            format!("OKTA_ORG_URL={}", self.url().origin()),
            format!("OKTA_CLIENT_ID={}", app.client_id),
        ];
        if is_service {
            lines.push(format!("OKTA_SCOPES={}", app.scopes.join(" ")));
            lines.push("OKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem".to_owned());
            let dpop = if app.dpop_bound_access_tokens { "required" } else { "off" };
            lines.push(format!("KEYBOUND_DPOP={dpop}"));
        } else {
            let scopes = ["openid", "profile", "offline_access"].map(str::to_owned);
            lines.push(format!("OKTA_SCOPES={}", [&scopes[..], &app.scopes].concat().join(" ")));
        }
        if let Some(file) = &self.certificate_file {
            lines.push(format!("KEYBOUND_CA_FILE={}", file.display()));
        }
        lines
    }
}

/// What shows that the settings work.
fn command(app: &App) -> String {
    if app.client.application_type != ApplicationType::Service {
        return "keybound login".to_owned();
    }
    let lists = ["users", "groups", "apps", "logs"];
    let is_readable =
        |list: &&str| app.scopes.iter().any(|scope| scope.starts_with(&format!("okta.{list}.")));
    let list = lists.into_iter().find(is_readable).unwrap_or("users");
    format!("keybound api '/api/v1/{list}?limit=5'")
}

fn steps(app: &App) -> Vec<Step> {
    let step = |what, is_done, tab: Tab| Step { what, is_done, path: tab.path(&app.client_id) };
    let is_active =
        step("The application is active", app.status == crate::store::AppStatus::Active, Tab::General);
    if app.client.application_type != ApplicationType::Service {
        let has_redirect_uri = !app.client.redirect_uris.is_empty();
        return vec![is_active, step("It has a redirect URI", has_redirect_uri, Tab::General)];
    }
    let uses_key = app.client.token_endpoint_auth_method == TokenEndpointAuthMethod::PrivateKeyJwt;
    vec![
        is_active,
        step(
            "It authenticates with a key that is active",
            uses_key && !app.keys.keys().is_empty(),
            Tab::General,
        ),
        step("A scope of Okta’s API is granted to it", !app.scopes.is_empty(), Tab::Scopes),
        step("An admin role is assigned to it", !app.roles.is_empty(), Tab::Roles),
    ]
}
