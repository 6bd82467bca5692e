//! The general page of an application: how its clients authenticate, its keys, and its settings.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::app::{Head, Tab};
use super::{SECTION, app_body, lines};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::management::ApiError;
use crate::named::Named;
use crate::pages::Page;
use crate::store::{
    App, ApplicationType, ClientKey, ClientSecret, KeyStatus, TokenEndpointAuthMethod as Method,
};
use crate::timestamp;

#[derive(Template)]
#[template(path = "console/apps/general.html")]
pub(super) struct General {
    frame: Frame,
    head: Head,
    keys: Vec<ClientKey>,
    problems: Problems,
    typed: Typed,
}

impl Page for General {}

/// What stands in the fields: what the application has or, beside a problem, what was typed.
pub(super) struct Typed {
    pub(super) label: String,
    pub(super) redirect_uris: String,
    pub(super) post_logout_redirect_uris: String,
    pub(super) requires_dpop: bool,
    pub(super) method: Method,
    pub(super) jwk: String,
}

impl Typed {
    fn of(app: &App) -> Self {
        Self {
            label: app.label.clone(),
            redirect_uris: app.client.redirect_uris.join("\n"),
            post_logout_redirect_uris: app.client.post_logout_redirect_uris.join("\n"),
            requires_dpop: app.dpop_bound_access_tokens,
            method: app.client.token_endpoint_auth_method,
            jwk: String::new(),
        }
    }
}

impl General {
    /// The ways in which an application of this type can authenticate, with their names and what they are.
    fn methods(&self) -> Vec<(Method, &'static str, &'static str)> {
        let key = (
            Method::PrivateKeyJwt,
            "Public key / Private key",
            "It signs an assertion with a key of its own.",
        );
        let secret =
            (Method::ClientSecretBasic, "Client secret", "It sends a secret in the Authorization header.");
        let in_form =
            (Method::ClientSecretPost, "Client secret in the form", "It sends a secret in the body.");
        let none = (Method::None, "None", "It can keep no secret; PKCE protects its codes.");
        match self.head.app.client.application_type {
            ApplicationType::Service => vec![key, secret, in_form],
            ApplicationType::Web => vec![secret, in_form, key],
            ApplicationType::Native => vec![none, secret, key],
            ApplicationType::Browser => vec![none],
        }
    }

    fn has_users(&self) -> bool {
        self.head.app.client.application_type != ApplicationType::Service
    }

    fn uses_secret(&self) -> bool {
        self.head.app.client.token_endpoint_auth_method.uses_secret()
    }
}

impl Console {
    /// The general page of an application with what is wrong with a form of it, if something is.
    pub(super) fn general_page(
        &self,
        administrator: &Administrator,
        id: &str,
        problems: Problems,
        change: impl FnOnce(&mut Typed),
    ) -> Result<Response, Failure> {
        let app = self.management.app(id)?;
        let mut typed = Typed::of(&app);
        change(&mut typed);
        let status = problems.status();
        let page = General {
            frame: self.frame(administrator, SECTION),
            keys: self.management.keys_of(id)?,
            head: Head::new(app, Tab::General),
            problems,
            typed,
        };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/apps/{id}`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    run(move || console.general_page(&administrator, &id, Problems::default(), |_| ())).await
}

/// `POST /admin/apps/{id}`: its settings.
pub(super) async fn save(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let app = console.management.app(&id)?;
        let requires_dpop = form.get("dpop_bound_access_tokens").is_some();
        let mut oauth = json!({ "dpop_bound_access_tokens": requires_dpop });
        if app.client.application_type != ApplicationType::Service {
            oauth = json!({
                "dpop_bound_access_tokens": requires_dpop,
                "redirect_uris": lines(&form, "redirect_uris"),
                "post_logout_redirect_uris": lines(&form, "post_logout_redirect_uris"),
            });
        }
        let typed = |name| form.get(name).unwrap_or_default().to_owned();
        let saved = app_body(&typed("label"), &json!({}), &oauth)
            .and_then(|body| console.management.replace_app(&administrator.permit(), &id, body));
        match saved {
            Ok(_) => Ok(Done::AppSaved.at(&Tab::General.path(&id)).into_response()),
            Err(error) => console.general_page(&administrator, &id, Problems::of(error)?, |shown| {
                shown.label = typed("label");
                shown.redirect_uris = typed("redirect_uris");
                shown.post_logout_redirect_uris = typed("post_logout_redirect_uris");
                shown.requires_dpop = requires_dpop;
            }),
        }
    })
    .await
}

/// `POST /admin/apps/{id}/authentication`: how its clients authenticate.
pub(super) async fn save_authentication(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let method = form.require("token_endpoint_auth_method")?;
        match console.authenticate_by(&administrator, &id, method) {
            Ok(()) => Ok(Done::AppSaved.at(&Tab::General.path(&id)).into_response()),
            Err(error) => console.general_page(&administrator, &id, Problems::of(error)?, |shown| {
                shown.method = Method::of_name(method).unwrap_or(shown.method);
            }),
        }
    })
    .await
}

impl Console {
    /// Has the clients of an application authenticate by this method.
    pub(super) fn authenticate_by(
        &self,
        administrator: &Administrator,
        id: &str,
        method: &str,
    ) -> Result<(), ApiError> {
        let body = app_body("", &json!({ "token_endpoint_auth_method": method }), &json!({}))?;
        self.management.replace_app(&administrator.permit(), id, body.keeping_label()).map(drop)
    }
}

/// Something that is shown once.
#[derive(Template)]
#[template(path = "console/apps/secret.html")]
struct SecretShown<'a> {
    frame: Frame,
    head: Head,
    secret: &'a str,
}

impl Page for SecretShown<'_> {}

/// `POST /admin/apps/{id}/secret`: makes a new client secret and shows it.
pub(super) async fn make_secret(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    run(move || {
        let api = &console.management;
        let secret = ClientSecret::generate(api.random.as_ref())?;
        let body = app_body("", &json!({ "client_secret": secret.expose() }), &json!({}))?;
        let (app, _) = api.replace_app(&administrator.permit(), &id, body.keeping_label())?;
        let page = SecretShown {
            frame: console.frame(&administrator, SECTION),
            head: Head::new(app, Tab::General),
            secret: secret.expose(),
        };
        Ok(page.answer(StatusCode::OK, &[]))
    })
    .await
}
