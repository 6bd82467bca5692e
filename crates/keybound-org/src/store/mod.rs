//! The org's database: one SQLite file in the org's folder.
//!
//! Several processes may have it open at once (`keybound org app create` writes into it while the org
//! runs), so nothing is cached: each request reads what is there. In one process reads run side by side
//! and writes one after the other; between processes SQLite's own locks decide.
//!
//! A write is there when it has been acknowledged, whatever then happens to the process. After a power
//! cut the database is whole, and may lack the last writes.

mod app_groups;
mod app_users;
mod apps;
mod archive;
mod authorization_servers;
mod authorizations;
mod column;
mod condition;
mod device_requests;
mod digest;
mod error;
mod events;
mod files;
mod groups;
mod held_tokens;
mod migrations;
mod ownership;
mod page;
mod passwords;
mod pushed_requests;
mod reset;
mod revoked_tokens;
mod roles;
mod secrets;
mod seeding;
mod server_id;
mod sessions;
mod signing_keys;
mod single_use;
mod token_grants;
mod trusted_origins;
mod users;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(crate) use app_groups::{AppGroup, AppGroupChange};
pub(crate) use app_users::{AppUser, AppUserChange, AssignmentScope};
pub use apps::{
    App, AppPresentation, AppStatus, ApplicationType, ClientKey, ClientSecret, ClientSecretHash,
    ClientSettings, GrantType, KeyStatus, NewApp, ResponseType, ScopeGrant, TokenEndpointAuthMethod,
};
pub(crate) use apps::{BesideSettings, app_property};
pub use archive::{ExportError, ImportError, LineProblem, Secrets};
pub use authorization_servers::{
    AccessPolicy, AccessPolicyRule, ClaimSource, ClaimedToken, CustomClaim, CustomScope, CustomServer,
    Identified, LifecycleStatus, Lifetimes, NewAuthorizationServer,
};
pub(crate) use authorization_servers::{PolicySettings, Ranked};
pub(crate) use authorizations::{Authorization, Given, GivenRefreshToken, KeptCode, Redeemed};
#[cfg(test)]
pub(crate) use condition::Property;
pub(crate) use condition::{Condition, Properties, is_member_name};
pub(crate) use device_requests::{DeviceAnswer, DeviceRequest};
pub(crate) use digest::Digest;
pub use error::StoreError;
pub(crate) use events::{LoggedEvent, event_property};
pub(crate) use groups::group_property;
pub(crate) use held_tokens::{HeldToken, HeldTokens};
pub use ownership::refuse_of_others;
pub(crate) use page::{Key, Listing, Order, Page, Place};
pub(crate) use passwords::{NewPassword, PasswordHash};
pub use passwords::{PasswordCheck, SEEDED_PASSWORD};
pub(crate) use pushed_requests::PushedRequest;
pub use roles::{AdminRole, AssignmentType, RoleAssignment, RoleHolder, UnknownAdminRole};
pub use seeding::Seeded;
pub use server_id::ServerId;
pub(crate) use sessions::{Session, SessionName, TokensOfSession};
pub(crate) use signing_keys::{KeptKey, KeyState};
pub(crate) use single_use::Once;
pub(crate) use token_grants::{NotGranted, TokenGrant};
pub(crate) use trusted_origins::{
    TrustedOrigin, TrustedOriginScope, TrustedOriginSettings, trusted_origin_property,
};
pub(crate) use users::{UserChangeError, user_filter_property, user_property};

use column::{column, date, duration, list, list_column, seconds};
use files::{make_private_file, make_private_folder, wait_for_turn};

/// The database's name in the org's folder.
const FILE_NAME: &str = "org.sqlite3";

/// Whoever opens the database locks this file meanwhile.
const LOCK_FILE_NAME: &str = "org.lock";

/// How long a write waits for one of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that are kept for reading; more are opened when needed and closed after use.
const IDLE_READERS: usize = 8;

/// Statements that a connection keeps prepared: all that requests for tokens have, and the most of the management
/// API's.
const PREPARED_STATEMENTS: usize = 64;

/// Pages of the write-ahead log, after which what stands in it goes into the database: 16 MiB. A page that many writes
/// change goes there once for all of them.
const PAGES_OF_LOG: u32 = 4_096;

/// The org's data. Cheap to clone; every clone is the same database.
///
/// All functions wait for the disk: an asynchronous caller runs them on a thread for blocking work.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    file: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// Passwords that are being checked.
    checks: AtomicUsize,
}

impl Store {
    /// Whether there is an org's database in `folder`; [`Store::open`] makes one where there is none.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE_NAME).is_file()
    }

    /// Opens the database in `folder`; makes it, and the folder, if they are not there. Both can be read
    /// by their owner alone, since the org's private keys are in them. A folder of another user, or that others can
    /// write to, is refused.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let unusable = |path: &Path, source| StoreError::Folder { path: path.to_owned(), source };
        make_private_folder(folder).map_err(|error| unusable(folder, error))?;
        refuse_of_others(folder)?;
        let lock_file = folder.join(LOCK_FILE_NAME);
        let opening = wait_for_turn(&lock_file).map_err(|error| unusable(&lock_file, error))?;
        let file = folder.join(FILE_NAME);
        make_private_file(&file).map_err(|error| unusable(&file, error))?;

        let mut writer = connect(&file)?;
        use_write_ahead_log(&writer)?;
        writer.pragma_update(None, "wal_autocheckpoint", PAGES_OF_LOG)?;
        migrations::migrate(&mut writer)?;
        drop(opening);
        let shared = Shared {
            file,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            checks: AtomicUsize::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reads; all that `work` sees is of one instant.
    fn read<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = lock(&self.shared.readers).pop();
        let mut connection = idle.map_or_else(|| connect(&self.shared.file), Ok)?;
        let found = work(&connection.transaction()?);
        let mut readers = lock(&self.shared.readers);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        found
    }

    /// Writes all that `work` does, or nothing if it fails.
    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = lock(&self.shared.writer);
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let done = work(&transaction)?;
        transaction.commit().map_err(StoreError::from)?;
        Ok(done)
    }
}

/// A thread that panicked left nothing behind: its transaction was rolled back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(file: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    // One plan for a statement, whatever it is asked for: without it SQLite plans anew with each other parameter.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // The log is handed to the operating system with each commit, which survives the process.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

/// Readers then don't wait for the writer. It is a property of the file; setting it needs the file alone.
fn use_write_ahead_log(connection: &Connection) -> Result<(), StoreError> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        connection.pragma_update(None, "journal_mode", "WAL")?;
    }
    Ok(())
}

/// Gives the error `taken` where a row was not put because another has its name. Identifiers are random, and not the
/// same twice.
fn unless_taken(put: rusqlite::Result<usize>, taken: StoreError) -> Result<(), StoreError> {
    match put {
        Ok(_) => Ok(()),
        Err(error) => {
            let code = error.sqlite_error().map(|error| error.extended_code);
            let is_taken = code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE);
            Err(if is_taken { taken } else { error.into() })
        }
    }
}

/// Requests of one client that wait for a user, at most: whoever knows the id of a public client can make them.
const MAX_WAITING: i64 = 10_000;

/// Refuses if a client has as many rows in this table as it may.
fn room_for_another(
    transaction: &Transaction<'_>,
    table: &'static str,
    client_id: &str,
) -> Result<(), StoreError> {
    let waiting: i64 = transaction
        .prepare_cached(&format!("SELECT count(*) FROM {table} WHERE client_id = ?1"))?
        .query_row([client_id], |row| row.get(0))?;
    if waiting < MAX_WAITING { Ok(()) } else { Err(StoreError::TooManyWaiting) }
}

/// Whether a text is one scope (RFC 6749 section 3.3).
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}
