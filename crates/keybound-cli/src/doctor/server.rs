//! The steps up to the door of the org or the issuer: whether one answers at its URL, what it takes, and what time it has.

use std::time::{Duration, Instant};

use http::header;
use keybound::metadata::ServerMetadata;
use keybound_client::{ClockOffset, discover};
use keybound_okta::Call;

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
fn unreachable(error: keybound_okta::Error, origin: &str) -> Failure {
    match error {
        keybound_okta::Error::Api(refused) => not_an_org(format_args!("{origin}{METADATA_PATH}: {refused}")),
        error => error.into(),
    }
}

fn not_an_org(problem: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::Connection, problem)
        .because("what answers there is not an Okta org, or goes by another name")
        .do_next("check the org's URL (OKTA_ORG_URL): without -admin, without a path, and not a custom domain's page")
}

fn examine_algorithm(patient: &Patient<'_>, metadata: &ServerMetadata, diagnosis: &mut Diagnosis) -> Outcome {
    const STEP: &str = "proof algorithm";
    let Some(key) = patient.settings.binding.key() else { return Ok(()) };
    if metadata.proof_algorithms.is_none() {
        let why = "its metadata has no dpop_signing_alg_values_supported (RFC 9449 section 5.1)";
        return diagnosis.warn(
            STEP,
            format_args!("the {} does not say that it does DPoP", patient.giver()),
            why,
            "see what the token request says",
        );
    }
    match metadata.allow_proof_algorithm(key.algorithm()) {
        Ok(()) => {
            let found = format!("the {} takes proofs with {}", patient.giver(), key.algorithm());
            diagnosis.good(STEP, found)
        }
        Err(problem) => {
            let failure = Failure::new(ExitCode::DpopRefused, problem)
                .do_next("make another key for proofs: keybound keys new --alg ES256 --out dpop");
            diagnosis.bad(STEP, &failure)
        }
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
