//! Set-up without an administrator's token: the clicks are told, and a person who has made them gets a first call.

use keybound::PublicKey;
use keybound_okta::OrgUrl;
use serde_json::json;

use crate::exit_code::ExitCode;
use crate::key_file;
use crate::keys::generate;
use crate::output::{FAINT, NAME, Output, TITLE};
use crate::question;
use crate::report::{Failure, Outcome};

use super::files::{CLIENT_ID, Files, ORG_URL};
use super::{Arguments, CLIENT_ALGORITHM, command_in, first_call, preview};

pub(super) fn run(arguments: &Arguments, files: &Files, output: Output) -> Outcome {
    arguments.refuse_role_without_token()?;
    files.refuse_existing()?;
    if arguments.dry_run {
        return preview::tell(files, &[], output);
    }
    let client_key = generate(CLIENT_ALGORITHM)?;
    files.write(arguments, &client_key)?;
    let public_key = key_file::registrable(client_key.public_key(), CLIENT_ALGORITHM);
    if !output.is_terminal() {
        return output.json(&json!({ "files": files.written(), "public_jwk": public_key.jwk() }));
    }
    tell(arguments, files, &public_key, output)?;
    if question::can_be_asked() && fill_in(arguments, files)? {
        let call = first_call::make(files)?;
        return output.line(format_args!("It works: {call}\n{FAINT}Go on:{FAINT:#} {}", call.next(files)));
    }
    output.line(format_args!(
        "\n{FAINT}Then:{FAINT:#} {} {FAINT}goes through all that can be wrong;{FAINT:#} {}",
        command_in(&files.folder, "keybound doctor"),
        command_in(&files.folder, "keybound users list")
    ))
}

fn tell(arguments: &Arguments, files: &Files, public_key: &PublicKey, output: Output) -> Outcome {
    output.line(format_args!("{TITLE}Written{TITLE:#}"))?;
    for path in files.written() {
        output.line(format_args!("  {}", path.display()))?;
    }
    output.line(format_args!("\n{TITLE}The public key to register{TITLE:#}"))?;
    output.json(public_key.jwk())?;
    output.line(format_args!("\n{TITLE}In the org's admin console{TITLE:#}"))?;
    for (number, click) in clicks(arguments).iter().enumerate() {
        output.line(format_args!("  {NAME}{}{NAME:#}  {click}", number + 1))?;
    }
    if arguments.org_url.is_none() || arguments.client_id.is_none() {
        output.line(format_args!("\nWhat is empty in {} has to be filled in.", files.env.display()))?;
    }
    Ok(())
}

fn clicks(arguments: &Arguments) -> [String; 6] {
    [
        "Applications → Create App Integration → API Services: name it, save.".to_owned(),
        "General: note the Client ID (OKTA_CLIENT_ID) and the org's domain (OKTA_ORG_URL).".to_owned(),
        "Client Credentials → Edit → Public key / Private key → Add key: paste the key above, save.".to_owned(),
        "General Settings → Proof of possession: \"Require Demonstrating Proof of Possession (DPoP) header in \
         token requests\" on."
            .to_owned(),
        format!("Okta API Scopes: grant {}.", arguments.scopes_or_usual().join(", ")),
        "Admin roles → Edit assignments: Read-only Administrator (or what the app needs).".to_owned(),
    ]
}

/// Asks for what `.env` lacks, and waits until the clicks are made. Without an answer it stays as it is.
fn fill_in(arguments: &Arguments, files: &Files) -> Outcome<bool> {
    let done =
        question::ask("\nPress Enter when that is done, for a first call (Ctrl-C leaves it for later):")?;
    if done.is_none() {
        return Ok(false);
    }
    if arguments.org_url.is_none() {
        let Some(org_url) = answer("The org's URL (https://…):")? else { return Ok(false) };
        let parsed = OrgUrl::parse(&org_url).map_err(|error| {
            Failure::new(ExitCode::Settings, "that is not the URL of an org")
                .because(&error)
                .do_next(format_args!("{}\nWrite it into {}.", error.advice(), files.env.display()))
        })?;
        files.fill_in(ORG_URL, parsed.origin())?;
    }
    if arguments.client_id.is_none() {
        let Some(client_id) = answer("The app's Client ID (0oa…):")? else { return Ok(false) };
        files.fill_in(CLIENT_ID, &client_id)?;
    }
    Ok(true)
}

fn answer(question: &str) -> Outcome<Option<String>> {
    Ok(question::ask(question)?.filter(|answer| !answer.is_empty()))
}
