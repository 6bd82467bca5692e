//! `keybound doctor`: goes through what can be wrong between here and the org, in the order in which a call meets
//! it, and says of each step what was found and, where it is bad, why and what to change.

mod calls;
mod diagnosis;
mod listener;
mod server;
mod settings;
mod token;

use std::sync::Arc;

use clap::Args;
use keybound_client::System;
use keybound_okta::{OktaClient, Settings};

use crate::connection::Connection;
use crate::output::Output;
use crate::report::Outcome;
use crate::runtime;

use diagnosis::Diagnosis;
use listener::Listener;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound doctor                              with the settings of this folder
  keybound doctor --scope okta.groups.read     whether this scope would do
  keybound doctor --probe-bearer               also whether the org insists on DPoP for this app
  keybound doctor | jq '.[] | select(.outcome == \"failed\")'

A step is ok, a warning or failed. The exit code is that of the first step that failed; warnings alone are no failure. \
What is sent: one GET of the metadata of the org or the issuer, a few token requests and, to an org, one GET with limit=1 \
for each scope. Nothing is changed.")]
pub(crate) struct Arguments {
    /// Ask for a token without a proof too: an org that insists on DPoP refuses. One that does not gives a Bearer
    /// token, which is dropped at once.
    #[arg(long)]
    probe_bearer: bool,
    /// Print JSON on a terminal too.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let mut diagnosis = Diagnosis::new(output, arguments.json);
    examine(arguments, &mut diagnosis)?;
    diagnosis.conclude()
}

/// Each step, as far as those before it allow.
fn examine(arguments: &Arguments, diagnosis: &mut Diagnosis) -> Outcome {
    let Some(settings) = settings::examine(&arguments.connection, diagnosis)? else { return Ok(()) };
    let patient = Patient::new(&arguments.connection, settings);
    runtime::start()?.block_on(async {
        if !server::examine(&patient, diagnosis).await? {
            return Ok(());
        }
        let Some((okta, scopes)) = token::examine(&patient, diagnosis).await? else { return Ok(()) };
        if arguments.probe_bearer {
            token::probe_bearer(&patient, &scopes, diagnosis).await?;
        }
        // Of another API than an org's nobody knows here what changes nothing.
        if patient.settings.org_url.is_none() {
            return Ok(());
        }
        calls::examine(&okta, &scopes, diagnosis).await
    })
}

/// Whose way to the org is gone, with ears on it.
struct Patient<'a> {
    connection: &'a Connection,
    settings: Settings,
    listener: Arc<Listener>,
}

impl<'a> Patient<'a> {
    fn new(connection: &'a Connection, settings: Settings) -> Self {
        Self { connection, settings, listener: Arc::default() }
    }

    /// A client that asks for `scopes`.
    fn client(&self, scopes: &[String]) -> OktaClient {
        let mut settings = self.settings.clone();
        settings.grant.scopes = scopes.to_vec();
        self.client_by(settings)
    }

    fn client_by(&self, settings: Settings) -> OktaClient {
        OktaClient::with_system(settings, self.system())
    }

    fn system(&self) -> System {
        let mut options = self.settings.transport_options();
        options.observer = Some(Arc::clone(&self.listener) as _);
        self.connection.system(options)
    }

    /// Who gives the tokens, in a word.
    fn giver(&self) -> &'static str {
        if self.settings.org_url.is_some() { "org" } else { "issuer" }
    }
}
