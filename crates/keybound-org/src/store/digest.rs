//! The SHA-256 under which something worth stealing is kept: cookies, codes, refresh tokens. Each has 256 random
//! bits, so nothing slower is needed.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use rusqlite::ToSql;
use rusqlite::types::ToSqlOutput;

/// The hash of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; SHA256_OUTPUT_LEN]);

impl Digest {
    pub(crate) fn of(secret: &str) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl ToSql for Digest {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(&self.0[..]))
    }
}
