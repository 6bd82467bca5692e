//! The two forms of Okta's expression language that a claim's value may have here: a text in quotes, and a member of
//! the user's profile.

use crate::store::{ClaimSource, is_member_name};

/// What an expression says, if it has one of these forms.
pub(super) fn parse(expression: &str) -> Option<ClaimSource> {
    let expression = expression.trim();
    if let Some(member) = expression.strip_prefix("user.") {
        let member = member.strip_prefix("profile.").unwrap_or(member);
        return is_member_name(member).then(|| ClaimSource::Profile(member.to_owned()));
    }
    ['"', '\''].into_iter().find_map(|quote| {
        let text = expression.strip_prefix(quote)?.strip_suffix(quote)?;
        (!text.contains(quote)).then(|| ClaimSource::Text(text.to_owned()))
    })
}

/// The expression that says the same.
pub(crate) fn text(source: &ClaimSource) -> String {
    match source {
        ClaimSource::Profile(member) => format!("user.{member}"),
        ClaimSource::Text(text) if text.contains('"') => format!("'{text}'"),
        ClaimSource::Text(text) => format!("\"{text}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_a_text_or_a_member_of_the_profile_and_nothing_else() {
        let text_of = |text: &str| Some(ClaimSource::Text(text.to_owned()));
        let member = |name: &str| Some(ClaimSource::Profile(name.to_owned()));
        for (expression, expected) in [
            ("\"gold\"", text_of("gold")),
            ("'gold'", text_of("gold")),
            (" \"a 'quoted' word\" ", text_of("a 'quoted' word")),
            ("\"\"", text_of("")),
            ("user.department", member("department")),
            ("user.profile.department", member("department")),
            ("user.", None),
            ("user.a.b", None),
            ("user.a + user.b", None),
            ("\"a\" + \"b\"", None),
            ("\"", None),
            ("gold", None),
            ("", None),
            ("appuser.userName", None),
            ("(user == null) ? 'a' : 'b'", None),
        ] {
            assert_eq!(parse(expression), expected, "{expression}");
            if let Some(source) = expected {
                assert_eq!(parse(&text(&source)), Some(source), "{expression} and back");
            }
        }
    }
}
