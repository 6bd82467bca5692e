//! What a client sends of an app, and what is wrong with it.

use keybound::PublicKey;
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::app_causes::Causes;
use super::body;
use super::error::ApiError;
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
pub(super) struct Jwks {
    pub(super) keys: Vec<Map<String, Value>>,
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
        let mut causes = Causes::default();
        let presentation = causes.take_all(self.presentation).unwrap_or_default();
        let Members { name, label, sign_on_mode, credentials, settings } = self.settings;
        causes.only("name", name.as_deref(), "oidc_client");
        causes.only("signOnMode", sign_on_mode.as_deref(), "OPENID_CONNECT");
        let label = causes.label(if self.keeps_label { Some(present.label) } else { label });

        let (credentials, mut oauth) = (credentials.oauth_client, settings.oauth_client);
        causes.unless(
            credentials.client_id.is_none() || credentials.client_id == present.client_id,
            "client_id: this org names its clients itself; leave it out",
        );
        causes.unless(oauth.jwks_uri.is_none(), "jwks_uri: this org fetches no keys; send them in jwks");
        let client_secret = credentials.client_secret.as_deref().and_then(|secret| causes.secret(secret));
        let keys = oauth.jwks.take().map(|jwks| causes.keys(&jwks));
        let has_keys = keys.as_ref().map_or(present.has_keys, |keys| !keys.is_empty());
        let dpop_bound_access_tokens =
            oauth.dpop_bound_access_tokens.unwrap_or(present.dpop_bound_access_tokens);
        let client = client(credentials, oauth, present.client, &mut causes);
        causes.check(&client, has_keys);
        causes.none("label")?;
        Ok(AppSettings {
            label,
            client,
            dpop_bound_access_tokens,
            implicit_assignment: settings.implicit_assignment.unwrap_or(present.implicit_assignment),
            keys,
            client_secret,
            presentation,
        })
    }
}

/// The settings of a client, each as the body has it or as it was.
fn client(
    credentials: OauthCredentials,
    oauth: OauthSettings,
    was: ClientSettings,
    causes: &mut Causes,
) -> ClientSettings {
    let application_type = causes.named("application_type", oauth.application_type, ApplicationType::of_name);
    let grant_types = causes.all_named("grant_types", oauth.grant_types, GrantType::of_name);
    let response_types = causes.all_named("response_types", oauth.response_types, ResponseType::of_name);
    let token_endpoint_auth_method = causes.named(
        "token_endpoint_auth_method",
        credentials.token_endpoint_auth_method,
        TokenEndpointAuthMethod::of_name,
    );
    ClientSettings {
        application_type: application_type.unwrap_or(was.application_type),
        redirect_uris: oauth.redirect_uris.unwrap_or(was.redirect_uris),
        post_logout_redirect_uris: oauth.post_logout_redirect_uris.unwrap_or(was.post_logout_redirect_uris),
        grant_types: grant_types.unwrap_or(was.grant_types),
        response_types: response_types.unwrap_or(was.response_types),
        token_endpoint_auth_method: token_endpoint_auth_method.unwrap_or(was.token_endpoint_auth_method),
        pkce_required: credentials.pkce_required.unwrap_or(was.pkce_required),
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
