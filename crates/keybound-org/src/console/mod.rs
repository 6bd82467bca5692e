//! The admin console: what an administrator sees and changes of the org in a browser, under `/admin`.
//!
//! request → from this org's own pages ([`own_origin`]) → from an administrator's session, and a form from one of its
//! pages ([`administrator`]) → a page
//!
//! A new page is a file beside this one: a template that extends `console/layout.html`, a handler that takes an
//! [`Administrator`] (and what was [`Posted`], if it changes something), one line in [`Console::routes`] and, if it
//! has a place of its own, one in [`frame::NAVIGATION`]. `logs.rs` is one to begin from. What the layer around all
//! pages demands of a request no handler has to ask for again.

mod administrator;
mod apps;
mod attempts;
mod authorization_servers;
mod failure;
mod faults;
mod frame;
mod groups;
mod logs;
mod own_origin;
mod problems;
mod query;
mod sessions;
mod sign_in;
mod sign_in_links;
mod traces;
mod trusted_origins;
mod users;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::response::Redirect;
use axum::routing::{any, get};
use keybound::random::RandomUnavailable;
use keybound::{Clock, NumericDate, TargetUri};
use zeroize::Zeroizing;

use crate::background::{self, Unfinished};
use crate::cookie::{Cookie, CrossSite};
use crate::faults::Faults;
use crate::management::Management;
use crate::trace::Traces;

use administrator::{Administrator, Posted};
use attempts::FailedAttempts;
use failure::Failure;
use sessions::Sessions;
use sign_in_links::SignInLinks;

/// Where the console is.
const PATH: &str = "/admin";

/// Random bytes of what lets somebody in: sessions and their forms, links.
const SECRET_BYTES: usize = 32;

/// The console of one org.
pub(crate) struct Console {
    management: Arc<Management>,
    traces: Arc<Traces>,
    faults: Faults,
    /// The certificate that clients are to trust, if the org serves https.
    certificate_file: Option<PathBuf>,
    sessions: Sessions,
    links: SignInLinks,
    failed_attempts: FailedAttempts,
    /// The right time, whatever a fault has made of the org's: it must not end the session of who ends the fault.
    clock: Arc<dyn Clock>,
}

impl Console {
    /// The console by which this org is managed, and what it answers is looked at. Clients are to trust
    /// `certificate_file`, if the org serves https.
    pub(crate) fn new(
        management: Arc<Management>,
        traces: Arc<Traces>,
        faults: Faults,
        certificate_file: Option<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            management,
            traces,
            faults,
            certificate_file,
            sessions: Sessions::default(),
            links: SignInLinks::default(),
            failed_attempts: FailedAttempts::default(),
            clock,
        }
    }

    /// All its pages.
    pub(crate) fn routes(self: Arc<Self>) -> Router {
        let pages = Router::new()
            .route(PATH, get(first_page))
            .route("/admin/", get(first_page))
            .route("/admin/{*rest}", any(|| async { Failure::nothing_here() }))
            .merge(apps::routes())
            .merge(users::routes())
            .merge(groups::routes())
            .merge(authorization_servers::routes())
            .merge(trusted_origins::routes())
            .merge(logs::routes())
            .merge(traces::routes())
            .merge(faults::routes())
            .merge(sign_in::routes_of_administrators())
            .layer(middleware::from_fn_with_state(Arc::clone(&self), administrator::admit));
        pages
            .merge(sign_in::routes())
            .layer(middleware::from_fn_with_state(Arc::clone(&self), own_origin::demand))
            .with_state(self)
    }

    /// A URL that signs whoever opens it in, once, within a quarter of an hour.
    pub(crate) fn sign_in_url(&self) -> Result<Zeroizing<String>, RandomUnavailable> {
        let code = self.links.issue(self.now(), self.management.random.as_ref())?;
        Ok(Zeroizing::new([self.url().origin(), sign_in::PATH, "?code=", &code].concat()))
    }

    fn url(&self) -> &TargetUri {
        &self.management.url
    }

    fn now(&self) -> NumericDate {
        self.clock.now()
    }

    fn cookie(&self) -> Cookie {
        Cookie::new("keybound-console", self.url().origin(), CrossSite::None)
    }
}

async fn first_page() -> Redirect {
    Redirect::to(apps::SECTION.path)
}

/// Runs what waits for the disk, for a page.
async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    background::run(work).await.unwrap_or_else(|error: Unfinished| Err(error.into()))
}
