//! What is wrong with a key in KMS or with the way to it, and what to do about it.

use http::StatusCode;
use keybound::{Algorithm, KeyError, SignError};

use crate::transport::TransportError;

/// Why a key in KMS can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// What names the key is not a name of one.
    #[error("`{found}` names no key of KMS; give its ARN, its id, or an alias as alias/NAME")]
    KeyId {
        /// What was given, cut to 64 characters.
        found: String,
    },
    /// Nothing says which region.
    #[error("the AWS region of the key is not known; give the key's ARN, or set AWS_REGION")]
    NoRegion,
    /// There is no such region or endpoint.
    #[error("KMS can't be at {endpoint}: {detail}")]
    Endpoint {
        /// Where it should be.
        endpoint: String,
        /// What is wrong.
        detail: String,
    },
    /// There are no credentials.
    #[error("there are no AWS credentials: {detail}")]
    Credentials {
        /// What is missing.
        detail: String,
    },
    /// The network.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// AWS refused the call.
    #[error("AWS refused {call}: {kind} ({status}): {message}{}", advice(.kind))]
    Refused {
        /// `GetPublicKey` or `Sign`.
        call: &'static str,
        /// The status of the answer.
        status: StatusCode,
        /// The name of AWS's error.
        kind: String,
        /// AWS's words.
        message: String,
    },
    /// The answer is none of KMS.
    #[error("the answer to {call} is not one of KMS: {detail}; is the endpoint right?")]
    UnusableAnswer {
        /// `GetPublicKey` or `Sign`.
        call: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The key can't sign by that algorithm.
    #[error(
        "the key can't sign with {algorithm}; KMS offers {} for it: choose another algorithm, or make a key with \
         the usage SIGN_VERIFY and a fitting key spec", if .offered.is_empty() { "nothing".to_owned() } else { .offered.join(", ") }
    )]
    AlgorithmNotOffered {
        /// The algorithm.
        algorithm: Algorithm,
        /// What KMS offers for the key, in its words.
        offered: Vec<String>,
    },
    /// The public half is not one that can be used.
    #[error("the key can't be used: {0}")]
    Key(#[from] KeyError),
    /// The signature is not in the form that KMS gives.
    #[error(transparent)]
    Signature(#[from] SignError),
    /// No thread could be started to send requests.
    #[error("the calls to KMS need a thread, and none could be started: {detail}")]
    Thread {
        /// What the system said.
        detail: String,
    },
}

/// What to do about an error of AWS.
fn advice(kind: &str) -> &'static str {
    match kind {
        "AccessDeniedException" | "AccessDenied" => {
            "; the policies of the key and of who asks must allow kms:GetPublicKey and kms:Sign"
        }
        "NotFoundException" => "; is it the right region and account?",
        "ThrottlingException" | "RequestLimitExceeded" => {
            "; have the request quota of KMS raised, or use a key in this process for proofs"
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "UnrecognizedClientException" => {
            "; check the credentials, and the clock"
        }
        "ExpiredTokenException" => "; get new temporary credentials",
        _ => "",
    }
}
