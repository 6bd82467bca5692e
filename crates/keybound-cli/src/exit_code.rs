//! Exit codes: one for each class of outcome, so that a script can tell them apart.

use std::fmt::Write as _;
use std::process;

/// How the program ended. The numbers are an interface: a class may be added, never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ExitCode {
    Ok = 0,
    Unexpected = 1,
    /// The number is clap's.
    Usage = 2,
    Settings = 3,
    KeyFile = 4,
    Connection = 5,
    Clock = 6,
    ClientRefused = 7,
    ScopeRefused = 8,
    DpopRefused = 9,
    ApiRefused = 10,
    ServerFailed = 11,
    DemoFailed = 12,
    InspectRefused = 13,
    LocalOrg = 14,
    WouldOverwrite = 15,
    Guard = 16,
    CutShort = 17,
    Proxy = 18,
    Login = 19,
}

impl ExitCode {
    pub(crate) const ALL: [Self; 20] = [
        Self::Ok,
        Self::Unexpected,
        Self::Usage,
        Self::Settings,
        Self::KeyFile,
        Self::Connection,
        Self::Clock,
        Self::ClientRefused,
        Self::ScopeRefused,
        Self::DpopRefused,
        Self::ApiRefused,
        Self::ServerFailed,
        Self::DemoFailed,
        Self::InspectRefused,
        Self::LocalOrg,
        Self::WouldOverwrite,
        Self::Guard,
        Self::CutShort,
        Self::Proxy,
        Self::Login,
    ];

    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "all went well",
            Self::Unexpected => "something that has no code of its own",
            Self::Usage => "the command line is not understood, or what it names as input can't be read",
            Self::Settings => "a setting is missing or invalid, or a guard's policy can't be used",
            Self::KeyFile => "a key file is missing, readable by others, or not the key that it should be",
            Self::Connection => "no org answers at the URL: address, network, TLS, or another service",
            Self::Clock => "this machine's clock and the org's are too far apart",
            Self::ClientRefused => "the org does not know the client, or the key is not registered for it",
            Self::ScopeRefused => "a scope is unknown, or not granted to the client",
            Self::DpopRefused => "the org wants a proof (DPoP) and got none, or refused it",
            Self::ApiRefused => "the management API refused the call (4xx)",
            Self::ServerFailed => "the org failed to answer the call (5xx)",
            Self::DemoFailed => "a step of the demo did not go as told",
            Self::InspectRefused => "what was inspected breaks a rule",
            Self::LocalOrg => "the local org cannot start, or its data cannot be used",
            Self::WouldOverwrite => "a file is there already; nothing is ever overwritten",
            Self::Guard => {
                "the guard can't start: its address, its certificate or its upstream's, or a limit"
            }
            Self::CutShort => "guard or proxy ended with requests under way, or a list before its end",
            Self::Proxy => "the proxy can't serve at its address",
            Self::Login => "nobody is logged in, or the login came to nothing",
        }
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.number().into()
    }
}

/// The table as `keybound --help` shows it.
pub(crate) fn table() -> String {
    ExitCode::ALL.iter().fold("Exit codes:".to_owned(), |mut table, code| {
        // Writing to a string does not fail.
        let _ = write!(table, "\n  {:>2}  {}", code.number(), code.meaning());
        table
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_without_gaps_and_each_has_its_own_meaning() {
        for (number, code) in ExitCode::ALL.iter().enumerate() {
            assert_eq!(usize::from(code.number()), number);
            assert_eq!(ExitCode::ALL.iter().filter(|other| other.meaning() == code.meaning()).count(), 1);
        }
    }
}
