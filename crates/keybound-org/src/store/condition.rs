//! Expressions as conditions of SQL. Values and the names of members are bound, and never a part of the
//! text; columns come from the tables of properties in this program.

use rusqlite::types::Value;

use crate::search::{Expression, Operand, Operator};
use crate::timestamp;

/// Where a property is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    /// A column of text, compared without regard to case.
    Text(&'static str),
    /// A column of identifiers, which are the same as they are written, so that its index can find them.
    Identifier(&'static str),
    /// A column of time, in seconds.
    Seconds(&'static str),
    /// A column of time, in milliseconds.
    Milliseconds(&'static str),
    /// A member of the JSON object in a column; of a list, any of its items.
    Member(&'static str, String),
    /// A member of any of the JSON objects in the array in a column.
    ItemMember(&'static str, &'static str),
    /// The id of something that the row belongs to: the condition in SQL, with the id as `?1`.
    BelongsTo(&'static str),
}

/// The property of this name, if there is one that may be looked for.
pub(crate) type Properties = fn(&str) -> Option<Property>;

/// Why an expression does not fit what is looked through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConditionError {
    #[error("there is no property `{0}` to look for here")]
    UnknownProperty(String),
    #[error(
        "`{0}` is a time: it compares by eq, ne, gt, ge, lt and le to one such as \"2026-01-31T12:00:00.000Z\""
    )]
    NotATime(String),
    #[error("`{0}` is text: compare it to one in double quotes")]
    NotAText(String),
    #[error("`{0}` has several values: it compares by eq, ne, co, sw, ew and pr")]
    Unordered(String),
    #[error("`{0}` compares by eq and ne alone")]
    EqualAlone(String),
}

/// A condition with the values that are bound in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Condition {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

impl Condition {
    /// A condition that all rows fulfil.
    pub(crate) fn always() -> Self {
        Self { sql: "1".to_owned(), values: Vec::new() }
    }

    /// A condition that a row fulfils if one of these columns begins with a text, without regard to the case of ASCII
    /// letters.
    pub(crate) fn beginning_with(columns: &[&'static str], text: &str) -> Self {
        let mut condition = Self::default();
        let pattern = condition.bind(like_prefix(text));
        let begins = |column: &&str| format!("{column} LIKE {pattern} ESCAPE '\\'");
        condition.sql = columns.iter().map(begins).collect::<Vec<_>>().join(" OR ");
        condition
    }

    /// What an expression says about these properties.
    pub(crate) fn of(expression: &Expression, properties: Properties) -> Result<Self, ConditionError> {
        let mut condition = Self::default();
        condition.sql = condition.expression(expression, properties)?;
        Ok(condition)
    }

    /// Both this and `text`, which holds `values` in the places of its question marks.
    pub(crate) fn and(mut self, text: &str, values: impl IntoIterator<Item = Value>) -> Self {
        let mut values = values.into_iter();
        let mut sql = format!("({}) AND (", self.sql);
        for character in text.chars() {
            match (character, (character == '?').then(|| values.next()).flatten()) {
                (_, Some(value)) => sql.push_str(&self.bind(value)),
                (character, None) => sql.push(character),
            }
        }
        sql.push(')');
        Self { sql, values: self.values }
    }

    /// Both this and another.
    pub(crate) fn and_also(mut self, other: &Self) -> Self {
        let offset = self.values.len();
        let mut sql = format!("({}) AND (", self.sql);
        // The places of the other's values are numbered from 1; here they come behind this one's.
        let mut parts = other.sql.split('?');
        sql.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let digits = part.len() - part.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
            let (number, rest) = part.split_at(digits);
            let number = number.parse::<usize>().unwrap_or_default().saturating_add(offset);
            sql.extend(["?", &number.to_string(), rest]);
        }
        sql.push(')');
        self.values.extend(other.values.iter().cloned());
        Self { sql, values: self.values }
    }

    /// The place of a value.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    fn expression(
        &mut self,
        expression: &Expression,
        properties: Properties,
    ) -> Result<String, ConditionError> {
        let find = |property: &String| {
            properties(property).ok_or_else(|| ConditionError::UnknownProperty(property.clone()))
        };
        match expression {
            Expression::And(parts) => self.joined(parts, " AND ", properties),
            Expression::Or(parts) => self.joined(parts, " OR ", properties),
            // What is not known does not hold, so its contrary does.
            Expression::Not(inner) => Ok(format!("NOT ifnull({}, 0)", self.expression(inner, properties)?)),
            Expression::Present { property } => match find(property)? {
                Property::BelongsTo(_) => Err(ConditionError::EqualAlone(property.clone())),
                found => Ok(self.present(&found)),
            },
            Expression::Comparison { property, operator: Operator::NotEqual, value } => {
                let equal = self.comparison(property, &find(property)?, Operator::Equal, value)?;
                Ok(format!("NOT ifnull({equal}, 0)"))
            }
            Expression::Comparison { property, operator, value } => {
                self.comparison(property, &find(property)?, *operator, value)
            }
        }
    }

    fn joined(
        &mut self,
        parts: &[Expression],
        word: &str,
        properties: Properties,
    ) -> Result<String, ConditionError> {
        let parts: Result<Vec<_>, _> = parts.iter().map(|part| self.expression(part, properties)).collect();
        Ok(format!("({})", parts?.join(word)))
    }

    fn present(&mut self, property: &Property) -> String {
        match property {
            Property::Text(column) | Property::Identifier(column) => format!("({column} <> '')"),
            Property::Seconds(column) | Property::Milliseconds(column) => format!("({column} IS NOT NULL)"),
            Property::Member(column, member) => {
                let member = self.bind(member.clone());
                format!("({column} ->> {member} IS NOT NULL)")
            }
            Property::ItemMember(list, member) => {
                format!(
                    "EXISTS (SELECT 1 FROM json_each({list}) AS item WHERE item.value ->> '{member}' IS NOT NULL)"
                )
            }
            Property::BelongsTo(_) => "0".to_owned(),
        }
    }

    fn comparison(
        &mut self,
        name: &str,
        property: &Property,
        operator: Operator,
        value: &Operand,
    ) -> Result<String, ConditionError> {
        match property {
            Property::Identifier(column) if operator == Operator::Equal => {
                let place = self.bind(text_of(name, value)?.to_owned());
                Ok(format!("{column} = {place}"))
            }
            Property::Text(column) | Property::Identifier(column) => {
                Ok(self.text(column, operator, text_of(name, value)?))
            }
            Property::BelongsTo(condition) if operator == Operator::Equal => {
                let place = self.bind(text_of(name, value)?.to_owned());
                Ok(format!("({})", condition.replace("?1", &place)))
            }
            Property::BelongsTo(_) => Err(ConditionError::EqualAlone(name.to_owned())),
            Property::Seconds(column) => self.time(name, column, 1_000, operator, value),
            Property::Milliseconds(column) => self.time(name, column, 1, operator, value),
            Property::Member(column, member) => {
                let path = self.bind(format!("$.\"{member}\""));
                let holds = self.item(operator, value);
                Ok(format!("EXISTS (SELECT 1 FROM json_each({column}, {path}) AS item WHERE {holds})"))
            }
            Property::ItemMember(list, member) => {
                let is_ordered = matches!(
                    operator,
                    Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual
                );
                if is_ordered {
                    return Err(ConditionError::Unordered(name.to_owned()));
                }
                let subject = format!("(item.value ->> '{member}')");
                let holds = self.text(&subject, operator, text_of(name, value)?);
                Ok(format!("EXISTS (SELECT 1 FROM json_each({list}) AS item WHERE {holds})"))
            }
        }
    }

    /// A comparison of a value in JSON, which is one of the row `item` of `json_each`.
    fn item(&mut self, operator: Operator, value: &Operand) -> String {
        match value {
            Operand::Text(text) => self.text("item.value", operator, text),
            Operand::Number(number) => {
                let place = self.bind(*number);
                format!("(item.type IN ('integer', 'real') AND item.value {} {place})", sign(operator))
            }
            Operand::Boolean(boolean) => {
                let place = self.bind(if *boolean { "true" } else { "false" }.to_owned());
                format!("item.type = {place}")
            }
        }
    }

    /// A comparison without regard to the case of ASCII letters.
    fn text(&mut self, subject: &str, operator: Operator, text: &str) -> String {
        let place = self.bind(text.to_owned());
        match operator {
            Operator::Contains => format!("instr(lower({subject}), lower({place})) > 0"),
            Operator::StartsWith => format!("lower(substr({subject}, 1, length({place}))) = lower({place})"),
            // A text of length 0 ends everything; counted from the end, 0 would mean the beginning.
            Operator::EndsWith => format!(
                "(length({subject}) >= length({place}) AND \
                 lower(substr({subject}, length({subject}) - length({place}) + 1)) = lower({place}))"
            ),
            operator => format!("{subject} {} {place} COLLATE NOCASE", sign(operator)),
        }
    }

    fn time(
        &mut self,
        name: &str,
        column: &str,
        milliseconds_of_unit: i64,
        operator: Operator,
        value: &Operand,
    ) -> Result<String, ConditionError> {
        let not_a_time = || ConditionError::NotATime(name.to_owned());
        let Operand::Text(text) = value else { return Err(not_a_time()) };
        let milliseconds = timestamp::milliseconds(text).ok_or_else(not_a_time)?;
        let (whole, part) =
            (milliseconds.div_euclid(milliseconds_of_unit), milliseconds.rem_euclid(milliseconds_of_unit));
        // Between two units nothing is equal, and what is not before is after.
        let (operator, bound) = match operator {
            Operator::Equal if part > 0 => return Ok("0".to_owned()),
            Operator::GreaterOrEqual if part > 0 => (Operator::Greater, whole),
            Operator::Less if part > 0 => (Operator::LessOrEqual, whole),
            Operator::Contains | Operator::StartsWith | Operator::EndsWith => return Err(not_a_time()),
            operator => (operator, whole),
        };
        let place = self.bind(bound);
        Ok(format!("{column} {} {place}", sign(operator)))
    }
}

/// The pattern for texts that begin with `text`.
pub(super) fn like_prefix(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

fn text_of<'v>(name: &str, value: &'v Operand) -> Result<&'v str, ConditionError> {
    match value {
        Operand::Text(text) => Ok(text),
        _ => Err(ConditionError::NotAText(name.to_owned())),
    }
}

/// The sign of SQL; of an operator that has none, the one for equality.
const fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::NotEqual => "<>",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Equal | Operator::Contains | Operator::StartsWith | Operator::EndsWith => "=",
    }
}

/// Whether a text can be the name of a profile's member: letters, digits and `_`, as in Okta's schemas.
pub(crate) fn is_member_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
