//! Set-up through the org's API by an administrator's token: the app, its scopes, its role, and a first call.
//!
//! Each step looks first at what is there, and does what is missing. So a run that broke off is gone on with by another
//! one: the app is found by the client id in `.env`, or by its name and our key.

use futures_util::TryStreamExt as _;
use keybound::PublicKey;
use keybound_client::System;
use keybound_okta::{
    ApiToken, App, AppKey, ListQuery, NewServiceApp, OktaClient, OrgUrl, RoleAssignment, ScopeGrant, Setting,
    Source, Sources, UserSettings,
};
use serde_json::json;

use crate::exit_code::ExitCode;
use crate::key_file;
use crate::keys::generate;
use crate::output::{FAINT, NAME, Output};
use crate::report::{Failure, Outcome};
use crate::runtime;

use super::files::{CA_FILE, CLIENT_ID, Files, ORG_URL};
use super::preview::{self, Request};
use super::{Arguments, CLIENT_ALGORITHM, first_call, role};

pub(super) fn run(arguments: &Arguments, files: &Files, token: ApiToken, output: Output) -> Outcome {
    let goes_on = files.are_there();
    if !goes_on {
        files.refuse_existing()?;
    }
    let settings = settings(arguments, files)?;
    let wanted = Wanted::new(arguments, files, &settings)?;
    let system = System::new(settings.transport_options());
    let admin = OktaClient::of_administrator(settings.org_url.clone(), system, token);
    if arguments.dry_run {
        return preview::tell(files, &wanted.requests(&admin)?, output);
    }
    let key = if goes_on { existing_key(arguments, files, &settings)? } else { new_key(arguments, files)? };
    let mut set_up = SetUp { files, admin, wanted, key, output, done: Vec::new() };
    runtime::one_thread()?.block_on(set_up.run())
}

/// The settings of the folder, where there are any yet, under what is given.
fn settings(arguments: &Arguments, files: &Files) -> Outcome<UserSettings> {
    let no_environment = |_: &str| None;
    let authority = files.authority.as_ref().map(|path| path.display().to_string());
    let sources = || Sources::new(&files.folder, &no_environment);
    for origin in sources().origins()? {
        let given = match origin.setting {
            Setting::OrgUrl => arguments.org_url.as_deref().map(same_org),
            Setting::ClientId => arguments.client_id.clone(),
            Setting::Scopes if !arguments.scopes.is_empty() => Some(arguments.scopes.join(" ")),
            _ => continue,
        };
        let set = origin.shown.unwrap_or_default();
        let set = if origin.setting == Setting::OrgUrl { same_org(&set) } else { set };
        if given.is_some_and(|given| given != set) {
            return Err(Failure::new(
                ExitCode::Settings,
                format_args!(
                    "another value is set for {} already: {set} ({})",
                    origin.setting.purpose(),
                    origin.source
                ),
            )
            .because("this run would go on with another one, and nothing is overwritten")
            .do_next("leave the flag out, or give another folder: --dir DIR"));
        }
    }
    let scopes = (!arguments.scopes.is_empty()).then(|| arguments.scopes.join(" "));
    let resolved = UserSettings::resolve(
        sources()
            .given(Setting::OrgUrl, arguments.org_url.clone())
            .given(Setting::Scopes, scopes)
            .given(Setting::CertificateAuthorities, authority),
    );
    Ok(resolved?)
}

/// The same org has one origin, however its URL is written.
fn same_org(url: &str) -> String {
    OrgUrl::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().to_owned())
}

/// The key to register, of an earlier run.
fn existing_key(arguments: &Arguments, files: &Files, settings: &UserSettings) -> Outcome<PublicKey> {
    let no_environment = |_: &str| None;
    let origins = Sources::new(&files.folder, &no_environment).origins()?;
    let find = |setting| origins.iter().find(|origin| origin.setting == setting);
    let is_ours = find(Setting::ClientKey)
        .and_then(|origin| origin.key_file.as_ref())
        .is_some_and(|path| files.folder.join(path) == files.client.private);
    if !is_ours {
        return Err(Failure::new(
            ExitCode::Settings,
            format_args!("{} names another key than {}", files.env.display(), files.client.private.display()),
        )
        .because("it was changed since, and which key is to be registered can't be told")
        .do_next("register it by hand, or give another folder: --dir DIR"));
    }
    if find(Setting::OrgUrl).is_none() {
        files.fill_in(ORG_URL, settings.org_url.origin())?;
    }
    if let (None, Some(client_id)) = (find(Setting::ClientId), &arguments.client_id) {
        files.fill_in(CLIENT_ID, client_id)?;
    }
    if let (None, Some(authority)) = (find(Setting::CertificateAuthorities), &files.authority) {
        files.fill_in(CA_FILE, &authority.display().to_string())?;
    }
    let key = key_file::read_public(&files.client.public)?;
    Ok(key_file::registrable(&key, CLIENT_ALGORITHM))
}

fn new_key(arguments: &Arguments, files: &Files) -> Outcome<PublicKey> {
    let key = generate(CLIENT_ALGORITHM)?;
    files.write(arguments, &key)?;
    Ok(key_file::registrable(key.public_key(), CLIENT_ALGORITHM))
}

/// What is to be there in the end.
struct Wanted {
    app_name: String,
    client_id: Option<String>,
    scopes: Vec<String>,
    role: Option<String>,
}

impl Wanted {
    fn new(arguments: &Arguments, files: &Files, settings: &UserSettings) -> Outcome<Self> {
        let scopes =
            if settings.scopes.is_empty() { arguments.scopes_or_usual() } else { settings.scopes.clone() };
        let no_environment = |_: &str| None;
        let origins = Sources::new(&files.folder, &no_environment).origins()?;
        let is_in_env = origins.iter().any(|origin| {
            origin.setting == Setting::ClientId && matches!(origin.source, Source::EnvFile { .. })
        });
        let kept = settings.client_id.clone().filter(|_| is_in_env);
        Ok(Self {
            app_name: arguments.app_name.clone(),
            client_id: arguments.client_id.clone().or(kept),
            role: role::for_scopes(arguments.role.as_deref(), &scopes)?,
            scopes,
        })
    }

    /// What goes out where nothing is there yet, in order. `APP_ID` stands for what the org will give.
    fn requests(&self, admin: &OktaClient) -> Outcome<Vec<Request>> {
        const APP_ID: &str = "APP_ID";
        let app = self.client_id.as_deref().unwrap_or(APP_ID);
        let of_app =
            |operation| Ok::<_, keybound_okta::Error>(admin.operation(operation)?.parameter("appId", app));
        let of_client =
            |operation| Ok::<_, keybound_okta::Error>(admin.operation(operation)?.parameter("clientId", app));
        let mut calls = if self.client_id.is_some() {
            vec![of_app("getApplication")?, of_app("listJwk")?, of_app("addJwk")?]
        } else {
            let mut body = NewServiceApp::without_key(&self.app_name).body()?;
            if let Some(keys) = body.pointer_mut("/settings/oauthClient/jwks/keys") {
                *keys = json!(["the public key"]);
            }
            vec![
                admin.operation("listApplications")?.parameter("q", &self.app_name).parameter("limit", 200),
                admin.operation("createApplication")?.json(&body),
            ]
        };
        calls.push(of_app("listScopeConsentGrants")?);
        for scope in &self.scopes {
            let body = json!({ "scopeId": scope, "issuer": admin.org_url()?.origin() });
            calls.push(of_app("grantConsentToScope")?.json(&body));
        }
        if let Some(role) = &self.role {
            calls.push(of_client("listRolesForClient")?);
            calls.push(of_client("assignRoleToClient")?.json(&json!({ "type": role })));
        }
        let org_url = admin.org_url()?;
        calls.into_iter().map(|call| Request::of(&call.into_call()?, org_url)).collect()
    }
}

/// A set-up under way.
struct SetUp<'a> {
    files: &'a Files,
    admin: OktaClient,
    wanted: Wanted,
    /// Ours, as it is registered.
    key: PublicKey,
    output: Output,
    /// What holds by now, in words.
    done: Vec<String>,
}

impl SetUp<'_> {
    async fn run(&mut self) -> Outcome {
        let app = self.app().await?;
        let client_id = app.client_id().unwrap_or(&app.id).to_owned();
        if self.wanted.client_id.is_none() {
            self.files.fill_in(CLIENT_ID, &client_id)?;
        }
        let granted = self.grant(&app.id).await?;
        let assigned = self.assign_role(&client_id).await?;
        let call = first_call::send(self.files)
            .await
            .map_err(|failure| self.broken_off_at(failure, "the first call"))?;
        self.note(format_args!("{NAME}call{NAME:#}    {call}"), "the first call")?;
        if self.output.is_terminal() {
            return self
                .output
                .line(format_args!("\nIt works. {FAINT}Go on:{FAINT:#} {}", call.next(self.files)));
        }
        self.output.json(&json!({
            "files": self.files.written(),
            "public_jwk": self.key.jwk(),
            "client_id": client_id,
            "granted": granted,
            "assigned": assigned,
            "call": call,
        }))
    }

    /// The app with our key: the one that is named, one of an earlier run, or a new one.
    async fn app(&mut self) -> Outcome<App> {
        if let Some(client_id) = self.wanted.client_id.clone() {
            return self.named_app(&client_id).await;
        }
        if let Some(app) = self.app_of_earlier_run().await? {
            self.note(
                format_args!("{NAME}app{NAME:#}     {} {FAINT}(there already){FAINT:#}", app.id),
                "the app",
            )?;
            return Ok(app);
        }
        let new = NewServiceApp::new(&self.wanted.app_name, self.key.clone());
        let app = self.admin.apps().create_service(&new).await.map_err(|error| self.not_created(error))?;
        let what = format!("the app {} is created", app.id);
        self.note(format_args!("{NAME}app{NAME:#}     {} created", app.id), what)?;
        Ok(app)
    }

    /// The app that the client id names, with our key added where it lacks it.
    async fn named_app(&mut self, client_id: &str) -> Outcome<App> {
        let app =
            self.admin.apps().get(client_id).await.map_err(|error| self.broken_off(error, "the app"))?;
        if !app.is_service() {
            let failure = Failure::new(
                ExitCode::ApiRefused,
                format_args!("{client_id} is no API Services app"),
            )
            .because("only such an app gets tokens in its own name (grant type client_credentials)")
            .do_next("give the client id of one, or leave it out of flags and .env: an app is created then");
            return Err(failure);
        }
        if !self.has_our_key(&app).await? {
            let added = self.admin.apps().add_key(&app.id, &self.key).await;
            added.map_err(|error| self.broken_off(error, "to register the key"))?;
        }
        let line = format!("{NAME}app{NAME:#}     {client_id} {FAINT}(its key is registered){FAINT:#}");
        self.note(line, format!("the app {client_id} has the key"))?;
        Ok(app)
    }

    async fn app_of_earlier_run(&mut self) -> Outcome<Option<App>> {
        let query = ListQuery::default().words(&self.wanted.app_name);
        let found: Result<Vec<App>, _> = self.admin.apps().list(&query).try_collect().await;
        let found = found.map_err(|error| self.broken_off(error, "to look for the app"))?;
        let has_name = |app: &App| app.label.as_deref() == Some(self.wanted.app_name.as_str());
        let namesakes: Vec<App> = found.into_iter().filter(has_name).collect();
        for app in &namesakes {
            if app.is_service() && self.has_our_key(app).await? {
                return Ok(Some(app.clone()));
            }
        }
        namesakes.first().map_or(Ok(None), |app| Err(self.name_is_taken(app)))
    }

    async fn has_our_key(&self, app: &App) -> Outcome<bool> {
        let keys: Result<Vec<AppKey>, _> = self.admin.apps().keys(&app.id).try_collect().await;
        let keys = keys.map_err(|error| self.broken_off(error, "to look at the app's keys"))?;
        let ours = self.key.thumbprint();
        Ok(keys.iter().any(|key| key.public_key().is_some_and(|key| key.thumbprint() == ours)))
    }

    /// Grants the scopes that are not granted yet, and returns these.
    async fn grant(&mut self, app: &str) -> Outcome<Vec<String>> {
        let grants: Result<Vec<ScopeGrant>, _> = self.admin.apps().grants(app).try_collect().await;
        let grants = grants.map_err(|error| self.broken_off(error, "to look at the app's scopes"))?;
        let is_granted = |scope: &String| {
            let is_it = |grant: &ScopeGrant| {
                grant.scope_id.as_ref() == Some(scope) && grant.status.as_deref() != Some("REVOKED")
            };
            grants.iter().any(is_it)
        };
        let missing: Vec<_> = self.wanted.scopes.iter().filter(|scope| !is_granted(scope)).cloned().collect();
        for scope in &missing {
            let granted = self.admin.apps().grant(app, scope).await;
            granted.map_err(|error| self.broken_off(error, format_args!("to grant {scope}")))?;
            self.done.push(format!("{scope} is granted"));
        }
        self.tell_line(format_args!("{NAME}scopes{NAME:#}  {}", self.wanted.scopes.join(" ")))?;
        Ok(missing)
    }

    /// Assigns the role, if there is to be one that is not there yet, and returns it.
    async fn assign_role(&mut self, client_id: &str) -> Outcome<Option<String>> {
        let Some(role) = self.wanted.role.clone() else { return Ok(None) };
        let roles: Result<Vec<RoleAssignment>, _> = self.admin.apps().roles(client_id).try_collect().await;
        let roles = roles.map_err(|error| self.broken_off(error, "to look at the app's roles"))?;
        let has_it = roles.iter().any(|assigned| assigned.kind.as_ref() == Some(&role));
        if !has_it {
            let assigned = self.admin.apps().assign_role(client_id, &role).await;
            assigned.map_err(|error| self.broken_off(error, format_args!("to assign the role {role}")))?;
        }
        self.note(format_args!("{NAME}role{NAME:#}    {role}"), format_args!("the role {role} is assigned"))?;
        Ok((!has_it).then_some(role))
    }

    /// Something holds from now on.
    fn note(&mut self, line: impl std::fmt::Display, done: impl std::fmt::Display) -> Outcome {
        self.done.push(done.to_string());
        self.tell_line(line)
    }

    /// A person sees each step as it is done.
    fn tell_line(&self, line: impl std::fmt::Display) -> Outcome {
        if self.output.is_terminal() { self.output.line(line) } else { Ok(()) }
    }

    fn broken_off(&self, error: keybound_okta::Error, at: impl std::fmt::Display) -> Failure {
        self.broken_off_at(error.into(), at)
    }

    /// Nothing is lost: it is said what holds, and how to go on.
    fn broken_off_at(&self, failure: Failure, at: impl std::fmt::Display) -> Failure {
        let done = if self.done.is_empty() { String::new() } else { format!("; {}", self.done.join("; ")) };
        let written = self.files.env.display();
        failure
            .because(format_args!(
                "the set-up broke off at: {at}. What is done stays: {written} and the keys{done}"
            ))
            .also_do("then run the same command again: it goes on from there, with the same keys and app")
    }

    /// Where no answer came that can be read, the org may have done what it was asked.
    fn not_created(&self, error: keybound_okta::Error) -> Failure {
        let failure = Failure::from(error);
        let at = match failure.code() {
            ExitCode::Connection | ExitCode::ServerFailed => {
                "to create the app, which may have been created; the next run looks for it"
            }
            _ => "to create the app",
        };
        self.broken_off_at(failure, at)
    }

    fn name_is_taken(&self, app: &App) -> Failure {
        let (name, id) = (&self.wanted.app_name, &app.id);
        Failure::new(
            ExitCode::ApiRefused,
            format_args!("the org has an app of the name {name} already: {id}"),
        )
        .because("it does not have the key of this folder, so it may be somebody else's")
        .do_next(format_args!(
            "add --client-id {id} to register the key with that app, or --app-name NAME to create another one"
        ))
    }
}
