//! The SHA-256 that is kept of something worth stealing: cookies, codes, refresh tokens, client secrets, the
//! administrator's token. Each has 240 random bits or more, unless an administrator chose a client secret,
//! so nothing slower is needed.

use aws_lc_rs::constant_time;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use rusqlite::ToSql;
use rusqlite::types::ToSqlOutput;

/// The hash of a secret.
#[derive(Clone, Copy)]
pub(crate) struct Digest([u8; SHA256_OUTPUT_LEN]);

impl Digest {
    pub(crate) fn of(secret: &str) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }

    /// The hash that was kept as these bytes, if it is one.
    pub(crate) fn kept(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Whether it is of this secret; takes the same time whatever is wrong with it.
    pub(crate) fn is_of(&self, secret: &str) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &Self::of(secret).0).is_ok()
    }
}

impl ToSql for Digest {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(&self.0[..]))
    }
}
