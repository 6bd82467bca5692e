//! A peer's words in our messages: cut, so that an answer does not repeat kilobytes, and without control
//! characters, so that they can be shown on a terminal.

/// The first `characters` of `text` that can be shown.
pub(crate) fn excerpt(text: &str, characters: usize) -> String {
    text.chars().filter(|character| !character.is_control()).take(characters).collect()
}

/// Characters of a claim or a name: enough to recognise it.
pub(crate) const NAME: usize = 64;

/// Characters of a sentence.
pub(crate) const SENTENCE: usize = 500;
