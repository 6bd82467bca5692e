//! Hashes, signatures and randomness: the one place where this crate meets a cryptographic library.
//!
//! There are two, chosen by cargo features: aws-lc (`aws-lc`, the default), and crates in Rust alone
//! (`rust-crypto`) where there is no C compiler, as for WebAssembly. Both have the same items, so that
//! nothing above knows which it is. With both features it is aws-lc: whoever asks for it has it, whatever
//! else is in the same build.
//!
//! A key that comes here has been checked by [`crate::key`] for what this crate asks of keys; whether its
//! numbers make a key is for the library to say.

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(all(feature = "rust-crypto", any(test, not(feature = "aws-lc"))))]
mod rust_crypto;

#[cfg(feature = "aws-lc")]
pub(crate) use aws_lc::{
    Ed25519KeyPair, EllipticKeyPair, HmacKey, PublicKey, RsaKeyPair, fill_with_random, sha2, sha256,
};
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc")))]
pub(crate) use rust_crypto::{
    Ed25519KeyPair, EllipticKeyPair, HmacKey, PublicKey, RsaKeyPair, fill_with_random, sha2, sha256,
};

#[cfg(not(any(feature = "aws-lc", feature = "rust-crypto")))]
compile_error!(
    "keybound needs a cryptographic library: enable its feature `aws-lc` (the default) or, where C cannot be \
     compiled, `rust-crypto`"
);

/// Bytes of a hash, and of a code made with it.
pub(crate) const SHA256_BYTES: usize = 32;

/// Which hash of SHA-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HashBits {
    Of256,
    Of384,
    Of512,
}

/// Bytes of a private key of Ed25519, and of a public one (RFC 8032 section 5.1.5).
pub(crate) const ED25519_KEY_BYTES: usize = 32;

/// The library refused. It does not say why, lest that tell something of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

#[cfg(all(test, feature = "aws-lc", feature = "rust-crypto"))]
mod agreement;
