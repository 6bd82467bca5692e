//! Paths, where servers tell them apart: patterns that cover them, and what in a path has more than one meaning.

use std::fmt::Write as _;

use keybound::TargetUri;
use percent_encoding::percent_decode_str;

/// A path with places for any segment (`*`) or, at its end, any rest (`**`).
#[derive(Clone, Debug)]
pub struct Pattern {
    segments: Vec<Segment>,
    any_rest: bool,
}

#[derive(Clone, Debug)]
enum Segment {
    Exactly(String),
    Any,
}

/// Why a text is not a path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It does not begin with a slash.
    #[error("a path begins with `/`")]
    NotAbsolute,
    /// `**` stands before the end, or a star is part of a segment.
    #[error("`*` stands for a whole segment, and `**` for all that is left, at the end only")]
    Star,
    /// It has a character that stands in no path, or is not in normal form: no request would ever have it.
    #[error(
        "no request has such a path: it is written in normal form (RFC 3986 section 6.2.2), without query{}",
        written(.instead.as_deref())
    )]
    NotNormal {
        /// What to write, if that can be told.
        instead: Option<String>,
    },
    /// Servers read it differently, so such a path is refused wherever routes tell paths apart.
    #[error("no such path is let in: {0}")]
    Ambiguous(&'static str),
}

impl Pattern {
    /// Reads a pattern, which is a path in normal form but for its stars.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let path = text.strip_prefix('/').ok_or(PatternError::NotAbsolute)?;
        if let Some(reason) = ambiguity(text) {
            return Err(PatternError::Ambiguous(reason));
        }
        match normal_form(text) {
            Some(normal) if normal == text => {}
            instead => return Err(PatternError::NotNormal { instead }),
        }
        let (path, any_rest) = match path.strip_suffix("**") {
            Some(path) if path.is_empty() || path.ends_with('/') => (path.trim_end_matches('/'), true),
            Some(_) => return Err(PatternError::Star),
            None => (path, false),
        };
        let segment = |text: &str| match text {
            "*" => Ok(Segment::Any),
            text if text.contains('*') => Err(PatternError::Star),
            text => Ok(Segment::Exactly(text.to_owned())),
        };
        let no_segments = any_rest && path.is_empty();
        let segments: Result<_, _> = path.split('/').filter(|_| !no_segments).map(segment).collect();
        Ok(Self { segments: segments?, any_rest })
    }

    /// The pattern that covers what [`read_leniently`] makes of the paths that this one covers.
    pub(crate) fn leniently(&self) -> Self {
        let lenient = |segment: &Segment| match segment {
            Segment::Exactly(text) => Segment::Exactly(lenient_segment(&decoded(text))),
            Segment::Any => Segment::Any,
        };
        let mut segments: Vec<_> = self.segments.iter().map(lenient).collect();
        let is_empty = |segment: &Segment| matches!(segment, Segment::Exactly(text) if text.is_empty());
        while segments.len() > 1 && segments.last().is_some_and(is_empty) {
            segments.pop();
        }
        Self { segments, any_rest: self.any_rest }
    }

    /// Whether it covers every path that `other` covers.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        let is_wider = |wide: &Segment, narrow: &Segment| match (wide, narrow) {
            (Segment::Any, Segment::Any) => true,
            (Segment::Any, Segment::Exactly(text)) => !text.is_empty(),
            (Segment::Exactly(wide), Segment::Exactly(narrow)) => wide == narrow,
            (Segment::Exactly(_), Segment::Any) => false,
        };
        let (own, others) = (self.segments.len(), other.segments.len());
        let ends_fit = if self.any_rest { own <= others } else { own == others && !other.any_rest };
        ends_fit && self.segments.iter().zip(&other.segments).all(|(wide, narrow)| is_wider(wide, narrow))
    }

    /// Whether the pattern covers `path`, which is in normal form. `/a/**` covers `/a/b`, `/a/` and `/a`.
    pub fn matches(&self, path: &str) -> bool {
        let mut rest = path.strip_prefix('/').unwrap_or(path).split('/');
        for expected in &self.segments {
            let fits = match (expected, rest.next()) {
                (_, None) => false,
                (Segment::Any, Some(found)) => !found.is_empty(),
                (Segment::Exactly(expected), Some(found)) => expected == found,
            };
            if !fits {
                return false;
            }
        }
        self.any_rest || rest.next().is_none()
    }
}

/// What in a path two servers may read differently. One of them may decode it twice.
pub fn ambiguity(path: &str) -> Option<&'static str> {
    let lower = encoded_once(&path.to_ascii_lowercase());
    let decoded_dots = lower.replace("%2e", ".");
    let segments = || decoded_dots.split('/').skip(1);
    if ["%2f", "%5c", "\\"].iter().any(|text| lower.contains(text)) {
        Some("its path has an encoded slash or a backslash, which servers read differently")
    } else if lower.split('%').skip(1).any(begins_with_control) {
        Some("its path has an encoded control character, at which some servers take it to end")
    } else if [";", "%3b"].iter().any(|text| lower.contains(text)) {
        Some("its path has a semicolon, behind which some servers see parameters that are no part of it")
    } else if segments().any(|segment| matches!(segment, "." | "..")) {
        Some("its path has dot segments; send the path that they lead to")
    } else if path.contains("//") {
        Some("its path has an empty segment, which some servers drop")
    } else {
        None
    }
}

/// `path` with each `%` that is percent-encoded, however often, as it is after all decoding.
fn encoded_once(path: &str) -> String {
    let mut pieces = path.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push('%');
        text.push_str(piece.trim_start_matches("25"));
    }
    text
}

/// Whether what stands behind a `%`, in lower case, is a control character of ASCII.
fn begins_with_control(piece: &str) -> bool {
    matches!(piece.as_bytes(), [b'0' | b'1', digit, ..] if digit.is_ascii_hexdigit())
        || piece.starts_with("7f")
}

/// `path`, in normal form, as the most lenient of servers reads it: decoded before it is cut at its query, without
/// letter case, without slashes at its end, and without dots and white space at the end of its segments.
pub(crate) fn read_leniently(path: &str) -> String {
    let decoded = decoded(path);
    let path = decoded.split(['?', '#']).next().unwrap_or_default();
    let segments: Vec<_> = path.split('/').map(lenient_segment).collect();
    match segments.join("/").trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    }
}

fn lenient_segment(decoded: &str) -> String {
    decoded.trim_end_matches(|end: char| end == '.' || end.is_whitespace()).to_lowercase()
}

fn decoded(text: &str) -> String {
    let bytes: Vec<u8> = percent_decode_str(&encoded_once(text)).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `path` as requests have it, in normal form: what stands in no URI is percent-encoded (RFC 3986 section 2.1).
pub fn normal_form(path: &str) -> Option<String> {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() {
            encoded.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    TargetUri::parse(&format!("http://localhost{encoded}")).ok().map(|uri| uri.path().to_owned())
}

fn written(instead: Option<&str>) -> String {
    instead.map(|instead| format!("; write `{instead}`")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_whole_segments() {
        for (pattern, path, covered) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/orders", "/orders", true),
            ("/orders", "/orders/", false),
            ("/orders", "/ordersX", false),
            ("/orders/*", "/orders/1", true),
            ("/orders/*", "/orders/", false),
            ("/orders/*", "/orders/1/2", false),
            ("/orders/*/lines", "/orders/1/lines", true),
            ("/orders/**", "/orders", true),
            ("/orders/**", "/orders/1/2", true),
            ("/orders/**", "/orders2", false),
            ("/Orders", "/orders", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(path), covered, "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_that_could_never_cover_a_request_is_an_error_that_says_what_to_write() {
        let not_normal = |instead: &str| PatternError::NotNormal { instead: Some(instead.to_owned()) };
        for (pattern, reason) in [
            ("orders", PatternError::NotAbsolute),
            ("", PatternError::NotAbsolute),
            ("/a*", PatternError::Star),
            ("/**/a", PatternError::Star),
            ("/a**", PatternError::Star),
            ("/%7Ea", not_normal("/~a")),
            ("/a?b", not_normal("/a")),
            ("/\u{e9}", not_normal("/%C3%A9")),
            ("/a b", not_normal("/a%20b")),
            ("/%zz", PatternError::NotNormal { instead: None }),
        ] {
            assert_eq!(Pattern::parse(pattern).err(), Some(reason), "{pattern}");
        }
        for pattern in ["/a/../b", "/a//b", "/a%2Fb", "/a;v=1", "/a%0A"] {
            let found = Pattern::parse(pattern).err();
            assert!(matches!(found, Some(PatternError::Ambiguous(_))), "{pattern}: {found:?}");
        }
    }

    #[test]
    fn what_some_server_reads_as_one_path_is_covered_leniently() {
        for (pattern, path, covered, why) in [
            ("/admin", "/Admin", true, "without case"),
            ("/Admin", "/admin", true, "whatever case the policy has"),
            ("/admin", "/admin/", true, "a slash at the end"),
            ("/admin/", "/admin", true, "or none"),
            ("/admin", "/admin.", true, "a file of Windows"),
            ("/admin", "/admin%20", true, "white space"),
            ("/admin", "/admin%C2%A0", true, "of any kind"),
            ("/admin/users", "/admin%20/users", true, "in the middle"),
            ("/jobs:cancel", "/jobs%3Acancel", true, "decoded"),
            ("/jobs:cancel", "/jobs%253Acancel", true, "decoded twice"),
            ("/100%25", "/100%25", true, "what is a percent sign"),
            ("/admin", "/admin%3Fx", true, "decoded before it is cut"),
            ("/admin", "/admin%23x", true, "the same of a fragment"),
            ("/admin/**", "/ADMIN/x", true, "any rest"),
            ("/admin/*/x", "/ADMIN/1/X/", true, "any segment"),
            ("/", "/", true, "the root"),
            ("/admin", "/", false, "the root"),
            ("/admin", "/administrator", false, "more letters"),
            ("/admin", "/admin/x", false, "another segment"),
            ("/admin", "/%FFadmin", false, "what is no UTF-8"),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(pattern.leniently().matches(&read_leniently(path)), covered, "{why}: {path}");
        }
    }

    #[test]
    fn a_pattern_includes_another_if_it_covers_all_that_the_other_covers() {
        for (wide, narrow, includes) in [
            ("/**", "/", true),
            ("/**", "/a/**", true),
            ("/a/**", "/a", true),
            ("/a/**", "/a/*/b", true),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/*", true),
            ("/a", "/a", true),
            // `/a/**` covers `/a` too.
            ("/a/*/**", "/a/**", false),
            ("/a/b", "/a/*", false),
            ("/a/*", "/a/", false),
            ("/a/*", "/a/**", false),
            ("/a", "/a/b", false),
            ("/a/b", "/a", false),
        ] {
            let pattern = |text| Pattern::parse(text).unwrap();
            assert_eq!(pattern(wide).includes(&pattern(narrow)), includes, "{wide} {narrow}");
        }
    }
}
