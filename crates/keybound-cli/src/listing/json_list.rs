//! A list as JSON, printed page by page: one array, or objects that stand for themselves (NDJSON).

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::output::Output;
use crate::report::Outcome;

pub(crate) struct JsonList {
    ndjson: bool,
    is_empty: bool,
}

impl JsonList {
    pub(crate) fn new(ndjson: bool) -> Self {
        Self { ndjson, is_empty: true }
    }

    /// Prints items as they came.
    pub(crate) fn print(&mut self, items: &[&RawValue], output: Output) -> Outcome {
        let mut text = String::with_capacity(items.iter().map(|item| item.get().len() + 2).sum());
        for item in items {
            if self.ndjson {
                text.push_str(&one_line(item)?);
                text.push('\n');
            } else {
                text.push_str(if self.is_empty { "[" } else { ",\n" });
                text.push_str(&shown(item, output)?);
            }
            self.is_empty = false;
        }
        output.json_text(text.as_bytes())
    }

    pub(crate) fn print_objects(&mut self, objects: &[impl Serialize], output: Output) -> Outcome {
        let objects: Result<Vec<_>, _> = objects.iter().map(to_raw_value).collect();
        let objects = objects.map_err(io::Error::from)?;
        self.print(&objects.iter().map(AsRef::as_ref).collect::<Vec<_>>(), output)
    }

    pub(crate) fn end(&self, output: Output) -> Outcome {
        match (self.ndjson, self.is_empty) {
            (true, _) => Ok(()),
            (false, true) => output.line("[]"),
            (false, false) => output.line("]"),
        }
    }
}

/// An item as it came; on a terminal indented.
fn shown(item: &RawValue, output: Output) -> Outcome<String> {
    if !output.is_terminal() {
        return Ok(item.get().to_owned());
    }
    let value: Value = serde_json::from_str(item.get()).map_err(io::Error::from)?;
    Ok(serde_json::to_string_pretty(&value).map_err(io::Error::from)?)
}

/// An item without line ends between its tokens; as it came, where it has none.
fn one_line(item: &RawValue) -> Outcome<String> {
    if !item.get().contains(['\n', '\r']) {
        return Ok(item.get().to_owned());
    }
    let value: Value = serde_json::from_str(item.get()).map_err(io::Error::from)?;
    Ok(value.to_string())
}
