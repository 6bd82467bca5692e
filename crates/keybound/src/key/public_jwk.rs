//! Reading public JWKs (RFC 7517 section 4, RFC 7518 sections 6.2.1 and 6.3.1, RFC 8037 section 2).

use super::components::{Components, Point, RsaNumbers};
use super::{Curve, KeyError, PublicKey};
use crate::base64url;
use crate::cryptography::ED25519_KEY_BYTES;
use crate::json::Object;
use crate::jwk::{Attributes, thumbprint_as_spelt};
use crate::thumbprint::Thumbprint;

/// Bytes of a JWK, at most. A private RSA key of 8192 bits has 6.5 KB; a chain of certificates (`x5c`)
/// may come on top.
pub const MAX_JWK_BYTES: usize = 16 * 1024;

/// The members that only a private or a secret key has (RFC 7518 sections 6.2.2, 6.3.2 and 6.4,
/// RFC 8037 section 2, RFC 9964).
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

impl PublicKey {
    /// Whether `name` is that of a member that only a private or a secret key has (RFC 7518 sections 6.2.2, 6.3.2 and
    /// 6.4, RFC 8037 section 2, RFC 9964). A JWK with one is no public key, whatever the member's value.
    pub fn is_private_member(name: &str) -> bool {
        PRIVATE_MEMBERS.contains(&name)
    }

    /// Reads a public JWK; one with a private member is refused.
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyError> {
        Self::from_jwk_object(&parse(json)?)
    }

    /// Reads a public JWK that is part of a larger text; one with a private member is refused, whatever
    /// the member's value (RFC 9449 section 4.3, check 7).
    pub fn from_jwk_object(jwk: &Object<'_>) -> Result<Self, KeyError> {
        no_private_member(jwk)?;
        Self::new(Components::read_jwk(jwk)?, Attributes::read_jwk(jwk)?)
    }

    /// As [`PublicKey::from_jwk_object`], if it is the key of this thumbprint: `None` if it is another,
    /// which is told by its spelling and not parsed. `known` is that key if it was parsed before.
    pub(crate) fn from_jwk_object_of(
        jwk: &Object<'_>,
        thumbprint: Thumbprint,
        known: Option<&Self>,
    ) -> Result<Option<Self>, KeyError> {
        no_private_member(jwk)?;
        if let Some(known) = known.filter(|known| known.jwk().is_spelt_as(jwk)) {
            return Ok(Some(known.clone().with_attributes(Attributes::read_jwk(jwk)?)));
        }
        if thumbprint_as_spelt(jwk).is_some_and(|spelt| spelt != thumbprint) {
            return Ok(None);
        }
        let key = Self::new(Components::read_jwk(jwk)?, Attributes::read_jwk(jwk)?)?;
        Ok(Some(key).filter(|key| key.thumbprint() == thumbprint))
    }
}

fn no_private_member(jwk: &Object<'_>) -> Result<(), KeyError> {
    match PRIVATE_MEMBERS.into_iter().find(|member| jwk.contains(member)) {
        Some(member) => Err(KeyError::PrivateMember { member }),
        None => Ok(()),
    }
}

/// Parses a JWK of bounded size.
pub(super) fn parse(json: &[u8]) -> Result<Object<'_>, KeyError> {
    if json.len() > MAX_JWK_BYTES {
        return Err(KeyError::TooLarge { container: "JWK", found: json.len(), limit: MAX_JWK_BYTES });
    }
    Object::parse(json).map_err(KeyError::NotStrictJson)
}

impl Components {
    /// Reads the members that make a public key; whether it is a good one is not looked at.
    pub(super) fn read_jwk(jwk: &Object<'_>) -> Result<Self, KeyError> {
        match jwk.string("kty").map_err(KeyError::Member)? {
            "RSA" => Ok(Self::Rsa(RsaNumbers { modulus: number(jwk, "n")?, exponent: number(jwk, "e")? })),
            "EC" => read_point(jwk).map(Self::Elliptic),
            "OKP" => read_ed25519(jwk).map(Self::Ed25519),
            "oct" => Err(KeyError::SharedSecret),
            other => Err(KeyError::unsupported_key_type(other)),
        }
    }
}

fn read_point(jwk: &Object<'_>) -> Result<Point, KeyError> {
    let name = jwk.string("crv").map_err(KeyError::Member)?;
    let curve = Curve::named(name).ok_or_else(|| KeyError::unsupported_curve(name))?;
    Ok(Point::new(curve, &coordinate(jwk, "x", curve)?, &coordinate(jwk, "y", curve)?))
}

fn read_ed25519(jwk: &Object<'_>) -> Result<[u8; ED25519_KEY_BYTES], KeyError> {
    let name = jwk.string("crv").map_err(KeyError::Member)?;
    if name != "Ed25519" {
        return Err(KeyError::unsupported_curve(name));
    }
    octets(jwk, "x")?.try_into().map_err(|octets: Vec<u8>| KeyError::WrongLength {
        member: "x",
        found: octets.len(),
        expected: ED25519_KEY_BYTES,
    })
}

/// A number in its shortest form (RFC 7518 section 6.3.1.1).
fn number(jwk: &Object<'_>, member: &'static str) -> Result<Vec<u8>, KeyError> {
    let number = octets(jwk, member)?;
    if number.first() == Some(&0) { Err(KeyError::LeadingZero { member }) } else { Ok(number) }
}

/// A coordinate in the full length of its curve (RFC 7518 section 6.2.1.2).
fn coordinate(jwk: &Object<'_>, member: &'static str, curve: Curve) -> Result<Vec<u8>, KeyError> {
    let coordinate = octets(jwk, member)?;
    let (found, expected) = (coordinate.len(), curve.coordinate_bytes());
    if found == expected { Ok(coordinate) } else { Err(KeyError::WrongLength { member, found, expected }) }
}

/// What a member encodes.
pub(super) fn octets(jwk: &Object<'_>, member: &'static str) -> Result<Vec<u8>, KeyError> {
    let text = jwk.string(member).map_err(KeyError::Member)?;
    base64url::decode(text).map_err(|_| KeyError::NotBase64Url { member })
}

impl Attributes {
    /// Reads what the JWK says beside the key; members that are not known are passed over.
    pub(super) fn read_jwk(jwk: &Object<'_>) -> Result<Self, KeyError> {
        let string = |name| jwk.optional_string(name).map(|value| value.map(str::to_owned));
        let read = || {
            let operations = jwk.optional_strings("key_ops")?;
            Ok(Self {
                key_id: string("kid")?,
                key_use: string("use")?,
                algorithm: string("alg")?,
                key_operations: operations.map(|all| all.into_iter().map(str::to_owned).collect()),
            })
        };
        read().map_err(KeyError::Member)
    }
}
