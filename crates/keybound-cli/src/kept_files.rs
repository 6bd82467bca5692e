//! Where the program keeps what outlives a run: tokens that can be got again, and what can't.

use std::env;
use std::path::PathBuf;

use keybound_client::FileTokenCache;
use tracing::warn;

/// The cache of tokens, `None` where there can be none: it is a convenience, and a call goes on without.
pub(crate) fn token_cache() -> Option<FileTokenCache> {
    let folder = folder("XDG_CACHE_HOME", ".cache")?;
    FileTokenCache::open(&folder)
        .inspect_err(|error| warn!(%error, folder = %folder.display(), "no token is kept between runs"))
        .ok()
}

/// The program's folder below the one that `variable` names, or below `standard` in the user's home. A relative
/// path counts for nothing (XDG Base Directory Specification).
pub(crate) fn folder(variable: &str, standard: &str) -> Option<PathBuf> {
    let set = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set.or_else(|| Some(env::home_dir()?.join(standard)))?;
    Some(base.join("keybound"))
}
