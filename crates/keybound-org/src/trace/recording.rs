//! What is kept of a request and its answer: the bytes, as they came. Nothing is parsed before somebody looks.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use keybound::{Nonces, NumericDate};
use zeroize::Zeroizing;

use crate::answer::RefusedBy;

/// Bytes of a body that are recorded, at most; every form and every token is far shorter.
pub const MAX_RECORDED_BODY_BYTES: usize = 64 * 1024;

/// What a recording takes beside its bytes, roughly: it counts too.
const OWN_BYTES: usize = 512;

/// A request and its answer. It holds secrets, so it has no `Debug`; header fields and bodies are erased with it.
pub(crate) struct Recording {
    pub(super) id: u64,
    pub(super) at: NumericDate,
    pub(super) duration: Duration,
    pub(super) client: Option<SocketAddr>,
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) fields: Fields,
    pub(super) body: RecordedBody,
    /// None if there was no answer.
    pub(super) status: Option<StatusCode>,
    pub(super) answer_fields: Fields,
    pub(super) answer_body: RecordedBody,
    pub(super) refused: Option<RefusedBy>,
    /// The nonces that were taken then.
    pub(super) nonces: Arc<Nonces>,
    pub(super) replay_of: Option<u64>,
    /// The conversation that it belongs to, once somebody has looked.
    pub(super) conversation: OnceLock<u64>,
}

impl Recording {
    /// Bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.fields.0, &self.answer_fields.0, &self.body.bytes, &self.answer_body.bytes];
        let target = self.target.path_and_query().map_or(0, |target| target.as_str().len());
        OWN_BYTES + target + texts.iter().map(|text| text.capacity()).sum::<usize>()
    }
}

/// Header fields in one piece, as HTTP/1.1 writes them.
#[derive(Default)]
pub(super) struct Fields(Zeroizing<Vec<u8>>);

impl Fields {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let length = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let mut text = Zeroizing::new(Vec::with_capacity(length));
        for (name, value) in headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                text.extend_from_slice(part);
            }
        }
        Self(text)
    }

    pub(super) fn read(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        // No value has a line feed.
        for line in self.0.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = line.split_at(colon);
            let value = value.strip_prefix(b": ").unwrap_or_default();
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        headers
    }
}

/// A body, as far as it was recorded.
#[derive(Default)]
pub(super) struct RecordedBody {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Bytes of the whole body, as far as it came.
    pub(super) length: u64,
    /// Whether it came to its end.
    pub(super) is_complete: bool,
}

impl RecordedBody {
    /// A body of no bytes.
    pub(super) fn empty() -> Self {
        Self { is_complete: true, ..Self::default() }
    }

    pub(super) fn push(&mut self, data: &Bytes) {
        let room = MAX_RECORDED_BODY_BYTES - self.bytes.len().min(MAX_RECORDED_BODY_BYTES);
        let recorded = data.get(..room.min(data.len())).unwrap_or_default();
        // Grown to what is needed, no further: what is bounded is memory.
        self.bytes.reserve_exact(recorded.len());
        self.bytes.extend_from_slice(recorded);
        self.length = self.length.saturating_add(data.len() as u64);
    }

    /// Whether all of it is here.
    pub(super) fn is_whole(&self) -> bool {
        self.is_complete && self.length == self.bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_written() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("a", &b"1"[..]), ("a", b""), ("b", b"x: y\xff"), ("c", b" ")] {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        assert_eq!(Fields::of(&headers).read(), headers);
        assert_eq!(Fields::of(&HeaderMap::new()).read(), HeaderMap::new());
    }

    #[test]
    fn of_a_long_body_the_beginning_is_kept_and_the_length_known() {
        let mut body = RecordedBody::empty();
        for _ in 0..5 {
            body.push(&Bytes::from(vec![7; 20_000]));
        }
        assert_eq!(
            (body.bytes.len(), body.length, body.is_whole()),
            (MAX_RECORDED_BODY_BYTES, 100_000, false)
        );
        let mut body = RecordedBody::empty();
        body.push(&Bytes::from_static(b"ab"));
        assert!(body.is_whole());
        body.is_complete = false;
        assert!(!body.is_whole());
    }
}
