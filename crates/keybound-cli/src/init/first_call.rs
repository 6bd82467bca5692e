//! The call that shows that all is set up: a token, and one object of a list that the scopes allow to read.

use std::fmt;

use keybound_okta::{OktaClient, Setting, Settings, Sources};
use serde::Serialize;

use crate::probe;
use crate::report::{Failure, Outcome};
use crate::runtime;

use super::command_in;
use super::files::Files;

/// A call that went through.
#[derive(Debug, Serialize)]
pub(super) struct FirstCall {
    /// None where no list can be read with the scopes; then the token alone was got.
    operation: Option<&'static str>,
    status: Option<u16>,
}

impl FirstCall {
    /// What a person calls next: what is known to be allowed.
    pub(super) fn next(&self, files: &Files) -> String {
        command_in(&files.folder, &self.verb())
    }

    fn verb(&self) -> String {
        match self.operation {
            Some("listUsers") => "keybound users list".to_owned(),
            Some("listGroups") => "keybound groups list".to_owned(),
            Some("listApplications") => "keybound apps list".to_owned(),
            Some("listLogEvents") => "keybound logs list".to_owned(),
            Some(operation) => format!("keybound api {operation}"),
            None => "keybound whoami".to_owned(),
        }
    }
}

impl fmt::Display for FirstCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.operation, self.status) {
            (Some(operation), Some(status)) => write!(formatter, "{operation} answered {status}"),
            _ => formatter.write_str("a token was granted; the scopes are for no list that could be read"),
        }
    }
}

/// Makes it by the settings in the folder, as every later command in it does.
pub(super) fn make(files: &Files) -> Outcome<FirstCall> {
    runtime::one_thread()?.block_on(send(files))
}

pub(super) async fn send(files: &Files) -> Outcome<FirstCall> {
    let no_environment = |_: &str| None;
    let authority = files.authority.as_ref().map(|path| path.display().to_string());
    let sources =
        Sources::new(&files.folder, &no_environment).given(Setting::CertificateAuthorities, authority);
    let settings = Settings::resolve(sources)?;
    let scopes = settings.grant.scopes.clone();
    call(&OktaClient::new(settings), &scopes).await.map_err(|error| {
        let doctor = command_in(&files.folder, "keybound doctor");
        Failure::from(error)
            .because("it was the first call; keys and settings stay as they are")
            .also_do(format_args!("{doctor} goes through every step and says which fails"))
    })
}

async fn call(okta: &OktaClient, scopes: &[String]) -> Result<FirstCall, keybound_okta::Error> {
    okta.token().await?;
    let Some(operation) = scopes.iter().find_map(|scope| probe::harmless(scope)) else {
        return Ok(FirstCall { operation: None, status: None });
    };
    let answer = probe::call(okta, &operation).await?;
    Ok(FirstCall { operation: Some(operation.id()), status: Some(answer.status().as_u16()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_is_to_call_next_is_what_the_scopes_allow() {
        for (scope, verb) in [
            ("okta.users.read", "keybound users list"),
            ("okta.groups.manage", "keybound groups list"),
            ("okta.apps.read", "keybound apps list"),
            ("okta.logs.read", "keybound logs list"),
            ("okta.authorizationServers.manage", "keybound api listAuthorizationServers"),
            ("okta.nonsense.read", "keybound whoami"),
        ] {
            let operation = probe::harmless(scope).map(|operation| operation.id());
            assert_eq!(FirstCall { operation, status: None }.verb(), verb, "{scope}");
        }
    }
}
