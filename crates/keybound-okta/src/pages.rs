//! Lists that come in pages, each of which names the next (`Link: <…>; rel="next"`).
//!
//! While a page is used, the next one is on its way; never more than one. A list that broke off, or that was
//! left, is taken up again from its cursor, by this process or by another.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::future::poll_fn;
use std::hash::BuildHasher as _;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::{FutureExt as _, RemoteHandle};
use futures_util::stream::Stream;
use http::{Response, Uri};

use crate::client::{Call, OktaClient};
use crate::error::Error;
use crate::link;
use crate::reach::OutOfReach;

/// Addresses of pages that are remembered, at most: ten million users at Okta's 200 on a page. A list that is
/// longer is forgotten and remembered anew, and a circle in it is found all the same, at its second turn.
const MAX_REMEMBERED: usize = 50_000;

/// The pages of a list. Links are followed within the list's origin, and no page is fetched twice.
///
/// The next page is fetched by a task of the tokio runtime that this is used on; with the pages it ends.
/// Waiting for a page can be given up at any time ([`next`](Self::next) in a `select!`, say) without loss.
pub struct Pages {
    client: OktaClient,
    call: Call,
    step: Step,
    /// The address of the first page, from whose origin no link leads away.
    first: Option<Uri>,
    /// The address of the page that was given out last.
    current: Option<String>,
    /// Pages that were given out.
    given: u64,
    fetched: Fetched,
}

/// What is next.
enum Step {
    /// A page that nobody has asked the org for yet.
    Known(String),
    /// A page that is on its way.
    Fetching { address: String, answer: RemoteHandle<Result<Response<Bytes>, Error>> },
    /// A link that can't be followed.
    Broken(Error),
    /// Nothing.
    End,
}

impl Pages {
    pub(crate) fn new(client: OktaClient, call: Call) -> Self {
        let address = client.reach().resolve(&call.path);
        let (first, fetched) = (address.clone().ok(), Fetched::default());
        let mut pages = Self { client, call, step: Step::End, first, current: None, given: 0, fetched };
        pages.step = pages.step_to(address, Error::Path);
        pages
    }

    /// A list that can't be asked for.
    pub(crate) fn broken(client: OktaClient, error: Error) -> Self {
        let (call, step) = (Call::default(), Step::Broken(error));
        Self { client, call, step, first: None, current: None, given: 0, fetched: Fetched::default() }
    }

    /// The same list, from where [`cursor`](Self::cursor) was taken. A cursor is an address, and one of another origin
    /// is refused.
    pub fn resume(mut self, cursor: &str) -> Result<Self, Error> {
        self.fetched = Fetched::default();
        match self.step_to(self.follow(cursor), Error::ForeignCursor) {
            Step::Broken(error) => Err(error),
            step => Ok(Self { step, current: None, given: 0, ..self }),
        }
    }

    /// Where the list goes on after the pages that were given out; `None` after the last one.
    ///
    /// It is a text without a meaning of its own, which stays good for as long as the org takes it.
    pub fn cursor(&self) -> Option<&str> {
        match &self.step {
            Step::Known(address) | Step::Fetching { address, .. } => Some(address),
            Step::Broken(_) | Step::End => None,
        }
    }

    /// The next page; `None` after the last one, and after an error.
    pub async fn next(&mut self) -> Result<Option<Response<Bytes>>, Error> {
        let page = poll_fn(|context| self.poll_page(context)).await.transpose()?;
        self.fetch_ahead();
        Ok(page)
    }

    /// The address of the page that was given out last.
    pub(crate) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Whether the page that was given out last is the first one.
    pub(crate) fn is_at_first(&self) -> bool {
        self.given <= 1
    }

    /// The next page. The one after it is not asked for.
    pub(crate) fn poll_page(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Response<Bytes>, Error>>> {
        self.fetch_ahead();
        let outcome = match &mut self.step {
            Step::Fetching { answer, .. } => ready!(answer.poll_unpin(context)),
            Step::Known(_) | Step::Broken(_) | Step::End => {
                return Poll::Ready(match mem::replace(&mut self.step, Step::End) {
                    Step::Broken(error) => Some(Err(error)),
                    _ => None,
                });
            }
        };
        let address = self.cursor().map(str::to_owned);
        self.step = Step::End;
        Poll::Ready(Some(match outcome {
            Ok(page) => {
                if let Some(link) = link::next(page.headers()) {
                    self.step = self.step_to(self.follow(&link), Error::ForeignLink);
                }
                self.current = address;
                self.given += 1;
                Ok(page)
            }
            Err(error) if self.current.is_some() => Err(error.in_list(address)),
            Err(error) => Err(error),
        }))
    }

    /// Asks for the page that is next, if it is known and not on its way.
    pub(crate) fn fetch_ahead(&mut self) {
        if let Step::Known(address) = &mut self.step {
            let address = mem::take(address);
            let (client, call) = (self.client.clone(), Call { path: address.clone(), ..self.call.clone() });
            let (task, answer) = async move { client.call(call).await }.remote_handle();
            tokio::spawn(task);
            self.step = Step::Fetching { address, answer };
        }
    }

    /// Where `link` leads, which is the server's word.
    fn follow(&self, link: &str) -> Result<Uri, OutOfReach> {
        match &self.first {
            Some(first) => self.client.reach().follow(first, link),
            None => self.client.reach().resolve(link),
        }
    }

    /// On to `address`, which must be new.
    fn step_to(&mut self, address: Result<Uri, OutOfReach>, foreign: fn(OutOfReach) -> Error) -> Step {
        match address {
            Err(error) => Step::Broken(foreign(error)),
            Ok(address) => {
                let address = address.to_string();
                if self.fetched.is_new(&address) {
                    Step::Known(address)
                } else {
                    Step::Broken(Error::PagesInCircle)
                }
            }
        }
    }
}

impl Stream for Pages {
    type Item = Result<Response<Bytes>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let page = ready!(self.poll_page(context));
        self.fetch_ahead();
        Poll::Ready(page)
    }
}

/// The pages that were seen: 8 bytes each, where an address has hundreds.
#[derive(Default)]
struct Fetched {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl Fetched {
    fn is_new(&mut self, address: &str) -> bool {
        if self.hashes.len() >= MAX_REMEMBERED {
            self.hashes.clear();
        }
        self.hashes.insert(self.hasher.hash_one(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_in_bounded_memory() {
        let mut fetched = Fetched::default();
        let lead = MAX_REMEMBERED - 10;
        assert!((0..lead).all(|number| fetched.is_new(&format!("/lead/{number}"))));
        let turns =
            (0..3).flat_map(|_| 0..100).position(|number| !fetched.is_new(&format!("/turn/{number}")));
        assert!(turns.is_some_and(|pages| pages < 300), "at the second turn after the forgetting: {turns:?}");
        assert!(fetched.hashes.len() <= MAX_REMEMBERED);
    }
}
