//! One database, several users of it: stores in other processes, files that others may not read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use keybound::random::OperatingSystem;
use keybound::{Algorithm, NumericDate, Signer as _, SigningKey};
use keybound_org::{AdminRole, Data, NewApp, Store, StoreError};
use support::{READ, TestOrg, es256};

const NOW: NumericDate = NumericDate::from_seconds(support::NOW);

fn new_app(key: &SigningKey) -> NewApp {
    NewApp {
        label: "An app".to_owned(),
        public_keys: vec![key.public_key().clone()],
        scopes: vec![READ.to_owned()],
        roles: vec![AdminRole::ReadOnly],
        dpop_bound_access_tokens: true,
        ..NewApp::default()
    }
}

#[tokio::test]
async fn an_app_that_another_store_registers_gets_a_token_from_the_running_org() {
    let folder = tempfile::tempdir().unwrap();
    let test = TestOrg::start_in(Data::Directory(folder.path().to_owned())).await;
    let store = Store::open(folder.path()).unwrap();
    let key = es256();
    let app = store.create_app(&new_app(&key), NOW, &OperatingSystem).unwrap();
    let mut app = support::TestApp {
        client_id: app.client_id,
        scope: READ.to_owned(),
        client_key: key,
        dpop_key: es256(),
    };
    test.token(&app, READ).await;

    app.client_key = es256();
    store.add_key(&app.client_id, app.client_key.public_key(), NOW).unwrap();
    test.token(&app, READ).await;
    assert_eq!(store.list_apps().unwrap().len(), 1);
}

#[test]
fn many_stores_open_and_write_one_new_database_at_once() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let folder = Arc::clone(&folder);
            std::thread::spawn(move || {
                let store = Store::open(folder.path()).unwrap();
                for _ in 0..10 {
                    store.create_app(&new_app(&es256()), NOW, &OperatingSystem).unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(Store::open(folder.path()).unwrap().list_apps().unwrap().len(), 80);
}

#[test]
fn an_app_is_given_back_as_it_was_registered() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let key = es256();
    let named = es256().public_key().clone().with_key_id("2026-11");
    let mut new = new_app(&key);
    new.public_keys.push(named.clone());
    let app = store.create_app(&new, NOW, &OperatingSystem).unwrap();
    assert!(app.client_id.starts_with("0oa") && app.client_id.len() == 20);
    let found = store.app(&app.client_id).unwrap().unwrap();
    assert_eq!((found.label.as_str(), found.dpop_bound_access_tokens, found.created), ("An app", true, NOW));
    assert_eq!((found.scopes, found.roles), (new.scopes, new.roles));
    let ids: Vec<_> = found.keys.keys().iter().map(|key| key.key_id().unwrap().to_owned()).collect();
    assert!(
        ids.contains(&key.public_key().thumbprint().to_string()) && ids.contains(&"2026-11".to_owned()),
        "{ids:?}"
    );
    assert!(store.app("0oa1").unwrap().is_none());
}

#[test]
fn what_cannot_be_registered_is_refused_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let create = |new: &NewApp| store.create_app(new, NOW, &OperatingSystem).unwrap_err();
    let key = es256();
    let good = new_app(&key);

    assert!(matches!(create(&NewApp { public_keys: Vec::new(), ..good.clone() }), StoreError::NoKey));
    let twice = vec![key.public_key().clone(), key.public_key().clone()];
    assert!(matches!(create(&NewApp { public_keys: twice, ..good.clone() }), StoreError::KeyTaken { .. }));
    let edwards = vec![SigningKey::generate(Algorithm::EdDSA).unwrap().public_key().clone()];
    assert!(matches!(
        create(&NewApp { public_keys: edwards, ..good.clone() }),
        StoreError::UnsupportedKey { .. }
    ));
    for scope in ["", "a b", "a\"", "é"] {
        let new = NewApp { scopes: vec![scope.to_owned()], ..good.clone() };
        assert!(matches!(create(&new), StoreError::InvalidScope { .. }), "{scope}");
    }
    assert!(matches!(store.add_key("0oa1", key.public_key(), NOW), Err(StoreError::UnknownApp { .. })));
    assert!(matches!(store.require_dpop("0oa1", true), Err(StoreError::UnknownApp { .. })));
    assert!(store.list_apps().unwrap().is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_orgs_data() {
    use std::os::unix::fs::PermissionsExt as _;

    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("org");
    let settings = keybound_org::OrgSettings { data: Data::Directory(folder.clone()), ..Default::default() };
    let org = keybound_org::LocalOrg::start(settings).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    org.stop().await;
}

#[test]
fn a_database_of_a_later_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    let database = rusqlite::Connection::open(folder.path().join("org.sqlite3")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(folder.path()).err().unwrap();
    assert!(matches!(error, StoreError::FromNewerVersion { found: 99, .. }), "{error}");
}
