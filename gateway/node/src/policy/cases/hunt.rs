//! Cases as a hunter uses them: read once, played against many sets of rules, stopped at the first that fails.

use std::path::Path;

use super::{
    Placed, play,
    written::{self, Ask},
};
use crate::{
    catalogue::Catalogue,
    policy::{DecisionRecord, Policies},
    source::SourceFault,
};

/// The cases of a folder.
pub struct Cases(Vec<Placed>);

impl Cases {
    /// Reads every case of `<folder>/decisions`.
    ///
    /// # Errors
    /// Every mistake of the files.
    pub fn read(folder: &Path) -> Result<Self, Vec<SourceFault>> {
        written::read(&folder.join("decisions")).map(Self)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Where the first case stands that these rules answer otherwise than it expects: `file:line`, or the word that no
    /// list knows. Those that ask `action` (`submit`, else an opening) first: a change of such a rule shows there.
    pub fn first_failure(&self, policies: &Policies, catalogue: &Catalogue, submit_first: bool) -> Option<String> {
        let mut order: Vec<&Placed> = self.0.iter().collect();
        order.sort_by_key(|(_, _, case)| (case.ask == Ask::Submit) != submit_first);
        let fails = |(_, _, case): &&&Placed| play::play(policies, catalogue, case).map_or(true, |differences| !differences.is_empty());
        let place = |(file, line, _): &Placed| format!("{}:{line}", file.file_name().unwrap_or_default().to_string_lossy());
        let word = || policies.unfit(catalogue).into_iter().next();
        order.iter().find(fails).map(|placed| place(placed)).or_else(word)
    }

    /// What was asked and answered in every case of a type that the catalogue holds: requests that the gateway builds.
    pub fn records(&self, policies: &Policies, catalogue: &Catalogue) -> Vec<DecisionRecord> {
        let known = self.0.iter().filter(|(_, _, case)| case.declared.is_none());
        known.filter_map(|(_, _, case)| play::record(policies, catalogue, case).ok()).collect()
    }
}
