//! Which categories of an axis are put together, so that every sum that is published is zero or at least k, and differs from
//! every earlier one by zero or at least k.

use super::grid::Grid;

/// The counts of one axis.
pub(super) struct Sums {
    /// By category.
    pub(super) now: Vec<i64>,
    /// The same at earlier publications.
    pub(super) before: Vec<Vec<i64>>,
}

impl Sums {
    pub(super) fn of_rows(grid: &Grid) -> Vec<i64> {
        (0..grid.rows()).map(|row| grid.row_sum(row)).collect()
    }

    pub(super) fn of_columns(grid: &Grid) -> Vec<i64> {
        (0..grid.columns()).map(|column| grid.column_sum(column)).collect()
    }

    /// Puts groups together until none is small. `groups` are those that were together before: they stay so, else two
    /// publications would tell them apart. Where a single group is left it is the total, which the caller has looked at.
    pub(super) fn group(&self, mut groups: Vec<Vec<usize>>, ordered: bool, k: i64) -> Vec<Vec<usize>> {
        while groups.len() > 1 {
            let Some(small) = groups.iter().position(|group| self.is_small(group, k)) else { break };
            let size =
                |at: &usize| groups.get(*at).map(|group| (!self.is_small(group, k), sum(&self.now, group).abs(), *at)).unwrap_or_default();
            let neighbours = (0..groups.len()).filter(|at| *at != small && (!ordered || at.abs_diff(small) == 1));
            let Some(other) = neighbours.min_by_key(size) else { break };
            let gone = groups.remove(small.max(other));
            if let Some(kept) = groups.get_mut(small.min(other)) {
                kept.extend(gone);
                kept.sort_unstable();
            }
        }
        groups
    }

    fn is_small(&self, group: &[usize], k: i64) -> bool {
        let now = sum(&self.now, group);
        (1..k).contains(&now) || self.before.iter().any(|before| (1..k).contains(&(now - sum(before, group)).abs()))
    }
}

/// The finest groups in which whatever is together in one of several groupings is together; of an ordered axis the whole
/// stretch between two members.
pub(super) fn joined(categories: usize, groupings: &[&[Vec<usize>]], ordered: bool) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = (0..categories).map(|category| vec![category]).collect();
    for together in groupings.iter().copied().flatten() {
        let (first, last) = (together.iter().min().copied().unwrap_or_default(), together.iter().max().copied().unwrap_or_default());
        let touched = |group: &Vec<usize>| {
            let within = |category: &usize| if ordered { (first..=last).contains(category) } else { together.contains(category) };
            group.iter().any(within)
        };
        let (mut merged, mut rest): (Vec<_>, Vec<_>) = groups.into_iter().partition(touched);
        let mut merged: Vec<usize> = merged.drain(..).flatten().collect();
        merged.sort_unstable();
        if !merged.is_empty() {
            rest.push(merged);
        }
        rest.sort();
        groups = rest;
    }
    groups
}

fn sum(counts: &[i64], group: &[usize]) -> i64 {
    group.iter().filter_map(|category| counts.get(*category)).sum()
}
