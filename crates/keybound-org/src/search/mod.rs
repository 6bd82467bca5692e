//! The expressions of `filter` and `search`: Okta's part of the SCIM filter grammar (RFC 7644 section
//! 3.4.2.2).
//!
//! ```text
//! status eq "ACTIVE" and (profile.department sw "Eng" or not (profile.title pr))
//! ```
//!
//! `and` binds closer than `or`; words are matched without regard to case, property names with it. What a
//! property is, and which ones there are, is for whoever looks something up.

mod lexer;

use std::str::FromStr;

use lexer::{Lexer, Token};

/// Bytes of an expression, at most: a request line of Okta's has no room for more.
const MAX_EXPRESSION_BYTES: usize = 8 * 1024;

/// How deep parentheses may be nested.
const MAX_DEPTH: usize = 16;

/// Comparisons in one expression, at most: each may cost a look at every row.
const MAX_COMPARISONS: usize = 50;

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// All of these hold.
    And(Vec<Expression>),
    /// One of these holds.
    Or(Vec<Expression>),
    /// This does not hold.
    Not(Box<Expression>),
    /// A property compares so to a value.
    Comparison {
        /// The property: `profile.login`.
        property: String,
        /// How it compares.
        operator: Operator,
        /// To what.
        value: Operand,
    },
    /// A property has a value (`pr`).
    Present {
        /// The property.
        property: String,
    },
}

/// How a property compares to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `eq`: the same.
    Equal,
    /// `ne`: not the same.
    NotEqual,
    /// `co`: contains it.
    Contains,
    /// `sw`: begins with it.
    StartsWith,
    /// `ew`: ends with it.
    EndsWith,
    /// `gt`: after it.
    Greater,
    /// `ge`: after it, or the same.
    GreaterOrEqual,
    /// `lt`: before it.
    Less,
    /// `le`: before it, or the same.
    LessOrEqual,
}

/// What a property is compared to.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// `"text"`, and dates too.
    Text(String),
    /// `12`, `-0.5`.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// It is longer than is looked at.
    #[error("the expression is longer than {MAX_EXPRESSION_BYTES} bytes")]
    TooLong,
    /// It has more comparisons than are looked at.
    #[error("the expression has more than {MAX_COMPARISONS} comparisons")]
    TooMany,
    /// Its parentheses are nested deeper than is looked at.
    #[error("the expression is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Something else must stand there.
    #[error("at byte {at}: {expected} is expected")]
    Unexpected {
        /// Where, counted in bytes from 0.
        at: usize,
        /// What would be right.
        expected: &'static str,
    },
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > MAX_EXPRESSION_BYTES {
            return Err(ExpressionError::TooLong);
        }
        let mut parser = Parser { lexer: Lexer::new(text), comparisons: 0 };
        let expression = parser.alternatives(0)?;
        match parser.lexer.next()? {
            Token::End => Ok(expression),
            _ => Err(parser.lexer.unexpected("`and`, `or` or the end")),
        }
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    comparisons: usize,
}

impl Parser<'_> {
    /// `a or b or c`
    fn alternatives(&mut self, depth: usize) -> Result<Expression, ExpressionError> {
        if depth > MAX_DEPTH {
            return Err(ExpressionError::TooDeep);
        }
        let mut all = vec![self.conjunction(depth)?];
        while self.lexer.take_word("or")? {
            all.push(self.conjunction(depth)?);
        }
        Ok(single_or(all, Expression::Or))
    }

    /// `a and b and c`
    fn conjunction(&mut self, depth: usize) -> Result<Expression, ExpressionError> {
        let mut all = vec![self.term(depth)?];
        while self.lexer.take_word("and")? {
            all.push(self.term(depth)?);
        }
        Ok(single_or(all, Expression::And))
    }

    /// `(…)`, `not (…)`, or a comparison.
    fn term(&mut self, depth: usize) -> Result<Expression, ExpressionError> {
        match self.lexer.next()? {
            Token::Open => self.rest_of_group(depth),
            Token::Word(word) if word.eq_ignore_ascii_case("not") => match self.lexer.next()? {
                Token::Open => Ok(Expression::Not(Box::new(self.rest_of_group(depth)?))),
                _ => Err(self.lexer.unexpected("`(` after `not`")),
            },
            Token::Word(property) => self.rest_of_comparison(property.to_owned()),
            _ => Err(self.lexer.unexpected("a property, `not` or `(`")),
        }
    }

    fn rest_of_group(&mut self, depth: usize) -> Result<Expression, ExpressionError> {
        let inner = self.alternatives(depth + 1)?;
        match self.lexer.next()? {
            Token::Close => Ok(inner),
            _ => Err(self.lexer.unexpected("`)`, `and` or `or`")),
        }
    }

    fn rest_of_comparison(&mut self, property: String) -> Result<Expression, ExpressionError> {
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return Err(ExpressionError::TooMany);
        }
        let word = self.lexer.next()?;
        let Token::Word(word) = word else { return Err(self.lexer.unexpected(OPERATORS)) };
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Expression::Present { property });
        }
        let operator = Operator::of_word(word).ok_or_else(|| self.lexer.unexpected(OPERATORS))?;
        let value = match self.lexer.next()? {
            Token::Text(text) => Operand::Text(text),
            Token::Word("true") => Operand::Boolean(true),
            Token::Word("false") => Operand::Boolean(false),
            Token::Word(word) => number(word).ok_or_else(|| self.lexer.unexpected(VALUE))?,
            _ => return Err(self.lexer.unexpected(VALUE)),
        };
        Ok(Expression::Comparison { property, operator, value })
    }
}

const OPERATORS: &str = "one of eq, ne, co, sw, ew, gt, ge, lt, le, pr";
const VALUE: &str = "a text in double quotes, a number, true or false";

fn single_or(mut all: Vec<Expression>, several: fn(Vec<Expression>) -> Expression) -> Expression {
    match all.pop() {
        Some(only) if all.is_empty() => only,
        Some(last) => {
            all.push(last);
            several(all)
        }
        None => several(all),
    }
}

fn number(word: &str) -> Option<Operand> {
    let begins_well = word.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    word.parse().ok().filter(|number: &f64| begins_well && number.is_finite()).map(Operand::Number)
}

impl Operator {
    fn of_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Equal,
            "ne" => Self::NotEqual,
            "co" => Self::Contains,
            "sw" => Self::StartsWith,
            "ew" => Self::EndsWith,
            "gt" => Self::Greater,
            "ge" => Self::GreaterOrEqual,
            "lt" => Self::Less,
            "le" => Self::LessOrEqual,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An expression with all its parentheses.
    fn shown(expression: &Expression) -> String {
        let all = |all: &[Expression], word| all.iter().map(shown).collect::<Vec<_>>().join(word);
        match expression {
            Expression::And(parts) => format!("({})", all(parts, " & ")),
            Expression::Or(parts) => format!("({})", all(parts, " | ")),
            Expression::Not(inner) => format!("!{}", shown(inner)),
            Expression::Present { property } => format!("{property}?"),
            Expression::Comparison { property, operator, value } => {
                format!("{property} {operator:?} {value:?}")
            }
        }
    }

    #[test]
    fn an_expression_means_what_its_grammar_says() {
        for (text, expected) in [
            (r#"status eq "ACTIVE""#, r#"status Equal Text("ACTIVE")"#),
            (r#"  status   EQ"A"  "#, r#"status Equal Text("A")"#),
            ("a pr and b pr or c pr", "((a? & b?) | c?)"),
            ("a pr or b pr and c pr", "(a? | (b? & c?))"),
            ("(a pr or b pr) AND c pr", "((a? | b?) & c?)"),
            ("not (a pr) and NOT(b pr)", "(!a? & !b?)"),
            ("((a pr))", "a?"),
            ("profile.n ge -1.5", "profile.n GreaterOrEqual Number(-1.5)"),
            ("x eq true or x ne false", "(x Equal Boolean(true) | x NotEqual Boolean(false))"),
            (
                r#"a co "x" and b sw "y" and c ew "z""#,
                r#"(a Contains Text("x") & b StartsWith Text("y") & c EndsWith Text("z"))"#,
            ),
            (
                r#"a gt "1" or a lt "2" or a le "3""#,
                r#"(a Greater Text("1") | a Less Text("2") | a LessOrEqual Text("3"))"#,
            ),
            (r#"a eq "say \"hi\" \\ and go""#, r#"a Equal Text("say \"hi\" \\ and go")"#),
            (r#"a eq "é (or) b""#, r#"a Equal Text("é (or) b")"#),
            (r#"a eq """#, r#"a Equal Text("")"#),
            ("not pr", "!"),
        ] {
            match text.parse::<Expression>() {
                Ok(expression) => assert_eq!(shown(&expression), expected, "{text}"),
                Err(error) => assert_eq!(expected, "!", "{text}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_where_it_goes_wrong() {
        let unexpected = |at, expected| ExpressionError::Unexpected { at, expected };
        for (text, expected) in [
            ("", unexpected(0, "a property, `not` or `(`")),
            ("status", unexpected(6, OPERATORS)),
            ("status is 1", unexpected(7, OPERATORS)),
            ("status eq", unexpected(9, VALUE)),
            ("status eq ACTIVE", unexpected(10, VALUE)),
            ("status eq inf", unexpected(10, VALUE)),
            ("status eq NaN", unexpected(10, VALUE)),
            ("a pr b pr", unexpected(5, "`and`, `or` or the end")),
            ("(a pr", unexpected(5, "`)`, `and` or `or`")),
            ("a pr)", unexpected(4, "`and`, `or` or the end")),
            ("a pr and", unexpected(8, "a property, `not` or `(`")),
            ("a eq \"x", unexpected(5, "the closing quote of a text")),
            ("a eq \"\\x\"", unexpected(5, "`\\\"` or `\\\\` in a text")),
            ("a;b eq 1", unexpected(1, "a word, a text, `(` or `)`")),
            ("a' eq 1", unexpected(1, "a word, a text, `(` or `)`")),
            ("é eq 1", unexpected(0, "a word, a text, `(` or `)`")),
        ] {
            assert_eq!(text.parse::<Expression>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn an_expression_has_bounds() {
        let nested = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
        assert!(nested(MAX_DEPTH).parse::<Expression>().is_ok());
        assert_eq!(nested(MAX_DEPTH + 1).parse::<Expression>(), Err(ExpressionError::TooDeep));
        let joined = |count: usize| vec!["a pr"; count].join(" or ");
        assert!(joined(MAX_COMPARISONS).parse::<Expression>().is_ok());
        assert_eq!(joined(MAX_COMPARISONS + 1).parse::<Expression>(), Err(ExpressionError::TooMany));
        let long = format!("a eq \"{}\"", "x".repeat(MAX_EXPRESSION_BYTES));
        assert_eq!(long.parse::<Expression>(), Err(ExpressionError::TooLong));
    }
}
