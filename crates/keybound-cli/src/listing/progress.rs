//! How far a long list is, on standard error: how many so far, and what the org's rate limit leaves.
//!
//! It is for a person: there is none where standard error is no terminal, and none on a terminal that can't take a
//! line back (`TERM=dumb`). It has no colours, so `NO_COLOR` changes nothing, and it leaves nothing behind.

use std::io::{self, IsTerminal as _};

use http::HeaderMap;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// What Okta says of its limit in each answer.
const LIMIT: &str = "x-rate-limit-limit";
const REMAINING: &str = "x-rate-limit-remaining";

pub(super) struct Progress {
    bar: ProgressBar,
    nouns: (&'static str, &'static str),
    so_far: usize,
}

impl Progress {
    pub(super) fn on_terminal(nouns: (&'static str, &'static str)) -> Self {
        let can_take_back = std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
        let is_shown = io::stderr().is_terminal() && (can_take_back || cfg!(windows));
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self::on(target, nouns)
    }

    fn on(target: ProgressDrawTarget, nouns: (&'static str, &'static str)) -> Self {
        let bar = ProgressBar::with_draw_target(None, target).with_finish(ProgressFinish::AndClear);
        // The template is ours, and is one.
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, nouns, so_far: 0 }
    }

    /// Prints something else, for which the line is taken away.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// A page of so many more has come, with these header fields.
    pub(super) fn tell(&mut self, more: usize, headers: &HeaderMap) {
        self.so_far += more;
        self.bar.set_message(message(self.so_far, self.nouns, headers));
        self.bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn message(so_far: usize, nouns: (&str, &str), headers: &HeaderMap) -> String {
    let noun = if so_far == 1 { nouns.0 } else { nouns.1 };
    let number = |name| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    match (number(REMAINING), number(LIMIT)) {
        (Some(remaining), Some(limit)) => {
            format!(
                "{so_far} {noun} so far; {remaining} of {limit} requests are left in the org's rate limit"
            )
        }
        _ => format!("{so_far} {noun} so far"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::TermLike;
    use std::sync::{Arc, Mutex};

    #[test]
    fn what_is_told_follows_the_last_answer() {
        let headers = |fields: &[(&'static str, &str)]| {
            fields.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        for (so_far, fields, expected, why) in [
            (1, &[][..], "1 user so far", "an answer that says nothing of a limit"),
            (
                400,
                &[(LIMIT, "600"), (REMAINING, "598")],
                "400 users so far; 598 of 600 requests are left in the org's rate limit",
                "both numbers",
            ),
            (2, &[(LIMIT, "600")], "2 users so far", "half of it says nothing"),
            (2, &[(LIMIT, "many"), (REMAINING, "1")], "2 users so far", "no number"),
        ] {
            assert_eq!(message(so_far, ("user", "users"), &headers(fields)), expected, "{why}");
        }
    }

    /// The lines of a terminal of which the last one alone is written to.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<Vec<String>>>);

    impl Screen {
        fn on_last(&self, change: impl FnOnce(&mut String)) {
            let mut lines = self.0.lock().unwrap();
            if lines.is_empty() {
                lines.push(String::new());
            }
            lines.last_mut().map(change).unwrap();
        }

        fn lines(&self) -> Vec<String> {
            let lines = self.0.lock().unwrap();
            let texts = lines.iter().map(|line| line.trim_end().to_owned());
            texts.filter(|line| !line.is_empty()).collect()
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
            assert_eq!(lines, 0, "it is one line");
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)?;
            self.0.lock().unwrap().push(String::new());
            Ok(())
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.on_last(|line| line.push_str(text));
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.on_last(String::clear);
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_left_behind() {
        let screen = Screen::default();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let mut progress = Progress::on(target, ("user", "users"));
        progress.tell(200, &HeaderMap::new());
        assert_eq!(screen.lines(), ["200 users so far"]);
        progress.aside(|| screen.write_line("a row").unwrap());
        assert_eq!(screen.lines(), ["a row", "200 users so far"]);
        drop(progress);
        assert_eq!(screen.lines(), ["a row"]);
    }
}
