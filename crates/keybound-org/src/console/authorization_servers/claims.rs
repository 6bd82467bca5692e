//! The claims that the tokens of an authorization server have beside what every token has.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::server::{Head, Tab};
use super::{SECTION, body, typed, words};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::form::Form;
use crate::management::{ACCESS_TOKEN, ApiError, ClaimBody, ID_TOKEN, claim_expression};
use crate::named::Named;
use crate::pages::Page;
use crate::store::{ClaimedToken, CustomClaim, Identified, LifecycleStatus};

#[derive(Template)]
#[template(path = "console/authorization_servers/claims.html")]
struct ClaimsPage {
    frame: Frame,
    head: Head,
    claims: Vec<Identified<CustomClaim>>,
    problems: Problems,
    typed: TypedClaim,
}

impl Page for ClaimsPage {}

impl ClaimsPage {
    /// What a claim can be put into: as the form sends it, and for people.
    fn tokens() -> [(&'static str, &'static str); 2] {
        [ClaimedToken::Access, ClaimedToken::Id].map(token_names)
    }
}

const fn token_names(token: ClaimedToken) -> (&'static str, &'static str) {
    match token {
        ClaimedToken::Access => (ACCESS_TOKEN, "Access token"),
        ClaimedToken::Id => (ID_TOKEN, "ID token"),
    }
}

/// A claim as it was typed.
#[derive(Default)]
struct TypedClaim {
    name: String,
    claim_type: String,
    value: String,
    scopes: Vec<String>,
}

impl TypedClaim {
    fn of(form: &Form) -> Self {
        Self {
            name: typed(form, "name"),
            claim_type: typed(form, "claimType"),
            value: typed(form, "value"),
            scopes: words(form, "conditions.scopes"),
        }
    }

    fn body(&self) -> Result<ClaimBody, ApiError> {
        body(json!({
            "name": self.name,
            "claimType": self.claim_type,
            "value": self.value,
            "conditions": { "scopes": self.scopes },
        }))
    }
}

impl Console {
    fn claims_page(
        &self,
        administrator: &Administrator,
        id: &str,
        problems: Problems,
        typed: TypedClaim,
    ) -> Result<Response, Failure> {
        let status = problems.status();
        let page = ClaimsPage {
            frame: self.frame(administrator, SECTION),
            head: self.head_of_server(id, Tab::Claims)?,
            claims: self.management.claims_of_server(id)?,
            problems,
            typed,
        };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/authorization-servers/{id}/claims`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    let (problems, typed) = (Problems::default(), TypedClaim::default());
    run(move || console.claims_page(&administrator, &id, problems, typed)).await
}

/// `POST /admin/authorization-servers/{id}/claims`.
pub(super) async fn add(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let typed = TypedClaim::of(&form);
        let permit = administrator.permit();
        match typed.body().and_then(|body| console.management.add_claim(&permit, &id, body)) {
            Ok(_) => Ok(Done::ClaimAdded.at(&Tab::Claims.path(&id)).into_response()),
            Err(error) => console.claims_page(&administrator, &id, Problems::of(error)?, typed),
        }
    })
    .await
}

/// `POST /admin/authorization-servers/{id}/claims/{id}`: takes the claim away.
pub(super) async fn delete(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, claim)): Named<(String, String)>,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.delete_claim(&administrator.permit(), &id, &claim)?;
        Ok(Done::ClaimDeleted.at(&Tab::Claims.path(&id)))
    })
    .await
}
