use super::*;
use proptest::prelude::*;

fn rows(bytes: &[u8]) -> Vec<Row> {
    let mut sheet = Sheet::open(bytes).unwrap();
    std::iter::from_fn(|| sheet.next_row().unwrap()).collect()
}

fn refused(bytes: &[u8]) -> &'static str {
    let read = || {
        let mut sheet = Sheet::open(bytes)?;
        while sheet.next_row()?.is_some() {}
        Ok::<_, Refused>(())
    };
    read().unwrap_err().0[0].code
}

#[test]
fn counts_lines_as_an_editor_does() {
    for (end, expected) in [("\n", [2, 3, 6]), ("\r\n", [2, 3, 6])] {
        let text = ["a;b", "1;2", "\"x", "y\";3", "", "4;5", ""].join(end);
        let lines: Vec<u64> = rows(text.as_bytes()).iter().map(|row| row.line).collect();
        assert_eq!(lines, expected, "{end:?}");
    }
}

#[test]
fn reads_windows_1252_and_says_so() {
    let sheet = Sheet::open(b"Pr\xe9nom;\x80\n").unwrap();
    assert_eq!(sheet.header(), ["Prénom", "€"]);
    assert_eq!(sheet.reported[0].code, "windows-1252");
    let sheet = Sheet::open("\u{feff}Prénom;b\n".as_bytes()).unwrap();
    assert_eq!(sheet.header(), ["Prénom", "b"]);
    assert!(sheet.reported.is_empty());
}

#[test]
fn what_would_run_is_only_shown() {
    let cells: Vec<String> = ["=1+1", "+33", "-2", "@x", "\tx", "\rx", "'=x", "''", "'s-Gravenhage", "a;b\"c\r\nd"].map(Into::into).into();
    let bytes = write(&["a"; 10], std::slice::from_ref(&cells)).unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    for (_, start) in text.match_indices([';', '\n']).map(|(at, _)| text.split_at(at + 1)).skip(10) {
        assert!(!start.trim_start_matches('"').starts_with(FORMULA), "{start}");
    }
    assert!(rows(&bytes)[0].cells == cells);
}

#[test]
fn refuses_what_is_too_large_or_not_a_table() {
    assert_eq!(refused(&vec![b'a'; MAX_BYTES + 1]), "too-large");
    assert_eq!(refused(format!("a;b\n{};1\n", "x".repeat(MAX_CELL + 1)).as_bytes()), "too-large");
    assert_eq!(refused("a;".repeat(MAX_COLUMNS + 1).as_bytes()), "too-large");
    assert_eq!(refused(format!("a;b\n{}", "1;2\n".repeat(MAX_ROWS + 1)).as_bytes()), "too-large");
    assert_eq!(refused(b""), "empty");
    assert_eq!(refused(b"a,b\n1,2\n"), "separator");
    assert_eq!(refused(b"a;\"b\n1;2\n"), "quote");
}

#[test]
fn a_row_that_may_be_shifted_says_so() {
    assert_eq!(rows(b"a;b\n1;2;3\n")[0].fault.as_ref().unwrap().code, "cell-count");
    assert_eq!(rows(b"a;b\n1;\"2\n3;4\n")[0].fault.as_ref().unwrap().code, "quote");
    assert!(rows(b"a;b\n1;2;;\n")[0].fault.is_none());
}

#[test]
fn an_open_quote_does_not_swallow_the_rows_behind_it() {
    let read = |text: &str| {
        let mut sheet = Sheet::open(text.as_bytes()).unwrap();
        let rows: Vec<Row> = std::iter::from_fn(|| sheet.next_row().unwrap()).collect();
        let told = |row: &Row| (row.line, row.fault.as_ref().map(|fault| fault.place.clone()), row.cells.join("|"));
        (rows.iter().map(told).collect::<Vec<_>>(), sheet.reported.iter().map(|one| one.place.clone()).collect::<Vec<_>>())
    };
    let good = |line: u64, cells: &str| (line, None, cells.to_owned());
    let open = |line: u64, cells: &str| (line, Some(Place::Line(line)), cells.to_owned());
    // Up to the end of the file, up to the next quote, and with an escaped one on the way.
    let to_the_end = read("a;b;c\n1;\"seule le soir;x\n2;z;y\n3;z;y\n");
    assert_eq!(to_the_end.0, [open(2, "1|\"seule le soir|x"), good(3, "2|z|y"), good(4, "3|z|y")]);
    let to_the_next = read("a;b;c\r\n1;\"seule le soir;x\r\n2;\"z\";y\r\n3;\"\";y\r\n");
    assert_eq!(to_the_next.0, [open(2, "1|\"seule le soir|x"), good(3, "2|z|y"), good(4, "3||y")]);
    let several = read("a;b;c\n1;\"seule\nle soir;x\n2;\"z;y\n3;\"z\";y\n");
    assert_eq!(several.0[1..], [open(4, "2|\"z|y"), good(5, "3|z|y")]);
    // Quotes that fit by chance: nothing tells which it is, so it is said.
    let by_chance = read("a;b;c\n1;\"x;y\n2;z\";w\n3;z;y\n");
    assert_eq!((by_chance.0.len(), by_chance.1), (2, vec![Place::Line(2)]));
    // Several lines in one cell are no other rows.
    let text = read("a;b;c\n1;\"x\ny; z\n\";w\n");
    assert_eq!((text.0[0].1.clone(), text.1), (None, vec![]));
}

#[test]
fn quotes_that_swallow_each_other_cost_little() {
    let text = format!("a;b;c\n{}", "a\"a;\"b;c;d\n".repeat(90_000));
    let mut sheet = Sheet::open(text.as_bytes()).unwrap();
    let mut count = 0;
    while let Ok(Some(row)) = sheet.next_row() {
        count += row.cells.len();
    }
    assert!(count > 0);
}

proptest! {
    #[test]
    fn what_is_written_reads_back(table in proptest::collection::vec(proptest::collection::vec("[=+'@\"; a-zé\\r\\n\\t-]{0,8}", 3), 1..6)) {
        let table: Vec<Vec<String>> = table.into_iter().filter(|row| row.iter().any(|cell| !cell.trim().is_empty())).collect();
        let back = rows(&write(&["a", "b", "c"], &table).unwrap());
        prop_assert!(back.iter().all(|row| row.fault.is_none()));
        prop_assert_eq!(back.into_iter().map(|row| row.cells).collect::<Vec<_>>(), table);
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(mut sheet) = Sheet::open(&bytes) {
            while let Ok(Some(_)) = sheet.next_row() {}
        }
    }
}
