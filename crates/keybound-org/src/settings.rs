//! How a local org is to be started.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keybound::random::{OperatingSystem, Random};
use keybound::{Clock, NoncePolicy, SigningKey, SystemClock};

use crate::management::{EndpointGroup, OKTA_REQUESTS_PER_MINUTE};
use crate::web_origin::WebOrigin;

/// What a local org is made from. The default is safe and complete: https on a free loopback port, with
/// data that ends with the org.
pub struct OrgSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// http or https.
    pub scheme: Scheme,
    /// Listens with https where other machines can reach it, as one does in a container. The certificate
    /// stays one for `localhost`, and so does the org's URL. Plain http never listens there.
    pub listen_beyond_loopback: bool,
    /// Where the database and the certificate authority are.
    pub data: Data,
    /// How many users a new org is furnished with.
    pub seed_users: usize,
    /// Requests that each group of endpoints of the management API takes in a minute from all clients together, and as
    /// many from whoever is not admitted.
    pub requests_per_minute: u32,
    /// The same for groups that have a limit of their own; of two for one group the last counts.
    pub rate_limits: Vec<(EndpointGroup, u32)>,
    /// Origins whose pages may ask the org from a browser, as Trusted Origins with the scope `CORS`; those of the
    /// redirect URIs of apps in browsers may ask for tokens without that.
    pub trusted_origins: Vec<WebOrigin>,
    /// How often the authorization servers renew their nonce, and how long they take one.
    pub nonces: NoncePolicy,
    /// How long a refresh token may be used again after it was used, since an answer may have been lost.
    pub refresh_token_grace: Duration,
    /// How long a key signs before the next one takes its place.
    pub signing_keys_renewed_every: Duration,
    /// The RSA key that signs the tokens of the org's own authorization server. Without one
    /// the org makes one when it first needs it, which takes a tenth of a second and more, and keeps it in its data.
    pub signing_key: Option<SigningKey>,
    /// Requests that are remembered with their answers, to be looked at ([`crate::trace`]); of none, nothing is
    /// recorded.
    pub traces_remembered: usize,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes identifiers, secrets and nonces.
    pub random: Arc<dyn Random>,
}

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear, on loopback alone.
    Http,
    /// With TLS, by a certificate of the org's own authority.
    Https,
}

impl Scheme {
    /// The scheme of the org's URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Where an org's data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// In this folder, which is made if it is not there.
    Directory(PathBuf),
    /// In a folder of its own that is removed when the org ends.
    Temporary,
}

/// A page of users, as long as pages are.
const SEED_USERS: usize = 200;

/// Requests that are remembered: an afternoon at one's desk.
const TRACES_REMEMBERED: usize = 1000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// As Okta's: renewed every day, accepted until the third.
const OKTA_NONCES: NoncePolicy = NoncePolicy { renewed_every: DAY, accepted_for: DAY.saturating_mul(3) };

/// What Okta suggests.
const REFRESH_TOKEN_GRACE: Duration = Duration::from_secs(30);

/// Okta renews keys about four times a year.
const SIGNING_KEYS_RENEWED_EVERY: Duration = DAY.saturating_mul(90);

impl Default for OrgSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            scheme: Scheme::Https,
            listen_beyond_loopback: false,
            data: Data::Temporary,
            seed_users: SEED_USERS,
            requests_per_minute: OKTA_REQUESTS_PER_MINUTE,
            rate_limits: Vec::new(),
            trusted_origins: Vec::new(),
            nonces: OKTA_NONCES,
            refresh_token_grace: REFRESH_TOKEN_GRACE,
            signing_keys_renewed_every: SIGNING_KEYS_RENEWED_EVERY,
            signing_key: None,
            traces_remembered: TRACES_REMEMBERED,
            clock: Arc::new(SystemClock),
            random: Arc::new(OperatingSystem),
        }
    }
}

impl OrgSettings {
    /// Whether it is asked to listen only where it may.
    pub(crate) fn may_listen(&self) -> bool {
        self.listen.ip().is_loopback() || (self.scheme == Scheme::Https && self.listen_beyond_loopback)
    }

    /// The URL of an org that listens at this port: what its tokens name as their issuer, and what proofs
    /// are made for.
    pub(crate) fn url(&self, port: u16) -> String {
        let host = match self.listen.ip() {
            IpAddr::V4(address) if address.is_loopback() => address.to_string(),
            IpAddr::V6(address) if address.is_loopback() => format!("[{address}]"),
            _ => "localhost".to_owned(),
        };
        format!("{}://{host}:{port}", self.scheme.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_may_listen_beyond_loopback_and_only_if_told_so() {
        use Scheme::{Http, Https};
        for (listen, scheme, beyond, expected) in [
            ("127.0.0.1:1", Http, false, Some("http://127.0.0.1:7")),
            ("127.9.9.9:1", Https, false, Some("https://127.9.9.9:7")),
            ("[::1]:1", Http, false, Some("http://[::1]:7")),
            ("0.0.0.0:1", Http, false, None),
            ("0.0.0.0:1", Http, true, None),
            ("192.0.2.1:1", Https, false, None),
            ("192.0.2.1:1", Https, true, Some("https://localhost:7")),
            ("[::]:1", Https, true, Some("https://localhost:7")),
            ("[::ffff:127.0.0.1]:1", Http, false, None),
        ] {
            let listen = listen.parse().unwrap();
            let settings =
                OrgSettings { listen, scheme, listen_beyond_loopback: beyond, ..OrgSettings::default() };
            let url = settings.may_listen().then(|| settings.url(7));
            assert_eq!(url.as_deref(), expected, "{listen} {scheme:?} {beyond}");
        }
    }
}
