//! What was meant by a name that is none: the known names that are least far from it.

/// Names that are suggested, at most: more of them are a list, not an answer.
const MAX_SUGGESTIONS: usize = 3;

/// Characters of a name that are compared, at most; the longest id of an operation has some sixty.
const MAX_CHARACTERS: usize = 100;

/// The names of `known` that are nearest to `name`, the nearest first. Upper and lower case and what stands
/// between words (`list_users`) make no difference; more than a third of the name's letters do, and so do more than
/// twice as many as in the nearest.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let given = letters(name);
    let tolerated = (given.len() / 3).max(1);
    let mut near: Vec<_> = known
        .map(|known| (distance(&given, &letters(known)), known))
        .filter(|(distance, _)| *distance <= tolerated)
        .collect();
    near.sort_unstable();
    let farthest = near.first().map_or(0, |(nearest, _)| nearest * 2);
    near.into_iter()
        .take_while(|(distance, _)| *distance <= farthest)
        .map(|(_, known)| known)
        .take(MAX_SUGGESTIONS)
        .collect()
}

/// A question with the suggestions, to stand at the end of a sentence: `; did you mean listUsers?`
pub(crate) fn question(suggestions: &[&str]) -> String {
    if suggestions.is_empty() {
        return String::new();
    }
    format!("; did you mean {}?", suggestions.join(" or "))
}

fn letters(name: &str) -> Vec<char> {
    let letters = name.chars().filter(|character| character.is_alphanumeric());
    letters.flat_map(char::to_lowercase).take(MAX_CHARACTERS).collect()
}

/// How many letters have to be put in, taken out or changed to come from one to the other (Levenshtein).
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (number, letter) in from.iter().enumerate() {
        let mut diagonal = number;
        let mut left = number + 1;
        let mut next = vec![left];
        for (other, above) in to.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(letter != other)).min(left + 1).min(above + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_far_ones_never() {
        let known = ["listUsers", "listUserGroups", "getUser", "deleteUser", "limit"];
        for (name, suggestions, why) in [
            ("listUser", &["listUsers"][..], "a letter is missing"),
            ("listusers", &["listUsers"], "upper and lower case"),
            ("list_users", &["listUsers"], "another way to part words"),
            ("lsitUsers", &["listUsers"], "two letters changed places"),
            ("gtUser", &["getUser"], "one left out"),
            ("limt", &["limit"], "a short one"),
            ("x", &[], "nothing like it"),
            ("", &[], "nothing at all"),
            ("createPolicy", &[], "another name altogether"),
        ] {
            assert_eq!(nearest(name, known.into_iter()), suggestions, "{why}: {name}");
        }
        let scopes = ["okta.dr.read", "okta.users.read", "okta.apps.read"];
        assert_eq!(
            nearest("okta.user.read", scopes.into_iter()),
            ["okta.users.read"],
            "of far ones none beside"
        );
        assert_eq!(nearest("aa", ["ab", "ac", "ad", "ae"].into_iter()).len(), MAX_SUGGESTIONS);
        nearest(&"x".repeat(1_000_000), known.into_iter());
    }

    #[test]
    fn a_distance_counts_letters() {
        let count = |from: &str, to: &str| distance(&letters(from), &letters(to));
        for (from, to, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(count(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn a_question_names_them_all() {
        assert_eq!(question(&[]), "");
        assert_eq!(question(&["a"]), "; did you mean a?");
        assert_eq!(question(&["a", "b"]), "; did you mean a or b?");
    }
}
