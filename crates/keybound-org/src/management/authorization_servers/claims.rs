//! `/api/v1/authorizationServers/{id}/claims`: what a server's tokens say beside what every token does.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::members::Members;
use super::{ApiError, JsonBody, Management, Named, Permit, background, expression, link, target};
use super::{ManageAuthorizationServers, ReadAuthorizationServers};
use crate::event::EventObject;
use crate::store::{ClaimSource, ClaimedToken, CustomClaim, Identified, is_scope};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/claims", get(list).post(create))
        .route("/claims/{claim}", get(read).put(replace).delete(delete))
}

/// Claims that tokens have from the server itself.
const RESERVED: [&str; 20] = [
    "ver",
    "jti",
    "iss",
    "aud",
    "iat",
    "exp",
    "nbf",
    "cid",
    "uid",
    "scp",
    "sub",
    "cnf",
    "auth_time",
    "amr",
    "idp",
    "nonce",
    "at_hash",
    "azp",
    "acr",
    "act",
];

/// Scopes that a claim may be tied to, at most.
const MAX_SCOPES: usize = 100;

/// What a client sends of a claim.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ClaimBody {
    name: String,
    status: Option<String>,
    claim_type: String,
    value_type: Option<String>,
    value: String,
    conditions: Conditions,
    always_include_in_token: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    scopes: Vec<String>,
}

/// What says that access tokens have a claim.
pub(crate) const ACCESS_TOKEN: &str = "RESOURCE";
/// What says that ID tokens have a claim.
pub(crate) const ID_TOKEN: &str = "IDENTITY";

impl ClaimBody {
    /// The claim, if everything is as it must be.
    fn read(self) -> Result<CustomClaim, ApiError> {
        let mut members = Members::default();
        let name = members.name(&self.name);
        if RESERVED.contains(&name.as_str()) {
            members.refuse("name", "is a claim that tokens have from the server itself");
        }
        let status = members.status(self.status.as_deref());
        members.only("valueType", self.value_type.as_deref(), &["EXPRESSION"]);
        let token = match self.claim_type.as_str() {
            ACCESS_TOKEN => ClaimedToken::Access,
            ID_TOKEN => ClaimedToken::Id,
            _ => {
                members.refuse("claimType", "must be RESOURCE or IDENTITY");
                ClaimedToken::Access
            }
        };
        if token == ClaimedToken::Id && self.always_include_in_token == Some(false) {
            let problem = "must be true; the local org puts a claim into every ID token, or into none";
            members.refuse("alwaysIncludeInToken", problem);
        }
        let source = expression::parse(&members.required_text("value", &self.value));
        let source = source.unwrap_or_else(|| {
            let problem = "must be a text in quotes, or user. and a member of the profile (user.department); the local \
                           org evaluates no other expression";
            members.refuse("value", problem);
            ClaimSource::Text(String::new())
        });
        let scopes = self.conditions.scopes;
        if scopes.len() > MAX_SCOPES || !scopes.iter().all(|scope| is_scope(scope)) {
            members.refuse("conditions.scopes", format!("must hold {MAX_SCOPES} scopes at most"));
        }
        members.all_good(CustomClaim { name, token, source, scopes, status })
    }
}

/// `GET …/claims`.
async fn list(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(server): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let claims = api.claims_of_server(&server)?;
        let claims: Vec<_> = claims.iter().map(|claim| api.claim_view(&server, claim)).collect();
        Ok(Json(claims).into_response())
    })
    .await?
}

/// `POST …/claims`.
async fn create(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(server): Named<String>,
    JsonBody(body): JsonBody<ClaimBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let claim = api.add_claim(&permit, &server, body)?;
        Ok((StatusCode::CREATED, Json(api.claim_view(&server, &claim))).into_response())
    })
    .await?
}

/// `GET …/claims/{id}`.
async fn read(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let claim = api.store.claim(&api.custom_server(&server)?.id, &id)?;
        let claim = claim.ok_or_else(|| no_such_claim(&id))?;
        Ok(Json(api.claim_view(&server, &claim)).into_response())
    })
    .await?
}

/// `PUT …/claims/{id}`.
async fn replace(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, id)): Named<(String, String)>,
    JsonBody(body): JsonBody<ClaimBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let server = api.custom_server(&server)?;
        let claim = api.store.replace_claim(&server.id, &id, &body.read()?)?;
        let claim = claim.ok_or_else(|| no_such_claim(&id))?;
        let event = permit.event("oauth2.claim.updated", "Update OAuth claim");
        api.log(&event.to(target(&server)).to(claim_target(&claim)));
        Ok(Json(api.claim_view(&server.id, &claim)).into_response())
    })
    .await?
}

/// `DELETE …/claims/{id}`.
async fn delete(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.delete_claim(&permit, &server, &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

impl Management {
    /// The claims of a server, also those that are not active.
    pub(crate) fn claims_of_server(&self, server: &str) -> Result<Vec<Identified<CustomClaim>>, ApiError> {
        Ok(self.store.list_claims(&self.custom_server(server)?.id)?)
    }

    /// Puts another claim into the tokens of a server.
    pub(crate) fn add_claim(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        server: &str,
        body: ClaimBody,
    ) -> Result<Identified<CustomClaim>, ApiError> {
        let server = self.custom_server(server)?;
        let claim = self.store.add_claim(&server.id, &body.read()?, self.random.as_ref())?;
        let event = permit.event("oauth2.claim.created", "Create OAuth claim");
        self.log(&event.to(target(&server)).to(claim_target(&claim)));
        Ok(claim)
    }

    /// Takes a claim out of the tokens of a server.
    pub(crate) fn delete_claim(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        server: &str,
        id: &str,
    ) -> Result<(), ApiError> {
        let server = self.custom_server(server)?;
        let claim = self.store.delete_claim(&server.id, id)?.ok_or_else(|| no_such_claim(id))?;
        let event = permit.event("oauth2.claim.deleted", "Delete OAuth claim");
        self.log(&event.to(target(&server)).to(claim_target(&claim)));
        Ok(())
    }

    fn claim_view(&self, server: &str, claim: &Identified<CustomClaim>) -> Value {
        let url = format!("{}/claims/{}", self.server_url(server), claim.id);
        let Identified { id, value, .. } = claim;
        let claim_type = match value.token {
            ClaimedToken::Access => ACCESS_TOKEN,
            ClaimedToken::Id => ID_TOKEN,
        };
        json!({
            "id": id,
            "name": value.name,
            "status": value.status.name(),
            "claimType": claim_type,
            "valueType": "EXPRESSION",
            "value": expression::text(&value.source),
            "conditions": { "scopes": value.scopes },
            "system": false,
            "alwaysIncludeInToken": true,
            "_links": { "self": link(&url, &["GET", "PUT", "DELETE"]) },
        })
    }
}

fn claim_target(claim: &Identified<CustomClaim>) -> EventObject {
    EventObject::new("Claim", &claim.id, &claim.value.name)
}

fn no_such_claim(id: &str) -> ApiError {
    ApiError::no_such("OAuth2Claim", id)
}
