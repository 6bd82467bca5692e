//! Which route of the policy covers a request, and what it asks for.
//!
//! Where routes tell paths apart, a path must have one meaning only. What the guard and the server behind it
//! may read differently (`%2F`, `\`, `;`, dot segments, empty segments) is refused, so that no spelling of one
//! path passes under the route of another.

use std::fmt::Write as _;

use http::Method;
use keybound::access_token::AccessToken;
use keybound::{Refusal, TargetUri};

use crate::policy::{PolicyError, Route};

/// The routes of a policy.
pub(crate) struct Routes {
    routes: Vec<Compiled>,
}

struct Compiled {
    path: String,
    pattern: Pattern,
    methods: Vec<Method>,
    scopes: Vec<String>,
    nonce: bool,
    admits_without_token: bool,
}

/// What the route of a request asks for.
pub(crate) struct Covered<'r> {
    /// The route's path; `None` where the policy has no routes.
    pub(crate) path: Option<&'r str>,
    scopes: &'r [String],
    pub(crate) nonce: bool,
    pub(crate) admits_without_token: bool,
}

impl Covered<'_> {
    pub(crate) fn scopes(&self) -> &[String] {
        self.scopes
    }

    /// Refuses unless the token has one of the route's scopes, where it has any.
    pub(crate) fn require_scope(&self, token: &AccessToken) -> Result<(), Refusal> {
        if self.scopes.is_empty() { Ok(()) } else { token.require_scope(self.scopes) }
    }
}

impl Routes {
    pub(crate) fn by_policy(routes: &[Route]) -> Result<Self, PolicyError> {
        let compile = |(number, route): (usize, &Route)| {
            let unusable = |reason: PatternError| {
                PolicyError::field(format!("routes[{number}].path"), reason.to_string())
            };
            // One that were left out here would open the route to every method.
            let methods = route.methods.iter().map(|method| method.parse()).collect::<Result<_, _>>();
            let no_method = |_: http::method::InvalidMethod| {
                PolicyError::field(format!("routes[{number}].methods"), "each is a method of HTTP, as GET is")
            };
            Ok(Compiled {
                path: route.path.clone(),
                pattern: Pattern::parse(&route.path).map_err(unusable)?,
                methods: methods.map_err(no_method)?,
                scopes: route.scopes.clone(),
                nonce: route.nonce,
                admits_without_token: route.admit_without_token,
            })
        };
        let routes: Result<_, PolicyError> = routes.iter().enumerate().map(compile).collect();
        Ok(Self { routes: routes? })
    }

    /// Refuses a route that no request comes to, since routes before it cover all of its requests: what it asks
    /// for would be asked of nobody.
    pub(crate) fn check_that_each_counts(&self) -> Result<(), PolicyError> {
        for (number, route) in self.routes.iter().enumerate() {
            if let Some(hiding) = self.hiding(number, route) {
                let reason = format!(
                    "an earlier route (`{}`) covers all of its requests, and the first that covers a request \
                     counts; write `{}` before it, or take it out",
                    hiding.path, route.path
                );
                return Err(PolicyError::field(format!("routes[{number}]"), reason));
            }
        }
        Ok(())
    }

    /// One of the routes before `route` that together hide it, if they do.
    fn hiding(&self, number: usize, route: &Compiled) -> Option<&Compiled> {
        let before =
            || self.routes.iter().take(number).filter(|other| other.pattern.includes(&route.pattern));
        let of_all_methods = before().find(|other| other.methods.is_empty());
        let has = |method: &Method| before().any(|other| other.methods.contains(method));
        let each_is_hidden = !route.methods.is_empty() && route.methods.iter().all(has);
        of_all_methods.or_else(|| if each_is_hidden { before().next() } else { None })
    }

    /// The first route that covers a request. `raw_path` is its path as it came, `target` in normal form.
    pub(crate) fn covering(
        &self,
        method: &Method,
        raw_path: &str,
        target: &TargetUri,
    ) -> Result<Covered<'_>, Refusal> {
        if self.routes.is_empty() {
            return Ok(Covered { path: None, scopes: &[], nonce: false, admits_without_token: false });
        }
        if let Some(reason) = ambiguity(raw_path) {
            return Err(Refusal::UnknownTarget { reason: reason.to_owned() });
        }
        let covers = |route: &&Compiled| {
            (route.methods.is_empty() || route.methods.contains(method))
                && route.pattern.matches(target.path())
        };
        let route = self.routes.iter().find(covers).ok_or(Refusal::NoRoute)?;
        Ok(Covered {
            path: Some(&route.path),
            scopes: &route.scopes,
            nonce: route.nonce,
            admits_without_token: route.admits_without_token,
        })
    }
}

/// What in a path two servers may read differently.
fn ambiguity(path: &str) -> Option<&'static str> {
    let lower = path.to_ascii_lowercase();
    let decoded_dots = lower.replace("%2e", ".");
    let segments = || decoded_dots.split('/').skip(1);
    if ["%2f", "%5c", "%00", "\\"].iter().any(|text| lower.contains(text)) {
        Some("its path has an encoded slash, a backslash or a zero byte, which servers read differently")
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

/// A path with places for any segment (`*`) or, at its end, any rest (`**`).
pub(crate) struct Pattern {
    segments: Vec<Segment>,
    any_rest: bool,
}

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
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
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

    /// Whether it covers every path that `other` covers.
    fn includes(&self, other: &Self) -> bool {
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
    pub(crate) fn matches(&self, path: &str) -> bool {
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

/// `path` as requests have it, in normal form: what stands in no URI is percent-encoded (RFC 3986 section 2.1).
fn normal_form(path: &str) -> Option<String> {
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
        for pattern in ["/a/../b", "/a//b", "/a%2Fb", "/a;v=1"] {
            let found = Pattern::parse(pattern).err();
            assert!(matches!(found, Some(PatternError::Ambiguous(_))), "{pattern}: {found:?}");
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

    #[test]
    fn a_path_that_servers_read_differently_is_refused_where_routes_tell_paths_apart() {
        let route = |path: &str| Route { path: path.to_owned(), ..Route::default() };
        let routes = Routes::by_policy(&[route("/admin/**"), route("/**")]).unwrap();
        let none = Routes::by_policy(&[]).unwrap();
        let base = TargetUri::parse("https://api.example.com").unwrap();
        for (path, refused) in [
            ("/admin", false),
            ("/a%20b", false),
            ("/x/../admin", true),
            ("/x/%2E%2e/admin", true),
            ("/./admin", true),
            ("/x/..;/admin", true),
            ("/x/%2e.;a=b/admin", true),
            ("/x..c", false),
            ("/admin;x/users", true),
            ("/admin%3Bx/users", true),
            ("//admin", true),
            ("/admin%2fusers", true),
            ("/admin%5Cusers", true),
            ("/admin%00", true),
        ] {
            let target = base.with_path(path).unwrap();
            let result = routes.covering(&Method::GET, path, &target);
            assert_eq!(matches!(result, Err(Refusal::UnknownTarget { .. })), refused, "{path}");
            assert!(none.covering(&Method::GET, path, &target).is_ok(), "{path}");
        }
    }

    #[test]
    fn the_first_route_counts_and_what_none_covers_is_refused() {
        let read = Route {
            path: "/orders/**".to_owned(),
            methods: vec!["GET".to_owned()],
            scopes: vec!["read".to_owned()],
            ..Route::default()
        };
        let open = Route { path: "/health".to_owned(), admit_without_token: true, ..Route::default() };
        let routes = Routes::by_policy(&[read, open]).unwrap();
        let base = TargetUri::parse("https://api.example.com").unwrap();
        let covering =
            |method: &Method, path: &str| routes.covering(method, path, &base.with_path(path).unwrap());
        assert_eq!(covering(&Method::GET, "/orders/1").unwrap().scopes, ["read".to_owned()]);
        assert!(covering(&Method::POST, "/health").unwrap().admits_without_token);
        assert!(matches!(covering(&Method::POST, "/orders/1"), Err(Refusal::NoRoute)));
        assert!(matches!(covering(&Method::GET, "/"), Err(Refusal::NoRoute)));
    }
}
