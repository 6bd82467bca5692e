//! The policy of a guard: from a file, or from flags for the common case.

use std::path::{Path, PathBuf};

use clap::Args;
use ipnet::IpNet;
use keybound::{Algorithm, TargetUri};
use keybound_guard::policy::{self, Issuer, Policy, PolicyError, Route};
use keybound_guard::replay::ReplayError;
use keybound_guard::tokens::TokensError;
use keybound_guard::{Guard, GuardError};

use crate::exit_code::ExitCode;
use crate::report::{Failure, Outcome};

#[derive(Args, Debug)]
pub(crate) struct PolicyArguments {
    /// Policy, a TOML file; docs/guard.toml shows every field. It takes the place of the flags below.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "resources", "issuer", "audiences", "algorithms", "jwks_file", "scopes", "trusted_proxies", "ca_file",
        "accept_untyped_tokens",
    ])]
    pub(crate) policy: Option<PathBuf>,
    /// URL under which clients call what is guarded; proofs are made for it. May be given several times.
    #[arg(long = "resource", value_name = "URL", value_parser = policy::resource)]
    resources: Vec<TargetUri>,
    /// Authorization server whose tokens are taken, exactly as in their `iss`.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// What tokens must be issued for (`aud`); without it, the first --resource. May be given several times.
    #[arg(long = "audience", value_name = "A")]
    audiences: Vec<String>,
    /// Algorithm that the issuer signs tokens with; RS256, if not given. May be given several times.
    #[arg(long = "token-alg", value_name = "ALG")]
    algorithms: Vec<Algorithm>,
    /// JWK Set with the issuer's keys; without it they are fetched from the issuer.
    #[arg(long, value_name = "FILE")]
    jwks_file: Option<PathBuf>,
    /// Take tokens whose `typ` is absent or JWT, as Okta's custom authorization servers issue them.
    #[arg(long)]
    accept_untyped_tokens: bool,
    /// Scope of which every token needs one. May be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Network of proxies in front of the guard whose X-Forwarded-* are believed. May be given several times.
    #[arg(long = "trusted-proxy", value_name = "NET")]
    trusted_proxies: Vec<IpNet>,
    /// Certificate authorities to trust beside the system's, for the issuer: a PEM file.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl PolicyArguments {
    /// A guard by the file or by the flags.
    pub(crate) fn guard(&self) -> Outcome<Guard> {
        match &self.policy {
            Some(path) => {
                let policy = Policy::from_file(path).map_err(GuardError::from);
                policy.and_then(Guard::new).map_err(|error| unusable_file(path, &error))
            }
            None => Guard::new(self.by_flags()?).map_err(|error| unusable_flags(&error)),
        }
    }

    fn by_flags(&self) -> Outcome<Policy> {
        let (Some(issuer), false) = (&self.issuer, self.resources.is_empty()) else {
            return Err(Failure::usage("a guard needs a policy")
                .because("nothing says whose tokens it takes, and under which URL clients call it")
                .do_next(
                    "give --policy FILE, or both --resource URL and --issuer URL (see `keybound guard --help`)",
                ));
        };
        let mut issuer = Issuer::new(issuer.clone());
        issuer.audiences.clone_from(&self.audiences);
        issuer.jwks_file.clone_from(&self.jwks_file);
        issuer.accept_untyped_tokens = self.accept_untyped_tokens;
        if !self.algorithms.is_empty() {
            issuer.algorithms.clone_from(&self.algorithms);
        }
        let mut policy = Policy {
            resources: self.resources.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            issuers: vec![issuer],
            ca_file: self.ca_file.clone(),
            ..Policy::default()
        };
        if !self.scopes.is_empty() {
            let route = Route { path: "/**".to_owned(), scopes: self.scopes.clone(), ..Route::default() };
            policy.routes.push(route);
        }
        Ok(policy)
    }
}

fn unusable_file(path: &Path, error: &GuardError) -> Failure {
    let what = format_args!("the policy {} can't be used", path.display());
    let failure = Failure::new(ExitCode::Settings, what).because(reason(error));
    match field_at_fault(error) {
        Some((field, _)) if field.contains('[') => failure.do_next(
            "change that field ([0] is the first of its kind, [1] the second); docs/guard.toml shows every field",
        ),
        Some(_) => failure.do_next("change that field; docs/guard.toml shows every field"),
        None => failure
            .do_next("docs/guard.toml shows every field; `keybound guard check --policy FILE` tries a policy"),
    }
}

/// Whoever wrote flags is told of the flag.
fn unusable_flags(error: &GuardError) -> Failure {
    let failure = Failure::new(ExitCode::Settings, "the guard's settings can't be used");
    let flag = field_at_fault(error).and_then(|(field, reason)| Some((flag_of(field)?, reason)));
    match flag {
        Some((flag, reason)) => failure
            .because(format_args!("{flag}: {reason}"))
            .do_next(format_args!("change {flag}; `keybound guard --help` says what it takes")),
        None => failure.because(reason(error)).do_next("`keybound guard --help` lists the flags"),
    }
}

/// Without the words that what stands before it says already.
fn reason(error: &GuardError) -> String {
    match policy_error(error) {
        Some(PolicyError::Field { field, reason }) => format!("`{field}`: {reason}"),
        Some(PolicyError::Unreadable { source, .. }) => format!("it can't be read: {source}"),
        _ => error.to_string(),
    }
}

fn field_at_fault(error: &GuardError) -> Option<(&str, &str)> {
    match policy_error(error)? {
        PolicyError::Field { field, reason } => Some((field, reason)),
        _ => None,
    }
}

fn policy_error(error: &GuardError) -> Option<&PolicyError> {
    match error {
        GuardError::Policy(error)
        | GuardError::Tokens(TokensError::Policy(error))
        | GuardError::Replay(ReplayError::Policy(error)) => Some(error),
        _ => None,
    }
}

/// The flag that sets a field of the policy.
fn flag_of(field: &str) -> Option<&'static str> {
    Some(match field {
        "resources" => "--resource",
        "issuers[0].issuer" => "--issuer",
        "issuers[0].audiences" => "--audience",
        "issuers[0].jwks_file" => "--jwks-file",
        "routes[0].scopes" => "--scope",
        "ca_file" => "--ca-file",
        _ => return None,
    })
}
