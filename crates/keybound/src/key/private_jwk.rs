//! Private JWKs (RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2).

use pkcs1::{RsaPrivateKeyRef, UintRef};
use pkcs8::der;
use zeroize::Zeroizing;

use super::components::{Components, Point, RsaNumbers};
use super::private::KeyPair;
use super::public_jwk::{octets, parse};
use super::{KeyError, PrivateKey, PublicKey};
use crate::base64url;
use crate::cryptography::{ED25519_KEY_BYTES, Ed25519KeyPair, EllipticKeyPair, Failed, RsaKeyPair};
use crate::json::Object;
use crate::jwk::Attributes;

type Secret = Zeroizing<Vec<u8>>;

impl PrivateKey {
    /// Reads a private JWK. Its private and its public members must be of one key, and an RSA key must
    /// have all of `d`, `p`, `q`, `dp`, `dq` and `qi`.
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyError> {
        let jwk = parse(json)?;
        let components = Components::read_jwk(&jwk)?;
        let public = PublicKey::new(components, attributes_of_public_half(&jwk)?)?;
        if !jwk.contains("d") {
            return Err(KeyError::PrivateMemberMissing);
        }
        let pair = match &*public.components {
            Components::Rsa(numbers) => read_rsa(&jwk, numbers),
            Components::Elliptic(point) => read_elliptic(&jwk, point),
            Components::Ed25519(octets) => read_ed25519(&jwk, octets),
        }?;
        Ok(Self { pair, public })
    }

    /// The key as a JWK, private members included. In plain text: it must not be seen by others.
    pub fn to_jwk(&self) -> Result<Zeroizing<String>, KeyError> {
        let members = self.pair.private_members()?;
        let public = self.public.jwk().to_json();
        // All room at once: a text that grows leaves copies of itself in memory.
        let room = members.iter().map(|(name, secret)| name.len() + secret.len() * 2 + 8).sum::<usize>();
        let mut text = Zeroizing::new(String::with_capacity(public.len() + room));
        text.push_str(public.strip_suffix('}').unwrap_or(&public));
        for (name, secret) in members {
            text.push_str(",\"");
            text.push_str(name);
            text.push_str("\":\"");
            base64url::encode_to(&mut text, &*secret);
            text.push('"');
        }
        text.push('}');
        Ok(text)
    }
}

/// What the private half may do says nothing about the public half, so `key_ops` ends here.
fn attributes_of_public_half(jwk: &Object<'_>) -> Result<Attributes, KeyError> {
    let mut attributes = Attributes::read_jwk(jwk)?;
    match attributes.key_operations.take() {
        Some(operations) if !operations.iter().any(|one| one == "sign") => Err(KeyError::NotForSigning),
        _ => Ok(attributes),
    }
}

fn read_rsa(jwk: &Object<'_>, public: &RsaNumbers) -> Result<KeyPair, KeyError> {
    if jwk.contains("oth") {
        return Err(KeyError::MultiPrime);
    }
    let number = |member| {
        if jwk.contains(member) { secret(jwk, member) } else { Err(KeyError::CrtMemberMissing { member }) }
    };
    let [d, p, q] = [number("d")?, number("p")?, number("q")?];
    let [dp, dq, qi] = [number("dp")?, number("dq")?, number("qi")?];
    let pair = || {
        let public = public.as_pkcs1()?;
        let key = RsaPrivateKeyRef {
            modulus: public.modulus,
            public_exponent: public.public_exponent,
            private_exponent: UintRef::new(&d)?,
            prime1: UintRef::new(&p)?,
            prime2: UintRef::new(&q)?,
            exponent1: UintRef::new(&dp)?,
            exponent2: UintRef::new(&dq)?,
            coefficient: UintRef::new(&qi)?,
            other_prime_infos: None,
        };
        Ok::<_, der::Error>(RsaKeyPair::new(&key))
    };
    pair().ok().and_then(Result::ok).map(KeyPair::Rsa).ok_or(KeyError::Inconsistent)
}

fn read_elliptic(jwk: &Object<'_>, point: &Point) -> Result<KeyPair, KeyError> {
    let curve = point.curve();
    let private = secret_of(jwk, curve.coordinate_bytes())?;
    EllipticKeyPair::new(curve, &private, point.octets())
        .map(|pair| KeyPair::Elliptic(curve, pair))
        .map_err(|Failed| KeyError::Inconsistent)
}

fn read_ed25519(jwk: &Object<'_>, public: &[u8]) -> Result<KeyPair, KeyError> {
    Ed25519KeyPair::new(&secret_of(jwk, ED25519_KEY_BYTES)?, Some(public))
        .map(KeyPair::Ed25519)
        .map_err(|Failed| KeyError::Inconsistent)
}

/// The member `d` in its full length (RFC 7518 section 6.2.2.1, RFC 8037 section 2).
fn secret_of(jwk: &Object<'_>, expected: usize) -> Result<Secret, KeyError> {
    let secret = secret(jwk, "d")?;
    let found = secret.len();
    if found == expected { Ok(secret) } else { Err(KeyError::WrongLength { member: "d", found, expected }) }
}

fn secret(jwk: &Object<'_>, member: &'static str) -> Result<Secret, KeyError> {
    octets(jwk, member).map(Zeroizing::new)
}

impl KeyPair {
    /// The private members of the JWK, in the order in which RFC 7518 section 6.3.2 has them.
    fn private_members(&self) -> Result<Vec<(&'static str, Secret)>, KeyError> {
        const UNWRITTEN: KeyError = KeyError::Cryptography { operation: "write a private key" };
        match self {
            Self::Rsa(pair) => {
                let pkcs1 = pair.private_der().map_err(|Failed| UNWRITTEN)?;
                let key = RsaPrivateKeyRef::try_from(&**pkcs1).map_err(|_| UNWRITTEN)?;
                let numbers = [
                    ("d", key.private_exponent),
                    ("p", key.prime1),
                    ("q", key.prime2),
                    ("dp", key.exponent1),
                    ("dq", key.exponent2),
                    ("qi", key.coefficient),
                ];
                let secret = |(name, number): (_, pkcs1::UintRef<'_>)| {
                    (name, Zeroizing::new(number.as_bytes().to_vec()))
                };
                Ok(numbers.into_iter().map(secret).collect())
            }
            Self::Elliptic(_, pair) => Ok(vec![("d", pair.private().map_err(|Failed| UNWRITTEN)?)]),
            Self::Ed25519(pair) => Ok(vec![("d", pair.private().map_err(|Failed| UNWRITTEN)?)]),
        }
    }
}
