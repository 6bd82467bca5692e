//! The policy of a guard: from a file, or from flags for the common case.

use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;
use keybound::{Algorithm, TargetUri};
use keybound_guard::policy::{Issuer, Policy, PolicyError, Route};
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
    #[arg(long = "resource", value_name = "URL", value_parser = TargetUri::parse)]
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
        let policy = match &self.policy {
            Some(path) => Policy::from_file(path)?,
            None => self.by_flags()?,
        };
        Ok(Guard::new(policy)?)
    }

    fn by_flags(&self) -> Outcome<Policy> {
        let Some(issuer) = &self.issuer else {
            return Err(Failure::usage("a guard needs a policy")
                .because("nothing says whose tokens it takes, and for what")
                .do_next(
                    "give --policy FILE, or --resource URL and --issuer URL (see `keybound guard --help`)",
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
        policy.check()?;
        Ok(policy)
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Self::new(ExitCode::Settings, "the policy can't be used")
            .because(error)
            .do_next("docs/guard.toml shows every field; `keybound guard check --policy FILE` tries a policy")
    }
}

impl From<GuardError> for Failure {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Policy(error) => error.into(),
            error => Self::new(ExitCode::Settings, "the policy can't be used").because(error),
        }
    }
}
