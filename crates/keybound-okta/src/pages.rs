//! Lists that come in pages, each of which names the next (`Link: <…>; rel="next"`).

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::Response;

use crate::client::{Call, OktaClient};
use crate::error::Error;
use crate::link;

/// The pages of a list. Links are followed within the org, and no page is fetched twice.
pub struct Pages<'c> {
    client: &'c OktaClient,
    call: Call,
    /// Where the next page is, as the caller or the server wrote it.
    next: Option<String>,
    /// Hashes of the addresses that were fetched: 8 bytes a page, where an address has hundreds.
    fetched: HashSet<u64>,
    hasher: RandomState,
}

impl<'c> Pages<'c> {
    pub(crate) fn new(client: &'c OktaClient, call: Call) -> Self {
        let next = Some(call.path.clone());
        Self { client, call, next, fetched: HashSet::new(), hasher: RandomState::new() }
    }

    /// The next page; `None` after the last one, and after an error.
    pub async fn next(&mut self) -> Result<Option<Response<Bytes>>, Error> {
        let Some(link) = self.next.take() else { return Ok(None) };
        self.call.path = self.address(&link)?;
        let page = self.client.call(self.call.clone()).await?;
        self.next = link::next(page.headers());
        Ok(Some(page))
    }

    /// The pages as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Response<Bytes>, Error>> + Send + 'c {
        stream::try_unfold(self, async |mut pages: Self| Ok(pages.next().await?.map(|page| (page, pages))))
    }

    /// Where `link` leads. After the first page it is the server's word: it must stay in the org and be new.
    fn address(&mut self, link: &str) -> Result<String, Error> {
        let is_first = self.fetched.is_empty();
        let address = self
            .client
            .org_url()
            .resolve(link)
            .map_err(|error| if is_first { Error::Path(error) } else { Error::ForeignLink(error) })?;
        let address = address.to_string();
        if !self.fetched.insert(self.hasher.hash_one(&address)) {
            return Err(Error::PagesInCircle);
        }
        Ok(address)
    }
}
