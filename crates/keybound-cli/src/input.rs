//! What is read from a file, or from standard input where its name is `-`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::report::{Failure, Outcome};

/// Bytes of an input, at most: far beyond any body that the API takes.
const MAX_INPUT_BYTES: u64 = 64 * 1024 * 1024;

/// All of it.
pub(crate) fn bytes(path: &Path) -> Outcome<Bytes> {
    let unreadable = || Failure::usage(format_args!("the input {} cannot be read", path.display()));
    let bytes = read(path).map_err(|error| unreadable().because(error))?;
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        return Err(unreadable().because(format_args!("it has more than {MAX_INPUT_BYTES} bytes")));
    }
    Ok(bytes.into())
}

/// The same as text.
pub(crate) fn text(path: &Path) -> Outcome<String> {
    String::from_utf8(bytes(path)?.into()).map_err(|_| {
        Failure::usage(format_args!("the input {} cannot be read as text", path.display()))
            .because("it is not UTF-8")
    })
}

/// The object that the API is to get, read from JSON.
pub(crate) fn json<T: DeserializeOwned>(path: &Path) -> Outcome<T> {
    serde_json::from_slice(&bytes(path)?).map_err(|error| {
        Failure::usage(format_args!("the input {} is not what the API takes", path.display())).because(error)
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
