//! The steps at the token endpoint: the client and its key, the scopes, the token and the key that it is bound to,
//! and whether the org would give a token without a proof.

use keybound::Thumbprint;
use keybound::UnverifiedJws;
use keybound::access_token::MAX_ACCESS_TOKEN_BYTES;
use keybound_client::{Token, TokenBinding};
use keybound_okta::OktaClient;

use crate::exit_code::ExitCode;
use crate::report::{Failure, Outcome};

use super::Patient;
use super::diagnosis::Diagnosis;

const CLIENT: &str = "client";
const SCOPES: &str = "scopes";
const TOKEN: &str = "token";
const BEARER: &str = "bearer";

/// Asked for where none are set: what most apps have.
const USUAL_SCOPE: &str = "okta.users.read";

/// A client that has a token, and the scopes of the token.
pub(super) async fn examine(
    patient: &Patient<'_>,
    diagnosis: &mut Diagnosis,
) -> Outcome<Option<(OktaClient, Vec<String>)>> {
    let asked = asked(patient);
    let okta = patient.client(&asked);
    match okta.token().await {
        Ok(token) => {
            diagnosis.good(CLIENT, known(patient))?;
            let scopes = token.scopes().map_or_else(|| asked.clone(), <[String]>::to_vec);
            tell_scopes(patient, &asked, &scopes, diagnosis)?;
            examine_token(patient, &token, diagnosis)?;
            Ok(Some((okta, scopes)))
        }
        Err(error) => match Failure::from(error) {
            failure if failure.code() == ExitCode::ScopeRefused => {
                diagnosis.good(CLIENT, known(patient))?;
                examine_scopes(patient, &asked, failure, diagnosis).await
            }
            failure if failure.code() == ExitCode::ClientRefused => {
                diagnosis.bad(CLIENT, &failure).map(|()| None)
            }
            failure => diagnosis.bad(TOKEN, &failure).map(|()| None),
        },
    }
}

fn asked(patient: &Patient<'_>) -> Vec<String> {
    match patient.settings.grant.scopes.as_slice() {
        [] if patient.settings.org_url.is_some() => vec![USUAL_SCOPE.to_owned()],
        scopes => scopes.to_vec(),
    }
}

fn known(patient: &Patient<'_>) -> String {
    let credential = if patient.settings.credential.key().is_some() { "key" } else { "secret" };
    format!("the {} knows {} and takes its {credential}", patient.giver(), patient.settings.grant.client_id)
}

fn tell_scopes(
    patient: &Patient<'_>,
    asked: &[String],
    granted: &[String],
    diagnosis: &mut Diagnosis,
) -> Outcome {
    let missing: Vec<_> = asked.iter().filter(|scope| !granted.contains(scope)).cloned().collect();
    if !missing.is_empty() {
        let found = format!("granted: {}; asked for and left out: {}", granted.join(" "), missing.join(" "));
        let next = match patient.settings.org_url {
            Some(_) => "grant them to the app: admin console → Applications → the app → Okta API Scopes",
            None => "let the issuer's policy grant them to the client",
        };
        let why = format!("the {} grants less than was asked for", patient.giver());
        return diagnosis.warn(SCOPES, found, why, next);
    }
    let are_set = !patient.settings.grant.scopes.is_empty();
    let beside = match patient.settings.org_url {
        _ if are_set => "",
        Some(_) => " (none are set: each call asks for what it needs)",
        None => " (none are set: the issuer chooses)",
    };
    diagnosis.good(SCOPES, format_args!("granted: {}{beside}", granted.join(" ")))
}

/// Asks for each scope alone, to say which of them fail; goes on with those that do not.
async fn examine_scopes(
    patient: &Patient<'_>,
    asked: &[String],
    refusal: Failure,
    diagnosis: &mut Diagnosis,
) -> Outcome<Option<(OktaClient, Vec<String>)>> {
    let (mut granted, mut refused) = (Vec::new(), Vec::new());
    for scope in asked {
        let alone = [scope.clone()];
        // With one scope it is known already.
        let is_refused = asked.len() == 1
            || matches!(patient.client(&alone).token().await.map_err(Failure::from),
                Err(failure) if failure.code() == ExitCode::ScopeRefused);
        if is_refused { refused.push(scope.clone()) } else { granted.push(scope.clone()) }
    }
    let giver = patient.giver();
    let why = match (refused.as_slice(), granted.as_slice()) {
        ([], []) => format!("none are set, and the {giver} chooses none by itself"),
        ([], _) => "each scope by itself is granted, and all together are not".to_owned(),
        (refused, []) => format!("not granted to the app, or unknown to the {giver}: {}", refused.join(" ")),
        (refused, granted) => format!(
            "not granted to the app, or unknown to the {giver}: {} (granted: {})",
            refused.join(" "),
            granted.join(" ")
        ),
    };
    diagnosis.bad(SCOPES, &refusal.because(why))?;
    if granted.is_empty() || refused.is_empty() {
        return Ok(None);
    }
    let okta = patient.client(&granted);
    match okta.token().await {
        Ok(token) => examine_token(patient, &token, diagnosis).map(|()| Some((okta, granted))),
        Err(error) => diagnosis.bad(TOKEN, &error.into()).map(|()| None),
    }
}

fn examine_token(patient: &Patient<'_>, token: &Token, diagnosis: &mut Diagnosis) -> Outcome {
    let challenged = match patient.listener.challenges() {
        0 => "",
        _ => ", after the server's nonce challenge was answered",
    };
    let Some(key) = token.bound_to() else {
        let giver = patient.giver();
        let why = format!("DPoP is off here, and the {giver} gives this app tokens that are bound to no key");
        return diagnosis.warn(TOKEN, "a Bearer token was granted", why, SWITCH_ON);
    };
    let expected = key.thumbprint();
    match bound_to(token.secret()) {
        Bound::To(found) if found == expected.to_string() => diagnosis.good(
            TOKEN,
            format_args!(
                "a DPoP token was granted{challenged}; it is bound to the key of its proof (cnf.jkt)"
            ),
        ),
        Bound::To(_) => diagnosis.bad(TOKEN, &not_bound("it is bound to another key (cnf.jkt)", expected)),
        Bound::ToNothing => diagnosis.bad(TOKEN, &not_bound("it has no cnf.jkt", expected)),
        Bound::Opaque => diagnosis.good(
            TOKEN,
            format_args!(
                "a DPoP token was granted{challenged}; it is no JWT, so its key can't be looked at here"
            ),
        ),
    }
}

const SWITCH_ON: &str = "switch \"Require Demonstrating Proof of Possession (DPoP) header in token requests\" on for \
     the app: admin console → Applications → the app → General Settings";

fn not_bound(why: &str, expected: Thumbprint) -> Failure {
    Failure::new(
        ExitCode::DpopRefused,
        format_args!("the token is said to be of type DPoP, and is not bound to our key ({expected})"),
    )
    .because(why)
    .do_next("look at what is between here and the server: the answer is not for the proof that was sent")
}

enum Bound {
    To(String),
    ToNothing,
    Opaque,
}

/// The key that a token names, if it can be read.
fn bound_to(token: &str) -> Bound {
    let Ok(jws) = UnverifiedJws::decode(token, MAX_ACCESS_TOKEN_BYTES) else { return Bound::Opaque };
    let Ok(claims) = jws.claims() else { return Bound::Opaque };
    match claims.object("cnf").and_then(|confirmation| confirmation.string("jkt")) {
        Ok(thumbprint) => Bound::To(thumbprint.to_owned()),
        Err(_) => Bound::ToNothing,
    }
}

/// Whether the org insists on DPoP: asks without a proof, and drops what it may be given.
pub(super) async fn probe_bearer(
    patient: &Patient<'_>,
    scopes: &[String],
    diagnosis: &mut Diagnosis,
) -> Outcome {
    if !patient.settings.binding.is_bound() {
        return Ok(());
    }
    let mut settings = patient.settings.clone();
    settings.binding = TokenBinding::Bearer;
    settings.grant.scopes = scopes.to_vec();
    match patient.client_by(settings).token().await.map_err(Failure::from) {
        Err(refusal) if refusal.code() == ExitCode::DpopRefused => {
            let giver = patient.giver();
            let found = format!("a token request without a proof is refused: the {giver} insists on DPoP");
            diagnosis.good(BEARER, found)
        }
        Ok(_) => {
            let why = "who has the client key can have tokens that are bound to nothing";
            diagnosis.warn(
                BEARER,
                "a token request without a proof was granted; the token was dropped",
                why,
                SWITCH_ON,
            )
        }
        Err(refusal) => {
            let why = "it was refused for something else than the missing proof";
            diagnosis.warn(BEARER, refusal.what(), why, "try again")
        }
    }
}
