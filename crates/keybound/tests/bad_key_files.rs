//! Files that hold no key that can be used: each refused for its own reason, with advice.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use keybound::key::{MAX_PBKDF2_ITERATIONS, MAX_PEM_BYTES, MAX_SCRYPT_BLOCKS};
use keybound::{KeyError, PrivateKey, PublicKey};

const PASSWORD: &[u8] = b"correct horse";

fn unsupported_key_type(found: &str) -> KeyError {
    KeyError::UnsupportedKeyType { found: found.to_owned() }
}

fn unsupported_curve(found: &str) -> KeyError {
    KeyError::UnsupportedCurve { found: found.to_owned() }
}

fn unsupported_encryption(found: &str) -> KeyError {
    KeyError::UnsupportedEncryption { found: found.to_owned() }
}

fn malformed(container: &'static str) -> KeyError {
    KeyError::MalformedDer { container }
}

/// A block of this label with these bytes.
fn block(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// What a block of base64 holds.
fn der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// `bytes` with the only occurrence of `from` replaced.
fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut places = bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from);
    let (place, _) = places.next().unwrap();
    assert!(places.next().is_none());
    [&bytes[..place], to, &bytes[place + from.len()..]].concat()
}

#[test]
fn what_is_not_a_private_key_is_refused_for_its_own_reason() {
    let p256 = include_str!("keys/p256.pkcs8.pem");
    let rsa = include_str!("keys/rsa.pkcs8.pem");
    let damaged = KeyError::DamagedPem;
    for (why, pem, error) in [
        ("nothing", "", KeyError::NotPem),
        ("a JWK", r#"{"kty":"EC"}"#, KeyError::NotPem),
        ("random text", "correct horse", KeyError::NotPem),
        (
            "parameters alone",
            include_str!("keys/p256.sec1.pem").split("-----BEGIN EC PR").next().unwrap(),
            KeyError::NotPem,
        ),
        ("cut short", &p256[..p256.len() - 30], damaged.clone()),
        ("another END line", &p256.replace("END PRIVATE", "END PUBLIC"), damaged.clone()),
        ("a label in small letters", &p256.replace("PRIVATE KEY", "private key"), damaged.clone()),
        ("line breaks as \\n", &p256.replace('\n', "\\n"), damaged.clone()),
        ("not base64", &p256.replacen("MIG", "M!G", 1), damaged.clone()),
        ("base64 of another length", &p256.replacen("MIG", "MI", 1), damaged),
        (
            "two keys",
            &format!("{p256}{rsa}"),
            KeyError::SeveralPemBlocks { labels: "PRIVATE KEY, PRIVATE KEY".to_owned() },
        ),
        (
            "a certificate beside the key",
            &format!("{}{p256}", include_str!("keys/refused.certificate.pem")),
            KeyError::SeveralPemBlocks { labels: "CERTIFICATE, PRIVATE KEY".to_owned() },
        ),
        ("RSA of 1024 bits", include_str!("keys/refused.rsa1024.pem"), KeyError::RsaSize { bits: 1024 }),
        ("RSA of three primes", include_str!("keys/refused.rsa-three-primes.pem"), KeyError::MultiPrime),
        (
            "RSA-PSS",
            include_str!("keys/refused.rsa-pss.pem"),
            unsupported_key_type("RSA restricted to RSASSA-PSS"),
        ),
        ("X25519", include_str!("keys/refused.x25519.pem"), unsupported_key_type("X25519")),
        ("Ed448", include_str!("keys/refused.ed448.pem"), unsupported_key_type("Ed448")),
        ("secp256k1", include_str!("keys/refused.secp256k1.pkcs8.pem"), unsupported_curve("secp256k1")),
        (
            "secp256k1 in SEC 1",
            include_str!("keys/refused.secp256k1.sec1.pem"),
            unsupported_curve("secp256k1"),
        ),
        (
            "a curve by its parameters",
            include_str!("keys/refused.explicit-curve.pkcs8.pem"),
            unsupported_curve("one without a name"),
        ),
        (
            "a curve by its parameters in SEC 1",
            include_str!("keys/refused.explicit-curve.sec1.pem"),
            malformed("SEC 1 key"),
        ),
        (
            "old encryption",
            include_str!("keys/refused.old-encryption.pem"),
            unsupported_encryption("the old `Proc-Type` of OpenSSL"),
        ),
        ("PKCS#8 of other bytes", &block("PRIVATE KEY", b"correct horse"), malformed("PKCS#8 key")),
        (
            "PKCS#1 of other bytes",
            &block("RSA PRIVATE KEY", b"correct horse"),
            malformed("PKCS#1 private key"),
        ),
        ("SEC 1 of other bytes", &block("EC PRIVATE KEY", b"correct horse"), malformed("SEC 1 key")),
        ("an empty block", &block("PRIVATE KEY", b""), malformed("PKCS#8 key")),
        (
            "a key as what it is not",
            &p256.replace("PRIVATE KEY", "RSA PRIVATE KEY"),
            malformed("PKCS#1 private key"),
        ),
        (
            "something after the key",
            &block("PRIVATE KEY", &[&der(p256)[..], &[0]].concat()),
            malformed("PKCS#8 key"),
        ),
        (
            "halves of two keys",
            &block(
                "PRIVATE KEY",
                &patched(&der(p256), &der(include_str!("keys/p256.public.pem"))[27..31], b"ABCD"),
            ),
            KeyError::Inconsistent,
        ),
    ] {
        assert_eq!(PrivateKey::from_pem(pem).unwrap_err(), error, "{why}");
    }
    let long = "x".repeat(MAX_PEM_BYTES + 1);
    let error = KeyError::TooLarge { container: "PEM", found: long.len(), limit: MAX_PEM_BYTES };
    assert_eq!(PrivateKey::from_pem(&long).unwrap_err(), error);
    assert_eq!(PublicKey::from_pem(&long).unwrap_err(), error);
}

#[test]
fn a_file_of_another_kind_is_named_with_what_to_do() {
    for (pem, label, advice) in [
        (include_str!("keys/p256.public.pem"), "PUBLIC KEY", "BEGIN PRIVATE KEY"),
        (include_str!("keys/rsa.public.pkcs1.pem"), "RSA PUBLIC KEY", "BEGIN PRIVATE KEY"),
        (include_str!("keys/refused.certificate.pem"), "CERTIFICATE", "that the certificate was made for"),
        (include_str!("keys/refused.openssh.pem"), "OPENSSH PRIVATE KEY", "ssh-keygen -p -m PKCS8"),
        (&block("DSA PRIVATE KEY", b""), "DSA PRIVATE KEY", "openssl pkcs8"),
    ] {
        let error = PrivateKey::from_pem(pem).unwrap_err();
        assert!(
            matches!(&error, KeyError::WrongPemBlock { label: found, needed: "private", .. } if found == label)
        );
        assert!(error.to_string().contains(advice), "{error}");
        assert_eq!(PrivateKey::from_encrypted_pem(pem, PASSWORD).unwrap_err(), error);
    }
    for (pem, label, advice) in [
        (include_str!("keys/p256.pkcs8.pem"), "PRIVATE KEY", "openssl pkey -in KEY -pubout"),
        (
            include_str!("keys/p256.encrypted-scrypt.pem"),
            "ENCRYPTED PRIVATE KEY",
            "openssl pkey -in KEY -pubout",
        ),
        (include_str!("keys/refused.certificate.pem"), "CERTIFICATE", "openssl x509 -pubkey"),
        (&block("SSH2 PUBLIC KEY", b""), "SSH2 PUBLIC KEY", "BEGIN PUBLIC KEY"),
    ] {
        let error = PublicKey::from_pem(pem).unwrap_err();
        assert!(
            matches!(&error, KeyError::WrongPemBlock { label: found, needed: "public", .. } if found == label)
        );
        assert!(error.to_string().contains(advice), "{error}");
    }
}

#[test]
fn what_is_not_a_public_key_is_refused_for_its_own_reason() {
    let p256 = der(include_str!("keys/p256.public.pem"));
    let off_the_curve = [&p256[..p256.len() - 1], &[p256[p256.len() - 1] ^ 1]].concat();
    let hybrid = patched(&p256, &[3, 66, 0, 4], &[3, 66, 0, 6]);
    for (why, pem, error) in [
        ("nothing", String::new(), KeyError::NotPem),
        (
            "compressed",
            include_str!("keys/refused.compressed.public.pem").to_owned(),
            KeyError::CompressedPoint,
        ),
        ("off the curve", block("PUBLIC KEY", &off_the_curve), KeyError::NotOnCurve { curve: "P-256" }),
        ("in hybrid form", block("PUBLIC KEY", &hybrid), malformed("public key (SPKI)")),
        ("other bytes", block("PUBLIC KEY", b"correct horse"), malformed("public key (SPKI)")),
        ("PKCS#1 of other bytes", block("RSA PUBLIC KEY", b"correct horse"), malformed("PKCS#1 public key")),
    ] {
        assert_eq!(PublicKey::from_pem(&pem).unwrap_err(), error, "{why}");
    }
}

#[test]
fn an_encryption_that_is_weak_unknown_or_too_costly_is_refused_before_it_is_done() {
    let scrypt = der(include_str!("keys/p256.encrypted-scrypt.pem"));
    // N = 16384, r = 8, p = 1
    let parameters = [2, 2, 0x40, 0, 2, 1, 8, 2, 1, 1];
    let costly = patched(&scrypt, &parameters, &[2, 2, 0x40, 0, 2, 1, 8, 2, 1, 0x7f]);
    let odd = patched(&scrypt, &parameters, &[2, 2, 0x40, 1, 2, 1, 8, 2, 1, 1]);
    let costs = |found, limit, unit| KeyError::DecryptionTooCostly { found, limit, unit };
    for (why, pem, error) in [
        (
            "PBKDF2 with one round too many",
            include_str!("keys/refused.costly-pbkdf2.pem"),
            costs(6_000_001, u64::from(MAX_PBKDF2_ITERATIONS), "rounds of PBKDF2"),
        ),
        (
            "scrypt with p = 127",
            &block("ENCRYPTED PRIVATE KEY", &costly),
            costs(16_384 * 8 * 127, MAX_SCRYPT_BLOCKS, "blocks of scrypt"),
        ),
        ("scrypt with N = 16385", &block("ENCRYPTED PRIVATE KEY", &odd), malformed("encrypted PKCS#8 key")),
        (
            "PBKDF2 with SHA-1",
            include_str!("keys/refused.pbkdf2-sha1.pem"),
            unsupported_encryption("PBKDF2 with SHA-1"),
        ),
        ("triple DES", include_str!("keys/refused.des3.pem"), unsupported_encryption("triple DES")),
        (
            "PBES1",
            include_str!("keys/refused.pbes1.pem"),
            unsupported_encryption("PBES1 with SHA-1 and triple DES"),
        ),
        ("other bytes", &block("ENCRYPTED PRIVATE KEY", b"correct horse"), malformed("encrypted PKCS#8 key")),
    ] {
        assert_eq!(PrivateKey::from_encrypted_pem(pem, PASSWORD).unwrap_err(), error, "{why}");
    }
}

#[test]
fn no_changed_byte_of_a_file_makes_anything_panic() {
    for pem in [
        include_str!("keys/p256.pkcs8.pem"),
        include_str!("keys/p256.sec1.pem").split_once("-----END EC PARAMETERS-----").unwrap().1,
        include_str!("keys/ed25519.pkcs8.pem"),
        include_str!("keys/rsa.public.pem"),
        include_str!("keys/p521.public.pem"),
    ] {
        let label = pem.split("-----BEGIN ").nth(1).unwrap().split("-----").next().unwrap();
        let good = der(pem);
        for place in 0..good.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[place] ^= change;
                let pem = block(label, &bad);
                let _ = PrivateKey::from_pem(&pem);
                let _ = PublicKey::from_pem(&pem);
            }
        }
    }
}
