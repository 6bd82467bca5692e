//! OAuth 2.0 sender-constrained tokens (DPoP, RFC 9449), without IO.

pub mod base64url;
pub mod json;
mod numeric_date;
pub mod random;

pub use numeric_date::NumericDate;
