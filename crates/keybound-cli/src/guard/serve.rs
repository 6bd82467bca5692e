//! `keybound guard` as a server: until it is told to end.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Arg, Args, Command, ValueEnum};
use http::uri::Authority;
use keybound_guard::forward_auth::ForwardAuth;
use keybound_guard::reverse_proxy::{NotAnUpstream, ReverseProxy, Upstream, UpstreamError, UpstreamSettings};
use keybound_guard::server::{
    Face, ListenAddress, Server, ServerError, ServerLimits, ServerSettings, TlsFiles,
};
use keybound_guard::{Guard, ext_authz};
use serde_json::json;

use super::policy::PolicyArguments;
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::report::{Failure, Outcome};
use crate::runtime;
use crate::signals::{Hangups, Signals};

/// The faces that have no upstream: what is said about one would be ignored.
const NOT_A_PROXY: [&str; 2] = ["forward_auth", "ext_authz"];

#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    policy: PolicyArguments,
    /// Address to serve at: ADDRESS:PORT (port 0 takes a free one) or unix:PATH.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8088", help_heading = "Serving")]
    listen: ListenAddress,
    /// Address for operators: /healthz, /readyz, /metrics; in the clear.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", help_heading = "Serving")]
    admin_listen: ListenAddress,
    #[command(flatten)]
    faces: Faces,
    /// Certificate to serve https with, and those between it and its authority: PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "Serving")]
    tls_certificate: Option<PathBuf>,
    /// Private key of the certificate: PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate", help_heading = "Serving")]
    tls_key: Option<PathBuf>,
    /// Host to name to the upstream, in place of the resource's own.
    #[arg(long, value_name = "HOST", conflicts_with_all = NOT_A_PROXY, help_heading = "Upstream")]
    upstream_host: Option<Authority>,
    /// Certificate authorities to trust for the upstream, in place of the system's: a PEM file.
    #[arg(long, value_name = "FILE", conflicts_with_all = NOT_A_PROXY, help_heading = "Upstream")]
    upstream_ca_file: Option<PathBuf>,
    /// How long a connection to the upstream may take to come about.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5", conflicts_with_all = NOT_A_PROXY, help_heading = "Upstream")]
    connect_timeout: Duration,
    /// How long the upstream may take to begin its answer.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60", conflicts_with_all = NOT_A_PROXY, help_heading = "Upstream")]
    answer_timeout: Duration,
    /// How long a body or an upgraded connection (WebSocket) may pause. Such a connection also ends with its access
    /// token.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "300", conflicts_with_all = NOT_A_PROXY, help_heading = "Upstream")]
    idle_timeout: Duration,
    /// How long the guard, told to end, says that it is not ready (/readyz) and goes on, so that load balancers notice.
    #[arg(long, value_name = "SECONDS", value_parser = whole_seconds, default_value = "0", help_heading = "Serving")]
    unready_for: Duration,
    /// How long requests under way may go on after that.
    #[arg(long, value_name = "SECONDS", value_parser = whole_seconds, default_value = "30", help_heading = "Serving")]
    drain_timeout: Duration,
    /// How often policy and certificate are looked at for changes; 0 for only when SIGHUP comes.
    #[arg(long, value_name = "SECONDS", value_parser = whole_seconds, default_value = "5", help_heading = "Serving")]
    reload_every: Duration,
    /// Connections from clients, at most.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().connections, help_heading = "Serving")]
    max_connections: usize,
    /// Connections of one address, or of one IPv6 network (/64), at most; those of the policy's trusted proxies are not
    /// counted.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().connections_per_address, help_heading = "Serving")]
    max_connections_per_address: usize,
    /// Bytes of all header fields of a request, at most.
    #[arg(long, value_name = "BYTES", default_value_t = ServerLimits::default().header_bytes, help_heading = "Serving")]
    max_header_bytes: u32,
    /// How long a client may take for a TLS handshake, and for the header fields of a request.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30", help_heading = "Serving")]
    header_timeout: Duration,
}

/// What it is to clients and proxies: one of these.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Faces {
    /// Be a reverse proxy before this API: http://HOST:PORT, https://… or h2c://… (HTTP/2 in the clear).
    #[arg(long, value_name = "URL", value_parser = UpstreamParser)]
    upstream: Option<Upstream>,
    /// Answer a proxy that asks about each request: Traefik, Caddy (any), or nginx.
    #[arg(long, value_name = "PROXY", num_args = 0..=1, default_missing_value = "any")]
    forward_auth: Option<AskingProxy>,
    /// Answer Envoy's ext_authz filter.
    #[arg(long, value_name = "PROTOCOL", num_args = 0..=1, default_missing_value = "grpc")]
    ext_authz: Option<ExtAuthzProtocol>,
}

/// Reads an upstream. What is none is not repeated: it may hold a password.
#[derive(Clone)]
struct UpstreamParser;

impl TypedValueParser for UpstreamParser {
    type Value = Upstream;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        value.to_str().unwrap_or_default().parse().map_err(|reason: NotAnUpstream| {
            let text = format!("--upstream: {reason}\n\nFor more information, try '--help'.\n");
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

/// Which proxy asks, since nginx understands fewer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AskingProxy {
    Any,
    Nginx,
}

/// How Envoy asks. One at a time: over HTTP the path is the client's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExtAuthzProtocol {
    Grpc,
    Http,
}

pub(crate) fn run(arguments: &ServeArguments, output: Output) -> Outcome {
    let guard = arguments.policy.guard()?;
    runtime::start()?.block_on(async {
        // Listened for from the start, so that no signal is missed.
        let mut signals = Signals::listen().map_err(no_signals)?;
        let mut hangups = Hangups::listen().map_err(no_signals)?;
        let face = arguments.face(&guard)?;
        let server = Server::start(guard, face, arguments.settings()).await?;
        output.line(arguments.told(&server))?;
        loop {
            tokio::select! {
                () = signals.told_to_end() => break,
                () = hangups.next() => server.reload().await,
            }
        }
        tokio::select! {
            gently = server.drain() => if gently { Ok(()) } else {
                Err(Failure::new(ExitCode::CutShort, "requests that were under way were cut short")
                    .because("they had not ended within the time of --drain-timeout"))
            },
            () = signals.told_to_end() => Err(Failure::new(ExitCode::CutShort, "the guard ended at once")
                .because("it was told to a second time, while requests were under way")),
        }
    })
}

impl Faces {
    const fn name(&self) -> &'static str {
        match (&self.upstream, self.forward_auth, self.ext_authz) {
            (Some(_), ..) => "reverse proxy",
            (None, Some(_), _) => "forward-auth",
            (None, None, _) => "ext_authz",
        }
    }
}

impl ServeArguments {
    fn face(&self, guard: &Guard) -> Outcome<Face> {
        self.proxies_can_ask(guard)?;
        self.pages_are_answered(guard)?;
        let guard = guard.clone();
        let Some(upstream) = &self.faces.upstream else {
            return Ok(Face::Router(match (self.faces.forward_auth, self.faces.ext_authz) {
                (Some(AskingProxy::Nginx), _) => ForwardAuth::new(guard).for_nginx().into_router(),
                (Some(AskingProxy::Any), _) => ForwardAuth::new(guard).into_router(),
                (None, Some(ExtAuthzProtocol::Http)) => ext_authz::http_router(guard),
                (None, _) => ext_authz::ExtAuthz::new(guard).into_router(),
            }));
        };
        let settings = UpstreamSettings {
            host: self.upstream_host.clone(),
            ca_file: self.upstream_ca_file.clone(),
            connect_timeout: self.connect_timeout,
            answer_timeout: self.answer_timeout,
            idle_timeout: self.idle_timeout,
            ..UpstreamSettings::new(upstream.clone())
        };
        Ok(Face::ReverseProxy(ReverseProxy::new(guard, settings)?))
    }

    /// Forward-auth answers trusted proxies alone: without any, or where none has an address, nobody.
    fn proxies_can_ask(&self, guard: &Guard) -> Outcome {
        if self.faces.forward_auth.is_none() {
            return Ok(());
        }
        let failure = Failure::new(ExitCode::Settings, "no proxy could ask this guard");
        if guard.policy().trusted_proxies.is_empty() {
            return Err(failure.because("the policy's `trusted_proxies` is empty, and what anybody else says of a request is not believed").do_next(
                "name the network of the proxy: trusted_proxies = [\"127.0.0.1/32\"] in the policy, or --trusted-proxy 127.0.0.1/32",
            ));
        }
        if matches!(self.listen, ListenAddress::Unix(_)) {
            return Err(failure
                .because(
                    "who comes over a Unix socket has no address, so that `trusted_proxies` can't name it",
                )
                .do_next("listen at a TCP address: --listen 127.0.0.1:9000"));
        }
        Ok(())
    }

    /// Who is only asked about requests answers no browser.
    fn pages_are_answered(&self, guard: &Guard) -> Outcome {
        if self.faces.upstream.is_some() || !guard.policy().cors.is_on() {
            return Ok(());
        }
        Err(Failure::new(ExitCode::Settings, "no page of another origin could call through this guard")
            .because(
                "the policy's [cors] is for a reverse proxy (--upstream): a guard that is asked about requests can \
                 only say yes or no, and a preflight has to be answered before it is asked",
            )
            .do_next(
                "take [cors] out of the policy, and let the proxy that asks answer preflights: docs/nginx.md, \
                 docs/caddy.md and docs/envoy.md say how",
            ))
    }

    fn settings(&self) -> ServerSettings {
        let tls = self.tls_certificate.clone().zip(self.tls_key.clone());
        ServerSettings {
            listen: self.listen.clone(),
            tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
            admin_listen: Some(self.admin_listen.clone()),
            policy_file: self.policy.policy.clone(),
            reload_every: Some(self.reload_every).filter(|every| !every.is_zero()),
            unready_for: self.unready_for,
            drain_timeout: self.drain_timeout,
            limits: ServerLimits {
                connections: self.max_connections,
                connections_per_address: self.max_connections_per_address,
                header_bytes: self.max_header_bytes,
                header_timeout: self.header_timeout,
                ..ServerLimits::default()
            },
        }
    }

    /// Where it serves, in one line.
    fn told(&self, server: &Server) -> serde_json::Value {
        let scheme = if self.tls_certificate.is_some() { "https" } else { "http" };
        let url = |scheme: &str, address: &ListenAddress| match address {
            ListenAddress::Tcp(address) => format!("{scheme}://{address}"),
            ListenAddress::Unix(_) => address.to_string(),
        };
        json!({
            "url": url(scheme, server.address()),
            "admin_url": server.admin_address().map(|address| url("http", address)),
            "face": self.faces.name(),
            "upstream": self.faces.upstream.as_ref().map(ToString::to_string),
        })
    }
}

/// A duration that may not be nothing; fractions are for tests.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds")?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or("a number of seconds above 0")
}

fn whole_seconds(text: &str) -> Result<Duration, &'static str> {
    text.parse().map(Duration::from_secs).map_err(|_| "a whole number of seconds")
}

fn no_signals(error: io::Error) -> Failure {
    Failure::new(ExitCode::Guard, "the guard can't start").because(error)
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        let next = match error {
            UpstreamError::CaFile(_) => {
                "give --upstream-ca-file a PEM file with the certificates of the upstream's authorities"
            }
            _ => "give --upstream an address that its certificate can be for, or http:// for one without",
        };
        Self::new(ExitCode::Guard, "the guard can't start").because(error).do_next(next)
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        let next = match &error {
            ServerError::Listen { source, .. } => listen_elsewhere(source),
            ServerError::Tls(_) => {
                "give --tls-certificate and --tls-key the certificate's own files, both PEM, the key without a \
                 password"
            }
            ServerError::Limit { limit: "connections", .. } => "change --max-connections",
            ServerError::Limit { limit: "connections_per_address", .. } => {
                "change --max-connections-per-address"
            }
            ServerError::Limit { limit: "header_bytes", .. } => "change --max-header-bytes",
            ServerError::Limit { limit: "header_timeout", .. } => "change --header-timeout",
            _ => "see `keybound guard --help` for the limits",
        };
        Self::new(ExitCode::Guard, "the guard can't start").because(&error).do_next(next)
    }
}

fn listen_elsewhere(problem: &io::Error) -> &'static str {
    match problem.kind() {
        io::ErrorKind::NotFound => "make the folder of the socket first, or choose another",
        io::ErrorKind::AddrNotAvailable => {
            "listen at an address of this machine: 127.0.0.1 for this machine alone, 0.0.0.0 for all networks"
        }
        io::ErrorKind::PermissionDenied => "choose a port above 1023, or a folder that may be written to",
        io::ErrorKind::AddrInUse => {
            "end what listens there, or choose another address; port 0 takes a free one"
        }
        _ => "choose another address; port 0 takes a free one",
    }
}
