//! A table of counts, its sums, and what a reader can conclude of the cells that are not shown.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Counts by line and column. Holds small counts: an empty `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grid {
    columns: usize,
    counts: Vec<i64>,
}

/// Which cells of a table are not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mask {
    columns: usize,
    hidden: Vec<bool>,
}

impl Grid {
    /// Nothing counted.
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self { columns, counts: vec![0; rows * columns] }
    }

    /// Whether it has so many lines and columns.
    pub(super) fn is_of(&self, rows: usize, columns: usize) -> bool {
        self.columns == columns && rows.checked_mul(columns) == Some(self.counts.len())
    }

    pub(super) fn rows(&self) -> usize {
        self.counts.len().checked_div(self.columns).unwrap_or_default()
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn at(&self, row: usize, column: usize) -> i64 {
        self.counts.get(row * self.columns + column).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, row: usize, column: usize, count: i64) {
        if let Some(cell) = self.counts.get_mut(row * self.columns + column) {
            *cell = cell.saturating_add(count);
        }
    }

    /// Every place.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let columns = self.columns;
        (0..self.rows()).flat_map(move |row| (0..columns).map(move |column| (row, column)))
    }

    pub(super) fn row_sum(&self, row: usize) -> i64 {
        (0..self.columns).map(|column| self.at(row, column)).sum()
    }

    pub(super) fn column_sum(&self, column: usize) -> i64 {
        (0..self.rows()).map(|row| self.at(row, column)).sum()
    }

    pub(super) fn total(&self) -> i64 {
        self.counts.iter().sum()
    }

    /// The same facts, with lines and columns put together.
    pub(super) fn grouped(&self, rows: &[Vec<usize>], columns: &[Vec<usize>]) -> Self {
        let mut grouped = Self::new(rows.len(), columns.len());
        for (row, members) in rows.iter().enumerate() {
            for (column, others) in columns.iter().enumerate() {
                let counts = members.iter().flat_map(|member| others.iter().map(move |other| self.at(*member, *other)));
                grouped.add(row, column, counts.sum());
            }
        }
        grouped
    }

    /// What has come since.
    pub(super) fn minus(&self, earlier: &Self) -> Self {
        let counts = self.counts.iter().zip(&earlier.counts).map(|(now, then)| now - then).collect();
        Self { columns: self.columns, counts }
    }

    pub(super) fn is_nowhere_negative(&self) -> bool {
        self.counts.iter().all(|count| *count >= 0)
    }

    /// By how much a hidden cell could be lower and higher, for a reader who knows every sum, every cell that is shown, and
    /// that no hidden cell is below `floor`: exact, but no more than `enough` each way.
    ///
    /// A change of one cell is made good by changes along its line and column, alternately up and down: the greatest change is
    /// the greatest flow from its line to its column through the hidden cells. Lines and columns make a network, so whole
    /// numbers suffice.
    pub(super) fn leeway(&self, mask: &Mask, cell: (usize, usize), floor: impl Fn(i64) -> i64, enough: i64) -> (i64, i64) {
        let room = |row, column| (self.at(row, column) - floor(self.at(row, column))).max(0);
        let others = || mask.places().filter(|place| *place != cell);
        let down = room(cell.0, cell.1).min(enough);
        let mut rising = Network::new(self.rows(), self.columns);
        others().for_each(|(row, column)| rising.link(row, column, enough, room(row, column)));
        let mut falling = Network::new(self.rows(), self.columns);
        others().for_each(|(row, column)| falling.link(row, column, room(row, column), enough));
        (rising.flow(cell.0, cell.1, down), falling.flow(cell.0, cell.1, enough))
    }
}

impl Mask {
    /// Everything shown, or nothing.
    pub(super) fn new(rows: usize, columns: usize, hidden: bool) -> Self {
        Self { columns, hidden: vec![hidden; rows * columns] }
    }

    /// Whether it has so many lines and columns.
    pub(super) fn is_of(&self, rows: usize, columns: usize) -> bool {
        self.columns == columns && rows.checked_mul(columns) == Some(self.hidden.len())
    }

    pub(super) fn hides(&self, row: usize, column: usize) -> bool {
        self.hidden.get(row * self.columns + column).copied().unwrap_or_default()
    }

    /// Hides a cell; false when it was hidden.
    pub(super) fn hide(&mut self, row: usize, column: usize) -> bool {
        self.hidden.get_mut(row * self.columns + column).is_some_and(|hidden| !std::mem::replace(hidden, true))
    }

    /// The places that are hidden.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let hidden = self.hidden.iter().enumerate().filter(|(_, hidden)| **hidden);
        hidden.map(|(at, _)| (at.checked_div(self.columns).unwrap_or_default(), at.checked_rem(self.columns).unwrap_or_default()))
    }
}

/// Lines and columns, and how much can go from one to the other.
struct Network {
    rows: usize,
    nodes: usize,
    room: Vec<i64>,
}

impl Network {
    fn new(rows: usize, columns: usize) -> Self {
        let nodes = rows + columns;
        Self { rows, nodes, room: vec![0; nodes * nodes] }
    }

    /// A cell: what can go from its line to its column, and back.
    fn link(&mut self, row: usize, column: usize, forth: i64, back: i64) {
        self.widen(row, self.rows + column, forth);
        self.widen(self.rows + column, row, back);
    }

    fn widen(&mut self, from: usize, to: usize, by: i64) {
        if let Some(room) = self.room.get_mut(from * self.nodes + to) {
            *room += by;
        }
    }

    fn room(&self, from: usize, to: usize) -> i64 {
        self.room.get(from * self.nodes + to).copied().unwrap_or_default()
    }

    /// The greatest flow from a line to a column, `most` at most: shortest paths first (Edmonds and Karp).
    fn flow(&mut self, row: usize, column: usize, most: i64) -> i64 {
        let (from, to) = (row, self.rows + column);
        let mut flow = 0;
        while flow < most {
            let Some(path) = self.path(from, to) else { break };
            let steps = || path.iter().zip(path.iter().skip(1));
            let more = steps().map(|(a, b)| self.room(*a, *b)).min().unwrap_or_default().min(most - flow);
            for (a, b) in steps() {
                self.widen(*a, *b, -more);
                self.widen(*b, *a, more);
            }
            flow += more;
        }
        flow
    }

    fn path(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut before: Vec<Option<usize>> = vec![None; self.nodes];
        let mut waiting = VecDeque::from([from]);
        while let Some(node) = waiting.pop_front() {
            for next in 0..self.nodes {
                let new = next != from && before.get(next).is_some_and(Option::is_none);
                if new && self.room(node, next) > 0 {
                    *before.get_mut(next)? = Some(node);
                    waiting.push_back(next);
                }
            }
        }
        let mut path = vec![to];
        let mut node = to;
        while node != from {
            node = before.get(node).copied().flatten()?;
            path.push(node);
        }
        path.reverse();
        Some(path)
    }
}
