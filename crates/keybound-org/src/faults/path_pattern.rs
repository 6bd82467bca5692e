//! Paths that a fault is kept to.

/// Characters of a pattern, at most.
pub(super) const MAX_PATTERN_CHARACTERS: usize = 256;

/// A path in which `*` stands for one segment, and `**` at the end for any number of them, none included. Paths are
/// compared as they are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathPattern {
    segments: Vec<Segment>,
    /// Whether more segments may follow.
    is_open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Any,
    Text(String),
}

impl PathPattern {
    /// Reads a pattern; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        if text.len() > MAX_PATTERN_CHARACTERS || text.contains(['?', '#']) || text.contains(char::is_control)
        {
            return None;
        }
        let (rest, is_open) = match rest.strip_suffix("**") {
            Some(rest) if rest.is_empty() || rest.ends_with('/') => (rest.trim_end_matches('/'), true),
            Some(_) => return None,
            None => (rest, false),
        };
        let segment = |segment: &str| match segment {
            "*" => Some(Segment::Any),
            text => (!text.contains('*')).then(|| Segment::Text(text.to_owned())),
        };
        let no_segment = rest.is_empty() && is_open;
        let segments = if no_segment { Some(Vec::new()) } else { rest.split('/').map(segment).collect() };
        Some(Self { segments: segments?, is_open })
    }

    /// Whether a path is one of those that are meant.
    pub(super) fn fits(&self, path: &str) -> bool {
        let mut asked = path.strip_prefix('/').unwrap_or(path).split('/');
        let fits = self.segments.iter().all(|segment| match (segment, asked.next()) {
            (Segment::Any, Some(asked)) => !asked.is_empty(),
            (Segment::Text(text), Some(asked)) => text == asked,
            (_, None) => false,
        });
        fits && (self.is_open || asked.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_whole_segments() {
        for (pattern, path, expected) in [
            ("/api/v1/users", "/api/v1/users", true),
            ("/api/v1/users", "/api/v1/users/00u1", false),
            ("/api/v1/users", "/api/v1/usersandmore", false),
            ("/api/v1/users/*", "/api/v1/users/00u1", true),
            ("/api/v1/users/*", "/api/v1/users", false),
            ("/api/v1/users/*", "/api/v1/users/", false),
            ("/api/v1/users/*/groups", "/api/v1/users/00u1/groups", true),
            ("/api/v1/**", "/api/v1/users/00u1/groups", true),
            ("/api/v1/**", "/api/v1", true),
            ("/api/v1/**", "/api/v10", false),
            ("/**", "/", true),
            ("/**", "/oauth2/v1/token", true),
            ("/*/v1/token", "/oauth2/v1/token", true),
            ("/", "/", true),
            ("/", "/x", false),
        ] {
            assert_eq!(PathPattern::parse(pattern).unwrap().fits(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = format!("/{}", "a".repeat(MAX_PATTERN_CHARACTERS));
        for text in ["", "api", "/a*", "/a**", "/**/a", "/***", "/a?b", "/a#b", &long] {
            assert_eq!(PathPattern::parse(text), None, "{text}");
        }
    }
}
