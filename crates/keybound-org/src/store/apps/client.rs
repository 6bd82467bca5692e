//! What kind of client an app is (RFC 7591 section 2, with Okta's names).

use crate::wire_name::wire_names;

/// What kind of client an app is, and where its users are sent. The default is a service app: a client
/// that acts for itself and authenticates with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// What the app runs as.
    pub application_type: ApplicationType,
    /// Where an authorization response may be sent, compared as text.
    pub redirect_uris: Vec<String>,
    /// Where a user may be sent after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// What it may show to get a token.
    pub grant_types: Vec<GrantType>,
    /// What an authorization response may carry.
    pub response_types: Vec<ResponseType>,
    /// How it proves who it is.
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// Whether its authorization requests must carry a PKCE challenge (RFC 7636).
    pub pkce_required: bool,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            application_type: ApplicationType::Service,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            grant_types: vec![GrantType::ClientCredentials],
            response_types: vec![ResponseType::Token],
            token_endpoint_auth_method: TokenEndpointAuthMethod::PrivateKeyJwt,
            pkce_required: false,
        }
    }
}

impl ClientSettings {
    /// Whether the app may get tokens in this way.
    pub fn allows(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }
}

wire_names! {
    /// Whether an app's clients are let in.
    pub enum AppStatus {
        /// They are.
        Active = "ACTIVE",
        /// They are not, and the app may be deleted.
        Inactive = "INACTIVE",
    }
}

wire_names! {
    /// What an app runs as.
    pub enum ApplicationType {
        /// On a server, for itself.
        Service = "service",
        /// On a server, for users.
        Web = "web",
        /// On a user's device.
        Native = "native",
        /// In a browser.
        Browser = "browser",
    }
}

wire_names! {
    /// What an app may show to get a token.
    pub enum GrantType {
        /// A code from an authorization response (RFC 6749 section 4.1).
        AuthorizationCode = "authorization_code",
        /// A refresh token (RFC 6749 section 6).
        RefreshToken = "refresh_token",
        /// Nothing but its own credentials (RFC 6749 section 4.4).
        ClientCredentials = "client_credentials",
        /// A code that its user approved on another device (RFC 8628).
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
        /// Nothing: the authorization response has the token.
        Implicit = "implicit",
        /// The user's password.
        Password = "password",
        /// Another token (RFC 8693).
        TokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange",
        /// A JWT that somebody else issued (RFC 7523 section 2.1).
        JwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer",
        /// A SAML assertion (RFC 7522 section 2.1).
        Saml2Bearer = "urn:ietf:params:oauth:grant-type:saml2-bearer",
        /// A code of Okta's identity engine.
        InteractionCode = "interaction_code",
    }
}

wire_names! {
    /// What an authorization response may carry.
    pub enum ResponseType {
        /// A code.
        Code = "code",
        /// An access token. Service apps have it though they get no authorization response.
        Token = "token",
        /// An ID token.
        IdToken = "id_token",
    }
}

wire_names! {
    /// How a client proves who it is at the token endpoint.
    pub enum TokenEndpointAuthMethod {
        /// By an assertion that it signed with its key (RFC 7523).
        PrivateKeyJwt = "private_key_jwt",
        /// By a secret in the `Authorization` field.
        ClientSecretBasic = "client_secret_basic",
        /// By a secret in the form.
        ClientSecretPost = "client_secret_post",
        /// Not at all: it can keep no secret.
        None = "none",
    }
}

impl TokenEndpointAuthMethod {
    /// Whether the client has a secret that it sends.
    pub const fn uses_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}
