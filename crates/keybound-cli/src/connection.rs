//! Whom to call, as whom and with whose tokens: flags over the environment over files (a profile, `.env`, `okta.yaml`).

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use keybound::NumericDate;
use keybound_client::{ClientRegistration, System, TokenBinding, TransportOptions};
use keybound_okta::{OktaClient, Origin, Setting, Settings, SettingsError, Sources, UserSettings};

use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::kept_files;
use crate::report::{Failure, Outcome};
use crate::session::{self, KeptLogin, WantedClient};

#[derive(Args, Debug)]
#[command(next_help_heading = "Connection (each has a variable, which may stand in .env)")]
pub(crate) struct Connection {
    /// A profile of ~/.config/keybound/config.toml (KEYBOUND_PROFILE).
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The org's URL (OKTA_ORG_URL).
    #[arg(long, value_name = "URL")]
    org_url: Option<String>,
    /// The issuer of the tokens, for other APIs than an org's: a custom authorization server of an org, or any that has
    /// metadata (OKTA_OAUTH2_ISSUER).
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The app's client id (OKTA_CLIENT_ID).
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A scope to ask for; may be given several times; those that the call needs, if not given (OKTA_SCOPES).
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A resource that the token is for, where the issuer wants it named (RFC 8707); may be given several times. A user's
    /// are those of the login (KEYBOUND_RESOURCE).
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
    /// The same as some issuers call it (KEYBOUND_AUDIENCE).
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    /// The app's private key: a file (PEM or JWK), or a reference to a key elsewhere (OKTA_CC_PRIVATE_KEY_FILE).
    #[arg(long, value_name = "FILE|REFERENCE")]
    private_key_file: Option<PathBuf>,
    /// The id under which that key is registered (OKTA_CLIENT_KID).
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    key_id: Option<String>,
    /// A file that has the app's secret, where the issuer gave one in place of a key (OKTA_CLIENT_SECRET_FILE, or the
    /// secret itself: OKTA_CLIENT_SECRET).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["private_key_file", "key_id"])]
    client_secret_file: Option<PathBuf>,
    /// The key for proofs, likewise; a fresh one, if not given: ES256, or another that the issuer takes
    /// (OKTA_DPOP_PRIVATE_KEY_FILE).
    #[arg(long, value_name = "FILE|REFERENCE", conflicts_with = "no_dpop")]
    dpop_private_key_file: Option<PathBuf>,
    /// Ask for a Bearer token, which anyone who gets hold of it can use (KEYBOUND_DPOP=off).
    #[arg(long)]
    no_dpop: bool,
    /// A certificate authority to trust beside the system's (KEYBOUND_CA_FILE).
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Call as the user who has logged in (`keybound login`); so it is without the flag where neither key nor secret is set.
    #[arg(long, conflicts_with_all = [
        "private_key_file", "client_secret_file", "no_dpop", "issuer", "resources", "audience",
    ])]
    as_user: bool,
    /// Keep no token between runs. Those that are bound to a key of a file are kept, under ~/.cache/keybound
    /// (KEYBOUND_CACHE=off).
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    clock: Clock,
}

/// In whose name a call is made.
pub(crate) enum Caller {
    App(Box<Settings>),
    User(Box<UserSettings>, KeptLogin),
}

impl Connection {
    /// A client of the org, or of the APIs that an issuer's tokens are for. Nothing is sent yet.
    pub(crate) fn open(&self) -> Outcome<OktaClient> {
        self.open_as(self.caller()?)
    }

    /// The same for a caller who is known already.
    pub(crate) fn open_as(&self, caller: Caller) -> Outcome<OktaClient> {
        match caller {
            Caller::App(settings) => Ok(self.client(*settings)),
            Caller::User(settings, login) => self.client_of_user(&settings, login),
        }
    }

    /// The flags with which another run has the same tokens, but for the scopes and the key for proofs.
    pub(crate) fn flags(&self) -> Vec<String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let texts = [
            ("profile", self.profile.clone()),
            ("org-url", self.org_url.clone()),
            ("issuer", self.issuer.clone()),
            ("client-id", self.client_id.clone()),
            ("audience", self.audience.clone()),
            ("private-key-file", path(&self.private_key_file)),
            ("key-id", self.key_id.clone()),
            ("client-secret-file", path(&self.client_secret_file)),
            ("ca-file", path(&self.ca_file)),
        ];
        let texts = texts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let resources = self.resources.iter().map(|resource| ("resource", resource.clone()));
        let mut flags: Vec<_> = texts.chain(resources).flat_map(|(name, value)| flag(name, &value)).collect();
        flags.extend(self.no_dpop.then(|| "--no-dpop".to_owned()));
        flags.extend(self.no_cache.then(|| "--no-cache".to_owned()));
        flags
    }

    /// Who calls: the app whose key or secret is set, or else the user who has logged in.
    pub(crate) fn caller(&self) -> Outcome<Caller> {
        if self.as_user {
            let settings = self.settings_of_login()?;
            let nobody = session::nobody(&settings.org_url);
            return self.user(settings)?.ok_or(nobody);
        }
        match self.resolve(None, Settings::resolve)? {
            Ok(settings) => Ok(Caller::App(Box::new(settings))),
            Err(missing @ SettingsError::Missing { setting: Setting::ClientKey | Setting::ClientId, .. }) => {
                match self.resolve(None, UserSettings::resolve)? {
                    // A user's login is at an org, and an app's tokens may be another issuer's.
                    Err(SettingsError::Missing { setting: Setting::OrgUrl, .. }) => Err(missing.into()),
                    settings => self.user(settings?)?.ok_or_else(|| missing.into()),
                }
            }
            // An app whose key or secret is set is at an org that has to be named.
            Err(SettingsError::Missing { setting: Setting::OrgUrl, .. }) if !self.has_credential()? => {
                let settings = self.settings_of_login()?;
                let nobody = session::nobody(&settings.org_url);
                self.user(settings)?.ok_or(nobody)
            }
            Err(wrong) => Err(wrong.into()),
        }
    }

    /// The user who has logged in, if anybody has.
    fn user(&self, settings: UserSettings) -> Outcome<Option<Caller>> {
        let login = KeptLogin::find(&settings.org_url, self.client_id(&settings))?;
        Ok(login.map(|login| Caller::User(Box::new(settings), login)))
    }

    /// Whether a Bearer token is asked for on the command line.
    pub(crate) const fn asks_for_bearer(&self) -> bool {
        self.no_dpop
    }

    /// The settings of a client that a user lets act, by all sources.
    pub(crate) fn user_settings(&self) -> Outcome<UserSettings> {
        Ok(self.resolve(None, UserSettings::resolve)??)
    }

    /// The same for a user who has logged in: where no org is named, the only one at which anybody has.
    pub(crate) fn settings_of_login(&self) -> Outcome<UserSettings> {
        match self.resolve(None, UserSettings::resolve)? {
            Err(missing @ SettingsError::Missing { setting: Setting::OrgUrl, .. }) => {
                let Some(org) = KeptLogin::only_org()? else { return Err(missing.into()) };
                let with_org =
                    |sources: Sources<'_>| UserSettings::resolve(sources.given(Setting::OrgUrl, Some(org)));
                Ok(self.resolve(None, with_org)??)
            }
            settings => Ok(settings?),
        }
    }

    /// Whether an app has something to authenticate with.
    fn has_credential(&self) -> Outcome<bool> {
        let is_one = |setting: Setting| {
            matches!(setting, Setting::ClientKey | Setting::ClientSecret | Setting::ClientSecretFile)
        };
        Ok(self.origins()?.iter().any(|origin| is_one(origin.setting)))
    }

    /// The client id that is given on the command line, or else the one that is set, which may be a service app's.
    pub(crate) fn client_id<'a>(&'a self, settings: &'a UserSettings) -> WantedClient<'a> {
        match (&self.client_id, &settings.client_id) {
            (Some(given), _) => WantedClient::This(given),
            (None, Some(set)) => WantedClient::Perhaps(set),
            (None, None) => WantedClient::Any,
        }
    }

    pub(crate) fn client_of_user(&self, settings: &UserSettings, login: KeptLogin) -> Outcome<OktaClient> {
        // Those of a setting may be a service app's; those of the command line are fewer than were granted.
        let fewer = (!self.scopes.is_empty()).then(|| self.scopes.clone());
        self.client_of_login(settings, login, fewer)
    }

    /// A client in the name of the user of `login`, with the scopes that were granted or with `fewer`.
    pub(crate) fn client_of_login(
        &self,
        settings: &UserSettings,
        login: KeptLogin,
        fewer: Option<Vec<String>>,
    ) -> Outcome<OktaClient> {
        let session = login.read()?;
        let (client, key) = (ClientRegistration::public(&session.client_id), session.key()?);
        let refresher = session.refresher(login)?;
        let system = self.system(settings.transport_options());
        let scopes = fewer.unwrap_or(session.scopes);
        let okta = OktaClient::of_user(settings.org_url.clone(), system, client, key, refresher, scopes);
        Ok(match settings.keeps_tokens.then(kept_files::token_cache).flatten() {
            Some(cache) => okta.with_cache(Arc::new(cache)),
            None => okta,
        })
    }

    /// The settings of a client whose tokens outlive it: they are bound to a key that is kept, `key` if there is one in
    /// place of the one that is set, or to none.
    pub(crate) fn settings_for_tokens(&self, key: Option<&PathBuf>) -> Outcome<Settings> {
        if self.as_user {
            return Err(not_given_out());
        }
        let settings = self.settings(key)?;
        if matches!(settings.binding, TokenBinding::FreshDpop(_)) {
            return Err(Failure::new(ExitCode::Settings, "the token would be of no use")
                .because("no key for proofs is set, and a fresh one is gone when this ends")
                .do_next("give --key FILE; `keybound keys new --alg ES256 --out dpop` makes one"));
        }
        Ok(settings)
    }

    /// What time it is by this machine's clock, as far as it is believed.
    pub(crate) fn now(&self) -> NumericDate {
        self.clock.now()
    }

    /// The files that another program needs for the same calls: the certificate authority's that is trusted beside the
    /// system's, and that of the key for proofs; as they are set, wherever that is.
    pub(crate) fn files(&self) -> Outcome<(Option<String>, Option<String>)> {
        let origins = self.origins()?;
        let shown = |setting: Setting| {
            origins.iter().find(|origin| origin.setting == setting).and_then(|origin| origin.shown.clone())
        };
        Ok((shown(Setting::CertificateAuthorities), shown(Setting::DpopKey)))
    }

    /// A client by `settings`. Nothing is sent yet.
    pub(crate) fn client(&self, settings: Settings) -> OktaClient {
        let system = self.system(settings.transport_options());
        let cache = settings.keeps_tokens.then(kept_files::token_cache).flatten();
        let okta = OktaClient::with_system(settings, system);
        match cache {
            Some(cache) => okta.with_cache(Arc::new(cache)),
            None => okta,
        }
    }

    /// What a client runs on, with a network that behaves by `options`.
    pub(crate) fn system(&self, options: TransportOptions) -> System {
        let mut system = System::new(options);
        system.clock = Arc::new(self.clock);
        system
    }

    /// The settings by all sources. `dpop_key` is the file of a key for proofs that is given another way.
    pub(crate) fn settings(&self, dpop_key: Option<&PathBuf>) -> Outcome<Settings> {
        Ok(self.resolve(dpop_key, Settings::resolve)??)
    }

    /// What `resolve` makes of all sources.
    fn resolve<T>(
        &self,
        dpop_key: Option<&PathBuf>,
        resolve: impl FnOnce(Sources<'_>) -> Result<T, SettingsError>,
    ) -> Outcome<Result<T, SettingsError>> {
        let environment = |name: &str| env::var(name).ok();
        Ok(resolve(self.sources(&environment, dpop_key)?))
    }

    /// What is set, and where.
    pub(crate) fn origins(&self) -> Outcome<Vec<Origin>> {
        let environment = |name: &str| env::var(name).ok();
        Ok(self.sources(&environment, None)?.origins()?)
    }

    fn sources<'e>(
        &self,
        environment: &'e dyn Fn(&str) -> Option<String>,
        dpop_key: Option<&PathBuf>,
    ) -> Outcome<Sources<'e>> {
        let folder = env::current_dir().map_err(|error| {
            Failure::new(ExitCode::Settings, "the working folder cannot be used").because(error)
        })?;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let dpop_key =
            dpop_key.map(|path| path.display().to_string()).or_else(|| path(&self.dpop_private_key_file));
        let list = |items: &[String]| (!items.is_empty()).then(|| items.join(" "));
        Ok(Sources::new(folder, environment)
            .home(env::home_dir())
            .profile(self.profile.clone())
            .given(Setting::OrgUrl, self.org_url.clone())
            .given(Setting::Issuer, self.issuer.clone())
            .given(Setting::ClientId, self.client_id.clone())
            .given(Setting::Scopes, list(&self.scopes))
            .given(Setting::Resources, list(&self.resources))
            .given(Setting::Audience, self.audience.clone())
            .given(Setting::ClientKey, path(&self.private_key_file))
            .given(Setting::KeyId, self.key_id.clone())
            .given(Setting::ClientSecretFile, path(&self.client_secret_file))
            .given(Setting::DpopKey, dpop_key)
            .given(Setting::Dpop, self.no_dpop.then(|| "off".to_owned()))
            .given(Setting::Cache, self.no_cache.then(|| "off".to_owned()))
            .given(Setting::CertificateAuthorities, path(&self.ca_file)))
    }
}

/// A flag with its value, which may begin with a hyphen.
pub(crate) fn flag(name: &str, value: &str) -> Vec<String> {
    if value.starts_with('-') {
        return vec![format!("--{name}={value}")];
    }
    vec![format!("--{name}"), value.to_owned()]
}

/// What a user let this program do is not for others.
pub(crate) fn not_given_out() -> Failure {
    Failure::usage("a user's token is for this program alone")
        .do_next("call with `keybound api --as-user`, or lend it with `keybound proxy --as-user`")
}
