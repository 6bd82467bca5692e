//! Why a store does not accept a proof.

/// Why a proof is not accepted by a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayRefusal {
    /// It was accepted before.
    #[error("the DPoP proof was used before; every request needs a proof of its own")]
    Replayed,
    /// The store has no room for it; it was not recorded.
    #[error("this server has no room to remember another DPoP proof; try again later")]
    Full,
    /// The key that signed it has as many live proofs as one key may have; it was not recorded.
    #[error("the key of the DPoP proof has too many live proofs at this server; send fewer requests at once")]
    QuotaExceeded,
    /// It would have to be remembered for longer than the store remembers; it was not recorded.
    #[error("the DPoP proof lives longer than this server remembers proofs")]
    LivesTooLong,
    /// The store cannot be asked; it was not recorded.
    #[error("this server cannot tell now whether the DPoP proof was used before; try again later")]
    Unavailable,
}
