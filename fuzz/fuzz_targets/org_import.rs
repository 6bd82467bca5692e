//! The file of an org's data: any bytes are read or refused, and what is read is written as something that is read as the
//! same.
#![no_main]

use std::sync::LazyLock;

use keybound::NumericDate;
use keybound_org::{Secrets, Store};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static ORG: LazyLock<(TempDir, Store)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a database");
    (folder, store)
});

fn exported(store: &Store) -> Vec<u8> {
    let mut file = Vec::new();
    store.export(Secrets::Included, &mut file).expect("what was read can be written");
    file
}

fuzz_target!(|file: &[u8]| {
    let (_, store) = &*ORG;
    let now = NumericDate::from_seconds(1_800_000_000);
    if store.import(file, now).is_err() {
        return;
    }
    let first = exported(store);
    store.reset().expect("a new org");
    store.import(first.as_slice(), now).expect("an export can be read");
    assert_eq!(exported(store), first);
    store.reset().expect("a new org");
});
