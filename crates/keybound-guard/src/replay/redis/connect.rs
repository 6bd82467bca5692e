//! How Redis is reached: a standalone server, the master that sentinels name, or a cluster.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisResult, TlsCertificates, TlsMode,
};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::RedisError;
use crate::policy::{PolicyError, RedisMode, ReplayRules};

/// How long connecting may take, TLS and login included. Requests don't wait for it longer than for any
/// answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long connecting to one node of a cluster may take: a node that hangs must not keep the others away.
const NODE_CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// What waits for its turn on a connection, at most, a command or a batch of them; more wait before it.
const WAITING_FOR_THEIR_TURN: usize = 1024;

/// How often a cluster's node is asked again that sends elsewhere (`MOVED`, `ASK`): once for the node that
/// is named, and again for one that moved meanwhile. All within the time of one record.
const REDIRECTIONS: u32 = 3;

/// Milliseconds before a command is sent again that a cluster asked to send again.
const REDIRECTION_DELAY: u64 = 10;

/// Bytes of a password file, at most.
const MAX_PASSWORD_BYTES: u64 = 4096;

/// A connection to Redis.
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Where Redis is, and how to log in. The files are read anew for each connection, so that a password or a
/// certificate authority can be changed while the guard runs.
#[derive(Clone)]
pub(super) struct Server {
    rules: Arc<ReplayRules>,
}

impl Server {
    /// The server of these rules; reads their files once, to tell what is wrong with them.
    pub(super) fn by_rules(rules: &ReplayRules) -> Result<Self, PolicyError> {
        Client::by_rules(rules)?;
        Ok(Self { rules: Arc::new(rules.clone()) })
    }

    pub(super) async fn connect(&self) -> Result<Connection, RedisError> {
        let client = Client::by_rules(&self.rules)
            .map_err(|error| RedisError::UnusableSettings { reason: error.to_string() })?;
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, client.connect());
        Ok(connected.await.map_err(|_| RedisError::TimedOut)??)
    }
}

/// A client of the library, for one connection.
enum Client {
    Standalone(Box<redis::Client>),
    Sentinel(Box<SentinelClient>),
    Cluster(Box<ClusterClient>),
}

impl Client {
    fn by_rules(rules: &ReplayRules) -> Result<Self, PolicyError> {
        let settings = Settings::read(rules)?;
        let built = match rules.mode {
            RedisMode::Standalone => settings.standalone().map(Box::new).map(Self::Standalone),
            RedisMode::Sentinel => settings.sentinel(rules).map(Box::new).map(Self::Sentinel),
            RedisMode::Cluster => settings.cluster(rules).map(Box::new).map(Self::Cluster),
        };
        built.map_err(|error| PolicyError::field("replay", error.to_string()))
    }

    async fn connect(self) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            // The whole record has a time-out of its own.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(WAITING_FOR_THEIR_TURN);
        match self {
            Self::Standalone(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::One)
            }
            Self::Sentinel(mut client) => {
                client.get_async_connection_with_config(&config).await.map(Connection::One)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }
}

/// What the rules say, read and parsed.
struct Settings {
    addresses: Vec<ConnectionAddr>,
    database: i64,
    login: Login,
    sentinel_login: Login,
    /// With TLS: the certificate authorities, if not the system's.
    tls: Option<TlsCertificates>,
}

/// A user and password. It is wiped; the copies that the library makes of it while it connects, and keeps for
/// a cluster, are not.
struct Login {
    username: Option<String>,
    password: Option<Zeroizing<String>>,
}

impl Settings {
    fn read(rules: &ReplayRules) -> Result<Self, PolicyError> {
        let urls: Vec<Url> = rules.parsed_urls()?;
        let is_tls = urls.iter().any(|url| url.scheme() == "rediss");
        let tls = if is_tls { Some(certificates(rules.ca_file.as_deref())?) } else { None };
        let default_port = if rules.mode == RedisMode::Sentinel { 26_379 } else { 6_379 };
        let addresses = urls.iter().map(|url| address(url, default_port)).collect();
        let database = urls.first().and_then(|url| url.path().trim_start_matches('/').parse().ok());
        Ok(Self {
            addresses,
            database: database.unwrap_or(0),
            login: Login::read(
                "replay.password_file",
                rules.username.as_deref(),
                rules.password_file.as_deref(),
            )?,
            sentinel_login: Login::read(
                "replay.sentinel_password_file",
                rules.sentinel_username.as_deref(),
                rules.sentinel_password_file.as_deref(),
            )?,
            tls,
        })
    }

    fn infos(&self) -> RedisResult<Vec<ConnectionInfo>> {
        let mut redis = RedisConnectionInfo::default().set_db(self.database).set_skip_set_lib_name();
        if let Some(username) = &self.login.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &self.login.password {
            redis = redis.set_password(password.as_str());
        }
        let info = |address: &ConnectionAddr| {
            Ok(address.clone().into_connection_info()?.set_redis_settings(redis.clone()))
        };
        self.addresses.iter().map(info).collect()
    }

    fn standalone(&self) -> RedisResult<redis::Client> {
        let info = self.infos()?.into_iter().next().ok_or(nowhere())?;
        match &self.tls {
            Some(certificates) => redis::Client::build_with_tls(info, certificates.clone()),
            None => redis::Client::open(info),
        }
    }

    fn sentinel(&self, rules: &ReplayRules) -> RedisResult<SentinelClient> {
        let master = rules.sentinel_master.as_deref().unwrap_or_default();
        let mut builder =
            SentinelClientBuilder::new(self.addresses.clone(), master, SentinelServerType::Master)?;
        if let Some(username) = &self.login.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &self.login.password {
            builder = builder.set_client_to_redis_password(password.as_str());
        }
        if let Some(username) = &self.sentinel_login.username {
            builder = builder.set_client_to_sentinel_username(username);
        }
        if let Some(password) = &self.sentinel_login.password {
            builder = builder.set_client_to_sentinel_password(password.as_str());
        }
        if let Some(certificates) = &self.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        builder.build()
    }

    fn cluster(&self, rules: &ReplayRules) -> RedisResult<ClusterClient> {
        let mut builder = ClusterClientBuilder::new(self.infos()?)
            .connection_timeout(NODE_CONNECT_TIMEOUT)
            .response_timeout(rules.timeout)
            .overall_response_timeout(Some(rules.timeout))
            .retries(REDIRECTIONS)
            .min_retry_wait(REDIRECTION_DELAY)
            .max_retry_wait(REDIRECTION_DELAY);
        if let Some(certificates) = &self.tls {
            builder = builder.tls(TlsMode::Secure).certs(certificates.clone());
        }
        builder.build()
    }
}

fn nowhere() -> redis::RedisError {
    redis::RedisError::from((redis::ErrorKind::InvalidClientConfig, "no URL"))
}

impl Login {
    fn read(field: &str, username: Option<&str>, file: Option<&Path>) -> Result<Self, PolicyError> {
        let password = file.map(|file| password(field, file)).transpose()?;
        Ok(Self { username: username.map(str::to_owned), password })
    }
}

fn password(field: &str, file: &Path) -> Result<Zeroizing<String>, PolicyError> {
    let wrong = |reason: String| PolicyError::field(field, format!("{}: {reason}", file.display()));
    let length = fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len();
    if length > MAX_PASSWORD_BYTES {
        return Err(wrong(format!("{MAX_PASSWORD_BYTES} bytes at most")));
    }
    let text = Zeroizing::new(fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?);
    let password = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if password.is_empty() { Err(wrong("it is empty".to_owned())) } else { Ok(password) }
}

fn certificates(file: Option<&Path>) -> Result<TlsCertificates, PolicyError> {
    // The library below takes the process's provider of cryptography, and panics where there is none and
    // more than one is built in.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    let wrong = |file: &Path, reason: String| {
        PolicyError::field("replay.ca_file", format!("{}: {reason}", file.display()))
    };
    let read = |file: &Path| fs::read(file).map_err(|error| wrong(file, error.to_string()));
    Ok(TlsCertificates { client_tls: None, root_cert: file.map(read).transpose()? })
}

fn address(url: &Url, default_port: u16) -> ConnectionAddr {
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    };
    let port = url.port().unwrap_or(default_port);
    if url.scheme() == "rediss" {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}
