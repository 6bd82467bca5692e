//! What the program says when it fails: what failed, why, and what to do next.

use std::fmt::Display;
use std::io;

use anstream::eprintln;
use anstyle::{AnsiColor, Style};
use keybound_okta::{ErrorKind, SettingsError};
use keybound_org::{StartError, StoreError};

use crate::exit_code::ExitCode;

/// The result of a verb.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const LABEL: Style = Style::new().bold();

/// A failure as its reader meets it. None of its texts ever holds a token, a proof or a key.
#[derive(Debug)]
pub(crate) struct Failure {
    /// [`ExitCode::Ok`] where the reader of standard output has gone (`keybound … | head`): nothing has
    /// failed, and there is nothing to tell.
    code: ExitCode,
    texts: Box<Texts>,
}

#[derive(Debug, Default)]
struct Texts {
    what: String,
    why: Option<String>,
    next: Option<String>,
}

impl Failure {
    /// What failed, in words that fit after `error: `.
    pub(crate) fn new(code: ExitCode, what: impl Display) -> Self {
        Self { code, texts: Box::new(Texts { what: what.to_string(), ..Texts::default() }) }
    }

    /// The usage errors that clap cannot see by itself.
    pub(crate) fn usage(what: impl Display) -> Self {
        Self::new(ExitCode::Usage, what)
    }

    /// Why it failed: the cause, or the rule.
    pub(crate) fn because(mut self, why: impl Display) -> Self {
        self.texts.why = Some(why.to_string());
        self
    }

    /// What to do next.
    pub(crate) fn do_next(mut self, next: impl Display) -> Self {
        self.texts.next = Some(next.to_string());
        self
    }

    /// The code to exit with.
    pub(crate) const fn code(&self) -> ExitCode {
        self.code
    }

    /// What failed.
    pub(crate) fn what(&self) -> &str {
        &self.texts.what
    }

    /// Why, where it is known.
    pub(crate) fn why(&self) -> Option<&str> {
        self.texts.why.as_deref()
    }

    /// What to do next, where it is known.
    pub(crate) fn next(&self) -> Option<&str> {
        self.texts.next.as_deref()
    }

    /// What to do next, beside what is said already.
    pub(crate) fn also_do(mut self, next: impl Display) -> Self {
        self.texts.next = Some(match self.texts.next {
            Some(first) => format!("{first}\n{next}"),
            None => next.to_string(),
        });
        self
    }

    /// What was done to `object` holds; only what it is now could not be read.
    pub(crate) fn after_change(error: keybound_okta::Error, object: &str, what: &str) -> Self {
        Self::from(error).because(format_args!("{object} is {what}, but what it is now could not be read"))
    }

    /// Tells it on standard error; the code to exit with comes back.
    pub(crate) fn tell(&self) -> ExitCode {
        if self.code == ExitCode::Ok {
            return ExitCode::Ok;
        }
        let Texts { what, why, next } = &*self.texts;
        eprintln!("{ERROR}error:{ERROR:#} {what}");
        if let Some(why) = why {
            eprintln!("  {LABEL}why:{LABEL:#} {}", indented(why));
        }
        if let Some(next) = next {
            eprintln!("   {LABEL}do:{LABEL:#} {}", indented(next));
        }
        self.code
    }
}

/// Lines after the first stand under the first one's text.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n       ")
}

/// What the client of an org says, under the exit code of its sort.
impl From<keybound_okta::Error> for Failure {
    fn from(error: keybound_okta::Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Settings => ExitCode::Settings,
            ErrorKind::Key => ExitCode::KeyFile,
            ErrorKind::Request => ExitCode::Usage,
            ErrorKind::Connection => ExitCode::Connection,
            ErrorKind::Clock => ExitCode::Clock,
            ErrorKind::Client => ExitCode::ClientRefused,
            ErrorKind::Scope => ExitCode::ScopeRefused,
            ErrorKind::Dpop => ExitCode::DpopRefused,
            ErrorKind::Api => ExitCode::ApiRefused,
            ErrorKind::Server => ExitCode::ServerFailed,
            _ => ExitCode::Unexpected,
        };
        let failure = Failure::new(code, &error);
        match error.advice() {
            Some(advice) => failure.do_next(advice),
            None => failure,
        }
    }
}

/// Who has no settings yet is told how to come by them.
impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let is_missing = matches!(error, SettingsError::Missing { .. });
        let mut failure = Self::from(keybound_okta::Error::from(error));
        if let (true, Some(next)) = (is_missing, &mut failure.texts.next) {
            next.push_str("\n`keybound init` makes keys and a .env with all names in it.");
        }
        failure
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            error => {
                let next = match error {
                    StartError::Listen { .. } => {
                        "end what listens there, or choose another port; port 0 takes a free one"
                    }
                    StartError::NotLoopback(_) => {
                        "listen on 127.0.0.1; or, with https, add --listen-beyond-loopback"
                    }
                    _ => "choose another folder for --data; a new one is made from nothing",
                };
                Self::new(ExitCode::LocalOrg, "the local org cannot start").because(error).do_next(next)
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::UnsupportedKey { .. } | StoreError::KeyTaken { .. } => ExitCode::KeyFile,
            StoreError::InvalidScope { .. } => ExitCode::Usage,
            _ => ExitCode::LocalOrg,
        };
        Self::new(code, error)
    }
}

/// Failures to write to standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let reader_has_gone = error.kind() == io::ErrorKind::BrokenPipe;
        let code = if reader_has_gone { ExitCode::Ok } else { ExitCode::Unexpected };
        Self::new(code, "the output could not be written").because(error)
    }
}
