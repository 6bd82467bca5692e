//! Who was let in, told to the API behind the guard in header fields that no client can forge.
//!
//! Every field whose name begins with [`PREFIX`] is taken out of a request before the guard puts in its own,
//! spelt in whatever way a server behind might read as the same name.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use keybound::exchange::DPOP;

use crate::guard::Admission;
use crate::overrides;

/// What the names of the guard's own header fields begin with.
pub const PREFIX: &str = "x-keybound-";

/// `sub` of the access token.
pub const SUBJECT: HeaderName = HeaderName::from_static("x-keybound-subject");
/// `client_id` of the access token.
pub const CLIENT_ID: HeaderName = HeaderName::from_static("x-keybound-client-id");
/// `iss` of the access token.
pub const ISSUER: HeaderName = HeaderName::from_static("x-keybound-issuer");
/// The scopes of the access token, with a space between two.
pub const SCOPE: HeaderName = HeaderName::from_static("x-keybound-scope");
/// The thumbprint of the key that the token is bound to; absent with a bearer token.
pub const THUMBPRINT: HeaderName = HeaderName::from_static("x-keybound-thumbprint");

/// All of them: what a proxy has to copy from a forward-auth answer.
pub const FIELDS: [HeaderName; 5] = [SUBJECT, CLIENT_ID, ISSUER, SCOPE, THUMBPRINT];

/// The fields that tell who was let in. A value that no header field can hold is percent-encoded.
pub fn fields(admission: &Admission) -> Vec<(HeaderName, HeaderValue)> {
    let Some(admitted) = &admission.admitted else { return Vec::new() };
    let token = admitted.access_token();
    let thumbprint = token.thumbprint.map(|thumbprint| thumbprint.to_string());
    [
        (SUBJECT, Some(token.subject.as_str().into())),
        (CLIENT_ID, token.client_id.as_deref().map(Cow::from)),
        (ISSUER, Some(token.issuer.as_str().into())),
        (SCOPE, Some(token.scopes.join(" ").into())),
        (THUMBPRINT, thumbprint.map(Cow::from)),
    ]
    .into_iter()
    .filter_map(|(name, text)| Some((name, value(text?))))
    .collect()
}

/// What is to become of the header fields of a request that goes on to what is behind the guard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Changes {
    /// The fields to take out: the guard's own that it does not set and those of [`overrides`], every spelling of
    /// them that the request has, and the credentials, since what is behind has no use for a token whose proof is
    /// used up.
    pub remove: Vec<HeaderName>,
    /// The fields to set, in place of any of the same name.
    pub set: Vec<(HeaderName, HeaderValue)>,
}

/// The changes to a request with these header fields.
pub fn changes(headers: &HeaderMap, admission: &Admission) -> Changes {
    let set = fields(admission);
    let is_set = |name: &HeaderName| set.iter().any(|(own, _)| own == name);
    let credentials = admission.admitted.is_some().then_some(AUTHORIZATION);
    let of_request = headers.keys().filter(|name| is_own(name) || overrides::is_override(name)).cloned();
    let named = FIELDS.into_iter().chain(overrides::FIELDS.iter().cloned());
    let mut remove: Vec<_> = of_request.chain(named).filter(|name| !is_set(name)).collect();
    remove.extend(credentials);
    remove.push(DPOP);
    remove.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    remove.dedup();
    Changes { remove, set }
}

/// Takes out of a request what only the guard may say, and the credentials, and puts in what the guard says.
pub fn replace(headers: &mut HeaderMap, admission: &Admission) {
    remove_forged(headers);
    headers.remove(DPOP);
    if admission.admitted.is_some() {
        headers.remove(AUTHORIZATION);
    }
    for (name, value) in fields(admission) {
        headers.insert(name, value);
    }
}

/// Takes out of a request what only the guard may say, in every spelling.
pub fn remove_forged(headers: &mut HeaderMap) {
    remove_named(headers, is_own);
}

/// Takes every field out whose name `is_meant`.
pub(crate) fn remove_named(headers: &mut HeaderMap, is_meant: impl Fn(&HeaderName) -> bool) {
    let meant: Vec<_> = headers.keys().filter(|name| is_meant(name)).cloned().collect();
    for name in meant {
        headers.remove(name);
    }
}

fn is_own(name: &HeaderName) -> bool {
    read_alike(name).take(PREFIX.len()).eq(PREFIX.bytes())
}

/// A name as servers behind gateways of the CGI kind read it: `_` and, for some, every other character that is
/// neither letter nor digit is the same as `-`.
pub(crate) fn read_alike(name: &HeaderName) -> impl Iterator<Item = u8> + '_ {
    name.as_str().bytes().map(|byte| if byte.is_ascii_alphanumeric() { byte } else { b'-' })
}

/// Printable ASCII stays; all else, `%`, and spaces at both ends, which are no part of a field, are percent-encoded, so
/// that no claim can end the field or be read as another.
fn value(text: Cow<'_, str>) -> HeaderValue {
    let stays = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    let has_its_ends = text.trim_matches(' ').len() == text.len();
    if has_its_ends && text.bytes().all(stays) {
        return HeaderValue::try_from(text.into_owned()).unwrap_or(HeaderValue::from_static(""));
    }
    let begin = text.len() - text.trim_start_matches(' ').len();
    let end = text.trim_end_matches(' ').len();
    let mut encoded = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        if stays(byte) && (begin..end).contains(&at) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    HeaderValue::try_from(encoded).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_claim_ends_its_field_or_is_read_as_another() {
        for (claim, field) in [
            ("user 1", "user 1"),
            (" admin", "%20admin"),
            ("admin  ", "admin%20%20"),
            ("  ", "%20%20"),
            ("\tadmin", "%09admin"),
            ("x\r\nx-keybound-scope: all", "x%0D%0Ax-keybound-scope: all"),
            ("100%20", "100%2520"),
            ("\u{fc}", "%C3%BC"),
            ("", ""),
        ] {
            assert_eq!(value(claim.into()), field, "{claim:?}");
        }
    }
}
