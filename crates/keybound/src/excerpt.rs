//! A peer's words in our messages: cut, so that an answer does not repeat kilobytes, and without control
//! characters, so that they can be shown on a terminal, nor characters that change what is seen of others.

/// The first `characters` of `text` that can be shown.
pub fn excerpt(text: &str, characters: usize) -> String {
    text.chars().filter(|character| is_shown(*character)).take(characters).collect()
}

/// Whether `character` is neither a control character nor one that is invisible or turns the direction of what follows.
pub fn is_shown(character: char) -> bool {
    let is_invisible = matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !character.is_control() && !is_invisible
}

/// Characters of a claim or a name: enough to recognise it.
pub const NAME: usize = 64;

/// Characters of a sentence.
pub const SENTENCE: usize = 500;
