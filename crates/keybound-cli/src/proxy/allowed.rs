//! What programs may ask of the origins: methods and paths.
//!
//! Without a word from its user a proxy reads and changes nothing (GET, HEAD, OPTIONS). Where paths are told apart, one
//! that two servers may read differently is refused, so that no spelling of a path passes as another.

use std::str::FromStr;

use http::Method;
use keybound_guard::path::{self, Pattern};

use crate::report::{Failure, Outcome};

/// Methods and paths, one rule after the other.
#[derive(Debug)]
pub(super) struct Allowed {
    rules: Vec<Rule>,
}

/// `METHOD[,METHOD…] PATH`: `GET,POST /api/v1/users/**`, `* /**`.
#[derive(Debug)]
struct Rule {
    /// None for any.
    methods: Vec<Method>,
    path: Pattern,
}

/// Why a request may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAllowed {
    /// No rule covers it.
    NoRule,
    /// Its path has more than one meaning.
    Ambiguous(&'static str),
}

impl Allowed {
    /// What `rules` say; reading alone, if there are none.
    pub(super) fn parse(rules: &[String]) -> Outcome<Self> {
        if rules.is_empty() {
            return Ok(Self { rules: vec![rule("GET,HEAD,OPTIONS /**")?] });
        }
        Ok(Self { rules: rules.iter().map(|text| rule(text)).collect::<Outcome<_>>()? })
    }

    /// Whether a request may go on; `path` is as it came.
    pub(super) fn check(&self, method: &Method, path: &str) -> Result<(), NotAllowed> {
        if let Some(reason) = path::ambiguity(path) {
            return Err(NotAllowed::Ambiguous(reason));
        }
        let path = path::normal_form(path).ok_or(NotAllowed::Ambiguous("it is no path of a URI"))?;
        let covers = |rule: &Rule| {
            (rule.methods.is_empty() || rule.methods.contains(method)) && rule.path.matches(&path)
        };
        if self.rules.iter().any(covers) { Ok(()) } else { Err(NotAllowed::NoRule) }
    }
}

fn rule(text: &str) -> Outcome<Rule> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::usage(format_args!("the rule `{text}` of --allow is not understood")).because(why).do_next(
            "write it as 'GET /api/v1/users/**' or 'GET,POST /path'; `*` is any method or any segment",
        )
    };
    let (methods, path) = text.trim().split_once(' ').ok_or_else(|| failed(&"it has no path"))?;
    let methods = match methods {
        "*" => Vec::new(),
        methods => methods
            .split(',')
            .map(|name| Method::from_str(&name.to_ascii_uppercase()))
            .collect::<Result<_, _>>()
            .map_err(|error| failed(&error))?,
    };
    Ok(Rule { methods, path: Pattern::parse(path.trim()).map_err(|error| failed(&error))? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_reads_unless_it_is_told_more() {
        let allowed = Allowed::parse(&[]).unwrap();
        for (method, is_allowed) in [
            ("GET", true),
            ("HEAD", true),
            ("OPTIONS", true),
            ("POST", false),
            ("DELETE", false),
            ("QUERY", false),
        ] {
            let method = Method::from_str(method).unwrap();
            assert_eq!(allowed.check(&method, "/api/v1/users").is_ok(), is_allowed, "{method}");
        }
    }

    #[test]
    fn rules_cover_methods_and_paths() {
        let rules = ["GET,post /api/v1/users/*", "* /health", "DELETE /api/v1/groups/**"];
        let allowed = Allowed::parse(&rules.map(str::to_owned)).unwrap();
        for (method, path, outcome, why) in [
            (Method::GET, "/api/v1/users/00u1", Ok(()), "the first rule"),
            (Method::POST, "/api/v1/users/00u1", Ok(()), "the first rule, in whatever case it is written"),
            (Method::PUT, "/api/v1/users/00u1", Err(NotAllowed::NoRule), "another method"),
            (Method::GET, "/api/v1/users", Err(NotAllowed::NoRule), "one segment less"),
            (Method::GET, "/api/v1/users/1/2", Err(NotAllowed::NoRule), "one segment more"),
            (Method::PATCH, "/health", Ok(()), "any method"),
            (Method::DELETE, "/api/v1/groups/1/users/2", Ok(()), "any rest"),
            (Method::DELETE, "/api/v1/%67roups/1", Ok(()), "another spelling of the same path"),
            (Method::GET, "/", Err(NotAllowed::NoRule), "no rule"),
        ] {
            assert_eq!(allowed.check(&method, path), outcome, "{why}: {method} {path}");
        }
        for path in ["/health/../api/v1/apps", "/health/%2e%2e/x", "//health", "/a%2fb", "/a\\b", "/health;x"]
        {
            let refused = allowed.check(&Method::GET, path);
            assert!(matches!(refused, Err(NotAllowed::Ambiguous(_))), "{path}: {refused:?}");
        }
    }

    #[test]
    fn a_rule_that_is_none_is_told() {
        for text in ["", "GET", "/path", "GET path", "GET /a*", "G€T /a", "GET /a/../b", ", /a"] {
            assert!(Allowed::parse(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
