//! An org's data as a file: written, read, and the same again; seeded, and made new.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use keybound::random::OperatingSystem;
use keybound::{Algorithm, NumericDate, Signer as _, SigningKey};
use keybound_org::{
    AccessPolicy, AccessPolicyRule, AdminRole, AppPresentation, AppStatus, ApplicationType, ClaimSource,
    ClaimedToken, ClientSecret, ClientSettings, CustomClaim, CustomScope, GrantType, ImportError,
    LifecycleStatus, Lifetimes, LineProblem, NewApp, NewAuthorizationServer, PasswordCheck, RoleHolder,
    SEEDED_PASSWORD, Secrets, ServerId, Store, StoreError, TokenEndpointAuthMethod,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);

fn org() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn exported(store: &Store, secrets: Secrets) -> String {
    let mut file = Vec::new();
    let records = store.export(secrets, &mut file).unwrap();
    let text = String::from_utf8(file).unwrap();
    assert_eq!(text.lines().count() as u64, records + 2, "header and end");
    text
}

fn imported(text: &str) -> Result<(TempDir, Store), ImportError> {
    let (folder, store) = org();
    store.import(text.as_bytes(), NOW).map(|_| (folder, store))
}

/// An org with something of every kind.
fn furnished() -> (TempDir, Store) {
    let (folder, store) = org();
    store.seed(60, 3, NOW, &OperatingSystem, |_| {}).unwrap();
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let app = NewApp {
        label: "Ein \"Dienst\" ☂".to_owned(),
        public_keys: vec![key.public_key().clone()],
        scopes: vec!["okta.users.read".to_owned()],
        roles: vec![AdminRole::ReadOnly],
        presentation: AppPresentation::of(&json!({"settings": {"notes": {"admin": "☂"}}})).unwrap(),
        ..NewApp::default()
    };
    store.create_app(&app, NOW, &OperatingSystem).unwrap();
    let secret = ClientSecret::generate(&OperatingSystem).unwrap();
    let client = ClientSettings {
        application_type: ApplicationType::Web,
        token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecretBasic,
        redirect_uris: vec!["https://app.example/callback".to_owned()],
        ..ClientSettings::default()
    };
    let app = NewApp { label: "Web".to_owned(), client, client_secret: Some(secret), ..NewApp::default() };
    let app = store.create_app(&app, NOW, &OperatingSystem).unwrap();
    store
        .change_app(&app.client_id, NOW, |app| {
            app.status = AppStatus::Inactive;
            Ok::<_, StoreError>(())
        })
        .unwrap();
    store.rotate_signing_key(&ServerId::Custom("default".to_owned()), NOW).unwrap();
    let user = first_id(&store, "user");
    store.assign_role(RoleHolder::User(&user), AdminRole::Org, NOW, &OperatingSystem).unwrap();
    (folder, store)
}

/// The records of an export, but for the first line and the last.
fn records(text: &str) -> Vec<Value> {
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| !["header", "end"].contains(&record["kind"].as_str().unwrap())).collect()
}

fn first_id(store: &Store, kind: &str) -> String {
    let records = records(&exported(store, Secrets::LeftOut));
    let first = records.iter().find(|record| record["kind"] == kind).unwrap();
    first["id"].as_str().unwrap().to_owned()
}

/// A file of this version with these records and without secrets.
fn file(version: u64, records: &[Value]) -> String {
    let header = json!({"kind": "header", "format": "keybound-org", "version": version, "secrets": false});
    let end = json!({"kind": "end", "records": records.len()});
    let lines = [&header].into_iter().chain(records).chain([&end]).map(Value::to_string);
    lines.collect::<Vec<_>>().join("\n")
}

/// What the property varies: all that a person may write.
#[derive(Clone, Debug)]
struct Written {
    users: usize,
    seed: u64,
    texts: Vec<String>,
    scopes: Vec<String>,
    minutes: u64,
    is_active: bool,
}

fn anything() -> impl Strategy<Value = Written> {
    let texts = prop::collection::vec(any::<String>(), 6);
    let scopes = prop::collection::btree_set("[!#-\\[\\]-~]{1,20}", 1..4);
    (0_usize..40, any::<u64>(), texts, scopes, 5_u64..1440, any::<bool>()).prop_map(
        |(users, seed, texts, scopes, minutes, is_active)| {
            let scopes = scopes.into_iter().collect();
            Written { users, seed, texts, scopes, minutes, is_active }
        },
    )
}

fn write(store: &Store, written: &Written) {
    let random = &OperatingSystem;
    let Written { texts, scopes, .. } = written;
    store.seed(written.users, written.seed, NOW, random, |_| {}).unwrap();
    let client = ClientSettings {
        token_endpoint_auth_method: TokenEndpointAuthMethod::None,
        redirect_uris: texts.clone(),
        ..ClientSettings::default()
    };
    let app = NewApp { label: texts[0].clone(), client, scopes: scopes.clone(), ..NewApp::default() };
    let app = store.create_app(&app, NOW, random).unwrap();
    let new = NewAuthorizationServer {
        name: texts[1].clone(),
        description: texts[2].clone(),
        audience: texts[3].clone(),
    };
    // A name that is taken (`default`) is not what this is about.
    let Ok(server) = store.create_authorization_server(&new, NOW, random) else { return };
    for (index, scope) in scopes.iter().enumerate() {
        let custom = CustomScope {
            name: scope.clone(),
            display_name: texts[index].clone(),
            is_default: written.is_active,
            ..CustomScope::default()
        };
        store.add_scope(&server.id, &custom, random).unwrap();
    }
    for (token, source) in [
        (ClaimedToken::Access, ClaimSource::Text(texts[4].clone())),
        (ClaimedToken::Id, ClaimSource::Profile("department".to_owned())),
    ] {
        let mut claim = CustomClaim::new(texts[5].clone(), token, source);
        claim.scopes.clone_from(scopes);
        claim.status = if written.is_active { LifecycleStatus::Active } else { LifecycleStatus::Inactive };
        store.add_claim(&server.id, &claim, random).unwrap();
    }
    let lifetimes =
        Lifetimes { access_token: Duration::from_secs(60 * written.minutes), ..Lifetimes::default() };
    let rule = AccessPolicyRule {
        name: texts[0].clone(),
        grant_types: vec![GrantType::ClientCredentials],
        scopes: written.is_active.then(|| scopes.clone()),
        lifetimes,
    };
    let policy = AccessPolicy {
        name: texts[1].clone(),
        description: texts[2].clone(),
        clients: written.is_active.then(|| vec![app.client_id.clone()]),
        rules: vec![rule.clone(), rule],
    };
    store.add_access_policy(&server.id, &policy, NOW, random).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_and_imported_is_exported_again_as_it_was(written in anything()) {
        let (_folder, store) = org();
        write(&store, &written);
        for secrets in [Secrets::LeftOut, Secrets::Included] {
            let text = exported(&store, secrets);
            let (_other, again) = imported(&text).unwrap();
            prop_assert_eq!(exported(&again, secrets), text);
        }
    }
}

#[test]
fn secrets_are_in_an_export_only_if_it_is_told_to_have_them() {
    let (_folder, store) = furnished();
    let without = exported(&store, Secrets::LeftOut);
    for secret in ["PRIVATE KEY", "\"hash\"", "clientSecretHash", "\"salt\"", "\"password\"", "signingKey"] {
        assert!(!without.contains(secret), "{secret}");
    }
    let with = exported(&store, Secrets::Included);
    let count = |kind: &str| with.matches(&format!("\"kind\":\"{kind}\"")).count();
    assert!(
        count("password") > 40 && count("signingKey") == 2,
        "{} {}",
        count("password"),
        count("signingKey")
    );
    let (_other, again) = imported(&with).unwrap();
    assert_eq!(exported(&again, Secrets::Included), with);
    let login = with.lines().filter(|line| line.contains("\"ACTIVE\"")).find_map(|line| {
        let user: Value = serde_json::from_str(line).unwrap();
        user["profile"]["login"].as_str().map(str::to_owned)
    });
    let check = |store: &Store| store.check_password(login.as_ref().unwrap(), SEEDED_PASSWORD, NOW).unwrap();
    assert!(matches!(check(&again), PasswordCheck::Right { .. }));
    let (_third, locked) = imported(&without).unwrap();
    assert!(matches!(check(&locked), PasswordCheck::Wrong { .. }), "no password came with it");
}

#[test]
fn a_line_that_is_not_as_it_must_be_is_named_and_nothing_is_read() {
    let (_folder, store) = furnished();
    let text = exported(&store, Secrets::LeftOut);
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let of_kind =
        |kind: &str| lines.iter().position(|line| line.contains(&format!("\"kind\":\"{kind}\""))).unwrap();
    let changed = |index: usize, change: &dyn Fn(&mut Value)| {
        let mut lines = lines.clone();
        let mut record = serde_json::from_str(&lines[index]).unwrap();
        change(&mut record);
        lines[index] = record.to_string();
        lines.join("\n")
    };
    let set = |kind: &str, member: &'static str, value: Value| {
        (of_kind(kind), changed(of_kind(kind), &move |record| record[member] = value.clone()))
    };
    let missing = |kind: &str, member: &'static str| {
        let remove = move |record: &mut Value| drop(record.as_object_mut().unwrap().remove(member));
        (of_kind(kind), changed(of_kind(kind), &remove))
    };
    let repeated = |index: usize| {
        let mut lines = lines.clone();
        lines.insert(index + 1, lines[index].clone());
        (index + 1, lines.join("\n"))
    };
    let cut = |count: usize| (count, lines[..count].join("\n"));
    let end = lines.len() - 1;
    let duplicate = text.replacen("\"kind\":\"user\"", "\"kind\":\"user\",\"id\":\"00u2\"", 1);
    let behind = format!("{text}{{}}\n");
    for ((index, text), words) in [
        ((0, String::new()), "ends before its end"),
        ((0, "{}".to_owned()), "no export of a local org"),
        (set("header", "format", json!("other")), "no export of a local org"),
        (set("header", "version", json!(3)), "version 3"),
        (set("header", "version", json!(0)), "version 0"),
        (set("header", "compressed", json!(true)), "a header has no member `compressed`"),
        (set("user", "shoeSize", json!(43)), "a user has no member `shoeSize`"),
        (missing("user", "status"), "the member `status` is missing"),
        (set("user", "created", json!(-1)), "`created` must be a whole number"),
        (set("user", "status", json!("HAPPY")), "not one that an org can have"),
        (set("user", "profile", json!({"login": "a"})), "not one that an org can have"),
        (set("user", "id", json!("a@example.com")), "`id` must be 1 to 64 letters and digits"),
        ((1, duplicate), "the member `id` is there twice"),
        (repeated(of_kind("user")), "an id or a name that one before it has"),
        (repeated(of_kind("membership")), "an id or a name that one before it has"),
        (
            set("membership", "user", json!("00unobody")),
            "refers to something that no line before it describes",
        ),
        (
            set("clientKey", "client", json!("0oanobody")),
            "refers to something that no line before it describes",
        ),
        (set("clientKey", "jwk", json!({"kty": "oct", "k": "AA"})), "not one that an org can have"),
        (
            set("appPresentation", "members", json!({"visibility": {"hide": {"web": 1}}})),
            "not one that an org can have",
        ),
        (set("appPresentation", "members", json!({"label": "x"})), "not one that an org can have"),
        (set("app", "clientSecretHash", json!("AA")), "the header says that there are none"),
        (set("app", "grantTypes", json!([7])), "`grantTypes` must be an array of strings"),
        (set("scopeGrant", "scope", json!("a b")), "not one that an org can have"),
        (set("roleAssignment", "role", json!("KING")), "not one that an org can have"),
        (set("userRoleAssignment", "role", json!("KING")), "not one that an org can have"),
        (set("userRoleAssignment", "user", json!("00unobody")), "refers to something that no line before it"),
        (
            set("appGroupAssignment", "group", json!("00gnobody")),
            "refers to something that no line before it",
        ),
        (set("appGroupAssignment", "profile", json!([])), "`profile` must be an object"),
        (missing("app", "implicitAssignment"), "the member `implicitAssignment` is missing"),
        (set("rule", "accessTokenLife", json!(1)), "not one that an org can have"),
        (set("authorizationServer", "id", json!("aus1")), "refers to something"),
        (set("user", "kind", json!("robot")), "there is no kind of record `robot`"),
        (set("end", "records", json!(1)), "this line counts 1"),
        ((end + 1, behind), "behind the last record"),
        (cut(end), "ends before its end"),
        (cut(3), "ends before its end"),
    ] {
        let (_folder, store) = org();
        let refused = store.import(text.as_bytes(), NOW).unwrap_err();
        let told = refused.to_string();
        let line = match &refused {
            // The line that refers to what was renamed is behind it.
            ImportError::Line { line, problem: LineProblem::RefersToNothing(_) }
                if words == "refers to something" =>
            {
                assert!(usize::try_from(*line).unwrap() > index + 1, "{told}");
                index + 1
            }
            ImportError::Line { line, .. } => usize::try_from(*line).unwrap(),
            other => panic!("{other}"),
        };
        assert_eq!(line, index + 1, "{told}");
        assert!(told.contains(words), "{words}: {told}");
        let (_untouched, new) = org();
        assert_eq!(exported(&store, Secrets::Included), exported(&new, Secrets::Included), "{words}");
    }
}

#[test]
fn roles_of_groups_and_assignments_of_users_are_read_and_written_as_they_were() {
    let (_folder, store) = furnished();
    let mut records = records(&exported(&store, Secrets::LeftOut));
    let find = |kind: &str| records.iter().position(|record| record["kind"] == kind).unwrap();
    let (user, group) = (records[find("user")]["id"].clone(), records[find("group")]["id"].clone());
    let (client, at) = (records[find("app")]["clientId"].clone(), find("appGroupAssignment"));
    let of_user = json!({
        "kind": "appUserAssignment", "client": client, "user": user, "userName": "ada", "profile": {"a": ["☂"]},
        "created": 1, "lastUpdated": 2,
    });
    let of_group = json!({"kind": "groupRoleAssignment", "id": "irb1", "group": group, "role": "ORG_ADMIN", "created": 1});
    records.insert(at, of_user);
    records.insert(at, of_group);
    let (_other, again) = imported(&file(2, &records)).unwrap();
    assert_eq!(self::records(&exported(&again, Secrets::LeftOut)), records);
    let user = user.as_str().unwrap();
    assert_eq!(again.role_assignments(RoleHolder::User(user)).unwrap().unwrap().len(), 2, "one by Everyone");
    let changed = |member: &str, value: Value| {
        let mut records = records.clone();
        records[at + 1][member] = value;
        imported(&file(2, &records)).err().unwrap().to_string()
    };
    assert!(changed("user", json!("00unobody")).contains("refers to something that no line before it"));
    assert!(changed("profile", json!("x")).contains("`profile` must be an object"));
}

#[test]
fn a_file_of_the_first_version_is_read_and_everyone_is_assigned_to_its_apps() {
    let (_folder, store) = furnished();
    let mut records = records(&exported(&store, Secrets::LeftOut));
    let new = ["userRoleAssignment", "appGroupAssignment"];
    records.retain(|record| !new.contains(&record["kind"].as_str().unwrap()));
    for record in &mut records {
        let members = record.as_object_mut().unwrap();
        if members["kind"] == "app" {
            members.remove("implicitAssignment");
        }
        if members["kind"] == "appPresentation" {
            members["members"]["settings"]["implicitAssignment"] = json!(false);
        }
    }
    let (_other, again) = imported(&file(1, &records)).unwrap();
    let read = self::records(&exported(&again, Secrets::LeftOut));
    let assigned: Vec<_> = read.iter().filter(|record| record["kind"] == "appGroupAssignment").collect();
    let web = read.iter().find(|record| record["applicationType"] == "web").unwrap();
    let everyone = read.iter().find(|record| record["type"] == "BUILT_IN").unwrap();
    assert!(assigned.len() == 1, "the service app has nobody: {assigned:?}");
    assert_eq!((&assigned[0]["client"], &assigned[0]["group"]), (&web["clientId"], &everyone["id"]));
    assert!(
        read.iter().filter(|record| record["kind"] == "app").all(|app| app["implicitAssignment"] == false)
    );
    assert!(imported(&file(2, &records)).is_err(), "it says which version it has");
}

#[test]
fn an_org_that_has_something_is_not_imported_into_and_is_made_new_first() {
    let (_folder, store) = furnished();
    let text = exported(&store, Secrets::Included);
    assert!(matches!(store.import(text.as_bytes(), NOW), Err(ImportError::NotEmpty)));
    assert_eq!(exported(&store, Secrets::Included), text);
    store.reset().unwrap();
    let (_other, new) = org();
    assert_eq!(exported(&store, Secrets::Included), exported(&new, Secrets::Included));
    store.import(text.as_bytes(), NOW).unwrap();
    assert_eq!(exported(&store, Secrets::Included), text);
    assert!(matches!(store.import(text.as_bytes(), NOW), Err(ImportError::NotEmpty)));
}

#[test]
fn nothing_of_what_was_reset_is_left_in_the_files() {
    let (folder, store) = furnished();
    store.reset().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [&b"PRIVATE KEY"[..], b"keybound's seeds", b"Ackerman"] {
            assert!(!content.windows(secret.len()).any(|bytes| bytes == secret));
        }
    }
}

#[test]
fn seeded_users_are_the_same_everywhere_and_those_who_are_there_stay() {
    let users = |store: &Store| {
        let text = exported(store, Secrets::LeftOut);
        let users = text.lines().filter(|line| line.contains("\"kind\":\"user\""));
        users.map(str::to_owned).collect::<Vec<_>>()
    };
    let (_first, one) = org();
    let (_second, other) = org();
    let seed = |store: &Store, count, seed| {
        let mut told = Vec::new();
        let done = store.seed(count, seed, NOW, &OperatingSystem, |done| told.push(done)).unwrap();
        (done.added, done.already_there, told)
    };
    assert_eq!(seed(&one, 2_500, 7), (2_500, 0, vec![2_000, 2_500]));
    assert_eq!(seed(&other, 2_500, 7), (2_500, 0, vec![2_000, 2_500]));
    assert_eq!(users(&one), users(&other));
    assert_eq!(seed(&one, 2_600, 7), (100, 2_500, vec![2_000, 2_600]), "those who are there stay");
    assert_eq!(users(&one)[..2_500], users(&other)[..]);
    assert_eq!(seed(&one, 10, 8), (10, 0, vec![10]), "of another seed are others");
    assert_eq!(seed(&one, 0, 9), (0, 0, vec![]));
    let members = exported(&one, Secrets::LeftOut).matches("\"kind\":\"membership\"").count();
    assert_eq!(members, 2_610, "each is in the group of a department");
}
