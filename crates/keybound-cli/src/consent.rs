//! A person's yes to what can't be taken back.

use std::fmt::Display;

use clap::Args;

use crate::exit_code::ExitCode;
use crate::output::TITLE;
use crate::question;
use crate::report::{Failure, Outcome};

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Consent {
    /// Don't ask first; needed where there is no terminal to ask on.
    #[arg(short, long)]
    yes: bool,
}

impl Consent {
    /// Goes on if there is a yes to doing `what`: "delete the user 00u1 for good".
    pub(crate) fn to(self, what: impl Display) -> Outcome {
        if self.yes {
            return Ok(());
        }
        if !question::can_be_asked() {
            return Err(Failure::usage(format_args!("nobody can be asked whether to {what}"))
                .because("there is no terminal")
                .do_next("add --yes, if that is what you want"));
        }
        let answer = question::ask(format_args!("{TITLE}This will {what}.{TITLE:#} Go on? [y/N]"))?;
        if is_yes(&answer.unwrap_or_default()) {
            Ok(())
        } else {
            Err(Failure::new(ExitCode::Unexpected, "nothing was done"))
        }
    }
}

/// Nothing but a yes is one.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_yes_is_one() {
        for (answer, expected) in [
            ("y\n", true),
            ("YES\r\n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yes please\n", false),
            ("ye\n", false),
        ] {
            assert_eq!(is_yes(answer), expected, "{answer:?}");
        }
    }
}
