//! Standard output: a terminal gets what a person wants, a pipe gets what a program wants.
//!
//! Colours go through `anstream`, which takes them out for pipes and where `NO_COLOR` is set.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::report::Outcome;

pub(crate) const TITLE: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();

/// Where a verb writes its result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    terminal: bool,
}

#[expect(clippy::unused_self, reason = "who writes holds the output, so that all of it goes one way")]
impl Output {
    pub(crate) fn standard() -> Self {
        Self { terminal: io::stdout().is_terminal() }
    }

    /// Whether a person reads it.
    pub(crate) const fn is_terminal(self) -> bool {
        self.terminal
    }

    pub(crate) fn line(self, line: impl Display) -> Outcome {
        Ok(writeln!(anstream::stdout(), "{line}")?)
    }

    /// Bytes as they came, without a line end of our own.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Outcome {
        let mut stdout = io::stdout();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    /// A line that tells a person of a change, and the object that was changed for a program.
    pub(crate) fn changed(self, line: impl Display, object: &impl Serialize) -> Outcome {
        if self.terminal { self.line(line) } else { self.json(object) }
    }

    /// One JSON document: indented for a person, one line for a program.
    pub(crate) fn json(self, value: &impl Serialize) -> Outcome {
        let text =
            if self.terminal { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        self.line(text.map_err(io::Error::from)?)
    }
}
