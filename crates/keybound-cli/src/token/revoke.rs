//! `keybound token revoke`: tells the org, or the issuer, that a token is not to be used any more (RFC 7009).

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use keybound::NumericDate;
use keybound::assertion::{CLIENT_ASSERTION_TYPE, ClientAssertion};
use keybound::exchange::{ASSERTION_LIFETIME, ClientAuthentication};
use keybound::metadata::{NotSupported, ServerMetadata};
use keybound::random::OperatingSystem;
use keybound_client::{AssertionAudience, TokenServer, discover};
use keybound_okta::{Call, Error, Settings};
use serde_json::json;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

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
        let (path, client) = endpoint(&settings, connection).await?;
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, FORM)]);
        headers.extend(client.authorization(client_id(&settings)).map(|value| (AUTHORIZATION, value)));
        let body = form(&token, &settings, &client, connection.now())?;
        let call = Call { method: Method::POST, path, headers, body };
        connection.client(settings).call_openly(call).await?;
        Ok::<_, Failure>(())
    })?;
    if output.is_terminal() { output.line("revoked") } else { output.json(&json!({ "revoked": true })) }
}

fn client_id(settings: &Settings) -> &str {
    &settings.grant.client_id
}

/// Where tokens are given back, and how the client authenticates there: as it does where it gets them.
async fn endpoint(settings: &Settings, connection: &Connection) -> Outcome<(String, ClientAuthentication)> {
    let authentication = |audience: String, metadata: Option<&ServerMetadata>| {
        let key_id = settings.grant.key_id.clone();
        settings.credential.authentication(audience, key_id, metadata).map_err(Error::NotSupported)
    };
    let TokenServer::Issuer { issuer, assertion_audience, .. } = &settings.grant.server else {
        let endpoint = format!("{}{PATH}", settings.issuer());
        return Ok((endpoint.clone(), authentication(endpoint, None)?));
    };
    let transport = connection.system(settings.transport_options()).transport;
    let metadata = discover(&transport, issuer.as_str()).await.map_err(Error::from)?;
    let missing = Error::NotSupported(NotSupported::NoEndpoint("revocation_endpoint"));
    let endpoint = metadata.revocation_endpoint.as_ref().ok_or(missing)?.to_string();
    let audience = match assertion_audience {
        AssertionAudience::TokenEndpoint => endpoint.clone(),
        _ => issuer.to_string(),
    };
    Ok((endpoint, authentication(audience, Some(&metadata))?))
}

/// The form, with what the client authenticates by, if that goes there.
fn form(token: &str, settings: &Settings, client: &ClientAuthentication, now: NumericDate) -> Outcome<Bytes> {
    let mut form = Serializer::new(String::new());
    form.append_pair("token", token).append_pair("token_type_hint", "access_token");
    match client {
        ClientAuthentication::PrivateKeyJwt { audience, key_id, .. } => {
            let assertion = assertion(settings, audience, key_id.as_deref(), now)?;
            form.append_pair("client_assertion_type", CLIENT_ASSERTION_TYPE)
                .append_pair("client_assertion", &assertion);
        }
        ClientAuthentication::SecretPost(secret) => {
            form.append_pair("client_id", client_id(settings)).append_pair("client_secret", secret.expose());
        }
        _ => {}
    }
    // Wiped once it is sent: a token and a secret are in it.
    Ok(Bytes::from_owner(Zeroizing::new(form.finish().into_bytes())))
}

fn assertion(settings: &Settings, audience: &str, key_id: Option<&str>, now: NumericDate) -> Outcome<String> {
    let unexpected = |error: &dyn std::fmt::Display| Failure::new(ExitCode::Unexpected, error);
    let key = settings.credential.key().ok_or_else(|| unexpected(&"an assertion needs a key"))?;
    let (client_id, lifetime) = (client_id(settings), ASSERTION_LIFETIME);
    let assertion = ClientAssertion { client_id, audience, lifetime, key_id };
    let unsigned =
        assertion.prepare(key.algorithm(), now, &OperatingSystem).map_err(|error| unexpected(&error))?;
    unsigned.sign(key.as_ref()).map_err(|error| unexpected(&error))
}
