//! What a person is asked on a terminal. In a pipe nobody is asked: nobody would answer.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal as _, Write as _};

/// Bytes of an answer that are read, at most.
const MAX_ANSWER_BYTES: u64 = 1024;

/// Whether there is somebody to ask.
pub(crate) fn can_be_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The line that answers `question`, without blanks around it; none where the input has ended.
pub(crate) fn ask(question: impl Display) -> io::Result<Option<String>> {
    let mut stderr = anstream::stderr();
    write!(stderr, "{question} ")?;
    stderr.flush()?;
    answer(io::stdin().lock())
}

fn answer(input: impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let length = input.take(MAX_ANSWER_BYTES).read_line(&mut line)?;
    Ok((length > 0).then(|| line.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_line_and_the_end_of_the_input_is_none() {
        let endless = "a".repeat(5000);
        for (input, expected, why) in [
            ("yes\r\nno\n", Some("yes"), "a line"),
            ("\n", Some(""), "an empty one is an answer"),
            (" x ", Some("x"), "a line without its end"),
            ("", None, "nobody is there any more"),
            (endless.as_str(), endless.get(..1024), "no more is read than anybody types"),
        ] {
            assert_eq!(answer(input.as_bytes()).unwrap().as_deref(), expected, "{why}");
        }
    }
}
