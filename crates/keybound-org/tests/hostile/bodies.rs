//! Bodies that are nearly right: what an endpoint takes, with one of its members gone, doubled, or of another kind.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::requests::Ids;

/// Texts that break what is careless with them.
pub(crate) const HOSTILE_TEXTS: &[&str] = &[
    "",
    " ",
    "\0",
    "null",
    "0",
    "-1",
    "1e400",
    "18446744073709551616",
    "..",
    "../../../../etc/passwd",
    "%00",
    "'; DROP TABLE users; --",
    "\" or 1=1 or \"",
    "<script>alert(1)</script>",
    "\r\nset-cookie: a=b",
    "\u{202e}\u{feff}\u{0}\u{10ffff}",
    "🔑🔑🔑",
    "İı",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "a@b",
    "@",
    "2026-02-30T25:61:61Z",
    "+292277026596-12-04T15:30:08Z",
    "status eq \"ACTIVE\" and (((((((((profile.login sw \"a\")))))))))",
    "profile.login eq \"\\",
    "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((",
    "*",
];

/// A text: one of those that break things, a very long one, or any.
pub(crate) fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(HOSTILE_TEXTS).prop_map(str::to_owned),
        1 => (1usize..6_000, select(&["a", "é", "(", "%", "9", "\""][..])).prop_map(|(n, text)| text.repeat(n)),
        2 => any::<String>(),
    ]
}

fn hostile_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        hostile_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((hostile_text(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What the endpoints of the management API take, by the end of their path in Okta's list.
fn templates() -> Vec<(&'static str, Value)> {
    let key = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "k", "use": "sig", "alg": "RS256",
                     "status": "ACTIVE", "d": "AA"});
    vec![
        (
            "/users",
            json!({
                "profile": {"firstName": "Ada", "lastName": "King", "email": "ada@example.com",
                            "login": "ada@example.com", "mobilePhone": "1", "department": "x"},
                "credentials": {
                    "password": {"value": "Correct-horse-9", "hash": {"algorithm": "BCRYPT", "value": "x",
                                 "salt": "y", "workFactor": 10}},
                    "recovery_question": {"question": "a", "answer": "b"},
                    "provider": {"type": "OKTA", "name": "OKTA"},
                },
                "groupIds": ["00g1"],
            }),
        ),
        (
            "/users/{id}",
            json!({"profile": {"nickName": "a"}, "credentials": {"password": {"value": "Correct-horse-9"}}}),
        ),
        ("/groups", json!({"profile": {"name": "A group", "description": "of people"}})),
        ("/groups/{groupId}", json!({"profile": {"name": "Another", "description": "of people"}})),
        (
            "/apps",
            json!({
                "name": "oidc_client", "label": "app", "signOnMode": "OPENID_CONNECT", "status": "ACTIVE",
                "credentials": {"oauthClient": {"client_id": "x", "pkce_required": true,
                                "token_endpoint_auth_method": "private_key_jwt"}},
                "settings": {"oauthClient": {
                    "application_type": "service", "grant_types": ["client_credentials"],
                    "response_types": ["token"], "redirect_uris": ["https://a.example/"],
                    "post_logout_redirect_uris": ["https://a.example/"], "dpop_bound_access_tokens": true,
                    "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k"}]},
                }},
            }),
        ),
        ("/jwks", key.clone()),
        ("/keys", key),
        ("/grants", json!({"scopeId": "okta.users.read", "issuer": "https://a.example"})),
        (
            "/faults",
            json!({"kind": "rate-limited", "path": "/api/v1/users", "method": "GET", "times": 1, "seconds": 1,
                   "probability": 0.5, "delay": 1, "client_id": "x", "status": 503}),
        ),
        ("/roles", json!({"type": "READ_ONLY_ADMIN"})),
        (
            "/apps/{appId}/users",
            json!({"id": "00u1", "scope": "USER", "credentials": {"userName": "a", "password": {"value": "x"}},
                   "profile": {"nickName": "a"}}),
        ),
        (
            "/apps/{appId}/users/{userId}",
            json!({"credentials": {"userName": "a"}, "profile": {"nickName": "a"}}),
        ),
        ("/apps/{appId}/groups/{groupId}", json!({"priority": 1, "profile": {"role": "a"}})),
        (
            "/authorizationServers",
            json!({"name": "a", "description": "d", "audiences": ["api://x"], "issuerMode": "ORG_URL"}),
        ),
        (
            "/scopes",
            json!({"name": "scope", "description": "d", "consent": "IMPLICIT", "default": false,
                   "metadataPublish": "ALL_CLIENTS"}),
        ),
        (
            "/claims",
            json!({"name": "claim", "claimType": "RESOURCE", "valueType": "EXPRESSION", "value": "user.email",
                   "alwaysIncludeInToken": true, "conditions": {"scopes": ["a"]}, "status": "ACTIVE"}),
        ),
        (
            "/policies",
            json!({"type": "OAUTH_AUTHORIZATION_POLICY", "name": "p", "description": "d", "priority": 1,
                   "status": "ACTIVE", "conditions": {"clients": {"include": ["ALL_CLIENTS"]}}}),
        ),
        (
            "/rules",
            json!({"type": "RESOURCE_ACCESS", "name": "r", "priority": 1, "status": "ACTIVE",
                   "conditions": {"people": {"groups": {"include": ["EVERYONE"]}}, "scopes": {"include": ["*"]},
                                  "grantTypes": {"include": ["client_credentials"]}},
                   "actions": {"token": {"accessTokenLifetimeMinutes": 60, "refreshTokenLifetimeMinutes": 0,
                                         "refreshTokenWindowMinutes": 10080}}}),
        ),
    ]
}

/// Bodies for an endpoint: mostly what it takes, else what another one does.
fn templates_for(pattern: &'static str) -> impl Strategy<Value = Value> {
    let all: Vec<_> = templates().into_iter().map(|(_, body)| body).collect();
    let own: Vec<_> =
        templates().into_iter().filter(|(end, _)| pattern.ends_with(end)).map(|(_, body)| body).collect();
    let own = if own.is_empty() { all.clone() } else { own };
    prop_oneof![4 => select(own), 1 => select(all)]
}

/// Every place in a value, as JSON pointers.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(member, &format!("{here}/{name}"), found);
            }
        }
        Value::Array(members) => {
            for (index, member) in members.iter().enumerate() {
                places(member, &format!("{here}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// JSON in which up to two places hold what nobody expects there.
fn nearly_right(pattern: &'static str) -> impl Strategy<Value = Vec<u8>> {
    (templates_for(pattern), vec((any::<prop::sample::Index>(), hostile_value()), 0..3)).prop_map(
        |(mut body, changes)| {
            for (which, value) in changes {
                let mut all = Vec::new();
                places(&body, "", &mut all);
                let place = all[which.index(all.len())].clone();
                *body.pointer_mut(&place).unwrap() = value;
            }
            body.to_string().into_bytes()
        },
    )
}

/// Bodies that `serde_json` would not write.
fn raw() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..200),
        (1usize..5_000).prop_map(|depth| "[".repeat(depth).into_bytes()),
        (1usize..5_000)
            .prop_map(|depth| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)).into_bytes()),
        Just(br#"{"profile":{"login":"a"},"profile":{"login":"b"}}"#.to_vec()),
        Just(b"{\"profile\":{\"login\":\"\xff\xfe\"}}".to_vec()),
        Just(br#"{"profile":{"login":"\ud800"}}"#.to_vec()),
        Just(b"\xef\xbb\xbf{}".to_vec()),
        Just(vec![b' '; 2_000_000]),
    ]
}

pub(crate) fn json_body(pattern: &'static str) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => nearly_right(pattern), 1 => raw()]
}

/// Parameters of OAuth and OpenID Connect.
const PARAMETERS: &[&str] = &[
    "grant_type",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "code",
    "code_verifier",
    "code_challenge",
    "code_challenge_method",
    "redirect_uri",
    "refresh_token",
    "token",
    "token_type_hint",
    "device_code",
    "user_code",
    "response_type",
    "response_mode",
    "state",
    "nonce",
    "prompt",
    "login_hint",
    "max_age",
    "dpop_jkt",
    "request",
    "request_uri",
    "id_token_hint",
    "post_logout_redirect_uri",
    "username",
    "password",
    "form_token",
    "after",
    "label",
    "type",
    "status",
    "step",
    "alg",
    "jwks",
    "redirect_uris",
    "application_type",
    "token_endpoint_auth_method",
    "dpop_bound_access_tokens",
    "scopeId",
    "name",
    "description",
    "firstName",
    "lastName",
    "email",
    "login",
    "user",
    "group",
    "search",
    "filter",
    "file",
    "preset",
    "kind",
    "path",
    "times",
    "seconds",
    "probability",
];

/// Values that are right somewhere, so that others are looked at.
const VALUES: &[&str] = &[
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "okta.users.read",
    "openid offline_access",
    "code",
    "S256",
    "form_post",
    "login",
    "eyJhbGciOiJSUzI1NiJ9.e30.AA",
    "eyJhbGciOiJub25lIn0.e30.",
    "..",
    "1",
    "on",
    "service",
    "RS256",
    "READ_ONLY_ADMIN",
    "deactivate",
    "a@example.com",
    "slow",
];

fn form_parts(ids: &Ids) -> impl Strategy<Value = Vec<(String, String)>> + use<> {
    let ids: Vec<_> = ids.iter().map(|(_, id)| id.clone()).collect();
    let value = prop_oneof![
        3 => select(VALUES).prop_map(str::to_owned),
        1 => select(ids),
        2 => hostile_text(),
    ];
    vec((prop_oneof![9 => select(PARAMETERS).prop_map(str::to_owned), 1 => hostile_text()], value), 0..8)
}

pub(crate) fn form_body(ids: &Ids) -> impl Strategy<Value = Vec<u8>> + use<> {
    let encoded = form_parts(ids).prop_map(|parts| {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parts).finish().into_bytes()
    });
    prop_oneof![8 => encoded, 1 => vec(any::<u8>(), 0..300), 1 => Just(b"%&%ff=%00&=&a=%f".to_vec())]
}
