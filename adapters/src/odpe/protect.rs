//! Which cells of a table are not shown. The sums are: whoever calls has put lines and columns together until none of them
//! is small (see [`super::group`]).
//!
//! 1. Hidden first: every count of 1 to k − 1, every count that differs by 1 to k − 1 from one that was published before, and
//!    every cell that was hidden before.
//! 2. Then, until each hidden cell could have k values for a reader who knows the sums and the rules, the cheapest further cells
//!    that close a rectangle with it. Zeros are shown, so the reader knows that what is hidden is at least one. Where that leaves
//!    too little, as in a line of 1 and 4, zeros are hidden too, and what is hidden may be zero.
//! 3. Where nothing is less than in an earlier table, the same reader may suppose that facts were only added (or only taken away,
//!    where nothing is more): a small difference must be able to have k values and one. Since this and rule 2 bound each other,
//!    a table with earlier ones is held to 2 k values: bounds of both together are not those of a network, and are tested, not
//!    computed.
//! 4. Where this cannot be had, no cell is shown, zeros included, and the sums alone remain: each nonzero sum and each
//!    remainder of the total being k or more, every cell then has k values or more, or is a sum.

use super::grid::{Grid, Mask};

/// A table, and those of the same cells that were published before.
pub(super) struct Case<'a> {
    /// What is to be published.
    pub(super) now: &'a Grid,
    /// The same, as counted for earlier publications, with the cells that they hid.
    pub(super) before: &'a [(Grid, Mask)],
    /// The threshold.
    pub(super) k: i64,
}

/// Whether a zero may be among what is hidden.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zeros {
    Shown,
    Hidden,
}

impl Case<'_> {
    /// The cells to hide.
    pub(super) fn mask(&self) -> Mask {
        let nothing = || Mask::new(self.now.rows(), self.now.columns(), true);
        self.hiding(Zeros::Shown).or_else(|| self.hiding(Zeros::Hidden)).unwrap_or_else(nothing)
    }

    fn hiding(&self, zeros: Zeros) -> Option<Mask> {
        let mut mask = self.first();
        let since = self.before.iter().flat_map(|(then, _)| [self.now.minus(then), then.minus(self.now)]);
        let differences: Vec<_> = since.filter(Grid::is_nowhere_negative).collect();
        let mut waiting: Vec<_> = mask.places().collect();
        // Hiding more only gives more room: a cell that was found safe remains so.
        while let Some(cell) = waiting.pop() {
            if self.is_safe(cell, &mask, zeros) && differences.iter().all(|since| self.is_unknown(cell, since, &mask)) {
                continue;
            }
            let further = self.rectangle(cell, &mask, zeros)?;
            waiting.push(cell);
            waiting.extend(further.into_iter().filter(|(row, column)| mask.hide(*row, *column)));
        }
        // A reader may take what is hidden for one or more as long as no zero is.
        let kept = zeros == Zeros::Shown || mask.places().any(|(row, column)| self.now.at(row, column) == 0);
        kept.then_some(mask)
    }

    fn first(&self) -> Mask {
        let mut mask = Mask::new(self.now.rows(), self.now.columns(), false);
        for (row, column) in self.now.places() {
            let count = self.now.at(row, column);
            let hidden = self.before.iter().any(|(then, hid)| hid.hides(row, column) || self.is_small(count - then.at(row, column)));
            if self.is_small(count) || hidden {
                mask.hide(row, column);
            }
        }
        mask
    }

    fn is_small(&self, count: i64) -> bool {
        (1..self.k).contains(&count.abs())
    }

    /// How many values a hidden count must be able to have.
    fn values(&self) -> i64 {
        if self.before.is_empty() { self.k } else { 2 * self.k }
    }

    /// Whether a hidden count could have enough values, and what its line hides is not small together.
    fn is_safe(&self, cell: (usize, usize), mask: &Mask, zeros: Zeros) -> bool {
        let enough = self.values();
        let (down, up) = self.now.leeway(mask, cell, |count| count.min(zeros.floor()), enough);
        // From zero on, one value more: what a line hides is then k or more together, as it is from one on.
        down + up + zeros.floor() >= enough
    }

    /// Whether a small difference could have enough values.
    fn is_unknown(&self, cell: (usize, usize), since: &Grid, mask: &Mask) -> bool {
        if !self.is_small(since.at(cell.0, cell.1)) {
            return true;
        }
        let (down, up) = since.leeway(mask, cell, |_| 0, self.k);
        down + up >= self.k
    }

    /// The cells that close the cheapest rectangle with a cell, at least one of which is still shown: first among those that
    /// give enough room by themselves, then among all.
    fn rectangle(&self, cell: (usize, usize), mask: &Mask, zeros: Zeros) -> Option<[(usize, usize); 3]> {
        let at = |(row, column): (usize, usize)| self.now.at(row, column);
        let corners = self.now.places().filter(|(row, column)| *row != cell.0 && *column != cell.1);
        let rectangles = corners.map(|(row, column)| [(cell.0, column), (row, cell.1), (row, column)]);
        let useful = rectangles.filter(|three| {
            three.iter().all(|place| at(*place) >= zeros.floor()) && three.iter().any(|(row, column)| !mask.hides(*row, *column))
        });
        useful.min_by_key(|three| {
            let [beside, below, across] = three.map(at);
            let room = (beside.min(below) - zeros.floor()).max(0) + (at(cell).min(across) - zeros.floor()).max(0) + 1;
            let price: i64 = three.iter().filter(|(row, column)| !mask.hides(*row, *column)).map(|place| at(*place)).sum();
            (room < self.values(), price)
        })
    }
}

impl Zeros {
    /// The least that a reader may suppose of what is hidden.
    fn floor(self) -> i64 {
        match self {
            Self::Shown => 1,
            Self::Hidden => 0,
        }
    }
}
