//! What is asked for, by path and method.

use serde::Deserialize;

/// What requests of a path and method need. The first route that covers a request is the one that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The path: exact (`/orders`), with a segment of any text (`/orders/*/lines`), or, with `**` as its last
    /// segment, all that is below it (`/orders/**`). Compared with the path in normal form, from the root of
    /// the host.
    pub path: String,
    /// The methods; without any, all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The token needs one of these scopes; without any, a good token is enough.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Proofs need a nonce here, where `nonces.required` is `by_route`.
    #[serde(default)]
    pub nonce: bool,
    /// Lets everybody in, without credentials; they are not looked at.
    #[serde(default)]
    pub admit_without_token: bool,
}
