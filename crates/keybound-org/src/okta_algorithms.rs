//! The algorithms that Okta takes.

use keybound::Algorithm;

/// In proofs (`dpop_signing_alg_values_supported`) and in client assertions: no `PS256` and no `EdDSA`.
pub(crate) const OKTA_ALGORITHMS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
];
