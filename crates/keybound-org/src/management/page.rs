//! Pages of a list: what a client may ask for, and the `Link` fields that lead on (RFC 8288).

use http::HeaderValue;
use keybound::base64url;
use url::form_urlencoded;

use super::error::ApiError;
use crate::store::Selection;

/// Users of a page, unless fewer are asked for, and at most.
const LARGEST_PAGE: usize = 200;

/// Users of a page where `q` is given and no `limit`, as Okta has it.
const PAGE_OF_MATCHES: usize = 10;

/// Which page of which users a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageRequest {
    pub(super) selection: Selection,
    pub(super) limit: usize,
    pub(super) after: Option<i64>,
    /// The parameters as they came, without `after`, to be repeated in links.
    parameters: Vec<(String, String)>,
}

impl PageRequest {
    /// Reads the query of a request.
    pub(super) fn read(query: &str) -> Result<Self, ApiError> {
        let mut request = Self {
            selection: Selection::NotDeprovisioned,
            limit: LARGEST_PAGE,
            after: None,
            parameters: Vec::new(),
        };
        let mut limit = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "limit" => limit = Some(read_limit(&value)?),
                "after" => request.after = Some(read_cursor(&value)?),
                "q" | "filter" if request.selection != Selection::NotDeprovisioned => {
                    return Err(ApiError::invalid_search("this org takes one of `q` and `filter`, once"));
                }
                "q" => request.selection = Selection::BeginsWith(value.trim().to_owned()),
                "filter" => request.selection = read_filter(&value)?,
                "search" | "sortBy" | "sortOrder" => {
                    let cause = format!("this org does not know `{name}`; it knows `q` and `filter`");
                    return Err(ApiError::invalid_search(cause));
                }
                _ => {}
            }
            if name != "after" {
                request.parameters.push((name.into_owned(), value.into_owned()));
            }
        }
        let is_match = matches!(request.selection, Selection::BeginsWith(_));
        request.limit = limit.unwrap_or(if is_match { PAGE_OF_MATCHES } else { LARGEST_PAGE });
        Ok(request)
    }

    /// The `Link` fields of the answer: to this page, and to the next one if there is one. `path` is the
    /// list's URL without a query.
    pub(super) fn links(&self, path: &str, next_after: Option<i64>) -> Vec<HeaderValue> {
        let own = self.link(path, self.after, "self");
        let next = next_after.map(|after| self.link(path, Some(after), "next"));
        [Some(own), next].into_iter().flatten().filter_map(|link| HeaderValue::from_str(&link).ok()).collect()
    }

    fn link(&self, path: &str, after: Option<i64>, relation: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(after) = after {
            query.append_pair("after", &base64url::encode(after.to_be_bytes()));
        }
        let query = query.extend_pairs(&self.parameters).finish();
        let separator = if query.is_empty() { "" } else { "?" };
        format!("<{path}{separator}{query}>; rel=\"{relation}\"")
    }
}

/// Larger pages than the largest are cut to it.
fn read_limit(value: &str) -> Result<usize, ApiError> {
    match value.parse() {
        Ok(limit) if limit > 0 => Ok(LARGEST_PAGE.min(limit)),
        _ => Err(ApiError::invalid("limit", ["limit: must be a number from 1 to 200".to_owned()])),
    }
}

/// A cursor is the place of the last user of the page before; clients take it as it is.
fn read_cursor(value: &str) -> Result<i64, ApiError> {
    let place = base64url::decode_array(value).map(i64::from_be_bytes).ok().filter(|place| *place > 0);
    place.ok_or_else(|| {
        let cause = "after: not a cursor of this org; follow the next link of the page before";
        ApiError::invalid("after", [cause.to_owned()])
    })
}

/// The one filter that is known: `status eq "ACTIVE"`.
fn read_filter(value: &str) -> Result<Selection, ApiError> {
    let status = || {
        let (property, rest) = value.trim().split_once(' ')?;
        let (operator, operand) = rest.trim_start().split_once(' ')?;
        let is_known = property == "status" && operator.eq_ignore_ascii_case("eq");
        let name = operand.trim().strip_prefix('"')?.strip_suffix('"')?;
        name.parse().ok().filter(|_| is_known)
    };
    status().map(Selection::Status).ok_or_else(|| {
        ApiError::invalid_search(
            "this org knows one filter: status eq \"ACTIVE\", with any of Okta's statuses",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::UserStatus;

    #[test]
    fn a_query_says_which_page_of_which_users() {
        let all = Selection::NotDeprovisioned;
        let cursor = base64url::encode(7_i64.to_be_bytes());
        for (query, selection, limit, after) in [
            ("", all.clone(), 200, None),
            ("limit=1", all.clone(), 1, None),
            ("limit=1000", all.clone(), 200, None),
            (&format!("after={cursor}&limit=60"), all.clone(), 60, Some(7)),
            ("q=Isa%20", Selection::BeginsWith("Isa".to_owned()), 10, None),
            ("q=Isa&limit=50", Selection::BeginsWith("Isa".to_owned()), 50, None),
            ("filter=status+eq+%22ACTIVE%22", Selection::Status(UserStatus::Active), 200, None),
            ("filter=status%20EQ%20%22SUSPENDED%22", Selection::Status(UserStatus::Suspended), 200, None),
            ("unknown=1", all, 200, None),
        ] {
            let request = PageRequest::read(query).unwrap();
            assert_eq!(
                (request.selection, request.limit, request.after),
                (selection, limit, after),
                "{query}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_not_left_out() {
        for query in [
            "limit=0",
            "limit=-1",
            "limit=x",
            "limit=",
            "after=",
            "after=00u1",
            "after=AAAAAAAAAAA",
            "after=__________8",
            "filter=status+eq+ACTIVE",
            "filter=status+eq+%22NEW%22",
            "filter=status+ne+%22ACTIVE%22",
            "filter=id+eq+%22ACTIVE%22",
            "search=status",
            "sortBy=status",
            "q=a&filter=status+eq+%22ACTIVE%22",
        ] {
            assert!(PageRequest::read(query).is_err(), "{query}");
        }
    }

    #[test]
    fn links_repeat_the_query_and_lead_on() {
        let path = "https://localhost:1/api/v1/users";
        let request = PageRequest::read("limit=2&q=a%20b").unwrap();
        let next =
            format!("<{path}?after={}&limit=2&q=a+b>; rel=\"next\"", base64url::encode(9_i64.to_be_bytes()));
        assert_eq!(request.links(path, Some(9)), [format!("<{path}?limit=2&q=a+b>; rel=\"self\""), next]);
        assert_eq!(PageRequest::read("").unwrap().links(path, None), [format!("<{path}>; rel=\"self\"")]);
    }
}
