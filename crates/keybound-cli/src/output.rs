//! Standard output: a terminal gets what a person wants, a pipe gets what a program wants.
//!
//! Colours go through `anstream`, which takes them out for pipes and where `NO_COLOR` is set.

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use keybound::excerpt::is_shown;
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
        let text = text.map_err(io::Error::from)?;
        if self.terminal { self.line(escaped(&text)) } else { self.line(text) }
    }

    /// JSON that is text already: as it came for a program, and for a person nothing in it that acts on a terminal.
    pub(crate) fn json_text(self, json: &[u8]) -> Outcome {
        if self.terminal {
            self.bytes(escaped(&String::from_utf8_lossy(json)).as_bytes())
        } else {
            self.bytes(json)
        }
    }
}

/// The same JSON, in which characters that a terminal obeys, or that hide or turn others, are written as `\uXXXX`.
/// They stand in strings alone; between those JSON has no other control characters than these three.
pub(crate) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, '\n' | '\r' | '\t') || is_shown(character) {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_on_a_terminal_has_nothing_that_acts_on_it_and_says_the_same() {
        for (came, expected) in [
            ("a\u{9b}2Jb", r#""a\u009b2Jb""#),
            ("\u{202e}x\u{2066}", r#""\u202ex\u2066""#),
            ("\u{200b}\u{feff}\u{61c}", r#""\u200b\ufeff\u061c""#),
            ("\u{7f}", r#""\u007f""#),
            ("\u{e0041}", r#""\udb40\udc41""#),
            ("\u{1b}é✓\n", "\"\\u001bé✓\\n\""),
        ] {
            let json = serde_json::to_string(came).expect("it is text");
            assert_eq!(escaped(&json), expected);
            assert_eq!(serde_json::from_str::<String>(expected).expect("it is JSON"), came);
        }
        assert_eq!(escaped("{\n  \"a\": 1\n}"), "{\n  \"a\": 1\n}");
    }
}
