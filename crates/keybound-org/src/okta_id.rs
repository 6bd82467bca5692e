//! Okta's identifiers: three characters for the kind of thing, then seventeen letters and digits.

use aws_lc_rs::digest;
use keybound::random::{Random, RandomUnavailable};

/// What an identifier is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdKind {
    AccessPolicy,
    AccessPolicyRule,
    App,
    /// Of a leave, under which Okta has the refresh token.
    Authorization,
    AuthorizationServer,
    ClientKey,
    CustomClaim,
    CustomScope,
    ErrorReport,
    Group,
    RoleAssignment,
    ScopeGrant,
    TrustedOrigin,
    User,
}

impl IdKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::AccessPolicy => "00p",
            Self::AccessPolicyRule => "0pr",
            Self::App => "0oa",
            Self::Authorization => "oar",
            Self::AuthorizationServer => "aus",
            Self::ClientKey => "pks",
            Self::CustomClaim => "ocl",
            Self::CustomScope => "scp",
            Self::ErrorReport => "oae",
            Self::Group => "00g",
            Self::RoleAssignment => "irb",
            Self::ScopeGrant => "oag",
            Self::TrustedOrigin => "tos",
            Self::User => "00u",
        }
    }
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters after the prefix: 101 bits.
const LENGTH: usize = 17;

/// A new identifier.
pub(crate) fn generate(kind: IdKind, random: &dyn Random) -> Result<String, RandomUnavailable> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    Ok(of_number(kind, bytes))
}

/// The identifier of the key that a client has under a `kid`: the same whenever it is made, so that who
/// registers a key need not bring randomness.
pub(crate) fn of_client_key(client_id: &str, key_id: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    // A client id has no zero byte, so no two pairs run together.
    for part in [client_id.as_bytes(), &[0], key_id.as_bytes()] {
        context.update(part);
    }
    let digest = context.finish();
    let (number, _) = digest.as_ref().split_first_chunk().unwrap_or((&[0; 16], &[]));
    of_number(IdKind::ClientKey, *number)
}

fn of_number(kind: IdKind, bytes: [u8; 16]) -> String {
    // 62^17 is 2^27 times smaller than 2^128, so no character is noticeably more frequent than another.
    let mut number = u128::from_be_bytes(bytes);
    let characters = (0..LENGTH).filter_map(|_| {
        let digit = number % ALPHABET.len() as u128;
        number /= ALPHABET.len() as u128;
        ALPHABET.get(usize::try_from(digit).ok()?).map(|byte| char::from(*byte))
    });
    kind.prefix().chars().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keybound::random::OperatingSystem;

    #[test]
    fn an_identifier_is_its_prefix_and_seventeen_letters_and_digits() {
        for (kind, prefix) in [
            (IdKind::App, "0oa"),
            (IdKind::ErrorReport, "oae"),
            (IdKind::User, "00u"),
            (IdKind::Group, "00g"),
        ] {
            let id = generate(kind, &OperatingSystem).unwrap();
            let (found, rest) = id.split_at(3);
            assert_eq!((found, rest.len()), (prefix, 17), "{id}");
            assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
            assert_ne!(id, generate(kind, &OperatingSystem).unwrap());
        }
    }
}
