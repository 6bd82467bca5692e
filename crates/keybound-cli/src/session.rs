//! Logins that outlive a run: a user's refresh token and the key that it is bound to, in one file for each org and
//! client, which nobody else can read.
//!
//! The file is written beside its place and moved there, under a lock: a refresh token is good once, and two runs that
//! send the same one are taken for a thief and its victim (RFC 9700 section 4.14.2).

use std::error::Error;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use keybound::endpoint::Endpoint;
use keybound::exchange::RefreshToken;
use keybound::json::{MemberError, Object};
use keybound::proof::DpopKey;
use keybound::{Algorithm, NumericDate, PrivateKey, Secret, SigningKey};
use keybound_client::{Begun, CacheLock, NotKept, RefreshTokenStore, Refresher};
use keybound_okta::OrgUrl;
use serde::Serialize;
use tempfile::NamedTempFile;
use url::form_urlencoded::{self, byte_serialize};
use zeroize::Zeroizing;

use crate::exit_code::ExitCode;
use crate::report::{Failure, Outcome};
use crate::{kept_files, key_file};

/// How long another run is waited for that refreshes the same login.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// How often its lock is tried.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// The file of a login.
#[derive(Clone, Debug)]
pub(crate) struct KeptLogin {
    path: PathBuf,
}

/// Which client's login is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WantedClient<'a> {
    This(&'a str),
    /// This one if it has a login; the settings may name a service app.
    Perhaps(&'a str),
    Any,
}

/// What is in it.
pub(crate) struct Session {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    /// Who has logged in, by the words of a verified ID token; `None` if it did not say.
    pub(crate) user: Option<String>,
    /// The same by the name that the server never gives to another; `None` if it did not say.
    pub(crate) subject: Option<String>,
    /// The scopes that were granted.
    pub(crate) scopes: Vec<String>,
    /// The resources that its tokens are for (RFC 8707).
    pub(crate) resources: Vec<String>,
    pub(crate) token_endpoint: String,
    pub(crate) revocation_endpoint: Option<String>,
    pub(crate) since: NumericDate,
    pub(crate) algorithm: Algorithm,
    pub(crate) private_key: Zeroizing<String>,
    pub(crate) refresh_token: Secret,
}

#[derive(Serialize)]
struct Written<'a> {
    issuer: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    scopes: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    resources: &'a [String],
    token_endpoint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_endpoint: Option<&'a str>,
    since: u64,
    alg: &'a str,
    private_key: &'a str,
    refresh_token: &'a str,
}

impl KeptLogin {
    /// The place of the login of `client_id` at `org`.
    pub(crate) fn at(org: &OrgUrl, client_id: &str) -> Outcome<Self> {
        let path = folder()?.join(format!("{}{}.json", prefix(org), encoded(client_id)));
        Ok(Self { path })
    }

    /// The login at `org` that is there.
    pub(crate) fn find(org: &OrgUrl, client: WantedClient<'_>) -> Outcome<Option<Self>> {
        if let WantedClient::This(id) | WantedClient::Perhaps(id) = client {
            let login = Self::at(org, id)?;
            if login.path.is_file() {
                return Ok(Some(login));
            }
            if matches!(client, WantedClient::This(_)) {
                return Ok(None);
            }
        }
        let prefix = prefix(org);
        let Ok(entries) = fs::read_dir(folder()?) else { return Ok(None) };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut found = names.filter(|name| name.starts_with(&prefix) && is_login(name));
        match (found.next(), found.next()) {
            (Some(name), None) => Ok(Some(Self { path: folder()?.join(name) })),
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(Failure::new(ExitCode::Login, "there are several logins at this org")
                .do_next("say which: --client-id ID")),
        }
    }

    /// The origin of the only org at which anybody is logged in, if there is one.
    pub(crate) fn only_org() -> Outcome<Option<String>> {
        let Ok(entries) = fs::read_dir(folder()?) else { return Ok(None) };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let logins = names.filter(|name| is_login(name));
        let orgs = logins.filter_map(|name| name.split_once('@').map(|(org, _)| decoded(org)));
        let mut orgs: Vec<_> = orgs.collect();
        orgs.sort_unstable();
        orgs.dedup();
        match orgs.as_slice() {
            [] => Ok(None),
            [org] => Ok(Some(org.clone())),
            _ => Err(Failure::new(ExitCode::Login, "there are logins at several orgs")
                .because(orgs.join(", "))
                .do_next("say which: --org-url URL, or OKTA_ORG_URL")),
        }
    }

    pub(crate) fn read(&self) -> Outcome<Session> {
        let text = key_file::read_secret(&self.path)?;
        Session::parse(&text).map_err(|error| {
            Failure::new(ExitCode::Login, format_args!("the login in {} can't be read", self.path.display()))
                .because(error)
                .do_next("keybound login")
        })
    }

    /// Keeps a new login in the place of an old one.
    pub(crate) fn write(&self, session: &Session) -> Outcome {
        self.make_folder().and_then(|()| self.replace(session)).map_err(|error| {
            Failure::new(ExitCode::Login, format_args!("the login can't be kept in {}", self.path.display()))
                .because(error)
        })
    }

    pub(crate) fn forget(&self) -> Outcome {
        fs::remove_file(&self.path).map_err(|error| {
            Failure::new(ExitCode::Login, format_args!("{} can't be removed", self.path.display()))
                .because(error)
        })
    }

    fn make_folder(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        for_owner(&mut builder);
        self.path.parent().map_or(Ok(()), |folder| builder.create(folder))
    }

    fn replace(&self, session: &Session) -> io::Result<()> {
        // For its owner alone, as every temporary file.
        let mut file = NamedTempFile::new_in(self.path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(&session.to_json()?)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }

    fn lock_file(&self) -> io::Result<File> {
        self.make_folder()?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        options.open(self.path.with_extension("lock"))
    }

    /// The lock, once no other run has it.
    pub(crate) async fn lock(&self) -> io::Result<CacheLock> {
        let mut waited = Duration::ZERO;
        loop {
            let file = self.lock_file()?;
            match file.try_lock() {
                Ok(()) => return Ok(CacheLock::new(file)),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if waited >= LOCK_PATIENCE => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "another run holds the login"));
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
            }
            waited += LOCK_POLL;
        }
    }

    fn keep_token(&self, token: &RefreshToken) -> Result<(), NotKept> {
        let mut session = self.read().map_err(|_| not_kept("the login is not there any more"))?;
        session.refresh_token = token.secret().clone();
        self.replace(&session).map_err(not_kept)
    }
}

impl RefreshTokenStore for KeptLogin {
    fn begin(&self) -> Pin<Box<dyn Future<Output = Result<Begun, NotKept>> + Send + '_>> {
        Box::pin(async {
            let lock = Some(self.lock().await.map_err(not_kept)?);
            let session = self.read().map_err(|_| not_kept("the login is not there any more"))?;
            let key = session.key().map_err(|_| not_kept("the key of the login can't be used"))?;
            Ok(Begun { token: Some(session.refresh_token(&key)), lock })
        })
    }

    fn keep<'a>(
        &'a self,
        token: &'a RefreshToken,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + 'a>> {
        Box::pin(async { self.keep_token(token) })
    }
}

fn not_kept(reason: impl Into<Box<dyn Error>>) -> NotKept {
    NotKept { reason: reason.into().to_string() }
}

impl Session {
    fn parse(text: &str) -> Result<Self, String> {
        let object = Object::parse(text.as_bytes()).map_err(|error| format!("it is {error}"))?;
        Self::of(&object)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| "it names no algorithm".to_owned())
    }

    fn of(object: &Object<'_>) -> Result<Option<Self>, MemberError> {
        let text = |name| object.string(name).map(str::to_owned);
        let optional = |name| object.optional_string(name).map(|text| text.map(str::to_owned));
        let texts = |name| {
            let texts = object.optional_strings(name).map(Option::unwrap_or_default);
            texts.map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let Ok(algorithm) = object.string("alg")?.parse() else { return Ok(None) };
        Ok(Some(Self {
            issuer: text("issuer")?,
            client_id: text("client_id")?,
            user: optional("user")?,
            subject: optional("subject")?,
            scopes: texts("scopes")?,
            resources: texts("resources")?,
            token_endpoint: text("token_endpoint")?,
            revocation_endpoint: optional("revocation_endpoint")?,
            since: object.date("since")?,
            algorithm,
            private_key: text("private_key")?.into(),
            refresh_token: Secret::new(text("refresh_token")?),
        }))
    }

    fn to_json(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let written = Written {
            issuer: &self.issuer,
            client_id: &self.client_id,
            user: self.user.as_deref(),
            subject: self.subject.as_deref(),
            scopes: &self.scopes,
            resources: &self.resources,
            token_endpoint: &self.token_endpoint,
            revocation_endpoint: self.revocation_endpoint.as_deref(),
            since: self.since.seconds(),
            alg: self.algorithm.name(),
            private_key: &self.private_key,
            refresh_token: self.refresh_token.expose(),
        };
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(64 * 1024));
        serde_json::to_writer(&mut *text, &written)?;
        Ok(text)
    }

    /// The key that its tokens are bound to.
    pub(crate) fn key(&self) -> Outcome<DpopKey> {
        let key =
            PrivateKey::from_pem(&self.private_key).and_then(|key| SigningKey::new(key, self.algorithm));
        let unusable = |error| {
            Failure::new(ExitCode::Login, "the key of the login can't be used")
                .because(error)
                .do_next("keybound login")
        };
        Ok(DpopKey::new(Arc::new(key.map_err(unusable)?)))
    }

    /// The refresh token, for `key` alone.
    pub(crate) fn refresh_token(&self, key: &DpopKey) -> RefreshToken {
        RefreshToken::new(self.refresh_token.clone(), Some(key.thumbprint()))
    }

    /// What gets its tokens, and keeps the next refresh token in `login`.
    pub(crate) fn refresher(&self, login: KeptLogin) -> Outcome<Refresher> {
        let endpoint = Endpoint::parse(&self.token_endpoint)
            .map_err(|error| Failure::new(ExitCode::Login, "the login can't be used").because(error))?;
        let mut refresher = Refresher::new(endpoint, self.refresh_token(&self.key()?), Arc::new(login));
        refresher.resources.clone_from(&self.resources);
        // No two logins have one key, so that any name tells them apart.
        refresher.user = Some(self.user.clone().unwrap_or_default());
        Ok(refresher)
    }
}

/// Nobody is logged in at `org`.
pub(crate) fn nobody(org: &OrgUrl) -> Failure {
    Failure::new(ExitCode::Login, format_args!("nobody is logged in at {}", org.origin()))
        .do_next("keybound login")
}

fn folder() -> Outcome<PathBuf> {
    kept_files::folder("XDG_STATE_HOME", ".local/state").ok_or_else(|| {
        Failure::new(ExitCode::Login, "there is no place for logins")
            .because("neither HOME nor XDG_STATE_HOME is set")
            .do_next("set HOME")
    })
}

fn is_login(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "json")
}

fn prefix(org: &OrgUrl) -> String {
    format!("{}@", encoded(org.origin()))
}

/// Fit for the name of a file, and another for each text.
fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// What was encoded so.
fn decoded(text: &str) -> String {
    form_urlencoded::parse(text.as_bytes()).map(|(text, _)| text).collect()
}

#[cfg(unix)]
fn for_owner(builder: &mut DirBuilder) {
    use std::os::unix::fs::DirBuilderExt as _;
    builder.mode(0o700);
}

#[cfg(not(unix))]
fn for_owner(_builder: &mut DirBuilder) {}
