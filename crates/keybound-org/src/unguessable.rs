//! Texts that nobody can guess: who knows one is let in.

use keybound::base64url;
use keybound::random::{Random, RandomUnavailable};
use zeroize::Zeroizing;

/// A new text of so many random bytes, in base64url.
pub(crate) fn text<const BYTES: usize>(random: &dyn Random) -> Result<Zeroizing<String>, RandomUnavailable> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    random.fill(bytes.as_mut_slice())?;
    let mut text = Zeroizing::new(String::new());
    base64url::encode_to(&mut text, bytes.as_slice());
    Ok(text)
}
