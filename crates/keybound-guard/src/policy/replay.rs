//! How used proofs are remembered (RFC 9449 section 11.1).

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::seconds;

/// How used proofs are remembered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayRules {
    /// Where.
    pub store: ReplayStoreKind,
    /// In memory: live proofs of all clients, at most.
    pub capacity: usize,
    /// Live proofs of one key, at most; without it the store's own share of the capacity.
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
    /// Redis over TLS: certificate authorities to trust in place of the system's: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// Redis: what keys begin with, so that several fleets can share a server.
    pub key_prefix: String,
    /// Redis: how long an answer may take, in milliseconds.
    #[serde(rename = "timeout_milliseconds", deserialize_with = "seconds::milliseconds")]
    pub timeout: Duration,
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

impl Default for ReplayRules {
    fn default() -> Self {
        Self {
            store: ReplayStoreKind::Memory,
            capacity: 1_000_000,
            quota_per_key: None,
            urls: Vec::new(),
            mode: RedisMode::Standalone,
            sentinel_master: None,
            username: None,
            password_file: None,
            ca_file: None,
            key_prefix: "keybound:".to_owned(),
            timeout: Duration::from_millis(200),
            when_down: WhenStoreIsDown::Refuse,
        }
    }
}
