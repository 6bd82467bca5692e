//! A policy in sentences: what it lets in, and what in it is less safe than it could be.

use keybound::TargetUri;
use keybound_guard::policy::{Issuer, NoncesRequired, Policy, ReplayStoreKind, Route, WhenStoreIsDown};
use serde_json::json;

use crate::output::{BAD, GOOD, Output};
use crate::report::Outcome;

/// Tells what `policy` means, for a person or as JSON.
pub(super) fn tell(policy: &Policy, for_person: bool, output: Output) -> Outcome {
    let (meaning, warnings) = (meaning(policy), warnings(policy));
    if !for_person {
        return output.json(&json!({ "usable": true, "meaning": meaning, "warnings": warnings }));
    }
    output.line(format_args!("{GOOD}The policy can be used.{GOOD:#}"))?;
    meaning.iter().try_for_each(|sentence| output.line(format_args!("  {sentence}")))?;
    warnings.iter().try_for_each(|sentence| output.line(format_args!("  {BAD}!{BAD:#} {sentence}")))
}

fn meaning(policy: &Policy) -> Vec<String> {
    let mut told = Vec::new();
    if !policy.resources.is_empty() {
        let resources: Vec<_> = policy.resources.iter().map(TargetUri::as_str).collect();
        told.push(format!("Proofs must be made for {}.", resources.join(" or ")));
    }
    if !policy.trusted_proxies.is_empty() {
        let networks: Vec<_> = policy.trusted_proxies.iter().map(ToString::to_string).collect();
        told.push(format!("Proxies in {} are believed about the client's request.", networks.join(", ")));
    }
    told.extend(policy.issuers.iter().map(issuer));
    let proofs = &policy.proofs;
    told.push(format!(
        "A proof is taken for {} s after it was made, and {} s before, by this clock.",
        proofs.max_age.as_secs(),
        proofs.future_tolerance.as_secs()
    ));
    told.push(match policy.nonces.required {
        NoncesRequired::Never => "Proofs need no nonce.".to_owned(),
        NoncesRequired::Always => "Every proof needs a nonce of this guard.".to_owned(),
        NoncesRequired::ByRoute => "Proofs need a nonce on the routes that say so.".to_owned(),
    });
    told.push(match policy.replay.store {
        ReplayStoreKind::Memory => "Used proofs are remembered in this process: run one guard.".to_owned(),
        ReplayStoreKind::Redis => format!("Used proofs are remembered at {}.", policy.replay.urls.join(", ")),
    });
    if policy.routes.is_empty() {
        told.push("A good token opens every path.".to_owned());
    } else {
        told.extend(policy.routes.iter().map(route));
        told.push("Any other request is answered 404.".to_owned());
    }
    told
}

fn issuer(issuer: &Issuer) -> String {
    let audiences = if issuer.audiences.is_empty() {
        "the resource itself".to_owned()
    } else {
        issuer.audiences.join(" or ")
    };
    let keys = match (&issuer.introspection, &issuer.jwks_file, &issuer.jwks_uri) {
        (Some(_), ..) => "which is asked about each (introspection)".to_owned(),
        (None, Some(file), _) => format!("by the keys in {}", file.display()),
        (None, None, Some(uri)) => format!("by the keys at {uri}"),
        (None, None, None) => "by the keys that its metadata names".to_owned(),
    };
    let algorithms: Vec<_> = issuer.algorithms.iter().map(|algorithm| algorithm.name()).collect();
    format!("Tokens of {} for {audiences} are taken, {keys}, {}.", issuer.issuer, algorithms.join(" or "))
}

fn route(route: &Route) -> String {
    let methods = if route.methods.is_empty() { "Every method".to_owned() } else { route.methods.join(", ") };
    let needs = match (route.admit_without_token, route.scopes.is_empty()) {
        (true, _) => "is open to everybody, without a token".to_owned(),
        (false, true) => "needs a good token".to_owned(),
        (false, false) => format!("needs one of the scopes {}", route.scopes.join(", ")),
    };
    let nonce = if route.nonce { ", and a nonce" } else { "" };
    format!("{methods} of {} {needs}{nonce}.", route.path)
}

fn warnings(policy: &Policy) -> Vec<String> {
    let mut told = Vec::new();
    let mut warn = |holds: bool, text: &str| {
        if holds {
            told.push(text.to_owned());
        }
    };
    warn(
        policy.accept_any_host,
        "accept_any_host: a proof made for another service of the same client can be used here.",
    );
    warn(
        policy.accept_bearer_for_unbound_tokens,
        "accept_bearer_for_unbound_tokens: whoever steals an unbound token can use it.",
    );
    warn(
        policy.issuers.iter().any(|issuer| issuer.accept_untyped_tokens),
        "accept_untyped_tokens: other JWTs of that issuer may be taken for access tokens.",
    );
    warn(
        policy.replay.when_down == WhenStoreIsDown::AdmitOncePerGuard,
        "replay.when_down: while the store is down, each guard may admit a proof once.",
    );
    let wide = policy.trusted_proxies.iter().any(|network| network.prefix_len() == 0);
    warn(wide, "trusted_proxies: everybody is believed about the host that a request is for.");
    told
}
