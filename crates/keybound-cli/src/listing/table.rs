//! A table that is printed batch by batch, with its header once.

use comfy_table::{ColumnConstraint, Table, Width, presets};

use crate::output::FAINT;

/// An object as a row of a table.
pub(crate) trait Row {
    /// One and many of them.
    const NOUNS: (&'static str, &'static str);
    /// What stands over the columns.
    const HEADER: &'static [&'static str];

    /// A cell for each column.
    fn cells(&self) -> Vec<String>;
}

/// Columns are as wide as their widest cell so far: a later batch never narrows them.
#[derive(Default)]
pub(super) struct StreamedTable {
    widths: Vec<u16>,
    rows: usize,
}

impl StreamedTable {
    /// The lines of the next batch.
    pub(super) fn lines<T: Row>(&mut self, items: &[T]) -> Vec<String> {
        if items.is_empty() {
            return Vec::new();
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if self.rows == 0 {
            table.set_header(T::HEADER);
        }
        for item in items {
            table.add_row(item.cells().iter().map(|cell| readable(cell)));
        }
        let own = table.column_max_content_widths();
        self.widths.resize(own.len(), 0);
        for (column, (width, own)) in table.column_iter_mut().zip(self.widths.iter_mut().zip(own)) {
            *width = own.max(*width);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(*width + column.padding_width())));
        }
        self.rows += items.len();
        table.trim_fmt().lines().map(str::to_owned).collect()
    }

    /// How many there were.
    pub(super) fn last_line<T: Row>(&self) -> String {
        let noun = if self.rows == 1 { T::NOUNS.0 } else { T::NOUNS.1 };
        format!("{FAINT}{} {noun}{FAINT:#}", self.rows)
    }
}

/// A text of the org as a terminal may have it: on one line, and without characters that move the cursor or turn
/// the text around.
pub(crate) fn readable(text: &str) -> String {
    let is_hidden = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if is_hidden(character) { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pair(&'static str, &'static str);

    impl Row for Pair {
        const NOUNS: (&'static str, &'static str) = ("pair", "pairs");
        const HEADER: &'static [&'static str] = &["ID", "NAME"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_owned()]
        }
    }

    #[test]
    fn batches_are_one_table_with_one_header() {
        let mut table = StreamedTable::default();
        for (batch, expected, why) in [
            (&[][..], &[][..], "no header before there are rows"),
            (&[Pair("1", "Ada"), Pair("222", "Bo")], &[" ID   NAME", " 1    Ada", " 222  Bo"], "the header"),
            (&[Pair("3", "C")], &[" 3    C"], "as wide as before, and no header"),
            (&[Pair("44444", "D")], &[" 44444  D"], "a wider cell is not cut"),
            (&[Pair("5", "E")], &[" 5      E"], "and widens what follows"),
            (
                &[Pair("6", "東京\u{1b}[2J")],
                &[" 6      東京\u{fffd}[2J"],
                "the org can't write to the terminal",
            ),
        ] {
            assert_eq!(table.lines(batch), expected, "{why}");
        }
        assert_eq!(table.last_line::<Pair>(), format!("{FAINT}6 pairs{FAINT:#}"));
    }

    #[test]
    fn what_moves_the_cursor_or_turns_the_text_is_shown_as_such() {
        for (text, expected) in [("a\nb", "a\u{fffd}b"), ("\u{202e}cba", "\u{fffd}cba"), ("Zoë 東", "Zoë 東")]
        {
            assert_eq!(readable(text), expected);
        }
    }
}
