//! An `okta.yaml` from anywhere.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use keybound_okta::{Settings, Sources};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("keybound-fuzz-yaml-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
});

fuzz_target!(|text: &[u8]| {
    std::fs::write(FOLDER.join("okta.yaml"), text).expect("a file in the temporary folder");
    let nothing = |_: &str| None;
    let _ = Settings::resolve(Sources::new(FOLDER.clone(), &nothing));
});
