//! The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1, RFC 7636 section 4.3,
//! RFC 9449 section 10).
//!
//! What is wrong with one is told to the client by redirect, but for two things: an app that is not known, and a
//! redirect URI that the app did not register. Nobody is sent anywhere then.

use keybound::{NumericDate, Thumbprint, base64url};

use super::AuthorizationServer;
use super::authorization_response::{ResponseMode, ResponseTarget};
use super::redirect_uri::RedirectUri;
use super::refusal::TokenRefusal;
use crate::form::{Form, FormRefusal};
use crate::store::{App, AppStatus, GrantType, TokenEndpointAuthMethod};

/// Bytes of `state` and of `nonce`, at most: both come back in a URL or a token.
pub(super) const MAX_ECHOED_BYTES: usize = 2 * 1024;

/// Bytes of a `login_hint`, at most: an address of e-mail.
const MAX_LOGIN_HINT_BYTES: usize = 320;

/// Bytes of the SHA-256 in a code challenge.
const CHALLENGE_BYTES: usize = 32;

/// A request that may be answered where it says.
pub(super) struct AuthorizationRequest {
    pub(super) app: App,
    pub(super) target: ResponseTarget,
    pub(super) scopes: Vec<String>,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: Option<String>,
    /// The key that the code is bound to.
    pub(super) key: Option<Thumbprint>,
    pub(super) prompt: Prompt,
    /// How long ago the user may have signed in, in seconds.
    pub(super) max_age: Option<u64>,
    pub(super) login_hint: Option<String>,
    /// The `request_uri` that it was pushed under.
    pub(super) pushed: Option<String>,
}

/// What the user has to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    /// Nothing.
    pub(super) none: bool,
    /// The sign-in page, signed in or not.
    pub(super) login: bool,
    /// What the app asks for.
    pub(super) consent: bool,
}

/// What is wrong with a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestRefusal {
    #[error("A pushed request names no request_uri (RFC 9126 section 2.1).")]
    PushedTwice,
    #[error("The parameter request is not supported.")]
    RequestObject,
    #[error(
        "The response type is not supported by the authorization server. Configured response types: [code]."
    )]
    ResponseType,
    #[error(
        "The response mode is not supported: use query, fragment or form_post, or okta_post_message for a redirect URI \
         on the web of an app that is not native."
    )]
    ResponseMode,
    #[error(
        "The client is not authorized to use the provided grant type. Add authorization_code to the grant types of the app."
    )]
    GrantNotAllowed,
    #[error("PKCE code challenge is required when the token endpoint authentication method is 'NONE'.")]
    NoChallenge,
    #[error("PKCE code challenge is required by the app.")]
    ChallengeRequired,
    #[error("The code_challenge_method must be S256, and code_challenge a SHA-256 in base64url (RFC 7636).")]
    Challenge,
    #[error("The dpop_jkt is not the SHA-256 thumbprint of a key in base64url (RFC 9449 section 10).")]
    Thumbprint,
    #[error("The prompt is none alone, or login, or consent, or both (OpenID Connect Core section 3.1.2.1).")]
    Prompt,
    #[error("The max_age must be a number of seconds.")]
    MaxAge,
    #[error("The parameter {0} is too long.")]
    TooLong(&'static str),
    #[error("The client specified not to prompt, but the user is not logged in.")]
    LoginRequired,
    #[error("The resource owner or authorization server denied the request.")]
    Denied,
}

impl RequestRefusal {
    /// The error as it goes over the wire (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6).
    pub(super) const fn error(&self) -> &'static str {
        match self {
            Self::RequestObject => "request_not_supported",
            Self::ResponseType => "unsupported_response_type",
            Self::GrantNotAllowed => "unauthorized_client",
            Self::LoginRequired => "login_required",
            Self::Denied => "access_denied",
            Self::PushedTwice
            | Self::ResponseMode
            | Self::NoChallenge
            | Self::ChallengeRequired
            | Self::Challenge
            | Self::Thumbprint
            | Self::Prompt
            | Self::MaxAge
            | Self::TooLong(_) => "invalid_request",
        }
    }
}

/// Why a request is not answered by a code.
pub(super) enum NotAuthorized {
    /// The user is told, and sent nowhere.
    Here(NoTarget),
    /// The client is told.
    There(Box<ResponseTarget>, TokenRefusal),
}

/// Why nobody is sent anywhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTarget {
    #[error("The request cannot be read: {0}")]
    Form(#[from] FormRefusal),
    #[error(
        "No app that is active has the client id of this request. `keybound org app list` shows those that are there."
    )]
    UnknownClient,
    #[error(
        "The redirect_uri of this request is not one of the app's. Register exactly the URI that the app sends; the \
         port of a loopback address may differ for a native app alone."
    )]
    RedirectUri,
    #[error(
        "The request_uri is not one that was given to this client, has been used, or has expired (RFC 9126)."
    )]
    RequestUri,
    #[error(
        "The page is not current any more, or cookies are switched off. Go back to the app and begin again."
    )]
    Stale,
    #[error(
        "The id_token_hint is not an ID token of this server (OpenID Connect RP-Initiated Logout section 2)."
    )]
    Hint,
    #[error(
        "A browser has to go to this page itself, and it was asked for in a frame, as a picture or by a script."
    )]
    Embedded,
    #[error(
        "The redirectUrl of this request is at no active Trusted Origin with the scope REDIRECT; add its origin in the \
         console under Trusted Origins, or by POST /api/v1/trustedOrigins."
    )]
    RedirectUrl,
    #[error("The session token has been used, or has expired. Ask for another one at /api/v1/authn.")]
    SessionToken,
    #[error("The post_logout_redirect_uri of this request is not one of the app's.")]
    LogoutUri,
    #[error("{0}")]
    Failed(TokenRefusal),
}

impl<E: Into<TokenRefusal>> From<E> for NotAuthorized {
    fn from(error: E) -> Self {
        Self::Here(NoTarget::Failed(error.into()))
    }
}

impl AuthorizationServer {
    /// Reads a request, or what was pushed of it before.
    pub(super) fn authorization_request(
        &self,
        form: &Form,
        now: NumericDate,
    ) -> Result<AuthorizationRequest, NotAuthorized> {
        let client_id = form.require("client_id").map_err(NoTarget::from)?;
        let (form, pushed) = match form.get("request_uri") {
            None => (form.clone(), None),
            Some(request_uri) => {
                (self.pushed_form(request_uri, client_id, now)?, Some(request_uri.to_owned()))
            }
        };
        let app = self.org.store.app(client_id)?.filter(|app| app.status == AppStatus::Active);
        let app = app.ok_or(NoTarget::UnknownClient)?;
        let target = response_target(&form, &app).ok_or(NoTarget::RedirectUri)?;
        match self.read_request(&form, app, target.clone()) {
            Ok(request) => Ok(AuthorizationRequest { pushed, ..request }),
            Err(refusal) => Err(NotAuthorized::There(Box::new(target), refusal)),
        }
    }

    /// What a client pushed, and is used once: when a code is given for it.
    fn pushed_form(
        &self,
        request_uri: &str,
        client_id: &str,
        now: NumericDate,
    ) -> Result<Form, NotAuthorized> {
        let kept = self.org.store.pushed_request(request_uri, now)?;
        let kept = kept.filter(|kept| kept.client_id == client_id && kept.server == self.id);
        let parameters = kept.ok_or(NoTarget::RequestUri)?.parameters;
        Ok(Form::of_query(&parameters).map_err(NoTarget::from)?)
    }

    /// Reads the rest of a request whose answer has a place to go to.
    pub(super) fn read_request(
        &self,
        form: &Form,
        app: App,
        target: ResponseTarget,
    ) -> Result<AuthorizationRequest, TokenRefusal> {
        if form.get("request").is_some() {
            return Err(RequestRefusal::RequestObject.into());
        }
        if ResponseMode::asked(form.get("response_mode"), &target.redirect_uri, &app).is_none() {
            return Err(RequestRefusal::ResponseMode.into());
        }
        if form.require("response_type")? != "code" {
            return Err(RequestRefusal::ResponseType.into());
        }
        if !app.client.allows(GrantType::AuthorizationCode) {
            return Err(RequestRefusal::GrantNotAllowed.into());
        }
        within(form, "state", MAX_ECHOED_BYTES)?;
        Ok(AuthorizationRequest {
            scopes: self.requested_scopes(form.get("scope"), &app, true)?,
            nonce: within(form, "nonce", MAX_ECHOED_BYTES)?,
            code_challenge: code_challenge(form, &app)?,
            key: thumbprint(form)?,
            prompt: prompt(form)?,
            max_age: max_age(form)?,
            login_hint: within(form, "login_hint", MAX_LOGIN_HINT_BYTES)?,
            pushed: None,
            app,
            target,
        })
    }
}

impl From<NoTarget> for NotAuthorized {
    fn from(reason: NoTarget) -> Self {
        Self::Here(reason)
    }
}

/// Where the response goes, if the app registered that.
pub(super) fn response_target(form: &Form, app: &App) -> Option<ResponseTarget> {
    let redirect_uri = RedirectUri::registered(form.get("redirect_uri")?, &app.client.redirect_uris, app)?;
    let mode = ResponseMode::asked(form.get("response_mode"), &redirect_uri, app);
    Some(ResponseTarget {
        redirect_uri,
        // An error in the mode itself is told by the usual one.
        mode: mode.unwrap_or(ResponseMode::Query),
        // What is too long to be sent back is left out.
        state: form.get("state").filter(|state| state.len() <= MAX_ECHOED_BYTES).map(str::to_owned),
    })
}

fn within(form: &Form, name: &'static str, limit: usize) -> Result<Option<String>, TokenRefusal> {
    match form.get(name) {
        Some(value) if value.len() > limit => Err(RequestRefusal::TooLong(name).into()),
        value => Ok(value.map(str::to_owned)),
    }
}

/// RFC 7636 section 4.3; `plain` protects from nobody who sees the request, and is not taken.
fn code_challenge(form: &Form, app: &App) -> Result<Option<String>, TokenRefusal> {
    let is_public = app.client.token_endpoint_auth_method == TokenEndpointAuthMethod::None;
    let Some(challenge) = form.get("code_challenge") else {
        return match (is_public, app.client.pkce_required) {
            (true, _) => Err(RequestRefusal::NoChallenge.into()),
            (false, true) => Err(RequestRefusal::ChallengeRequired.into()),
            (false, false) => Ok(None),
        };
    };
    let is_sha256 = base64url::decode_array::<CHALLENGE_BYTES>(challenge).is_ok();
    if is_sha256 && form.get("code_challenge_method") == Some("S256") {
        Ok(Some(challenge.to_owned()))
    } else {
        Err(RequestRefusal::Challenge.into())
    }
}

fn thumbprint(form: &Form) -> Result<Option<Thumbprint>, TokenRefusal> {
    let parsed = form.get("dpop_jkt").map(str::parse).transpose();
    parsed.map_err(|_| RequestRefusal::Thumbprint.into())
}

fn prompt(form: &Form) -> Result<Prompt, TokenRefusal> {
    let mut prompt = Prompt::default();
    for word in form.get("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return Err(RequestRefusal::Prompt.into()),
        }
    }
    if prompt.none && (prompt.login || prompt.consent) {
        return Err(RequestRefusal::Prompt.into());
    }
    Ok(prompt)
}

fn max_age(form: &Form) -> Result<Option<u64>, TokenRefusal> {
    let parsed = form.get("max_age").map(str::parse).transpose();
    parsed.map_err(|_| RequestRefusal::MaxAge.into())
}
