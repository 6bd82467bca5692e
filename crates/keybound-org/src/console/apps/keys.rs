//! The public keys of an application: pasted, or made here.
//!
//! A private key that is made here is shown once, in the answer to the form that asked for it. The org keeps the public
//! half alone, and what held the private one is overwritten when the answer has been sent.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use keybound::{Algorithm, KeyError, PublicKey, SigningKey};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::SECTION;
use super::app::{Head, Tab};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::management::{ApiError, public_key};
use crate::named::Named;
use crate::pages::Page;
use crate::store::{App, ApplicationType, KeyStatus, TokenEndpointAuthMethod};

/// `POST /admin/apps/{id}/keys`: a public key that was made elsewhere.
pub(super) async fn add(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let text = form.get("jwks").unwrap_or_default();
        let problem = match read(text) {
            Ok(key) => match console.register(&administrator, &id, &key) {
                Ok(_) => return Ok(Done::KeyAdded.at(&Tab::General.path(&id)).into_response()),
                Err(error) => Problems::of(error)?,
            },
            Err(problem) => Problems::with("jwks", problem),
        };
        console.general_page(&administrator, &id, problem, |typed| {
            // Whoever has pasted a private key does not find it in a page.
            if holds_no_secret(text) {
                text.clone_into(&mut typed.jwk);
            }
        })
    })
    .await
}

/// The members that a public key may have, of those whose values are texts.
const PUBLIC_MEMBERS: [&str; 12] =
    ["kty", "use", "alg", "kid", "crv", "x", "y", "n", "e", "x5u", "x5t", "x5t#S256"];

const NO_JWK: &str = "This is not a JWK: a JSON object with the members of one public key, such as \
                      {\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"…\",\"y\":\"…\"}.";
const PRIVATE: &str = "This has the members of a private key, which must stay with the application. Paste the public \
                       key alone, and make another pair: what was sent here may have been seen.";

/// The public key in a JWK.
fn read(text: &str) -> Result<PublicKey, String> {
    let jwk: Map<String, Value> = serde_json::from_str(text).map_err(|_| NO_JWK.to_owned())?;
    if jwk.keys().any(|member| PublicKey::is_private_member(member)) {
        return Err(PRIVATE.to_owned());
    }
    public_key(&jwk).map_err(|cause| cause.trim_start_matches("jwks: ").to_owned())
}

/// Whether a text is the JWK of a public key, right or not. What cannot be read, or has a member that nobody knows, may
/// be a private key.
fn holds_no_secret(text: &str) -> bool {
    let jwk = serde_json::from_str::<Map<String, Value>>(text);
    let is_public =
        |(name, value): (&String, &Value)| PUBLIC_MEMBERS.contains(&name.as_str()) && value.is_string();
    jwk.is_ok_and(|jwk| jwk.iter().all(is_public))
}

impl Console {
    /// Registers a public key of an application; gives its `kid`. A service that had a secret of which nobody knows
    /// authenticates with its first key from then on.
    fn register(&self, administrator: &Administrator, id: &str, key: &PublicKey) -> Result<String, ApiError> {
        let app = self.management.app(id)?;
        let key = self.management.add_key(&administrator.permit(), id, key, KeyStatus::Active)?;
        if takes_first_key(&app) {
            self.authenticate_by(administrator, id, TokenEndpointAuthMethod::PrivateKeyJwt.name())?;
        }
        Ok(key.key.key_id().unwrap_or_default().to_owned())
    }
}

fn takes_first_key(app: &App) -> bool {
    app.client.application_type == ApplicationType::Service
        && app.client.token_endpoint_auth_method != TokenEndpointAuthMethod::PrivateKeyJwt
        && app.keys.keys().is_empty()
}

#[derive(Template)]
#[template(path = "console/apps/key.html")]
struct KeyShown<'a> {
    frame: Frame,
    head: Head,
    kid: &'a str,
    pem: &'a str,
    jwk: &'a str,
}

impl Page for KeyShown<'_> {}

/// `POST /admin/apps/{id}/keys/generate`: makes a pair, registers the public key and shows the private one.
pub(super) async fn generate(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let algorithm = match form.get("alg") {
            Some("ES256") => Algorithm::ES256,
            None | Some("RS256") => Algorithm::RS256,
            Some(_) => return Err(Failure::unknown_value("alg")),
        };
        let pair = Pair::make(algorithm).map_err(|error| ApiError::internal(&error))?;
        let kid = match console.register(&administrator, &id, &pair.public) {
            Ok(kid) => kid,
            Err(error) => {
                return console.general_page(&administrator, &id, Problems::of(error)?, |_| ());
            }
        };
        let head = Head::new(console.management.app(&id)?, Tab::General);
        let frame = console.frame(&administrator, SECTION);
        let page = KeyShown { frame, head, kid: &kid, pem: &pair.pem, jwk: &pair.jwk };
        Ok(page.answer(StatusCode::CREATED, &[]))
    })
    .await
}

/// A new pair of keys, the private one as it is shown.
struct Pair {
    public: PublicKey,
    pem: Zeroizing<String>,
    jwk: Zeroizing<String>,
}

impl Pair {
    fn make(algorithm: Algorithm) -> Result<Self, KeyError> {
        let key = SigningKey::generate(algorithm)?;
        let public = key.private_key().public_key().clone();
        let kid = public.thumbprint().to_string();
        let without_kid = key.private_key().to_jwk()?;
        let members = without_kid.strip_prefix('{').unwrap_or(&without_kid);
        let jwk = Zeroizing::new(["{\"kid\":\"", &kid, "\",", members].concat());
        Ok(Self { public: public.with_key_id(kid), pem: key.private_key().to_pkcs8_pem()?, jwk })
    }
}

/// `POST /admin/apps/{id}/keys/{id}`: activates, deactivates or deletes a key.
pub(super) async fn change(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, key)): Named<(String, String)>,
    Posted(form): Posted,
) -> Result<Redirect, Failure> {
    run(move || {
        let (api, permit) = (&console.management, administrator.permit());
        let done = match form.require("action")? {
            "activate" => {
                api.set_key_status(&permit, &id, &key, KeyStatus::Active)?;
                Done::KeyActivated
            }
            "delete" => {
                api.delete_key(&permit, &id, &key)?;
                Done::KeyDeleted
            }
            "deactivate" => {
                api.set_key_status(&permit, &id, &key, KeyStatus::Inactive)?;
                Done::KeyDeactivated
            }
            _ => return Err(Failure::unknown_value("action")),
        };
        Ok(done.at(&Tab::General.path(&id)))
    })
    .await
}
