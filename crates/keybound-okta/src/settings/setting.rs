//! What can be set, by which names, and how.

/// One of the things that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// The org's URL.
    OrgUrl,
    /// The issuer of the tokens, where it is another authorization server than the org's own: a custom one of the org, or
    /// any that has metadata (RFC 8414).
    Issuer,
    /// The id of the service app.
    ClientId,
    /// The scopes to ask for, with spaces or commas between them; not set, each call asks for what it needs.
    Scopes,
    /// The resources that tokens are for, with spaces between them (RFC 8707).
    Resources,
    /// The same by the name of some servers (`audience`).
    Audience,
    /// What client assertions are for at an issuer: `issuer` or `token-endpoint`.
    AssertionAudience,
    /// The private key of the service app: a file (PEM or JWK), the key itself, or a reference to one that is
    /// elsewhere ([`KeyReference`](keybound_client::signers::KeyReference)).
    ClientKey,
    /// The id under which the app's public key is registered.
    KeyId,
    /// The secret that the app authenticates with in place of a key.
    ClientSecret,
    /// A file that has it.
    ClientSecretFile,
    /// How the app authenticates (RFC 7591 section 2): `private_key_jwt`, `client_secret_basic` or
    /// `client_secret_post`; not set, by what it has and what the issuer takes.
    TokenEndpointAuthMethod,
    /// The same by Okta's SDKs: `PrivateKey` is the one word that there is here.
    AuthorizationMode,
    /// Whether tokens are bound to a key: `required` or `off`.
    Dpop,
    /// The private key that tokens are bound to: a file (PEM or JWK), the key itself, or a reference to one that is
    /// elsewhere ([`KeyReference`](keybound_client::signers::KeyReference)).
    DpopKey,
    /// The public half of it, to be checked against the private one.
    DpopPublicKey,
    /// A file of certificate authorities (PEM) to trust beside the system's.
    CertificateAuthorities,
    /// Whether private keys that other users of the machine can read are taken: `refuse` or `accept`.
    ExposedKeys,
    /// Whether bound tokens are kept between runs: `on` or `off`.
    Cache,
}

impl Setting {
    /// All of them, in the order in which a client needs them.
    pub const ALL: [Self; 19] = [
        Self::OrgUrl,
        Self::Issuer,
        Self::ClientId,
        Self::Scopes,
        Self::Resources,
        Self::Audience,
        Self::AssertionAudience,
        Self::ClientKey,
        Self::KeyId,
        Self::ClientSecret,
        Self::ClientSecretFile,
        Self::TokenEndpointAuthMethod,
        Self::AuthorizationMode,
        Self::Dpop,
        Self::DpopKey,
        Self::DpopPublicKey,
        Self::CertificateAuthorities,
        Self::ExposedKeys,
        Self::Cache,
    ];

    /// Its names in the environment; the first that has a value counts. The names of Okta's samples come
    /// first, those of Okta's SDKs after them.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::OrgUrl => &["OKTA_ORG_URL", "OKTA_CLIENT_ORGURL"],
            Self::Issuer => &["OKTA_OAUTH2_ISSUER"],
            Self::ClientId => &["OKTA_CLIENT_ID", "OKTA_CLIENT_CLIENTID", "OKTA_OAUTH2_CLIENT_ID"],
            Self::Scopes => &["OKTA_SCOPES", "OKTA_CLIENT_SCOPES"],
            Self::Resources => &["KEYBOUND_RESOURCE"],
            Self::Audience => &["KEYBOUND_AUDIENCE"],
            Self::AssertionAudience => &["KEYBOUND_ASSERTION_AUDIENCE"],
            Self::ClientKey => &["OKTA_CC_PRIVATE_KEY_FILE", "OKTA_CLIENT_PRIVATEKEY"],
            Self::KeyId => &["OKTA_CLIENT_KID"],
            Self::ClientSecret => &["OKTA_CLIENT_SECRET", "OKTA_OAUTH2_CLIENT_SECRET"],
            Self::ClientSecretFile => &["OKTA_CLIENT_SECRET_FILE"],
            Self::TokenEndpointAuthMethod => &["KEYBOUND_TOKEN_ENDPOINT_AUTH_METHOD"],
            Self::AuthorizationMode => &["OKTA_CLIENT_AUTHORIZATIONMODE"],
            Self::Dpop => &["KEYBOUND_DPOP", "OKTA_CLIENT_DPOPENABLED"],
            Self::DpopKey => &["OKTA_DPOP_PRIVATE_KEY_FILE"],
            Self::DpopPublicKey => &["OKTA_DPOP_PUBLIC_KEY_FILE"],
            Self::CertificateAuthorities => &["KEYBOUND_CA_FILE"],
            Self::ExposedKeys => &["KEYBOUND_EXPOSED_KEYS"],
            Self::Cache => &["KEYBOUND_CACHE"],
        }
    }

    /// What it is, in a few words.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::OrgUrl => "the org's URL",
            Self::Issuer => "the issuer of the tokens",
            Self::ClientId => "the client id of the service app",
            Self::Scopes => "the scopes to ask for",
            Self::Resources => "the resources that tokens are for",
            Self::Audience => "the audience that tokens are for",
            Self::AssertionAudience => "what client assertions are for",
            Self::ClientKey => "the private key of the service app",
            Self::KeyId => "the id of the service app's key",
            Self::ClientSecret => "the client secret of the service app",
            Self::ClientSecretFile => "the file of the service app's client secret",
            Self::TokenEndpointAuthMethod => "how the service app authenticates",
            Self::AuthorizationMode => "the authorization mode",
            Self::Dpop => "whether tokens are bound to a key (DPoP)",
            Self::DpopKey => "the private key for DPoP proofs",
            Self::DpopPublicKey => "the public key for DPoP proofs",
            Self::CertificateAuthorities => "the certificate authorities to trust",
            Self::ExposedKeys => "whether private keys that others can read are taken",
            Self::Cache => "whether tokens are kept between runs",
        }
    }

    /// How to set it.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::OrgUrl => {
                "Set OKTA_ORG_URL to the org's address: OKTA_ORG_URL=https://dev-123456.okta.com; or, for an API that \
                 is not an org's, OKTA_OAUTH2_ISSUER to the issuer of its tokens."
            }
            Self::ClientId => {
                "Set OKTA_CLIENT_ID to the app's client id (0oa…): admin console → Applications → the app → \
                 General."
            }
            Self::Scopes => {
                "Set OKTA_SCOPES to scopes that are granted to the app (Okta API Scopes), with spaces \
                 between them: OKTA_SCOPES=okta.users.read; or leave it out, and each call asks for what it needs."
            }
            Self::Resources => {
                "Set KEYBOUND_RESOURCE to the URL of the API that the token is for: KEYBOUND_RESOURCE=https://api.example"
            }
            Self::ClientKey => {
                "Set OKTA_CC_PRIVATE_KEY_FILE to the file that has the app's private key, PEM or JWK, or to a \
                 reference to a key elsewhere; its public key is registered with the app (admin console → Applications → the app → Client \
                 Credentials). Where the issuer gave a secret in place of that: OKTA_CLIENT_SECRET_FILE, or OKTA_CLIENT_SECRET."
            }
            Self::ClientSecret => {
                "Set OKTA_CLIENT_SECRET_FILE to a file that has the secret and only you can read, or OKTA_CLIENT_SECRET to \
                 the secret itself."
            }
            Self::DpopKey => {
                "Set OKTA_DPOP_PRIVATE_KEY_FILE to the file that has the private key, PEM or JWK; or leave \
                 out OKTA_DPOP_PUBLIC_KEY_FILE too, and a fresh key is made for every run."
            }
            _ => "Leave it out, or give it a value that is known.",
        }
    }
}
