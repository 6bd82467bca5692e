//! `keybound groups`: the groups of the org and their members.

use clap::{Args, Subcommand};
use keybound_okta::{Group, GroupProfile, OktaClient};
use serde_json::json;

use crate::connection::Connection;
use crate::consent::Consent;
use crate::listing::{Listing, Row, Search, readable};
use crate::output::{FAINT, GOOD, Output};
use crate::report::Outcome;
use crate::runtime;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List groups: a table on a terminal, JSON in a pipe.
    #[command(after_help = "\
Examples:
  keybound groups list --q Eng
  keybound groups list --filter 'type eq \"OKTA_GROUP\"'
  keybound groups list --search 'profile.name sw \"Eng\"' --sort-by profile.name --ndjson")]
    List(List),
    /// Print one group as JSON.
    #[command(after_help = "\
Examples:
  keybound groups get 00g1 | jq .profile")]
    Get(Named),
    /// Create a group.
    #[command(after_help = "\
Examples:
  keybound groups create Engineers --description 'They build it'")]
    Create(Create),
    /// Change the name or the description of a group, and leave the rest.
    #[command(after_help = "\
Examples:
  keybound groups update 00g1 --name 'All engineers'
  keybound groups update 00g1 --description ''")]
    Update(Update),
    /// Delete a group; its members stay.
    #[command(after_help = "\
Examples:
  keybound groups delete 00g1
  keybound groups delete 00g1 --yes")]
    Delete(Delete),
    /// List the members of a group.
    #[command(after_help = "\
Examples:
  keybound groups members 00g1
  keybound groups members 00g1 --ndjson | jq -r .profile.login")]
    Members(Members),
    /// Make a user a member of a group; one who is stays one.
    #[command(after_help = "\
Examples:
  keybound groups add 00g1 00u1")]
    Add(Membership),
    /// End a user's membership of a group.
    #[command(after_help = "\
Examples:
  keybound groups remove 00g1 00u1")]
    Remove(Membership),
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
    /// The group, by id.
    group: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Create {
    /// What it is called.
    name: String,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
#[group(id = "change", required = true, multiple = true, args = ["name", "description"])]
pub(crate) struct Update {
    /// The group, by id.
    group: String,
    /// What it shall be called.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// The group, by id.
    group: String,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Members {
    /// The group, by id.
    group: String,
    /// So many, at most; all, if not given.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
pub(crate) struct Membership {
    /// The group, by id.
    group: String,
    /// The user, by id.
    user: String,
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
            | Self::Delete(Delete { connection, .. })
            | Self::Members(Members { connection, .. })
            | Self::Add(Membership { connection, .. })
            | Self::Remove(Membership { connection, .. }) => connection,
        }
    }

    async fn run(&self, okta: &OktaClient, output: Output) -> Outcome {
        let groups = okta.groups();
        match self {
            Self::List(list) => list.listing.print(groups.list(&list.search.query()), output).await,
            Self::Get(named) => output.json(&groups.get(&named.group).await?),
            Self::Create(create) => {
                let profile = GroupProfile::new(&create.name, create.description.clone());
                let group = groups.create(&profile).await?;
                output.changed(told(&group, "created"), &group)
            }
            Self::Update(update) => {
                let profile = update.changed(groups.get(&update.group).await?.profile);
                let group = groups.replace(&update.group, &profile).await?;
                output.changed(told(&group, "changed"), &group)
            }
            Self::Delete(delete) => {
                delete.consent.to(format_args!("delete the group {} for good", delete.group))?;
                groups.delete(&delete.group).await?;
                let gone = json!({ "group": delete.group, "deleted": true });
                output.changed(format_args!("{} {GOOD}deleted{GOOD:#}", readable(&delete.group)), &gone)
            }
            Self::Members(members) => {
                let users = groups.members(&members.group, members.limit);
                members.listing.print(users, output).await
            }
            Self::Add(membership) => {
                groups.add_member(&membership.group, &membership.user).await?;
                membership.tell(true, output)
            }
            Self::Remove(membership) => {
                groups.remove_member(&membership.group, &membership.user).await?;
                membership.tell(false, output)
            }
        }
    }
}

impl Update {
    /// The API takes a profile whole, so what is not named stays as it was read.
    fn changed(&self, mut profile: GroupProfile) -> GroupProfile {
        profile.name = self.name.clone().or(profile.name);
        profile.description = self.description.clone().or(profile.description);
        profile
    }
}

impl Membership {
    fn tell(&self, is_member: bool, output: Output) -> Outcome {
        let what = if is_member { "is a member of" } else { "is no member of" };
        let (user, group) = (readable(&self.user), readable(&self.group));
        let now = json!({ "group": self.group, "user": self.user, "member": is_member });
        output.changed(format_args!("{user} {GOOD}{what}{GOOD:#} {group}"), &now)
    }
}

fn told(group: &Group, what: &str) -> String {
    let name = group.profile.name.as_deref().unwrap_or_default();
    format!("{} {GOOD}{what}{GOOD:#} {FAINT}{}{FAINT:#}", readable(name), readable(&group.id))
}

impl Row for Group {
    const NOUNS: (&'static str, &'static str) = ("group", "groups");
    const HEADER: &'static [&'static str] = &["ID", "TYPE", "NAME", "DESCRIPTION"];

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![self.id.clone(), text(&self.kind), text(&self.profile.name), text(&self.profile.description)]
    }
}
