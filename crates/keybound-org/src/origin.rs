//! Where a request comes from, for the system log.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::header::USER_AGENT;
use http::request::Parts;

use crate::event::EventClient;

/// The address at the other end of the connection, and what the client says it is. A field such as
/// `X-Forwarded-For` counts for nothing: whoever calls can write what they like into it.
pub(crate) fn of(head: &Parts) -> EventClient {
    let connection = head.extensions.get::<ConnectInfo<SocketAddr>>();
    let user_agent = head.headers.get(USER_AGENT).and_then(|field| field.to_str().ok());
    EventClient {
        ip: connection.map(|ConnectInfo(address)| address.ip().to_string()),
        user_agent: user_agent.map(str::to_owned),
    }
}
