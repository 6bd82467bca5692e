//! The `.env` file: `NAME=value` lines as the `dotenv` package of Node.js reads them, which is what Okta's
//! samples are written for.
//!
//! A value runs to the end of its line or to a `#`, spaces included (`OKTA_SCOPES=a b`). In quotes
//! (`'`, `"` or a backtick) it may hold anything, line breaks included; in double quotes `\n`, `\r`, `\"`
//! and `\\` are escapes. Variables are not expanded. The last of several lines with one name counts.
//! Nothing is put into the environment of the process.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::file::{self, ReadError};

/// The file's name in the working folder.
const FILE_NAME: &str = ".env";

/// Bytes of a `.env` file, at most; one with a few keys in it has some ten thousand.
const MAX_BYTES: u64 = 256 * 1024;

/// A `.env` file that has been read; it may hold keys.
pub(super) struct EnvFile {
    entries: HashMap<String, Entry>,
    /// Others than the owner may read it.
    pub(super) exposed_mode: Option<u32>,
}

pub(super) struct Entry {
    pub(super) value: Zeroizing<String>,
    pub(super) line: usize,
}

/// Why a `.env` file can't be used. The text of the line is left out: it may hold a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvFileError {
    /// It is there and can't be read.
    #[error("can't be read: {0}")]
    Unreadable(#[from] ReadError),
    /// A line that is neither `NAME=value` nor a comment.
    #[error("line {line} is neither `NAME=value` nor a comment; a value of several lines stands in quotes")]
    NotAnAssignment {
        /// The line's number, from 1.
        line: usize,
    },
    /// A quote that is never closed.
    #[error("the quote that line {line} opens is never closed")]
    OpenQuote {
        /// The line's number, from 1.
        line: usize,
    },
    /// Something other than a comment after a quoted value.
    #[error("line {line} has something after the quoted value that is no comment")]
    AfterQuote {
        /// The number of the line on which the value begins, from 1.
        line: usize,
    },
}

impl EnvFile {
    /// Where the file is in `folder`.
    pub(super) fn path_in(folder: &Path) -> PathBuf {
        folder.join(FILE_NAME)
    }

    /// Reads the file at `path`; `None` if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, EnvFileError> {
        match file::read(path, MAX_BYTES) {
            Ok(file) => Ok(Some(Self { entries: parse(&file.text)?, exposed_mode: file.exposed_mode })),
            Err(ReadError::Io(io::ErrorKind::NotFound)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }
}

fn parse(text: &str) -> Result<HashMap<String, Entry>, EnvFileError> {
    let mut entries = HashMap::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (first, after) = split_line(rest);
        let first = first.trim();
        if first.is_empty() || first.starts_with('#') {
            (rest, line) = (after, line + 1);
            continue;
        }
        let (name, start) = assignment(rest).ok_or(EnvFileError::NotAnAssignment { line })?;
        let (value, after) = value(start, line)?;
        entries.insert(name.to_owned(), Entry { value, line });
        line += lines_between(rest, after);
        rest = after;
    }
    Ok(entries)
}

/// The name before `=` on the first line of `text`, and the text after it.
fn assignment(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.split_once('=')?;
    let name = name.trim_start();
    let name = match name.strip_prefix("export") {
        Some(exported) if exported.starts_with([' ', '\t']) => exported,
        _ => name,
    };
    let name = name.trim();
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_name_byte)).then_some((name, after))
}

/// The value at the start of `text`, and the lines after it.
fn value(text: &str, line: usize) -> Result<(Zeroizing<String>, &str), EnvFileError> {
    let start = text.trim_start_matches([' ', '\t']);
    let Some(quote @ ('\'' | '"' | '`')) = start.chars().next() else {
        let (rest_of_line, after) = split_line(start);
        let value = rest_of_line.split('#').next().unwrap_or_default().trim();
        return Ok((Zeroizing::new(value.to_owned()), after));
    };
    let mut value = Zeroizing::new(String::with_capacity(start.len()));
    let mut characters = start.char_indices().skip(1);
    while let Some((position, character)) = characters.next() {
        if character == quote {
            let (rest_of_line, after) = split_line(start.get(position + 1..).unwrap_or_default());
            let rest_of_line = rest_of_line.trim();
            return if rest_of_line.is_empty() || rest_of_line.starts_with('#') {
                Ok((value, after))
            } else {
                Err(EnvFileError::AfterQuote { line })
            };
        }
        let escaped = start.get(position + 1..).and_then(|rest| rest.chars().next());
        match (quote, character, escaped) {
            ('"', '\\', Some(code @ ('n' | 'r' | '"' | '\\'))) => {
                characters.next();
                value.push(match code {
                    'n' => '\n',
                    'r' => '\r',
                    same => same,
                });
            }
            _ => value.push(character),
        }
    }
    Err(EnvFileError::OpenQuote { line })
}

/// The first line of `text` without its end, and what comes after it.
fn split_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// How many line ends stand between the starts of `text` and of its tail `rest`.
fn lines_between(text: &str, rest: &str) -> usize {
    let consumed = text.len() - rest.len();
    text.bytes().take(consumed).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn get(text: &str, name: &str) -> Option<(String, usize)> {
        parse(text).unwrap().get(name).map(|entry| (entry.value.to_string(), entry.line))
    }

    #[test]
    fn values_are_read_as_node_reads_them() {
        for (text, value, why) in [
            ("A=1", "1", "plain"),
            ("A=1\r\n", "1", "a line end of Windows"),
            ("\u{feff}A=1", "1", "after a byte order mark"),
            ("  A  =  1  ", "1", "white space around"),
            ("export A=1", "1", "as a shell writes it"),
            ("exportA=0\nA=1", "1", "a name that begins with export"),
            ("A=okta.users.read okta.groups.read", "okta.users.read okta.groups.read", "spaces inside"),
            ("A=1 # one", "1", "a comment after the value"),
            ("A='1 # one'", "1 # one", "a number sign in quotes"),
            ("A=\"1\" # one", "1", "a comment after quotes"),
            ("A=`it's \"1\"`", "it's \"1\"", "quotes in other quotes"),
            ("A=", "", "empty"),
            ("A=\nB=2", "", "empty, with a line after it"),
            ("A=''", "", "empty in quotes"),
            ("A=0\nA=1", "1", "the last counts"),
            (r#"A="x\ny""#, "x\ny", "an escaped line end"),
            (r#"A="x\\ny \"z\" \d""#, r#"x\ny "z" \d"#, "other escapes"),
            (r"A='x\ny'", r"x\ny", "no escapes in single quotes"),
            ("A=\"x\ny\"\nB=2", "x\ny", "several lines"),
            ("A=$HOME/${x}", "$HOME/${x}", "nothing is expanded"),
            (r#"A={"kty":"RSA"}"#, r#"{"kty":"RSA"}"#, "JSON without quotes"),
            ("A=x=y==", "x=y==", "equals signs in the value"),
        ] {
            assert_eq!(get(text, "A").unwrap().0, value, "{why}: {text}");
        }
    }

    #[test]
    fn values_know_their_line() {
        let text = "# a comment\n\nA=1\nB=\"x\ny\n\"\nC=3\n";
        assert_eq!(get(text, "A").unwrap().1, 3);
        assert_eq!(get(text, "B"), Some(("x\ny\n".to_owned(), 4)));
        assert_eq!(get(text, "C").unwrap().1, 7);
        assert_eq!(get(text, "D"), None);
    }

    #[test]
    fn lines_that_say_nothing_are_told_by_their_number() {
        use EnvFileError as E;
        for (text, error) in [
            ("A=1\nsecret", E::NotAnAssignment { line: 2 }),
            ("=1", E::NotAnAssignment { line: 1 }),
            ("A B=1", E::NotAnAssignment { line: 1 }),
            ("A=-----BEGIN PRIVATE KEY-----\nMIIE/\nw==\n", E::NotAnAssignment { line: 2 }),
            ("A=1\nB=\"x\n\n", E::OpenQuote { line: 2 }),
            ("A='x' y", E::AfterQuote { line: 1 }),
        ] {
            assert_eq!(parse(text).err(), Some(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in r#"(\PC|A=|export|[ #='"`\\\n\r]){0,200}"#) {
            let _ = parse(&text);
        }

        #[test]
        fn a_value_in_single_quotes_is_read_back_as_it_was_written(value in r"[^']{0,100}", before in "\n{0,5}") {
            let (read, line) = get(&format!("{before}A='{value}'\nB=1"), "A").unwrap();
            prop_assert_eq!((read, line), (value, before.len() + 1));
        }
    }
}
