//! Pages of a list: what a client may ask for, and the `Link` fields that lead on (RFC 8288).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::LINK;
use http::{HeaderMap, HeaderValue};
use keybound::base64url;
use serde::Serialize;
use url::form_urlencoded;

use super::error::ApiError;
use crate::search::Expression;
use crate::store::{Condition, Key, Listing, Order, Place, Properties};

/// Bytes of `q`, at most: SQLite takes no pattern of more than 50,000.
const MAX_WORDS_BYTES: usize = 1_000;

/// What one list takes.
pub(crate) struct ListKind {
    /// Items of a page where no `limit` is given.
    pub(super) default_limit: usize,
    /// Items of a page at most; a larger `limit` is cut to it.
    pub(super) largest_limit: usize,
    /// What may be asked for by `filter`, if anything.
    pub(super) filter: Option<Properties>,
    /// What may be asked for, and sorted by, by `search`, if anything.
    pub(super) search: Option<Properties>,
}

/// A request for a page of a list.
#[derive(Clone, Debug)]
pub(crate) struct ListRequest {
    /// What `q` asks for, if it is there and not empty.
    pub(crate) q: Option<String>,
    /// What `filter` or `search` ask for.
    pub(super) condition: Option<Condition>,
    pub(super) order: Order,
    limit: Option<usize>,
    default_limit: usize,
    after: Option<Place>,
    /// The parameters as they came, without `after`, to be repeated in links.
    parameters: Vec<(String, String)>,
}

impl ListRequest {
    /// Reads the query of a request.
    pub(crate) fn read(query: &str, kind: &ListKind) -> Result<Self, ApiError> {
        let parameters = Parameters::read(query);
        let q = parameters.words()?;
        let filter = parameters.condition("filter", kind.filter)?;
        let search = parameters.condition("search", kind.search)?;
        let given = [q.is_some(), filter.is_some(), search.is_some()];
        if given.into_iter().filter(|is_given| *is_given).count() > 1 {
            return Err(ApiError::invalid_search("of `q`, `filter` and `search`, one can be given"));
        }
        let order = match (search.is_some(), kind.search) {
            // Okta sorts the results of a search, and nothing else.
            (true, Some(properties)) => parameters.order(properties)?,
            _ => Order::AS_MADE,
        };
        parameters.into_request(kind, filter.or(search), order)
    }

    /// Reads the query of a request for a list that has an order of its own; it may have `q` and `filter` together.
    pub(super) fn in_order(query: &str, kind: &ListKind, order: Order) -> Result<Self, ApiError> {
        let parameters = Parameters::read(query);
        let filter = parameters.condition("filter", kind.filter)?;
        parameters.into_request(kind, filter, order)
    }

    /// With another number of items where no `limit` is given.
    pub(crate) fn with_default_limit(self, default_limit: usize) -> Self {
        Self { default_limit, ..self }
    }

    /// The page of what fulfils `condition`.
    pub(super) fn listing(&self, condition: Condition) -> Listing {
        let limit = self.limit.unwrap_or(self.default_limit);
        Listing { condition, order: self.order.clone(), after: self.after.clone(), limit }
    }

    /// What `q`, `filter` or `search` ask for: what begins with the text of `q`, or `otherwise` if there is none of
    /// them.
    pub(super) fn looked_for(
        &self,
        beginning_with: fn(&str) -> Condition,
        otherwise: fn() -> Condition,
    ) -> Condition {
        match (&self.q, &self.condition) {
            (Some(text), _) => beginning_with(text),
            (None, Some(condition)) => condition.clone(),
            (None, None) => otherwise(),
        }
    }

    /// The answer that shows these items of the list, with its `Link` fields.
    pub(super) fn answer(&self, items: &[impl Serialize], path: &str, next: Option<&Place>) -> Response {
        let mut answer = Json(items).into_response();
        self.link(answer.headers_mut(), path, next);
        answer
    }

    /// Writes the `Link` fields of the answer: to this page, and to the one behind `next` if there is one. `path`
    /// is the list's URL without a query.
    fn link(&self, headers: &mut HeaderMap, path: &str, next: Option<&Place>) {
        let own = self.link_to(path, self.after.as_ref(), "self");
        let next = next.map(|place| self.link_to(path, Some(place), "next"));
        for link in [Some(own), next].into_iter().flatten() {
            if let Ok(link) = HeaderValue::from_str(&link) {
                headers.append(LINK, link);
            }
        }
    }

    fn link_to(&self, path: &str, after: Option<&Place>, relation: &str) -> String {
        let query = self.query(after);
        let separator = if query.is_empty() { "" } else { "?" };
        format!("<{path}{separator}{query}>; rel=\"{relation}\"")
    }

    /// The query of this list from a place on.
    pub(crate) fn query(&self, after: Option<&Place>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(after) = after {
            query.append_pair("after", &cursor(after));
        }
        query.extend_pairs(&self.parameters).finish()
    }
}

/// The parameters of a query, as they came.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn words(&self) -> Result<Option<String>, ApiError> {
        let words = self.find("q").map(str::trim).filter(|text| !text.is_empty());
        if words.is_some_and(|words| words.len() > MAX_WORDS_BYTES) {
            return Err(ApiError::invalid("q", [format!("q: must have at most {MAX_WORDS_BYTES} bytes")]));
        }
        Ok(words.map(str::to_owned))
    }

    fn condition(&self, name: &str, properties: Option<Properties>) -> Result<Option<Condition>, ApiError> {
        let Some(text) = self.find(name) else { return Ok(None) };
        let Some(properties) = properties else {
            return Err(ApiError::invalid_search(format!("this list takes no `{name}`")));
        };
        let expression: Expression =
            text.parse().map_err(|error| ApiError::invalid_search(format!("{name}: {error}")))?;
        let condition = Condition::of(&expression, properties);
        condition.map(Some).map_err(|error| ApiError::invalid_search(format!("{name}: {error}")))
    }

    fn order(&self, properties: Properties) -> Result<Order, ApiError> {
        let is_descending = match self.find("sortOrder") {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("asc") => false,
            Some(word) if word.eq_ignore_ascii_case("desc") => true,
            Some(_) => return Err(ApiError::invalid_search("sortOrder: must be asc or desc")),
        };
        let property = self.find("sortBy").map(|name| {
            properties(name).ok_or_else(|| {
                ApiError::invalid_search("sortBy: must name one property that can be searched for")
            })
        });
        Ok(Order { property: property.transpose()?, is_descending })
    }

    fn into_request(
        self,
        kind: &ListKind,
        condition: Option<Condition>,
        order: Order,
    ) -> Result<ListRequest, ApiError> {
        let limit = self.find("limit").map(|limit| read_limit(limit, kind.largest_limit)).transpose()?;
        let after = self.find("after").map(|cursor| read_cursor(cursor, &order)).transpose()?;
        Ok(ListRequest {
            q: self.words()?,
            condition,
            order,
            limit,
            default_limit: kind.default_limit,
            after,
            parameters: self.0.into_iter().filter(|(name, _)| name != "after").collect(),
        })
    }
}

/// Larger pages than the largest are cut to it.
fn read_limit(value: &str, largest: usize) -> Result<usize, ApiError> {
    match value.parse() {
        Ok(limit) if limit > 0 => Ok(largest.min(limit)),
        _ => Err(ApiError::invalid("limit", [format!("limit: must be a number from 1 to {largest}")])),
    }
}

/// What tells the keys of places apart.
const NUMBER: u8 = 0;
const TEXT: u8 = 1;

/// A cursor is the place of the last item of the page before; clients take it as it is.
fn cursor(place: &Place) -> String {
    let number = place.number.to_be_bytes();
    let bytes = match &place.key {
        Key::Number(key) => [&[NUMBER], &number[..], &key.to_be_bytes()].concat(),
        Key::Text(key) => [&[TEXT], &number[..], key.as_bytes()].concat(),
    };
    base64url::encode(bytes)
}

fn read_cursor(value: &str, order: &Order) -> Result<Place, ApiError> {
    let place = || {
        let bytes = base64url::decode(value).ok()?;
        let (kind, rest) = bytes.split_first()?;
        let (number, key) = rest.split_first_chunk()?;
        let key = match *kind {
            NUMBER => Key::Number(i64::from_be_bytes(key.try_into().ok()?)),
            TEXT if order.property.is_some() => Key::Text(std::str::from_utf8(key).ok()?.to_owned()),
            _ => return None,
        };
        Some(Place { key, number: i64::from_be_bytes(*number) })
    };
    place().ok_or_else(|| {
        let cause = "after: not a cursor of this list; follow the next link of the page before";
        ApiError::invalid("after", [cause.to_owned()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Property, user_property};

    const USERS: ListKind = ListKind {
        default_limit: 200,
        largest_limit: 200,
        filter: Some(user_property),
        search: Some(user_property),
    };

    fn place(key: Key, number: i64) -> String {
        cursor(&Place { key, number })
    }

    #[test]
    fn a_query_says_which_page_of_what() {
        let cursor = place(Key::Number(7), 7);
        for (query, q, limit, after) in [
            ("", None, 200, None),
            ("limit=1", None, 1, None),
            ("limit=1000", None, 200, None),
            (&format!("after={cursor}&limit=60"), None, 60, Some(7)),
            ("q=Isa%20", Some("Isa"), 200, None),
            ("q=Isa&limit=50", Some("Isa"), 50, None),
            ("q=+&sortBy=nothing", None, 200, None),
            ("unknown=1", None, 200, None),
        ] {
            let request = ListRequest::read(query, &USERS).unwrap();
            let listing = request.listing(Condition::always());
            let after_number = listing.after.map(|place| place.number);
            assert_eq!((request.q.as_deref(), listing.limit, after_number), (q, limit, after), "{query}");
            assert_eq!(listing.order, Order::AS_MADE, "{query}");
        }
        let query = "search=status+pr&sortBy=profile.lastName&sortOrder=DESC";
        let order = ListRequest::read(query, &USERS).unwrap().order;
        assert_eq!(order, Order { property: Some(Property::Text("last_name")), is_descending: true });
    }

    #[test]
    fn what_is_not_understood_is_refused_and_not_left_out() {
        let text = place(Key::Text("x".to_owned()), 1);
        for query in [
            "limit=0",
            "limit=-1",
            "limit=x",
            "limit=",
            "after=",
            "after=00u1",
            "after=AAAA",
            &format!("after={text}"),
            "filter=status+eq+ACTIVE",
            "filter=nothing+eq+%22ACTIVE%22",
            "filter=lastUpdated+gt+%22yesterday%22",
            "filter=lastUpdated+co+%222020-01-01%22",
            "filter=status+eq+1",
            "search=status",
            "search=status+pr&sortBy=nothing",
            "search=status+pr&sortOrder=up",
            "q=a&filter=status+eq+%22ACTIVE%22",
            &format!("q={}", "a".repeat(MAX_WORDS_BYTES + 1)),
        ] {
            assert!(ListRequest::read(query, &USERS).is_err(), "{query}");
        }
        let bare = ListKind { filter: None, search: None, ..USERS };
        assert!(ListRequest::read("search=status+pr", &bare).is_err());
        assert!(ListRequest::read("filter=status+pr", &bare).is_err());
    }

    #[test]
    fn links_repeat_the_query_and_lead_on() {
        let path = "https://localhost:1/api/v1/users";
        let links = |query: &str, next: Option<&Place>| {
            let mut headers = HeaderMap::new();
            ListRequest::read(query, &USERS).unwrap().link(&mut headers, path, next);
            headers.get_all(LINK).iter().map(|link| link.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let next = Place { key: Key::Number(9), number: 9 };
        assert_eq!(
            links("limit=2&q=a%20b", Some(&next)),
            [
                format!("<{path}?limit=2&q=a+b>; rel=\"self\""),
                format!("<{path}?after={}&limit=2&q=a+b>; rel=\"next\"", cursor(&next)),
            ]
        );
        assert_eq!(links("", None), [format!("<{path}>; rel=\"self\"")]);
    }
}
