//! The `Link` header field, from which the next page of a list is known (RFC 8288 section 3).

use http::{HeaderMap, header};
use keybound_client::field;

/// Links read from one answer, at most; Okta sends two.
const MAX_LINKS: usize = 32;

/// The target of the link to the next page (`rel="next"`) as the server wrote it, if there is one.
///
/// It is another's word: whoever follows it checks first where it leads.
pub fn next(answer: &HeaderMap) -> Option<String> {
    let fields = answer.get_all(header::LINK).iter().filter_map(|field| field.to_str().ok());
    fields.flat_map(Links).take(MAX_LINKS).find(Link::is_next).map(|link| link.target.to_owned())
}

/// One link: `<target>; parameter; parameter="value"`.
#[derive(Debug, Default)]
struct Link<'a> {
    target: &'a str,
    relations: Option<String>,
    /// The link is about another resource than the one that was asked for.
    about_another: bool,
}

impl Link<'_> {
    fn is_next(&self) -> bool {
        let relations = self.relations.as_deref().unwrap_or_default();
        !self.about_another
            && relations.split_ascii_whitespace().any(|name| name.eq_ignore_ascii_case("next"))
    }

    /// Takes a parameter; of several `rel` only the first counts (RFC 8288 section 3.3).
    fn set(&mut self, name: &str, value: String) {
        if name.eq_ignore_ascii_case("rel") {
            self.relations.get_or_insert(value);
        } else if name.eq_ignore_ascii_case("anchor") {
            self.about_another = true;
        }
    }
}

/// The links of one field. A malformed link ends the field: what follows it can't be told from its parts.
struct Links<'a>(&'a str);

impl<'a> Iterator for Links<'a> {
    type Item = Link<'a>;

    fn next(&mut self) -> Option<Link<'a>> {
        let text = self.0.trim_start_matches([' ', '\t', ',']);
        self.0 = "";
        let (target, mut rest) = text.strip_prefix('<')?.split_once('>')?;
        let mut link = Link { target: target.trim(), ..Link::default() };
        loop {
            rest = field::skip_white_space(rest);
            if rest.is_empty() || rest.starts_with(',') {
                self.0 = rest;
                return Some(link);
            }
            let (name, value, after) = parameter(rest.strip_prefix(';')?)?;
            link.set(name, value);
            rest = after;
        }
    }
}

/// The parameter at the start of `text`, empty if there is nothing between two semicolons, and what
/// follows it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, after) = field::token(field::skip_white_space(text)).unwrap_or(("", text));
    let Some(value) = field::skip_white_space(after).strip_prefix('=') else {
        return Some((name, String::new(), after));
    };
    let value = field::skip_white_space(value);
    let (value, after) = match field::quoted_string(value) {
        Some(quoted) => quoted,
        None => field::token(value).map(|(token, rest)| (token.to_owned(), rest))?,
    };
    Some((name, value, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    #[test]
    fn the_next_page_is_found_and_nothing_else() {
        let page = "https://o.example/api/v1/users?after=00u1&limit=2";
        for (fields, next, why) in [
            (
                &[
                    r#"<https://o.example/api/v1/users?limit=2>; rel="self""#,
                    r#"<https://o.example/api/v1/users?after=00u1&limit=2>; rel="next""#,
                ][..],
                Some(page),
                "two fields, as Okta sends them",
            ),
            (
                &[
                    r#"<https://o.example/a>; rel="self", <https://o.example/api/v1/users?after=00u1&limit=2>; rel="next""#,
                ],
                Some(page),
                "two links in one field",
            ),
            (&["</a>;rel=next"], Some("/a"), "a token as the value"),
            (&["</a> ; REL = \"prev NEXT\" "], Some("/a"), "one of several relations, without case"),
            (&[r#"</a,b;c>; title="x, \"y\"; rel=prev"; rel="next""#], Some("/a,b;c"), "commas and quotes"),
            (&[r#"</a>; title; ; rel="next""#], Some("/a"), "a parameter without a value, and none"),
            (&[", , </a>; rel=next"], Some("/a"), "empty elements"),
            (&["</a>; rel=next", "</b>; rel=next"], Some("/a"), "the first of two"),
            (&["<https://evil.example/>; rel=next"], Some("https://evil.example/"), "told as it stands"),
            (&["<>; rel=next"], Some(""), "an empty target"),
            (&["</a>; rel=self; rel=next"], None, "only the first rel counts"),
            (&["</a>; rel=next; anchor=\"/b\""], None, "about another resource"),
            (&["</a>; rel=nextish"], None, "a name that starts like it"),
            (&["</a>; rev=next"], None, "another parameter"),
            (&["</a>; x=\"; rel=next"], None, "an open quoted string"),
            (&["</a; rel=next"], None, "an open target"),
            (&["/a; rel=next"], None, "no target"),
            (&["</a> rel=next"], None, "no semicolon"),
            (&["</a>"], None, "no relation"),
            (&["", "<", ";", "=", "\"", "<>"], None, "nothing at all"),
        ] {
            let fields = fields.iter().map(|field| (header::LINK, HeaderValue::from_str(field).unwrap()));
            assert_eq!(super::next(&fields.collect()).as_deref(), next, "{why}");
        }
    }

    #[test]
    fn what_is_read_is_bounded() {
        let many = "</a>; rel=self, ".repeat(100_000);
        let field = HeaderValue::from_str(&format!("{many}</b>; rel=next")).unwrap();
        assert_eq!(super::next(&HeaderMap::from_iter([(header::LINK, field)])), None);
    }

    proptest! {
        #[test]
        fn any_field_is_read_to_its_end(field in r#"([ -~]|rel|next|[<>;=",\\ ]){0,200}"#) {
            let field = HeaderValue::from_str(&field).unwrap();
            super::next(&HeaderMap::from_iter([(header::LINK, field)]));
        }
    }
}
