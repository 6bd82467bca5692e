//! What the calls of one client share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use keybound::TargetUri;

use super::credential;
use crate::call_metrics::Origins;
use crate::client::{CallError, ClientOptions};
use crate::pacing::Pacer;
use crate::retry::Budget;
use crate::token::Token;
use crate::token_source::TokenSource;

/// What calls share.
pub(crate) struct Shared {
    pub(crate) tokens: TokenSource,
    pub(crate) options: ClientOptions,
    pub(crate) budget: Budget,
    pub(crate) pacer: Option<Pacer>,
    /// The token that was used last, and the header field that carries it.
    pub(crate) authorization: Mutex<Option<(Arc<Token>, HeaderValue)>>,
    /// Origins that have taken a proof without a nonce.
    pub(crate) asking_no_nonce: Mutex<HashSet<String>>,
    /// Origins by which calls are counted.
    pub(crate) origins: Origins,
}

/// Origins that are remembered to ask for no nonce, at most; beyond that all are forgotten.
const MAX_ORIGINS: usize = 256;

impl Shared {
    /// The value of `Authorization` with `token`; it is the same for as long as the token is.
    pub(super) fn authorization(&self, token: &Arc<Token>) -> Result<HeaderValue, CallError> {
        let mut last = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((of, value)) if Arc::ptr_eq(of, token) => Ok(value.clone()),
            _ => {
                let value = credential(token.authorization().as_str().to_owned())?;
                *last = Some((Arc::clone(token), value.clone()));
                Ok(value)
            }
        }
    }

    /// Whether it is known what nonce the server of `target` wants, if any.
    pub(crate) fn knows_nonce(&self, target: &TargetUri) -> bool {
        let asking_no_nonce = self.asking_no_nonce.lock().unwrap_or_else(PoisonError::into_inner);
        asking_no_nonce.contains(target.origin()) || self.tokens.servers().nonce(target).is_some()
    }

    /// Remembers that the server of `target` has taken a proof as it was.
    pub(crate) fn learn_that_nonce_is_known(&self, target: &TargetUri) {
        let mut asking_no_nonce = self.asking_no_nonce.lock().unwrap_or_else(PoisonError::into_inner);
        if asking_no_nonce.len() >= MAX_ORIGINS {
            asking_no_nonce.clear();
        }
        asking_no_nonce.insert(target.origin().to_owned());
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.tokens.system().timer.sleep(duration).await;
    }
}
