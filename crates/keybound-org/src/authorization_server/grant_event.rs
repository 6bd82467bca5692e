//! What the system log says of a token request: who asked, and what came of it.

use keybound::assertion::UnverifiedAssertion;

use super::AuthorizationServer;
use super::endpoint::Asked;
use super::issue::Issued;
use super::refusal::TokenRefusal;

use crate::event::{Event, EventObject, Outcome, OutcomeResult};
use crate::origin;
use crate::store::{GrantType, ServerId};

/// A token that is given, or not.
#[derive(Clone, Copy)]
enum Token {
    Access,
    Id,
    Refresh,
}

impl Token {
    /// Okta's name of the event, and its words: those of a custom server have an `as` in their name.
    fn event(self, server: &ServerId) -> (String, &'static str) {
        let (token, message) = match self {
            Self::Access => ("access_token", "OAuth2 access token is granted"),
            Self::Id => ("id_token", "OIDC id token is granted"),
            Self::Refresh => ("refresh_token", "OAuth2 refresh token is granted"),
        };
        let prefix = match server {
            ServerId::Org => "app.oauth2",
            ServerId::Custom(_) => "app.oauth2.as",
        };
        (format!("{prefix}.token.grant.{token}"), message)
    }
}

impl AuthorizationServer {
    /// The events of a grant.
    pub(super) fn grant_events(&self, asked: &Asked, grant_type: GrantType, issued: &Issued) -> Vec<Event> {
        let id = issued.id_token.as_ref().map(|_| Token::Id);
        let refresh = issued.has_refresh_token().then_some(Token::Refresh);
        let tokens = [Some(Token::Access), id, refresh].into_iter().flatten();
        let event = |token| Event {
            targets: issued.user.iter().cloned().collect(),
            ..self
                .token_event(token, asked, grant_type.name())
                .by(issued.client.clone())
                .debug("grantedScopes", issued.scopes.join(" "))
                .debug("tokenType", issued.access_token.scheme.name())
        };
        tokens.map(event).collect()
    }

    /// Writes the event of a token request that is refused. A device that polls for its user is no event.
    pub(super) fn log_refusal(&self, asked: &Asked, refusal: &TokenRefusal) {
        if refusal.is_polled() {
            return;
        }
        let form = asked.token_form().ok();
        let find = |name: &str| form.as_ref().and_then(|form| form.get(name));
        let client = self.claimed_client(find("client_assertion"), find("client_id"));
        let grant_type = bounded(find("grant_type").unwrap_or_default());
        let event = self.token_event(Token::Access, asked, &grant_type).by(client);
        if refusal.asks_for_nonce() {
            let reason = Some("use_dpop_nonce".to_owned());
            let outcome = Outcome { result: OutcomeResult::Challenge, reason };
            return self.log(&Event { outcome, ..event });
        }
        let scopes = bounded(find("scope").unwrap_or_default());
        let event = event.failed(refusal.error()).debug("requestedScopes", scopes);
        self.log(&event.debug("cause", refusal.to_string()));
    }

    fn token_event(&self, token: Token, asked: &Asked, grant_type: &str) -> Event {
        let (event_type, message) = token.event(&self.id);
        Event::new(event_type, message).from(origin::of(&asked.head)).debug("grantType", grant_type)
    }

    /// Writes an event. A log that cannot be written holds up nobody.
    pub(super) fn log(&self, event: &Event) {
        if let Err(error) = self.org.store.log(event, self.now(), self.org.random.as_ref()) {
            tracing::error!(%error, "the system log cannot be written");
        }
    }

    /// The client that a request says it is of; of a request that was refused nobody knows better.
    fn claimed_client(&self, assertion: Option<&str>, client_id: Option<&str>) -> EventObject {
        let asserted = assertion.and_then(|assertion| UnverifiedAssertion::parse(assertion).ok());
        let asserted = asserted.as_ref().map(UnverifiedAssertion::client_id);
        let Some(client_id) = asserted.or(client_id) else { return EventObject::unknown() };
        let label = self.org.store.label_and_roles(client_id).ok().flatten().map(|(label, _)| label);
        EventObject::new("PublicClientApp", client_id, label.unwrap_or_else(|| "unknown".to_owned()))
    }
}

/// Characters of a parameter that the log repeats, at most.
const SHOWN_CHARACTERS: usize = 500;

fn bounded(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}
