//! A guard as a process of its own: listeners, TLS, limits, new policies and certificates, and a clean end.
//!
//! ```no_run
//! use keybound_guard::policy::Policy;
//! use keybound_guard::reverse_proxy::{ReverseProxy, UpstreamSettings};
//! use keybound_guard::server::{Face, Server, ServerSettings};
//! use keybound_guard::Guard;
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let guard = Guard::new(Policy::from_file("guard.toml".as_ref())?)?;
//! let upstream = UpstreamSettings::new("http://127.0.0.1:3000".parse()?);
//! let proxy = ReverseProxy::new(guard.clone(), upstream)?;
//! let server = Server::start(guard, Face::ReverseProxy(proxy), ServerSettings::default()).await?;
//! println!("{}", server.address());
//! server.drain().await;
//! # Ok(())
//! # }
//! ```

mod activity;
mod admin;
mod body;
mod connection;
mod drain;
mod face;
mod limits;
mod listen;
mod places;
mod recorder;
mod reload;
mod tls;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{self, JoinHandle};

use connection::Endpoint;
use drain::{Drain, Lifeline};
use listen::{Accepted, Listener};
use places::{NoPlace, Place, Places};
use reload::Reloader;
use tls::Tls;

use crate::guard::Guard;
use crate::metrics;

pub use body::AnswerBody;
pub(crate) use body::BodyError;
pub(crate) use connection::Connection;
pub use face::Face;
pub use limits::ServerLimits;
pub use listen::{ListenAddress, NotAListenAddress};
pub(crate) use tls::certificates;
pub use tls::{TlsFiles, TlsFilesError};

/// How a server serves. The default: a free port on loopback, in the clear, no admin address.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where clients come.
    pub listen: ListenAddress,
    /// The certificate to serve TLS with; in the clear without one.
    pub tls: Option<TlsFiles>,
    /// Where operators come, for `/healthz`, `/readyz` and `/metrics`, in the clear; nowhere without.
    pub admin_listen: Option<ListenAddress>,
    /// The file that the guard's policy was read from, to be read anew when it changes.
    pub policy_file: Option<PathBuf>,
    /// How often files are looked at for changes; only when told to ([`Server::reload`]) without.
    pub reload_every: Option<Duration>,
    /// How long the server says that it is not ready and still takes connections, before it drains: so long
    /// load balancers need to notice.
    pub unready_for: Duration,
    /// How long what is under way may go on when the server ends.
    pub drain_timeout: Duration,
    /// The bounds.
    pub limits: ServerLimits,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            tls: None,
            admin_listen: None,
            policy_file: None,
            reload_every: Some(RELOAD_EVERY),
            unready_for: Duration::ZERO,
            drain_timeout: DRAIN_TIMEOUT,
            limits: ServerLimits::default(),
        }
    }
}

/// Long enough for almost every request, and what service managers wait for before they kill.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Soon enough for whoever edits a policy, at the cost of reading a few small files.
pub const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// After a connection could not be taken (no file handles left): an instant for others to end.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// How often recorded samples are put into their buckets; those of a busy server take a megabyte meanwhile.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// How long operators' requests may take to end; each is done in milliseconds.
const ADMIN_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address can't be listened at.
    #[error("{address} can't be listened at: {source}")]
    Listen {
        /// The address.
        address: ListenAddress,
        /// What the operating system says.
        source: io::Error,
    },
    /// The certificate can't be used.
    #[error(transparent)]
    Tls(#[from] TlsFilesError),
    /// A limit that nothing could be served within.
    #[error("the limit `{limit}` can't be {found}: {reason}")]
    Limit {
        /// Its name.
        limit: &'static str,
        /// What it is.
        found: u64,
        /// What it must be, and why.
        reason: &'static str,
    },
}

/// A server that runs until it is drained or dropped.
#[derive(Debug)]
pub struct Server {
    address: ListenAddress,
    admin_address: Option<ListenAddress>,
    drain: Drain,
    admin_drain: Drain,
    unready_for: Duration,
    drain_timeout: Duration,
    reloader: Arc<Reloader>,
    watching: Option<JoinHandle<()>>,
    _upkeep: Upkeep,
}

/// Ends with its server.
#[derive(Debug)]
struct Upkeep(JoinHandle<()>);

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Server {
    /// Serves `face`. `guard` is the one that new policies are for.
    pub async fn start(guard: Guard, face: Face, settings: ServerSettings) -> Result<Self, ServerError> {
        settings.limits.check()?;
        recorder::install();
        let upkeep = Upkeep(tokio::spawn(keep_up()));
        let tls = settings.tls.map(Tls::from_files).transpose()?.map(Arc::new);
        let listener = bind(&settings.listen).await?;
        let (drain, admin_drain) = (Drain::new(), Drain::new());
        let mut admin_address = None;
        if let Some(listen) = &settings.admin_listen {
            let listener = bind(listen).await?;
            admin_address = Some(address(&listener, listen)?);
            let face = Face::Router(admin::router(drain.observer()));
            let endpoint = Endpoint::new(face, None, settings.limits);
            tokio::spawn(accept(listener, Arc::new(endpoint), guard.clone(), admin_drain.lifeline()));
        }
        let address = address(&listener, &settings.listen)?;
        let answers_pages = matches!(face, Face::ReverseProxy(_));
        let endpoint = Arc::new(Endpoint::new(face, tls.clone(), settings.limits));
        tokio::spawn(accept(listener, endpoint, guard.clone(), drain.lifeline()));
        let reloader = Arc::new(Reloader::new(guard, answers_pages, settings.policy_file, tls));
        let watching = settings.reload_every.map(|every| tokio::spawn(watch(Arc::clone(&reloader), every)));
        let (unready_for, drain_timeout) = (settings.unready_for, settings.drain_timeout);
        Ok(Self {
            address,
            admin_address,
            drain,
            admin_drain,
            unready_for,
            drain_timeout,
            reloader,
            watching,
            _upkeep: upkeep,
        })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Where operators come.
    pub fn admin_address(&self) -> Option<&ListenAddress> {
        self.admin_address.as_ref()
    }

    /// Reads policy and certificate anew, changed or not. What can't be used is logged and changes nothing.
    pub async fn reload(&self) {
        let reloader = Arc::clone(&self.reloader);
        // A task that was cut off by the runtime's end has nothing left to do.
        let _ = task::spawn_blocking(move || reloader.all()).await;
    }

    /// Says that it is not ready for as long as the settings say, then takes no more connections, lets what is
    /// under way end within the drain timeout, and then ends it. Whether all had ended by itself.
    pub async fn drain(mut self) -> bool {
        if let Some(watching) = self.watching.take() {
            watching.abort();
        }
        tracing::info!(unready_for = ?self.unready_for, drain_timeout = ?self.drain_timeout, "told to end");
        self.drain.announce();
        tokio::time::sleep(self.unready_for).await;
        let gently = self.drain.end(self.drain_timeout).await;
        if !gently {
            tracing::warn!("requests that were under way were cut short: the drain timeout was over");
        }
        self.admin_drain.end(ADMIN_DRAIN_TIMEOUT).await;
        gently
    }
}

async fn bind(address: &ListenAddress) -> Result<Listener, ServerError> {
    let unable = |source| ServerError::Listen { address: address.clone(), source };
    Listener::bind(address).await.map_err(unable)
}

fn address(listener: &Listener, asked: &ListenAddress) -> Result<ListenAddress, ServerError> {
    listener.address().map_err(|source| ServerError::Listen { address: asked.clone(), source })
}

/// Takes connections until the server drains. `guard` tells whose are not counted.
async fn accept(listener: Listener, endpoint: Arc<Endpoint>, guard: Guard, mut lifeline: Lifeline) {
    let places = Places::new(endpoint.limits.connections, endpoint.limits.connections_per_address);
    loop {
        let place = tokio::select! {
            () = lifeline.draining() => return,
            place = places.one() => place,
        };
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            () = lifeline.draining() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => {
                let counted = accepted.peer().filter(|peer| !guard.trusts(Some(*peer)));
                match places.of(place, counted) {
                    Ok(place) => serve(&endpoint, accepted, place, &lifeline),
                    Err(no_place) => refuse(&accepted, no_place),
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection can't be taken");
                tokio::time::sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
            }
        }
    }
}

fn serve(endpoint: &Arc<Endpoint>, accepted: Accepted, place: Place, lifeline: &Lifeline) {
    tokio::spawn(Arc::clone(endpoint).serve(accepted, place, lifeline.clone()));
}

/// Tells of a connection that is closed as it came.
fn refuse(accepted: &Accepted, no_place: NoPlace) {
    ::metrics::counter!(metrics::CONNECTIONS_REFUSED).increment(1);
    if no_place.is_news {
        tracing::warn!(
            peer = accepted.peer().map(tracing::field::display),
            "connections are closed as they come: their address has as many as one may have \
             (--max-connections-per-address); if it is a proxy, name it in the policy's trusted_proxies"
        );
    }
}

async fn keep_up() {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        recorder::upkeep();
    }
}

/// Looks at the files again and again.
async fn watch(reloader: Arc<Reloader>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let reloader = Arc::clone(&reloader);
        if task::spawn_blocking(move || reloader.if_changed()).await.is_err() {
            return;
        }
    }
}
