//! A local org, from its settings to its end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use keybound::access_token::AccessTokenPolicy;
use keybound::random::RandomUnavailable;
use keybound::{Clock, TargetUri, TargetUriError};
use rustls::ServerConfig;
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::admin_token::{self, AdminTokenHash};
use crate::answer;
use crate::authorization_server::{
    AuthorizationServers, CodeAttempts, IssuedTokens, OrgNonces, RevokedAtOnce, SigningKeys,
};
use crate::background::{self, Unfinished};
use crate::certificate_authority::{CertificateAuthority, CertificateError};
use crate::console::Console;
use crate::cors::{self, Cors};
use crate::faults::{self, FaultList, Faults, Levers, OrgClock};
use crate::management::{Management, operations};
use crate::pages;
use crate::protected_resource::protected_resource;
use crate::seed;
use crate::server::Server;
use crate::settings::{Data, OrgSettings, Scheme};
use crate::store::{Store, StoreError};
use crate::trace::{self, Traces};

/// A local org that is serving. It ends when it is stopped or dropped.
pub struct LocalOrg {
    url: String,
    certificate_file: Option<PathBuf>,
    admin_token: Zeroizing<String>,
    store: Store,
    traces: Arc<Traces>,
    console: Arc<Console>,
    faults: Faults,
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

    /// The URL of the admin console, with a code that signs whoever opens it in: once, and within 15 minutes. Each call
    /// makes a new one; of those that nobody has opened the last 16 are good.
    pub fn console_url(&self) -> Result<Zeroizing<String>, RandomUnavailable> {
        self.console.sign_in_url()
    }

    /// The org's data, to register apps in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The folder of the org's data.
    pub fn data_folder(&self) -> &Path {
        self.folder.path()
    }

    /// The requests that it answered, explained.
    pub fn traces(&self) -> &Arc<Traces> {
        &self.traces
    }

    /// What goes wrong in the org on purpose.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Ends the org: takes no more requests, and gives those under way five seconds.
    pub async fn stop(self) {
        let Self { server, store, folder, traces, .. } = self;
        traces.close();
        server.stop().await;
        drop(traces);
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

/// Who makes what the settings ask for, as Okta names itself.
const SYSTEM: &str = "system";

/// An org that has all it needs, and does not serve yet.
struct Foundation {
    url: TargetUri,
    address: SocketAddr,
    listener: TcpListener,
    tls: Option<(ServerConfig, PathBuf)>,
    routes: Router,
    traces: Arc<Traces>,
    admin_token: Zeroizing<String>,
    store: Store,
    console: Arc<Console>,
    faults: Faults,
    folder: Folder,
}

impl Foundation {
    /// Takes what waits for the disk and what computes for long.
    fn lay(settings: OrgSettings) -> Result<Self, StartError> {
        // First, so that an org that cannot listen leaves no data behind.
        let address = settings.listen;
        let unable = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(unable)?;
        let url = TargetUri::parse(&settings.url(listener.local_addr().map_err(unable)?.port()))?;

        let folder = Folder::of(&settings.data)?;
        let now = settings.clock.now();
        let store = Store::open(folder.path())?;
        store.furnish(seed::users(settings.seed_users, seed::FIRST_SEED), now, settings.random.as_ref())?;
        let tls = match settings.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let authority = CertificateAuthority::open(folder.path(), now)?;
                Some((authority.server_config(now)?, authority.certificate_file().to_owned()))
            }
        };
        for origin in &settings.trusted_origins {
            store.trust(origin, SYSTEM, now, settings.random.as_ref())?;
        }
        let admin_token = admin_token::generate(settings.random.as_ref())?;
        let certificate_file = tls.as_ref().map(|(_, file)| file.clone());
        let Served { routes, console, traces, faults } =
            served(settings, &url, &admin_token, &store, certificate_file)?;
        Ok(Self { url, address, listener, tls, routes, traces, admin_token, store, console, faults, folder })
    }

    fn serve(self) -> Result<LocalOrg, StartError> {
        let Self { url, address, listener, tls, routes, traces, admin_token, store, console, faults, folder } =
            self;
        let (config, certificate_file) = tls.unzip();
        let unable = |source| StartError::Listen { address, source };
        let server = Server::start(listener, config, routes).map_err(unable)?;
        let url = url.origin().to_owned();
        tracing::info!(url, "the org serves");
        Ok(LocalOrg { url, certificate_file, admin_token, store, traces, console, faults, server, folder })
    }
}

/// All that the org answers to, and of it what is asked for by other ways too.
struct Served {
    routes: Router,
    console: Arc<Console>,
    traces: Arc<Traces>,
    faults: Faults,
}

fn served(
    mut settings: OrgSettings,
    url: &TargetUri,
    admin_token: &str,
    store: &Store,
    certificate_file: Option<PathBuf>,
) -> Result<Served, StartError> {
    if let Some(key) = &settings.signing_key {
        store.install_signing_key(key, settings.clock.now())?;
    }
    let fault_list = Arc::new(FaultList::new(Arc::clone(&settings.clock), Arc::clone(&settings.random)));
    let right_clock = Arc::clone(&settings.clock);
    settings.clock = Arc::new(OrgClock::new(settings.clock, Arc::clone(&fault_list)));
    let OrgSettings { random, traces_remembered, .. } = &settings;
    let admin_token = Arc::new(AdminTokenHash::of(admin_token));
    let servers = Arc::new(authorization_servers(&settings, url, store)?);
    let management = Arc::new(management(&servers, Arc::clone(&admin_token)));
    let cors = Arc::new(Cors {
        own: url.origin().to_owned(),
        admin_token: Arc::clone(&admin_token),
        store: store.clone(),
        random: Arc::clone(random),
    });
    let faults = Faults::new(fault_list, levers(&servers, Arc::clone(&right_clock)));

    let finish = middleware::from_fn_with_state(Arc::clone(random), answer::finish);
    let protocol = protocol(&servers, &management, &settings);
    let sent_again = protocol.clone().layer(finish.clone());
    let traces = Arc::new(Traces::new(servers, sent_again, *traces_remembered));
    let console =
        Console::new(management, Arc::clone(&traces), faults.clone(), certificate_file, right_clock);
    let console = Arc::new(console);
    let mut routes = protocol
        .merge(pages::assets())
        .merge(Arc::clone(&console).routes())
        .merge(trace::routes(Arc::clone(&traces), Arc::clone(&admin_token)))
        .merge(faults::routes(faults.clone(), admin_token))
        .layer(finish)
        .layer(middleware::from_fn_with_state(faults.clone(), faults::strike))
        // A page is to see what goes wrong on purpose too.
        .layer(middleware::from_fn_with_state(cors, cors::share));
    if traces.are_recorded() {
        // Outermost: what is recorded is what the client sees, unless a fault cuts the connection below HTTP; the
        // answer names that fault.
        routes = routes.layer(middleware::from_fn_with_state(Arc::clone(&traces), trace::record));
    }
    Ok(Served { routes, console, traces, faults })
}

/// What an org of Okta's has too. Of that, what is not served here says so.
fn protocol(
    servers: &Arc<AuthorizationServers>,
    management: &Arc<Management>,
    settings: &OrgSettings,
) -> Router {
    Arc::clone(servers)
        .routes()
        .merge(Arc::clone(management).routes(settings.requests_per_minute, &settings.rate_limits))
        .fallback(operations::not_served)
        .method_not_allowed_fallback(operations::not_served_so)
}

fn authorization_servers(
    settings: &OrgSettings,
    url: &TargetUri,
    store: &Store,
) -> Result<AuthorizationServers, StartError> {
    let OrgSettings { clock, random, .. } = settings;
    Ok(AuthorizationServers {
        url: url.clone(),
        store: store.clone(),
        nonces: Arc::new(OrgNonces::new(settings.nonces, store.nonce_secret(random.as_ref())?)),
        revoked: Arc::new(RevokedAtOnce::default()),
        keys: Arc::new(SigningKeys::new(store.clone(), settings.signing_keys_renewed_every)),
        refresh_token_grace: settings.refresh_token_grace,
        code_attempts: CodeAttempts::default(),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
    })
}

/// The management API, which takes the tokens of the org's own authorization server.
fn management(servers: &AuthorizationServers, admin_token: Arc<AdminTokenHash>) -> Management {
    let AuthorizationServers { url, store, keys, revoked, clock, random, .. } = servers;
    Management {
        url: url.clone(),
        resource: protected_resource(store),
        tokens: IssuedTokens {
            policy: AccessTokenPolicy::new(url.origin().to_owned(), url.origin().to_owned()),
            keys: Arc::clone(keys),
            revoked: Arc::clone(revoked),
            store: store.clone(),
        },
        admin_token,
        store: store.clone(),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
    }
}

/// By what faults act on the authorization servers.
fn levers(servers: &AuthorizationServers, right_clock: Arc<dyn Clock>) -> Levers {
    let AuthorizationServers { store, nonces, revoked, clock, random, .. } = servers;
    Levers {
        nonces: Arc::clone(nonces),
        revoked: Arc::clone(revoked),
        store: store.clone(),
        clock: Arc::clone(clock),
        right_clock,
        random: Arc::clone(random),
    }
}
