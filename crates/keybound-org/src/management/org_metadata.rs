//! `/.well-known/okta-organization`: what an org tells everybody of itself.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Management;

const PATH: &str = "/.well-known/okta-organization";

/// The id of every local org; there is one at each URL.
pub(super) const ORG_ID: &str = "00oKeyboundLocalOrg1";

/// What Okta calls its Classic Engine. By this word clients know which APIs an org has: those of the Identity Engine
/// (`idx`), such as the authentication policies of apps, are not here, and Terraform's provider asks for them if it is
/// told so.
const PIPELINE: &str = "v1";

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new().route(PATH, get(read))
}

/// `GET /.well-known/okta-organization`, for whoever asks.
async fn read(State(api): State<Arc<Management>>) -> Json<Value> {
    Json(json!({
        "id": ORG_ID,
        "pipeline": PIPELINE,
        "_links": { "organization": { "href": api.url.origin() } },
        "settings": {
            "analyticsCollectionEnabled": false,
            "bugReportingEnabled": false,
            "omEnabled": false,
        },
    }))
}
