//! What is wrong with what a client sends of an app: each thing that must hold, and all that do not, told at once.

use keybound::PublicKey;

use super::app_body::{Jwks, public_key};
use super::error::ApiError;
use crate::authorization_server::is_redirect_uri;
use crate::store::{
    ApplicationType, ClientSecret, ClientSettings, GrantType, ResponseType, TokenEndpointAuthMethod,
};

/// Characters of a label, as Okta has it.
const MAX_LABEL_CHARACTERS: usize = 100;

/// What is wrong with a body.
#[derive(Default)]
pub(super) struct Causes(Vec<String>);

impl Causes {
    pub(super) fn unless(&mut self, is_good: bool, cause: &str) {
        if !is_good {
            self.0.push(cause.to_owned());
        }
    }

    fn take<T>(&mut self, found: Result<T, String>) -> Option<T> {
        found.map_err(|cause| self.0.push(cause)).ok()
    }

    pub(super) fn take_all<T>(&mut self, found: Result<T, Vec<String>>) -> Option<T> {
        found.map_err(|causes| self.0.extend(causes)).ok()
    }

    /// A member that may be left out, and else is the one thing that this org has.
    pub(super) fn only(&mut self, member: &str, found: Option<&str>, only: &str) {
        self.unless(
            found.is_none_or(|found| found == only),
            &format!("{member}: this org has apps of the {member} {only} alone"),
        );
    }

    /// The label, without the space around it.
    pub(super) fn label(&mut self, label: Option<String>) -> String {
        let label = label.unwrap_or_default().trim().to_owned();
        self.unless(!label.is_empty(), "label: The field cannot be left blank");
        self.unless(label.chars().count() <= MAX_LABEL_CHARACTERS, "label: The field is too long");
        label
    }

    /// The secret that a client chose.
    pub(super) fn secret(&mut self, secret: &str) -> Option<ClientSecret> {
        let secret = ClientSecret::chosen(secret);
        self.unless(secret.is_some(), "client_secret: must have 14 to 100 characters");
        secret
    }

    /// The keys that are as they must be.
    pub(super) fn keys(&mut self, jwks: &Jwks) -> Vec<PublicKey> {
        jwks.keys.iter().filter_map(|key| self.take(public_key(key))).collect()
    }

    /// What a member names, if there is such a thing.
    pub(super) fn named<T>(
        &mut self,
        member: &str,
        name: Option<String>,
        of_name: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let found = of_name(&name?);
        self.unless(found.is_some(), &format!("{member}: has a value that this org does not know"));
        found
    }

    /// The same of a list; all must be there.
    pub(super) fn all_named<T>(
        &mut self,
        member: &str,
        names: Option<Vec<String>>,
        of_name: fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let found: Option<Vec<_>> = names?.iter().map(|name| of_name(name)).collect();
        self.unless(found.is_some(), &format!("{member}: has a value that this org does not know"));
        found
    }

    /// What must hold for the settings of a client together.
    pub(super) fn check(&mut self, client: &ClientSettings, has_keys: bool) {
        use TokenEndpointAuthMethod as Method;
        let method = client.token_endpoint_auth_method;
        let is_service = client.application_type == ApplicationType::Service;
        let redirects = [GrantType::AuthorizationCode, GrantType::Implicit, GrantType::InteractionCode];
        let is_sent_back = redirects.into_iter().any(|grant_type| client.allows(grant_type));
        let has_code = client.allows(GrantType::AuthorizationCode);
        for (holds, cause) in [
            (!client.grant_types.is_empty(), "grant_types: The field cannot be left blank"),
            (
                !is_sent_back || !client.redirect_uris.is_empty(),
                "redirect_uris: The field cannot be left blank",
            ),
            (
                !(is_service && is_sent_back),
                "grant_types: an app of the type service acts for itself, by client_credentials",
            ),
            (
                has_code == client.response_types.contains(&ResponseType::Code),
                "response_types: 'code' goes with the grant type 'authorization_code', and with no other",
            ),
            (
                method != Method::PrivateKeyJwt || has_keys,
                "jwks: an app that authenticates by private_key_jwt needs a public key",
            ),
            (
                method != Method::None || !client.allows(GrantType::ClientCredentials),
                "token_endpoint_auth_method: client_credentials is for clients that authenticate",
            ),
            (
                method != Method::None || is_service || !has_code || client.pkce_required,
                "pkce_required: a client that does not authenticate needs PKCE",
            ),
            (
                client.application_type != ApplicationType::Browser || method == Method::None,
                "token_endpoint_auth_method: an app in a browser can keep no secret; it must be none",
            ),
        ] {
            self.unless(holds, cause);
        }
        self.uris("redirect_uris", &client.redirect_uris);
        self.uris("post_logout_redirect_uris", &client.post_logout_redirect_uris);
    }

    fn uris(&mut self, member: &str, uris: &[String]) {
        self.unless(
            uris.iter().all(|uri| is_redirect_uri(uri)),
            &format!("{member}: must be absolute URIs without a fragment"),
        );
    }

    /// Refuses the body if anything is wrong; `subject` is what Okta names where the first cause names no member.
    pub(super) fn none(self, subject: &str) -> Result<(), ApiError> {
        match self.0.first() {
            None => Ok(()),
            Some(first) => {
                let subject = first.split_once(':').map_or(subject, |(member, _)| member).to_owned();
                Err(ApiError::invalid(&subject, self.0))
            }
        }
    }
}
