//! Lists of objects over all their pages.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use bytes::Bytes;
use futures_util::stream::Stream;
use http::{HeaderMap, Response};
use serde::de::DeserializeOwned;

use crate::client::OktaClient;
use crate::error::Error;
use crate::operation_call::OperationCall;
use crate::pages::Pages;

/// The objects of a list, one after the other; pages are fetched as they are needed, one ahead.
///
/// It holds two pages at most, so a list of any length can be gone through.
pub struct Items<T> {
    pages: Pages,
    page: vec::IntoIter<T>,
    /// The header fields of the page that came last.
    headers: HeaderMap,
    left: usize,
    /// Whether an empty page is the end: there are lists that always name a next page.
    ends_at_empty: bool,
}

impl<T> Items<T> {
    /// The objects of the list that the operation `call` gives, up to `most` if there is a number, with
    /// `per_page` of them on a page. What is wrong with the call is the first and last that the list gives.
    pub(crate) fn of(
        client: &OktaClient,
        call: Result<OperationCall<'_>, Error>,
        most: Option<usize>,
        per_page: usize,
    ) -> Self {
        let left = most.unwrap_or(usize::MAX);
        let pages = call.and_then(|call| call.parameter("limit", left.clamp(1, per_page)).pages());
        let pages = pages.unwrap_or_else(|error| Pages::broken(client.clone(), error));
        // A problem is told even where nothing was asked for.
        let left = if pages.cursor().is_none() { usize::MAX } else { left };
        Self { pages, page: Vec::new().into_iter(), headers: HeaderMap::new(), left, ends_at_empty: false }
    }

    /// All objects that the operation `call` gives, as many on a page as it pleases.
    pub(crate) fn whole(client: &OktaClient, call: Result<OperationCall<'_>, Error>) -> Self {
        let pages = call.and_then(OperationCall::linked_pages);
        let pages = pages.unwrap_or_else(|error| Pages::broken(client.clone(), error));
        let (page, headers) = (Vec::new().into_iter(), HeaderMap::new());
        Self { pages, page, headers, left: usize::MAX, ends_at_empty: false }
    }

    /// The same, with the first empty page for its end.
    pub(crate) fn until_empty(self) -> Self {
        Self { ends_at_empty: true, ..self }
    }

    /// From where the list can be gone on with later, by this process or by another; `None` at its end.
    ///
    /// It is the start of a page: objects of that page that were given out already come again, and none is
    /// left out.
    pub fn cursor(&self) -> Option<&str> {
        if self.page.len() == 0 { self.pages.cursor() } else { self.pages.current() }
    }

    /// The header fields of the page that came last, which say what the org's rate limit leaves; none before the
    /// first page.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The same list from a [`cursor`](Self::cursor). Of an address outside the org it is an error.
    pub fn resume(self, cursor: &str) -> Result<Self, Error> {
        Ok(Self { pages: self.pages.resume(cursor)?, page: Vec::new().into_iter(), ..self })
    }
}

impl<T: DeserializeOwned> Stream for Items<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.left > 0 {
            if let Some(item) = self.page.next() {
                self.left -= 1;
                return Poll::Ready(Some(Ok(item)));
            }
            let Some(page) = ready!(self.pages.poll_page(context)) else { break };
            let read = page.and_then(|page| Ok((self.read(&page)?, page)));
            match read {
                Ok((items, page)) => {
                    self.page = items.into_iter();
                    self.headers = page.into_parts().0.headers;
                }
                Err(error) => {
                    self.left = 0;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            if self.ends_at_empty && self.page.len() == 0 {
                break;
            }
            // No page that nobody will look at.
            if self.page.len() < self.left {
                self.pages.fetch_ahead();
            }
        }
        self.left = 0;
        Poll::Ready(None)
    }
}

impl<T: DeserializeOwned> Items<T> {
    fn read(&self, page: &Response<Bytes>) -> Result<Vec<T>, Error> {
        serde_json::from_slice(page.body()).map_err(|problem| {
            let error = Error::unreadable(page, &problem);
            if self.pages.is_at_first() {
                error
            } else {
                error.in_list(self.pages.current().map(str::to_owned))
            }
        })
    }
}

/// Nothing in here is referred to from within.
impl<T> Unpin for Items<T> {}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Items").field("cursor", &self.cursor()).finish_non_exhaustive()
    }
}
