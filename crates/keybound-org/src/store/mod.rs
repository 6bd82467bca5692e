//! The org's database: one SQLite file in the org's folder.
//!
//! Several processes may have it open at once (`keybound org app create` writes into it while the org
//! runs), so nothing is cached: each request reads what is there. In one process reads run side by side
//! and writes one after the other; between processes SQLite's own locks decide.
//!
//! A write is there when it has been acknowledged, whatever then happens to the process. After a power
//! cut the database is whole, and may lack the last writes.

mod apps;
mod archive;
mod authorization_servers;
mod authorizations;
mod condition;
mod device_requests;
mod digest;
mod events;
mod groups;
mod migrations;
mod ownership;
mod page;
mod passwords;
mod pushed_requests;
mod reset;
mod revoked_tokens;
mod secrets;
mod seeding;
mod server_id;
mod sessions;
mod signing_keys;
mod single_use;
mod users;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keybound::random::RandomUnavailable;
use keybound::{KeyError, NumericDate};
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use apps::{
    AdminRole, App, AppPresentation, AppStatus, ApplicationType, ClientKey, ClientSecret, ClientSecretHash,
    ClientSettings, GrantType, KeyStatus, NewApp, ResponseType, RoleAssignment, ScopeGrant,
    TokenEndpointAuthMethod, UnknownAdminRole,
};
pub(crate) use apps::{BesideSettings, app_property};
pub use archive::{ExportError, ImportError, LineProblem, Secrets};
pub use authorization_servers::{
    AccessPolicy, AccessPolicyRule, ClaimSource, ClaimedToken, CustomClaim, CustomScope, CustomServer,
    Identified, LifecycleStatus, Lifetimes, NewAuthorizationServer,
};
pub(crate) use authorization_servers::{PolicySettings, Ranked};
pub(crate) use authorizations::{Authorization, Given, GivenRefreshToken, KeptCode, NotRedeemed, Redeemed};
#[cfg(test)]
pub(crate) use condition::Property;
pub(crate) use condition::{Condition, Properties, is_member_name};
pub(crate) use device_requests::{DeviceAnswer, DeviceRequest};
pub(crate) use digest::Digest;
pub(crate) use events::{LoggedEvent, event_property};
pub(crate) use groups::group_property;
pub use ownership::refuse_of_others;
pub(crate) use page::{Key, Listing, Order, Page, Place};
pub(crate) use passwords::{NewPassword, PasswordHash};
pub use passwords::{PasswordCheck, SEEDED_PASSWORD};
pub(crate) use pushed_requests::PushedRequest;
pub use seeding::Seeded;
pub use server_id::ServerId;
pub(crate) use sessions::Session;
pub(crate) use signing_keys::{KeptKey, KeyState};
pub(crate) use single_use::Once;
pub(crate) use users::{UserChangeError, user_filter_property, user_property};

/// The database's name in the org's folder.
const FILE_NAME: &str = "org.sqlite3";

/// Whoever opens the database locks this file meanwhile.
const LOCK_FILE_NAME: &str = "org.lock";

/// How long a write waits for one of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that are kept for reading; more are opened when needed and closed after use.
const IDLE_READERS: usize = 8;

/// Statements that a connection keeps prepared: all that requests for tokens have, and the most of the management API's.
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

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder or the database file in it cannot be used.
    #[error("the org's data in {} cannot be used: {source}; check that it is a folder you may write to", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The folder or a file in it is another user's, or others can write to it.
    #[error("the org's data in {} cannot be trusted: {why}; {next}", path.display())]
    OfOthers {
        /// The folder or file.
        path: PathBuf,
        /// Whose it is, or who can write to it.
        why: String,
        /// What to do.
        next: String,
    },
    /// SQLite failed.
    #[error("the org's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A later version of this program wrote the database.
    #[error(
        "the org's database has schema version {found}, and this program knows versions up to {known}; use the \
         program that wrote it, or start with another data folder"
    )]
    FromNewerVersion {
        /// The database's version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// Something in the database is not what this program writes.
    #[error("the org's database is damaged: {what}; start with another data folder")]
    Damaged {
        /// What is not as it must be.
        what: &'static str,
    },
    /// No app has the client id.
    #[error("no app has the client id `{client_id}`; `keybound org app list` shows those that are there")]
    UnknownApp {
        /// The client id.
        client_id: String,
    },
    /// An app needs a key to authenticate with.
    #[error("an app needs a public key to authenticate with, and none was given")]
    NoKey,
    /// An app that authenticates with a secret needs one.
    #[error("an app that authenticates with a secret needs one, and none was given")]
    NoSecret,
    /// The app has as many keys as it may have.
    #[error("the app has 50 keys, which is as many as Okta takes; delete one first")]
    TooManyKeys,
    /// The app has a key of that name already.
    #[error("the app already has a key with the id `{key_id}`; give the new one another `kid`")]
    KeyTaken {
        /// The key's `kid`, or its thumbprint if it has none.
        key_id: String,
    },
    /// The key is good, and of no use to authenticate to Okta with.
    #[error(
        "the public key `{key_id}` is of no use here: Okta takes RS256, RS384, RS512, ES256, ES384 and ES512"
    )]
    UnsupportedKey {
        /// The key's `kid`, or its thumbprint if it has none.
        key_id: String,
    },
    /// Not a scope.
    #[error("`{scope}` is not a scope: it must be one word of printable ASCII, such as okta.users.read")]
    InvalidScope {
        /// What was given.
        scope: String,
    },
    /// Another group has the name.
    #[error("another group of the org has this name")]
    GroupNameTaken,
    /// No custom authorization server has the id.
    #[error("there is no authorization server with the id `{id}`")]
    UnknownServer {
        /// The id.
        id: String,
    },
    /// Another authorization server has the name.
    #[error("another authorization server has the name `{name}`")]
    ServerNameTaken {
        /// The name.
        name: String,
    },
    /// The authorization server has the scope.
    #[error("the authorization server has the scope `{name}`")]
    ScopeTaken {
        /// The scope.
        name: String,
    },
    /// The authorization server has a claim of this name for the token.
    #[error("the authorization server has the claim `{name}` for this token")]
    ClaimTaken {
        /// The claim.
        name: String,
    },
    /// The authorization server, or its policy, has as many scopes, claims, policies or rules as it may.
    #[error("there are {limit} of them, and no more can be added")]
    TooManyOfServer {
        /// How many there may be.
        limit: i64,
    },
    /// Tokens would live for too short or too long.
    #[error(
        "an access token lives for five minutes at least and for a day at most; a refresh token that is not used for \
         ten minutes to five years, and in all not shorter than that"
    )]
    TokenLife,
    /// A client has more requests waiting than are kept.
    #[error("the client has more requests waiting than are kept; try again when some have expired")]
    TooManyWaiting,
    /// Another user has the login.
    #[error("another user of the org has this login")]
    LoginTaken,
    /// A key could not be made, read or written.
    #[error("the org's signing key cannot be used: {0}")]
    Key(#[from] KeyError),
    /// No randomness to make an identifier or a secret with.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
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

fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Waits until nobody else opens the database. SQLite itself does not wait where two change a new file to its
/// write-ahead log at once.
fn wait_for_turn(lock_file: &Path) -> io::Result<File> {
    let file = private_file(OpenOptions::new().append(true).create(true), lock_file)?;
    match file.lock() {
        // Where files can't be locked, one takes the chance.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(file),
    }
}

/// SQLite gives its log and index files the mode of the database.
/// One that is there is not opened: closing it would end the locks that this process has on it.
fn make_private_file(file: &Path) -> io::Result<()> {
    match private_file(OpenOptions::new().append(true).create_new(true), file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn private_file(options: &mut OpenOptions, file: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(file)
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

/// A date as it stands in a column.
fn column(date: NumericDate) -> i64 {
    i64::try_from(date.seconds()).unwrap_or(i64::MAX)
}

/// The date in a column.
fn date(column: i64) -> NumericDate {
    NumericDate::from_seconds(u64::try_from(column).unwrap_or_default())
}

/// A duration as it stands in a column.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The duration in a column.
fn duration(column: i64) -> Duration {
    Duration::from_secs(u64::try_from(column).unwrap_or_default())
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

/// A list as it stands in a column.
fn list_column(list: &[String]) -> String {
    serde_json::json!(list).to_string()
}

/// The list in a column.
fn list(column: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(column)
        .map_err(|_| StoreError::Damaged { what: "a list is not a JSON array of strings" })
}
