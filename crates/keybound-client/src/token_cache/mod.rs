//! Tokens that outlive a process: a program that runs often and shortly doesn't need an exchange each time.
//!
//! What is kept is safe to keep as long as the key is elsewhere: a token that is bound to a key is of no use
//! without it (RFC 9449 section 1). Bearer tokens are never given to a cache.

mod file;

use std::fmt;
use std::io;

use aws_lc_rs::digest::{self, SHA256};
use keybound::access_token::MAX_ACCESS_TOKEN_BYTES;
use keybound::json::{MemberError, NotStrictJson, Object, Value};
use keybound::{Nonce, NumericDate, TargetUri, Thumbprint};
use serde::Serialize;
use zeroize::Zeroizing;

pub use file::FileTokenCache;

/// The form of what [`CachedToken::to_json`] writes; another one is not read.
const VERSION: u64 = 1;

/// Nonces that are kept with a token, at most: a client talks to a few servers.
pub const MAX_CACHED_NONCES: usize = 16;

/// Bytes of what [`CachedToken::to_json`] writes, at most: the longest token, nonces and scopes.
pub const MAX_CACHED_BYTES: usize = 64 * 1024;

/// Keeps tokens between runs. Its methods may block: they are called off the threads that run async tasks.
///
/// An error is logged and does no harm: the token is got from the server as if there were no cache.
pub trait TokenCache: Send + Sync {
    /// What is kept under `key`, if anything is.
    fn load(&self, key: &CacheKey) -> io::Result<Option<CachedToken>>;

    /// Keeps `token` under `key`, in place of what is there.
    fn store(&self, key: &CacheKey, token: &CachedToken) -> io::Result<()>;

    /// Drops what is kept under `key`: a resource has refused it.
    fn forget(&self, key: &CacheKey) -> io::Result<()>;

    /// Makes the exchange for `key` this process's own until the lock is dropped; `None` while it is
    /// another's. A cache that is for one process alone needs none.
    fn try_lock(&self, _key: &CacheKey) -> io::Result<Option<CacheLock>> {
        Ok(Some(CacheLock::new(())))
    }
}

/// A lock of a [`TokenCache`], held until it is dropped.
pub struct CacheLock {
    _held: Box<dyn Send + Sync>,
}

impl CacheLock {
    /// A lock that ends when `held` is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

/// The server that a token is from, as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheServer {
    /// By its token endpoint: the URL in the form of `htu`.
    TokenEndpoint(String),
    /// By its issuer, which says itself where the token endpoint is.
    Issuer(String),
}

/// What a token is kept under: all that makes it another token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheKey {
    /// The server.
    pub server: CacheServer,
    /// The client's id.
    pub client_id: String,
    /// The scopes that were asked for, in the order of the alphabet.
    pub scopes: Vec<String>,
    /// The resources that the token is for (`resource`, RFC 8707).
    pub resources: Vec<String>,
    /// The same by the name of some servers (`audience`).
    pub audience: Option<String>,
    /// Whose token it is; `None` for the client's own.
    pub user: Option<String>,
    /// The key that it is bound to.
    pub thumbprint: Thumbprint,
}

impl CacheKey {
    /// The key of the client's own token for no resource in particular.
    pub fn new(server: CacheServer, client_id: &str, scopes: &[String], thumbprint: Thumbprint) -> Self {
        let mut scopes = scopes.to_vec();
        scopes.sort();
        scopes.dedup();
        Self {
            server,
            client_id: client_id.to_owned(),
            scopes,
            resources: Vec::new(),
            audience: None,
            user: None,
            thumbprint,
        }
    }

    /// A name for it, fit for a file: SHA-256 in hexadecimal. Each part is hashed with its length before it,
    /// so that no two keys are one text.
    pub fn name(&self) -> String {
        let mut hash = digest::Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            hash.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        let (kind, server) = match &self.server {
            CacheServer::TokenEndpoint(url) => ("token endpoint", url),
            CacheServer::Issuer(issuer) => ("issuer", issuer),
        };
        part(kind.as_bytes());
        part(server.as_bytes());
        part(self.client_id.as_bytes());
        part(self.scopes.join(" ").as_bytes());
        part(self.thumbprint.as_bytes());
        // A URI has no spaces.
        part(self.resources.join(" ").as_bytes());
        for optional in [&self.audience, &self.user] {
            part(&[u8::from(optional.is_some())]);
            part(optional.as_deref().unwrap_or_default().as_bytes());
        }
        hash.finish().as_ref().iter().fold(String::new(), |name, byte| name + &format!("{byte:02x}"))
    }
}

/// A token as it is kept. `Debug` doesn't show it.
#[derive(Clone)]
#[non_exhaustive]
pub struct CachedToken {
    /// The token.
    pub access_token: Zeroizing<String>,
    /// The key that it is bound to.
    pub thumbprint: Thumbprint,
    /// When it was asked for, by the clock of the machine that did.
    pub granted_at: NumericDate,
    /// When it expires, by the same clock.
    pub expires_at: NumericDate,
    /// The scopes that were granted; `None` if they are those asked for.
    pub scopes: Option<Vec<String>>,
    /// The newest nonce of each origin.
    pub nonces: Vec<(String, Nonce)>,
}

/// The text is not what [`CachedToken::to_json`] writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotACachedToken {
    /// Longer than a kept token can be.
    #[error("it has more than {MAX_CACHED_BYTES} bytes")]
    TooLong,
    /// Not JSON that can be relied on.
    #[error("it is {0}")]
    NotStrictJson(#[from] NotStrictJson),
    /// A member is missing or of another type.
    #[error("{0}")]
    Malformed(#[from] MemberError),
    /// A member has a value that it can't have.
    #[error("`{0}` has a value that it can't have")]
    Illegal(&'static str),
}

/// What is written.
#[derive(Serialize)]
struct Written<'a> {
    version: u64,
    jkt: String,
    access_token: &'a str,
    granted_at: u64,
    expires_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<&'a [String]>,
    nonces: Vec<[&'a str; 2]>,
}

impl CachedToken {
    /// As JSON, for a cache that keeps text. The text holds the token; it is wiped when it is dropped.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let nonces = self.nonces.iter().take(MAX_CACHED_NONCES);
        let written = Written {
            version: VERSION,
            jkt: self.thumbprint.to_string(),
            access_token: &self.access_token,
            granted_at: self.granted_at.seconds(),
            expires_at: self.expires_at.seconds(),
            scopes: self.scopes.as_deref(),
            nonces: nonces.map(|(origin, nonce)| [origin.as_str(), nonce.as_str()]).collect(),
        };
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_CACHED_BYTES));
        if serde_json::to_writer(&mut *text, &written).is_err() {
            text.clear();
        }
        text
    }

    /// Reads what [`to_json`](Self::to_json) wrote, or what somebody else put in its place.
    pub fn from_json(text: &[u8]) -> Result<Self, NotACachedToken> {
        if text.len() > MAX_CACHED_BYTES {
            return Err(NotACachedToken::TooLong);
        }
        let object = Object::parse(text)?;
        if object.get("version") != Some(&Value::Unsigned(VERSION)) {
            return Err(NotACachedToken::Illegal("version"));
        }
        let (granted_at, expires_at) = (object.date("granted_at")?, object.date("expires_at")?);
        if expires_at < granted_at {
            return Err(NotACachedToken::Illegal("expires_at"));
        }
        let scopes = object.optional_strings("scopes")?;
        Ok(Self {
            access_token: Zeroizing::new(sendable(object.string("access_token")?)?.to_owned()),
            thumbprint: object.string("jkt")?.parse().map_err(|_| NotACachedToken::Illegal("jkt"))?,
            granted_at,
            expires_at,
            scopes: scopes.map(|scopes| scopes.into_iter().map(str::to_owned).collect()),
            nonces: nonces(&object)?,
        })
    }
}

/// A token that an `Authorization` header field can carry.
fn sendable(token: &str) -> Result<&str, NotACachedToken> {
    let fits = (1..=MAX_ACCESS_TOKEN_BYTES).contains(&token.len());
    if fits && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(token);
    }
    Err(NotACachedToken::Illegal("access_token"))
}

/// Pairs of an origin and its nonce.
fn nonces(object: &Object<'_>) -> Result<Vec<(String, Nonce)>, NotACachedToken> {
    let illegal = NotACachedToken::Illegal("nonces");
    let pairs = match object.get("nonces") {
        None => return Ok(Vec::new()),
        Some(Value::Array(pairs)) if pairs.len() <= MAX_CACHED_NONCES => pairs,
        Some(_) => return Err(illegal),
    };
    let read = |pair: &Value<'_>| {
        let Value::Array(pair) = pair else { return None };
        let [origin, nonce] = pair.as_slice() else { return None };
        let origin = origin.as_str()?;
        let is_origin = TargetUri::parse(origin).is_ok_and(|target| target.origin() == origin);
        is_origin.then_some((origin.to_owned(), Nonce::parse(nonce.as_str()?).ok()?))
    };
    pairs.iter().map(read).collect::<Option<_>>().ok_or(illegal)
}

impl fmt::Debug for CachedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CachedToken")
            .field("thumbprint", &self.thumbprint)
            .field("granted_at", &self.granted_at)
            .field("expires_at", &self.expires_at)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    fn cached() -> CachedToken {
        CachedToken {
            access_token: Zeroizing::new("secret-token".to_owned()),
            thumbprint: THUMBPRINT.parse().unwrap(),
            granted_at: NumericDate::from_seconds(1000),
            expires_at: NumericDate::from_seconds(4600),
            scopes: Some(vec!["a \"b\"".to_owned(), "ü".to_owned()]),
            nonces: vec![("https://as.example:8443".to_owned(), Nonce::parse("n-1").unwrap())],
        }
    }

    fn same(a: &CachedToken, b: &CachedToken) -> bool {
        (&a.access_token, a.thumbprint, a.granted_at, a.expires_at, &a.scopes, &a.nonces)
            == (&b.access_token, b.thumbprint, b.granted_at, b.expires_at, &b.scopes, &b.nonces)
    }

    #[test]
    fn what_is_written_is_read_and_not_shown() {
        let token = cached();
        assert!(same(&CachedToken::from_json(&token.to_json()).unwrap(), &token));
        assert!(!format!("{token:?}").contains("secret"));
        let longest = CachedToken {
            access_token: Zeroizing::new("\\".repeat(MAX_ACCESS_TOKEN_BYTES)),
            nonces: vec![("https://as.example".to_owned(), Nonce::parse(&"n".repeat(1024)).unwrap()); 99],
            ..token
        };
        let text = longest.to_json();
        assert!(text.len() <= MAX_CACHED_BYTES && text.capacity() == MAX_CACHED_BYTES, "in one piece");
        assert_eq!(CachedToken::from_json(&text).unwrap().nonces.len(), MAX_CACHED_NONCES);
    }

    #[test]
    fn what_was_not_written_is_not_read() {
        let good = String::from_utf8(cached().to_json().to_vec()).unwrap();
        let changed = |from: &str, to: &str| {
            assert!(good.contains(from), "{from} is not there to be changed");
            good.replacen(from, to, 1)
        };
        let many = format!("[{}]", [r#"["https://a.example","n"]"#; MAX_CACHED_NONCES + 1].join(","));
        for (text, why) in [
            (String::new(), "empty"),
            (good[..good.len() / 2].to_owned(), "half of it"),
            (format!("[{good}]"), "an array"),
            (format!("{good}x"), "more behind it"),
            (changed(r#""version":1"#, r#""version":2"#), "another version"),
            (changed(r#""version":1,"#, ""), "no version"),
            (changed(r#""version":1"#, r#""version":1,"version":1"#), "two versions"),
            (changed(THUMBPRINT, "AAAA"), "no thumbprint"),
            (changed(r#""jkt""#, r#""kid""#), "no thumbprint at all"),
            (changed("secret-token", ""), "an empty token"),
            (changed("secret-token", "secret token"), "a token with a space"),
            (changed("secret-token", "secret\\r\\nx: y"), "a token that would add a header field"),
            (changed("secret-token", &"x".repeat(MAX_ACCESS_TOKEN_BYTES + 1)), "too long a token"),
            (changed("4600", "999"), "expired before it was granted"),
            (changed("4600", "-1"), "a date before 1970"),
            (changed("4600", "\"4600\""), "a date as a string"),
            (changed("n-1", "n 1"), "no nonce"),
            (changed("https://as.example:8443", "https://as.example/x"), "no origin"),
            (changed("https://as.example:8443", "as.example"), "no URL"),
            (changed(r#"[["https://as.example:8443","n-1"]]"#, &many), "too many nonces"),
            (changed(r#"[["https://as.example:8443","n-1"]]"#, r#"[["x"]]"#), "half a pair"),
            (changed("}", &format!("{}}}", " ".repeat(MAX_CACHED_BYTES))), "too long"),
        ] {
            let read = CachedToken::from_json(text.as_bytes());
            assert!(read.is_err(), "{why}");
            assert!(!format!("{}", read.unwrap_err()).contains("secret-token"), "{why}: a secret is shown");
        }
    }

    #[test]
    fn every_part_of_a_key_makes_another_name() {
        let endpoint = |path: &str| CacheServer::TokenEndpoint(format!("https://as.example/{path}"));
        let issuer = |path: &str| CacheServer::Issuer(format!("https://as.example/{path}"));
        let thumbprint: Thumbprint = THUMBPRINT.parse().unwrap();
        let other: Thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".parse().unwrap();
        let scopes = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let key = CacheKey::new(endpoint("token"), "client", &scopes(&["a", "b"]), thumbprint);
        let names = [
            key.name(),
            CacheKey::new(endpoint("other"), "client", &scopes(&["a", "b"]), thumbprint).name(),
            CacheKey::new(endpoint("token"), "clienta", &scopes(&["b"]), thumbprint).name(),
            CacheKey::new(endpoint("token"), "client", &scopes(&["a"]), thumbprint).name(),
            CacheKey::new(endpoint("token"), "client", &[], thumbprint).name(),
            CacheKey::new(endpoint("token"), "client", &scopes(&["a", "b"]), other).name(),
            CacheKey::new(issuer("token"), "client", &scopes(&["a", "b"]), thumbprint).name(),
            CacheKey::new(issuer("other"), "client", &scopes(&["a", "b"]), thumbprint).name(),
            CacheKey { resources: scopes(&["https://rs.example"]), ..key.clone() }.name(),
            CacheKey { resources: scopes(&["https://rs.example", "https://b.example"]), ..key.clone() }
                .name(),
            CacheKey { audience: Some("https://rs.example".to_owned()), ..key.clone() }.name(),
            CacheKey { audience: Some(String::new()), ..key.clone() }.name(),
            CacheKey { user: Some("https://rs.example".to_owned()), ..key.clone() }.name(),
            CacheKey { user: Some(String::new()), ..key.clone() }.name(),
        ];
        let different: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        let swapped = CacheKey::new(endpoint("token"), "client", &scopes(&["b", "a", "b"]), thumbprint);
        assert_eq!(swapped.name(), key.name(), "the order of scopes means nothing (RFC 6749 section 3.3)");
        assert!(names.iter().all(|name| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text: Vec<u8>) {
            let _ = CachedToken::from_json(&text);
        }
    }
}
