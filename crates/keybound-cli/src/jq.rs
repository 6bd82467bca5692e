//! `--jq`: an expression of the jq language, which picks from answers what is wanted.

use std::io::Write as _;

use jaq_all::data::{self, Runner};
use jaq_all::jaq_core::{Vars, unwrap_valr};
use jaq_all::json::{Val, read, write};
use jaq_all::load::FileReportsDisp;

use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::report::{Failure, Outcome};

/// An expression that has been understood.
pub(crate) struct Filter {
    compiled: data::Filter,
}

impl Filter {
    /// Understands `expression`.
    pub(crate) fn compile(expression: &str) -> Outcome<Self> {
        let functions = data::base_funs();
        let compiled =
            jaq_all::compile_with(expression, jaq_all::defs(), functions, &[]).map_err(|reports| {
                let reports = reports.iter().map(|report| FileReportsDisp::new(report).to_string());
                Failure::usage("the expression of --jq is not understood")
                    .because(reports.collect::<String>())
            })?;
        Ok(Self { compiled })
    }

    /// Prints what the expression makes of `json`, a line for each value; texts without their quotes, so that a shell
    /// can use them.
    pub(crate) fn print(&self, json: &[u8], output: Output) -> Outcome {
        let input = read::parse_single(json).map_err(|error| {
            Failure::new(ExitCode::Unexpected, "--jq has nothing to work on")
                .because(format_args!("the answer is no JSON: {error}"))
        })?;
        let runner = Runner::default();
        let source = (&Val::Null, std::iter::once(Ok::<_, String>(input)));
        let mut lines = Vec::new();
        data::run(&runner, &self.compiled, Vars::default(), source, failed, |value| {
            line(&mut lines, &unwrap_valr(value).map_err(|error| failed(error.to_string()))?)
        })?;
        output.bytes(&lines)
    }
}

fn line(lines: &mut Vec<u8>, value: &Val) -> Outcome {
    match value {
        Val::TStr(text) => lines.extend_from_slice(text),
        value => write::write(lines, &write::Pp::default(), 0, value)?,
    }
    Ok(lines.write_all(b"\n")?)
}

fn failed(why: String) -> Failure {
    Failure::usage("the expression of --jq can't be applied to the answer").because(why)
}
