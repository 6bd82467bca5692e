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

    /// The order of identifiers, which are random: for rows that have no number.
    pub(crate) fn of_ids() -> Self {
        Self { property: Some(Property::Identifier("id")), is_descending: false }
    }

    /// The order in which events happened.
    pub(crate) fn of_time(is_descending: bool) -> Self {
        Self { property: Some(Property::Milliseconds("published")), is_descending }
    }
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

impl<T> Page<T> {
    /// Behind which place the next page begins, if there is one.
    pub(crate) fn next(&self) -> Option<&Place> {
        self.last.as_ref().filter(|_| self.has_next)
    }
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
        // Of what a row belongs to there is nothing to order by.
        None | Some(Property::BelongsTo(_)) => "number".to_owned(),
        // Texts are ordered as their columns are, and these without regard to case.
        Some(Property::Text(column) | Property::Identifier(column)) => (*column).to_owned(),
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
        let place = if property.is_none() {
            format!("number {comparison} {number}")
        } else {
            let value = condition.bind(Value::from(&after.key));
            format!("({key}, number) {comparison} ({value}, {number})")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, user_property};

    /// How SQLite goes about a page of users that is not the first one.
    fn plan(store: &Store, search: &str, order: Option<&str>, is_descending: bool) -> String {
        let expression = search.parse().unwrap();
        let property = order.map(|name| user_property(name).unwrap());
        let key = if property.is_none() { Key::Number(7) } else { Key::Text("x".to_owned()) };
        let listing = Listing {
            condition: Condition::of(&expression, user_property).unwrap(),
            order: Order { property, is_descending },
            after: Some(Place { key, number: 7 }),
            limit: 200,
        };
        let (query, values) = query("users", "number, id", &listing);
        let steps = store.read(|transaction| {
            let mut statement = transaction.prepare(&format!("EXPLAIN QUERY PLAN {query}"))?;
            let steps =
                statement.query_map(params_from_iter(values), |row| row.get::<_, String>("detail"))?;
            Ok(steps.collect::<Result<Vec<_>, _>>()?)
        });
        steps.unwrap().join("; ")
    }

    #[test]
    fn a_page_is_found_by_an_index_and_not_by_sorting_or_counting() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for (search, order, index) in [
            ("status ne \"DEPROVISIONED\"", None, "INTEGER PRIMARY KEY (rowid>?)"),
            ("status eq \"ACTIVE\"", None, "users_by_status (status=? AND rowid>?)"),
            ("profile.department pr", Some("created"), "users_by_creation"),
            ("profile.department pr", Some("lastUpdated"), "users_by_update"),
            ("profile.department pr", Some("status"), "users_by_status"),
            ("profile.department pr", Some("profile.email"), "users_by_email"),
            ("profile.department pr", Some("profile.firstName"), "users_by_first_name"),
            ("profile.department pr", Some("profile.lastName"), "users_by_last_name"),
            ("profile.department pr", Some("profile.login"), "sqlite_autoindex_users_2"),
        ] {
            for is_descending in [false, true] {
                let plan = plan(&store, search, order, is_descending);
                assert!(plan.starts_with("SEARCH users USING"), "{order:?}: {plan}");
                if !(order.is_none() && is_descending) {
                    assert!(plan.contains(index), "{order:?}: {plan}");
                }
                assert!(!plan.contains("TEMP B-TREE"), "{order:?}: {plan}");
            }
        }
    }
}
