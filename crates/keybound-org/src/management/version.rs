//! The version of one resource, as an entity tag names it (RFC 9110 sections 8.8.3 and 13.1).

use aws_lc_rs::digest;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};
use keybound::base64url;
use serde::Serialize;

/// Bytes of a hash that tell two versions of a resource apart.
const TAG_BYTES: usize = 16;

/// An entity tag with its quotes.
pub(super) struct Version(String);

impl Version {
    /// The version of what is shown.
    pub(super) fn of(view: &impl Serialize) -> Self {
        let shown = serde_json::to_vec(view).unwrap_or_default();
        let digest = digest::digest(&digest::SHA256, &shown);
        let tag = digest.as_ref().get(..TAG_BYTES).unwrap_or_default();
        Self(format!("\"{}\"", base64url::encode(tag)))
    }

    /// Whether the client has this version, and needs no other answer.
    pub(super) fn is_known_to(&self, headers: &HeaderMap) -> bool {
        self.is_named(headers, &IF_NONE_MATCH).unwrap_or(false)
    }

    /// Whether the client wants to change another version.
    pub(super) fn is_stale_to(&self, headers: &HeaderMap) -> bool {
        !self.is_named(headers, &IF_MATCH).unwrap_or(true)
    }

    /// Whether a field names this version; `None` if it is not there.
    fn is_named(&self, headers: &HeaderMap, name: &HeaderName) -> Option<bool> {
        let fields = headers.get_all(name);
        let mut tags =
            fields.iter().filter_map(|field| field.to_str().ok()).flat_map(|field| field.split(','));
        let is_it = |tag: &str| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.0
        };
        headers.contains_key(name).then(|| tags.any(is_it))
    }
}

/// The answer that shows one resource, with its version.
pub(super) fn answer_with(view: &impl Serialize) -> Response {
    let mut answer = Json(view).into_response();
    if let Ok(tag) = HeaderValue::from_str(&Version::of(view).0) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_names_a_version_or_does_not() {
        let version = Version::of(&"this");
        let other = Version::of(&"another");
        for (field, is_named) in [
            (version.0.clone(), true),
            (format!("W/{}", version.0), true),
            (format!("{}, {}", other.0, version.0), true),
            ("*".to_owned(), true),
            (other.0.clone(), false),
            (String::new(), false),
        ] {
            let mut headers = HeaderMap::new();
            for name in [IF_MATCH, IF_NONE_MATCH] {
                headers.insert(name, HeaderValue::from_str(&field).unwrap());
            }
            assert_eq!(version.is_known_to(&headers), is_named, "{field}");
            assert_eq!(version.is_stale_to(&headers), !is_named, "{field}");
        }
        assert!(!version.is_known_to(&HeaderMap::new()) && !version.is_stale_to(&HeaderMap::new()));
    }
}
