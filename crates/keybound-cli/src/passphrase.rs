//! The passphrase of an encrypted key file: from the environment, or asked for where a person is there to answer.

use std::env;
use std::io;
use std::path::Path;

use console::Term;
use zeroize::Zeroizing;

use crate::exit_code::ExitCode;
use crate::output::TITLE;
use crate::question;
use crate::report::{Failure, Outcome};

/// The variable that has it. Arguments can be seen by others on the machine, and are kept by shells.
pub(crate) const VARIABLE: &str = "KEYBOUND_KEY_PASSPHRASE";

/// The passphrase of the key in `path`. In a pipe nobody is asked.
pub(crate) fn of(path: &Path) -> Outcome<Zeroizing<String>> {
    if let Ok(passphrase) = env::var(VARIABLE) {
        return Ok(Zeroizing::new(passphrase));
    }
    let encrypted = || Failure::new(ExitCode::KeyFile, format_args!("{} is encrypted", path.display()));
    if !question::can_be_asked() {
        return Err(encrypted()
            .because(format_args!("its passphrase is to be in {VARIABLE}, which is not set"))
            .do_next(format_args!("read -rs {VARIABLE} && export {VARIABLE}, and again")));
    }
    ask(path).map_err(|error| encrypted().because(format_args!("its passphrase could not be read: {error}")))
}

/// What is typed is not shown.
fn ask(path: &Path) -> io::Result<Zeroizing<String>> {
    let terminal = Term::stderr();
    terminal.write_str(&format!("{TITLE}Passphrase of {}:{TITLE:#} ", path.display()))?;
    terminal.read_secure_line().map(Zeroizing::new)
}
