//! Where a request comes from, for the system log.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use http::header::USER_AGENT;
use http::request::Parts;
use http::{Extensions, HeaderMap};

use crate::event::EventClient;

/// The address at the other end of the connection, and what the client says it is. A field such as
/// `X-Forwarded-For` counts for nothing: whoever calls can write what they like into it.
pub(crate) fn of(head: &Parts) -> EventClient {
    of_fields(&head.headers, &head.extensions)
}

impl<S: Sync> FromRequestParts<S> for EventClient {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(of(head))
    }
}

/// The same of a request with these header fields and extensions.
pub(crate) fn of_fields(headers: &HeaderMap, extensions: &Extensions) -> EventClient {
    let connection = extensions.get::<ConnectInfo<SocketAddr>>();
    let user_agent = headers.get(USER_AGENT).and_then(|field| field.to_str().ok());
    EventClient {
        ip: connection.map(|ConnectInfo(address)| address.ip().to_string()),
        user_agent: user_agent.map(str::to_owned),
    }
}
