//! The public half of a key: an object of its own in the token, brought into the form of a JWK.

use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use keybound::{KeyKind, PublicKey, base64url};

use super::Pkcs11Error;
use super::key_object::KeyObject;

/// Ed25519 as a `PrintableString` (PKCS#11 3.0 section 2.3.10): how tokens that came before RFC 8410 name it.
const EDWARDS25519: &[u8] = b"\x13\x0cedwards25519";

/// What a public key is made of.
#[derive(Default)]
struct Components {
    modulus: Option<Vec<u8>>,
    exponent: Option<Vec<u8>>,
    parameters: Option<Vec<u8>>,
    point: Option<Vec<u8>>,
}

/// The public key that belongs to `key`.
pub(super) fn read(session: &Session, key: &KeyObject) -> Result<PublicKey, Pkcs11Error> {
    let public = find(session, key)?;
    // An RSA private key has its public numbers with it (PKCS#11 section 2.1.3).
    let handle = match public {
        Some(public) => public,
        None if key.key_type == KeyType::RSA => key.handle,
        None => return Err(Pkcs11Error::NoPublicKey { key: key.to_string() }),
    };
    let jwk = jwk(key.key_type, Components::read(session, handle)?)?;
    Ok(PublicKey::from_jwk(jwk.as_bytes())?)
}

/// The public key object of the same id, or of the same label if the key has no id.
fn find(session: &Session, key: &KeyObject) -> Result<Option<ObjectHandle>, Pkcs11Error> {
    let name = match &key.id[..] {
        [] => Attribute::Label(key.label.clone()),
        id => Attribute::Id(id.to_vec()),
    };
    let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::KeyType(key.key_type), name];
    let found = session.find_objects(&template);
    Ok(found.map_err(|error| Pkcs11Error::device("look for a public key", &error))?.first().copied())
}

impl Components {
    fn read(session: &Session, handle: ObjectHandle) -> Result<Self, Pkcs11Error> {
        let wanted = [
            AttributeType::Modulus,
            AttributeType::PublicExponent,
            AttributeType::EcParams,
            AttributeType::EcPoint,
        ];
        let attributes = session.get_attributes(handle, &wanted);
        let attributes = attributes.map_err(|error| Pkcs11Error::device("give a public key", &error))?;
        let mut components = Self::default();
        for attribute in attributes {
            match attribute {
                Attribute::Modulus(modulus) => components.modulus = Some(modulus),
                Attribute::PublicExponent(exponent) => components.exponent = Some(exponent),
                Attribute::EcParams(parameters) => components.parameters = Some(parameters),
                Attribute::EcPoint(point) => components.point = Some(point),
                _ => {}
            }
        }
        Ok(components)
    }
}

/// The JWK of these components (RFC 7518 section 6, RFC 8037 section 2); it is checked where it is read.
fn jwk(key_type: KeyType, components: Components) -> Result<String, Pkcs11Error> {
    const UNREADABLE: fn(&'static str) -> Pkcs11Error =
        |attribute| Pkcs11Error::PublicKeyUnreadable { attribute };
    if key_type == KeyType::RSA {
        let modulus = components.modulus.ok_or_else(|| UNREADABLE("CKA_MODULUS"))?;
        let exponent = components.exponent.ok_or_else(|| UNREADABLE("CKA_PUBLIC_EXPONENT"))?;
        let (n, e) = (number(&modulus), number(&exponent));
        return Ok(format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#));
    }
    let parameters = components.parameters.ok_or_else(|| UNREADABLE("CKA_EC_PARAMS"))?;
    let point = components.point.ok_or_else(|| UNREADABLE("CKA_EC_POINT"))?;
    let kind =
        curve(&parameters).ok_or_else(|| UNREADABLE("CKA_EC_PARAMS, of a curve that is not supported,"))?;
    let unreadable_point = || UNREADABLE("CKA_EC_POINT");
    let (coordinates, width) = match kind {
        KeyKind::P256 => (uncompressed(&point, 32), 32),
        KeyKind::P384 => (uncompressed(&point, 48), 48),
        KeyKind::P521 => (uncompressed(&point, 66), 66),
        KeyKind::Ed25519 | KeyKind::Rsa { .. } => {
            let x = base64url::encode(octets(&point, 32).ok_or_else(unreadable_point)?);
            return Ok(format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#));
        }
    };
    let (x, y) = coordinates.and_then(|both| both.split_at_checked(width)).ok_or_else(unreadable_point)?;
    let (x, y) = (base64url::encode(x), base64url::encode(y));
    Ok(format!(r#"{{"kty":"EC","crv":"{kind}","x":"{x}","y":"{y}"}}"#))
}

/// A number in its shortest form.
fn number(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    base64url::encode(bytes.get(zeros..).unwrap_or_default())
}

/// The coordinates of a point of this width that is not compressed (SEC 1 section 2.3.3).
fn uncompressed(point: &[u8], width: usize) -> Option<&[u8]> {
    octets(point, 1 + 2 * width)?.strip_prefix(&[4])
}

/// `length` octets, in the `OCTET STRING` that PKCS#11 2.40 wants around them or bare, as some tokens have
/// them.
fn octets(point: &[u8], length: usize) -> Option<&[u8]> {
    match point {
        bare if bare.len() == length => Some(bare),
        [0x04, short, octets @ ..] if usize::from(*short) == length && octets.len() == length => Some(octets),
        [0x04, 0x81, long, octets @ ..] if usize::from(*long) == length && octets.len() == length => {
            Some(octets)
        }
        _ => None,
    }
}

fn curve(parameters: &[u8]) -> Option<KeyKind> {
    let kinds = [KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519];
    let named = kinds.into_iter().find(|kind| parameters == curve_parameters(*kind));
    named.or_else(|| (parameters == EDWARDS25519).then_some(KeyKind::Ed25519))
}

/// The curve as `CKA_EC_PARAMS` names it: an object identifier in DER (RFC 5480, RFC 8410).
pub(super) const fn curve_parameters(kind: KeyKind) -> &'static [u8] {
    match kind {
        KeyKind::P256 => &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        KeyKind::P384 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
        KeyKind::P521 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23],
        KeyKind::Ed25519 => &[0x06, 0x03, 0x2b, 0x65, 0x70],
        KeyKind::Rsa { .. } => &[],
    }
}
