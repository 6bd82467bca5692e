//! Which paths belong together.

/// What the local org has for those who look at it and set it up: no part of any conversation with an org, and nothing
/// that a fault may keep them from.
const OWN: [&str; 4] = ["/admin", "/assets", "/keybound", "/favicon.ico"];

/// Whether a path is `base` or below it.
pub(crate) fn is_under(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path leads to what is the local org's own, and not to what it has as Okta's orgs do.
pub(crate) fn is_own(path: &str) -> bool {
    OWN.iter().any(|base| is_under(path, base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_under_another_by_whole_segments() {
        for (path, base, expected) in [
            ("/admin", "/admin", true),
            ("/admin/", "/admin", true),
            ("/admin/apps", "/admin", true),
            ("/administrator", "/admin", false),
            ("/", "/admin", false),
            ("/api/v1/admin", "/admin", false),
        ] {
            assert_eq!(is_under(path, base), expected, "{path} {base}");
        }
    }

    #[test]
    fn what_people_look_at_the_org_with_is_its_own() {
        for (path, expected) in [
            ("/oauth2/v1/token", false),
            ("/api/v1/users", false),
            ("/administrators", false),
            ("/admin", true),
            ("/admin/traces", true),
            ("/assets/org.css", true),
            ("/keybound/v1/traces", true),
            ("/favicon.ico", true),
            ("/", false),
        ] {
            assert_eq!(is_own(path), expected, "{path}");
        }
    }
}
