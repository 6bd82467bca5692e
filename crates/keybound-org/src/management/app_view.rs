//! An app, and what belongs to it, as the management API shows it.

use keybound::Algorithm;
use serde_json::{Map, Value, json};

use super::{ApiError, Management};
use crate::okta_algorithms::OKTA_ALGORITHMS;
use crate::store::{App, AppStatus, ClientKey, ClientSecret, KeyStatus, ScopeGrant};
use crate::timestamp;

impl Management {
    pub(super) fn app_url(&self, client_id: &str) -> String {
        format!("{}/{client_id}", self.list_url("apps"))
    }

    /// An app; with its secret if it was made just now.
    pub(super) fn app_view(&self, app: &App, secret: Option<&ClientSecret>) -> Result<Value, ApiError> {
        let client = &app.client;
        let response_types: Vec<_> = client.response_types.iter().map(|one| one.name()).collect();
        let grant_types: Vec<_> = client.grant_types.iter().map(|one| one.name()).collect();
        let mut credentials = json!({
            "autoKeyRotation": true,
            "client_id": app.client_id,
            "token_endpoint_auth_method": client.token_endpoint_auth_method.name(),
            "pkce_required": client.pkce_required,
        });
        if let (Some(secret), Some(members)) = (secret, credentials.as_object_mut()) {
            members.insert("client_secret".to_owned(), secret.expose().into());
        }
        let mut oauth = json!({
            "client_uri": null,
            "logo_uri": null,
            "redirect_uris": client.redirect_uris,
            "post_logout_redirect_uris": client.post_logout_redirect_uris,
            "response_types": response_types,
            "grant_types": grant_types,
            "application_type": client.application_type.name(),
            "consent_method": "TRUSTED",
            "issuer_mode": "DYNAMIC",
            "idp_initiated_login": { "mode": "DISABLED", "default_scope": [] },
            "wildcard_redirect": "DISABLED",
            "dpop_bound_access_tokens": app.dpop_bound_access_tokens,
        });
        if let (false, Some(members)) = (app.keys.keys().is_empty(), oauth.as_object_mut()) {
            let keys = self.store.keys_of(&app.client_id)?.unwrap_or_default().into_iter();
            let active = keys.filter(|key| key.status == KeyStatus::Active);
            let keys: Vec<_> = active.map(|key| self.client_key_view(&app.client_id, &key)).collect();
            members.insert("jwks".to_owned(), json!({ "keys": keys }));
        }
        let mut view = json!({
            "id": app.client_id,
            "name": "oidc_client",
            "label": app.label,
            "status": app.status.name(),
            "lastUpdated": timestamp::text(app.last_updated),
            "created": timestamp::text(app.created),
            "accessibility": { "selfService": false, "errorRedirectUrl": null, "loginRedirectUrl": null },
            "visibility": {
                "autoLaunch": false,
                "autoSubmitToolbar": false,
                "hide": { "iOS": true, "web": true },
                "appLinks": { "oidc_client_link": true },
            },
            "features": [],
            "signOnMode": "OPENID_CONNECT",
            "credentials": {
                "userNameTemplate": { "template": "${source.login}", "type": "BUILT_IN" },
                "signing": {},
                "oauthClient": credentials,
            },
            "settings": {
                "app": {},
                "implicitAssignment": app.implicit_assignment,
                "notifications": { "vpn": { "network": { "connection": "DISABLED" }, "message": null, "helpUrl": null } },
                "oauthClient": oauth,
            },
            "_links": self.app_links(app),
        });
        self.store.presentation(&app.client_id)?.unwrap_or_default().show(&mut view);
        Ok(view)
    }

    fn app_links(&self, app: &App) -> Value {
        let url = self.app_url(&app.client_id);
        let change = match app.status {
            AppStatus::Active => "deactivate",
            AppStatus::Inactive => "activate",
        };
        json!({
            "self": { "href": url },
            "users": { "href": format!("{url}/users") },
            "groups": { "href": format!("{url}/groups") },
            change: { "href": format!("{url}/lifecycle/{change}"), "hints": { "allow": ["POST"] } },
        })
    }

    pub(super) fn client_key_view(&self, client_id: &str, key: &ClientKey) -> Value {
        let url = format!("{}/credentials/jwks/{}", self.app_url(client_id), key.id);
        let change = match key.status {
            KeyStatus::Active => "deactivate",
            KeyStatus::Inactive => "activate",
        };
        let mut view = Map::new();
        view.insert("id".to_owned(), key.id.as_str().into());
        view.extend(members_of(&key.key.jwk().to_json()));
        // Okta's SDK for Go refuses an answer without them.
        let algorithm = OKTA_ALGORITHMS.into_iter().find(|algorithm| key.key.allow(*algorithm).is_ok());
        view.entry("alg").or_insert_with(|| algorithm.map(Algorithm::name).into());
        view.entry("use").or_insert_with(|| "sig".into());
        view.extend([
            ("status".to_owned(), key.status.name().into()),
            ("created".to_owned(), timestamp::text(key.created).into()),
            ("lastUpdated".to_owned(), timestamp::text(key.last_updated).into()),
            (
                "_links".to_owned(),
                json!({ change: { "href": format!("{url}/lifecycle/{change}"), "hints": { "allow": ["POST"] } } }),
            ),
        ]);
        Value::Object(view)
    }

    pub(super) fn grant_view(&self, client_id: &str, grant: &ScopeGrant) -> Value {
        let url = self.app_url(client_id);
        json!({
            "id": grant.id,
            "status": "ACTIVE",
            "created": timestamp::text(grant.created),
            "createdBy": { "id": "administrator", "type": "User" },
            "lastUpdated": timestamp::text(grant.created),
            "issuer": self.url.origin(),
            "clientId": client_id,
            "scopeId": grant.scope,
            "source": "ADMIN",
            "_embedded": { "scope": { "id": grant.scope } },
            "_links": {
                "app": { "href": url },
                "self": { "href": format!("{url}/grants/{}", grant.id), "hints": { "allow": ["GET", "DELETE"] } },
                "client": { "href": format!("{}/oauth2/v1/clients/{client_id}", self.url.origin()) },
            },
        })
    }
}

fn members_of(jwk: &str) -> Map<String, Value> {
    serde_json::from_str(jwk).unwrap_or_default()
}
