//! What a département keeps of an export, to be given to the next one: every count, and what was shown of it. It holds small
//! counts and is not for publication: an empty `Debug`.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    grid::{Grid, Mask},
    indicators::Category,
};

/// Bytes that a kept export may have.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// One export, as it was counted and shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub(super) year: u16,
    pub(super) as_of: String,
    pub(super) populations: BTreeMap<String, KeptPopulation>,
}

/// One population that was shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptPopulation {
    /// The day of its figures: an earlier one where they were held.
    pub(super) as_of: String,
    pub(super) axes: BTreeMap<String, KeptAxis>,
    pub(super) tables: BTreeMap<String, KeptTable>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptAxis {
    pub(super) codes: Vec<String>,
    pub(super) titles: Vec<String>,
    /// Which categories were shown as one.
    pub(super) groups: Vec<Vec<usize>>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptTable {
    pub(super) rows: String,
    pub(super) columns: String,
    /// By category.
    pub(super) counts: Grid,
    /// By group.
    pub(super) mask: Mask,
}

/// The bytes are not those of a kept export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kept export")]
pub struct NotKept;

impl Kept {
    /// The bytes to keep, sealed like the facts themselves.
    ///
    /// # Errors
    /// Never for what [`super::publish`] gave.
    pub fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads what [`Kept::write`] gave.
    ///
    /// # Errors
    /// [`NotKept`] for any other bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, NotKept> {
        if bytes.len() > MAX_BYTES {
            return Err(NotKept);
        }
        let kept: Self = serde_json::from_slice(bytes).map_err(|_| NotKept)?;
        if kept.populations.values().all(KeptPopulation::is_whole) { Ok(kept) } else { Err(NotKept) }
    }

    /// The territories that it was made of.
    pub(super) fn territories(&self) -> impl Iterator<Item = Category> {
        let axes = self.populations.values().filter_map(|population| population.axes.get("territoire"));
        axes.flat_map(|axis| axis.codes.iter().zip(&axis.titles)).map(|(code, title)| Category {
            code: code.clone(),
            title: title.clone(),
            holds: Vec::new(),
            up_to: None,
        })
    }
}

impl KeptPopulation {
    fn is_whole(&self) -> bool {
        self.axes.values().all(KeptAxis::is_whole)
            && self.tables.values().all(|table| {
                let (Some(rows), Some(columns)) = (self.axes.get(&table.rows), self.axes.get(&table.columns)) else { return false };
                table.counts.is_of(rows.codes.len(), columns.codes.len()) && table.mask.is_of(rows.groups.len(), columns.groups.len())
            })
    }
}

impl KeptAxis {
    /// Every category stands in exactly one group.
    fn is_whole(&self) -> bool {
        let mut all: Vec<_> = self.groups.iter().flatten().copied().collect();
        all.sort_unstable();
        self.codes.len() == self.titles.len() && all.into_iter().eq(0..self.codes.len())
    }

    /// The group of a category.
    pub(super) fn group_of(&self, code: &str) -> Option<usize> {
        let category = self.codes.iter().position(|known| known == code)?;
        self.groups.iter().position(|group| group.contains(&category))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(..)")
    }
}
