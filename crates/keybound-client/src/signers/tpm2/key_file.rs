//! A key file (`BEGIN TSS2 PRIVATE KEY`): the two halves of a key as the TPM gave them out, the private one
//! encrypted (ASN.1 Specification for TPM 2.0 Key Files). `tpm2-openssl` and `tpm2_encodeobject` write such files; the
//! latter has the word on the PIN turned round, so it takes `-p` for a key that has none.

use std::io::Read as _;
use std::path::Path;

use pkcs8::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use pkcs8::der::{self, Class, Decode as _, Document, Header, Reader as _, SliceReader, Tag, Tagged as _};
use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::structures::{
    EccPoint, EccScheme, KeyDerivationFunctionScheme, Private, Public, PublicBuilder, PublicEccParameters,
    SymmetricDefinitionObject,
};
use tss_esapi::traits::UnMarshall as _;

/// Bytes of a key file, at most: RSA keys have less than 2 KiB.
const MAX_BYTES: u64 = 16 * 1024;

const LABEL: &str = "TSS2 PRIVATE KEY";

/// A key that its parent can load as it is.
const LOADABLE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.10.1.3");

/// What a key file says.
pub(super) struct KeyFile {
    pub(super) parent: Parent,
    pub(super) public: Public,
    pub(super) private: Private,
    /// The file says that the key has a PIN.
    pub(super) needs_pin: bool,
}

/// The key that the private half is encrypted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    Persistent(u32),
    Hierarchy(Hierarchy),
}

/// Why a file is no key of a TPM that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The system refuses.
    #[error("can't be read: {detail}")]
    Unreadable {
        /// What it said.
        detail: String,
    },
    /// It is something else, or damaged.
    #[error("is no key of a TPM (a PEM file that begins with `-----BEGIN TSS2 PRIVATE KEY-----`): {detail}")]
    NotAKey {
        /// What is wrong with it.
        detail: String,
    },
    /// It has to be imported first, or holds sealed data.
    #[error(
        "holds no key that can be loaded as it is (its type is {found}, and 2.23.133.10.1.3 is a loadable key); \
         import it first, for example with `tpm2_import`"
    )]
    NotLoadable {
        /// Its type.
        found: String,
    },
    /// A policy has to be satisfied before each use.
    #[error(
        "holds a key with a policy, which is not supported; make one that is used with a PIN, or without any"
    )]
    Policy,
    /// The parent is an RSA key that the file does not have.
    #[error(
        "has an RSA key for its parent, of which there are several kinds; make that key persistent, and name its handle"
    )]
    RsaParent,
    /// The parent is none that keys have.
    #[error("names the parent 0x{found:08x}, which is neither a hierarchy nor a persistent handle")]
    Parent {
        /// The handle.
        found: u32,
    },
}

impl KeyFile {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, KeyFileError> {
        let unreadable = |error: std::io::Error| KeyFileError::Unreadable { detail: error.to_string() };
        let mut text = String::new();
        let mut file = std::fs::File::open(path).map_err(unreadable)?;
        file.by_ref().take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(not_a_key(format!("it is longer than {MAX_BYTES} bytes")));
        }
        Self::parse(&text)
    }

    fn parse(pem: &str) -> Result<Self, KeyFileError> {
        let (label, document) = Document::from_pem(pem).map_err(not_a_key)?;
        if label != LABEL {
            return Err(not_a_key(format!("it begins with `-----BEGIN {label}-----`")));
        }
        let fields = Fields::parse(document.as_bytes())?;
        let length = |half| move || not_a_key(format!("its {half} half has another length than it says"));
        let public = sized(fields.public).ok_or_else(length("public"))?;
        let private = sized(fields.private).ok_or_else(length("private"))?;
        Ok(Self {
            parent: Parent::of(fields.parent)?,
            public: Public::unmarshall(public).map_err(not_a_key)?,
            private: Private::try_from(private).map_err(not_a_key)?,
            needs_pin: !fields.empty_auth,
        })
    }
}

impl Parent {
    fn of(handle: u32) -> Result<Self, KeyFileError> {
        match handle {
            0x4000_0001 => Ok(Self::Hierarchy(Hierarchy::Owner)),
            0x4000_0007 => Ok(Self::Hierarchy(Hierarchy::Null)),
            0x4000_000b => Ok(Self::Hierarchy(Hierarchy::Endorsement)),
            0x8100_0000..=0x81ff_ffff => Ok(Self::Persistent(handle)),
            found => Err(KeyFileError::Parent { found }),
        }
    }
}

/// What the ASN.1 has.
struct Fields<'a> {
    empty_auth: bool,
    parent: u32,
    public: &'a [u8],
    private: &'a [u8],
}

impl<'a> Fields<'a> {
    /// `SEQUENCE { type, [0] emptyAuth, [1] policy, [2] secret, [3] authPolicy, [4] description, [5] rsaParent,
    /// parent, pubkey, privkey }`, where whatever has a number may be left out.
    fn parse(der: &'a [u8]) -> Result<Self, KeyFileError> {
        let mut reader = SliceReader::new(der).map_err(not_a_key)?;
        let header = Header::decode(&mut reader).map_err(not_a_key)?;
        header.tag().assert_eq(Tag::Sequence).map_err(not_a_key)?;
        let body = reader.read_slice(header.length()).map_err(not_a_key)?;
        reader.finish().map_err(not_a_key)?;
        let mut body = SliceReader::new(body).map_err(not_a_key)?;

        let kind = ObjectIdentifier::decode(&mut body).map_err(not_a_key)?;
        if kind != LOADABLE {
            return Err(KeyFileError::NotLoadable { found: kind.to_string() });
        }
        let mut empty_auth = false;
        while let Some((number, value)) = numbered(&mut body).map_err(not_a_key)? {
            match number {
                0 => empty_auth = is_true(value).map_err(not_a_key)?,
                4 => {}
                5 if !is_true(value).map_err(not_a_key)? => {}
                5 => return Err(KeyFileError::RsaParent),
                _ => return Err(KeyFileError::Policy),
            }
        }
        let parent = UintRef::decode(&mut body).map_err(not_a_key)?;
        let parent = parent
            .as_bytes()
            .iter()
            .try_fold(0_u32, |number, byte| number.checked_mul(256)?.checked_add(u32::from(*byte)));
        let parent = parent.ok_or_else(|| not_a_key("its parent is no handle"))?;
        let public = <&OctetStringRef>::decode(&mut body).map_err(not_a_key)?.as_bytes();
        let private = <&OctetStringRef>::decode(&mut body).map_err(not_a_key)?.as_bytes();
        body.finish().map_err(not_a_key)?;
        Ok(Self { empty_auth, parent, public, private })
    }
}

/// The next field, if it is one that has a number.
fn numbered<'a>(reader: &mut SliceReader<'a>) -> der::Result<Option<(u32, &'a [u8])>> {
    let tag = Header::peek(reader)?.tag();
    if tag.class() != Class::ContextSpecific {
        return Ok(None);
    }
    Ok(Some((tag.number().value(), AnyRef::decode(reader)?.value())))
}

/// A `BOOLEAN`; OpenSSL writes 1 for true, where DER has 255.
fn is_true(value: &[u8]) -> der::Result<bool> {
    let boolean = AnyRef::from_der(value)?;
    boolean.tag().assert_eq(Tag::Boolean)?;
    Ok(boolean.value() != [0])
}

/// What follows its own length in two bytes, and nothing after it (a `TPM2B_` structure).
fn sized(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    (usize::from(u16::from_be_bytes(*length)) == rest.len()).then_some(rest)
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn not_a_key(detail: impl ToString) -> KeyFileError {
    KeyFileError::NotAKey { detail: detail.to_string() }
}

/// The storage key of a hierarchy that key files have for their parent, where they name the hierarchy alone.
pub(super) fn primary_template() -> tss_esapi::Result<Public> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_no_da(true)
        .with_restricted(true)
        .with_decrypt(true)
        .build()?;
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_ecc_parameters(PublicEccParameters::new(
            SymmetricDefinitionObject::AES_128_CFB,
            EccScheme::Null,
            EccCurve::NistP256,
            KeyDerivationFunctionScheme::Null,
        ))
        .with_ecc_unique_identifier(EccPoint::default())
        .build()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    /// As `tpm2-openssl` wrote it: P-256, without a PIN, below the owner hierarchy.
    const FILE: &str = "-----BEGIN TSS2 PRIVATE KEY-----
MIHwBgZngQUKAQOgAwEBAQIEQAAAAQRYAFYAIwALAAYAcgAAABAAEAADABAAIEYs
6XatI31J/Tpa4GnZw9HegUbKPnwa54B4SYXzp2dlACBeLS1QvuybA8zR/xu3NpVv
BTcLlmHmkRfXCxQTmk8ciASBgAB+ACD1EaSQDFvHEFC4VxHfGmsxGAUr4zBi/1Hk
KK13dp+TpAAQEbI+Sg13XEz5sipeQXMZXYTq0wA2slX/CvIrKD/5vYhTMA5pFbP2
bGnbdwcUZqboAV3eM0BH9YMLLGX6uizJMKAIEnXSESxCXGcXKOAuppPFgnb7jECy
Xq0Q
-----END TSS2 PRIVATE KEY-----
";

    fn der() -> Vec<u8> {
        Document::from_pem(FILE).unwrap().1.as_bytes().to_vec()
    }

    /// The file with the bytes `from` (a stretch of it that is there once) replaced, and its length corrected.
    fn changed(from: &[u8], to: &[u8]) -> String {
        let der = der();
        let at = der.windows(from.len()).position(|window| window == from).unwrap();
        let mut body = der.get(3..at).unwrap().to_vec();
        body.extend_from_slice(to);
        body.extend_from_slice(der.get(at + from.len()..).unwrap());
        pem_of_anything(&[&[0x30, 0x81, u8::try_from(body.len()).unwrap()][..], &body].concat())
    }

    const TYPE: &[u8] = &[6, 6, 0x67, 0x81, 5, 10, 1, 3];
    const EMPTY_AUTH: &[u8] = &[0xa0, 3, 1, 1, 1];
    const PARENT: &[u8] = &[2, 4, 0x40, 0, 0, 1];

    #[test]
    fn what_a_file_says_is_read() {
        for (file, parent, needs_pin, why) in [
            (FILE.to_owned(), Parent::Hierarchy(Hierarchy::Owner), false, "as it was written"),
            (
                changed(EMPTY_AUTH, &[0xa0, 3, 1, 1, 0xff]),
                Parent::Hierarchy(Hierarchy::Owner),
                false,
                "true in DER",
            ),
            (changed(EMPTY_AUTH, &[0xa0, 3, 1, 1, 0]), Parent::Hierarchy(Hierarchy::Owner), true, "false"),
            (changed(EMPTY_AUTH, &[]), Parent::Hierarchy(Hierarchy::Owner), true, "left out, which is false"),
            (
                changed(PARENT, &[2, 5, 0, 0x81, 0, 0, 1]),
                Parent::Persistent(0x8100_0001),
                false,
                "a persistent parent",
            ),
            (
                changed(EMPTY_AUTH, &[0xa0, 3, 1, 1, 1, 0xa4, 4, 0x0c, 2, b'm', b'e']),
                Parent::Hierarchy(Hierarchy::Owner),
                false,
                "with a description",
            ),
        ] {
            let read = KeyFile::parse(&file).unwrap_or_else(|error| panic!("{why}: {error}"));
            assert_eq!((read.parent, read.needs_pin), (parent, needs_pin), "{why}");
        }
    }

    #[test]
    fn what_can_not_be_used_is_told() {
        for (file, expected, why) in [
            (
                changed(TYPE, &[6, 6, 0x67, 0x81, 5, 10, 1, 4]),
                KeyFileError::NotLoadable { found: "2.23.133.10.1.4".to_owned() },
                "an importable key",
            ),
            (changed(EMPTY_AUTH, &[0xa1, 2, 0x30, 0]), KeyFileError::Policy, "a policy"),
            (changed(EMPTY_AUTH, &[0xa3, 2, 0x30, 0]), KeyFileError::Policy, "a signed policy"),
            (changed(EMPTY_AUTH, &[0xa5, 3, 1, 1, 0xff]), KeyFileError::RsaParent, "an RSA parent"),
            (
                changed(PARENT, &[2, 4, 0x40, 0, 0, 2]),
                KeyFileError::Parent { found: 0x4000_0002 },
                "a handle that is no hierarchy",
            ),
            (
                changed(PARENT, &[2, 5, 0, 0x80, 0, 0, 0]),
                KeyFileError::Parent { found: 0x8000_0000 },
                "a handle that is gone with the next reset",
            ),
        ] {
            assert_eq!(KeyFile::parse(&file).err(), Some(expected), "{why}");
        }
        for (file, why) in [
            (String::new(), "empty"),
            (FILE.replace("TSS2 PRIVATE", "PRIVATE"), "another key"),
            (FILE.replace("MIHw", "MIHv"), "a length that is not right"),
            (changed(EMPTY_AUTH, &[0xa0, 2, 5, 0]), "no boolean"),
            (changed(PARENT, &[2, 6, 1, 0, 0x81, 0, 0, 1]), "no handle"),
            (changed(&[4, 0x58, 0, 0x56], &[4, 0x58, 0, 0x55]), "a public half of another length"),
            (
                changed(&[4, 0x81, 0x80, 0, 0x7e], &[4, 0x81, 0x80, 0, 0x7f]),
                "a private half of another length",
            ),
        ] {
            let outcome = KeyFile::parse(&file).err();
            assert!(matches!(outcome, Some(KeyFileError::NotAKey { .. })), "{why}: {outcome:?}");
        }
    }

    #[test]
    fn no_damage_of_a_file_is_more_than_an_error() {
        let der = der();
        for at in 0..der.len() {
            for byte in [0, 1, 0x30, 0x7f, 0x80, 0xff] {
                let mut damaged = der.clone();
                *damaged.get_mut(at).unwrap() = byte;
                let _ = KeyFile::parse(&pem_of_anything(&damaged));
            }
            let _ = KeyFile::parse(&pem_of_anything(der.get(..at).unwrap()));
        }
    }

    fn pem_of_anything(der: &[u8]) -> String {
        der::pem::encode_string(LABEL, der::pem::LineEnding::LF, der).unwrap()
    }
}
