//! A request that a guard let in, kept for what the API itself may still refuse.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, FORWARDED, HOST, HeaderName};
use http::{Extensions, HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use keybound::Refusal;
use keybound::credentials::CredentialsRefusal;
use keybound::resource::Admitted;

use crate::guard::{Admission, Guard, IncomingRequest};
use crate::{answer, target};

/// What of a request a later refusal depends on: its line in the log, its challenge, its form.
const KEPT: [HeaderName; 5] =
    [HOST, CONTENT_TYPE, FORWARDED, target::X_FORWARDED_HOST, target::X_FORWARDED_PROTO];

/// A request that a guard let in. An extension of the request, shared by whatever looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Judged(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    guard: Guard,
    admission: Arc<Admission>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    peer: Option<IpAddr>,
    secure: bool,
}

impl Judged {
    pub(crate) fn new(guard: &Guard, request: &IncomingRequest<'_>, admission: Arc<Admission>) -> Self {
        let kept = KEPT.into_iter().filter_map(|name| {
            let value = request.headers.get(&name)?.clone();
            Some((name, value))
        });
        Self(Arc::new(Inner {
            guard: guard.clone(),
            admission,
            method: request.method.clone(),
            uri: request.uri.clone(),
            headers: kept.collect(),
            peer: request.peer,
            secure: request.secure,
        }))
    }

    /// The one that the layer put there; without it, the answer is that of a fault of this server.
    pub(crate) fn of(extensions: &Extensions) -> Result<&Self, Box<Response<Bytes>>> {
        extensions.get().ok_or_else(no_layer)
    }

    #[cfg(feature = "axum")]
    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    /// Who was let in, or the challenge for credentials where the route asked for none.
    pub(crate) fn admitted(&self) -> Result<&Admitted, Box<Response<Bytes>>> {
        let admitted = self.0.admission.admitted.as_ref();
        admitted.ok_or_else(|| self.refuse(CredentialsRefusal::Missing.into()))
    }

    pub(crate) fn require_scope(&self, any_of: &[&str]) -> Result<(), Box<Response<Bytes>>> {
        self.admitted()?.require_scope(any_of).map_err(|refusal| self.refuse(refusal))
    }

    fn refuse(&self, refusal: Refusal) -> Box<Response<Bytes>> {
        let kept = &*self.0;
        let request = IncomingRequest {
            method: &kept.method,
            uri: &kept.uri,
            headers: &kept.headers,
            peer: kept.peer,
            secure: kept.secure,
        };
        let refused = kept.guard.refuse(&request, Some(&kept.admission), refusal);
        Box::new(answer::for_client_of(&request, refused.response))
    }
}

/// Somebody forgot the layer: nothing was checked, so nothing is let through.
fn no_layer() -> Box<Response<Bytes>> {
    const MESSAGE: &str = "no GuardLayer stands before what asks who the caller is";
    tracing::error!(MESSAGE);
    let mut response = Response::new(Bytes::from_static(MESSAGE.as_bytes()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Box::new(response)
}
