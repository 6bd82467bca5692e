//! `/api/v1/authorizationServers/{id}/scopes`: what a server lets clients ask for. Those of OpenID Connect are always
//! there, and stay as they are.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::members::Members;
use super::{ApiError, JsonBody, ListKind, ListRequest, Management, Named, Permit, background, link, target};
use super::{ManageAuthorizationServers, ReadAuthorizationServers};
use crate::authorization_server::USER_SCOPES;
use crate::event::EventObject;
use crate::store::{Condition, CustomScope, Identified, Key, Place, is_scope};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/scopes", get(list).post(create))
        .route("/scopes/{scope}", get(read).put(replace).delete(delete))
}

const SCOPES: ListKind = ListKind { default_limit: 200, largest_limit: 200, filter: None, search: None };

/// What a client sends of a scope.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ScopeBody {
    name: String,
    display_name: Option<String>,
    description: Option<String>,
    default: bool,
    consent: Option<String>,
    metadata_publish: Option<String>,
    optional: bool,
}

/// What says that the metadata names a scope.
pub(crate) const PUBLISHED: &str = "ALL_CLIENTS";
/// What says that it does not.
pub(crate) const NOT_PUBLISHED: &str = "NO_CLIENTS";

impl ScopeBody {
    /// The scope, if everything is as it must be.
    fn read(self) -> Result<CustomScope, ApiError> {
        let mut members = Members::default();
        let name = members.name(&self.name);
        if !name.is_empty() && !is_scope(&name) {
            members.refuse("name", "must be one word of printable ASCII (RFC 6749 section 3.3)");
        }
        if USER_SCOPES.contains(&name.as_str()) {
            members.refuse("name", "An object with this field already exists in the current organization");
        }
        let display_name = members.text("displayName", self.display_name.as_deref().unwrap_or(&name));
        let description = members.text("description", self.description.as_deref().unwrap_or_default());
        members.only("consent", self.consent.as_deref(), &["IMPLICIT"]);
        members.only("metadataPublish", self.metadata_publish.as_deref(), &[PUBLISHED, NOT_PUBLISHED]);
        if self.optional {
            members
                .refuse("optional", "must be false; the local org has no scopes that a user may leave out");
        }
        let is_published = self.metadata_publish.as_deref() == Some(PUBLISHED);
        let is_default = self.default;
        members.all_good(CustomScope { name, display_name, description, is_default, is_published })
    }
}

/// `GET …/scopes`: those of OpenID Connect first.
async fn list(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(server): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let request = ListRequest::read(&query.unwrap_or_default(), &SCOPES)?;
    background::run(move || {
        let scopes = api.scopes_of_server(&server)?;
        let listing = request.listing(Condition::always());
        let begin = listing.after.map_or(i64::MIN, |place| place.number.saturating_add(1));
        let mut found =
            scopes.iter().filter(|scope| scope.number >= begin && is_found(scope, request.q.as_deref()));
        let page: Vec<_> = found.by_ref().take(listing.limit).collect();
        let place =
            |scope: &&Identified<CustomScope>| Place { key: Key::Number(scope.number), number: scope.number };
        let next = found.next().and_then(|_| page.last()).map(place);
        let shown: Vec<_> = page.iter().map(|scope| api.scope_view(&server, scope)).collect();
        Ok(request.answer(&shown, &format!("{}/scopes", api.server_url(&server)), next.as_ref()))
    })
    .await?
}

/// Whether the name of a scope begins with a text, without regard to case.
fn is_found(scope: &Identified<CustomScope>, text: Option<&str>) -> bool {
    let begins = |text: &str| scope.value.name.to_lowercase().starts_with(&text.to_lowercase());
    text.is_none_or(begins)
}

/// `POST …/scopes`.
async fn create(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(server): Named<String>,
    JsonBody(body): JsonBody<ScopeBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let scope = api.add_scope(&permit, &server, body)?;
        Ok((StatusCode::CREATED, Json(api.scope_view(&server, &scope))).into_response())
    })
    .await?
}

/// `GET …/scopes/{id}`.
async fn read(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let scopes = api.scopes_of_server(&server)?;
        let scope = scopes.iter().find(|scope| scope.id == id).ok_or_else(|| no_such_scope(&id))?;
        Ok(Json(api.scope_view(&server, scope)).into_response())
    })
    .await?
}

/// `PUT …/scopes/{id}`.
async fn replace(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, id)): Named<(String, String)>,
    JsonBody(body): JsonBody<ScopeBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let server = api.custom_server(&server)?;
        may_change(&id)?;
        let scope = api.store.replace_scope(&server.id, &id, &body.read()?)?;
        let scope = scope.ok_or_else(|| no_such_scope(&id))?;
        let event = permit.event("oauth2.scope.updated", "Update OAuth scope");
        api.log(&event.to(target(&server)).to(scope_target(&scope)));
        Ok(Json(api.scope_view(&server.id, &scope)).into_response())
    })
    .await?
}

/// `DELETE …/scopes/{id}`.
async fn delete(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.delete_scope(&permit, &server, &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// The place of the first scope of OpenID Connect. Those in the database have places from 1 on.
const FIRST_BUILT_IN: i64 = -1_000;

/// The scopes of OpenID Connect, before all that are in the database.
fn built_in() -> impl Iterator<Item = Identified<CustomScope>> {
    (FIRST_BUILT_IN..0).zip(USER_SCOPES).map(|(number, name)| Identified {
        number,
        id: format!("scp{:0<17}", name.replace('_', "")),
        value: CustomScope {
            name: name.to_owned(),
            display_name: name.to_owned(),
            is_published: true,
            ..CustomScope::default()
        },
    })
}

/// Whether a scope is one of OpenID Connect.
pub(crate) fn is_built_in(scope: &Identified<CustomScope>) -> bool {
    scope.number < 0
}

fn may_change(id: &str) -> Result<(), ApiError> {
    if built_in().any(|scope| scope.id == id) { Err(ApiError::scope_is_built_in()) } else { Ok(()) }
}

impl Management {
    /// All scopes of a server.
    pub(crate) fn scopes_of_server(&self, server: &str) -> Result<Vec<Identified<CustomScope>>, ApiError> {
        let server = self.custom_server(server)?;
        Ok(built_in().chain(self.store.list_scopes(&server.id)?).collect())
    }

    /// Lets clients ask a server for another scope.
    pub(crate) fn add_scope(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        server: &str,
        body: ScopeBody,
    ) -> Result<Identified<CustomScope>, ApiError> {
        let server = self.custom_server(server)?;
        let scope = self.store.add_scope(&server.id, &body.read()?, self.random.as_ref())?;
        let event = permit.event("oauth2.scope.created", "Create OAuth scope");
        self.log(&event.to(target(&server)).to(scope_target(&scope)));
        Ok(scope)
    }

    /// Takes a scope away that is not one of OpenID Connect.
    pub(crate) fn delete_scope(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        server: &str,
        id: &str,
    ) -> Result<(), ApiError> {
        let server = self.custom_server(server)?;
        may_change(id)?;
        let scope = self.store.delete_scope(&server.id, id)?.ok_or_else(|| no_such_scope(id))?;
        let event = permit.event("oauth2.scope.deleted", "Delete OAuth scope");
        self.log(&event.to(target(&server)).to(scope_target(&scope)));
        Ok(())
    }

    fn scope_view(&self, server: &str, scope: &Identified<CustomScope>) -> Value {
        let url = format!("{}/scopes/{}", self.server_url(server), scope.id);
        let Identified { id, value, .. } = scope;
        json!({
            "id": id,
            "name": value.name,
            "displayName": value.display_name,
            "description": value.description,
            "system": is_built_in(scope),
            "metadataPublish": if value.is_published { PUBLISHED } else { NOT_PUBLISHED },
            "consent": "IMPLICIT",
            "default": value.is_default,
            "optional": false,
            "_links": { "self": link(&url, &["GET", "PUT", "DELETE"]) },
        })
    }
}

fn scope_target(scope: &Identified<CustomScope>) -> EventObject {
    EventObject::new("Scope", &scope.id, &scope.value.name)
}

fn no_such_scope(id: &str) -> ApiError {
    ApiError::no_such("OAuth2Scope", id)
}
