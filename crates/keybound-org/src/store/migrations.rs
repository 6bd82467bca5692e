//! The schema's versions, as SQLite's `user_version` counts them.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::StoreError;

/// What leads to each version from the one before; to the first from an empty database. Their number is
/// the newest version.
const MIGRATIONS: [&str; 9] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
    ASSIGN_EVERYONE,
    include_str!("schema_9.sql"),
];

/// Assigns the group Everyone to the apps of an org that had no assignments.
pub(super) const ASSIGN_EVERYONE: &str = include_str!("schema_8.sql");

#[expect(clippy::cast_possible_truncation, reason = "there are a few")]
const NEWEST: u32 = MIGRATIONS.len() as u32;

/// Brings the database to the newest version. Of several processes that open a new database at once, one
/// migrates and the others wait.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    if version(connection)? == NEWEST {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > NEWEST {
        return Err(StoreError::FromNewerVersion { found, known: NEWEST });
    }
    for (version, migration) in (1..).zip(MIGRATIONS) {
        if version > found {
            transaction.execute_batch(migration)?;
        }
    }
    transaction.pragma_update(None, "user_version", NEWEST)?;
    Ok(transaction.commit()?)
}

/// Drops every table and makes them anew, as in a new database.
pub(super) fn begin_anew(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let mut statement = transaction.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY rowid DESC",
    )?;
    let tables: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    drop(statement);
    for table in tables {
        transaction.execute_batch(&format!("DROP TABLE \"{table}\""))?;
    }
    for migration in MIGRATIONS {
        transaction.execute_batch(migration)?;
    }
    Ok(())
}

fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use keybound::{Algorithm, NumericDate, Signer as _, SigningKey};

    use super::*;
    use crate::store::{
        AdminRole, AppStatus, ClaimedToken, ClientSettings, FILE_NAME, RoleHolder, SessionName, Store,
    };

    /// What version 1 wrote for an app with two keys, two scopes and a role, and for a user.
    fn write_version_1(connection: &Connection, jwks: [&str; 2]) {
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection.execute("INSERT INTO apps VALUES (1, '0oa1', 'An app', 1, 1700000000)", []).unwrap();
        for (number, jwk) in (0_i64..).zip(jwks) {
            let values = (format!("key {number}"), jwk, 1_700_000_001 + number);
            connection.execute("INSERT INTO app_keys VALUES ('0oa1', ?1, ?2, ?3)", values).unwrap();
        }
        connection
            .execute_batch(
                "INSERT INTO app_scopes VALUES ('0oa1', 'okta.users.read'), ('0oa1', 'okta.apps.read');
                 INSERT INTO app_roles VALUES ('0oa1', 'READ_ONLY_ADMIN');
                 INSERT INTO users (id, status, created, last_updated, profile) VALUES ('00u1', 'ACTIVE', 1, 2,
                 '{\"firstName\":\"A\",\"lastName\":\"B\",\"login\":\"a@example.com\",\"email\":\"a@example.com\"}');
                 INSERT INTO furnished VALUES (1700000000);",
            )
            .unwrap();
    }

    #[test]
    fn what_the_first_version_wrote_is_there_after_the_migration() {
        let folder = tempfile::tempdir().unwrap();
        let keys = [(); 2].map(|()| SigningKey::generate(Algorithm::ES256).unwrap());
        let jwks = keys.each_ref().map(|key| key.public_key().clone().with_key_id("k").jwk().to_json());
        let file = folder.path().join(FILE_NAME);
        write_version_1(&Connection::open(&file).unwrap(), jwks.each_ref().map(String::as_str));

        let store = Store::open(folder.path()).unwrap();
        let app = store.app("0oa1").unwrap().unwrap();
        assert_eq!(
            (app.label.as_str(), app.status, app.client),
            ("An app", AppStatus::Active, ClientSettings::default())
        );
        assert_eq!(app.keys.keys().len(), 2);
        assert_eq!(app.scopes, ["okta.apps.read", "okta.users.read"]);
        assert_eq!(app.roles, [AdminRole::ReadOnly]);
        assert!(app.dpop_bound_access_tokens && app.client_secret_hash.is_none());
        let created = NumericDate::from_seconds(1_700_000_000);
        assert_eq!((app.created, app.last_updated), (created, created));
        for (id, prefix) in [
            (&store.grants("0oa1").unwrap().unwrap()[0].id, "oag"),
            (&store.role_assignments(RoleHolder::Client("0oa1")).unwrap().unwrap()[0].id, "irb"),
            (&store.keys_of("0oa1").unwrap().unwrap()[0].id, "pks"),
        ] {
            assert!(id.starts_with(prefix) && id.len() == 20, "{id}");
        }
        assert!(store.user("a@example.com").unwrap().is_some());
        drop(store);
        assert_eq!(version(&Connection::open(&file).unwrap()).unwrap(), NEWEST);
        assert!(Store::open(folder.path()).is_ok(), "a second time there is nothing to do");
    }

    #[test]
    fn what_the_third_version_knew_of_authorization_servers_is_there_after_the_migration() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join(FILE_NAME)).unwrap();
        MIGRATIONS.iter().take(3).for_each(|migration| connection.execute_batch(migration).unwrap());
        connection
            .execute_batch(
                "PRAGMA user_version = 3;
                 INSERT INTO custom_scopes VALUES ('default', 'a.scope', 'Words', 1);
                 INSERT INTO custom_claims VALUES ('default', 'access', 'tier', 'text', 'gold');
                 INSERT INTO access_policies (id, server, name, clients) VALUES ('00p2', 'default', 'Second', '[]');",
            )
            .unwrap();
        drop(connection);
        let store = Store::open(folder.path()).unwrap();
        let scope = store.list_scopes("default").unwrap().remove(0);
        assert!(scope.id.starts_with("scp") && scope.id.len() == 20, "{}", scope.id);
        assert!(scope.value.is_default && scope.value.is_published && scope.value.name == "a.scope");
        let claim = store.list_claims("default").unwrap().remove(0);
        assert!(claim.id.starts_with("ocl") && claim.value.is_in(ClaimedToken::Access, &[]), "{claim:?}");
        let policies = store.policies("default").unwrap();
        let places: Vec<_> =
            policies.iter().map(|policy| (policy.priority, policy.value.name.as_str())).collect();
        assert_eq!(places, [(1, "Default Policy"), (2, "Second")]);
    }

    #[test]
    fn everybody_may_still_sign_in_to_the_apps_that_the_sixth_version_had() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join(FILE_NAME)).unwrap();
        MIGRATIONS.iter().take(6).for_each(|migration| connection.execute_batch(migration).unwrap());
        connection
            .execute_batch(
                "PRAGMA user_version = 6;
                 INSERT INTO apps (client_id, label, dpop_bound_access_tokens, created, application_type)
                 VALUES ('0oa1', 'A', 1, 1, 'service'), ('0oa2', 'B', 1, 1, 'web'), ('0oa3', 'C', 1, 1, 'browser');
                 INSERT INTO app_presentations VALUES
                 ('0oa2', '{\"settings\":{\"implicitAssignment\":false}}'),
                 ('0oa3', '{\"settings\":{\"implicitAssignment\":true,\"notes\":{\"admin\":\"x\"}}}');
                 INSERT INTO users (id, status, created, last_updated, profile) VALUES ('00u1', 'ACTIVE', 1, 2,
                 '{\"firstName\":\"A\",\"lastName\":\"B\",\"login\":\"a@example.com\",\"email\":\"a@example.com\"}');",
            )
            .unwrap();
        drop(connection);
        let store = Store::open(folder.path()).unwrap();
        for (client_id, is_assigned, is_implicit) in
            [("0oa1", false, false), ("0oa2", true, false), ("0oa3", true, true)]
        {
            assert_eq!(store.is_assigned(client_id, "00u1").unwrap(), is_assigned, "{client_id}");
            assert_eq!(
                store.app(client_id).unwrap().unwrap().implicit_assignment,
                is_implicit,
                "{client_id}"
            );
        }
        assert_eq!(store.role_assignments(RoleHolder::User("00u1")).unwrap(), Some(Vec::new()));
        // What is shown of an app has no empty places, so that it can be exported and imported.
        let mut file = Vec::new();
        store.export(crate::store::Secrets::LeftOut, &mut file).unwrap();
        let other = tempfile::tempdir().unwrap();
        let other = Store::open(other.path()).unwrap();
        assert!(other.import(file.as_slice(), NumericDate::from_seconds(1)).is_ok());
    }

    #[test]
    fn sessions_and_events_are_told_apart_by_ids_after_the_eighth_version() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join(FILE_NAME)).unwrap();
        MIGRATIONS.iter().take(8).for_each(|migration| connection.execute_batch(migration).unwrap());
        connection
            .execute_batch(
                "PRAGMA user_version = 8;
                 INSERT INTO users (id, status, created, last_updated, profile) VALUES ('00u1', 'ACTIVE', 1, 2,
                 '{\"firstName\":\"A\",\"lastName\":\"B\",\"login\":\"a@example.com\",\"email\":\"a@example.com\"}');
                 INSERT INTO sessions VALUES (x'00', '00u1', 1, 9000000000);",
            )
            .unwrap();
        drop(connection);
        let store = Store::open(folder.path()).unwrap();
        let connection = Connection::open(folder.path().join(FILE_NAME)).unwrap();
        let left: i64 = connection.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "one without an id has ended");
        let now = NumericDate::from_seconds(1);
        let begun = store.begin_session("a cookie", "00u1".to_owned(), now).unwrap();
        assert_eq!(store.session(SessionName::Id(&begun.id), now).unwrap(), Some(begun));
        // A token that waits is under no id, also not under the one that its text would have as a cookie.
        store.keep_session_token("a token", "00u1", now).unwrap();
        let as_cookie = store.begin_session("a token", "00u1".to_owned(), now).unwrap();
        store.end_session(SessionName::Id(&as_cookie.id)).unwrap();
        assert!(store.begin_session_by_token("a token", "another cookie", now).unwrap().is_some());
    }

    #[test]
    fn a_database_of_a_later_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let file = folder.path().join(FILE_NAME);
        Connection::open(file).unwrap().pragma_update(None, "user_version", NEWEST + 1).unwrap();
        let refused = Store::open(folder.path()).err().unwrap();
        assert!(matches!(refused, StoreError::FromNewerVersion { .. }), "{refused}");
    }
}
