//! Pages of a list by keyset: each begins behind the last row of the page before, so that the last page is
//! found as fast as the first.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Row, Transaction, params_from_iter};

use super::StoreError;
use super::condition::{Condition, Property};

/// In which order rows are listed. Rows that are equal in it come in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// `None` for the order in which rows were made.
    pub(crate) property: Option<Property>,
    pub(crate) is_descending: bool,
}

impl Order {
    /// The order in which rows were made.
    pub(crate) const AS_MADE: Self = Self { property: None, is_descending: false };
}

/// The place of a row in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: Key,
    pub(crate) number: i64,
}

/// What rows are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Number(i64),
    Text(String),
}

impl From<&Key> for Value {
    fn from(key: &Key) -> Self {
        match key {
            Key::Number(number) => Self::Integer(*number),
            Key::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// Which rows of a table a page is of.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) condition: Condition,
    pub(crate) order: Order,
    /// Behind which row it begins.
    pub(crate) after: Option<Place>,
    pub(crate) limit: usize,
}

/// Some rows.
#[derive(Clone, Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// The place of the last row, if there is one.
    pub(crate) last: Option<Place>,
    /// Whether there are rows behind it.
    pub(crate) has_next: bool,
}

/// Reads a page of `table`, whose rows have a `number`.
pub(crate) fn select<T>(
    transaction: &Transaction<'_>,
    table: &str,
    columns: &str,
    listing: &Listing,
    read: fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let (query, values) = query(table, columns, listing);
    let mut statement = transaction.prepare_cached(&query)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut page = Page { items: Vec::new(), last: None, has_next: false };
    while let Some(row) = rows.next()? {
        if page.items.len() == listing.limit {
            page.has_next = true;
            break;
        }
        page.items.push(read(row)?);
        page.last = Some(Place { key: key(row)?, number: row.get("number")? });
    }
    Ok(page)
}

fn query(table: &str, columns: &str, listing: &Listing) -> (String, Vec<Value>) {
    let Order { property, is_descending } = &listing.order;
    let (comparison, direction) = if *is_descending { ("<", "DESC") } else { (">", "ASC") };
    let mut condition = listing.condition.clone();
    let key = match property {
        None => "number".to_owned(),
        // Texts are ordered as their columns are, and these without regard to case.
        Some(Property::Text(column)) => (*column).to_owned(),
        // A row without a value comes as if it had the smallest.
        Some(Property::Seconds(column) | Property::Milliseconds(column)) => ordered_time(column),
        Some(Property::Member(column, member)) => {
            let member = condition.bind(member.clone());
            format!("ifnull(CAST({column} ->> {member} AS TEXT), '') COLLATE NOCASE")
        }
        Some(Property::ItemMember(list, member)) => format!("ifnull({list} ->> '$[0].{member}', '')"),
    };
    if let Some(after) = &listing.after {
        let number = condition.bind(after.number);
        let place = match property {
            None => format!("number {comparison} {number}"),
            Some(_) => {
                let value = condition.bind(Value::from(&after.key));
                format!("({key}, number) {comparison} ({value}, {number})")
            }
        };
        condition.sql = format!("({}) AND {place}", condition.sql);
    }
    // One more than asked for tells whether there is a next page.
    let limit = condition.bind(i64::try_from(listing.limit + 1).unwrap_or(i64::MAX));
    let order = match property {
        None => format!("number {direction}"),
        Some(_) => format!("{key} {direction}, number {direction}"),
    };
    let query = format!(
        "SELECT {columns}, {key} AS place FROM {table} WHERE {} ORDER BY {order} LIMIT {limit}",
        condition.sql
    );
    (query, condition.values)
}

/// Columns that are never empty are ordered by themselves, which their index can do.
fn ordered_time(column: &str) -> String {
    match column {
        "created" | "last_updated" | "published" | "last_membership_updated" => column.to_owned(),
        column => format!("ifnull({column}, -1)"),
    }
}

fn key(row: &Row<'_>) -> Result<Key, StoreError> {
    match row.get_ref("place")? {
        ValueRef::Integer(number) => Ok(Key::Number(number)),
        ValueRef::Text(text) => Ok(Key::Text(String::from_utf8_lossy(text).into_owned())),
        _ => Err(StoreError::Damaged { what: "a row has no place in the order of its list" }),
    }
}
