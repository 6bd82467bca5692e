//! Which route of the policy covers a request, and what it asks for.
//!
//! Where routes tell paths apart, a path must have one meaning only. What the guard and the server behind it
//! may read differently (`%2F`, `\`, `;`, dot segments, empty segments) is refused, so that no spelling of one
//! path passes under the route of another.

use http::Method;
use keybound::access_token::AccessToken;
use keybound::{Refusal, TargetUri};

use crate::path::{Pattern, PatternError, ambiguity};
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
