//! Where the tokens of a client may be sent: an org's to that org alone, those of another issuer to the APIs that they are
//! for.

use http::Uri;
use keybound::TargetUri;
use url::Url;

use crate::org_url::OrgUrl;
use crate::settings::Settings;

/// The APIs that a client may call.
#[derive(Clone, Debug)]
pub(crate) enum Reach {
    /// That of one org.
    Org(OrgUrl),
    /// Any: the tokens, which are of the issuer that is named, are bound to a key, and whoever gets one can do nothing
    /// with it.
    AnyApi(String),
    /// Those at the origins of the resources that the issuer's tokens are asked for (RFC 8707): they are Bearer tokens,
    /// good for whoever gets one.
    Resources(String, Vec<String>),
}

/// An address that the tokens of a client are not sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfReach {
    /// Neither a path (`/api/v1/users`) nor a whole URL.
    #[error("`{0}` is neither a path that begins with one slash (/api/v1/users) nor a whole URL")]
    NotAPath(String),
    /// The URL of another server.
    #[error("`{address}` is not on {origin}, and the tokens for that are not sent anywhere else")]
    Elsewhere {
        /// The origin of the URL.
        address: String,
        /// The origin that the tokens are for.
        origin: String,
    },
    /// A path without a host, or an operation of the management API, with tokens that are not the org's own.
    #[error(
        "it is one of an org's API, and the tokens that are set are those of {issuer}, which are for other APIs"
    )]
    NeedsOrg {
        /// Whose tokens they are.
        issuer: String,
    },
    /// The URL of an API that Bearer tokens were not asked for.
    #[error(
        "`{address}` is no resource that the Bearer token is asked for, and whoever gets such a token can use it"
    )]
    NotAResource {
        /// The origin of the URL.
        address: String,
    },
}

impl OutOfReach {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::NotAPath(_) | Self::Elsewhere { .. } => {
                "Give a path of the org's API, such as /api/v1/users?limit=10; for an API of another's, or of your own, \
                 set the issuer of its tokens (OKTA_OAUTH2_ISSUER)."
                    .to_owned()
            }
            Self::NeedsOrg { .. } => {
                "Give the whole URL of an API that takes the issuer's tokens (https://api.example/things). For the org's \
                 API set OKTA_ORG_URL, and leave OKTA_OAUTH2_ISSUER out or make it the same."
                    .to_owned()
            }
            Self::NotAResource { address } => format!(
                "Ask for a token that is bound to a key (DPoP), which can go anywhere; or name the resource that the \
                 Bearer token is for: KEYBOUND_RESOURCE={address} (keybound: --resource)"
            ),
        }
    }
}

impl Reach {
    /// Where the tokens of `settings` may go.
    pub(crate) fn of(settings: &Settings) -> Self {
        let issuer = settings.issuer();
        match &settings.org_url {
            Some(org_url) => Self::Org(org_url.clone()),
            None if settings.binding.is_bound() => Self::AnyApi(issuer),
            None => {
                let targets = settings.grant.resources.iter().filter_map(|uri| TargetUri::parse(uri).ok());
                Self::Resources(issuer, targets.map(|target| target.origin().to_owned()).collect())
            }
        }
    }

    /// Where a call may go that carries no token.
    pub(crate) fn without_token(&self) -> Self {
        match self {
            Self::Resources(issuer, _) => Self::AnyApi(issuer.clone()),
            other => other.clone(),
        }
    }

    /// The org, if it is one's API that is called.
    pub(crate) fn org(&self) -> Result<&OrgUrl, OutOfReach> {
        match self {
            Self::Org(org_url) => Ok(org_url),
            Self::AnyApi(issuer) | Self::Resources(issuer, _) => {
                Err(OutOfReach::NeedsOrg { issuer: issuer.clone() })
            }
        }
    }

    /// The address of `text`: a path of the org, with or without a query, or a whole URL.
    ///
    /// Characters that a URL can't have are percent-encoded, dot segments are taken out, a fragment is left
    /// out: what this returns is what is sent and what the proof is for.
    pub(crate) fn resolve(&self, text: &str) -> Result<Uri, OutOfReach> {
        // `//host/path` is the address of another host to every browser.
        let is_path = text.starts_with('/') && !text.starts_with("//");
        let whole = if is_path { format!("{}{text}", self.org()?.origin()) } else { text.to_owned() };
        let (uri, origin) = absolute(&whole)?;
        match self {
            Self::Org(org) if origin != org.origin() => Err(elsewhere(&origin, org.origin())),
            Self::Resources(_, origins) if !origins.contains(&origin) => {
                Err(OutOfReach::NotAResource { address: shortened(&origin) })
            }
            _ => Ok(uri),
        }
    }

    /// Where `link` leads that the server at `from` gave: nowhere but to the same origin.
    pub(crate) fn follow(&self, from: &Uri, link: &str) -> Result<Uri, OutOfReach> {
        let (_, origin) = absolute(&from.to_string())?;
        let is_path = link.starts_with('/') && !link.starts_with("//");
        let link = if is_path { format!("{origin}{link}") } else { link.to_owned() };
        let uri = self.resolve(&link)?;
        let (_, led_to) = absolute(&link)?;
        if led_to == origin { Ok(uri) } else { Err(elsewhere(&led_to, &origin)) }
    }
}

/// A whole URL as it is sent, and its origin.
fn absolute(text: &str) -> Result<(Uri, String), OutOfReach> {
    let not_a_path = || OutOfReach::NotAPath(shortened(text));
    if !text.contains("://") {
        return Err(not_a_path());
    }
    let mut url = Url::parse(text).map_err(|_| not_a_path())?;
    url.set_fragment(None);
    let target = TargetUri::parse(url.as_str()).map_err(|_| not_a_path())?;
    let uri = url.as_str().parse().map_err(|_| not_a_path())?;
    Ok((uri, target.origin().to_owned()))
}

fn elsewhere(address: &str, origin: &str) -> OutOfReach {
    OutOfReach::Elsewhere { address: shortened(address), origin: origin.to_owned() }
}

/// What is repeated of a text that came from elsewhere, at most.
fn shortened(text: &str) -> String {
    const SHOWN_CHARACTERS: usize = 120;
    text.chars().take(SHOWN_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://as.example";

    #[test]
    fn tokens_go_where_they_are_of_use_and_do_no_harm() {
        let org = Reach::Org(OrgUrl::parse("https://o.example").unwrap());
        let bound = Reach::AnyApi(ISSUER.to_owned());
        let bearer = Reach::Resources(ISSUER.to_owned(), vec!["https://api.example".to_owned()]);
        let needs_org = || Err(OutOfReach::NeedsOrg { issuer: ISSUER.to_owned() });
        let not_a_path = |text: &str| Err(OutOfReach::NotAPath(text.to_owned()));
        let not_a_resource = |address: &str| Err(OutOfReach::NotAResource { address: address.to_owned() });
        let things = || Ok("https://api.example/things?a=%20b".to_owned());
        for (reach, text, outcome, why) in [
            (&org, "/api/v1/users", Ok("https://o.example/api/v1/users".to_owned()), "a path of the org"),
            (
                &org,
                "https://api.example/things",
                Err(elsewhere("https://api.example", "https://o.example")),
                "another's",
            ),
            (&bound, "https://API.example:443/things?a= b#c", things(), "a bound token can go anywhere"),
            (&bound, "/api/v1/users", needs_org(), "a path of no org"),
            (&bound, "//api.example/things", not_a_path("//api.example/things"), "no scheme"),
            (&bound, "file:///etc/passwd", not_a_path("file:///etc/passwd"), "no server"),
            (
                &bound,
                "https://me:secret@api.example/",
                not_a_path("https://me:secret@api.example/"),
                "a user",
            ),
            (&bearer, "https://api.example/things?a= b", things(), "what the token was asked for"),
            (
                &bearer,
                "https://api.example.evil/",
                not_a_resource("https://api.example.evil"),
                "another host",
            ),
            (
                &bearer,
                "https://api.example:8443/",
                not_a_resource("https://api.example:8443"),
                "another port",
            ),
            (&bearer, "http://api.example/", not_a_resource("http://api.example"), "in the clear"),
            (&bearer, "https://as.example/", not_a_resource("https://as.example"), "the issuer itself"),
            (&bearer, "/things", needs_org(), "a path of no org"),
        ] {
            assert_eq!(reach.resolve(text).map(|uri| uri.to_string()), outcome, "{why}: {text}");
            assert!(outcome.is_ok() || !outcome.unwrap_err().advice().is_empty());
        }
    }

    #[test]
    fn a_servers_link_leads_nowhere_but_to_the_same_origin() {
        let bound = Reach::AnyApi(ISSUER.to_owned());
        let from: Uri = "https://api.example/things".parse().unwrap();
        for (link, leads_to) in [
            ("https://api.example/things?after=2", Some("https://api.example/things?after=2")),
            ("/things?after=2", Some("https://api.example/things?after=2")),
            ("https://evil.example/things", None),
            ("https://api.example:8443/things", None),
            ("//evil.example/things", None),
            ("things?after=2", None),
        ] {
            let uri = bound.follow(&from, link).map(|uri| uri.to_string());
            assert_eq!(uri.as_deref().ok(), leads_to, "{link}: {uri:?}");
        }
    }
}
