//! Keys in files: what OpenSSL writes is read, what is read is written back, and no container changes a key.

use keybound::random::OperatingSystem;
use keybound::{Algorithm, KeyError, KeyKind, PrivateKey, PublicKey, Signer, SigningKey, VerifyingKey};

/// A key made by OpenSSL, in its containers. The thumbprints were taken with another program.
struct KeyFiles {
    kind: KeyKind,
    thumbprint: &'static str,
    private: &'static [&'static str],
    public: &'static [&'static str],
    encrypted: &'static [&'static str],
}

const PASSWORD: &[u8] = b"correct horse";

const KEYS: [KeyFiles; 5] = [
    KeyFiles {
        kind: KeyKind::Rsa { bits: 2048 },
        thumbprint: "wTvvfBfTQSUpEIACDft0x-VNPaodI5JhGTaGFaMIWjc",
        private: &[include_str!("keys/rsa.pkcs8.pem"), include_str!("keys/rsa.pkcs1.pem")],
        public: &[include_str!("keys/rsa.public.pem"), include_str!("keys/rsa.public.pkcs1.pem")],
        encrypted: &[include_str!("keys/rsa.encrypted-pbkdf2.pem")],
    },
    KeyFiles {
        kind: KeyKind::P256,
        thumbprint: "dclM2LkJD8mfdN7lQtuJhO0rxSgu6REvihvKxgnf3X4",
        private: &[include_str!("keys/p256.pkcs8.pem"), include_str!("keys/p256.sec1.pem")],
        public: &[include_str!("keys/p256.public.pem")],
        encrypted: &[
            include_str!("keys/p256.encrypted-pbkdf2.pem"),
            include_str!("keys/p256.encrypted-sha512-aes128.pem"),
            include_str!("keys/p256.encrypted-scrypt.pem"),
        ],
    },
    KeyFiles {
        kind: KeyKind::P384,
        thumbprint: "oMjoy1RWWkT8rIOswelcVI2l4JIBO0nuNvZPUsXoDbU",
        private: &[include_str!("keys/p384.pkcs8.pem"), include_str!("keys/p384.sec1.pem")],
        public: &[include_str!("keys/p384.public.pem")],
        encrypted: &[],
    },
    KeyFiles {
        kind: KeyKind::P521,
        thumbprint: "sOUdqMdOEwIiShfP3O1Q3KQM2Rg4z0EFpuwyuvQ5UsM",
        private: &[include_str!("keys/p521.pkcs8.pem"), include_str!("keys/p521.sec1.pem")],
        public: &[include_str!("keys/p521.public.pem")],
        encrypted: &[],
    },
    KeyFiles {
        kind: KeyKind::Ed25519,
        thumbprint: "0DJpCEmSHTOYKuV2ZHFlKDQyc5OZP4lcPF1MkhvYVOw",
        private: &[include_str!("keys/ed25519.pkcs8.pem")],
        public: &[include_str!("keys/ed25519.public.pem")],
        encrypted: &[],
    },
];

#[test]
fn every_container_that_openssl_writes_gives_the_same_key() {
    for KeyFiles { kind, thumbprint, private, public, encrypted } in KEYS {
        let check = |key: &PublicKey| {
            assert_eq!(key.kind(), kind);
            assert_eq!(key.thumbprint().to_string(), thumbprint);
        };
        for pem in private {
            check(PrivateKey::from_pem(pem).unwrap().public_key());
            assert_eq!(PrivateKey::from_encrypted_pem(pem, PASSWORD).unwrap_err(), KeyError::NotEncrypted);
        }
        for pem in public {
            check(&PublicKey::from_pem(pem).unwrap());
        }
        for pem in encrypted {
            check(PrivateKey::from_encrypted_pem(pem, PASSWORD).unwrap().public_key());
            assert_eq!(PrivateKey::from_pem(pem).unwrap_err(), KeyError::PasswordNeeded);
            let wrong = PrivateKey::from_encrypted_pem(pem, b"correct house").unwrap_err();
            assert_eq!(wrong, KeyError::WrongPassword);
        }
    }
}

#[test]
fn what_openssl_wrote_is_written_back_to_the_letter() {
    for KeyFiles { kind, private, public, .. } in KEYS {
        let key = PrivateKey::from_pem(private[0]).unwrap();
        assert_eq!(*key.to_pkcs8_pem().unwrap(), private[0]);
        assert_eq!(key.public_key().to_pem(), public[0]);
        match kind {
            KeyKind::Rsa { .. } => assert_eq!(*key.to_pkcs1_pem().unwrap(), private[1]),
            KeyKind::Ed25519 => {}
            // OpenSSL writes the curve in a block of its own before the key.
            _ => assert!(private[1].ends_with(key.to_sec1_pem().unwrap().as_str())),
        }
    }
}

#[test]
fn no_container_changes_a_key() {
    for KeyFiles { private, .. } in KEYS {
        let key = PrivateKey::from_pem(private[0]).unwrap();
        let mut copies = vec![
            PrivateKey::from_pem(&key.to_pkcs8_pem().unwrap()),
            PrivateKey::from_jwk(key.to_jwk().unwrap().as_bytes()),
        ];
        copies.extend(key.to_pkcs1_pem().ok().map(|pem| PrivateKey::from_pem(&pem)));
        copies.extend(key.to_sec1_pem().ok().map(|pem| PrivateKey::from_pem(&pem)));
        for copy in copies {
            let copy = copy.unwrap();
            assert_eq!(copy.public_key(), key.public_key());
            assert_eq!(copy.to_pkcs8_pem().unwrap(), key.to_pkcs8_pem().unwrap(), "the private half too");
        }
        for copy in [
            PublicKey::from_pem(&key.public_key().to_pem()),
            PublicKey::from_jwk(key.public_key().jwk().to_json().as_bytes()),
        ] {
            assert_eq!(copy.unwrap().thumbprint(), key.public_key().thumbprint());
        }
    }
}

#[test]
fn an_encrypted_key_is_read_with_its_password_and_never_written_twice_alike() {
    let key = PrivateKey::from_pem(KEYS[1].private[0]).unwrap();
    let encrypted = key.to_encrypted_pkcs8_pem(PASSWORD, &OperatingSystem).unwrap();
    let copy = PrivateKey::from_encrypted_pem(&encrypted, PASSWORD).unwrap();
    assert_eq!(copy.to_pkcs8_pem().unwrap(), key.to_pkcs8_pem().unwrap());
    assert_ne!(key.to_encrypted_pkcs8_pem(PASSWORD, &OperatingSystem).unwrap(), encrypted);
}

#[test]
fn a_key_signs_with_every_algorithm_that_fits_it_and_with_no_other() {
    for KeyFiles { private, public, .. } in KEYS {
        for algorithm in Algorithm::ALL {
            let private = PrivateKey::from_pem(private[0]).unwrap();
            let public = PublicKey::from_pem(public[0]).unwrap();
            let kind = private.kind();
            let signing = SigningKey::new(private, algorithm);
            let verifying = VerifyingKey::new(&public, algorithm);
            if !algorithm.fits(kind) {
                assert_eq!(signing.unwrap_err(), KeyError::DoesNotFit { algorithm, kind });
                assert_eq!(verifying.unwrap_err(), KeyError::DoesNotFit { algorithm, kind });
                continue;
            }
            let signature = signing.unwrap().sign(b"message").unwrap();
            let key = verifying.unwrap();
            assert!(key.verify(b"message", signature.as_bytes()).is_ok(), "{algorithm}");
            assert!(key.verify(b"messagf", signature.as_bytes()).is_err(), "{algorithm}");
            for other in Algorithm::ALL {
                let accepted = VerifyingKey::new(&public, other)
                    .is_ok_and(|key| key.verify(b"message", signature.as_bytes()).is_ok());
                assert_eq!(accepted, other.is_same_as(algorithm), "{algorithm} verified as {other}");
            }
        }
    }
}

#[test]
fn a_signature_of_another_length_is_refused() {
    for KeyFiles { kind, private, .. } in KEYS {
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.fits(kind)).unwrap();
        let key = SigningKey::new(PrivateKey::from_pem(private[0]).unwrap(), algorithm).unwrap();
        let signature = key.sign(b"message").unwrap();
        let verifying = VerifyingKey::new(key.public_key(), algorithm).unwrap();
        let [signature, zero] = [signature.as_bytes(), &[0]];
        let (first, last) = (&signature[1..], &signature[..signature.len() - 1]);
        for other in [&[], zero, first, last, &[signature, zero].concat(), &[zero, signature].concat()] {
            assert!(verifying.verify(b"message", other).is_err(), "{algorithm}, {} bytes", other.len());
        }
    }
}

#[test]
fn text_around_a_key_and_odd_line_breaks_are_passed_over() {
    let pem = KEYS[1].private[0];
    let one_line: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let spaced = pem.replace('\n', "\r\n    ");
    for text in [
        format!("Bag Attributes\n    friendlyName: client\n{pem}\nthe end"),
        format!("-----BEGIN PRIVATE KEY-----\n{one_line}\n-----END PRIVATE KEY-----"),
        format!("-----BEGIN PRIVATE KEY-----{one_line}-----END PRIVATE KEY-----"),
        spaced,
    ] {
        let key = PrivateKey::from_pem(&text).unwrap();
        assert_eq!(key.public_key().thumbprint().to_string(), KEYS[1].thumbprint);
    }
}

#[test]
fn generated_keys_are_what_was_asked_for() {
    for kind in [KeyKind::Rsa { bits: 2048 }, KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519] {
        assert_eq!(PrivateKey::generate(kind).unwrap().kind(), kind);
    }
    for bits in [0, 1024, 2047, 2560, 16384] {
        let error = PrivateKey::generate(KeyKind::Rsa { bits }).unwrap_err();
        assert_eq!(error, KeyError::RsaSizeNotMade { bits });
    }
}

#[test]
fn a_private_key_is_not_in_its_debug_text() {
    for KeyFiles { kind, thumbprint, private, .. } in KEYS {
        let key = PrivateKey::from_pem(private[0]).unwrap();
        assert_eq!(format!("{key:?}"), format!("PrivateKey({kind}, {thumbprint})"));
    }
}
