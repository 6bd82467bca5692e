//! Who sent a request to this server, as the server before the guard tells.

use std::net::IpAddr;

use http::Extensions;

/// The address of whoever sent a request to this server, as an extension of the request. A server that is
/// none of axum's or tonic's puts it in; it counts before what those two put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// The address that the extensions of a request tell. They are set by the server, never by a client.
pub(crate) fn of(extensions: &Extensions) -> Option<IpAddr> {
    let own = extensions.get::<PeerAddress>().map(|peer| peer.0);
    own.or_else(|| of_axum(extensions)).or_else(|| of_tonic(extensions))
}

#[cfg(feature = "axum")]
fn of_axum(extensions: &Extensions) -> Option<IpAddr> {
    use std::net::SocketAddr;

    extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
}

#[cfg(not(feature = "axum"))]
fn of_axum(_: &Extensions) -> Option<IpAddr> {
    None
}

#[cfg(feature = "grpc")]
fn of_tonic(extensions: &Extensions) -> Option<IpAddr> {
    use tonic::transport::server::TcpConnectInfo;

    extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr).map(|peer| peer.ip())
}

#[cfg(not(feature = "grpc"))]
fn of_tonic(_: &Extensions) -> Option<IpAddr> {
    None
}
