use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::odpe::{
    grid::{Grid, Mask},
    group::{Sums, joined},
    protect::Case,
};

const K: i64 = 5;

/// Tables that a search looks at before it gives up.
const ENOUGH: usize = 400_000;

fn grid(rows: usize, columns: usize, counts: &[i64]) -> Grid {
    let mut grid = Grid::new(rows, columns);
    let places: Vec<_> = grid.places().collect();
    places.into_iter().zip(counts).for_each(|((row, column), count)| grid.add(row, column, *count));
    grid
}

/// Every table that fits the cells that are shown and all sums, no hidden cell below `floor`; `None` when there are too many.
fn fits(grid: &Grid, mask: &Mask, floor: i64, most: usize) -> Option<Vec<Vec<i64>>> {
    let hidden: Vec<_> = mask.places().collect();
    let mut rows: Vec<_> = (0..grid.rows()).map(|row| grid.row_sum(row)).collect();
    let mut columns: Vec<_> = (0..grid.columns()).map(|column| grid.column_sum(column)).collect();
    for (row, column) in grid.places().filter(|(row, column)| !mask.hides(*row, *column)) {
        rows[row] -= grid.at(row, column);
        columns[column] -= grid.at(row, column);
    }
    let (mut found, mut looked) = (Vec::new(), 0);
    search(&hidden, floor, &mut rows, &mut columns, &mut Vec::new(), &mut found, &mut looked);
    (looked < ENOUGH && found.len() <= most).then_some(found)
}

fn search(
    hidden: &[(usize, usize)],
    floor: i64,
    rows: &mut [i64],
    columns: &mut [i64],
    so_far: &mut Vec<i64>,
    found: &mut Vec<Vec<i64>>,
    looked: &mut usize,
) {
    *looked += 1;
    if *looked >= ENOUGH {
        return;
    }
    let Some((row, column)) = hidden.get(so_far.len()).copied() else {
        if rows.iter().chain(columns.iter()).all(|rest| *rest == 0) {
            found.push(so_far.clone());
        }
        return;
    };
    let rest = &hidden[so_far.len() + 1..];
    let most = rows[row].min(columns[column]);
    // The last cell of a line or a column takes what remains.
    let last_of_row = rest.iter().all(|(other, _)| *other != row);
    let last_of_column = rest.iter().all(|(_, other)| *other != column);
    let least = if last_of_row { rows[row] } else { floor }.max(if last_of_column { columns[column] } else { floor });
    for value in least.max(floor)..=most {
        rows[row] -= value;
        columns[column] -= value;
        so_far.push(value);
        search(hidden, floor, rows, columns, so_far, found, looked);
        so_far.pop();
        rows[row] += value;
        columns[column] += value;
    }
}

/// What a reader may suppose of what is hidden at least: one, unless a zero is hidden or nothing is shown.
fn floor(grid: &Grid, mask: &Mask) -> i64 {
    let all = mask.places().count() == grid.rows() * grid.columns();
    i64::from(!all && mask.places().all(|(row, column)| grid.at(row, column) > 0))
}

/// How many values the hidden cell at a position of the search takes.
fn values(found: &[Vec<i64>], at: usize) -> usize {
    found.iter().map(|table| table[at]).collect::<BTreeSet<_>>().len()
}

/// A grid with its lines and columns put together until no sum is small.
fn without_small_sums(fine: &Grid, before: &[&Grid], together: [&[Vec<usize>]; 2]) -> [Vec<Vec<usize>>; 2] {
    let rows = Sums { now: Sums::of_rows(fine), before: before.iter().map(|grid| Sums::of_rows(grid)).collect() };
    let columns = Sums { now: Sums::of_columns(fine), before: before.iter().map(|grid| Sums::of_columns(grid)).collect() };
    [
        rows.group(joined(fine.rows(), &[together[0]], false), false, K),
        columns.group(joined(fine.columns(), &[together[1]], false), false, K),
    ]
}

fn counts() -> impl Strategy<Value = (usize, usize, Vec<i64>)> {
    let count = prop_oneof![3 => Just(0_i64), 4 => 1..5_i64, 3 => 5..14_i64];
    (2..5_usize, 2..5_usize)
        .prop_flat_map(move |(rows, columns)| (Just(rows), Just(columns), prop::collection::vec(count.clone(), rows * columns)))
}

#[test]
fn a_lone_small_cell_hides_three_others() {
    let table = grid(3, 3, &[2, 9, 20, 12, 8, 30, 40, 50, 60]);
    let mask = Case { now: &table, before: &[], k: K }.mask();
    assert_eq!(mask.places().collect::<Vec<_>>(), [(0, 0), (0, 1), (1, 0), (1, 1)]);
}

#[test]
fn a_table_without_small_cells_is_shown_whole() {
    let table = grid(2, 2, &[0, 5, 7, 100]);
    assert_eq!(Case { now: &table, before: &[], k: K }.mask().places().count(), 0);
}

#[test]
fn leeway_is_the_greatest_flow() {
    // Two hidden pairs that share nothing: each can move by itself only.
    let table = grid(2, 3, &[2, 6, 9, 7, 3, 4]);
    let mut mask = Mask::new(2, 3, false);
    [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().for_each(|(row, column)| assert!(mask.hide(row, column)));
    assert_eq!(table.leeway(&mask, (0, 0), |_| 1, 100), (1, 5));
    assert_eq!(table.leeway(&mask, (0, 0), |_| 0, 100), (2, 6));
    assert_eq!(table.leeway(&mask, (0, 1), |_| 1, 100), (5, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    /// The proof by trying: whatever is hidden could have k values.
    #[test]
    fn every_hidden_count_could_have_k_values((rows, columns, counts) in counts()) {
        let fine = grid(rows, columns, &counts);
        if (1..K).contains(&fine.total()) {
            return Ok(());
        }
        let [row_groups, column_groups] = without_small_sums(&fine, &[], [&[], &[]]);
        let table = fine.grouped(&row_groups, &column_groups);
        for sum in Sums::of_rows(&table).into_iter().chain(Sums::of_columns(&table)) {
            prop_assert!(sum == 0 || sum >= K);
        }
        let mask = Case { now: &table, before: &[], k: K }.mask();
        for (row, column) in table.places().filter(|(row, column)| !mask.hides(*row, *column)) {
            prop_assert!(!(1..K).contains(&table.at(row, column)), "a small count is shown");
        }
        let all_hidden = mask.places().count() == table.rows() * table.columns();
        let sums_only = table.rows() == 1 || table.columns() == 1;
        let Some(found) = fits(&table, &mask, floor(&table, &mask), ENOUGH) else { return Ok(()) };
        prop_assert!(mask.places().count() == 0 || !found.is_empty());
        for (at, (row, column)) in mask.places().enumerate() {
            let is_a_sum = sums_only || [0, table.row_sum(row), table.column_sum(column)].contains(&table.at(row, column)) && all_hidden;
            prop_assert!(is_a_sum || values(&found, at) >= usize::try_from(K).unwrap(), "cell {row},{column}");
        }
    }

    /// Two exports, the second with facts added, and a reader who has both and knows that facts are only added.
    #[test]
    fn two_exports_tell_no_small_count_and_no_small_difference(
        (rows, columns, counts) in counts(),
        added in prop::collection::vec(prop_oneof![6 => Just(0_i64), 3 => 1..5_i64, 2 => 5..9_i64], 16),
    ) {
        let first = grid(rows, columns, &counts);
        let second = grid(rows, columns, &counts.iter().zip(&added).map(|(count, more)| count + more).collect::<Vec<_>>());
        if first.total() < K || (1..K).contains(&(second.total() - first.total())) {
            return Ok(());
        }
        let then_groups = without_small_sums(&first, &[], [&[], &[]]);
        let then = first.grouped(&then_groups[0], &then_groups[1]);
        let then_mask = Case { now: &then, before: &[], k: K }.mask();
        let now_groups = without_small_sums(&second, &[&first], [&then_groups[0], &then_groups[1]]);
        let now = second.grouped(&now_groups[0], &now_groups[1]);
        let then_grouped = first.grouped(&now_groups[0], &now_groups[1]);
        let since = now.minus(&then_grouped);
        for sum in Sums::of_rows(&since).into_iter().chain(Sums::of_columns(&since)) {
            prop_assert!(sum == 0 || sum.abs() >= K, "a difference of sums is small");
        }
        let within = |groups: &[Vec<usize>], parts: &[Vec<usize>]| -> Vec<usize> {
            parts.iter().map(|part| groups.iter().position(|group| group.contains(&part[0])).unwrap()).collect()
        };
        let to = [within(&now_groups[0], &then_groups[0]), within(&now_groups[1], &then_groups[1])];
        let mut hid = Mask::new(now.rows(), now.columns(), false);
        for (row, column) in then_mask.places() {
            hid.hide(to[0][row], to[1][column]);
        }
        let before = [(then_grouped, hid.clone())];
        let mask = Case { now: &now, before: &before, k: K }.mask();
        for (row, column) in now.places().filter(|(row, column)| !mask.hides(*row, *column)) {
            prop_assert!(!(1..K).contains(&since.at(row, column)) && !hid.hides(row, column));
        }
        reader_of_both([&then, &now], [&then_mask, &mask], &to)?;
    }
}

/// Tries every pair of tables that fits both exports, the second nowhere below the first; `to` says in which line and column of
/// the second those of the first are put together.
fn reader_of_both([then, now]: [&Grid; 2], [then_mask, mask]: [&Mask; 2], to: &[Vec<usize>; 2]) -> Result<(), TestCaseError> {
    let (first, second) = (floor(then, then_mask), floor(then, then_mask) * floor(now, mask));
    let (Some(thens), Some(nows)) = (fits(then, then_mask, first, 600), fits(now, mask, second, 600)) else { return Ok(()) };
    let whole = |grid: &Grid, mask: &Mask, hidden: &[i64]| {
        let mut of: Vec<_> = grid.places().map(|(row, column)| grid.at(row, column)).collect();
        mask.places().zip(hidden).for_each(|((row, column), value)| of[row * grid.columns() + column] = *value);
        of
    };
    let together = |fine: &[i64]| {
        let mut sums = vec![0; now.rows() * now.columns()];
        then.places().zip(fine).for_each(|((row, column), count)| sums[to[0][row] * now.columns() + to[1][column]] += count);
        sums
    };
    let nows: Vec<_> = nows.iter().map(|hidden| whole(now, mask, hidden)).collect();
    let mut sets = vec![BTreeSet::new(); then.places().count() + 2 * now.places().count()];
    for first in thens.iter().map(|hidden| whole(then, then_mask, hidden)) {
        let sums = together(&first);
        for second in nows.iter().filter(|second| sums.iter().zip(*second).all(|(was, is)| was <= is)) {
            let values = first.iter().chain(second).copied().chain(second.iter().zip(&sums).map(|(is, was)| is - was));
            for (set, value) in sets.iter_mut().zip(values) {
                set.insert(value);
            }
        }
    }
    let true_first: Vec<_> = then.places().map(|(row, column)| then.at(row, column)).collect();
    let true_second: Vec<_> = now.places().map(|(row, column)| now.at(row, column)).collect();
    let differences = true_second.iter().zip(together(&true_first)).map(|(is, was)| is - was);
    for (count, set) in true_first.iter().chain(&true_second).copied().chain(differences).zip(sets) {
        prop_assert!(!(1..K).contains(&count) || set.len() >= usize::try_from(K).unwrap(), "{count} has {} values", set.len());
    }
    Ok(())
}
