//! How something stands by one rule.

use keybound::{JwkSet, Rule};
use serde::Serialize;

use super::Arguments;
use crate::exit_code::ExitCode;
use crate::key_file;
use crate::report::{Failure, Outcome};

/// One rule and the judgement by it.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) source: &'static str,
    pub(super) requirement: &'static str,
    #[serde(flatten)]
    pub(super) judgement: Judgement,
}

#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Judgement {
    Passed,
    Failed { reason: String },
    NotChecked { reason: String },
}

impl Finding {
    pub(super) const fn new(rule: Rule, judgement: Judgement) -> Self {
        Self { source: rule.source(), requirement: rule.requirement(), judgement }
    }

    pub(super) const fn is_failed(&self) -> bool {
        matches!(self.judgement, Judgement::Failed { .. })
    }
}

impl Judgement {
    pub(super) fn failed(reason: &impl ToString) -> Self {
        Self::Failed { reason: reason.to_string() }
    }

    pub(super) fn not_checked(reason: &str) -> Self {
        Self::NotChecked { reason: reason.to_string() }
    }
}

/// The keys of `--key` or `--jwks`, if one was given.
pub(super) fn given_keys(arguments: &Arguments) -> Outcome<Option<JwkSet>> {
    if let Some(path) = &arguments.key {
        return Ok(Some(JwkSet::from_keys(vec![key_file::read_public(path)?])));
    }
    let Some(path) = &arguments.jwks else { return Ok(None) };
    let text = key_file::read(path)?;
    JwkSet::parse(text.as_bytes()).map(Some).map_err(|error| {
        Failure::new(ExitCode::KeyFile, format_args!("{} is not a JWK Set", path.display())).because(error)
    })
}
