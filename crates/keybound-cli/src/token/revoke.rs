//! `keybound token revoke`: tells the org, or the issuer, that a token is not to be used any more (RFC 7009).

use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use keybound::NumericDate;
use keybound::assertion::{CLIENT_ASSERTION_TYPE, ClientAssertion};
use keybound::exchange::ASSERTION_LIFETIME;
use keybound::metadata::NotSupported;
use keybound::random::OperatingSystem;
use keybound_client::{AssertionAudience, TokenServer, discover};
use keybound_okta::{Call, Error, Settings};
use serde_json::json;
use url::form_urlencoded::Serializer;

use crate::connection::Connection;
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::report::{Failure, Outcome};
use crate::runtime;

/// Of the org authorization server.
const PATH: &str = "/oauth2/v1/revoke";

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound token revoke < token.txt
  echo \"$TOKEN\" | keybound token revoke -

An org answers the same for a token that it does not know (RFC 7009 section 2.2). A resource that verifies tokens by \
itself takes one until it expires.")]
pub(crate) struct Arguments {
    /// The token; `-` is standard input, where others on the machine can't see it.
    #[arg(value_name = "TOKEN|-", default_value = "-", allow_hyphen_values = true)]
    token: String,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let token = super::given(&arguments.token)?;
    let connection = &arguments.connection;
    let settings = connection.settings(None)?;
    runtime::start()?.block_on(async {
        let (endpoint, audience) = endpoint(&settings, connection).await?;
        let call = Call {
            method: Method::POST,
            path: endpoint,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, FORM)]),
            body: form(&token, &settings, &audience, connection.now())?,
        };
        connection.client(settings).call_openly(call).await?;
        Ok::<_, Failure>(())
    })?;
    if output.is_terminal() { output.line("revoked") } else { output.json(&json!({ "revoked": true })) }
}

/// Where tokens are given back, and what an assertion there is for.
async fn endpoint(settings: &Settings, connection: &Connection) -> Outcome<(String, String)> {
    let TokenServer::Issuer { issuer, assertion_audience, .. } = &settings.grant.server else {
        let endpoint = format!("{}{PATH}", settings.issuer());
        return Ok((endpoint.clone(), endpoint));
    };
    let transport = connection.system(settings.transport_options()).transport;
    let metadata = discover(&transport, issuer.as_str()).await.map_err(Error::from)?;
    let missing = Error::NotSupported(NotSupported::NoEndpoint("revocation_endpoint"));
    let endpoint = metadata.revocation_endpoint.ok_or(missing)?.to_string();
    let audience = match assertion_audience {
        AssertionAudience::TokenEndpoint => endpoint.clone(),
        _ => issuer.to_string(),
    };
    Ok((endpoint, audience))
}

/// The form, with an assertion for `audience`.
fn form(token: &str, settings: &Settings, audience: &str, now: NumericDate) -> Outcome<Bytes> {
    let assertion = ClientAssertion {
        client_id: &settings.grant.client_id,
        audience,
        lifetime: ASSERTION_LIFETIME,
        key_id: settings.grant.key_id.as_deref(),
    };
    let key = settings.client_key.as_ref();
    let unexpected = |error: &dyn std::fmt::Display| Failure::new(ExitCode::Unexpected, error);
    let unsigned =
        assertion.prepare(key.algorithm(), now, &OperatingSystem).map_err(|error| unexpected(&error))?;
    let signed = unsigned.sign(key).map_err(|error| unexpected(&error))?;
    let mut form = Serializer::new(String::new());
    form.append_pair("token", token)
        .append_pair("token_type_hint", "access_token")
        .append_pair("client_assertion_type", CLIENT_ASSERTION_TYPE)
        .append_pair("client_assertion", &signed);
    Ok(form.finish().into())
}
