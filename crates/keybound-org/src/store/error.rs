//! Why the store did not do what it was asked.

use std::io;
use std::path::PathBuf;

use keybound::KeyError;
use keybound::random::RandomUnavailable;

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
    Database(rusqlite::Error),
    /// What was to be written refers to something that was deleted between when it was looked up and now.
    #[error(
        "what this is for was deleted by another request at the same moment; look again at what is there"
    )]
    Gone,
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
    /// What an app is told of a user who is assigned to it became too large.
    #[error("profile: has more than {limit} bytes as JSON with what it has already")]
    AssignmentTooLarge {
        /// Bytes that it may have.
        limit: usize,
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
    /// No Trusted Origin has the id.
    #[error("there is no Trusted Origin with the id `{id}`")]
    UnknownTrustedOrigin {
        /// The id.
        id: String,
    },
    /// Another Trusted Origin has the name.
    #[error("another Trusted Origin has this name")]
    TrustedOriginNameTaken,
    /// Another Trusted Origin is for the origin.
    #[error("another Trusted Origin is for this origin")]
    TrustedOriginTaken,
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

impl From<rusqlite::Error> for StoreError {
    /// Whoever writes looks up first what it refers to, and says by name what is not there; a reference that SQLite
    /// refuses is to what was there then.
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        if code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY) {
            Self::Gone
        } else {
            Self::Database(error)
        }
    }
}
