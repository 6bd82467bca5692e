//! What a client sends of an app, and what is wrong with it.

use keybound::PublicKey;
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::body;
use super::error::ApiError;
use crate::authorization_server::is_redirect_uri;
use crate::store::{
    AppPresentation, ApplicationType, ClientSecret, ClientSettings, GrantType, ResponseType,
    TokenEndpointAuthMethod,
};

/// An app as Okta's API has it. What this org has no use for is kept to be shown, if it is one of a list, and else not
/// looked at.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct AppBody {
    settings: Members,
    presentation: Result<AppPresentation, Vec<String>>,
    keeps_label: bool,
}

impl TryFrom<Value> for AppBody {
    type Error = serde_json::Error;

    fn try_from(app: Value) -> Result<Self, Self::Error> {
        let presentation = AppPresentation::of(&app);
        Ok(Self { settings: serde_json::from_value(app)?, presentation, keeps_label: false })
    }
}

/// The members that mean something here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Members {
    name: Option<String>,
    label: Option<String>,
    sign_on_mode: Option<String>,
    credentials: Credentials,
    settings: Settings,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Credentials {
    oauth_client: OauthCredentials,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OauthCredentials {
    client_id: Option<String>,
    #[serde(deserialize_with = "body::secret")]
    client_secret: Option<Zeroizing<String>>,
    token_endpoint_auth_method: Option<String>,
    pkce_required: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    oauth_client: OauthSettings,
    implicit_assignment: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OauthSettings {
    application_type: Option<String>,
    redirect_uris: Option<Vec<String>>,
    post_logout_redirect_uris: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    dpop_bound_access_tokens: Option<bool>,
    jwks: Option<Jwks>,
    jwks_uri: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Jwks {
    keys: Vec<Map<String, Value>>,
}

/// An app that is as it must be.
pub(super) struct AppSettings {
    pub(super) label: String,
    pub(super) client: ClientSettings,
    pub(super) dpop_bound_access_tokens: bool,
    pub(super) implicit_assignment: bool,
    /// The keys, if the body names any.
    pub(super) keys: Option<Vec<PublicKey>>,
    /// The secret that the body brings, if it does.
    pub(super) client_secret: Option<ClientSecret>,
    /// What the body says that decides nothing.
    pub(super) presentation: AppPresentation,
}

/// What an app has of which the body says nothing.
pub(super) struct Present {
    pub(super) label: String,
    pub(super) client_id: Option<String>,
    pub(super) client: ClientSettings,
    pub(super) dpop_bound_access_tokens: bool,
    pub(super) implicit_assignment: bool,
    pub(super) has_keys: bool,
}

/// Characters of a label, as Okta has it.
const MAX_LABEL_CHARACTERS: usize = 100;

impl AppBody {
    /// What a new app of the body's type has, as Okta has it: API Services apps have DPoP on.
    pub(super) fn of_new_app(&self) -> Present {
        let oauth = &self.settings.settings.oauth_client;
        let application_type = oauth.application_type.as_deref().and_then(ApplicationType::of_name);
        let application_type = application_type.unwrap_or(ApplicationType::Web);
        let is_service = application_type == ApplicationType::Service;
        let is_public = matches!(application_type, ApplicationType::Browser | ApplicationType::Native);
        let token_endpoint_auth_method = match application_type {
            _ if oauth.jwks.is_some() => TokenEndpointAuthMethod::PrivateKeyJwt,
            _ if is_public => TokenEndpointAuthMethod::None,
            _ => TokenEndpointAuthMethod::ClientSecretBasic,
        };
        Present {
            label: String::new(),
            client_id: None,
            client: ClientSettings {
                application_type,
                redirect_uris: Vec::new(),
                post_logout_redirect_uris: Vec::new(),
                grant_types: vec![if is_service {
                    GrantType::ClientCredentials
                } else {
                    GrantType::AuthorizationCode
                }],
                response_types: vec![if is_service { ResponseType::Token } else { ResponseType::Code }],
                token_endpoint_auth_method,
                pkce_required: is_public,
            },
            dpop_bound_access_tokens: is_service,
            implicit_assignment: false,
            has_keys: false,
        }
    }

    /// Whether the group of all users is assigned to a new app, as Okta's console would: unless the body says that nobody
    /// is to be in without an assignment.
    pub(super) fn assigns_everyone(&self) -> bool {
        self.settings.settings.implicit_assignment != Some(false)
    }

    /// The body for an app that keeps the label that it has then.
    pub(crate) fn keeping_label(self) -> Self {
        Self { keeps_label: true, ..self }
    }

    /// The app that the body makes of what is present. All that is wrong is told at once.
    pub(super) fn read(self, present: Present) -> Result<AppSettings, ApiError> {
        let Self { settings: members, presentation, keeps_label } = self;
        let mut causes = Causes::default();
        let presentation = presentation.unwrap_or_else(|refused| {
            causes.0.extend(refused);
            AppPresentation::default()
        });
        causes.unless(
            members.name.as_deref().is_none_or(|name| name == "oidc_client"),
            "name: this org has apps of the name oidc_client alone",
        );
        causes.unless(
            members.sign_on_mode.as_deref().is_none_or(|mode| mode == "OPENID_CONNECT"),
            "signOnMode: this org has apps of the mode OPENID_CONNECT alone",
        );
        let label = if keeps_label { Some(present.label) } else { members.label };
        let label = label.unwrap_or_default().trim().to_owned();
        causes.unless(!label.is_empty(), "label: The field cannot be left blank");
        causes.unless(label.chars().count() <= MAX_LABEL_CHARACTERS, "label: The field is too long");

        let implicit_assignment = members.settings.implicit_assignment.unwrap_or(present.implicit_assignment);
        let (credentials, oauth) = (members.credentials.oauth_client, members.settings.oauth_client);
        causes.unless(
            credentials.client_id.is_none() || credentials.client_id == present.client_id,
            "client_id: this org names its clients itself; leave it out",
        );
        causes.unless(oauth.jwks_uri.is_none(), "jwks_uri: this org fetches no keys; send them in jwks");
        let client_secret = credentials.client_secret.map(|secret| ClientSecret::chosen(&secret));
        causes.unless(!matches!(client_secret, Some(None)), "client_secret: must have 14 to 100 characters");
        let keys = oauth
            .jwks
            .map(|jwks| jwks.keys.iter().filter_map(|key| causes.take(public_key(key))).collect::<Vec<_>>());

        let was = present.client;
        let client = ClientSettings {
            application_type: causes
                .named("application_type", oauth.application_type, ApplicationType::of_name)
                .unwrap_or(was.application_type),
            redirect_uris: oauth.redirect_uris.unwrap_or(was.redirect_uris),
            post_logout_redirect_uris: oauth
                .post_logout_redirect_uris
                .unwrap_or(was.post_logout_redirect_uris),
            grant_types: causes
                .all_named("grant_types", oauth.grant_types, GrantType::of_name)
                .unwrap_or(was.grant_types),
            response_types: causes
                .all_named("response_types", oauth.response_types, ResponseType::of_name)
                .unwrap_or(was.response_types),
            token_endpoint_auth_method: causes
                .named(
                    "token_endpoint_auth_method",
                    credentials.token_endpoint_auth_method,
                    TokenEndpointAuthMethod::of_name,
                )
                .unwrap_or(was.token_endpoint_auth_method),
            pkce_required: credentials.pkce_required.unwrap_or(was.pkce_required),
        };
        let has_keys = keys.as_ref().map_or(present.has_keys, |keys| !keys.is_empty());
        causes.check(&client, has_keys);
        causes.none("label")?;
        Ok(AppSettings {
            label,
            client,
            dpop_bound_access_tokens: oauth
                .dpop_bound_access_tokens
                .unwrap_or(present.dpop_bound_access_tokens),
            implicit_assignment,
            keys,
            client_secret: client_secret.flatten(),
            presentation,
        })
    }
}

/// A key as a client sends it. It says nothing of what stands there: it may be a private key.
pub(crate) fn public_key(jwk: &Map<String, Value>) -> Result<PublicKey, String> {
    if jwk.contains_key("d") || jwk.contains_key("k") {
        return Err(
            "jwks: the key has private members; send the public key alone, and make another pair".to_owned()
        );
    }
    // What Okta adds to a key when it shows it, and a client may send back.
    let is_of_key = |name: &str| !matches!(name, "id" | "status" | "created" | "lastUpdated" | "_links");
    let mut jwk: Map<_, _> = jwk
        .iter()
        .filter(|(name, value)| is_of_key(name) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(curve) = curve_left_out(&jwk) {
        jwk.insert("crv".to_owned(), curve.into());
    }
    PublicKey::from_jwk(Value::Object(jwk).to_string().as_bytes()).map_err(|error| format!("jwks: {error}"))
}

/// The curve of a key that does not name it: Terraform's provider sends such keys, and Okta takes them. It follows from
/// the length of a coordinate (RFC 7518 section 6.2.1.2).
fn curve_left_out(jwk: &Map<String, Value>) -> Option<&'static str> {
    if jwk.get("kty")? != "EC" || jwk.contains_key("crv") {
        return None;
    }
    match jwk.get("x")?.as_str()?.len() {
        43 => Some("P-256"),
        64 => Some("P-384"),
        88 => Some("P-521"),
        _ => None,
    }
}

/// What is wrong with a body.
#[derive(Default)]
struct Causes(Vec<String>);

impl Causes {
    fn unless(&mut self, is_good: bool, cause: &str) {
        if !is_good {
            self.0.push(cause.to_owned());
        }
    }

    fn take<T>(&mut self, found: Result<T, String>) -> Option<T> {
        found.map_err(|cause| self.0.push(cause)).ok()
    }

    fn named<T>(&mut self, member: &str, name: Option<String>, of_name: fn(&str) -> Option<T>) -> Option<T> {
        let found = of_name(&name?);
        self.unless(found.is_some(), &format!("{member}: has a value that this org does not know"));
        found
    }

    fn all_named<T>(
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
    fn check(&mut self, client: &ClientSettings, has_keys: bool) {
        use TokenEndpointAuthMethod as Method;
        let method = client.token_endpoint_auth_method;
        let is_service = client.application_type == ApplicationType::Service;
        let redirects = [GrantType::AuthorizationCode, GrantType::Implicit, GrantType::InteractionCode];
        let is_sent_back = redirects.into_iter().any(|grant_type| client.allows(grant_type));
        self.unless(!client.grant_types.is_empty(), "grant_types: The field cannot be left blank");
        self.unless(
            !is_sent_back || !client.redirect_uris.is_empty(),
            "redirect_uris: The field cannot be left blank",
        );
        self.unless(
            !(is_service && is_sent_back),
            "grant_types: an app of the type service acts for itself, by client_credentials",
        );
        self.unless(
            client.allows(GrantType::AuthorizationCode)
                == client.response_types.contains(&ResponseType::Code),
            "response_types: 'code' goes with the grant type 'authorization_code', and with no other",
        );
        self.unless(
            method != Method::PrivateKeyJwt || has_keys,
            "jwks: an app that authenticates by private_key_jwt needs a public key",
        );
        self.unless(
            method != Method::None || !client.allows(GrantType::ClientCredentials),
            "token_endpoint_auth_method: client_credentials is for clients that authenticate",
        );
        self.unless(
            method != Method::None
                || is_service
                || !client.allows(GrantType::AuthorizationCode)
                || client.pkce_required,
            "pkce_required: a client that does not authenticate needs PKCE",
        );
        self.unless(
            client.application_type != ApplicationType::Browser || method == Method::None,
            "token_endpoint_auth_method: an app in a browser can keep no secret; it must be none",
        );
        for (member, uris) in [
            ("redirect_uris", &client.redirect_uris),
            ("post_logout_redirect_uris", &client.post_logout_redirect_uris),
        ] {
            self.unless(
                uris.iter().all(|uri| is_redirect_uri(uri)),
                &format!("{member}: must be absolute URIs without a fragment"),
            );
        }
    }

    fn none(self, subject: &str) -> Result<(), ApiError> {
        match self.0.first() {
            None => Ok(()),
            Some(first) => {
                let subject = first.split_once(':').map_or(subject, |(member, _)| member).to_owned();
                Err(ApiError::invalid(&subject, self.0))
            }
        }
    }
}
