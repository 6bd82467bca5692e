//! `docs/guard.toml`, the example that shows every field: it can be used, its defaults are the ones that hold,
//! and no field is missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use keybound_guard::policy::Policy;

const EXAMPLE: &str = include_str!("../../../docs/guard.toml");

/// The example with its defaults spelt out.
fn spelt_out() -> String {
    let line = |line: &'static str| match line.strip_prefix('#') {
        Some(field) if field.starts_with(|first: char| first.is_ascii_lowercase()) => field,
        _ => line,
    };
    EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_defaults_that_the_example_shows_are_the_ones_that_hold() {
    let as_it_is = Policy::from_toml(EXAMPLE).unwrap();
    let spelt_out = spelt_out();
    assert!(spelt_out.contains("\nmax_age_seconds = 60\n"), "{spelt_out}");
    let explicit = Policy::from_toml(&spelt_out).unwrap();
    assert_eq!(format!("{explicit:#?}"), format!("{as_it_is:#?}"));
}

#[test]
fn the_example_has_every_field() {
    let least = "resources = [\"https://a\"]\n[[issuers]]\nissuer = \"b\"\n";
    for table in [
        "",
        "[[issuers]]\nissuer = \"c\"",
        "[proofs]",
        "[nonces]",
        "[cors]",
        "[replay]",
        "[limits]",
        "[[routes]]",
    ]
    .into_iter()
    .chain(["[issuers.introspection]\nclient_id = \"a\"\nclient_secret_file = \"b\""])
    {
        let text = match table {
            "" => format!("no_such_field = 1\n{least}"),
            table => format!("{least}{table}\nno_such_field = 1\n"),
        };
        let refused = Policy::from_toml(&text).unwrap_err().to_string();
        let expected = refused.split("expected").nth(1).unwrap_or_else(|| panic!("{table}: {refused}"));
        let fields: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
        assert!(fields.len() > 2, "{table}: {refused}");
        for field in fields {
            let is_there = EXAMPLE.lines().any(|line| {
                let line = line.trim_start_matches(['#', ' ', '[']);
                line.strip_prefix(field).is_some_and(|rest| rest.starts_with([' ', ']']))
                    || line.starts_with(&format!("issuers.{field}]"))
            });
            assert!(is_there, "{table} {field} is not in docs/guard.toml");
        }
    }
}
