//! How something stands by one rule.

use std::time::Duration;

use keybound::{JwkSet, Rule};
use serde::Serialize;

use super::Arguments;
use crate::exit_code::ExitCode;
use crate::key_file;
use crate::report::{Failure, Outcome};

/// One rule and the judgement by it.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(super) source: &'static str,
    pub(super) requirement: &'static str,
    #[serde(flatten)]
    pub(super) judgement: Judgement,
}

#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Judgement {
    Passed,
    Failed { reason: String },
    NotChecked { reason: String },
}

impl Finding {
    pub(crate) const fn new(rule: Rule, judgement: Judgement) -> Self {
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

/// All that a check refuses, though it stops at the first.
pub(super) struct Refusals<R> {
    pub(super) all: Vec<R>,
    /// Whether there may be more behind the last one.
    pub(super) stopped: bool,
}

impl<R: PartialEq> Refusals<R> {
    /// Asks `check` again and again, each time with what it refused relaxed, until it refuses nothing, or
    /// something that cannot be relaxed.
    pub(super) fn find<P>(
        policy: &mut P,
        check: impl Fn(&P) -> Option<R>,
        relax: impl Fn(&mut P, &R) -> bool,
    ) -> Self {
        let mut all = Vec::new();
        while let Some(refusal) = check(policy) {
            let stopped = all.contains(&refusal) || !relax(policy, &refusal);
            all.push(refusal);
            if stopped {
                return Self { all, stopped };
            }
        }
        Self { all, stopped: false }
    }
}

/// Longer than any clock is off, and short enough not to overflow: relaxes every rule about time.
pub(super) const ANY_TIME: Duration = Duration::from_secs(1 << 40);

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
