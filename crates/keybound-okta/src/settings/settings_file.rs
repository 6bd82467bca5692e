//! Settings as a file of another form than `.env` has them, under names of its own.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::setting::Setting;

/// What a file says of settings.
pub(super) struct SettingsFile {
    pub(super) path: PathBuf,
    pub(super) entries: Vec<FileEntry>,
    /// Others than the owner may read it.
    pub(super) exposed_mode: Option<u32>,
}

pub(super) struct FileEntry {
    pub(super) setting: Setting,
    /// How the file names it.
    pub(super) name: &'static str,
    pub(super) value: Zeroizing<String>,
}

/// The number of the line, from 1, in which the byte at `position` of `text` stands.
pub(super) fn line_at(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1
}
