//! What may not be in a set that somebody tests or proposes, though it loads: words that no list knows, and prohibitions
//! that could stop an alert.

use std::collections::BTreeSet;

use super::{Policies, near::meant, words};
use crate::catalogue::Catalogue;

impl Policies {
    /// Everything of these rules that keeps them from taking force with this catalogue, in French; nothing when they may.
    ///
    /// A set that took force before is not asked again: a list that changed since must not stop a gateway from starting.
    pub fn unfit(&self, catalogue: &Catalogue) -> Vec<String> {
        let mut found = unknown_words(self, catalogue);
        found.extend(self.alerts_stopped(&|code| catalogue.is_danger(code)));
        found
    }
}

/// Words of the rules that no list knows, with those that may have been meant.
pub(super) fn unknown_words(policies: &Policies, catalogue: &Catalogue) -> Vec<String> {
    let unknown = |(rule, fact, word): &(String, String, String)| {
        let known = words::list(fact, catalogue).filter(|known| !known.contains(word))?;
        let meant = meant(word, known.iter().map(String::as_str));
        Some(format!("{rule} : « {word} » n’existe pas pour {fact}{meant}"))
    };
    let words = policies.words.iter().filter_map(unknown);
    let excepted = policies.notes.values().flat_map(|note| &note.excepts);
    let paths: BTreeSet<&String> = policies.fields.iter().chain(excepted).filter(|path| !catalogue.has_path(path)).collect();
    words.chain(paths.into_iter().map(|path| format!("aucun type n’a le champ « {path} »"))).collect()
}
