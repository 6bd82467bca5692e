//! A policy from a TOML file, and the checks that no single field can tell.

use std::fs;
use std::path::{Path, PathBuf};

use keybound::TargetUri;

use super::{Issuer, KeySource, MAX_PROOF_AGE, Policy, PolicyError, Route, contents};
use crate::routes::Routes;

/// Bytes of a policy file, at most: thousands of routes.
pub const MAX_POLICY_BYTES: usize = 1024 * 1024;

impl Policy {
    /// Reads the policy in `path`. Files that it names are relative to its folder.
    pub fn from_file(path: &Path) -> Result<Self, PolicyError> {
        let text = fs::read_to_string(path)
            .map_err(|source| PolicyError::Unreadable { path: path.to_owned(), source })?;
        let mut policy = Self::from_toml(&text)?;
        policy.resolve_files(path.parent().unwrap_or(Path::new("")));
        Ok(policy)
    }

    /// Reads a policy from its text, and holds its fields to [`Policy::check`]; the files that it names are
    /// read when a guard is made of it.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLong);
        }
        let policy: Self = toml::from_str(text).map_err(|error| PolicyError::Syntax(told(&error, text)))?;
        policy.check_fields()?;
        Ok(policy)
    }

    /// Whether the fields make sense together, and the files with keys and certificates hold some; a guard is
    /// never made of a policy that does not.
    pub fn check(&self) -> Result<(), PolicyError> {
        self.check_fields()?;
        contents::check(self)
    }

    fn check_fields(&self) -> Result<(), PolicyError> {
        self.check_target()?;
        if self.issuers.is_empty() {
            return Err(PolicyError::field("issuers", "name at least one authorization server: [[issuers]]"));
        }
        for (number, issuer) in self.issuers.iter().enumerate() {
            self.check_issuer(&format!("issuers[{number}]"), issuer)?;
        }
        for (number, route) in self.routes.iter().enumerate() {
            check_route(&format!("routes[{number}]"), route)?;
        }
        Routes::by_policy(&self.routes)?.check_that_each_counts()?;
        self.check_times()?;
        if self.limits.introspections_at_once == 0 {
            let reason = "one at least: no issuer could be asked about a token";
            return Err(PolicyError::field("limits.introspections_at_once", reason));
        }
        self.cors.check()?;
        self.replay.check()
    }

    fn check_target(&self) -> Result<(), PolicyError> {
        match (self.resources.is_empty(), self.accept_any_host) {
            (true, false) => Err(PolicyError::field(
                "resources",
                "say under which URL clients call what is guarded (resources = [\"https://api.example.com\"]): \
                 proofs are made for it (RFC 9449 section 4.3, check 9)",
            )),
            (false, true) => {
                Err(PolicyError::field("accept_any_host", "it contradicts `resources`; keep one of the two"))
            }
            _ => Ok(()),
        }?;
        let prefix = &self.stripped_prefix;
        let is_normal = || {
            let uri = TargetUri::parse(&format!("http://localhost{prefix}"));
            uri.is_ok_and(|uri| uri.path() == prefix)
        };
        if prefix.is_empty() || (prefix.starts_with('/') && !prefix.ends_with('/') && is_normal()) {
            Ok(())
        } else {
            Err(PolicyError::field(
                "stripped_prefix",
                "it is a path in normal form that begins with a slash and does not end with one",
            ))
        }
    }

    fn check_issuer(&self, field: &str, issuer: &Issuer) -> Result<(), PolicyError> {
        let wrong = |name: &str, reason: &str| Err(PolicyError::field(format!("{field}.{name}"), reason));
        if issuer.issuer.is_empty() {
            return wrong("issuer", "it is empty");
        }
        if issuer.audiences.is_empty() && self.resources.is_empty() {
            return wrong("audiences", "name what the tokens are issued for (`aud`)");
        }
        if issuer.jwks_uri.is_some() && issuer.jwks_file.is_some() {
            return wrong("jwks_file", "keys come from one place: `jwks_uri` or `jwks_file`");
        }
        issuer.key_source(field)?;
        if issuer.revocation_checked_every.is_some() && issuer.introspection.is_none() {
            return wrong("revocation_checked_every_seconds", "it needs [issuers.introspection]");
        }
        let same = |other: &&Issuer| other.issuer == issuer.issuer;
        if self.issuers.iter().filter(same).count() > 1 {
            return wrong("issuer", "it is there twice");
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), PolicyError> {
        let bounded = [
            ("proofs.max_age_seconds", self.proofs.max_age),
            ("proofs.future_tolerance_seconds", self.proofs.future_tolerance),
        ];
        for (field, duration) in bounded {
            if duration > MAX_PROOF_AGE {
                return Err(PolicyError::field(
                    field,
                    format!("{} seconds at most", MAX_PROOF_AGE.as_secs()),
                ));
            }
        }
        if self.proofs.max_age.is_zero() {
            return Err(PolicyError::field("proofs.max_age_seconds", "no proof would be young enough"));
        }
        if self.nonces.renewed_every.is_zero() {
            return Err(PolicyError::field("nonces.renewed_every_seconds", "one second at least"));
        }
        if self.nonces.accepted_for < self.nonces.renewed_every {
            let reason = format!(
                "not less than `renewed_every_seconds` ({}): a nonce is taken for as long as it is given out",
                self.nonces.renewed_every.as_secs()
            );
            return Err(PolicyError::field("nonces.accepted_for_seconds", reason));
        }
        if self.limits.issuer_timeout.is_zero() {
            return Err(PolicyError::field("limits.issuer_timeout_seconds", "one second at least"));
        }
        Ok(())
    }

    /// The files that it names: what they hold is part of it.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let of_issuers = self.issuers.iter().flat_map(|issuer| {
            let secret = issuer.introspection.as_ref().map(|asked| &asked.client_secret_file);
            issuer.jwks_file.iter().chain(secret)
        });
        of_issuers
            .chain(&self.nonces.secret_files)
            .chain(&self.replay.password_file)
            .chain(&self.replay.sentinel_password_file)
            .chain(&self.replay.ca_file)
            .chain(&self.ca_file)
    }

    fn resolve_files(&mut self, folder: &Path) {
        let files = self
            .issuers
            .iter_mut()
            .flat_map(|issuer| {
                let secret = issuer.introspection.as_mut().map(|asked| &mut asked.client_secret_file);
                issuer.jwks_file.iter_mut().chain(secret)
            })
            .chain(&mut self.nonces.secret_files)
            .chain(&mut self.replay.password_file)
            .chain(&mut self.replay.sentinel_password_file)
            .chain(&mut self.replay.ca_file)
            .chain(&mut self.ca_file);
        for file in files {
            *file = folder.join(&file);
        }
    }
}

/// What the reader of TOML says, in one line: line, field, reason. A log has one record for it.
fn told(error: &toml::de::Error, text: &str) -> String {
    let reason = error.message().trim().replace('\n', ", ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return reason };
    let number = before.matches('\n').count();
    let field = text.lines().nth(number).and_then(|line| line.split_once('=')).map(|(field, _)| field.trim());
    let field = field.map(|field| format!(", `{field}`")).unwrap_or_default();
    format!("line {}{field}: {reason}", number + 1)
}

impl Issuer {
    /// Where its keys come from. `field` is the issuer's place in the policy, for the error.
    pub(crate) fn key_source(&self, field: &str) -> Result<KeySource, PolicyError> {
        match (&self.jwks_file, &self.jwks_uri) {
            (Some(file), _) => Ok(KeySource::File(file.clone())),
            (None, Some(uri)) => uri.parse().map(KeySource::Uri).map_err(|reason| {
                PolicyError::field(format!("{field}.jwks_uri"), format!("`{uri}`: {reason}"))
            }),
            (None, None) => Ok(KeySource::Discovery),
        }
    }
}

fn check_route(field: &str, route: &Route) -> Result<(), PolicyError> {
    let wrong = |name: &str, reason: String| Err(PolicyError::field(format!("{field}.{name}"), reason));
    if let Err(reason) = crate::path::Pattern::parse(&route.path) {
        return wrong("path", reason.to_string());
    }
    if let Some(method) =
        route.methods.iter().find(|method| http::Method::from_bytes(method.as_bytes()).is_err())
    {
        return wrong("methods", format!("`{method}` is no method"));
    }
    // Methods have case (RFC 9110 section 9.1), so such a route would never cover a request.
    if let Some(method) =
        route.methods.iter().find(|method| method.bytes().any(|byte| byte.is_ascii_lowercase()))
    {
        return wrong("methods", format!("write `{}` in capitals: methods have case", method.to_uppercase()));
    }
    if let Some(scope) = route.scopes.iter().find(|scope| !is_scope_token(scope)) {
        let several = format!("`{scope}` is no scope; write several as [\"a\", \"b\"]");
        let none = format!("`{}` is no scope (RFC 6749 section 3.3)", scope.escape_debug());
        return wrong("scopes", if is_scope_list(scope) { several } else { none });
    }
    if route.admit_without_token && (route.nonce || !route.scopes.is_empty()) {
        return wrong("admit_without_token", "without a token there is neither scope nor nonce".to_owned());
    }
    Ok(())
}

/// A scope (RFC 6749 section 3.3): a token can have no other.
fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// Scopes as they stand in a token, with spaces between them.
fn is_scope_list(text: &str) -> bool {
    text.contains(' ') && text.split(' ').all(is_scope_token)
}
