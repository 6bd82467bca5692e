//! The steps up to the door of the org or the issuer: whether one answers at its URL, what it takes, and what time it has.

use std::time::{Duration, Instant};

use http::header;
use keybound::Algorithm;
use keybound::metadata::{NotSupported, ServerMetadata};
use keybound::proof::DpopKey;
use keybound_client::{ClockOffset, discover};
use keybound_okta::{Call, Error, Settings};

use crate::exit_code::ExitCode;
use crate::report::{Failure, Outcome};

use super::Patient;
use super::diagnosis::Diagnosis;

const METADATA_PATH: &str = "/.well-known/openid-configuration";

/// Whether there is an org, or an issuer, to go on with.
pub(super) async fn examine(patient: &Patient<'_>, diagnosis: &mut Diagnosis) -> Outcome<bool> {
    let asked = Instant::now();
    let found = match &patient.settings.org_url {
        Some(org_url) => org(patient, org_url.origin()).await,
        None => issuer(patient).await,
    };
    let took = asked.elapsed();
    let (step, name) = (patient.giver(), patient.settings.issuer());
    match found {
        Ok(metadata) => {
            diagnosis.good(
                step,
                format_args!("{name} answers within {} ms, as its own issuer", took.as_millis()),
            )?;
            examine_authentication(patient, &metadata, diagnosis)?;
            examine_algorithm(patient, &metadata, diagnosis)?;
        }
        Err(failure) => return diagnosis.bad(step, &failure).map(|()| false),
    }
    examine_clock(patient, took, diagnosis)?;
    Ok(true)
}

async fn org(patient: &Patient<'_>, origin: &str) -> Outcome<ServerMetadata> {
    let answer = patient.client(&[]).call_openly(Call::get(METADATA_PATH)).await;
    let answer = answer.map_err(|error| unreachable(error, origin))?;
    ServerMetadata::parse(answer.body(), origin).map_err(not_an_org)
}

async fn issuer(patient: &Patient<'_>) -> Outcome<ServerMetadata> {
    let metadata = discover(&patient.system().transport, &patient.settings.issuer()).await;
    Ok(metadata.map_err(keybound_okta::Error::from)?)
}

/// An answer of refusal to what everyone may read comes from something else than an org.
fn unreachable(error: Error, origin: &str) -> Failure {
    match error {
        Error::Api(refused) => not_an_org(format_args!("{origin}{METADATA_PATH}: {refused}")),
        error => error.into(),
    }
}

fn not_an_org(problem: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::Connection, problem)
        .because("what answers there is not an Okta org, or goes by another name")
        .do_next("check the org's URL (OKTA_ORG_URL): without -admin, without a path, and not a custom domain's page")
}

/// Whether the client is one that authenticates as the server takes it, where that can be said beforehand.
fn examine_authentication(
    patient: &Patient<'_>,
    metadata: &ServerMetadata,
    diagnosis: &mut Diagnosis,
) -> Outcome {
    const STEP: &str = "authentication";
    // An org takes keys, whatever else it lists.
    if patient.settings.org_url.is_some() {
        return Ok(());
    }
    let settings = &patient.settings;
    let (audience, key_id) = (settings.issuer(), settings.grant.key_id.clone());
    match settings.credential.authentication(audience, key_id, Some(metadata)) {
        Ok(client) if metadata.client_authentications.is_some() => {
            diagnosis.good(STEP, format_args!("the issuer takes {}, which is used here", client.name()))
        }
        Ok(client) => {
            let found = format!("the issuer does not say which way it takes; {} is used here", client.name());
            diagnosis.good(STEP, found)
        }
        Err(problem) => diagnosis.bad(STEP, &Error::NotSupported(problem).into()),
    }
}

fn examine_algorithm(patient: &Patient<'_>, metadata: &ServerMetadata, diagnosis: &mut Diagnosis) -> Outcome {
    const STEP: &str = "proof algorithm";
    if !patient.settings.binding.is_bound() {
        return Ok(());
    }
    if metadata.proof_algorithms.is_none() {
        let why = "its metadata has no dpop_signing_alg_values_supported (RFC 9449 section 5.1)";
        return diagnosis.warn(
            STEP,
            format_args!("the {} does not say that it does DPoP", patient.giver()),
            why,
            "see what the token request says",
        );
    }
    match proof_algorithm(&patient.settings, metadata) {
        Ok(algorithm) => {
            diagnosis.good(STEP, format_args!("the {} takes proofs with {algorithm}", patient.giver()))
        }
        Err(problem) => diagnosis.bad(STEP, &Error::NotSupported(problem).into()),
    }
}

/// The algorithm of the key for proofs, of a fresh one as it is going to be: an org is not asked for what it takes.
fn proof_algorithm(settings: &Settings, metadata: &ServerMetadata) -> Result<Algorithm, NotSupported> {
    let key = settings.binding.key().map(DpopKey::algorithm);
    match key.or_else(|| settings.org_url.is_some().then_some(Algorithm::ES256)) {
        Some(algorithm) => metadata.allow_proof_algorithm(algorithm).map(|()| algorithm),
        None => metadata.choose_proof_algorithm(),
    }
}

fn examine_clock(patient: &Patient<'_>, took: Duration, diagnosis: &mut Diagnosis) -> Outcome {
    const STEP: &str = "clock";
    const NEXT: &str =
        "set the clock of this machine (date -u), and let it be kept (timedatectl set-ntp true)";
    let headers = patient.listener.last_fields();
    if !headers.contains_key(header::DATE) || headers.contains_key(header::AGE) {
        let why = "its answer has no Date, or comes from a cache";
        return diagnosis.warn(
            STEP,
            format_args!("the {} does not tell its time", patient.giver()),
            why,
            "compare `date -u` with a good clock",
        );
    }
    let now = patient.connection.now();
    let Some(offset) = ClockOffset::measure_over(&headers, now, took) else {
        return diagnosis.good(STEP, format_args!("as the {}'s, within a few seconds", patient.giver()));
    };
    let found = format!("this machine's clock is {offset}");
    if offset.magnitude() <= ClockOffset::CORRECTED {
        return diagnosis.warn(
            STEP,
            found,
            "calls go through: the difference is made up for, at a request more",
            NEXT,
        );
    }
    let why = "assertions and proofs carry the time, and more than a day is not made up for";
    diagnosis.bad(STEP, &Failure::new(ExitCode::Clock, found).because(why).do_next(NEXT))
}
