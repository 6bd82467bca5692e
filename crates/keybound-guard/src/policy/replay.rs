//! How used proofs are remembered (RFC 9449 section 11.1).

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::{PolicyError, seconds};

/// How used proofs are remembered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayRules {
    /// Where.
    pub store: ReplayStoreKind,
    /// In memory: live proofs of all clients, at most. One takes 22 bytes, so that the default is bounded by
    /// 89 MB; a guard with less than a 32nd of them, 125,000, takes some 6 MB.
    pub capacity: usize,
    /// Live proofs of one key, at most; without it a quarter of the capacity.
    pub quota_per_key: Option<usize>,
    /// Redis: `redis://` or `rediss://` URLs without password: one standalone server, the sentinels, or some
    /// nodes of the cluster.
    pub urls: Vec<String>,
    /// Redis: what the URLs are of.
    pub mode: RedisMode,
    /// Redis behind sentinels: the name of the master.
    pub sentinel_master: Option<String>,
    /// Redis: the ACL user.
    pub username: Option<String>,
    /// Redis: a file with the password.
    pub password_file: Option<PathBuf>,
    /// Redis behind sentinels: the ACL user of the sentinels themselves, which have users of their own.
    pub sentinel_username: Option<String>,
    /// Redis behind sentinels: a file with the password of the sentinels themselves.
    pub sentinel_password_file: Option<PathBuf>,
    /// Redis over TLS: certificate authorities to trust in place of the system's: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// Redis: what keys begin with, so that several fleets can share a server.
    pub key_prefix: String,
    /// Redis: how long an answer may take, in milliseconds.
    #[serde(rename = "timeout_milliseconds", deserialize_with = "seconds::milliseconds")]
    pub timeout: Duration,
    /// Redis: how many replicas must have a record before its proof is admitted. Without it none where there
    /// is one server, and one where another server may take over: replication is asynchronous, and a record
    /// that only a lost master had would let its proof in twice. Set it to the number of replicas that each
    /// master has; 0 trades that for speed, and for service while replicas are down (`docs/replay.md`).
    pub acknowledged_by_replicas: Option<usize>,
    /// What becomes of requests while the store can't be asked.
    pub when_down: WhenStoreIsDown,
}

/// Where used proofs are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayStoreKind {
    /// In the memory of this process: for one guard alone. Two guards admit a proof twice.
    #[default]
    Memory,
    /// In Redis or Valkey: for a fleet.
    Redis,
}

/// How Redis is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisMode {
    /// One server.
    #[default]
    Standalone,
    /// A master that sentinels elect.
    Sentinel,
    /// Redis Cluster.
    Cluster,
}

/// What becomes of requests while the store can't be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenStoreIsDown {
    /// They are refused with 503.
    #[default]
    Refuse,
    /// They are held to the memory of this guard alone: each guard of the fleet may admit a proof once.
    AdmitOncePerGuard,
}

/// What one key may have of the capacity unless the policy says otherwise: a quarter. With the default
/// capacity and window that is fifteen thousand requests a second, as many as a core can verify.
const SHARE_OF_A_KEY: usize = 4;

impl ReplayRules {
    /// Live proofs of one key, at most.
    pub fn quota_of_a_key(&self) -> usize {
        self.quota_per_key.unwrap_or(self.capacity.div_ceil(SHARE_OF_A_KEY))
    }
}

impl Default for ReplayRules {
    fn default() -> Self {
        Self {
            store: ReplayStoreKind::Memory,
            capacity: 4_000_000,
            quota_per_key: None,
            urls: Vec::new(),
            mode: RedisMode::Standalone,
            sentinel_master: None,
            username: None,
            password_file: None,
            sentinel_username: None,
            sentinel_password_file: None,
            ca_file: None,
            key_prefix: "keybound:".to_owned(),
            timeout: Duration::from_millis(200),
            acknowledged_by_replicas: None,
            when_down: WhenStoreIsDown::Refuse,
        }
    }
}

/// Replicas that must have a record, unless the policy says otherwise.
const REPLICAS_WHERE_ANOTHER_MAY_TAKE_OVER: usize = 1;

/// Longest prefix: it is part of every record, and Redis keeps each in memory.
const MAX_KEY_PREFIX_BYTES: usize = 64;

/// The longest that a request may wait for Redis.
const MAX_TIMEOUT: Duration = Duration::from_secs(10);

impl ReplayRules {
    /// How many replicas must have a record before its proof is admitted.
    pub fn replicas_that_acknowledge(&self) -> usize {
        self.acknowledged_by_replicas.unwrap_or(match self.mode {
            RedisMode::Standalone => 0,
            RedisMode::Sentinel | RedisMode::Cluster => REPLICAS_WHERE_ANOTHER_MAY_TAKE_OVER,
        })
    }

    /// Whether the fields make sense together.
    pub(super) fn check(&self) -> Result<(), PolicyError> {
        self.check_room()?;
        if self.store == ReplayStoreKind::Memory {
            return self.check_nothing_of_redis();
        }
        if self.urls.is_empty() {
            return Err(field("urls", "say where Redis is: urls = [\"rediss://redis.example.com\"]"));
        }
        self.parsed_urls()?;
        if (self.mode == RedisMode::Sentinel) != self.sentinel_master.is_some() {
            return Err(field("sentinel_master", "it goes with mode = \"sentinel\", and that with it"));
        }
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            let reason = format!("between 1 and {} milliseconds", MAX_TIMEOUT.as_millis());
            return Err(field("timeout_milliseconds", reason));
        }
        self.check_login()?;
        self.check_prefix()
    }

    fn check_room(&self) -> Result<(), PolicyError> {
        if self.capacity == 0 {
            return Err(field(
                "capacity",
                "one at least, and far more for real use: no proof would have room",
            ));
        }
        if self.quota_per_key == Some(0) {
            return Err(field("quota_per_key", "one at least: no key could use a proof"));
        }
        Ok(())
    }

    /// Whoever sets a field of Redis means a fleet, whose guards with a memory each would admit a proof once
    /// each.
    fn check_nothing_of_redis(&self) -> Result<(), PolicyError> {
        let unset = Self::default();
        let of_redis = [
            ("urls", self.urls != unset.urls),
            ("mode", self.mode != unset.mode),
            ("sentinel_master", self.sentinel_master != unset.sentinel_master),
            ("username", self.username != unset.username),
            ("password_file", self.password_file != unset.password_file),
            ("sentinel_username", self.sentinel_username != unset.sentinel_username),
            ("sentinel_password_file", self.sentinel_password_file != unset.sentinel_password_file),
            ("ca_file", self.ca_file != unset.ca_file),
            ("key_prefix", self.key_prefix != unset.key_prefix),
            ("timeout_milliseconds", self.timeout != unset.timeout),
            ("acknowledged_by_replicas", self.acknowledged_by_replicas != unset.acknowledged_by_replicas),
            ("when_down", self.when_down != unset.when_down),
        ];
        match of_redis.iter().find(|(_, is_set)| *is_set) {
            Some((name, _)) => Err(field(
                name,
                "it is for Redis, and the store is \"memory\": write store = \"redis\" too, or leave it out",
            )),
            None => Ok(()),
        }
    }

    fn check_login(&self) -> Result<(), PolicyError> {
        if self.username.is_some() && self.password_file.is_none() {
            return Err(field("password_file", "a user needs a password"));
        }
        if self.sentinel_username.is_some() && self.sentinel_password_file.is_none() {
            return Err(field("sentinel_password_file", "a user needs a password"));
        }
        let is_sentinel = self.mode == RedisMode::Sentinel;
        if !is_sentinel && self.sentinel_password_file.is_some() {
            return Err(field("sentinel_password_file", "it is for mode = \"sentinel\""));
        }
        Ok(())
    }

    fn check_prefix(&self) -> Result<(), PolicyError> {
        if self.key_prefix.len() > MAX_KEY_PREFIX_BYTES {
            return Err(field("key_prefix", format!("{MAX_KEY_PREFIX_BYTES} bytes at most")));
        }
        // Redis Cluster would put all keys with one text in braces on one node.
        if self.key_prefix.contains(['{', '}']) {
            return Err(field("key_prefix", "without braces, so that a cluster spreads the proofs"));
        }
        Ok(())
    }

    /// The URLs, each of a server without login.
    pub(crate) fn parsed_urls(&self) -> Result<Vec<Url>, PolicyError> {
        let urls = self.urls.iter().map(|url| self.parsed_url(url)).collect::<Result<Vec<_>, _>>()?;
        let scheme = urls.first().map(Url::scheme);
        if urls.iter().any(|url| Some(url.scheme()) != scheme) {
            return Err(field("urls", "all with TLS (rediss) or none"));
        }
        if self.mode == RedisMode::Standalone && urls.len() > 1 {
            return Err(field(
                "urls",
                "one server has one URL; for several say mode = \"sentinel\" or \"cluster\"",
            ));
        }
        if urls.iter().all(|url| url.scheme() == "redis") && self.ca_file.is_some() {
            return Err(field("ca_file", "it is for TLS: rediss://"));
        }
        Ok(urls)
    }

    /// The error does not repeat the URL, which may hold a password.
    fn parsed_url(&self, url: &str) -> Result<Url, PolicyError> {
        let form = "each is redis://host, redis://host:port, or rediss:// for TLS";
        let url = Url::parse(url).map_err(|_| field("urls", form))?;
        if !matches!(url.scheme(), "redis" | "rediss") || !url.has_host() {
            return Err(field("urls", form));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let reason = "without user and password: say `username` and `password_file`, which no log shows";
            return Err(field("urls", reason));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(field("urls", form));
        }
        let database = url.path().trim_start_matches('/');
        let is_number = self.mode == RedisMode::Standalone && database.parse::<u16>().is_ok();
        if !database.is_empty() && !is_number {
            return Err(field("urls", "no path, but the number of a database of a standalone server"));
        }
        Ok(url)
    }

    /// Whether records made by `other` rules are found by these; if not, the field that is in the way.
    pub(crate) fn same_records(&self, other: &Self) -> Result<(), &'static str> {
        let differences = [
            ("store", self.store != other.store),
            ("mode", self.mode != other.mode),
            ("urls", self.urls != other.urls),
            ("sentinel_master", self.sentinel_master != other.sentinel_master),
            ("key_prefix", self.key_prefix != other.key_prefix),
        ];
        differences.iter().find(|(_, differs)| *differs).map_or(Ok(()), |(name, _)| Err(name))
    }
}

fn field(name: &str, reason: impl Into<String>) -> PolicyError {
    PolicyError::field(format!("replay.{name}"), reason)
}
