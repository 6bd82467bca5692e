//! Whose an org's files are: what somebody else could have put there is not believed.

use std::path::Path;

use super::StoreError;

/// Refuses a file or folder that belongs to another user, or that others can write to: whoever can write into an org's
/// folder decides what the org signs with and whom its clients trust.
///
/// # Errors
///
/// [`StoreError::OfOthers`] says whose it is and what to do; [`StoreError::Folder`] that it cannot be looked at.
#[cfg(unix)]
pub fn refuse_of_others(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt as _;

    let unusable = |source| StoreError::Folder { path: path.to_owned(), source };
    let found = std::fs::metadata(path).map_err(unusable)?;
    // Whoever makes a file owns it.
    let caller = tempfile::tempfile().and_then(|made| made.metadata()).map_err(unusable)?.uid();
    refuse(path, (found.uid(), found.mode()), caller)
}

/// Only the rights of Unix are looked at.
///
/// # Errors
///
/// None here.
#[cfg(not(unix))]
pub fn refuse_of_others(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// Write for the group and for others.
#[cfg(unix)]
const WRITE_OF_OTHERS: u32 = 0o022;

#[cfg(unix)]
fn refuse(path: &Path, (owner, mode): (u32, u32), caller: u32) -> Result<(), StoreError> {
    let of_others =
        |why: String, next: String| Err(StoreError::OfOthers { path: path.to_owned(), why, next });
    if owner != caller {
        let why = format!("it belongs to the user {owner}, and you are the user {caller}");
        return of_others(why, "name one of your own".to_owned());
    }
    if mode & WRITE_OF_OTHERS != 0 {
        let why = format!("its mode is {:04o}, so that others can write to it", mode & 0o7777);
        return of_others(why, format!("chmod go-w {}", path.display()));
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_what_its_owner_alone_can_write_to_is_believed() {
        for (owner, mode, expected) in [
            (1000, 0o40700, None),
            (1000, 0o40755, None),
            (1000, 0o100_600, None),
            (1000, 0o100_644, None),
            (1000, 0o40775, Some("chmod go-w org")),
            (1000, 0o40702, Some("chmod go-w org")),
            (1000, 0o41777, Some("chmod go-w org")),
            (1001, 0o40700, Some("the user 1001")),
            (0, 0o40755, Some("the user 0")),
        ] {
            let refused = refuse(Path::new("org"), (owner, mode), 1000).err().map(|error| error.to_string());
            match (expected, &refused) {
                (None, None) => {}
                (Some(words), Some(told)) => assert!(told.contains(words), "{told}"),
                _ => panic!("{owner} {mode:o}: {refused:?}"),
            }
        }
    }
}
