use proptest::prelude::*;
use time::{Date, macros::date};

use crate::odpe::*;

/// Month, origin, first analysis, territory and count of facts of one kind.
type Entry = (u32, usize, usize, usize, u32);

const K: i64 = 5;
const ORIGINS: [&str; 6] = ["education-nationale", "juge", "hopital", "famille", "snated-119", "elu"];
const ANALYSES: [&str; 4] = ["evaluation", "classement-sans-suite", "rattachement", "saisine-parquet"];
const TERRITORIES: [&str; 4] = ["mds-a", "mds-b", "mds-c", "mds-d"];
const JANUARY: Date = date!(2026 - 01 - 31);
const JUNE: Date = date!(2026 - 06 - 30);
const JULY: Date = date!(2026 - 07 - 31);

fn export(entries: &[Entry], as_of: Date, territories: usize, earlier: &[Kept]) -> Publication {
    let names: Vec<_> = TERRITORIES.iter().take(territories).map(|code| ((*code).to_owned(), format!("MDS {code}"))).collect();
    let says = |(month, origin, analysis, territory, _): &Entry| {
        [
            ("mois", Said::Number(*month)),
            ("origine", Said::Code(ORIGINS[*origin])),
            ("qualification", Said::Code(ANALYSES[*analysis])),
            ("territoire", Said::Code(TERRITORIES[*territory])),
        ]
    };
    let of_these: Vec<_> = entries.iter().filter(|entry| entry.3 < territories).map(|entry| (says(entry), entry.4)).collect();
    let facts = of_these.iter().map(|(says, count)| Fact { population: "entrees", says, count: *count });
    publish(&Order { year: 2025, as_of, k: DEFAULT_THRESHOLD, territories: &names, earlier }, facts)
}

fn entries(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec((1..13_u32, 0..6_usize, 0..4_usize, 0..4_usize, prop_oneof![3 => 1..4_u32, 1 => 5..30_u32]), 0..most)
}

fn small(count: i64) -> bool {
    (1..K).contains(&count.abs())
}

/// Which of some lines or columns of an earlier table are together in one of a later table.
fn parts(earlier: &[String], later: &str) -> Vec<usize> {
    let members: Vec<_> = later.split(" + ").collect();
    (0..earlier.len()).filter(|at| earlier[*at].split(" + ").all(|category| members.contains(&category))).collect()
}

/// Every number that is in both tables, be it as a sum of what the earlier one shows, is the same or differs by k.
fn no_small_difference(earlier: &TableShown, later: &TableShown) -> Result<(), TestCaseError> {
    let same = |was: i64, is: i64| !small(is - was);
    prop_assert!(same(earlier.total, later.total), "total");
    for (row, title) in later.rows.iter().enumerate() {
        let rows = parts(&earlier.rows, title);
        prop_assert!(same(rows.iter().map(|row| earlier.row_sums[*row]).sum(), later.row_sums[row]), "line");
        for (column, title) in later.columns.iter().enumerate() {
            let columns = parts(&earlier.columns, title);
            prop_assert!(same(columns.iter().map(|column| earlier.column_sums[*column]).sum(), later.column_sums[column]), "column");
            let was: Option<i64> = rows.iter().flat_map(|row| columns.iter().map(|column| earlier.cells[*row][*column])).sum();
            if let (Some(was), Some(is)) = (was, later.cells[row][column]) {
                prop_assert!(same(was, is), "cell");
            }
        }
    }
    let both = |titles: &[String]| {
        titles.iter().flat_map(|title| title.split(" + ").map(str::to_owned)).collect::<std::collections::BTreeSet<_>>()
    };
    prop_assert!(both(&earlier.rows).is_subset(&both(&later.rows)) && both(&earlier.columns).is_subset(&both(&later.columns)));
    Ok(())
}

fn nothing_small(shown: &Shown) -> Result<(), TestCaseError> {
    for table in &shown.tables {
        let sums = table.row_sums.iter().chain(&table.column_sums).chain([&table.total]);
        prop_assert!(table.cells.iter().flatten().flatten().chain(sums).all(|count| !small(*count)), "{}", table.code);
        prop_assert_eq!(table.row_sums.iter().sum::<i64>(), table.total);
        prop_assert_eq!(table.column_sums.iter().sum::<i64>(), table.total);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_export_shows_a_small_count_and_no_two_a_small_difference(
        base in entries(60),
        more in prop::collection::vec(entries(20), 1..4),
        gone in 0..5_usize,
        territories in prop::collection::vec(2..5_usize, 4),
    ) {
        let mut facts = base;
        let (mut kept, mut shown): (Vec<Kept>, Vec<Shown>) = (Vec::new(), Vec::new());
        for (more, territories) in [Vec::new()].iter().chain(&more).zip(&territories) {
            facts.drain(..gone.min(facts.len()));
            facts.extend(more);
            let now = export(&facts, JUNE, *territories, &kept);
            nothing_small(&now.shown)?;
            for (earlier, table) in shown.iter().flat_map(|shown| &shown.tables).flat_map(|earlier| now.shown.tables.iter().map(move |table| (earlier, table))) {
                if earlier.code == table.code {
                    no_small_difference(earlier, table)?;
                }
            }
            let bytes = now.kept.write().unwrap();
            kept.push(Kept::read(&bytes).unwrap());
            prop_assert_eq!(kept.last().unwrap().write().unwrap(), bytes);
            shown.push(now.shown);
        }
    }

    #[test]
    fn no_bytes_are_a_kept_export_by_accident(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..400_usize, to in any::<u8>()) {
        prop_assert!(Kept::read(&bytes).is_err());
        let mut bytes = export(&[(1, 0, 0, 0, 12)], JUNE, 2, &[]).kept.write().unwrap();
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(kept) = Kept::read(&bytes) {
            nothing_small(&export(&[(1, 0, 0, 0, 30)], JULY, 2, &[kept]).shown)?;
        }
    }
}

/// A plausible year of a middle département.
fn a_year() -> Vec<Entry> {
    let months = |month: u32| if (7..9).contains(&month) { 2 } else { 4 };
    let mut all = Vec::new();
    for month in 1..13 {
        for (origin, weight) in [9, 4, 3, 3, 2, 0].into_iter().enumerate() {
            for analysis in 0..4 {
                for territory in 0..3 {
                    let count = (months(month) * weight * [4, 4, 1, 1][analysis] * [3, 2, 1][territory]) / 24;
                    all.push((month, origin, analysis, territory, count));
                }
            }
        }
    }
    all
}

#[test]
fn a_late_fact_changes_nothing_until_there_are_enough() {
    let first = export(&a_year(), JANUARY, 3, &[]);
    let mut facts = a_year();
    facts.push((12, 0, 0, 2, 2));
    let second = export(&facts, JUNE, 3, std::slice::from_ref(&first.kept));
    assert_eq!(second.shown.tables, first.shown.tables, "held: two facts are fewer than five");
    assert_eq!(second.shown.tables[0].as_of, "2026-01-31");
    assert_eq!(second.shown.statement.earlier, ["2026-01-31"]);
    facts.push((12, 0, 0, 2, 40));
    let third = export(&facts, JULY, 3, &[first.kept, second.kept]);
    assert_eq!(third.shown.tables[0].total, first.shown.tables[0].total + 42);
    assert_eq!(third.shown.tables[0].as_of, "2026-07-31");
}

#[test]
fn one_territory_more_is_shown_without_its_small_counts() {
    let mut facts = a_year();
    facts.extend([(3, 0, 0, 3, 30), (4, 1, 1, 3, 22), (5, 3, 2, 3, 1)]);
    let first = export(&facts, JANUARY, 3, &[]);
    let second = export(&facts, JUNE, 4, std::slice::from_ref(&first.kept));
    let total = |publication: &Publication| publication.shown.tables[0].total;
    assert_eq!(total(&second), total(&first) + 53);
    for (earlier, later) in first.shown.tables.iter().zip(&second.shown.tables) {
        no_small_difference(earlier, later).unwrap();
    }
    assert_eq!(second.shown.statement.territories.len(), 4);
    let one_less = export(&facts, JUNE, 3, &[second.kept]);
    assert_eq!(one_less.shown.tables[0].total, total(&first), "a territory of 53 facts may go again");
}

#[test]
fn too_few_facts_are_not_shown_and_other_years_are_not_compared() {
    let few = export(&[(1, 0, 0, 0, 4)], JANUARY, 2, &[]);
    assert_eq!(few.shown.statement.withheld, ["Informations entrées dans l’année"]);
    assert!(few.shown.tables.iter().all(|table| table.total == 0));
    let mut other_year = export(&a_year(), JANUARY, 3, &[]).kept.write().unwrap();
    let text = String::from_utf8(other_year.clone()).unwrap().replacen("\"year\":2025", "\"year\":2024", 1);
    other_year = text.into_bytes();
    let now = export(&a_year(), JUNE, 3, &[Kept::read(&other_year).unwrap()]);
    assert_eq!((now.shown.statement.earlier.len(), now.shown.tables[0].as_of.as_str()), (0, "2026-06-30"));
    assert_eq!(Threshold::new(2), Err(TooLow));
    assert_eq!(Threshold::new(5), Ok(DEFAULT_THRESHOLD));
}

#[test]
fn what_no_category_holds_is_counted_as_not_stated_and_told() {
    let says = [("origine", Said::Code("Lina Martin")), ("mois", Said::Number(13))];
    let facts = [Fact { population: "entrees", says: &says, count: 7 }];
    let publication = publish(&Order { year: 2025, as_of: JUNE, k: DEFAULT_THRESHOLD, territories: &[], earlier: &[] }, facts);
    let places: Vec<_> = publication.findings.iter().map(|finding| finding.place.to_string()).collect();
    assert_eq!(places, ["entrees.mois", "entrees.origine"]);
    assert!(!format!("{:?}", publication.findings).contains("Lina"));
    assert_eq!(publication.shown.tables[0].total, 7);
}

#[test]
fn the_three_forms_are_those_of_the_vectors() {
    let counts = [[30, 25, 3, 8], [12, 18, 6, 2], [9, 11, 0, 0]];
    let of_a_territory = |territory: usize| (0..4).map(move |analysis| (3, 0, analysis, territory, counts[territory][analysis]));
    let facts: Vec<_> = (0..3).flat_map(of_a_territory).collect();
    let mut shown = export(&facts, JUNE, 3, &[]).shown;
    shown.tables.retain(|table| table.code == "qualification-par-territoire");
    for (name, bytes, vector) in [
        ("csv", csv(&shown).unwrap(), &include_bytes!("../../../vectors/odpe/indicateurs.csv")[..]),
        ("json", json(&shown).unwrap(), &include_bytes!("../../../vectors/odpe/indicateurs.json")[..]),
        ("xml", xml(&shown).into_bytes(), &include_bytes!("../../../vectors/odpe/indicateurs.xml")[..]),
    ] {
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(vector), "{name}");
    }
}
