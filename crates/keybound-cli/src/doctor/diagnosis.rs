//! What was found, step by step: a line each for a person as it comes, one JSON array for a program.

use std::fmt::Display;
use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::output::{BAD, FAINT, GOOD, NAME, Output};
use crate::report::{Failure, Outcome};

const DOUBTFUL: Style = AnsiColor::Yellow.on_default();

/// Most names of steps are no longer, so that what was found stands in one column.
const STEP_WIDTH: usize = 15;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum StepOutcome {
    Ok,
    Warning,
    Failed,
}

impl StepOutcome {
    /// Its colour, its sign, and the word that stands where there are no colours.
    const fn mark(self) -> (Style, &'static str, &'static str) {
        match self {
            Self::Ok => (GOOD, "✓", "ok     "),
            Self::Warning => (DOUBTFUL, "!", "warning"),
            Self::Failed => (BAD, "✗", "failed "),
        }
    }
}

/// What was found at one step.
#[derive(Debug, Serialize)]
struct Finding {
    step: String,
    outcome: StepOutcome,
    found: String,
    why: Option<String>,
    next: Option<String>,
}

/// All that was found so far.
pub(super) struct Diagnosis {
    output: Output,
    is_for_a_person: bool,
    findings: Vec<Finding>,
    /// The code of the first step that failed, and its name.
    first_failed: Option<(ExitCode, String)>,
}

impl Diagnosis {
    pub(super) fn new(output: Output, json: bool) -> Self {
        let is_for_a_person = output.is_terminal() && !json;
        Self { output, is_for_a_person, findings: Vec::new(), first_failed: None }
    }

    /// The step is as it should be.
    pub(super) fn good(&mut self, step: impl Display, found: impl Display) -> Outcome {
        self.note(step, StepOutcome::Ok, found, None, None)
    }

    /// The step is not as it should be, and calls go through all the same.
    pub(super) fn warn(
        &mut self,
        step: impl Display,
        found: impl Display,
        why: impl Display,
        next: impl Display,
    ) -> Outcome {
        self.note(step, StepOutcome::Warning, found, Some(why.to_string()), Some(next.to_string()))
    }

    /// The step failed. Where nobody knows more, why is what the exit code stands for.
    pub(super) fn bad(&mut self, step: impl Display, failure: &Failure) -> Outcome {
        self.first_failed.get_or_insert_with(|| (failure.code(), step.to_string()));
        let why = failure.why().unwrap_or(failure.code().meaning()).to_owned();
        let next = failure.next().map(str::to_owned);
        self.note(step, StepOutcome::Failed, failure.what(), Some(why), next)
    }

    fn note(
        &mut self,
        step: impl Display,
        outcome: StepOutcome,
        found: impl Display,
        why: Option<String>,
        next: Option<String>,
    ) -> Outcome {
        let finding = Finding { step: step.to_string(), outcome, found: found.to_string(), why, next };
        if self.is_for_a_person {
            tell(&finding, self.output)?;
        }
        self.findings.push(finding);
        Ok(())
    }

    /// Prints what a program reads, and ends with the first step that failed.
    pub(super) fn conclude(self) -> Outcome {
        if !self.is_for_a_person {
            self.output.json(&self.findings)?;
        }
        match self.first_failed {
            None => Ok(()),
            Some((code, step)) => {
                let failure = Failure::new(code, format_args!("the step `{step}` failed"));
                Err(failure
                    .because("what comes after it may have failed for the same cause")
                    .do_next("change what is said beside it, and run `keybound doctor` again"))
            }
        }
    }
}

fn tell(finding: &Finding, output: Output) -> Outcome {
    let (style, sign, word) = finding.outcome.mark();
    let has_colours = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
    let mark = if has_colours { sign } else { word };
    let Finding { step, found, why, next, .. } = finding;
    let found = hanging(found, mark.chars().count() + STEP_WIDTH.max(step.chars().count()) + 3);
    output.line(format_args!("{style}{mark}{style:#} {NAME}{step:<STEP_WIDTH$}{NAME:#}  {found}"))?;
    for (label, text) in [("why", why), ("do", next)] {
        if let Some(text) = text {
            output.line(format_args!("    {FAINT}{label:>3}:{FAINT:#} {}", hanging(text, 9)))?;
        }
    }
    Ok(())
}

/// A text whose further lines begin where its first one does.
fn hanging(text: &str, column: usize) -> String {
    text.trim_end().replace('\n', &format!("\n{:column$}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_text_stand_below_each_other() {
        for (text, written) in [("one", "one"), ("one\ntwo\n\n", "one\n    two"), ("", "")] {
            assert_eq!(hanging(text, 4), written);
        }
    }
}
