//! Settings of a client of an org, from given values, the environment, a profile, a `.env` file and
//! `okta.yaml`, by the names that Okta's samples and SDKs use.

mod credential;
mod env_file;
mod error;
mod file;
mod issuer;
mod key_file;
mod key_reference;
mod okta_yaml;
mod profile;
mod setting;
mod settings_file;
mod sources;

use std::sync::Arc;

use keybound::proof::DpopKey;
use keybound::{Algorithm, PublicKey, Signer};
use keybound_client::{Issuer, ServiceCredential, ServiceGrant, TokenBinding, TransportOptions, field};

pub use credential::SecretProblem;
pub use env_file::EnvFileError;
pub use error::SettingsError;
pub use file::ReadError;
pub use issuer::IssuerProblem;
pub use key_file::KeyProblem;
pub use okta_yaml::OktaYamlError;
pub use profile::ProfileError;
pub use setting::Setting;
pub use sources::{Origin, Source, Sources};

use crate::org_url::OrgUrl;
use credential::Chosen;
use key_file::{KeyOfSettings, KeyText};
use sources::{Found, OpenSources};

/// Bytes of a file of certificate authorities, at most: twice what a whole system's bundle has.
const MAX_AUTHORITIES_BYTES: u64 = 1024 * 1024;

/// All that is needed to call an org, or an API that takes the tokens of another issuer. Whatever is in here has been
/// checked.
#[derive(Clone)]
pub struct Settings {
    /// The org whose API is called; none where the tokens are another issuer's, and for other APIs.
    pub org_url: Option<OrgUrl>,
    /// Who is asked for tokens (the org, or the issuer that is set), and what for: the client id, the id of the key, and
    /// the scopes. Where there are none, each call of an org asks for those that its operation needs, and for other APIs
    /// the issuer chooses.
    pub grant: ServiceGrant,
    /// The key or the secret that the app authenticates with.
    pub credential: ServiceCredential,
    /// Whether tokens are bound to a key, and to which: the one that is set, or a fresh one. A fresh one is gone with
    /// these settings, and its tokens are of no more use then.
    pub binding: TokenBinding,
    /// Whether tokens that are bound to a key that stays may be kept between runs.
    pub keeps_tokens: bool,
    /// Certificate authorities (PEM) to trust beside the system's.
    pub certificate_authorities: Vec<String>,
}

impl Settings {
    /// Finds, reads and checks every setting. The first that is wrong is the error.
    ///
    /// Files are read while this runs, and keys that are elsewhere are opened; it blocks for as long as that takes.
    pub fn resolve(sources: Sources<'_>) -> Result<Self, SettingsError> {
        let sources = sources.open()?;
        let chosen = Chosen::find(&sources)?;
        let (org_url, server) = issuer::server(&sources)?;
        let mut grant = ServiceGrant::new(server, client_id(&sources)?, scopes(&sources)?);
        (grant.resources, grant.audience) = (issuer::resources(&sources)?, issuer::audience(&sources));
        let chosen = chosen.ok_or_else(|| sources.missing(Setting::ClientKey))?;
        let (credential, key_id) = chosen.read(&sources)?;
        grant.key_id = key_id;
        Ok(Self {
            org_url,
            grant,
            credential,
            binding: binding(&sources, &chosen)?,
            keeps_tokens: keeps_tokens(&sources)?,
            certificate_authorities: certificate_authorities(&sources)?,
        })
    }

    /// Whose tokens they are; an org's own issuer is its origin.
    pub fn issuer(&self) -> String {
        match &self.org_url {
            Some(org_url) => org_url.origin().to_owned(),
            None => self.grant.server.to_string(),
        }
    }

    /// A network that trusts what these settings trust.
    pub fn transport_options(&self) -> TransportOptions {
        let mut options = TransportOptions::default();
        options.certificate_authorities.clone_from(&self.certificate_authorities);
        options
    }
}

/// All that is needed to call an org as a user who has logged in, but for the login.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserSettings {
    /// The org.
    pub org_url: OrgUrl,
    /// The authorization server to log in at, where it is not the org's own.
    pub issuer: Option<Issuer>,
    /// The client id that is set; it may be that of a service app.
    pub client_id: Option<String>,
    /// The scopes that are set.
    pub scopes: Vec<String>,
    /// The resources that tokens are for (RFC 8707).
    pub resources: Vec<String>,
    /// The same by the name of some servers; no standard has it in an authorization request.
    pub audience: Option<String>,
    /// Whether bound tokens may be kept between runs.
    pub keeps_tokens: bool,
    /// Certificate authorities (PEM) to trust beside the system's.
    pub certificate_authorities: Vec<String>,
}

impl UserSettings {
    /// Finds, reads and checks what a user's client needs; keys are not looked for.
    pub fn resolve(sources: Sources<'_>) -> Result<Self, SettingsError> {
        let sources = sources.open()?;
        Ok(Self {
            org_url: org_url(&sources)?.0,
            issuer: issuer::issuer(&sources)?,
            client_id: sources.find(Setting::ClientId).map(|_| client_id(&sources)).transpose()?,
            scopes: scopes(&sources)?,
            resources: issuer::resources(&sources)?,
            audience: issuer::audience(&sources),
            keeps_tokens: keeps_tokens(&sources)?,
            certificate_authorities: certificate_authorities(&sources)?,
        })
    }

    /// A network that trusts what these settings trust.
    pub fn transport_options(&self) -> TransportOptions {
        let mut options = TransportOptions::default();
        options.certificate_authorities.clone_from(&self.certificate_authorities);
        options
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("org_url", &self.org_url.as_ref().map(OrgUrl::origin))
            .field("grant", &self.grant)
            .field("credential", &self.credential)
            .field("binding", &self.binding)
            .finish_non_exhaustive()
    }
}

fn org_url(sources: &OpenSources<'_>) -> Result<(OrgUrl, Source), SettingsError> {
    let found = sources.require(Setting::OrgUrl)?;
    match OrgUrl::parse(&found.value) {
        Ok(org_url) => Ok((org_url, found.source)),
        Err(problem) => Err(SettingsError::OrgUrl { from: found.source, problem }),
    }
}

fn client_id(sources: &OpenSources<'_>) -> Result<String, SettingsError> {
    let found = sources.require(Setting::ClientId)?;
    let value = found.value.trim();
    if value.contains(['{', '}', '<', '>', ' ']) {
        let (setting, value) = (Setting::ClientId, field::readable(value));
        return Err(SettingsError::UnknownValue { setting, from: found.source, value, expected: "0oa…" });
    }
    Ok(value.to_owned())
}

/// The scopes that are set; none is no fault, since operations tell which they need.
fn scopes(sources: &OpenSources<'_>) -> Result<Vec<String>, SettingsError> {
    let Some(found) = sources.find(Setting::Scopes) else { return Ok(Vec::new()) };
    let names = found.value.split(|character: char| character.is_whitespace() || character == ',');
    let scopes: Vec<_> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let is_scope = |name: &str| {
        name.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)) // RFC 6749 section 3.3
    };
    match scopes.iter().find(|name| !is_scope(name)) {
        Some(scope) => Err(SettingsError::Scope { from: found.source, scope: field::readable(scope) }),
        None => Ok(scopes),
    }
}

fn keeps_tokens(sources: &OpenSources<'_>) -> Result<bool, SettingsError> {
    let words = [("on", true), ("true", true), ("off", false), ("false", false)];
    let found = sources.find(Setting::Cache);
    Ok(meaning(found, Setting::Cache, "`on` or `off`", &words)?.unwrap_or(true))
}

/// The key that tokens are bound to: the one that is set, or one that is made when the server has said of which algorithm.
fn binding(sources: &OpenSources<'_>, chosen: &Chosen) -> Result<TokenBinding, SettingsError> {
    let words = [("required", true), ("true", true), ("off", false), ("false", false)];
    let found = sources.find_about(Setting::Dpop, &chosen.found);
    let dpop = meaning(found, Setting::Dpop, "`required` or `off`", &words)?.unwrap_or(true);
    if !dpop {
        return Ok(TokenBinding::Bearer);
    }
    let key = match (sources.find(Setting::DpopKey), sources.find(Setting::DpopPublicKey)) {
        (None, None) => return Ok(TokenBinding::fresh()),
        (None, Some(_)) => return Err(sources.missing(Setting::DpopKey)),
        (Some(private), public) => dpop_key(sources, &private, public.as_ref())?,
    };
    Ok(TokenBinding::Dpop(DpopKey::new(key)))
}

/// The DPoP key that is set, once it is known to be of one pair with the public key, if that is set too.
fn dpop_key(
    sources: &OpenSources<'_>,
    private: &Found,
    public: Option<&Found>,
) -> Result<Arc<dyn Signer>, SettingsError> {
    let half = |found: &Found| {
        public_key(found).map_err(|problem| key_error(Setting::DpopPublicKey, found, problem))
    };
    let (public_half, reserved_for) = public.map(half).transpose()?.unzip();
    let reserved_for = reserved_for.flatten();
    let refuse_other = |key: &PublicKey| match (public, &public_half) {
        (Some(found), Some(half)) if half.thumbprint() != key.thumbprint() => {
            let (private, public) = (private.source.clone(), found.source.clone());
            Err(SettingsError::KeyPair { private, public })
        }
        _ => Ok(()),
    };
    if let Some(key) = key_elsewhere(sources, Setting::DpopKey, private, reserved_for)? {
        refuse_other(key.public_key())?;
        return Ok(key);
    }
    let key = private_key(sources, Setting::DpopKey, private)?;
    refuse_other(key.key.public_key())?;
    let key = key.into_signing_key(reserved_for);
    Ok(Arc::new(key.map_err(|problem| key_error(Setting::DpopKey, private, problem))?))
}

fn public_key(found: &Found) -> Result<(PublicKey, Option<Algorithm>), KeyProblem> {
    let key = KeyText::read(found)?.public_key()?;
    let reserved_for = key_file::algorithm_of(&key)?;
    Ok((key, reserved_for))
}

fn private_key(
    sources: &OpenSources<'_>,
    setting: Setting,
    found: &Found,
) -> Result<KeyOfSettings, SettingsError> {
    let accept_exposed = accepts_exposed_keys(sources)?;
    KeyText::read(found)
        .and_then(|text| {
            let key = text.private_key()?;
            if !accept_exposed {
                text.refuse_exposed()?;
            }
            Ok(key)
        })
        .map_err(|problem| key_error(setting, found, problem))
}

/// The key that is not in a file, if the setting refers to one.
fn key_elsewhere(
    sources: &OpenSources<'_>,
    setting: Setting,
    found: &Found,
    algorithm: Option<Algorithm>,
) -> Result<Option<Arc<dyn Signer>>, SettingsError> {
    let Some(reference) = key_reference::of(found) else { return Ok(None) };
    let accept_exposed = accepts_exposed_keys(sources)?;
    let opened = reference.and_then(|reference| key_reference::open(&reference, algorithm, accept_exposed));
    opened.map(Some).map_err(|problem| key_error(setting, found, problem))
}

fn accepts_exposed_keys(sources: &OpenSources<'_>) -> Result<bool, SettingsError> {
    let words = [("refuse", false), ("accept", true)];
    let exposed = sources.find(Setting::ExposedKeys);
    Ok(meaning(exposed, Setting::ExposedKeys, "`refuse` or `accept`", &words)?.unwrap_or(false))
}

fn certificate_authorities(sources: &OpenSources<'_>) -> Result<Vec<String>, SettingsError> {
    let Some(found) = sources.find(Setting::CertificateAuthorities) else { return Ok(Vec::new()) };
    let path = found.folder.join(found.value.trim());
    match file::read(&path, MAX_AUTHORITIES_BYTES) {
        Ok(file) if file.text.contains("-----BEGIN CERTIFICATE-----") => Ok(vec![file.text.to_string()]),
        Ok(_) => Err(SettingsError::NoCertificate { from: found.source, path }),
        Err(problem) => Err(SettingsError::CertificateAuthorities { from: found.source, path, problem }),
    }
}

/// What the word means that was found for `setting`, if there is one.
fn meaning<T: Copy>(
    found: Option<Found>,
    setting: Setting,
    expected: &'static str,
    words: &[(&str, T)],
) -> Result<Option<T>, SettingsError> {
    let Some(found) = found else { return Ok(None) };
    let value = found.value.trim();
    if let Some((_, meaning)) = words.iter().find(|(word, _)| value.eq_ignore_ascii_case(word)) {
        return Ok(Some(*meaning));
    }
    let value = field::readable(value);
    Err(SettingsError::UnknownValue { setting, from: found.source, value, expected })
}

fn key_error(setting: Setting, found: &Found, problem: KeyProblem) -> SettingsError {
    let path = match problem {
        KeyProblem::NeitherFileNorKey => None,
        _ => key_file::path_of(found),
    };
    SettingsError::Key { setting, from: found.source.clone(), path, problem: Box::new(problem) }
}
