//! Lists of many pages: fetched one ahead, broken off and gone on with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

#[path = "../../keybound-client/tests/scripted/mod.rs"]
mod scripted;

mod okta_client;

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use http::Response;
use keybound_okta::{Call, Error, ErrorKind, ListQuery, OktaClient, Pages, User};
use okta_client::{client, org, page};
use scripted::{Asked, Server, answer};

const PAGES: usize = 5;

/// The number of the page that is asked for.
fn number(asked: &Asked) -> usize {
    let query = asked.uri.query().unwrap_or_default();
    query.split('&').find_map(|pair| pair.strip_prefix("after=")).map_or(0, |after| after.parse().unwrap())
}

/// Page `number` of a list of two users on each.
fn page_of(number: usize) -> Response<String> {
    let next = format!("/api/v1/users?after={}&limit=2", number + 1);
    page(number * 2..number * 2 + 2, (number + 1 < PAGES).then_some(next.as_str()))
}

async fn org_of_pages() -> Server {
    org(|asked| page_of(number(asked))).await
}

fn pages(okta: &OktaClient) -> Pages {
    okta.pages(Call::get("/api/v1/users?limit=2"))
}

/// Waits until the org was asked for so many pages, and no more come.
async fn settled(org: &Server, count: usize) {
    while org.called().len() < count {
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(org.called().len(), count);
}

#[tokio::test]
async fn one_page_is_fetched_ahead_and_never_two() {
    let org = org_of_pages().await;
    let okta = client(&org.origin);
    let mut pages = pages(&okta);
    settled(&org, 0).await;
    for given in 1..=PAGES {
        assert!(pages.next().await.unwrap().is_some());
        settled(&org, (given + 1).min(PAGES)).await;
    }
    assert!(pages.next().await.unwrap().is_none() && pages.cursor().is_none());
}

#[tokio::test]
async fn a_list_is_gone_on_with_from_its_cursor_by_another_client() {
    let org = org_of_pages().await;
    for given in 0..PAGES {
        let mut first = pages(&client(&org.origin));
        let mut bodies = Vec::new();
        for _ in 0..given {
            bodies.push(first.next().await.unwrap().unwrap().into_body());
        }
        let cursor = first.cursor().unwrap().to_owned();
        drop(first);
        let second = pages(&client(&org.origin)).resume(&cursor).unwrap();
        bodies.extend(second.map_ok(Response::into_body).try_collect::<Vec<_>>().await.unwrap());
        let all: Vec<_> = (0..PAGES).map(|number| page_of(number).into_body()).collect();
        assert_eq!(bodies, all, "after {given} pages");
    }
}

#[tokio::test]
async fn a_cursor_outside_the_org_is_refused() {
    let org = org_of_pages().await;
    for (cursor, why) in [
        ("https://evil.example/api/v1/users?after=2", "another host"),
        ("//evil.example/api/v1/users", "another host, relative"),
        ("http://127.0.0.1:1/api/v1/users", "another port"),
        ("https://127.0.0.1@evil.example/", "a host in disguise"),
        ("after=2", "no address"),
        ("", "nothing"),
    ] {
        let error = pages(&client(&org.origin)).resume(cursor).err().unwrap();
        assert!(matches!(error, Error::ForeignCursor(_)), "{why}: {error:?}");
        assert_eq!((error.kind(), error.advice().is_some()), (ErrorKind::Request, true));
    }
    assert!(org.asked().is_empty(), "nothing was asked for");
}

#[tokio::test]
async fn a_list_that_breaks_off_says_where_it_goes_on() {
    for (broken, why) in [
        (answer(500, &[], r#"{"errorCode":"E0000009"}"#), "the server failed"),
        (answer(200, &[("content-type", "text/html")], "<html>"), "no list"),
        (answer(403, &[], r#"{"errorCode":"E0000006"}"#), "refused"),
    ] {
        let org = org(move |asked| match (number(asked), asked.before) {
            (3, before) if before < 4 => broken.clone(),
            (number, _) => page_of(number),
        })
        .await;
        let okta = client(&org.origin);
        let mut list = okta.users().list(&ListQuery::default());
        let mut ids = Vec::new();
        let error = loop {
            match list.next().await.unwrap() {
                Ok(user) => ids.push(user.id),
                Err(error) => break error,
            }
        };
        assert!(list.next().await.is_none(), "{why}: and that is the end");
        assert_eq!(ids.len(), 6, "{why}: all that came before is given out");
        let cursor = error.cursor().unwrap();
        assert!(cursor.contains("after=3"), "{why}: {cursor}");
        let Error::BrokenOff { error: cause, .. } = &error else { panic!("{error:?}") };
        assert_eq!((error.kind(), error.advice()), (cause.kind(), cause.advice()), "{why}");
        let rest: Vec<User> =
            okta.users().list(&ListQuery::default()).resume(cursor).unwrap().try_collect().await.unwrap();
        ids.extend(rest.into_iter().map(|user| user.id));
        let all: Vec<_> = (0..PAGES * 2).map(|number| format!("00u{number:017}")).collect();
        assert_eq!(ids, all, "{why}: nothing is lost");
    }
}

#[tokio::test]
async fn an_error_on_the_first_page_is_told_as_it_is() {
    let org = org(|_| answer(500, &[], "")).await;
    let error =
        client(&org.origin).users().list(&ListQuery::default()).try_collect::<Vec<User>>().await.unwrap_err();
    assert!(matches!(error, Error::Api(_)) && error.cursor().is_none(), "{error:?}");
}

#[tokio::test]
async fn objects_are_given_again_from_the_start_of_their_page_and_none_is_lost() {
    let org = org_of_pages().await;
    for (taken, again, why) in [
        (0, "limit=200", "nothing was taken"),
        (1, "limit=200", "one of the first page"),
        (2, "after=1", "all of the first page"),
        (3, "after=1", "one of the second"),
    ] {
        let mut list = client(&org.origin).users().list(&ListQuery::default());
        for _ in 0..taken {
            list.next().await.unwrap().unwrap();
        }
        assert!(list.cursor().unwrap().contains(again), "{why}: {:?}", list.cursor());
        let cursor = list.cursor().unwrap().to_owned();
        let rest: Vec<User> = list.resume(&cursor).unwrap().try_collect().await.unwrap();
        assert_eq!(rest.len(), PAGES * 2 - taken / 2 * 2, "{why}");
    }
}

#[tokio::test]
async fn waiting_for_a_page_can_be_given_up_without_loss() {
    let org = org_of_pages().await;
    let mut pages = pages(&client(&org.origin));
    let (mut given, mut given_up) = (Vec::new(), 0);
    loop {
        // Polled once and dropped, as in a `select!` that something else wins.
        match pages.next().now_or_never() {
            Some(Ok(Some(page))) => given.push(page.into_body()),
            Some(Ok(None)) => break,
            Some(Err(error)) => panic!("{error:?}"),
            None => given_up += 1,
        }
        tokio::task::yield_now().await;
    }
    let all: Vec<_> = (0..PAGES).map(|number| page_of(number).into_body()).collect();
    assert_eq!(given, all, "every page once and in order");
    assert!(given_up >= PAGES, "waiting was given up {given_up} times");
    assert_eq!(org.called().len(), PAGES, "and no page was asked for twice");
}

#[tokio::test]
async fn pages_that_are_dropped_fetch_no_more() {
    let org = org_of_pages().await;
    let mut pages = pages(&client(&org.origin));
    pages.next().await.unwrap();
    drop(pages);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(org.called().len() <= 2, "the one that was on its way at most");
}
