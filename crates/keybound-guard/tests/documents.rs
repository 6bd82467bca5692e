//! The pages under `docs/`: what they show as a policy is one, and what they list is what there is.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use keybound_guard::policy::Policy;

fn page(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The blocks of `language` in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let blocks = page.split(begin.as_str()).skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// A policy that has all of `excerpt`, and what every policy needs.
fn completed(excerpt: &str) -> String {
    let begins = |line: &str| excerpt.lines().any(|found| found.starts_with(line));
    let resources = if begins("resources =") { "" } else { "resources = [\"https://api.example.com\"]\n" };
    let issuers =
        if begins("[[issuers]]") { "" } else { "\n[[issuers]]\nissuer = \"https://as.example.com\"\n" };
    format!("{resources}{excerpt}{issuers}")
}

#[test]
fn every_excerpt_of_a_policy_can_stand_in_one() {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for block in blocks(&fs::read_to_string(&path).unwrap(), "toml") {
            // Of a manifest, for those who build with the crates.
            if block.starts_with("[dependencies]") {
                continue;
            }
            let policy = completed(&block);
            Policy::from_toml(&policy).unwrap_or_else(|error| panic!("{name}: {error}\n{policy}"));
            found.insert(name.clone());
        }
    }
    for name in ["caddy.md", "nginx.md", "operating.md", "replay.md", "traefik.md"] {
        assert!(found.contains(name), "no block was found in {name}");
    }
}

/// The names in the first column of the tables of `page`.
fn listed(page: &str) -> BTreeSet<String> {
    let names = page.lines().filter_map(|line| line.strip_prefix("| `keybound_")?.split('`').next());
    names.map(|name| format!("keybound_{name}")).collect()
}

/// The names that the constants of `source` have.
fn defined(source: &str) -> BTreeSet<String> {
    let names = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1));
    names.filter(|name| name.starts_with("keybound_")).map(str::to_owned).collect()
}

#[test]
fn every_metric_is_listed_and_no_other() {
    let sources = ["src/metrics.rs", "src/tokens/counters.rs", "src/replay/metric.rs"].map(page);
    let defined: BTreeSet<_> = sources.iter().flat_map(|source| defined(source)).collect();
    assert!(defined.len() >= 19, "{defined:?}");
    let page = page("../../docs/operating.md");
    let table = page.split("## What to alert on").next().unwrap();
    assert_eq!(listed(table), defined);
}
