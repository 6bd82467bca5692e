//! What an authorization server says of itself: its metadata (RFC 8414), which OpenID Connect Discovery has in
//! the same form, and where it is.
//!
//! [`WellKnown`] says where to look, [`ServerMetadata::parse`] reads what is there for a client, and
//! [`MetadataDocument`] is what reads it for anyone else.

mod server;
mod well_known;

pub use server::{NotSupported, ServerMetadata};
pub use well_known::{IssuerError, WellKnown};

use crate::endpoint::{Endpoint, EndpointError};
use crate::excerpt::{NAME, excerpt};
use crate::json::{MemberError, NotStrictJson, Object, Value};

/// Bytes of a server's metadata, at most. Large ones have ten kilobytes.
pub const MAX_METADATA_BYTES: usize = 64 * 1024;

/// A server's metadata, held to what every reader of it needs: its size, its JSON, and whose it is.
pub struct MetadataDocument<'a> {
    metadata: Object<'a>,
}

/// Why a server's metadata can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Longer than [`MAX_METADATA_BYTES`].
    #[error("its metadata has {found} bytes, more than the {MAX_METADATA_BYTES} that are read")]
    TooLarge {
        /// Bytes of the text.
        found: usize,
    },
    /// Not a JSON object.
    #[error("its metadata is {0}")]
    NotStrictJson(#[from] NotStrictJson),
    /// A member is missing or of another type.
    #[error("its metadata's {0}")]
    Member(#[from] MemberError),
    /// Metadata of another issuer: whoever could answer for it could have its own keys and endpoints taken for
    /// the issuer's.
    #[error("its metadata is that of another issuer, `{found}` (RFC 8414 section 3.3)")]
    WrongIssuer {
        /// The member `issuer`, cut.
        found: String,
    },
    /// A URI that may not be asked.
    #[error("its metadata's `{name}` can't be used: {reason}")]
    Uri {
        /// The member.
        name: &'static str,
        /// What is wrong with it.
        reason: EndpointError,
    },
}

impl<'a> MetadataDocument<'a> {
    /// Parses the metadata of `issuer`, whose member `issuer` must be exactly that, character by character
    /// (RFC 8414 section 3.3, OpenID Connect Discovery section 4.3).
    pub fn parse(json: &'a [u8], issuer: &str) -> Result<Self, MetadataError> {
        if json.len() > MAX_METADATA_BYTES {
            return Err(MetadataError::TooLarge { found: json.len() });
        }
        let metadata = Object::parse(json)?.without_nulls();
        let found = metadata.string("issuer")?;
        if found != issuer {
            return Err(MetadataError::WrongIssuer { found: excerpt(found, NAME) });
        }
        Ok(Self { metadata })
    }

    /// A URL, if the member is there: https, or http to this machine.
    pub fn endpoint(&self, name: &'static str) -> Result<Option<Endpoint>, MetadataError> {
        let Some(text) = self.metadata.optional_string(name)? else { return Ok(None) };
        Endpoint::parse(text).map(Some).map_err(|reason| MetadataError::Uri { name, reason })
    }

    fn names(&self, name: &'static str) -> Result<Option<Vec<String>>, MetadataError> {
        let names = self.metadata.optional_strings(name)?;
        Ok(names.map(|names| names.into_iter().map(|name| excerpt(name, NAME)).collect()))
    }

    fn flag(&self, name: &'static str) -> Result<bool, MetadataError> {
        match self.metadata.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(MemberError::WrongType { name, expected: "a boolean" }.into()),
        }
    }
}
