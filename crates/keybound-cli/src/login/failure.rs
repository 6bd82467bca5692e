//! A login that came to nothing: by which code it ends, and what to change.

use keybound::authorization::{PushError, ResponseRefusal};
use keybound::exchange::ExchangeError;
use keybound_client::TokenError;
use keybound_client::authorization::{AuthorizationError, KeysFault};

use crate::exit_code::ExitCode;
use crate::report::Failure;

pub(super) fn failed(error: AuthorizationError) -> Failure {
    let code = match &error {
        AuthorizationError::Keys { reason: KeysFault::Transport(_), .. }
        | AuthorizationError::Token(TokenError::Transport(_)) => ExitCode::Connection,
        AuthorizationError::Token(refused) if refused.clock_offset().is_some() => ExitCode::Clock,
        _ => ExitCode::Login,
    };
    let next = what_to_do(&error);
    let failure = Failure::new(code, "the login came to nothing").because(error);
    match next {
        Some(next) => failure.do_next(next),
        None => failure,
    }
}

fn what_to_do(error: &AuthorizationError) -> Option<&'static str> {
    match error {
        AuthorizationError::Listen { .. } => {
            Some("choose another port, which the app's redirect URI has: --port")
        }
        AuthorizationError::NoResponse { .. } => {
            Some("log in again, and come to an end in the browser; on a machine without one: --device")
        }
        AuthorizationError::Token(TokenError::Refused { refusal, .. })
        | AuthorizationError::Push(PushError::Exchange(refusal)) => match refusal {
            ExchangeError::Refused { error, .. } => by_code(error),
            _ => None,
        },
        AuthorizationError::Response(ResponseRefusal::Refused { error, .. }) => by_code(error),
        _ => None,
    }
}

/// By the error of OAuth.
fn by_code(error: &str) -> Option<&'static str> {
    Some(match error {
        "invalid_client" | "unauthorized_client" => {
            "check the client id (--client-id): it is that of a native app of this server, active and without a secret, \
             with the grants Authorization Code (for --device Device Authorization) and Refresh Token"
        }
        "invalid_scope" => "ask for scopes that the app may have: --scope",
        "access_denied" => {
            "have the user, or a group of theirs, assigned to the app; and give it leave where the page asks for it"
        }
        "invalid_request" | "invalid_redirect_uri" => {
            "check that the app has the redirect URI http://127.0.0.1/callback, or that with the port of --port"
        }
        "invalid_dpop_proof" => "check the clock of this machine (date -u), and that the app may use DPoP",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;

    #[test]
    fn a_login_that_came_to_nothing_says_what_to_change() {
        let refused = |error: &str| {
            let (status, error) = (StatusCode::BAD_REQUEST, error.to_owned());
            AuthorizationError::Push(ExchangeError::Refused { status, error, description: None }.into())
        };
        for (error, words) in [
            (refused("invalid_client"), "--client-id"),
            (refused("unauthorized_client"), "Authorization Code"),
            (refused("invalid_scope"), "--scope"),
            (refused("access_denied"), "assigned"),
            (refused("invalid_request"), "redirect URI"),
            (AuthorizationError::NoResponse { patience: Duration::from_secs(600) }, "--device"),
            (AuthorizationError::Listen { address: "127.0.0.1:1".into(), reason: "in use".into() }, "--port"),
        ] {
            let next = what_to_do(&error).unwrap_or_default();
            assert!(next.contains(words), "{error}: {next}");
        }
        assert_eq!(what_to_do(&refused("server_error")), None, "nothing is made up");
    }
}
