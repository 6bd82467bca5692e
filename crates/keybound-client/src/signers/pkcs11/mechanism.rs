//! How a token signs: a JWS algorithm as a mechanism of PKCS#11 (version 3.0, sections 2.1 and 2.3).
//!
//! Where the token digests, it is given the whole text; where it doesn't, the digest is made here. For ECDSA
//! the digest is made here first, since nearly every token has `CKM_ECDSA` and few have the others.

use std::borrow::Cow;

use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism as Parameters, MechanismType};
use keybound::{Algorithm, KeyKind};

use super::super::digest;

/// A mechanism for one algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mechanism {
    algorithm: Algorithm,
    input: Input,
}

/// What the token is given to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// The text; the token digests it, if the algorithm begins so.
    Text,
    /// The digest.
    Digest,
    /// The digest in its `DigestInfo` (RFC 8017 section 9.2, step 2).
    DigestInfo,
}

impl Mechanism {
    /// The first mechanism for `algorithm` among those that the token offers.
    pub(super) fn choose(algorithm: Algorithm, offered: &[MechanismType]) -> Option<Self> {
        let candidates = candidates(algorithm).iter().map(|input| Self { algorithm, input: *input });
        candidates.into_iter().find(|candidate| offered.contains(&candidate.parameters().mechanism_type()))
    }

    /// The mechanism with its parameters.
    pub(super) fn parameters(self) -> Parameters<'static> {
        let text = self.input == Input::Text;
        match self.algorithm {
            Algorithm::RS256 if text => Parameters::Sha256RsaPkcs,
            Algorithm::RS384 if text => Parameters::Sha384RsaPkcs,
            Algorithm::RS512 if text => Parameters::Sha512RsaPkcs,
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => Parameters::RsaPkcs,
            Algorithm::PS256 if text => Parameters::Sha256RsaPkcsPss(sha256_pss()),
            Algorithm::PS384 if text => Parameters::Sha384RsaPkcsPss(sha384_pss()),
            Algorithm::PS512 if text => Parameters::Sha512RsaPkcsPss(sha512_pss()),
            Algorithm::PS256 => Parameters::RsaPkcsPss(sha256_pss()),
            Algorithm::PS384 => Parameters::RsaPkcsPss(sha384_pss()),
            Algorithm::PS512 => Parameters::RsaPkcsPss(sha512_pss()),
            Algorithm::ES256 if text => Parameters::EcdsaSha256,
            Algorithm::ES384 if text => Parameters::EcdsaSha384,
            Algorithm::ES512 if text => Parameters::EcdsaSha512,
            Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 => Parameters::Ecdsa,
            Algorithm::EdDSA | Algorithm::Ed25519 => {
                Parameters::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure))
            }
        }
    }

    /// What the token is given for `signing_input`.
    pub(super) fn prepare(self, signing_input: &[u8]) -> Cow<'_, [u8]> {
        match (self.input, digest::of(self.algorithm, signing_input)) {
            (Input::Digest, Some(digest)) => Cow::Owned(digest.as_ref().to_vec()),
            (Input::DigestInfo, Some(digest)) => {
                Cow::Owned([digest_info(self.algorithm), digest.as_ref()].concat())
            }
            _ => Cow::Borrowed(signing_input),
        }
    }
}

/// The names of the mechanisms that could make signatures of `algorithm`.
pub(super) fn needed(algorithm: Algorithm) -> Vec<String> {
    let mechanism = |input: &Input| Mechanism { algorithm, input: *input }.parameters().mechanism_type();
    candidates(algorithm).iter().map(|input| mechanism(input).to_string()).collect()
}

/// From the best to the last.
const fn candidates(algorithm: Algorithm) -> &'static [Input] {
    match algorithm {
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => &[Input::Text, Input::DigestInfo],
        Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => &[Input::Text, Input::Digest],
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 => &[Input::Digest, Input::Text],
        Algorithm::EdDSA | Algorithm::Ed25519 => &[Input::Text],
    }
}

/// With a salt of the hash's length (RFC 7518 section 3.5).
fn sha256_pss() -> PkcsPssParams {
    PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: 32.into() }
}

fn sha384_pss() -> PkcsPssParams {
    PkcsPssParams { hash_alg: MechanismType::SHA384, mgf: PkcsMgfType::MGF1_SHA384, s_len: 48.into() }
}

fn sha512_pss() -> PkcsPssParams {
    PkcsPssParams { hash_alg: MechanismType::SHA512, mgf: PkcsMgfType::MGF1_SHA512, s_len: 64.into() }
}

/// What stands before a digest (RFC 8017 section 9.2, note 1).
const fn digest_info(algorithm: Algorithm) -> &'static [u8] {
    const SHA256: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0,
        0x04, 0x20,
    ];
    const SHA384: [u8; 19] = [
        0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0,
        0x04, 0x30,
    ];
    const SHA512: [u8; 19] = [
        0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0,
        0x04, 0x40,
    ];
    match algorithm {
        Algorithm::RS384 => &SHA384,
        Algorithm::RS512 => &SHA512,
        _ => &SHA256,
    }
}

/// A signature as the token gave it, in the form of RFC 7518: the two numbers of an ECDSA signature may be
/// shorter than their curve is wide (PKCS#11 section 2.3.1), in a JWS they have its width.
pub(super) fn of_fixed_length(algorithm: Algorithm, signature: Vec<u8>) -> Vec<u8> {
    let width = match KeyKind::for_algorithm(algorithm) {
        KeyKind::P256 => 32,
        KeyKind::P384 => 48,
        KeyKind::P521 => 66,
        KeyKind::Rsa { .. } | KeyKind::Ed25519 => return signature,
    };
    if !signature.len().is_multiple_of(2) || signature.len() >= 2 * width {
        return signature;
    }
    let (r, s) = signature.split_at(signature.len() / 2);
    let padding = vec![0; width - r.len()];
    [&padding, r, &padding, s].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mechanism_is_the_best_that_the_token_offers() {
        use MechanismType as Offered;
        for (algorithm, offered, chosen) in [
            (Algorithm::RS256, &[Offered::RSA_PKCS, Offered::SHA256_RSA_PKCS][..], Some(Input::Text)),
            (Algorithm::RS256, &[Offered::RSA_PKCS], Some(Input::DigestInfo)),
            (Algorithm::RS256, &[Offered::SHA384_RSA_PKCS, Offered::RSA_X_509], None),
            (Algorithm::PS512, &[Offered::SHA512_RSA_PKCS_PSS], Some(Input::Text)),
            (Algorithm::PS512, &[Offered::RSA_PKCS_PSS], Some(Input::Digest)),
            (Algorithm::ES256, &[Offered::ECDSA_SHA256, Offered::ECDSA], Some(Input::Digest)),
            (Algorithm::ES256, &[Offered::ECDSA_SHA256], Some(Input::Text)),
            (Algorithm::ES256, &[Offered::ECDSA_SHA384, Offered::ECDSA_SHA1], None),
            (Algorithm::EdDSA, &[Offered::EDDSA], Some(Input::Text)),
            (Algorithm::EdDSA, &[], None),
        ] {
            let found = Mechanism::choose(algorithm, offered).map(|mechanism| mechanism.input);
            assert_eq!(found, chosen, "{algorithm} of {offered:?}");
        }
    }

    #[test]
    fn only_a_short_ecdsa_signature_is_widened() {
        let wide = |r: u8, s: u8| {
            let mut signature = vec![0; 64];
            (signature[31], signature[63]) = (r, s);
            signature
        };
        for (algorithm, given, expected, why) in [
            (Algorithm::ES256, vec![1, 2], wide(1, 2), "both numbers are short"),
            (Algorithm::ES256, wide(1, 2), wide(1, 2), "it has its width"),
            (Algorithm::ES256, vec![1, 2, 3], vec![1, 2, 3], "no two numbers of one length"),
            (Algorithm::ES256, vec![7; 66], vec![7; 66], "longer than the curve is wide"),
            (Algorithm::RS256, vec![1, 2], vec![1, 2], "of RSA"),
        ] {
            assert_eq!(of_fixed_length(algorithm, given), expected, "{why}");
        }
    }
}
