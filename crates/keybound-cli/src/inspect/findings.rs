//! How something stands by one rule.

use keybound::inspection;
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
    /// `option` is the one by which what is not known could be told.
    pub(crate) fn of<R: ToString>(outcome: inspection::Outcome<R>, option: Option<&'static str>) -> Self {
        let not_checked = |reason: String| Self::NotChecked { reason };
        match outcome {
            inspection::Outcome::Passed => Self::Passed,
            inspection::Outcome::Failed(refusal) => Self::Failed { reason: refusal.to_string() },
            inspection::Outcome::NotChecked(reason) => match option.filter(|_| reason.ends_with("not known"))
            {
                Some(option) => not_checked(format!("{reason} ({option})")),
                None => not_checked(reason.to_owned()),
            },
            _ => not_checked("this version does not know how it stands".to_owned()),
        }
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
