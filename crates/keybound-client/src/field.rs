//! The grammar that header fields share (RFC 9110 section 5.6).

use keybound::excerpt::{SENTENCE, excerpt};

/// A token at the start of `text` (RFC 9110 section 5.6.2), and what follows it.
pub fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|character| !is_token_character(character)).unwrap_or(text.len());
    let (token, rest) = text.split_at_checked(end)?;
    (!token.is_empty()).then_some((token, rest))
}

/// A quoted string at the start of `text`, unquoted (RFC 9110 section 5.6.4), and what follows it.
pub fn quoted_string(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(position + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// `text` after the spaces and tabs at its start (RFC 9110 section 5.6.3).
pub fn skip_white_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// A server's words as a person can be shown them: without control characters, which could write over a
/// terminal, and not endless.
pub fn readable(text: &str) -> String {
    excerpt(text, SENTENCE)
}

fn is_token_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_quoted_strings_are_split_off() {
        assert_eq!(token("DPoP x"), Some(("DPoP", " x")));
        assert_eq!(token("a/b"), Some(("a", "/b")));
        assert_eq!(token("=a"), None);
        assert_eq!(token(""), None);
        for (text, expected) in [
            (r#""a b", c"#, Some(("a b", ", c"))),
            (r#""a \"b\" \\" c"#, Some((r#"a "b" \"#, " c"))),
            (r#""""#, Some(("", ""))),
            (r#""é"!"#, Some(("é", "!"))),
            (r#""a"#, None),
            (r#""a\"#, None),
            ("a", None),
        ] {
            let split = quoted_string(text);
            assert_eq!(split.as_ref().map(|(value, rest)| (value.as_str(), *rest)), expected, "{text}");
        }
    }
}
