//! `keybound proxy`: lends DPoP to programs in any language. Plain HTTP comes in on this machine; calls with a key-bound
//! token and a fresh proof go out, to one origin or more.

mod admin;
mod admission;
mod allowed;
mod body;
mod destination;
mod metrics;
mod reference;
mod refusal;
mod relay;
mod serve;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use keybound_guard::server::ListenAddress;
use keybound_okta::{OktaClient, OrgUrl};
use serde_json::json;

use self::admission::{LocalAccess, Secret};
use self::allowed::Allowed;
use self::destination::{Destination, Destinations};
use self::relay::Relay;
use self::serve::Listener;
use crate::connection::Connection;
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::report::{Failure, Outcome};
use crate::runtime;
use crate::signals::Signals;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound proxy &                                   for reading; it prints the secret
  curl http://127.0.0.1:8081/api/v1/users?limit=5 -H \"Authorization: Bearer $SECRET\"
  keybound proxy --secret-file proxy.secret --allow 'GET,POST /api/v1/users/**'
  keybound proxy --listen unix:/run/me/okta.sock     for whoever may open the socket
  curl --unix-socket /run/me/okta.sock http://localhost/api/v1/users
  keybound proxy --to https://example.okta.com --to /billing=https://billing.example/v2
  keybound proxy --issuer https://idp.example --scope orders.read --to https://api.example

An answer's Link and Location are written as addresses of the proxy. Neither requests nor secrets are logged.")]
pub(crate) struct Arguments {
    /// Address on this machine to serve at: ADDRESS:PORT (port 0 takes a free one) or unix:PATH.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: ListenAddress,
    /// An origin to pass requests on to, and the beginning of the paths that go there; may be given several times.
    /// Without it the org; with the tokens of another issuer it has to be given.
    #[arg(long, value_name = "[PREFIX=]URL")]
    to: Vec<String>,
    /// What may be asked: methods and a path, in which `*` is any segment and `**` any rest; may be given several times.
    /// Without it GET, HEAD and OPTIONS of any path.
    #[arg(long, value_name = "'METHODS PATH'")]
    allow: Vec<String>,
    /// File with the secret that programs have to send; without it a new one is made, and told once. Not for a socket,
    /// unless it is given.
    #[arg(long, value_name = "FILE", conflicts_with = "no_secret")]
    secret_file: Option<PathBuf>,
    /// Let every program of this machine use the proxy that can connect.
    #[arg(long)]
    no_secret: bool,
    /// Address on this machine for operators: /healthz, /readyz, /metrics.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    admin_listen: ListenAddress,
    /// How many seconds requests under way may go on when the proxy is told to end.
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    drain_timeout: u32,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    for address in [&arguments.listen, &arguments.admin_listen] {
        refuse_other_machines(address)?;
    }
    let okta = arguments.connection.open()?;
    let destinations = Destinations::parse(&arguments.to, okta.org_url().ok().map(OrgUrl::origin))?;
    refuse_unknown_scopes(&okta, &destinations)?;
    let (access, allowed) = (arguments.access()?, Allowed::parse(&arguments.allow)?);
    runtime::start()?.block_on(async {
        // Listened for from the start, so that no signal is missed.
        let mut signals = Signals::listen().map_err(|error| {
            Failure::new(ExitCode::Unexpected, "signals can't be listened for").because(error)
        })?;
        let listener = bind(&arguments.listen).await?;
        let admin = bind(&arguments.admin_listen).await?;
        let local = listener.local_addr().map(|address| format!("http://{address}"));
        metrics::start();
        let told = told(arguments, &access, &destinations, local.as_deref(), &admin);
        let relay = Arc::new(Relay { okta, access, destinations, allowed, local });
        let relayed = move |request| {
            let relay = Arc::clone(&relay);
            async move { relay.answer(request).await }
        };
        output.line(told)?;
        let drain = Duration::from_secs(arguments.drain_timeout.into());
        let gently = tokio::select! {
            gently = listener.serve(relayed, signals.told_to_end(), drain) => gently,
            gently = admin.serve(admin::answer, std::future::pending(), Duration::ZERO) => gently,
        };
        if gently {
            return Ok(());
        }
        Err(Failure::new(ExitCode::CutShort, "requests that were under way were cut short")
            .because("they had not ended within the time of --drain-timeout"))
    })
}

impl Arguments {
    fn access(&self) -> Outcome<LocalAccess> {
        let is_socket = matches!(self.listen, ListenAddress::Unix(_));
        match &self.secret_file {
            Some(path) => Ok(LocalAccess::Secret(Secret::read(path)?)),
            None if self.no_secret || is_socket => Ok(LocalAccess::Anyone),
            None => Ok(LocalAccess::Secret(Secret::generate()?)),
        }
    }
}

/// The line that says where the proxy is; with the secret, if it was made here.
fn told(
    arguments: &Arguments,
    access: &LocalAccess,
    destinations: &Destinations,
    local: Option<&str>,
    admin: &Listener,
) -> serde_json::Value {
    let to: Vec<_> = destinations
        .iter()
        .map(|destination| json!({ "prefix": destination.prefix(), "url": destination.url() }))
        .collect();
    let secret = match access {
        LocalAccess::Secret(secret) if arguments.secret_file.is_none() => Some(secret.text()),
        _ => None,
    };
    let url = local.map_or_else(|| arguments.listen.to_string(), str::to_owned);
    let admin_url = match admin.local_addr() {
        Some(address) => format!("http://{address}"),
        None => arguments.admin_listen.to_string(),
    };
    json!({ "url": url, "secret": secret, "admin_url": admin_url, "to": to })
}

async fn bind(address: &ListenAddress) -> Outcome<Listener> {
    Listener::bind(address).await.map_err(|error| {
        Failure::new(ExitCode::Proxy, format_args!("the proxy can't listen at {address}"))
            .because(error)
            .do_next("end what listens there, or choose another address; port 0 takes a free one")
    })
}

/// Where no scopes are set, the operation of each request tells which it needs; other origins have no such operations.
fn refuse_unknown_scopes(okta: &OktaClient, destinations: &Destinations) -> Outcome {
    let Err(error) = okta.client() else { return Ok(()) };
    let org = okta.org_url()?.origin();
    let is_org = |destination: &&Destination| destination.url() == org;
    match destinations.iter().find(|destination| !is_org(destination)) {
        Some(other) => Err(Failure::from(error).because(format_args!(
            "the org's operations tell which they need, and {} has none of them",
            other.url()
        ))),
        None => Ok(()),
    }
}

/// What comes in is in the clear, and what goes out has the rights of the app.
fn refuse_other_machines(address: &ListenAddress) -> Outcome {
    match address {
        ListenAddress::Tcp(address) if !address.ip().is_loopback() => {
            Err(Failure::new(ExitCode::Proxy, format_args!("the proxy does not serve at {address}"))
                .because("other machines could reach it there, over plain HTTP")
                .do_next("listen on 127.0.0.1, [::1] or a Unix socket"))
        }
        _ => Ok(()),
    }
}
