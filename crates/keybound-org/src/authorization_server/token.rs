//! The token endpoint: a client that proves who it is gets an access token, bound to a key if it proves that it holds
//! one (RFC 6749 section 3.2, RFC 9449 sections 5 and 8). For a user it may come with an ID token and a refresh
//! token.
//!
//! # What is used up, and when
//!
//! That the assertion and the proof are used, and what the token is given for (a code, a refresh token), comes after
//! every check and is recorded in one transaction with what is given and the events that tell of it: a request that is
//! refused uses up nothing. So the answer to a nonce challenge works however the client makes it, and a client that sent
//! one bad proof keeps its assertion. A replay of either one is refused: what was recorded came with a request that was
//! granted a token, and only that is worth repeating. All signatures have been verified by then, so a stranger cannot use
//! up another's identifiers, nor fill the store. The token is signed before, so that what is recorded can be given.

use axum::response::{IntoResponse, Response};
use keybound::NumericDate;
use keybound::proof::VerifiedProof;

use super::AuthorizationServer;
use super::client::{Client, demand_pkce_of_pages};
use super::endpoint::Asked;
use super::grants::{Grant, known_grant_type};
use super::issue::Issued;
use super::refusal::TokenRefusal;
use crate::event::Event;
use crate::store::{NotGranted, TokenGrant};

/// Where the token endpoint is.
pub(super) const TOKEN: &str = "/token";

/// `POST /oauth2/v1/token`.
pub(super) fn endpoint(server: &AuthorizationServer, asked: &Asked) -> Response {
    match server.grant(asked) {
        Ok(issued) => issued.into_response(),
        Err(refusal) => {
            server.log_refusal(asked, &refusal);
            server.refuse(&refusal)
        }
    }
}

impl AuthorizationServer {
    /// A token request from its first check to its token.
    fn grant(&self, asked: &Asked) -> Result<Issued, TokenRefusal> {
        let now = self.now();
        let form = asked.token_form()?;
        let grant_type = known_grant_type(&form)?;
        let client = self.authenticated(&form, asked, TOKEN, now)?;
        client.may_use(grant_type)?;
        demand_pkce_of_pages(&asked.head.headers, grant_type, &form)?;
        let proof = self.demanded_proof(asked, TOKEN, &client.app, now)?;
        let key = proof.as_ref().map(VerifiedProof::thumbprint);
        let grant = self.granted(grant_type, &form, &client, now)?;
        grant.demand_key(key)?;
        let lifetimes = self.lifetimes(&client.app, grant_type, grant.scopes())?;
        let issued = self.issue(&client.app, &grant, key, lifetimes, now)?;
        let events = self.grant_events(asked, grant_type, &issued);
        self.record(&client, proof.as_ref(), &grant, &issued, &events, now)?;
        let (client_id, token_type) = (&client.app.client_id, issued.access_token.scheme.name());
        tracing::info!(client_id, token_type, grant_type = grant_type.name(), "token granted");
        Ok(issued)
    }

    /// Records all that a grant changes. What was used before ends what it was given for.
    fn record(
        &self,
        client: &Client,
        proof: Option<&VerifiedProof>,
        grant: &Grant<'_>,
        issued: &Issued,
        events: &[Event],
        now: NumericDate,
    ) -> Result<(), TokenRefusal> {
        let (store, random) = (&self.org.store, self.org.random.as_ref());
        let key = proof.map(VerifiedProof::thumbprint);
        let redemption = grant.user().map(|user| (user.redeemed, issued.given(&user.authorization, key)));
        let once = self.once(client, TOKEN, proof);
        let granted = TokenGrant { once: &once, redemption, events };
        match store.record_grant(&granted, self.org.refresh_token_grace, now, random) {
            Ok(()) => Ok(()),
            Err(NotGranted::Once(refusal)) => Err(refusal.into()),
            Err(NotGranted::UsedUp { redeemed, authorization }) => {
                store.end_authorization(&authorization.id, now)?;
                Err(TokenRefusal::used_up(redeemed))
            }
            Err(NotGranted::Store(error)) => Err(error.into()),
        }
    }
}
