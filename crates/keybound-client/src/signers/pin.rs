//! The PIN of a token, or the authorization value of a key in a TPM: read when it is needed, wiped when it has
//! been.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Where a PIN comes from. It is read each time that the key is opened.
#[derive(Clone)]
#[non_exhaustive]
pub enum Pin {
    /// The first line of a file.
    File(PathBuf),
    /// The value of an environment variable. Files are better: a process's environment is seen by
    /// everything that runs as the same user, and goes to every process that it starts.
    Environment(String),
    /// What this gives: asked of a person, or of a service that keeps secrets.
    Ask(Arc<dyn Fn() -> io::Result<Zeroizing<String>> + Send + Sync>),
    /// It is typed on the token itself, or none is needed.
    Keypad,
}

/// A PIN that could not be read.
pub(super) struct PinUnreadable {
    /// Where it should have come from.
    pub(super) from: String,
    /// What the system said.
    pub(super) detail: String,
}

impl Pin {
    /// The PIN, if this process is the one to give it.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<String>>, PinUnreadable> {
        let read = match self {
            Self::File(path) => std::fs::read_to_string(path).map(|text| first_line(Zeroizing::new(text))),
            // The error of a value that is no Unicode would repeat it.
            Self::Environment(name) => std::env::var(name)
                .map(Zeroizing::new)
                .map_err(|_| io::Error::other("it is not set, or no Unicode text")),
            Self::Ask(ask) => ask(),
            Self::Keypad => return Ok(None),
        };
        let unreadable =
            |error: io::Error| PinUnreadable { from: self.to_string(), detail: error.to_string() };
        read.map(Some).map_err(unreadable)
    }
}

fn first_line(mut text: Zeroizing<String>) -> Zeroizing<String> {
    let end = text.find(['\r', '\n']).unwrap_or(text.len());
    text.truncate(end);
    text
}

impl fmt::Display for Pin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "the file {}", path.display()),
            Self::Environment(name) => write!(formatter, "the environment variable {name}"),
            Self::Ask(_) => formatter.write_str("the program"),
            Self::Keypad => formatter.write_str("the token's keypad"),
        }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pin({self})")
    }
}
