//! Apps of an org, as `/api/v1/apps` has them: service apps above all, with their keys, scopes and roles.

use keybound::PublicKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::OktaClient;
use crate::error::Error;
use crate::items::Items;
use crate::list_query::ListQuery;
use crate::operation_call::OperationCall;

/// Apps on a page: what Okta gives at most.
const APPS_PER_PAGE: usize = 200;

/// The apps of an org.
#[derive(Clone, Copy)]
pub struct Apps<'c>(&'c OktaClient);

impl OktaClient {
    /// The org's apps.
    pub fn apps(&self) -> Apps<'_> {
        Apps(self)
    }
}

impl<'c> Apps<'c> {
    /// The apps that `query` asks for (`listApplications`).
    pub fn list(self, query: &ListQuery) -> Items<App> {
        let call = self.0.operation("listApplications").map(|call| query.ask(call));
        Items::of(self.0, call, query.most, APPS_PER_PAGE)
    }

    /// One app (`getApplication`).
    pub async fn get(self, app: &str) -> Result<App, Error> {
        self.of("getApplication", app)?.read().await
    }

    /// Creates a service app (`createApplication`), active.
    pub async fn create_service(self, app: &NewServiceApp) -> Result<App, Error> {
        self.0.operation("createApplication")?.object(&app.body()?)?.read().await
    }

    /// Lets an app's clients in (`activateApplication`).
    pub async fn activate(self, app: &str) -> Result<(), Error> {
        self.of("activateApplication", app)?.done().await
    }

    /// Shuts an app's clients out (`deactivateApplication`).
    pub async fn deactivate(self, app: &str) -> Result<(), Error> {
        self.of("deactivateApplication", app)?.done().await
    }

    /// Deletes an app (`deleteApplication`), which has to be deactivated first.
    pub async fn delete(self, app: &str) -> Result<(), Error> {
        self.of("deleteApplication", app)?.done().await
    }

    /// The keys that an app's client authenticates with (`listJwk`).
    pub fn keys(self, app: &str) -> Items<AppKey> {
        Items::whole(self.0, self.of("listJwk", app))
    }

    /// Registers a key (`addJwk`), which Okta takes with a `kid` alone; see
    /// [`PublicKey::with_key_id`].
    pub async fn add_key(self, app: &str, key: &PublicKey) -> Result<AppKey, Error> {
        self.of("addJwk", app)?.body(key.jwk().to_json()).read().await
    }

    /// Lets a key be used (`activateOAuth2ClientJsonWebKey`).
    pub async fn activate_key(self, app: &str, key: &str) -> Result<(), Error> {
        self.of("activateOAuth2ClientJsonWebKey", app)?.parameter("keyId", key).done().await
    }

    /// Ends the use of a key (`deactivateOAuth2ClientJsonWebKey`).
    pub async fn deactivate_key(self, app: &str, key: &str) -> Result<(), Error> {
        self.of("deactivateOAuth2ClientJsonWebKey", app)?.parameter("keyId", key).done().await
    }

    /// Deletes a key (`deletejwk`), which has to be deactivated first.
    pub async fn delete_key(self, app: &str, key: &str) -> Result<(), Error> {
        self.of("deletejwk", app)?.parameter("keyId", key).done().await
    }

    /// The scopes that are granted to an app (`listScopeConsentGrants`).
    pub fn grants(self, app: &str) -> Items<ScopeGrant> {
        Items::whole(self.0, self.of("listScopeConsentGrants", app))
    }

    /// Grants a scope of the org authorization server to an app (`grantConsentToScope`).
    pub async fn grant(self, app: &str, scope: &str) -> Result<ScopeGrant, Error> {
        let body = json!({ "scopeId": scope, "issuer": self.0.org_url()?.origin() });
        self.of("grantConsentToScope", app)?.json(&body).read().await
    }

    /// Takes a grant back (`revokeScopeConsentGrant`).
    pub async fn revoke(self, app: &str, grant: &str) -> Result<(), Error> {
        self.of("revokeScopeConsentGrant", app)?.parameter("grantId", grant).done().await
    }

    /// The admin roles that a client has (`listRolesForClient`), by which its scopes are cut.
    pub fn roles(self, client_id: &str) -> Items<RoleAssignment> {
        Items::whole(self.0, self.of_client("listRolesForClient", client_id))
    }

    /// Gives a client an admin role (`assignRoleToClient`), such as `READ_ONLY_ADMIN`.
    pub async fn assign_role(self, client_id: &str, role: &str) -> Result<RoleAssignment, Error> {
        self.of_client("assignRoleToClient", client_id)?.json(&json!({ "type": role })).read().await
    }

    /// Takes an admin role from a client (`deleteRoleFromClient`), by the id of the assignment.
    pub async fn remove_role(self, client_id: &str, assignment: &str) -> Result<(), Error> {
        let call = self.of_client("deleteRoleFromClient", client_id)?;
        call.parameter("roleAssignmentId", assignment).done().await
    }

    fn of(self, operation: &str, app: &str) -> Result<OperationCall<'c>, Error> {
        Ok(self.0.operation(operation)?.parameter("appId", app))
    }

    fn of_client(self, operation: &str, client_id: &str) -> Result<OperationCall<'c>, Error> {
        Ok(self.0.operation(operation)?.parameter("clientId", client_id))
    }
}

/// A service app to be created: a client that asks for tokens in its own name, with a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewServiceApp {
    /// What people see.
    pub label: String,
    /// Its keys; further ones can be registered later.
    pub keys: Vec<PublicKey>,
    /// Whether tokens for it are bound to a key (DPoP).
    pub dpop_bound_access_tokens: bool,
}

impl NewServiceApp {
    /// An app with one key, whose tokens are bound to a key.
    pub fn new(label: impl Into<String>, key: PublicKey) -> Self {
        Self { label: label.into(), keys: vec![key], dpop_bound_access_tokens: true }
    }

    /// An app to which keys are still to be added.
    pub fn without_key(label: impl Into<String>) -> Self {
        Self { label: label.into(), keys: Vec::new(), dpop_bound_access_tokens: true }
    }

    /// The body of the request that creates it (`createApplication`).
    pub fn body(&self) -> Result<Value, Error> {
        let jwks: Result<Vec<Value>, _> =
            self.keys.iter().map(|key| serde_json::from_str(&key.jwk().to_json())).collect();
        let jwks = jwks.map_err(|problem| Error::Body(problem.to_string()))?;
        Ok(json!({
            "name": "oidc_client",
            "label": self.label,
            "signOnMode": "OPENID_CONNECT",
            "credentials": { "oauthClient": { "token_endpoint_auth_method": "private_key_jwt" } },
            "settings": { "oauthClient": {
                "application_type": "service",
                "grant_types": ["client_credentials"],
                "response_types": ["token"],
                "dpop_bound_access_tokens": self.dpop_bound_access_tokens,
                "jwks": { "keys": jwks },
            } },
        }))
    }
}

/// An app. What this type has no name for is kept in `extra`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct App {
    /// `0oa` and 17 letters and digits; of a service app it is the client id, too.
    pub id: String,
    /// Which sort of app it is: `oidc_client`, …
    pub name: Option<String>,
    /// What people see.
    pub label: Option<String>,
    /// `ACTIVE` or `INACTIVE`.
    pub status: Option<String>,
    /// When the app was created, in ISO 8601, UTC.
    pub created: Option<String>,
    /// When the app last changed.
    pub last_updated: Option<String>,
    /// How users sign in: `OPENID_CONNECT`, `SAML_2_0`, …
    pub sign_on_mode: Option<String>,
    /// Everything else: `credentials`, `settings`, `_links`, …
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl App {
    /// The client id, of an app that has one.
    pub fn client_id(&self) -> Option<&str> {
        self.extra.get("credentials")?.get("oauthClient")?.get("client_id")?.as_str()
    }

    /// Whether it is a service app, whose clients ask for tokens in their own name.
    pub fn is_service(&self) -> bool {
        let kind = self.oauth_settings().and_then(|settings| settings.get("application_type"));
        kind.and_then(Value::as_str) == Some("service")
    }

    /// Whether tokens for it have to be bound to a key (DPoP), where that is said.
    pub fn dpop_bound_access_tokens(&self) -> Option<bool> {
        self.oauth_settings()?.get("dpop_bound_access_tokens")?.as_bool()
    }

    fn oauth_settings(&self) -> Option<&Value> {
        self.extra.get("settings")?.get("oauthClient")
    }
}

/// A key of an app's client. The members of the JWK are in `extra`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AppKey {
    /// Okta's id of it, by which it is activated, deactivated and deleted.
    pub id: Option<String>,
    /// The id that assertions name it by.
    pub kid: Option<String>,
    /// `ACTIVE` or `INACTIVE`.
    pub status: Option<String>,
    /// When it was registered, in ISO 8601, UTC.
    pub created: Option<String>,
    /// When it last changed.
    pub last_updated: Option<String>,
    /// Everything else: `kty`, `alg`, …
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl AppKey {
    /// The key itself, where it is one that can be read.
    pub fn public_key(&self) -> Option<PublicKey> {
        PublicKey::from_jwk(&serde_json::to_vec(&self.extra).ok()?).ok()
    }
}

/// A scope that is granted to an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScopeGrant {
    /// The id of the grant.
    pub id: String,
    /// The scope: `okta.users.read`.
    pub scope_id: Option<String>,
    /// The authorization server that the scope is of.
    pub issuer: Option<String>,
    /// `ACTIVE` or `REVOKED`.
    pub status: Option<String>,
    /// When it was granted, in ISO 8601, UTC.
    pub created: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// An admin role that a client has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RoleAssignment {
    /// The id of the assignment.
    pub id: String,
    /// The role: `READ_ONLY_ADMIN`, `SUPER_ADMIN`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What people see.
    pub label: Option<String>,
    /// `ACTIVE` or `INACTIVE`.
    pub status: Option<String>,
    /// When it was assigned, in ISO 8601, UTC.
    pub created: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
