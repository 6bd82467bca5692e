//! Whose tokens a client gets: those of the issuer that is set, or else the org's own; and what they are asked for besides
//! scopes.

use keybound::TargetUri;
use keybound::metadata::IssuerError;
use keybound_client::{AssertionAudience, Issuer, TokenServer, field};
use url::Url;

use super::error::SettingsError;
use super::setting::Setting;
use super::sources::OpenSources;
use super::{meaning, org_url};
use crate::org_url::{OrgUrl, is_placeholder, org_of_admin_console};

/// Okta's own domains; the host of an org that has none of its own is one below them.
const OKTA_DOMAINS: [&str; 5] = ["okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com", "okta.mil"];

/// Why a text is not the issuer of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerProblem {
    /// `https://{yourOktaDomain}/oauth2/default` and the like, as documentation writes it.
    #[error("it is a placeholder from the documentation")]
    Placeholder,
    /// `dev-123456.okta.com/oauth2/default`.
    #[error("it does not begin with https://")]
    NoScheme,
    /// On the host of the admin console.
    #[error("it is on the host of the admin console, which issues no tokens")]
    AdminConsole {
        /// The address of the org.
        org: String,
    },
    /// Nothing whose metadata could be asked for.
    #[error(transparent)]
    NotAsked(#[from] IssuerError),
}

impl IssuerProblem {
    pub(super) fn advice(&self) -> String {
        match self {
            Self::AdminConsole { org } => format!("Leave out -admin: {org}/oauth2/default"),
            _ => "Set OKTA_OAUTH2_ISSUER to the issuer as the server's own metadata has it: \
                  https://dev-123456.okta.com/oauth2/default; or leave it out for tokens of the org itself."
                .to_owned(),
        }
    }
}

/// The org whose API is called, if it is one's, and who is asked for tokens.
pub(super) fn server(sources: &OpenSources<'_>) -> Result<(Option<OrgUrl>, TokenServer), SettingsError> {
    let Some(issuer) = issuer(sources)? else {
        let (org_url, from) = org_url(sources)?;
        return match org_url.token_server() {
            Ok(server) => Ok((Some(org_url), server)),
            Err(problem) => Err(SettingsError::OrgUrl { from, problem }),
        };
    };
    // Of no use here but to tell the issuer's kind, whatever is wrong with it.
    let org_url = sources.find(Setting::OrgUrl).and_then(|found| OrgUrl::parse(&found.value).ok());
    if let Some(org_url) =
        org_url.as_ref().filter(|org| issuer.as_str().trim_end_matches('/') == org.origin())
        && let Ok(server) = org_url.token_server()
    {
        return Ok((Some(org_url.clone()), server));
    }
    let assertion_audience = assertion_audience(sources, &issuer, org_url.as_ref())?;
    Ok((None, TokenServer::Issuer { issuer, assertion_audience }))
}

/// The issuer that is set.
pub(super) fn issuer(sources: &OpenSources<'_>) -> Result<Option<Issuer>, SettingsError> {
    let Some(found) = sources.find(Setting::Issuer) else { return Ok(None) };
    match parse(found.value.trim()) {
        Ok(issuer) => Ok(Some(issuer)),
        Err(problem) => Err(SettingsError::Issuer { from: found.source, problem }),
    }
}

fn parse(text: &str) -> Result<Issuer, IssuerProblem> {
    if is_placeholder(text) {
        return Err(IssuerProblem::Placeholder);
    }
    if !text.contains("://") {
        return Err(IssuerProblem::NoScheme);
    }
    let target = TargetUri::parse(text).ok();
    if let Some(org) = target.as_ref().and_then(org_of_admin_console) {
        return Err(IssuerProblem::AdminConsole { org });
    }
    Ok(Issuer::parse(text)?)
}

/// What assertions are for: as it is set, or else the token endpoint for Okta's servers and the issuer for all others.
fn assertion_audience(
    sources: &OpenSources<'_>,
    issuer: &Issuer,
    org_url: Option<&OrgUrl>,
) -> Result<AssertionAudience, SettingsError> {
    let words = [("issuer", AssertionAudience::Issuer), ("token-endpoint", AssertionAudience::TokenEndpoint)];
    let found = sources.find(Setting::AssertionAudience);
    let set = meaning(found, Setting::AssertionAudience, "`issuer` or `token-endpoint`", &words)?;
    Ok(set.unwrap_or_else(|| {
        let is_of_org = org_url.is_some_and(|org| org.origin() == issuer.origin());
        if is_of_org || is_oktas(issuer) {
            AssertionAudience::TokenEndpoint
        } else {
            AssertionAudience::Issuer
        }
    }))
}

/// Whether it looks like an issuer of Okta's: on a domain of Okta's, or with the path of a custom authorization server.
fn is_oktas(issuer: &Issuer) -> bool {
    let Ok(url) = Url::parse(issuer.as_str()) else { return false };
    let host = url.host_str().unwrap_or_default();
    let is_below = |domain: &str| host.strip_suffix(domain).is_some_and(|label| label.ends_with('.'));
    let id = url.path().strip_prefix("/oauth2/").unwrap_or_default();
    OKTA_DOMAINS.into_iter().any(is_below)
        || id == "default"
        || (id.starts_with("aus") && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The resources that tokens are for: absolute URIs without a fragment (RFC 8707 section 2).
pub(super) fn resources(sources: &OpenSources<'_>) -> Result<Vec<String>, SettingsError> {
    let Some(found) = sources.find(Setting::Resources) else { return Ok(Vec::new()) };
    let resources: Vec<_> = found.value.split_whitespace().map(str::to_owned).collect();
    match resources.iter().find(|uri| uri.contains('#') || Url::parse(uri).is_err()) {
        Some(resource) => {
            Err(SettingsError::Resource { from: found.source, resource: field::readable(resource) })
        }
        None => Ok(resources),
    }
}

pub(super) fn audience(sources: &OpenSources<'_>) -> Option<String> {
    sources.find(Setting::Audience).map(|found| found.value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_of_oktas_is_told_from_others() {
        for (issuer, is_one) in [
            ("https://dev-1.okta.com", true),
            ("https://dev-1.oktapreview.com/oauth2/aus1", true),
            ("https://id.example/oauth2/default", true),
            ("https://id.example/oauth2/aus1bc2DE", true),
            ("http://127.0.0.1:7777/oauth2/default", true),
            ("https://okta.com", false),
            ("https://dev-1.okta.com.evil.example", false),
            ("https://notokta.com", false),
            ("https://id.example/oauth2/token", false),
            ("https://id.example/oauth2/default/more", false),
            ("https://id.example/oauth2/aus1/more", false),
            ("https://id.example/realms/default", false),
            ("https://id.example", false),
        ] {
            assert_eq!(is_oktas(&Issuer::parse(issuer).unwrap()), is_one, "{issuer}");
        }
    }
}
