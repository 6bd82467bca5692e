//! The keys that an authorization server signs with.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{Redirect, Response};
use http::StatusCode;
use keybound::PublicKey;

use super::SECTION;
use super::server::{Head, Tab};
use crate::console::frame::{Done, Frame};
use crate::console::{Administrator, Console, Failure, run};
use crate::management::key_status;
use crate::named::Named;
use crate::pages::Page;
use crate::store::KeyState;

#[derive(Template)]
#[template(path = "console/authorization_servers/keys.html")]
struct KeysPage {
    frame: Frame,
    head: Head,
    keys: Vec<(KeyState, PublicKey)>,
}

impl Page for KeysPage {}

/// What a key in this state is for.
const fn purpose(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "Published; signs after the next rotation",
        KeyState::Active => "Signs",
        KeyState::Retired => "Verifies what it signed",
    }
}

/// `GET /admin/authorization-servers/{id}/keys`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    run(move || {
        let page = KeysPage {
            frame: console.frame(&administrator, SECTION),
            head: console.head_of_server(&id, Tab::Keys)?,
            keys: console.management.keys_of_server(&id)?,
        };
        Ok(page.answer(StatusCode::OK, &[]))
    })
    .await
}

/// `POST /admin/authorization-servers/{id}/keys/rotate`.
pub(super) async fn rotate(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.rotate_keys_of_server(&administrator.permit(), &id)?;
        Ok(Done::KeysRotated.at(&Tab::Keys.path(&id)))
    })
    .await
}
