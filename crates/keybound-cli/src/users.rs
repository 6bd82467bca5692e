//! `keybound users`: the users of the org, over their whole life.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use keybound_okta::{Activation, Mail, NewUser, OktaClient, Profile, User, UserChange, UserLink, Users};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::consent::Consent;
use crate::input;
use crate::listing::{Listing, Row, Search, readable};
use crate::output::{FAINT, GOOD, Output};
use crate::report::{Failure, Outcome};
use crate::runtime;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List users, over as many pages as it takes: a table on a terminal, JSON in a pipe.
    #[command(after_help = "\
Examples:
  keybound users list --limit 5
  keybound users list --q ada
  keybound users list --filter 'status eq \"LOCKED_OUT\"'
  keybound users list --search 'profile.department eq \"R&D\"' --sort-by profile.lastName
  keybound users list --ndjson | jq -r .profile.login")]
    List(List),
    /// Print one user as JSON.
    #[command(after_help = "\
Examples:
  keybound users get ada@example.com
  keybound users get 00u1 | jq .profile")]
    Get(Named),
    /// Create a user, and activate them unless told otherwise.
    #[command(after_help = "\
Examples:
  keybound users create --first-name Ada --last-name Lovelace --email ada@example.com
  keybound users create --first-name Ada --last-name Lovelace --email ada@example.com --staged \\
    --set title=Analyst --group 00g1
  keybound users create --input user.json")]
    Create(Create),
    /// Change what is named of a user's profile, and leave the rest.
    #[command(after_help = "\
Examples:
  keybound users update 00u1 --set title=Director --set 'costCenter=R&D'
  keybound users update ada@example.com --unset mobilePhone
  echo '{\"profile\":{\"manager\":true}}' | keybound users update 00u1 --input -")]
    Update(Update),
    /// Delete a user for good; one who is active is deactivated first.
    #[command(after_help = "\
Examples:
  keybound users delete ada@example.com
  keybound users delete 00u1 --yes")]
    Delete(End),
    /// Activate a user who is staged or deactivated.
    #[command(after_help = "\
Examples:
  keybound users activate 00u1
  keybound users activate 00u1 --no-mail | jq -r .activationUrl")]
    Activate(Link),
    /// Deactivate a user: they can't sign in, and lose their apps.
    #[command(after_help = "\
Examples:
  keybound users deactivate ada@example.com
  keybound users deactivate 00u1 --yes --mail")]
    Deactivate(End),
    /// Shut an active user out for a while.
    #[command(after_help = "\
Examples:
  keybound users suspend ada@example.com")]
    Suspend(Named),
    /// Let a suspended user in again.
    #[command(after_help = "\
Examples:
  keybound users unsuspend ada@example.com")]
    Unsuspend(Named),
    /// Let a user in again who gave too many wrong passwords.
    #[command(after_help = "\
Examples:
  keybound users unlock ada@example.com
  keybound users list --filter 'status eq \"LOCKED_OUT\"' --ndjson |
      jq -r .id | xargs -n1 keybound users unlock")]
    Unlock(Named),
    /// Have a user choose a new password by a link.
    #[command(after_help = "\
Examples:
  keybound users reset-password ada@example.com
  keybound users reset-password 00u1 --no-mail | jq -r .resetPasswordUrl")]
    ResetPassword(Link),
    /// Have a user choose a new password when they next sign in with the old one.
    #[command(after_help = "\
Examples:
  keybound users expire-password ada@example.com")]
    ExpirePassword(Named),
    /// List the groups that a user is a member of.
    #[command(after_help = "\
Examples:
  keybound users groups ada@example.com
  keybound users groups 00u1 | jq -r '.[].profile.name'")]
    Groups(Groups),
}

#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    search: Search,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Named {
    /// The user, by id or by login.
    user: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Groups {
    /// The user, by id or by login.
    user: String,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct End {
    /// The user, by id or by login.
    user: String,
    /// Have Okta tell the administrators by mail.
    #[arg(long)]
    mail: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Link {
    /// The user, by id or by login.
    user: String,
    /// Have no mail sent, and print the link that the user needs. It is as good as a password.
    #[arg(long)]
    no_mail: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Given name.
    #[arg(long, value_name = "NAME", required_unless_present = "input")]
    first_name: Option<String>,
    /// Family name.
    #[arg(long, value_name = "NAME", required_unless_present = "input")]
    last_name: Option<String>,
    /// Primary address for mail.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "input")]
    email: Option<String>,
    /// What the user signs in with; the address for mail, if not given.
    #[arg(long, value_name = "LOGIN")]
    login: Option<String>,
    /// Another member of the profile, whose value is text; may be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = member)]
    members: Vec<(String, String)>,
    /// A group that the user shall be a member of, by id; may be given several times.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The user as the API takes it, as JSON: profile, credentials, …; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["first_name", "last_name", "email", "login", "members", "groups"])]
    input: Option<PathBuf>,
    /// Don't activate the user yet.
    #[arg(long)]
    staged: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
#[group(id = "change", required = true, multiple = true, args = ["members", "emptied", "input"])]
pub(crate) struct Update {
    /// The user, by id or by login.
    user: String,
    /// A member of the profile, and its new value, which is text; may be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = member)]
    members: Vec<(String, String)>,
    /// A member of the profile to empty; may be given several times.
    #[arg(long = "unset", value_name = "NAME")]
    emptied: Vec<String>,
    /// The change as the API takes it, as JSON: profile, credentials, …; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["members", "emptied"])]
    input: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(verb: &Verb, output: Output) -> Outcome {
    let okta = verb.connection().open()?;
    runtime::run(&okta, verb.run(&okta, output))
}

impl Verb {
    fn connection(&self) -> &Connection {
        match self {
            Self::List(List { connection, .. })
            | Self::Get(Named { connection, .. })
            | Self::Create(Create { connection, .. })
            | Self::Update(Update { connection, .. })
            | Self::Delete(End { connection, .. })
            | Self::Activate(Link { connection, .. })
            | Self::Deactivate(End { connection, .. })
            | Self::Suspend(Named { connection, .. })
            | Self::Unsuspend(Named { connection, .. })
            | Self::Unlock(Named { connection, .. })
            | Self::ResetPassword(Link { connection, .. })
            | Self::ExpirePassword(Named { connection, .. })
            | Self::Groups(Groups { connection, .. }) => connection,
        }
    }

    async fn run(&self, okta: &OktaClient, output: Output) -> Outcome {
        let users = okta.users();
        match self {
            Self::List(list) => list.listing.print(users.list(&list.search.query()), output).await,
            Self::Get(named) => output.json(&users.get(&named.user).await?),
            Self::Create(create) => create.run(users, output).await,
            Self::Update(update) => {
                let user = users.update(&update.user, &update.change()?).await?;
                output.changed(told(&user, "changed"), &user)
            }
            Self::Delete(end) => {
                end.consent.to(format_args!("delete the user {} for good", end.user))?;
                users.delete(&end.user, end.mail()).await?;
                let gone = json!({ "user": end.user, "deleted": true });
                output.changed(line(&end.user, "deleted"), &gone)
            }
            Self::Activate(link) => {
                let given = users.activate(&link.user, link.mail()).await?;
                let changed = Changed { what: "activated", link: "activationUrl" };
                link.done(given, changed, users, output).await
            }
            Self::Deactivate(end) => {
                end.consent.to(format_args!("deactivate the user {}, who loses their apps", end.user))?;
                users.deactivate(&end.user, end.mail()).await?;
                now(&end.user, "deactivated", users, output).await
            }
            Self::Suspend(named) => {
                users.suspend(&named.user).await?;
                now(&named.user, "suspended", users, output).await
            }
            Self::Unsuspend(named) => {
                users.unsuspend(&named.user).await?;
                now(&named.user, "let in again", users, output).await
            }
            Self::Unlock(named) => {
                users.unlock(&named.user).await?;
                now(&named.user, "unlocked", users, output).await
            }
            Self::ResetPassword(link) => {
                let given = users.reset_password(&link.user, link.mail()).await?;
                let changed = Changed { what: "asked for a new password", link: "resetPasswordUrl" };
                link.done(given, changed, users, output).await
            }
            Self::ExpirePassword(named) => {
                let user = users.expire_password(&named.user).await?;
                output.changed(told(&user, "asked for a new password"), &user)
            }
            Self::Groups(groups) => groups.listing.print(users.groups(&groups.user), output).await,
        }
    }
}

impl Create {
    async fn run(&self, users: Users<'_>, output: Output) -> Outcome {
        let activation = if self.staged { Activation::Later } else { Activation::Now };
        let user = users.create(&self.user()?, activation).await?;
        output.changed(told(&user, "created"), &user)
    }

    fn user(&self) -> Outcome<NewUser> {
        if let Some(path) = &self.input {
            return input::json(path);
        }
        let login = self.login.as_ref().or(self.email.as_ref());
        let mut profile = Profile::default();
        profile.first_name.clone_from(&self.first_name);
        profile.last_name.clone_from(&self.last_name);
        profile.email.clone_from(&self.email);
        profile.login = login.cloned();
        profile.extra.extend(self.members.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
        let mut user = NewUser::new(profile);
        user.group_ids.clone_from(&self.groups);
        Ok(user)
    }
}

impl Update {
    fn change(&self) -> Outcome<UserChange> {
        if let Some(path) = &self.input {
            return input::json(path);
        }
        let set = self.members.iter().map(|(name, value)| (name, Value::from(value.as_str())));
        let members = set.chain(self.emptied.iter().map(|name| (name, Value::Null)));
        Ok(members.fold(UserChange::new(), |change, (name, value)| change.with(name, value)))
    }
}

impl End {
    fn mail(&self) -> Mail {
        if self.mail { Mail::Sent } else { Mail::NotSent }
    }
}

impl Link {
    fn mail(&self) -> Mail {
        if self.no_mail { Mail::NotSent } else { Mail::Sent }
    }

    /// Prints the link under the name that Okta has for it, where there is one; else what the user is now.
    async fn done(&self, given: UserLink, changed: Changed<'_>, users: Users<'_>, output: Output) -> Outcome {
        if !self.no_mail {
            return now(&self.user, changed.what, users, output).await;
        }
        let mut link = given.extra;
        link.insert(changed.link.to_owned(), given.activation_url.as_deref().into());
        link.extend(given.activation_token.map(|token| ("activationToken".to_owned(), token.into())));
        let url = readable(&given.activation_url.unwrap_or_default());
        output.changed(format_args!("{}\n{url}", line(&self.user, changed.what)), &link)
    }
}

/// What was done to a user, and what Okta calls the link that they go on with.
struct Changed<'a> {
    what: &'a str,
    link: &'a str,
}

/// Tells a person of a change whose answer says nothing; a program gets what the user is now.
async fn now(user: &str, what: &str, users: Users<'_>, output: Output) -> Outcome {
    if output.is_terminal() {
        return output.line(line(user, what));
    }
    let read = users.get(user).await.map_err(|error| Failure::after_change(error, user, what));
    output.json(&read?)
}

fn line(user: &str, what: &str) -> String {
    format!("{} {GOOD}{what}{GOOD:#}", readable(user))
}

fn told(user: &User, what: &str) -> String {
    let login = user.profile.login.as_deref().unwrap_or(&user.id);
    let (login, status) = (line(login, what), readable(user.status.as_str()));
    format!("{login} {FAINT}{}, {status}{FAINT:#}", readable(&user.id))
}

fn member(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a member of the profile is written as NAME=VALUE".to_owned()),
    }
}

impl Row for User {
    const NOUNS: (&'static str, &'static str) = ("user", "users");
    const HEADER: &'static [&'static str] = &["ID", "STATUS", "NAME", "LOGIN"];

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let name = format!("{} {}", text(&self.profile.first_name), text(&self.profile.last_name));
        vec![self.id.clone(), self.status.as_str().to_owned(), name, text(&self.profile.login)]
    }
}
