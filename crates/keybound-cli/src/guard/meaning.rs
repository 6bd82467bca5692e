//! A policy in sentences: what it lets in, and what in it is less safe than it could be.

use keybound::TargetUri;
use keybound_guard::policy::{
    CorsRules, EndedAnswers, Issuer, NoncesRequired, Policy, ReplayStoreKind, Route, WhenStoreIsDown,
};
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
        let mut origins: Vec<_> = policy.resources.iter().map(TargetUri::origin).collect();
        origins.dedup();
        told.push(format!("Proofs must be made for URLs at {}.", origins.join(" or ")));
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
    if policy.cors.is_on() {
        told.push(pages(&policy.cors));
    }
    if policy.routes.is_empty() {
        told.push("A good token opens every path.".to_owned());
    } else {
        told.extend(policy.routes.iter().map(|one| route(one, policy.nonces.required)));
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
    let algorithms: Vec<_> = issuer.algorithms.iter().map(|algorithm| algorithm.name()).collect();
    let keys = match (&issuer.jwks_file, &issuer.jwks_uri) {
        (Some(file), _) => format!("the keys in {}", file.display()),
        (None, Some(uri)) => format!("the keys at {uri}"),
        (None, None) => "the keys that its metadata names".to_owned(),
    };
    let keys = format!("verified by {keys}, {}", algorithms.join(" or "));
    let names_keys = issuer.jwks_file.is_some() || issuer.jwks_uri.is_some();
    let verified = match (&issuer.introspection, issuer.revocation_checked_every) {
        (None, _) => keys,
        (Some(_), None) if !names_keys => {
            "and the issuer is asked about each of them (introspection)".to_owned()
        }
        (Some(_), None) => format!("{keys}; it is asked about those that are no JWTs (introspection)"),
        (Some(_), Some(every)) => format!(
            "{keys}; it is asked every {} s whether they were revoked, and about those that are no JWTs \
             (introspection)",
            every.as_secs()
        ),
    };
    format!("Tokens of {} for {audiences} are taken, {verified}.", issuer.issuer)
}

fn pages(cors: &CorsRules) -> String {
    let origins = if cors.allows_every_origin() {
        "every origin".to_owned()
    } else {
        cors.allowed_origins.join(" or ")
    };
    format!("Pages of {origins} may call from a browser, by {}.", cors.allowed_methods.join(", "))
}

fn route(route: &Route, nonces: NoncesRequired) -> String {
    let methods = if route.methods.is_empty() { "Every method".to_owned() } else { route.methods.join(", ") };
    let needs = match (route.admit_without_token, route.scopes.as_slice()) {
        (true, _) => "is open to everybody, without a token".to_owned(),
        (false, []) => "needs a good token".to_owned(),
        (false, [scope]) => format!("needs the scope {scope}"),
        (false, scopes) => format!("needs one of the scopes {}", scopes.join(", ")),
    };
    let by_route = nonces == NoncesRequired::ByRoute && route.nonce;
    let nonce = if by_route { ", and a nonce" } else { "" };
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
    let (required, routes) = (policy.nonces.required, &policy.routes);
    warn(
        required == NoncesRequired::ByRoute && !routes.iter().any(|route| route.nonce),
        "nonces.required: it is \"by_route\", and no route has nonce = true: nonces are asked for nowhere.",
    );
    warn(
        required != NoncesRequired::ByRoute && routes.iter().any(|route| route.nonce),
        "routes: nonce = true counts only with nonces.required = \"by_route\".",
    );
    warn(
        routes.is_empty() && policy.resources.iter().any(|resource| resource.path() != "/"),
        "resources: a path in them limits nothing, and without routes every path is open to a good token.",
    );
    warn(
        policy.cors.allow_credentials,
        "cors.allow_credentials: browsers send cookies along, and no key-bound token needs them.",
    );
    warn(
        policy.answers_ended_at_expiry == EndedAnswers::None,
        "answers_ended_at_expiry: event streams go on for as long as client and API like.",
    );
    let in_the_clear = |origin: &String| {
        let host = origin.strip_prefix("http://").unwrap_or("localhost");
        !["localhost", "127.0.0.1", "[::1]"].iter().any(|own| host.strip_prefix(own).is_some_and(is_port))
    };
    warn(
        policy.cors.allowed_origins.iter().any(in_the_clear),
        "cors.allowed_origins: a page that comes over http can be changed by anyone on its way.",
    );
    let wide = policy.trusted_proxies.iter().any(|network| network.prefix_len() == 0);
    warn(wide, "trusted_proxies: everybody is believed about the host that a request is for.");
    told
}

fn is_port(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(':')
}
