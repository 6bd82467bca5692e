//! `keybound demo`: the whole story on a local org, with nothing to set up.

mod redaction;
mod stage;
mod story;
mod teller;
mod verdict;

use std::io;

use clap::Args;

use crate::exit_code::ExitCode;
use crate::output::{FAINT, GOOD, Output, TITLE};
use crate::report::{Failure, Outcome};
use crate::runtime;
use crate::signals::Signals;

use redaction::Redaction;
use stage::Stage;
use story::STORY;
use teller::Teller;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound demo
  keybound demo --show-secrets | less -R          every token, proof and key as it is")]
pub(crate) struct Arguments {
    /// Show tokens, proofs, client assertions and private keys whole. All of them end with the demo.
    #[arg(long)]
    show_secrets: bool,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let teller = Teller { output, redaction: Redaction { show_secrets: arguments.show_secrets } };
    runtime::start()?.block_on(async {
        let unable = |error: io::Error| {
            Failure::new(ExitCode::Unexpected, "signals cannot be listened for").because(error)
        };
        let mut signals = Signals::listen().map_err(unable)?;
        tokio::select! {
            outcome = tell(&teller) => outcome,
            // The stage is dropped here, and takes the org and its data with it.
            () = signals.told_to_end() => Err(Failure::new(ExitCode::Unexpected, "the demo was interrupted")),
        }
    })
}

async fn tell(teller: &Teller) -> Outcome {
    let mut stage = Stage::set().await?;
    teller.output.line(format_args!(
        "{TITLE}A service app, its tokens, and a thief{TITLE:#}\n\
         {FAINT}Everything happens on this machine: a local org serves at {}, with a\n\
         certificate authority of its own. Secrets are cut; --show-secrets shows them.{FAINT:#}",
        stage.origin()
    ))?;
    let mut number = 0;
    for (part, chapter) in STORY.iter().enumerate() {
        teller.part(part + 1, chapter.title)?;
        for step in chapter.steps {
            number += 1;
            teller.title(number, step)?;
            let scene = stage.perform(&step.act).await?;
            teller.scene(&scene)?;
            if let Err(reason) = verdict::judge(&step.expected, &scene, stage.app_thumbprint()) {
                teller.not_as_told(&reason)?;
                return Err(Failure::new(
                    ExitCode::DemoFailed,
                    format_args!("step {number} did not go as told"),
                )
                .because(reason));
            }
            teller.as_told(step)?;
        }
    }
    stage.strike().await;
    teller.output.line(format_args!(
        "\n{GOOD}All {number} steps went as told.{GOOD:#}\n\
         The stolen Bearer token let the thief in; the stolen key-bound token did not.\n\
         {FAINT}Next:{FAINT:#} keybound org start --data ./org{FAINT}, and then{FAINT:#} keybound init --data ./org"
    ))
}
