//! Lists of the org's objects: a table on a terminal, JSON in a pipe, printed as the pages come.

mod json_list;
mod progress;
mod table;

use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;
use keybound_okta::{Error, Items, ListQuery, SortOrder};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::json_list::JsonList;
use self::progress::Progress;
use self::table::StreamedTable;
pub(crate) use self::table::{Row, readable};
use crate::exit_code::ExitCode;
use crate::jq::Filter;
use crate::output::Output;
use crate::report::{Failure, Outcome};
use crate::signals::Signals;

/// Objects that are printed at once: a page of most lists.
const BATCH: usize = 200;

/// How a list is printed, and from where it goes on.
#[derive(Args, Debug)]
pub(crate) struct Listing {
    /// How to print the list; a table on a terminal and json in a pipe, if not given.
    #[arg(long = "output", value_name = "FORMAT")]
    format: Option<Format>,
    /// Print each object on a line of its own: short for --output ndjson.
    #[arg(long, conflicts_with = "format")]
    ndjson: bool,
    /// Print what this jq expression makes of each object: .id.
    #[arg(long, value_name = "EXPRESSION", conflicts_with_all = ["format", "ndjson"])]
    jq: Option<String>,
    /// Go on with a list that broke off, from the cursor that the error told; a --limit counts from there.
    #[arg(long, value_name = "CURSOR")]
    from_cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for a person.
    Table,
    /// One array.
    Json,
    /// Each object on a line of its own.
    Ndjson,
}

/// Which objects of a list are wanted.
#[derive(Args, Debug)]
pub(crate) struct Selection {
    /// Those whose names begin with these words.
    #[arg(long, value_name = "WORDS")]
    q: Option<String>,
    /// Those that a filter expression takes: 'status eq "ACTIVE"'.
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// So many, at most; all, if not given.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// The same where the org can search and sort.
#[derive(Args, Debug)]
pub(crate) struct Search {
    #[command(flatten)]
    selection: Selection,
    /// Those that a search expression finds: 'profile.department eq "Engineering"'.
    #[arg(long = "search", value_name = "EXPRESSION")]
    expression: Option<String>,
    /// In the order of this property; takes a --search.
    #[arg(long, value_name = "PROPERTY", requires = "expression")]
    sort_by: Option<String>,
    /// The smallest or the greatest first.
    #[arg(long, value_name = "ORDER", requires = "sort_by", default_value = "asc")]
    sort_order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    Asc,
    Desc,
}

impl From<Order> for SortOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::Asc => Self::Ascending,
            Order::Desc => Self::Descending,
        }
    }
}

impl Selection {
    pub(crate) fn query(&self) -> ListQuery {
        let mut query = ListQuery::default().at_most(self.limit);
        if let Some(words) = &self.q {
            query = query.words(words);
        }
        if let Some(expression) = &self.filter {
            query = query.filter(expression);
        }
        query
    }
}

impl Search {
    pub(crate) fn query(&self) -> ListQuery {
        let mut query = self.selection.query();
        if let Some(expression) = &self.expression {
            query = query.search(expression);
        }
        if let Some(property) = &self.sort_by {
            query = query.sorted_by(property, self.sort_order.into());
        }
        query
    }
}

impl Listing {
    /// Prints `items` as they come, so that a list of any length needs the memory of a page or two.
    ///
    /// An array that breaks off is left open, so that nobody takes it for the whole list.
    pub(crate) async fn print<T>(&self, items: Items<T>, output: Output) -> Outcome
    where
        T: Row + Serialize + DeserializeOwned,
    {
        let mut printer = self.printer(output)?;
        let items = match &self.from_cursor {
            Some(cursor) => items.resume(cursor)?,
            None => items,
        };
        let mut progress = Progress::on_terminal(T::NOUNS);
        let mut signals = Signals::listen()?;
        let mut batches = items.ready_chunks(BATCH);
        loop {
            let batch = tokio::select! {
                batch = batches.next() => batch,
                () = signals.told_to_end() => return Err(told_to_end(batches.get_ref().cursor())),
            };
            let Some(batch) = batch else { break };
            let (items, failure) = until_failure(batch);
            progress.aside(|| printer.print(&items))?;
            if let Some(error) = failure {
                return Err(broken_off(error));
            }
            progress.tell(items.len(), batches.get_ref().headers());
        }
        drop(progress);
        printer.end::<T>()
    }

    fn printer(&self, output: Output) -> Outcome<Printer> {
        match &self.jq {
            Some(expression) => Ok(Printer::Jq(Box::new(Filter::compile(expression)?), output)),
            None => Ok(Printer::new(self.format(output), output)),
        }
    }

    fn format(&self, output: Output) -> Format {
        match self.format {
            Some(format) => format,
            None if self.ndjson => Format::Ndjson,
            None if output.is_terminal() => Format::Table,
            None => Format::Json,
        }
    }
}

/// The objects that came, and what ended them.
fn until_failure<T>(batch: Vec<Result<T, Error>>) -> (Vec<T>, Option<Error>) {
    let mut items = Vec::with_capacity(batch.len());
    for item in batch {
        match item {
            Ok(item) => items.push(item),
            Err(error) => return (items, Some(error)),
        }
    }
    (items, None)
}

fn broken_off(error: Error) -> Failure {
    let cursor = error.cursor().map(str::to_owned);
    let failure = Failure::from(error);
    match cursor {
        Some(cursor) => failure.also_do(go_on(&cursor)),
        None => failure,
    }
}

fn told_to_end(cursor: Option<&str>) -> Failure {
    let failure = Failure::new(ExitCode::CutShort, "the list was broken off before its end");
    match cursor {
        Some(cursor) => failure.also_do(go_on(cursor)),
        None => failure,
    }
}

fn go_on(cursor: &str) -> String {
    format!("go on with the rest of the list: --from-cursor '{cursor}'")
}

/// Prints batches in one format.
enum Printer {
    Table(StreamedTable, Output),
    Json(JsonList, Output),
    /// What an expression makes of each.
    Jq(Box<Filter>, Output),
}

impl Printer {
    fn new(format: Format, output: Output) -> Self {
        match format {
            Format::Table => Self::Table(StreamedTable::default(), output),
            Format::Json => Self::Json(JsonList::new(false), output),
            Format::Ndjson => Self::Json(JsonList::new(true), output),
        }
    }

    fn print<T: Row + Serialize>(&mut self, items: &[T]) -> Outcome {
        match self {
            Self::Table(table, output) => {
                table.lines(items).into_iter().try_for_each(|line| output.line(line))
            }
            Self::Json(list, output) => list.print_objects(items, *output),
            Self::Jq(filter, output) => {
                items.iter().try_for_each(|item| filter.print(&json_of(item)?, *output))
            }
        }
    }

    fn end<T: Row>(&self) -> Outcome {
        match self {
            Self::Table(table, output) => output.line(table.last_line::<T>()),
            Self::Json(list, output) => list.end(*output),
            Self::Jq(..) => Ok(()),
        }
    }
}

fn json_of(item: &impl Serialize) -> Outcome<Vec<u8>> {
    serde_json::to_vec(item).map_err(|error| Failure::new(ExitCode::Unexpected, error))
}
