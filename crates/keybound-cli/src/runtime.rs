//! The runtime for verbs that wait for the network.

use tokio::runtime::{Builder, Runtime};

use crate::exit_code::ExitCode;
use crate::report::{Failure, Outcome};

pub(crate) fn start() -> Outcome<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ExitCode::Unexpected, "the runtime cannot start").because(error))
}
