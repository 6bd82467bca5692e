//! Users, groups, apps and the log: what goes out for each call, and what is made of the answer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

#[path = "../../keybound-client/tests/scripted/mod.rs"]
mod scripted;

mod okta_client;

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http::Method;
use keybound::{KeyKind, PrivateKey};
use keybound_client::System;
use keybound_okta::{
    Activation, ApiToken, Call, Error, GroupProfile, ListQuery, LogQuery, Mail, NewServiceApp, NewUser,
    OktaClient, OrgUrl, Profile, SortOrder, UserChange, UserStatus,
};
use okta_client::{client_with, client_without_scopes, org};
use scripted::{Asked, NOW, answer};
use serde_json::{Value, json};

/// An answer that every type here can be read from; a list of one where a list is asked for.
fn any_object(asked: &Asked) -> http::Response<String> {
    let object = json!({ "id": "x1", "status": "ACTIVE", "profile": null, "target": null, "new": [1] });
    let path = asked.uri.path();
    let is_list = asked.method == Method::GET
        && ["/users", "/groups", "/apps", "/logs", "/jwks", "/grants", "/roles"]
            .iter()
            .any(|it| path.ends_with(it));
    let text = if is_list { json!([object]) } else { object };
    answer(200, &[("content-type", "application/json")], text.to_string())
}

fn done<'a, T: 'a>(
    call: impl Future<Output = Result<T, Error>> + Send + 'a,
) -> BoxFuture<'a, Result<(), Error>> {
    call.map(|outcome| outcome.map(drop)).boxed()
}

fn all<'a, T: Send + 'a>(
    list: impl Stream<Item = Result<T, Error>> + Send + 'a,
) -> BoxFuture<'a, Result<(), Error>> {
    async {
        let items: Vec<T> = list.try_collect().await?;
        assert_eq!(items.len(), 1);
        Ok(())
    }
    .boxed()
}

/// A call, the request that it makes, and its body; `*` for any.
type Row<'a> = (BoxFuture<'a, Result<(), Error>>, &'static str, &'static str);

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one row for each call")]
async fn every_call_goes_where_its_operation_is_with_what_it_takes() {
    let org = org(any_object).await;
    let okta = client_without_scopes(&org.origin);
    let (users, groups, apps, logs) = (okta.users(), okta.groups(), okta.apps(), okta.logs());
    let everyone = ListQuery::default();
    let found = ListQuery::default()
        .search(r#"status eq "ACTIVE""#)
        .sorted_by("profile.lastName", SortOrder::Descending)
        .at_most(5);
    let new_user = NewUser::new(Profile::new("A", "B", "a@example.com", "a"));
    let change = UserChange::new().with("title", "Director").with("mobilePhone", Value::Null);
    let group = GroupProfile::new("g", None);
    let key = PrivateKey::generate(KeyKind::P256).unwrap().public_key().clone().with_key_id("k1");
    let service = NewServiceApp::new("service", key.clone());
    let events = LogQuery::default().since("2026-01-01T00:00:00Z").sorted(SortOrder::Descending).at_most(3);

    let rows: Vec<Row<'_>> = vec![
        (all(users.list(&everyone)), "GET /api/v1/users?limit=200", ""),
        (
            all(users.list(&found)),
            "GET /api/v1/users?search=status+eq+%22ACTIVE%22&limit=5&sortBy=profile.lastName&sortOrder=desc",
            "",
        ),
        (done(users.get("a@example.com")), "GET /api/v1/users/a%40example.com", ""),
        (
            done(users.create(&new_user, Activation::Later)),
            "POST /api/v1/users?activate=false",
            r#"{"profile":{"firstName":"A","lastName":"B","email":"a@example.com","login":"a"}}"#,
        ),
        (
            done(users.update("u1", &change)),
            "POST /api/v1/users/u1",
            r#"{"profile":{"mobilePhone":null,"title":"Director"}}"#,
        ),
        (
            done(users.replace("u1", &change)),
            "PUT /api/v1/users/u1",
            r#"{"profile":{"mobilePhone":null,"title":"Director"}}"#,
        ),
        (
            done(users.activate("u1", Mail::NotSent)),
            "POST /api/v1/users/u1/lifecycle/activate?sendEmail=false",
            "",
        ),
        (
            done(users.reactivate("u1", Mail::Sent)),
            "POST /api/v1/users/u1/lifecycle/reactivate?sendEmail=true",
            "",
        ),
        (
            done(users.deactivate("u1", Mail::NotSent)),
            "POST /api/v1/users/u1/lifecycle/deactivate?sendEmail=false",
            "",
        ),
        (done(users.suspend("u1")), "POST /api/v1/users/u1/lifecycle/suspend", ""),
        (done(users.unsuspend("u1")), "POST /api/v1/users/u1/lifecycle/unsuspend", ""),
        (done(users.unlock("u1")), "POST /api/v1/users/u1/lifecycle/unlock", ""),
        (
            done(users.reset_password("u1", Mail::NotSent)),
            "POST /api/v1/users/u1/lifecycle/reset_password?sendEmail=false",
            "",
        ),
        (done(users.expire_password("u1")), "POST /api/v1/users/u1/lifecycle/expire_password", ""),
        (all(users.groups("u1")), "GET /api/v1/users/u1/groups", ""),
        (all(groups.list(&everyone)), "GET /api/v1/groups?limit=200", ""),
        (done(groups.get("g1")), "GET /api/v1/groups/g1", ""),
        (done(groups.create(&group)), "POST /api/v1/groups", r#"{"profile":{"name":"g"}}"#),
        (done(groups.replace("g1", &group)), "PUT /api/v1/groups/g1", r#"{"profile":{"name":"g"}}"#),
        (done(groups.delete("g1")), "DELETE /api/v1/groups/g1", ""),
        (all(groups.members("g1", None)), "GET /api/v1/groups/g1/users?limit=200", ""),
        (done(groups.add_member("g1", "u1")), "PUT /api/v1/groups/g1/users/u1", ""),
        (done(groups.remove_member("g1", "u1")), "DELETE /api/v1/groups/g1/users/u1", ""),
        (all(apps.list(&everyone)), "GET /api/v1/apps?limit=200", ""),
        (done(apps.get("a1")), "GET /api/v1/apps/a1", ""),
        (done(apps.create_service(&service)), "POST /api/v1/apps", "*"),
        (done(apps.activate("a1")), "POST /api/v1/apps/a1/lifecycle/activate", ""),
        (done(apps.deactivate("a1")), "POST /api/v1/apps/a1/lifecycle/deactivate", ""),
        (done(apps.delete("a1")), "DELETE /api/v1/apps/a1", ""),
        (all(apps.keys("a1")), "GET /api/v1/apps/a1/credentials/jwks", ""),
        (done(apps.add_key("a1", &key)), "POST /api/v1/apps/a1/credentials/jwks", "*"),
        (
            done(apps.activate_key("a1", "k1")),
            "POST /api/v1/apps/a1/credentials/jwks/k1/lifecycle/activate",
            "",
        ),
        (
            done(apps.deactivate_key("a1", "k1")),
            "POST /api/v1/apps/a1/credentials/jwks/k1/lifecycle/deactivate",
            "",
        ),
        (done(apps.delete_key("a1", "k1")), "DELETE /api/v1/apps/a1/credentials/jwks/k1", ""),
        (all(apps.grants("a1")), "GET /api/v1/apps/a1/grants", ""),
        (done(apps.grant("a1", "okta.users.read")), "POST /api/v1/apps/a1/grants", "*"),
        (done(apps.revoke("a1", "g1")), "DELETE /api/v1/apps/a1/grants/g1", ""),
        (all(apps.roles("c1")), "GET /oauth2/v1/clients/c1/roles", ""),
        (
            done(apps.assign_role("c1", "READ_ONLY_ADMIN")),
            "POST /oauth2/v1/clients/c1/roles",
            r#"{"type":"READ_ONLY_ADMIN"}"#,
        ),
        (done(apps.remove_role("c1", "r1")), "DELETE /oauth2/v1/clients/c1/roles/r1", ""),
        (
            all(logs.list(&events)),
            "GET /api/v1/logs?since=2026-01-01T00%3A00%3A00Z&limit=3&sortOrder=DESCENDING",
            "",
        ),
    ];
    for (call, request, body) in rows {
        let before = org.called().len();
        call.await.unwrap_or_else(|error| panic!("{request}: {error}"));
        let called = org.called().split_off(before);
        let [asked] = called.as_slice() else { panic!("{request}: {called:?}") };
        assert_eq!(format!("{} {}", asked.method, asked.uri), request);
        // The order of members is nobody's promise.
        let json = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
        assert!(body == "*" || json(&asked.body) == json(body.as_bytes()), "{request}: {:?}", asked.body);
    }

    let called = org.called();
    let body = |path: &str| {
        let call = called.iter().find(|call| call.method == Method::POST && call.uri.path() == path).unwrap();
        serde_json::from_slice::<Value>(&call.body).unwrap()
    };
    let app = body("/api/v1/apps");
    let oauth = &app["settings"]["oauthClient"];
    assert_eq!((&app["name"], &oauth["application_type"]), (&json!("oidc_client"), &json!("service")));
    assert_eq!(
        (&oauth["dpop_bound_access_tokens"], &oauth["jwks"]["keys"][0]["kid"]),
        (&json!(true), &json!("k1"))
    );
    assert_eq!(body("/api/v1/apps/a1/credentials/jwks")["kid"], "k1");
    let grant = body("/api/v1/apps/a1/grants");
    assert_eq!(grant, json!({ "scopeId": "okta.users.read", "issuer": org.origin }));
}

#[tokio::test]
async fn an_administrator_calls_by_the_api_token_alone_and_once() {
    for (status, words, why) in [
        (200, None, "taken"),
        (401, Some("Security → API → Tokens"), "not this org's, or revoked"),
        (403, Some("Super"), "one of a lesser administrator"),
        (429, Some("rate limit"), "too many requests"),
        (503, Some("try again later"), "the org is down"),
    ] {
        let org = org(move |asked| match status {
            200 => any_object(asked),
            _ => answer(status, &[], r#"{"errorCode":"E","errorSummary":"no"}"#),
        })
        .await;
        let org_url = OrgUrl::parse(&org.origin).unwrap();
        let token = ApiToken::parse("00a-known-token").unwrap();
        assert_eq!(format!("{token:?}"), "ApiToken(…)", "whoever has it is the administrator");
        let okta = OktaClient::of_administrator(org_url, System::default(), token);
        let outcome = okta.apps().assign_role("c1", "READ_ONLY_ADMIN").await;
        let advice = outcome.err().and_then(|error| error.advice());
        match words {
            None => assert_eq!(advice, None, "{why}"),
            Some(words) => {
                assert!(advice.as_deref().is_some_and(|it| it.contains(words)), "{why}: {advice:?}");
            }
        }
        let [asked] = &org.asked()[..] else { panic!("{why}: {:?}", org.asked()) };
        assert_eq!(asked.headers["authorization"], "SSWS 00a-known-token", "{why}");
        assert!(!asked.headers.contains_key("dpop"), "{why}");

        assert!(matches!(okta.token().await, Err(Error::NoAccessToken)));
        let mut own = Call::get("/api/v1/apps");
        own.headers.insert("authorization", http::HeaderValue::from_static("Bearer x"));
        assert!(matches!(okta.call(own).await, Err(Error::CredentialsGiven)));
        assert_eq!(org.asked().len(), 1, "nothing else was sent");
    }
}

#[tokio::test]
async fn unknown_members_are_kept_and_null_is_taken_for_none() {
    let org = org(any_object).await;
    let okta = client_without_scopes(&org.origin);
    let user = okta.users().get("u1").await.unwrap();
    assert_eq!((&user.status, &user.profile), (&UserStatus::Active, &Profile::default()));
    assert_eq!(user.extra["new"], json!([1]));
    assert_eq!(okta.groups().get("g1").await.unwrap().extra["new"], json!([1]));
    assert_eq!(okta.apps().get("a1").await.unwrap().extra["new"], json!([1]));
    let event = okta.logs().list(&LogQuery::default()).try_next().await.unwrap().unwrap();
    assert!(event.target.is_empty() && event.extra["new"] == json!([1]));
}

#[tokio::test]
async fn a_link_that_is_as_good_as_a_password_is_read_and_not_shown() {
    let org =
        org(|_| answer(200, &[], r#"{"activationUrl":"https://o/secret","activationToken":"secret"}"#)).await;
    let okta = client_without_scopes(&org.origin);
    let link = okta.users().activate("u1", Mail::NotSent).await.unwrap();
    assert_eq!(link.activation_url.as_deref(), Some("https://o/secret"));
    assert!(!format!("{link:?}").contains("secret"));
}

#[tokio::test]
async fn a_user_is_deleted_by_two_calls_whatever_their_status() {
    for (answers, outcome, calls, why) in [
        ([204, 204], Ok(()), 2, "active: deactivated, then deleted"),
        ([204, 404], Ok(()), 2, "deactivated before: deleted, then gone"),
        ([404, 404], Err(404), 1, "no such user"),
        ([204, 403], Err(403), 2, "may deactivate but not delete"),
        ([403, 403], Err(403), 1, "may not deactivate"),
    ] {
        let org = org(move |asked| answer(answers[asked.before.min(1)], &[], "")).await;
        let okta = client_without_scopes(&org.origin);
        let deleted = okta.users().delete("u1", Mail::NotSent).await;
        let deleted = deleted.map_err(|error| match error {
            Error::Api(error) => error.status.as_u16(),
            error => panic!("{why}: {error:?}"),
        });
        assert_eq!(deleted, outcome, "{why}");
        let called = org.called();
        assert_eq!(called.len(), calls, "{why}");
        assert!(
            called.iter().all(|call| call.method == Method::DELETE && call.uri.path() == "/api/v1/users/u1")
        );
    }
}

#[tokio::test]
async fn a_list_refuses_what_its_operation_does_not_take() {
    let org = org(any_object).await;
    let okta = client_without_scopes(&org.origin);
    let query = ListQuery::default().search("name eq \"x\"").at_most(0);
    let mut apps = okta.apps().list(&query);
    let error = apps.try_next().await.unwrap_err();
    assert!(matches!(error, Error::Operation(_)) && error.to_string().contains("`search`"), "{error:?}");
    assert!(apps.try_next().await.unwrap().is_none() && org.asked().is_empty());
    let error = okta.users().get("..").await.unwrap_err();
    assert!(matches!(error, Error::Operation(_)), "{error:?}");
}

fn events(ids: &[&str]) -> String {
    json!(ids.iter().map(|id| json!({ "uuid": id })).collect::<Vec<_>>()).to_string()
}

#[tokio::test]
async fn a_log_without_an_end_is_listed_up_to_now() {
    let org = org(|asked| {
        let after = format!("</api/v1/logs?after={}>; rel=\"next\"", asked.before + 1);
        let ids = match asked.before {
            0 => &["a", "b"][..],
            1 => &["c"],
            _ => &[],
        };
        answer(200, &[("link", &after)], events(ids))
    })
    .await;
    let list = client_without_scopes(&org.origin).logs().list(&LogQuery::default());
    let listed: Vec<_> = list.map_ok(|event| event.uuid.unwrap()).try_collect().await.unwrap();
    assert_eq!(listed, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_log_is_followed_as_it_grows_with_pauses_that_are_bounded() {
    let org = org(|asked| match asked.before {
        0 => answer(200, &[("link", "</api/v1/logs?after=1>; rel=\"next\"")], events(&["a", "b"])),
        1..5 => answer(200, &[("link", "</api/v1/logs?after=1>; rel=\"next\"")], events(&[])),
        5 => answer(500, &[], r#"{"errorCode":"E0000009"}"#),
        6 | 7 => answer(200, &[], events(&["c"])),
        _ => answer(200, &[("link", "https://evil.example/api/v1/logs")], events(&["c", "d"])),
    })
    .await;
    let (okta, timer) = client_with(&org.origin, &[], NOW);
    let query = LogQuery::default().until("2026-01-01T00:00:00Z").filter("x eq \"y\"");
    let mut followed = Box::pin(okta.logs().follow(&query, Duration::from_secs(10)));
    let mut ids = Vec::new();
    let mut failures = 0;
    while ids.len() < 4 {
        match followed.next().await.unwrap() {
            Ok(event) => ids.push(event.uuid.unwrap()),
            Err(error) => failures += usize::from(matches!(error, Error::Api(_))),
        }
    }
    assert_eq!((ids, failures), (["a", "b", "c", "d"].map(str::to_owned).to_vec(), 1), "each event once");
    let pauses: Vec<_> = timer.noted().iter().map(Duration::as_secs).collect();
    assert_eq!(
        pauses,
        [2, 4, 8, 10, 10, 2],
        "none after what was new, longer while nothing is, never over 10"
    );
    let called = org.called();
    let first = called.first().unwrap().uri.query().unwrap();
    assert_eq!(
        first, "filter=x+eq+%22y%22&limit=100&sortOrder=ASCENDING",
        "the end and the order don't count"
    );
    assert!(called.iter().skip(1).all(|call| call.uri.query() == Some("after=1")), "an error loses no place");
}

#[tokio::test]
async fn a_log_whose_link_leads_elsewhere_is_not_followed_there() {
    let org =
        org(|_| answer(200, &[("link", "<https://evil.example/x>; rel=\"next\"")], events(&["a"]))).await;
    let okta = client_with(&org.origin, &[], NOW).0;
    let mut followed = Box::pin(okta.logs().follow(&LogQuery::default(), Duration::from_secs(10)));
    let error = followed.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::ForeignLink(_)), "{error:?}");
}
