//! Who calls, for handlers of axum behind a [`GuardLayer`](crate::layer::GuardLayer).
//!
//! ```
//! use keybound_guard::extract::{Caller, GuardRejection};
//!
//! async fn delete_order(caller: Caller) -> Result<String, GuardRejection> {
//!     caller.require_scope(&["orders.write"])?;
//!     Ok(format!("deleted by {}", caller.subject()))
//! }
//!
//! /// Of a route that admits without a token too.
//! async fn greet(caller: Option<Caller>) -> String {
//!     caller.map_or("hello".to_owned(), |caller| format!("hello, {}", caller.subject()))
//! }
//! ```

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::IntoResponse;
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use keybound::Thumbprint;
use keybound::access_token::AccessToken;

use crate::judged::Judged;

/// Who calls: what the verified access token says, and the key that the request was proved with.
///
/// On a route that admits without a token there may be nobody: `Caller` then asks for credentials (401, as the
/// guard does), `Option<Caller>` is `None`. Without a layer before the handler nobody was checked: that is
/// logged as an error and answered with 500.
#[derive(Clone, Debug)]
pub struct Caller {
    judged: Judged,
    access_token: Arc<AccessToken>,
}

impl Caller {
    /// Whom the token stands for (`sub`): a user, or the client itself.
    pub fn subject(&self) -> &str {
        &self.access_token.subject
    }

    /// The client that the token was issued to (`client_id`).
    pub fn client_id(&self) -> Option<&str> {
        self.access_token.client_id.as_deref()
    }

    /// The authorization server that issued the token (`iss`). A subject means something with it only.
    pub fn issuer(&self) -> &str {
        &self.access_token.issuer
    }

    /// What the token allows (`scope`).
    pub fn scopes(&self) -> &[String] {
        &self.access_token.scopes
    }

    /// The thumbprint of the key that the token is bound to, and that the caller has shown to hold; `None`
    /// with a bearer token.
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        self.access_token.thumbprint
    }

    /// All that the token says.
    pub fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// Refuses unless the token has one of these scopes, with 403 and the first of them as the one to ask for
    /// (RFC 6750 section 3.1). No scope is had by nobody.
    pub fn require_scope(&self, any_of: &[&str]) -> Result<(), GuardRejection> {
        self.judged.require_scope(any_of).map_err(GuardRejection)
    }

    fn of(judged: &Judged) -> Option<Self> {
        let admitted = judged.admission().admitted.as_ref()?;
        Some(Self { judged: judged.clone(), access_token: admitted.shared_access_token() })
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = GuardRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, GuardRejection> {
        let judged = Judged::of(&parts.extensions).map_err(GuardRejection)?;
        let admitted = judged.admitted().map_err(GuardRejection)?;
        Ok(Self { judged: judged.clone(), access_token: admitted.shared_access_token() })
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = GuardRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, GuardRejection> {
        Judged::of(&parts.extensions).map(Self::of).map_err(GuardRejection)
    }
}

/// The answer to a request that may not go on, as the guard gives it.
#[derive(Debug)]
pub struct GuardRejection(Box<Response<Bytes>>);

impl IntoResponse for GuardRejection {
    fn into_response(self) -> axum::response::Response {
        self.0.map(axum::body::Body::from)
    }
}
