//! Lists of any length need the memory of a few pages.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
// Elsewhere nobody tells the most memory that one child had.
#![cfg(any(target_os = "linux", target_os = "macos"))]

mod long_list;
mod support;

use std::process::Stdio;

use long_list::LongList;
use support::{SCOPE, USERS};
use wait4::Wait4 as _;

/// Pages of a short list and of a long one.
const FEW: usize = 20;
const MANY: usize = 200;

/// A page has 121 KiB, so that the many have 21 MiB more than the few; what an allocator keeps differs by a few.
const MOST_BETWEEN: u64 = 10 * 1024 * 1024;

/// The most memory that a run had resident, in bytes.
fn peak(pages: usize, arguments: &[&str]) -> u64 {
    let list = LongList::start(pages);
    let mut command = list.workspace.command(&[arguments, &["--scope", SCOPE]].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let used = child.wait4().unwrap();
    assert!(used.status.success(), "{arguments:?}: {used:?}");
    used.rusage.maxrss
}

#[test]
fn a_list_ten_times_as_long_needs_no_more_memory() {
    for arguments in [&["api", USERS, "--paginate", "--ndjson"][..], &["users", "list", "--ndjson"]] {
        let (few, many) = (peak(FEW, arguments), peak(MANY, arguments));
        println!("{arguments:?}: {} KiB, {} KiB", few / 1024, many / 1024);
        assert!(many < few + MOST_BETWEEN, "{arguments:?}: {few} bytes, then {many}");
    }
}
