//! One Trusted Origin.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use super::{Fields, SECTION, path};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::named::Named;
use crate::pages::Page;
use crate::store::{LifecycleStatus, TrustedOrigin};

#[derive(Template)]
#[template(path = "console/trusted_origins/one.html")]
struct OneTrustedOrigin {
    frame: Frame,
    problems: Problems,
    /// As it is.
    origin: TrustedOrigin,
    /// As the form shows it.
    typed: Fields,
}

impl Page for OneTrustedOrigin {}

impl OneTrustedOrigin {
    fn path(&self) -> String {
        path(&self.origin.id)
    }

    fn is_active(&self) -> bool {
        self.origin.settings.status == LifecycleStatus::Active
    }
}

/// `GET /admin/trusted-origins/{id}`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    run(move || {
        let origin = console.management.trusted_origin(&id)?;
        let settings = origin.settings.clone();
        let typed =
            Fields { name: settings.name, origin: settings.origin.to_string(), scopes: settings.scopes };
        Ok(console.trusted_origin_page(&administrator, origin, typed, Problems::default()))
    })
    .await
}

/// `POST /admin/trusted-origins/{id}`.
pub(super) async fn save(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let typed = Fields::of_form(&form);
        match console.management.replace_trusted_origin(&administrator.permit(), &id, &typed.body()) {
            Ok(_) => Ok(Done::TrustedOriginSaved.at(&path(&id)).into_response()),
            Err(error) => {
                let problems = Problems::of(error)?;
                let origin = console.management.trusted_origin(&id)?;
                Ok(console.trusted_origin_page(&administrator, origin, typed, problems))
            }
        }
    })
    .await
}

/// `POST /admin/trusted-origins/{id}/activate`.
pub(super) async fn activate(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    set_status(administrator, console, id, LifecycleStatus::Active, Done::TrustedOriginActivated).await
}

/// `POST /admin/trusted-origins/{id}/deactivate`.
pub(super) async fn deactivate(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    set_status(administrator, console, id, LifecycleStatus::Inactive, Done::TrustedOriginDeactivated).await
}

async fn set_status(
    administrator: Administrator,
    console: Arc<Console>,
    id: String,
    status: LifecycleStatus,
    done: Done,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.set_trusted_origin_status(&administrator.permit(), &id, status)?;
        Ok(done.at(&path(&id)))
    })
    .await
}

/// `POST /admin/trusted-origins/{id}/delete`.
pub(super) async fn delete(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.delete_trusted_origin(&administrator.permit(), &id)?;
        Ok(Done::TrustedOriginDeleted.at(SECTION.path))
    })
    .await
}

impl Console {
    fn trusted_origin_page(
        &self,
        administrator: &Administrator,
        origin: TrustedOrigin,
        typed: Fields,
        problems: Problems,
    ) -> Response {
        let status = problems.status();
        let frame = self.frame(administrator, SECTION);
        OneTrustedOrigin { frame, problems, origin, typed }.answer(status, &[])
    }
}
