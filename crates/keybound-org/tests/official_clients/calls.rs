//! How Okta's SDKs call the management API with a bound token: what they take for the URL of the request, how they follow
//! pages, wait for a rate limit and read an error.

use http::Method;
use keybound_org::OrgSettings;
use serde_json::{Value, json};

use crate::raw::{RawAnswer, send};
use crate::sdk::{DOTNET, GO_2_20, GO_6, Granted, JAVA, app};
use crate::support::TestOrg;

const LOGIN: &str = "ann+lee@example.com";

async fn make_user(test: &TestOrg, login: &str) {
    let profile = json!({"firstName": "Ann", "lastName": "Lee", "email": login, "login": login});
    let made = test.administer(Method::POST, "/api/v1/users", Some(json!({"profile": profile}))).await;
    assert_eq!(made.status, 200, "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_good_for_the_url_as_each_sdk_spells_it() {
    let test = TestOrg::start().await;
    make_user(&test, LOGIN).await;
    let app = app(&test, true);
    let origin = test.url("");
    for (sdk, target, htu) in [
        // The port stands in all of them. Go leaves the query out (okta/client.go, prepareRequest).
        (&GO_6, "/api/v1/users?limit=1&search=status+pr", "/api/v1/users"),
        (&GO_2_20, "/api/v1/users?limit=1", "/api/v1/users"),
        (&GO_6, "/api/v1/users/ann%2Blee%40example.com", "/api/v1/users/ann%2Blee%40example.com"),
        // Java decodes the path, and encodes no more than `%`, space, `"` and `#` (DPoPInterceptor.java,
        // getUriWithoutQueryString). Inferred: Okta takes that.
        (&JAVA, "/api/v1/users/ann%2Blee%40example.com", "/api/v1/users/ann+lee@example.com"),
        (&JAVA, "/api/v1/users?limit=1", "/api/v1/users"),
        // .NET encodes the path of the request and not that of the proof (DefaultOAuthTokenProvider.cs,
        // AddOrUpdateAuthorizationHeader), and leaves the query of a next page in it, which RFC 9449 has left out.
        (&DOTNET, "/api/v1/users/ann%2Blee%40example.com", "/api/v1/users/ann+lee@example.com"),
        (&DOTNET, "/api/v1/users?limit=1", "/api/v1/users?limit=1"),
    ] {
        let granted = sdk.granted(&test, &app);
        let called = sdk.call(&test, &granted, &format!("GET {target}"), "GET", &format!("{origin}{htu}"));
        assert_eq!(called.status, 200, "{} {target}: {called:?}", sdk.source);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_good_for_no_other_resource_however_it_is_spelled() {
    let test = TestOrg::start().await;
    make_user(&test, LOGIN).await;
    let app = app(&test, true);
    let origin = test.url("");
    let granted = JAVA.granted(&test, &app);
    for (target, htu) in [
        ("/api/v1/users/ann%2Blee%40example.com", "/api/v1/users"),
        ("/api/v1/users/ann%2Blee%40example.com", "/api/v1/users/another@example.com"),
        ("/api/v1/users/ann%2Blee%40example.com", "/api/v1/users/ann lee@example.com"),
        ("/api/v1/users/a%2Fgroups", "/api/v1/users/a/groups"),
        ("/api/v1/users/%252E", "/api/v1/users/%2E"),
        ("/api/v1/users/a%3Fb%40x", "/api/v1/users/a?b@x"),
    ] {
        let called = JAVA.call(&test, &granted, &format!("GET {target}"), "GET", &format!("{origin}{htu}"));
        assert_eq!(called.status, 401, "{target} by {htu}: {called:?}");
    }
}

/// .NET's proof for a request that is sent again after a 429 names the method as `Get` and the path alone
/// (`ApiClient.cs`, `ExecuteAsyncWithRetryHeadersAsync`). It goes on because a 401 has it ask for another token and make a
/// right proof.
#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_proof_of_dotnet_after_a_429_is_refused_with_401() {
    let test = TestOrg::start().await;
    let granted = DOTNET.granted(&test, &app(&test, true));
    let called = DOTNET.call(&test, &granted, "GET /api/v1/users?limit=1", "Get", "/api/v1/users");
    assert_error(&called, 401, "E0000011");
}

/// Each page's link is a field of its own (Go splits at `;` and takes all before it), with `rel="next"` in quotes.
#[tokio::test(flavor = "multi_thread")]
async fn pages_are_followed_by_links_of_which_go_keeps_path_and_query() {
    let test = TestOrg::start().await;
    for number in 0..3 {
        make_user(&test, &format!("user{number}@example.com")).await;
    }
    let granted = GO_6.granted(&test, &app(&test, true));
    let mut path = "/api/v1/users?limit=1".to_owned();
    let mut found = 0;
    loop {
        let without_query = path.split('?').next().unwrap();
        let answer = GO_6.call(&test, &granted, &format!("GET {path}"), "GET", &test.url(without_query));
        assert_eq!(answer.status, 200, "{answer:?}");
        found += answer.json().as_array().unwrap().len();
        let links = answer.fields.iter().filter(|(name, _)| name == "link").map(|(_, value)| value);
        let next = links.filter(|link| link.contains("rel=\"next\"")).collect::<Vec<_>>();
        let Some(next) = next.first() else { break };
        let url = next.split(';').next().unwrap().trim_start_matches('<').trim_end_matches('>');
        path = url.strip_prefix(&test.url("")).expect("the org's own URL").to_owned();
    }
    assert!(found >= 3, "{found}");
}

/// Go, Java and .NET wait until `x-rate-limit-reset`, counted from `Date`; .NET fails where the field is missing, and Go
/// where one of both cannot be read (`Get429BackoffTime`).
#[tokio::test(flavor = "multi_thread")]
async fn a_429_says_when_to_go_on() {
    let settings = OrgSettings { requests_per_minute: 1, ..OrgSettings::default() };
    let test = TestOrg::start_with(settings).await;
    let granted = GO_6.granted(&test, &app(&test, true));
    let url = test.url("/api/v1/users");
    let call = || GO_6.call(&test, &granted, "GET /api/v1/users?limit=1", "GET", &url);
    let (first, limited) = (call(), call());
    assert_eq!(first.status, 200, "{first:?}");
    assert_error(&limited, 429, "E0000047");
    for answer in [&first, &limited] {
        let number = |name: &str| answer.field(name).unwrap().parse::<u64>().unwrap();
        assert_eq!((number("x-rate-limit-limit"), number("x-rate-limit-remaining")), (1, 0));
        assert!(number("x-rate-limit-reset") > test.now());
        let date = answer.field("date").unwrap();
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        assert!(answer.field("x-okta-request-id").is_some_and(|id| !id.is_empty()));
    }
}

/// An error as every SDK reads it: Java and .NET make an exception of its members, Go of `errorSummary` and
/// `errorCauses`.
fn assert_error(answer: &RawAnswer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(
        answer.field("content-type").is_some_and(|found| found.contains("application/json")),
        "{answer:?}"
    );
    let error = answer.json();
    assert_eq!(error["errorCode"], code, "{answer:?}");
    for member in ["errorSummary", "errorLink", "errorId"] {
        assert!(error[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {answer:?}");
    }
    let causes = error["errorCauses"].as_array().expect("a list");
    assert!(causes.iter().all(|cause| cause["errorSummary"].is_string()), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_the_members_that_the_sdks_read() {
    let test = TestOrg::start().await;
    let granted = GO_6.granted(&test, &app(&test, true));
    let call = |line: &str| {
        let path = line.split_once(' ').unwrap().1.split('?').next().unwrap().to_owned();
        GO_6.call(&test, &granted, line, line.split(' ').next().unwrap(), &test.url(&path))
    };
    assert_error(&call("GET /api/v1/users/nobody"), 404, "E0000007");
    assert_error(&call("GET /api/v1/zones"), 404, "E0000007");
    assert_error(&call("GET /api/v1/users?limit=x"), 400, "E0000001");
    assert_error(&call("GET /api/v1/groups"), 403, "E0000006");
    assert_error(&call("DELETE /api/v1/users"), 405, "E0000022");
    for authorization in ["Bearer e30.e30.x", "SSWS wrong", "DPoP e30.e30.x"] {
        let refused = send(&test, "GET /api/v1/users", &[("Authorization", authorization)], "");
        assert_error(&refused, 401, "E0000011");
    }
}

/// Python's SDK 3 writes its API token right behind the scheme (`configuration.py`, `auth_settings`).
#[tokio::test(flavor = "multi_thread")]
async fn the_api_token_is_taken_as_python_writes_it() {
    let test = TestOrg::start().await;
    let authorization = format!("SSWS{}", test.org.admin_token());
    let called = send(&test, "GET /api/v1/users?limit=1", &[("Authorization", &authorization)], "");
    assert_eq!(called.status, 200, "{called:?}");
    let traces = test.administer(Method::GET, "/keybound/v1/traces", None).await.json.to_string();
    assert!(!traces.contains(test.org.admin_token()), "a trace shows no token");
}

/// Go ends what has no body without looking at it, if it is of no other type than JSON (okta/client.go, decode).
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_body_has_no_other_type_than_json() {
    let test = TestOrg::start().await;
    make_user(&test, LOGIN).await;
    let granted: Granted = GO_6.granted(&test, &app(&test, true));
    let path = format!("/api/v1/users/{LOGIN}");
    for _ in 0..2 {
        let deleted = GO_6.call(&test, &granted, &format!("DELETE {path}"), "DELETE", &test.url(&path));
        assert_eq!((deleted.status, deleted.body.as_str()), (204, ""), "{deleted:?}");
        let content_type = deleted.field("content-type");
        assert!(content_type.is_none_or(|found| found.contains("json")), "{deleted:?}");
    }
    let gone = GO_6.call(&test, &granted, &format!("GET {path}"), "GET", &test.url(&path));
    assert_eq!(gone.json()["errorCauses"], Value::Array(Vec::new()), "{gone:?}");
}
