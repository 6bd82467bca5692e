//! Logs for whoever looks for a fault: to standard error, and only when asked for.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

/// `-v` tells what the project's own crates do, `-vv` all detail, `-vvv` that of the libraries below too.
/// `KEYBOUND_LOG` takes the same filters as `RUST_LOG` does elsewhere, and comes first.
/// `always` is what is logged where none of them is there.
pub(crate) fn start(verbose: u8, always: Option<&str>) {
    let filter = match (std::env::var("KEYBOUND_LOG"), verbose) {
        (Ok(filter), _) => filter,
        (Err(_), 0) => match always {
            Some(filter) => filter.to_owned(),
            None => return,
        },
        (Err(_), 1) => {
            "keybound=debug,keybound_client=debug,keybound_guard=debug,keybound_okta=debug,keybound_org=debug"
                .to_owned()
        }
        (Err(_), 2) => {
            "keybound=trace,keybound_client=trace,keybound_guard=trace,keybound_okta=trace,keybound_org=trace"
                .to_owned()
        }
        (Err(_), _) => "trace".to_owned(),
    };
    let coloured =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(coloured)
        .with_writer(io::stderr)
        .init();
}
