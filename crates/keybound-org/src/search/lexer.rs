//! The words of an expression.

use super::ExpressionError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'t> {
    Open,
    Close,
    /// A property, an operator, a number, …
    Word(&'t str),
    /// What stood between quotes.
    Text(String),
    End,
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    /// Where the next token is looked for, in bytes.
    next: usize,
    /// Where the last token began.
    last: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, next: 0, last: 0 }
    }

    /// That something else must stand where the last token is.
    pub(super) fn unexpected(&self, expected: &'static str) -> ExpressionError {
        ExpressionError::Unexpected { at: self.last, expected }
    }

    pub(super) fn next(&mut self) -> Result<Token<'t>, ExpressionError> {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        self.next += blanks;
        self.last = self.next;
        let rest = self.rest();
        match rest.bytes().next() {
            None => Ok(Token::End),
            Some(b'(') => Ok(self.single(Token::Open)),
            Some(b')') => Ok(self.single(Token::Close)),
            Some(b'"') => self.text(),
            Some(_) => self.word(),
        }
    }

    /// Takes this word if it comes next, and else nothing.
    pub(super) fn take_word(&mut self, word: &str) -> Result<bool, ExpressionError> {
        let (next, last) = (self.next, self.last);
        let is_it = matches!(self.next()?, Token::Word(found) if found.eq_ignore_ascii_case(word));
        if !is_it {
            (self.next, self.last) = (next, last);
        }
        Ok(is_it)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.next..).unwrap_or_default()
    }

    fn single(&mut self, token: Token<'t>) -> Token<'t> {
        self.next += 1;
        token
    }

    fn word(&mut self) -> Result<Token<'t>, ExpressionError> {
        let rest = self.rest();
        let is_word = |character: char| character.is_ascii_alphanumeric() || "._-:$".contains(character);
        let length = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        self.next += length;
        if length == 0 || !after.starts_with([' ', '\t', '(', ')', '"']) && !after.is_empty() {
            self.last = self.next;
            return Err(self.unexpected("a word, a text, `(` or `)`"));
        }
        Ok(Token::Word(word))
    }

    fn text(&mut self) -> Result<Token<'t>, ExpressionError> {
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.next += at + 1;
                    return Ok(Token::Text(text));
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    _ => return Err(self.unexpected("`\\\"` or `\\\\` in a text")),
                },
                character => text.push(character),
            }
        }
        Err(self.unexpected("the closing quote of a text"))
    }
}
