//! What an answer's header fields refer to: a reference as a whole URI (RFC 3986 section 5), and the references of a `Link`
//! (RFC 8288 section 3).

/// A reference in its parts (RFC 3986 section 4.1 and appendix B).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'r> {
    pub(super) scheme: Option<&'r str>,
    pub(super) authority: Option<&'r str>,
    pub(super) path: &'r str,
    pub(super) query: Option<&'r str>,
    pub(super) fragment: Option<&'r str>,
}

impl<'r> Reference<'r> {
    /// Any text is one; what can't stand in a URI is left as it is.
    pub(super) fn parse(text: &'r str) -> Self {
        let (text, fragment) = cut(text, '#');
        let (text, query) = cut(text, '?');
        let (scheme, text) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, text),
        };
        let (authority, path) = match text.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, text),
        };
        Self { scheme, authority, path, query, fragment }
    }

    /// The URI that this is, seen from `base`, which has a scheme, an authority and a path (section 5.2.2, strictly): its
    /// parts, the path without dot segments.
    pub(super) fn seen_from(self, base: Self) -> (Self, String) {
        if self.scheme.is_some() {
            return (self, without_dot_segments(self.path));
        }
        let scheme = base.scheme;
        if self.authority.is_some() {
            return (Self { scheme, ..self }, without_dot_segments(self.path));
        }
        let (authority, query) = (base.authority, self.query.or(base.query.filter(|_| self.path.is_empty())));
        let path = match self.path {
            "" => base.path.to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => {
                let folder = base.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{path}")
            }
        };
        (Self { scheme, authority, query, ..self }, without_dot_segments(&path))
    }
}

/// What is before the first `mark`, and what is behind it.
fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, behind)| (before, Some(behind)))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Section 5.2.4.
fn without_dot_segments(path: &str) -> String {
    let Some(segments) = path.strip_prefix('/') else { return path.to_owned() };
    let mut kept = Vec::new();
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        // What is above or here is a folder.
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// The field of a `Link` with each of its addresses (`<…>`, and `anchor` in quotes) as `write` makes it. A malformed link
/// ends what is understood: what follows can't be told from its parts.
pub(super) fn in_links(field: &str, write: impl Fn(&str) -> String) -> String {
    let mut written = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find(['<', '"']) {
        let (before, found) = rest.split_at(at);
        let is_target = found.starts_with('<');
        let (open, inner) = found.split_at(1);
        let Some(end) = (if is_target { inner.find('>') } else { end_of_quotes(inner) }) else { break };
        let (inner, after) = inner.split_at(end);
        let (close, after) = after.split_at(1);
        written.push_str(before);
        written.push_str(open);
        if is_target || (is_value_of_anchor(before) && !inner.contains('\\')) {
            written.push_str(&write(inner.trim()));
        } else {
            written.push_str(inner);
        }
        written.push_str(close);
        rest = after;
    }
    written + rest
}

/// Where the quote closes that was opened before `text` (RFC 9110 section 5.6.4).
fn end_of_quotes(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, character)| {
        let closes = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        closes.then_some(at)
    })
}

/// Whether `before` ends with `; anchor=`.
fn is_value_of_anchor(before: &str) -> bool {
    let parameter = before.rsplit(';').next().unwrap_or_default();
    parameter.trim().strip_suffix('=').is_some_and(|name| name.trim().eq_ignore_ascii_case("anchor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(base: &str, reference: &str) -> String {
        let (parts, path) = Reference::parse(reference).seen_from(Reference::parse(base));
        let part = |before: &str, part: Option<&str>| part.map(|part| format!("{before}{part}"));
        [
            parts.scheme.map(|scheme| format!("{scheme}:")),
            part("//", parts.authority),
            Some(path),
            part("?", parts.query),
            part("#", parts.fragment),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    #[test]
    fn references_are_resolved_as_the_examples_of_rfc_3986_are() {
        const BASE: &str = "http://a/b/c/d;p?q";
        for (reference, uri) in [
            // Section 5.4.1.
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            (";x", "http://a/b/c/;x"),
            ("g;x", "http://a/b/c/g;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../", "http://a/"),
            ("../../g", "http://a/g"),
            // Section 5.4.2.
            ("../../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g#s/./x", "http://a/b/c/g#s/./x"),
            ("g#s/../x", "http://a/b/c/g#s/../x"),
            ("http:g", "http:g"),
            // A colon that ends no scheme, and an empty query.
            ("./a:b", "http://a/b/c/a:b"),
            ("1:b", "http://a/b/c/1:b"),
            ("?", "http://a/b/c/d;p?"),
        ] {
            assert_eq!(resolved(BASE, reference), uri, "{reference}");
        }
        assert_eq!(resolved("http://a", "g"), "http://a/g", "section 5.2.3: a base without a path");
    }

    #[test]
    fn the_addresses_of_a_link_are_told_from_its_texts() {
        for (field, written, why) in [
            ("<a>; rel=\"next\"", "<[a]>; rel=\"next\"", "a link"),
            ("<a>; rel=self, <b>;rel=next", "<[a]>; rel=self, <[b]>;rel=next", "two"),
            ("< a,b;c >", "<[a,b;c]>", "commas and semicolons"),
            ("<>", "<[]>", "an empty reference: the resource itself"),
            ("<a>; title=\"<b>\"", "<[a]>; title=\"<b>\"", "a text"),
            ("<a>; title=\"x\\\" <b>\", <c>", "<[a]>; title=\"x\\\" <b>\", <[c]>", "a quote in a text"),
            ("<a>; anchor=\"b\"", "<[a]>; anchor=\"[b]\"", "section 3.2"),
            ("<a>; Anchor = \"#b\"; rel=up", "<[a]>; Anchor = \"[#b]\"; rel=up", "without letter case"),
            ("<a>; notanchor=\"b\"", "<[a]>; notanchor=\"b\"", "another parameter"),
            ("<a", "<a", "an open target"),
            ("<a>; title=\"b, <c>", "<[a]>; title=\"b, <c>", "an open quote"),
            ("a", "a", "no link"),
            ("", "", "nothing"),
        ] {
            assert_eq!(in_links(field, |address| format!("[{address}]")), written, "{why}");
        }
    }
}
