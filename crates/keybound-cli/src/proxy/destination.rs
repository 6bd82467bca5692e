//! Where requests go: to an origin by the beginning of their path, and back: what an answer says of the origin's
//! addresses is written as this proxy's, so that a client that follows a page's link stays here.

use http::Uri;
use http::uri::{Authority, PathAndQuery};
use keybound::TargetUri;

use super::reference::Reference;
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
        self.0.iter().find(|destination| below(path, &destination.prefix).is_some())
    }

    /// What `reference` of an answer to a request of `asked` refers to: by an address at `local`, this proxy, if a request
    /// there leads to it; else by its own.
    pub(super) fn localized(&self, reference: &str, asked: &Uri, local: &str) -> String {
        let asked = asked.to_string();
        let given = Reference::parse(reference);
        let (whole, path) = given.seen_from(Reference::parse(&asked));
        let (Some(scheme), Some(authority)) = (whole.scheme, whole.authority) else {
            return reference.to_owned();
        };
        let origin = format!("{scheme}://{authority}");
        let part =
            |before: &str, part: Option<&str>| part.map(|it| format!("{before}{it}")).unwrap_or_default();
        let rest = format!("{}{}", part("?", whole.query), part("#", whole.fragment));
        let found = TargetUri::parse(&origin).ok().and_then(|target| {
            let at_origin = self.0.iter().filter(|destination| destination.origin == target.origin());
            let mut local_paths = at_origin.filter_map(|destination| {
                let path = destination.local_path(&path)?;
                // Another origin may take the paths that begin so.
                self.of(&path).is_some_and(|taken| std::ptr::eq(taken, destination)).then_some(path)
            });
            local_paths.next()
        });
        match found {
            Some(path) => format!("{local}{path}{rest}"),
            // A whole address stays as it came.
            None if given.scheme.is_some() => reference.to_owned(),
            None => format!("{origin}{path}{rest}"),
        }
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

    /// The path of this proxy that leads to `path` of the origin, if it is below what requests go to.
    fn local_path(&self, path: &str) -> Option<String> {
        below(path, &self.base).map(|rest| format!("{}{rest}", self.prefix))
    }
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

/// What `path` has behind `beginning`, if it is that or below it: `/billings` is not below `/billing`.
fn below<'p>(path: &'p str, beginning: &str) -> Option<&'p str> {
    path.strip_prefix(beginning).filter(|rest| rest.is_empty() || rest.starts_with('/'))
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
    fn what_an_answer_refers_to_is_asked_for_here_if_it_can_be() {
        let several = destinations(&[
            "https://org.example",
            "/billing=https://billing.example/v2",
            "/files=https://org.example/content",
        ]);
        let org = "https://org.example/api/users?limit=2";
        let billing = "https://billing.example/v2/invoices/7?x";
        for (asked, reference, wanted, why) in [
            (org, "https://org.example/api?after=1", "LOCAL/api?after=1", "a whole address"),
            (org, "HTTPS://ORG.example:443/a#b", "LOCAL/a#b", "in another spelling"),
            (org, "https://org.example", "LOCAL", "without a path"),
            (org, "https://org.example.evil/a", "https://org.example.evil/a", "another host"),
            (org, "https://org.example:8443/a", "https://org.example:8443/a", "another port"),
            (org, "http://org.example/a", "http://org.example/a", "another scheme"),
            (org, "https://me@org.example/a", "https://me@org.example/a", "a user"),
            (
                org,
                "https://a.example/?u=https://org.example/b",
                "https://a.example/?u=https://org.example/b",
                "within",
            ),
            (org, "/path?a", "LOCAL/path?a", "a path"),
            (org, "?after=3", "LOCAL/api/users?after=3", "a query: the next page"),
            (org, "groups", "LOCAL/api/groups", "a relative path"),
            (org, "../x", "LOCAL/x", "above"),
            (org, "", "LOCAL/api/users?limit=2", "the resource itself"),
            (org, "#part", "LOCAL/api/users?limit=2#part", "a part of it"),
            (org, "//org.example/path", "LOCAL/path", "without a scheme"),
            (org, "//other.example/path", "https://other.example/path", "another host without a scheme"),
            (org, "mailto:a@b.example", "mailto:a@b.example", "no address of a server"),
            (org, "/billing/1", "https://org.example/billing/1", "a path that leads to another origin here"),
            (org, "/content/1", "LOCAL/files/1", "below another beginning of the same origin"),
            (org, "https://billing.example/v2/a", "LOCAL/billing/a", "another origin that is served here"),
            (billing, "/v2/a", "LOCAL/billing/a", "a path, under a prefix"),
            (billing, "?after=3", "LOCAL/billing/invoices/7?after=3", "a query, under a prefix"),
            (billing, "8", "LOCAL/billing/invoices/8", "a relative path, under a prefix"),
            (billing, "..", "LOCAL/billing/", "above, and still below the base"),
            (billing, "../..", "https://billing.example/", "above the base"),
            (billing, "/v2/../v3/a", "https://billing.example/v3/a", "beside the base, by dots"),
            (
                billing,
                "https://billing.example/v2/../v3",
                "https://billing.example/v2/../v3",
                "the same, whole",
            ),
            (billing, "/v3/a", "https://billing.example/v3/a", "beside the base"),
            (billing, "https://billing.example/v22", "https://billing.example/v22", "a name that begins so"),
            (billing, "https://billing.example/v2", "LOCAL/billing", "the base itself"),
        ] {
            let wanted = wanted.replace("LOCAL", "http://127.0.0.1:8081");
            let found = several.localized(reference, &asked.parse().unwrap(), "http://127.0.0.1:8081");
            assert_eq!(found, wanted, "{why}: {reference} at {asked}");
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
