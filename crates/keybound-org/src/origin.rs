//! Where a request comes from, for the system log.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{Extensions, HeaderMap};

use crate::event::EventClient;

/// The address at the other end of the connection, and what the client says it is. A field such as
/// `X-Forwarded-For` counts for nothing: whoever calls can write what they like into it.
pub(crate) fn of(head: &Parts) -> EventClient {
    of_fields(&head.headers, &head.extensions)
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
