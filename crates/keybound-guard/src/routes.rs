//! Which route of the policy covers a request, and what it asks for.
//!
//! Where routes tell paths apart, a path must have one meaning only. What the guard and the server behind it
//! may read differently (`%2F`, `\`, `;`, dot segments, empty segments) is refused, so that no spelling of one
//! path passes under the route of another.
//!
//! Other spellings are paths of their own, and there are servers that take them for one another: `/Orders/` for
//! `/orders`, `%3A` for `:`, `HEAD` and `get` for `GET`. If an earlier route covers what such a server makes of a
//! request, the request needs what that route asks for, too.

use http::Method;
use keybound::access_token::AccessToken;
use keybound::{Refusal, TargetUri};

use crate::path::{Pattern, PatternError, ambiguity, read_leniently};
use crate::policy::{PolicyError, Route};

/// The routes of a policy.
pub(crate) struct Routes {
    routes: Vec<Compiled>,
}

struct Compiled {
    path: String,
    pattern: Pattern,
    lenient_pattern: Pattern,
    methods: Vec<Method>,
    scopes: Vec<String>,
    nonce: bool,
    admits_without_token: bool,
}

/// What the routes of a request ask for.
#[derive(Default)]
pub(crate) struct Covered<'r> {
    /// The first that covers it; `None` where the policy has no routes.
    route: Option<&'r Compiled>,
    /// Earlier ones, which cover what a lenient server may make of it.
    lenient: Vec<&'r Compiled>,
}

impl<'r> Covered<'r> {
    /// The path of the route; `None` where the policy has no routes.
    pub(crate) fn path(&self) -> Option<&'r str> {
        self.route.map(|route| route.path.as_str())
    }

    /// The paths of earlier routes that cover what a lenient server may make of the request.
    pub(crate) fn lenient_paths(&self) -> impl Iterator<Item = &'r str> {
        self.lenient.iter().map(|route| route.path.as_str())
    }

    /// What the token needs one of, for each route that asks for any.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &'r [String]> {
        self.routes().map(|route| route.scopes.as_slice()).filter(|scopes| !scopes.is_empty())
    }

    pub(crate) fn nonce(&self) -> bool {
        self.routes().any(|route| route.nonce)
    }

    pub(crate) fn admits_without_token(&self) -> bool {
        self.route.is_some() && self.routes().all(|route| route.admits_without_token)
    }

    /// Refuses unless the token has one of the scopes of each route, where it has any.
    pub(crate) fn require_scope(&self, token: &AccessToken) -> Result<(), Refusal> {
        self.scopes().try_for_each(|scopes| token.require_scope(scopes))
    }

    fn routes(&self) -> impl Iterator<Item = &'r Compiled> {
        self.route.into_iter().chain(self.lenient.iter().copied())
    }
}

impl Compiled {
    fn takes(&self, is_taken: impl Fn(&Method) -> bool) -> bool {
        self.methods.is_empty() || self.methods.iter().any(is_taken)
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
            let pattern = Pattern::parse(&route.path).map_err(unusable)?;
            Ok(Compiled {
                path: route.path.clone(),
                lenient_pattern: pattern.leniently(),
                pattern,
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
            return Ok(Covered::default());
        }
        if let Some(reason) = ambiguity(raw_path) {
            return Err(Refusal::UnknownTarget { reason: reason.to_owned() });
        }
        let covers =
            |route: &Compiled| route.takes(|taken| taken == method) && route.pattern.matches(target.path());
        let first = self.routes.iter().position(covers).ok_or(Refusal::NoRoute)?;
        let (earlier, rest) = self.routes.split_at_checked(first).unwrap_or_default();
        Ok(Covered { route: rest.first(), lenient: leniently_covering(earlier, method, target) })
    }
}

/// Those of `routes` that cover what a lenient server may make of a request, and ask for something.
fn leniently_covering<'r>(routes: &'r [Compiled], method: &Method, target: &TargetUri) -> Vec<&'r Compiled> {
    if routes.is_empty() {
        return Vec::new();
    }
    let path = read_leniently(target.path());
    // Many servers answer HEAD by what they have for GET (RFC 9110 section 9.3.2).
    let may_be = |taken: &Method| {
        taken.as_str().eq_ignore_ascii_case(method.as_str())
            || (taken == Method::GET && method.as_str().eq_ignore_ascii_case("HEAD"))
    };
    let covers = |route: &&Compiled| {
        !route.admits_without_token && route.takes(may_be) && route.lenient_pattern.matches(&path)
    };
    routes.iter().filter(covers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("/admin%0a", true),
            ("/admin%7F", true),
            ("/admin%252fusers", true),
            ("/x/%25252e%25252e/admin", true),
            ("/100%25", false),
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
        let scopes: Vec<_> = covering(&Method::GET, "/orders/1").unwrap().scopes().collect();
        assert_eq!(scopes, [["read".to_owned()]]);
        assert!(covering(&Method::POST, "/health").unwrap().admits_without_token());
        assert!(matches!(covering(&Method::POST, "/orders/1"), Err(Refusal::NoRoute)));
        assert!(matches!(covering(&Method::GET, "/"), Err(Refusal::NoRoute)));
    }

    #[test]
    fn another_spelling_gets_around_no_earlier_route() {
        let route = |path: &str, methods: &[&str], scope: &str| Route {
            path: path.to_owned(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            scopes: vec![scope.to_owned()],
            ..Route::default()
        };
        let open =
            |path: &str| Route { path: path.to_owned(), admit_without_token: true, ..Route::default() };
        let routes = Routes::by_policy(&[
            open("/login"),
            route("/admin", &[], "admin"),
            Route { nonce: true, ..route("/jobs/*", &["DELETE"], "delete") },
            route("/jobs/**", &["GET"], "read"),
            route("/open/shut", &[], "shut"),
            open("/open/**"),
            route("/**", &[], "any"),
        ])
        .unwrap();
        let base = TargetUri::parse("https://api.example.com").unwrap();
        for (method, path, scopes, nonce, why) in [
            ("GET", "/admin", &["admin"][..], false, "as the policy has it"),
            ("GET", "/ADMIN", &["any", "admin"], false, "without letter case"),
            ("GET", "/admin/", &["any", "admin"], false, "with a slash at its end"),
            ("GET", "/%61dmin", &["admin"], false, "what is the same by RFC 3986 section 6.2.2.2"),
            ("GET", "/admin/x", &["any"], false, "another path"),
            ("GET", "/jobs/1", &["read"], false, "as the policy has it"),
            ("HEAD", "/jobs/1", &["any", "read"], false, "HEAD for GET"),
            ("head", "/JOBS/1", &["any", "read"], false, "head for GET"),
            ("delete", "/jobs/1", &["any", "delete"], true, "without letter case"),
            ("POST", "/jobs/1", &["any"], false, "another method"),
            ("GET", "/LOGIN", &["any"], false, "an earlier route that asks for nothing"),
            ("GET", "/open/Shut", &["shut"], false, "an open route, whose earlier one asks for something"),
        ] {
            let covered =
                routes.covering(&method.parse().unwrap(), path, &base.with_path(path).unwrap()).unwrap();
            let found: Vec<_> = covered.scopes().flatten().map(String::as_str).collect();
            assert_eq!((found.as_slice(), covered.nonce()), (scopes, nonce), "{why}: {method} {path}");
            assert!(!covered.admits_without_token(), "{why}: {method} {path}");
        }
    }
}
