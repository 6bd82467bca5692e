//! Where requests go: to an origin by the beginning of their path, and back: what an answer says of the origin's
//! addresses is written as this proxy's, so that a client that follows a page's link stays here.

use http::Uri;
use http::uri::{Authority, PathAndQuery};
use keybound::TargetUri;

use crate::report::{Failure, Outcome};

/// An origin, and the beginning of the paths that go there.
#[derive(Debug)]
pub(super) struct Destination {
    /// `/billing`, or empty for all that no other takes.
    prefix: String,
    /// `https://billing.example`, in normal form.
    origin: String,
    /// `/v2`, or empty.
    base: String,
}

/// All of them, those with the longest prefix first.
#[derive(Debug)]
pub(super) struct Destinations(Vec<Destination>);

impl Destinations {
    /// What `--to` says, `[PREFIX=]URL` each; if nothing is said, the org whose tokens they are.
    pub(super) fn parse(texts: &[String], org: Option<&str>) -> Outcome<Self> {
        let mut destinations = match (texts, org) {
            ([], Some(org)) => vec![destination(org)?],
            ([], None) => {
                return Err(Failure::usage("there is no origin to pass requests on to")
                    .because("the tokens are those of an issuer (OKTA_OAUTH2_ISSUER), which are not for an org's API")
                    .do_next("say which API they are for: --to https://api.example"));
            }
            _ => texts.iter().map(|text| destination(text)).collect::<Outcome<Vec<_>>>()?,
        };
        destinations.sort_by_key(|destination| std::cmp::Reverse(destination.prefix.len()));
        let twice = destinations.windows(2).find(|pair| matches!(pair, [a, b] if a.prefix == b.prefix));
        match twice {
            Some([one, ..]) => Err(Failure::usage(format_args!(
                "two origins are to get the paths that begin with `{}/`",
                one.prefix
            ))
            .do_next("give each a beginning of its own: --to /billing=https://billing.example")),
            _ => Ok(Self(destinations)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Destination> {
        self.0.iter()
    }

    /// The origin that takes a path.
    pub(super) fn of(&self, path: &str) -> Option<&Destination> {
        self.0.iter().find(|destination| {
            let rest = path.strip_prefix(&destination.prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

impl Destination {
    pub(super) fn prefix(&self) -> &str {
        if self.prefix.is_empty() { "/" } else { &self.prefix }
    }

    /// The URL that requests go to, without what they add.
    pub(super) fn url(&self) -> String {
        format!("{}{}", self.origin, self.base)
    }

    /// The path as the origin knows it, without what led here.
    pub(super) fn path<'p>(&self, path: &'p str) -> &'p str {
        match path.strip_prefix(&self.prefix) {
            Some("") | None => "/",
            Some(rest) => rest,
        }
    }

    /// Where a request for `asked` goes.
    pub(super) fn target(&self, asked: &PathAndQuery) -> Option<Uri> {
        let query = asked.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{}{}{query}", self.origin, self.base, self.path(asked.path())).parse().ok()
    }

    /// `text` with addresses of the origin written as `local`'s: an address stands at its beginning, or within `<…>`. A
    /// path at its beginning is the origin's, too.
    pub(super) fn localized(&self, text: &str, local: &str) -> String {
        if text.starts_with('/') && !text.starts_with("//") {
            return self.localized(&format!("{}{text}", self.origin), local);
        }
        let mut written = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(&self.origin) {
            let (before, found) = rest.split_at(at);
            let after = &found[self.origin.len()..];
            let begins = before.is_empty() && written.is_empty() || before.ends_with('<');
            let within = after.strip_prefix(&self.base).filter(|after| ends_authority_or_path(after));
            written.push_str(before);
            match within {
                Some(after) if begins => {
                    written.push_str(local);
                    written.push_str(&self.prefix);
                    rest = after;
                }
                _ => {
                    written.push_str(&self.origin);
                    rest = after;
                }
            }
        }
        written + rest
    }
}

/// `https://org.example.evil` begins with `https://org.example` and is another origin.
fn ends_authority_or_path(after: &str) -> bool {
    after.is_empty() || after.starts_with(['/', '?', '#', '>'])
}

fn destination(text: &str) -> Outcome<Destination> {
    let failed = |why: &str| {
        Failure::usage("an origin of --to is not understood")
            .because(why)
            .do_next("write it as https://api.example or /billing=https://billing.example/v2")
    };
    let (prefix, url) = match text.split_once('=') {
        Some((prefix, url)) if prefix.starts_with('/') => (prefix.trim_end_matches('/'), url),
        _ => ("", text),
    };
    if prefix.contains(['?', '#', '%']) || keybound_guard::path::ambiguity(prefix).is_some() {
        return Err(failed("what stands before `=` is no beginning of a path"));
    }
    let target = TargetUri::parse(url).map_err(|error| failed(&error.to_string()))?;
    let has_user = url.parse::<Uri>().ok().and_then(|uri| uri.authority().map(Authority::to_string));
    if has_user.is_some_and(|authority| authority.contains('@')) || url.contains(['?', '#']) {
        return Err(failed("an origin has no user, no query and no fragment"));
    }
    if !target.is_secure() {
        return Err(failed("without https anyone on the way could read the answers"));
    }
    Ok(Destination {
        prefix: prefix.to_owned(),
        origin: target.origin().to_owned(),
        base: target.path().trim_end_matches('/').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations(texts: &[&str]) -> Destinations {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        Destinations::parse(&texts, Some("https://org.example")).unwrap()
    }

    #[test]
    fn a_request_goes_to_the_origin_of_its_path() {
        let several = destinations(&[
            "https://ORG.example:443/",
            "/billing=https://billing.example/v2/",
            "/b=http://127.0.0.1:1",
        ]);
        for (asked, target) in [
            ("/api/v1/users?limit=5&after=x%20y", "https://org.example/api/v1/users?limit=5&after=x%20y"),
            ("/", "https://org.example/"),
            ("/billing", "https://billing.example/v2/"),
            ("/billing/invoices?a", "https://billing.example/v2/invoices?a"),
            ("/billings", "https://org.example/billings"),
            ("/b/x", "http://127.0.0.1:1/x"),
        ] {
            let asked: PathAndQuery = asked.parse().unwrap();
            let found = several.of(asked.path()).unwrap().target(&asked).unwrap();
            assert_eq!(found.to_string(), target, "{asked}");
        }
        assert!(destinations(&["/only=https://a.example"]).of("/other").is_none());
        assert_eq!(destinations(&[]).of("/x").unwrap().url(), "https://org.example");
    }

    #[test]
    fn the_addresses_of_an_origin_become_local_ones() {
        let several = destinations(&["https://org.example", "/billing=https://billing.example/v2"]);
        let (org, billing) = (several.of("/").unwrap(), several.of("/billing").unwrap());
        let local = "http://127.0.0.1:8081";
        for (destination, text, wanted) in [
            (
                org,
                "<https://org.example/api?after=1>; rel=\"next\"",
                "<http://127.0.0.1:8081/api?after=1>; rel=\"next\"",
            ),
            (
                org,
                "<https://org.example/a>; rel=\"self\", <https://org.example/b>",
                "<http://127.0.0.1:8081/a>; rel=\"self\", <http://127.0.0.1:8081/b>",
            ),
            (
                org,
                "https://org.example/a?u=https://org.example/b",
                "http://127.0.0.1:8081/a?u=https://org.example/b",
            ),
            (org, "<https://org.example.evil/a>", "<https://org.example.evil/a>"),
            (org, "<https://org.example:8443/a>", "<https://org.example:8443/a>"),
            (org, "/path?a", "http://127.0.0.1:8081/path?a"),
            (org, "//other.example/path", "//other.example/path"),
            (org, "relative", "relative"),
            (billing, "/v2/a", "http://127.0.0.1:8081/billing/a"),
            (billing, "/v3/a", "https://billing.example/v3/a"),
            (billing, "https://billing.example/v2/a", "http://127.0.0.1:8081/billing/a"),
            (billing, "https://billing.example/v3/a", "https://billing.example/v3/a"),
            (billing, "https://billing.example/v22", "https://billing.example/v22"),
        ] {
            assert_eq!(destination.localized(text, local), wanted, "{text}");
        }
    }

    #[test]
    fn an_origin_that_can_not_be_asked_is_told() {
        for text in [
            "",
            "billing.example",
            "http://billing.example",
            "https://user:password@billing.example",
            "https://billing.example/?a",
            "/a/../b=https://a.example",
            "/a?=https://a.example",
            "/x=",
        ] {
            assert!(Destinations::parse(&[text.to_owned()], Some("https://org.example")).is_err(), "{text}");
        }
        let twice = ["/a=https://a.example".to_owned(), "/a/=https://b.example".to_owned()];
        assert!(
            Destinations::parse(&twice, Some("https://org.example")).is_err(),
            "one beginning, two origins"
        );
        assert!(Destinations::parse(&[], None).is_err(), "no org and nothing in its place");
    }
}
