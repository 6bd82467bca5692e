//! The guard as Envoy's external authorization service (`envoy.filters.http.ext_authz`), over HTTP and, with
//! the feature `grpc`, over gRPC. Over gRPC every refusal reaches the client as it is; over HTTP Envoy puts a
//! status of its own in place of 503.

#[cfg(feature = "grpc")]
mod grpc;
mod http_service;
#[cfg(feature = "grpc")]
mod messages;

#[cfg(feature = "grpc")]
pub use grpc::{ExtAuthz, MAX_CHECK_REQUEST_BYTES};
pub use http_service::{HEADERS_TO_REMOVE, http_router};
