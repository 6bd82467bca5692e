//! `/api/v1/org`: what an org's administrators see of it. It is read alone: nothing of it can be changed here.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use url::{Host, Url};

use super::Management;
use super::admission::Permit;
use super::error::ApiError;
use super::org_metadata::ORG_ID;
use super::right::ReadOrgSettings;
use crate::background;
use crate::timestamp;

const COMPANY_NAME: &str = "Keybound local org";

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new().route("/org", get(read))
}

/// `GET /api/v1/org`.
async fn read(_: Permit<ReadOrgSettings>, State(api): State<Arc<Management>>) -> Result<Response, ApiError> {
    background::run(move || Ok(Json(api.org_settings_view()?).into_response())).await?
}

impl Management {
    fn org_settings_view(&self) -> Result<Value, ApiError> {
        let created = self.store.furnished_at()?.map(timestamp::text);
        Ok(json!({
            "id": ORG_ID,
            "status": "ACTIVE",
            "created": created,
            "lastUpdated": created,
            "expiresAt": null,
            "subdomain": subdomain(self.url.origin()),
            "companyName": COMPANY_NAME,
            "website": null,
            "phoneNumber": null,
            "address1": null,
            "address2": null,
            "city": null,
            "state": null,
            "postalCode": null,
            "country": null,
            "supportPhoneNumber": null,
            "endUserSupportHelpURL": null,
            "_links": {},
        }))
    }
}

/// The first label of the host at an origin; an address has none and stands whole.
fn subdomain(origin: &str) -> Option<String> {
    match Url::parse(origin).ok()?.host()? {
        Host::Domain(name) => name.split('.').next().map(str::to_owned),
        address => Some(address.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subdomain_is_the_first_label_of_a_name() {
        for (origin, expected) in [
            ("https://localhost:8443", "localhost"),
            ("https://acme.okta.example", "acme"),
            ("http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080", "[::1]"),
        ] {
            assert_eq!(subdomain(origin).as_deref(), Some(expected), "{origin}");
        }
    }
}
