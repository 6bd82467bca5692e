//! What the system log says of a token request: who asked, and what came of it.

use http::HeaderMap;
use keybound::assertion::UnverifiedAssertion;

use super::AuthorizationServer;
use super::access_token::IssuedToken;
use super::form::TokenForm;
use super::refusal::TokenRefusal;
use crate::event::{Event, EventClient, EventObject, Outcome, OutcomeResult};

impl AuthorizationServer {
    /// Writes the event of a token request. A log that cannot be written stops no token.
    pub(super) fn log_grant(
        &self,
        granted: &Result<IssuedToken, TokenRefusal>,
        headers: &HeaderMap,
        body: &[u8],
        client: EventClient,
    ) {
        let form = TokenForm::read(headers, body).ok();
        let find = |name: &str| form.as_ref().and_then(|form| form.get(name));
        let message = "OAuth2 access token is granted";
        let event = Event::new("app.oauth2.token.grant.access_token", message).from(client);
        let event = event.by(self.claimed_client(find("client_assertion"), find("client_id")));
        let event = event.debug("grantType", bounded(find("grant_type").unwrap_or_default()));
        let event = match granted {
            Ok(issued) => {
                event.debug("grantedScopes", issued.scopes.join(" ")).debug("tokenType", issued.scheme.name())
            }
            Err(refusal) if refusal.asks_for_nonce() => {
                let outcome =
                    Outcome { result: OutcomeResult::Challenge, reason: Some("use_dpop_nonce".to_owned()) };
                Event { outcome, ..event }
            }
            Err(refusal) => {
                let event = event.failed(refusal.error());
                event
                    .debug("requestedScopes", bounded(find("scope").unwrap_or_default()))
                    .debug("cause", refusal.to_string())
            }
        };
        if let Err(error) = self.store.log(&event, self.now(), self.random.as_ref()) {
            tracing::error!(%error, "the system log cannot be written");
        }
    }

    /// The client that a request says it is of; of a request that was refused nobody knows better.
    fn claimed_client(&self, assertion: Option<&str>, client_id: Option<&str>) -> EventObject {
        let asserted = assertion.and_then(|assertion| UnverifiedAssertion::parse(assertion).ok());
        let asserted = asserted.as_ref().map(UnverifiedAssertion::client_id);
        let Some(client_id) = asserted.or(client_id) else { return EventObject::unknown() };
        let label = self.store.label_and_roles(client_id).ok().flatten().map(|(label, _)| label);
        EventObject::new("PublicClientApp", client_id, label.unwrap_or_else(|| "unknown".to_owned()))
    }
}

/// Characters of a parameter that the log repeats, at most.
const SHOWN_CHARACTERS: usize = 500;

fn bounded(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}
