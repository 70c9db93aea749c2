//! A CSV cell that begins like a formula is run by a spreadsheet. An apostrophe before it stops that, and is taken away
//! again by whoever reads: nothing is lost.

use std::borrow::Cow;

/// The cell to write for a text.
pub(crate) fn write(text: &str) -> Cow<'_, str> {
    if runs(text.trim_start_matches(GUARD)) { Cow::Owned(format!("{GUARD}{text}")) } else { Cow::Borrowed(text) }
}

/// The text that a cell was written for.
pub(crate) fn read(cell: &str) -> &str {
    cell.strip_prefix(GUARD).filter(|text| runs(text.trim_start_matches(GUARD))).unwrap_or(cell)
}

fn runs(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

const GUARD: char = '\'';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_that_is_written_runs_and_everything_is_read_back(text in "[=+@'\\-\t\r a-z]{0,6}|\\PC*") {
            let cell = write(&text);
            prop_assert!(!runs(&cell));
            prop_assert_eq!(read(&cell), text.as_str());
        }
    }
}
