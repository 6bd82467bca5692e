//! A local org, from its settings to its end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use keybound::access_token::AccessTokenPolicy;
use keybound::random::RandomUnavailable;
use keybound::{Nonces, TargetUri, TargetUriError};
use rustls::ServerConfig;
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::admin_token::{self, AdminTokenHash};
use crate::answer;
use crate::authorization_server::{AuthorizationServers, CodeAttempts, IssuedTokens, SigningKeys};
use crate::background::{self, Unfinished};
use crate::certificate_authority::{CertificateAuthority, CertificateError};
use crate::management::{Management, operations};
use crate::pages;
use crate::protected_resource::protected_resource;
use crate::seed;
use crate::server::Server;
use crate::settings::{Data, OrgSettings, Scheme};
use crate::store::{Store, StoreError};

/// A local org that is serving. It ends when it is stopped or dropped.
pub struct LocalOrg {
    url: String,
    certificate_file: Option<PathBuf>,
    admin_token: Zeroizing<String>,
    store: Store,
    server: Server,
    folder: Folder,
}

/// Why a local org cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is one that other machines can reach.
    #[error(
        "the org does not listen on {0}: other machines could reach it; listen on 127.0.0.1 or [::1], or use https \
         and allow it by name (listen_beyond_loopback)"
    )]
    NotLoopback(SocketAddr),
    /// Nobody can listen there, or somebody does.
    #[error("the org cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// No folder for data that ends with the org.
    #[error("no temporary folder can be made: {0}")]
    TemporaryFolder(io::Error),
    /// The data cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no certificate for https.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The org's own URL is none.
    #[error("the org's own URL cannot be used: {0}")]
    Url(#[from] TargetUriError),
    /// No randomness for a secret.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// The start was interrupted.
    #[error("the org did not start: {0}")]
    Unfinished(#[from] Unfinished),
}

impl LocalOrg {
    /// Starts an org; it serves when this returns.
    pub async fn start(settings: OrgSettings) -> Result<Self, StartError> {
        if !settings.may_listen() {
            return Err(StartError::NotLoopback(settings.listen));
        }
        let foundation = background::run(move || Foundation::lay(settings)).await??;
        foundation.serve()
    }

    /// The org's URL: the issuer of its tokens, and the base of all its paths.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate that clients are to trust (PEM), if the org serves https.
    pub fn ca_file(&self) -> Option<&Path> {
        self.certificate_file.as_deref()
    }

    /// What `Authorization: SSWS …` may do everything with; another one at each start. The server itself
    /// keeps only its hash.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The org's data, to register apps in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The folder of the org's data.
    pub fn data_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the org: takes no more requests, and gives those under way five seconds.
    pub async fn stop(self) {
        let Self { server, store, folder, .. } = self;
        server.stop().await;
        drop(store);
        drop(folder);
    }
}

/// Where the data is; a temporary folder is removed when this is dropped.
enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn of(data: &Data) -> Result<Self, StartError> {
        match data {
            Data::Directory(path) => {
                // Others are told where files are, whatever folder they work in.
                let absolute = std::path::absolute(path);
                let unusable = |source| StoreError::Folder { path: path.clone(), source };
                Ok(Self::Kept(absolute.map_err(unusable)?))
            }
            Data::Temporary => {
                let folder = tempfile::Builder::new().prefix("keybound-org-").tempdir();
                folder.map(Self::Temporary).map_err(StartError::TemporaryFolder)
            }
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// An org that has all it needs, and does not serve yet.
struct Foundation {
    url: TargetUri,
    address: SocketAddr,
    listener: TcpListener,
    tls: Option<(ServerConfig, PathBuf)>,
    routes: Router,
    admin_token: Zeroizing<String>,
    store: Store,
    folder: Folder,
}

impl Foundation {
    /// Takes what waits for the disk and what computes for long.
    fn lay(settings: OrgSettings) -> Result<Self, StartError> {
        let folder = Folder::of(&settings.data)?;
        let now = settings.clock.now();
        let store = Store::open(folder.path())?;
        store.furnish(seed::users(settings.seed_users, seed::FIRST_SEED), now, settings.random.as_ref())?;

        let address = settings.listen;
        let unable = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(unable)?;
        let url = TargetUri::parse(&settings.url(listener.local_addr().map_err(unable)?.port()))?;
        let tls = match settings.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let authority = CertificateAuthority::open(folder.path(), now)?;
                Some((authority.server_config(now)?, authority.certificate_file().to_owned()))
            }
        };
        let admin_token = admin_token::generate(settings.random.as_ref())?;
        let routes = routes(settings, &url, &admin_token, &store)?;
        Ok(Self { url, address, listener, tls, routes, admin_token, store, folder })
    }

    fn serve(self) -> Result<LocalOrg, StartError> {
        let Self { url, address, listener, tls, routes, admin_token, store, folder } = self;
        let (config, certificate_file) = tls.unzip();
        let unable = |source| StartError::Listen { address, source };
        let server = Server::start(listener, config, routes).map_err(unable)?;
        let url = url.origin().to_owned();
        tracing::info!(url, "the org serves");
        Ok(LocalOrg { url, certificate_file, admin_token, store, server, folder })
    }
}

/// All that the org answers to.
fn routes(
    settings: OrgSettings,
    url: &TargetUri,
    admin_token: &str,
    store: &Store,
) -> Result<Router, StartError> {
    let OrgSettings { clock, random, requests_per_minute, rate_limits, .. } = settings;
    if let Some(key) = &settings.signing_key {
        store.install_signing_key(key, clock.now())?;
    }
    let keys = Arc::new(SigningKeys::new(store.clone(), settings.signing_keys_renewed_every));
    let authorization_servers = Arc::new(AuthorizationServers {
        url: url.clone(),
        store: store.clone(),
        nonces: Nonces::new(settings.nonces, store.nonce_secret(random.as_ref())?),
        keys: Arc::clone(&keys),
        refresh_token_grace: settings.refresh_token_grace,
        code_attempts: CodeAttempts::default(),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
    });
    let management = Management {
        url: url.clone(),
        resource: protected_resource(store),
        tokens: IssuedTokens {
            policy: AccessTokenPolicy::new(url.origin().to_owned(), url.origin().to_owned()),
            keys,
            store: store.clone(),
        },
        admin_token: AdminTokenHash::of(admin_token),
        store: store.clone(),
        clock,
        random: Arc::clone(&random),
    };
    Ok(authorization_servers
        .routes()
        .merge(pages::assets())
        .merge(management.routes(requests_per_minute, &rate_limits))
        .fallback(operations::not_served)
        .method_not_allowed_fallback(operations::not_served_so)
        .layer(middleware::from_fn_with_state(random, answer::finish)))
}
