//! A million users in bounded memory: what is allocated is counted, here alone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

#[path = "../../keybound-client/tests/scripted/mod.rs"]
mod scripted;

mod okta_client;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use futures_util::TryStreamExt as _;
use http::Response;
use keybound_okta::ListQuery;
use okta_client::{client, user};
use peak_alloc::PeakAlloc;
use scripted::grant;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const PAGES: usize = 5_000;
const USERS_PER_PAGE: usize = 200;
const MOST_BYTES: usize = 40 * 1024 * 1024;

/// How far the org was asked ahead of what had been used.
#[derive(Default)]
struct Progress {
    used: AtomicUsize,
    furthest_ahead: AtomicUsize,
}

impl Progress {
    fn asked_for(&self, number: usize) {
        let ahead = (number * USERS_PER_PAGE).saturating_sub(self.used.load(Ordering::SeqCst));
        self.furthest_ahead.fetch_max(ahead, Ordering::SeqCst);
    }
}

/// An org that makes its pages as they are asked for and remembers none; its origin.
async fn endless_org(progress: Arc<Progress>) -> String {
    let app = Router::new().fallback(move |request: Request| {
        let progress = Arc::clone(&progress);
        async move {
            if request.uri().path() == "/oauth2/v1/token" {
                return grant("token", "DPoP");
            }
            let query = request.uri().query().unwrap_or_default();
            let number = query.split('&').find_map(|pair| pair.strip_prefix("after="));
            let number = number.map_or(0, |number| number.parse().unwrap());
            progress.asked_for(number);
            page(number)
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    origin
}

fn page(number: usize) -> Response<String> {
    let mut body = String::new();
    for index in number * USERS_PER_PAGE..(number + 1) * USERS_PER_PAGE {
        let separator = if body.is_empty() { '[' } else { ',' };
        write!(body, "{separator}{}", user(index)).unwrap();
    }
    body.push(']');
    let mut response = Response::builder();
    if number + 1 < PAGES {
        let next = format!("</api/v1/users?after={}&limit={USERS_PER_PAGE}>; rel=\"next\"", number + 1);
        response = response.header("link", next);
    }
    response.body(body).unwrap()
}

/// The org has a thread of its own: on one that the list's user holds, nothing can be fetched meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_users_are_listed_in_bounded_memory_with_one_page_ahead() {
    let progress = Arc::new(Progress::default());
    let okta = client(&endless_org(Arc::clone(&progress)).await);
    let mut users = okta.users().list(&ListQuery::default());
    ALLOCATED.reset_peak_usage();
    let mut last = None;
    while let Some(user) = users.try_next().await.unwrap() {
        progress.used.fetch_add(1, Ordering::SeqCst);
        last = Some(user.id);
    }
    let (peak, ahead) = (ALLOCATED.peak_usage(), progress.furthest_ahead.load(Ordering::SeqCst));
    println!("at most {} KiB allocated, {ahead} users ahead", peak / 1024);
    assert_eq!(progress.used.load(Ordering::SeqCst), PAGES * USERS_PER_PAGE);
    assert_eq!(last, Some(format!("00u{:017}", PAGES * USERS_PER_PAGE - 1)));
    assert!(peak < MOST_BYTES, "{peak} bytes");
    assert!(ahead > 0, "nothing was fetched ahead");
    assert!(ahead <= USERS_PER_PAGE, "{ahead} users are more than one page ahead");
}
