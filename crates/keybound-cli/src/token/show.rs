//! `keybound token show`: what an access token says, for a person to read. Nothing is verified; the signature, without
//! which the text is of no use, is left out.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use keybound::base64url;
use serde_json::{Map, Value, json};

use crate::clock::Clock;
use crate::keys::Shown;
use crate::output::{FAINT, NAME, Output, TITLE};
use crate::report::{Failure, Outcome};

/// Claims that are seconds since 1970 (RFC 7519 section 4.1, OpenID Connect Core section 2).
const TIMES: [&str; 4] = ["iat", "nbf", "exp", "auth_time"];

/// The last second that a date of HTTP can tell: the end of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound token | keybound token show
  keybound token show --key dpop_private_key.pem < token.txt      whether it is bound to this key

`keybound inspect` holds a token to the rules, and verifies its signature.")]
pub(crate) struct Arguments {
    /// The token; `-` is standard input, where others on the machine can't see it.
    #[arg(value_name = "TOKEN|-", default_value = "-", allow_hyphen_values = true)]
    token: String,
    /// A key, private or public: says whether the token is bound to it.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print JSON on a terminal too.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    clock: Clock,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let text = super::given(&arguments.token)?;
    let token = Decoded::read(&text)?;
    let key = arguments.key.as_deref().map(Shown::read).transpose()?;
    let key = key.map(|key| key.public.thumbprint().to_string());
    let bound_to = token.claims.get("cnf").and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str);
    let is_of_key = key.map(|key| bound_to == Some(key.as_str()));
    let times = token.times(arguments.clock.now().seconds());
    if !output.is_terminal() || arguments.json {
        return output.json(&json!({
            "header": token.header,
            "claims": token.claims,
            "times": times,
            "bound_to": bound_to,
            "bound_to_key": is_of_key,
            "signature": "[not shown]",
        }));
    }
    output.line(format_args!("{TITLE}Header{TITLE:#}"))?;
    output.json(&token.header)?;
    output.line(format_args!("{TITLE}Claims{TITLE:#}"))?;
    output.json(&token.claims)?;
    for (name, time) in &times {
        output.line(format_args!("{NAME}{name:<9}{NAME:#} {}", time.as_str().unwrap_or_default()))?;
    }
    let bound = bound_to.unwrap_or("no key: whoever has the token can use it");
    let which = match is_of_key {
        Some(true) => " (the key that was given)",
        Some(false) => " (not the key that was given)",
        None => "",
    };
    output.line(format_args!("{NAME}bound to{NAME:#}  {bound}{FAINT}{which}{FAINT:#}"))?;
    output.line(format_args!("{NAME}signature{NAME:#} {FAINT}not shown, not verified{FAINT:#}"))
}

struct Decoded {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Decoded {
    fn read(token: &str) -> Outcome<Self> {
        let part = |part: &str| serde_json::from_slice(&base64url::decode(part).ok()?).ok();
        let mut parts = token.split('.');
        let (header, claims) = (parts.next().and_then(part), parts.next().and_then(part));
        match (header, claims, parts.count()) {
            (Some(header), Some(claims), 1) => Ok(Self { header, claims }),
            _ => Err(Failure::usage("the token cannot be read")
                .because("it is not a JWT: some servers give tokens that only they can read (RFC 6749 section 1.4)")
                .do_next("ask the server about it by introspection (RFC 7662)")),
        }
    }

    /// The claims that are times, as dates, and how far they are from now.
    fn times(&self, now: u64) -> Map<String, Value> {
        let times = TIMES.into_iter().filter_map(|name| {
            let seconds = self.claims.get(name)?.as_u64().filter(|seconds| *seconds <= LAST_DATE)?;
            Some((name.to_owned(), in_words(seconds, now).into()))
        });
        times.collect()
    }
}

fn in_words(seconds: u64, now: u64) -> String {
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    match seconds.checked_sub(now) {
        Some(ahead) => format!("{date} (in {ahead} s)"),
        None => format!("{date} ({} s ago)", now - seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_dates_and_from_now() {
        let claims = json!({ "iat": 784_111_777, "exp": 784_115_377, "nbf": "soon", "auth_time": u64::MAX });
        let Value::Object(claims) = claims else { unreachable!() };
        let token = Decoded { header: Map::new(), claims };
        let times = token.times(784_111_787);
        let expected = json!({
            "iat": "Sun, 06 Nov 1994 08:49:37 GMT (10 s ago)",
            "exp": "Sun, 06 Nov 1994 09:49:37 GMT (in 3590 s)",
        });
        assert_eq!(Value::Object(times), expected, "what is no time is left out");
    }
}
