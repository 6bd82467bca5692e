//! The authorization request and its response, without IO (RFC 6749 section 4.1, PKCE of RFC 7636, RFC 9449
//! section 10): how a user lets a program act in their name.
//!
//! [`AuthorizationRequest::begin`] makes what may be used once: the PKCE verifier, `state`, `nonce`. The
//! [`PendingAuthorization`] gives the URL for the user's browser, or the form to push first (RFC 9126), and
//! reads the response. Only from a response that holds by every rule comes an [`AuthorizationCode`], and
//! only of that can a token request be made.
//!
//! ```
//! use keybound::authorization::AuthorizationRequest;
//! use keybound::endpoint::Endpoint;
//! use keybound::random::OperatingSystem;
//!
//! let mut request = AuthorizationRequest::new(
//!     "https://as.example.com",
//!     Endpoint::parse("https://as.example.com/authorize")?,
//!     "client",
//!     "http://127.0.0.1:49152/callback",
//! );
//! request.scopes = vec!["openid".to_owned()];
//! let pending = request.begin(&OperatingSystem)?;
//! let url = pending.url(); // to be opened in the user's browser
//! assert!(url.contains("&code_challenge_method=S256"));
//! // The browser comes back to the redirect URI with a query:
//! assert!(pending.receive("code=SplxlOBeZQQYbYS6WxSbIA&state=of-another-request").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod pushed;
mod request;
mod response;

pub use pushed::{MAX_REQUEST_URI_BYTES, PushError, PushProgress, PushedExchange, PushedRequest};
pub use request::{AuthorizationRequest, BeginError, PendingAuthorization};
pub use response::{AuthorizationCode, MAX_CODE_BYTES, MAX_RESPONSE_BYTES, ResponseRefusal};
