//! The runtimes of verbs that wait for the network.

use keybound_okta::OktaClient;
use tokio::runtime::{Builder, Runtime};

use crate::exit_code::ExitCode;
use crate::report::{Failure, Outcome};

/// Runs the calls of one command by `okta`, and keeps what the next run can do with. One thread is enough for that,
/// and the soonest to start.
pub(crate) fn run<T>(okta: &OktaClient, calls: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    one_thread()?.block_on(async {
        let outcome = calls.await;
        okta.save().await;
        outcome
    })
}

pub(crate) fn one_thread() -> Outcome<Runtime> {
    Builder::new_current_thread().enable_all().build().map_err(unable)
}

/// For servers.
pub(crate) fn start() -> Outcome<Runtime> {
    Builder::new_multi_thread().enable_all().build().map_err(unable)
}

fn unable(error: std::io::Error) -> Failure {
    Failure::new(ExitCode::Unexpected, "the runtime cannot start").because(error)
}
