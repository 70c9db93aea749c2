//! What changed between two versions of the directory, by id, so that the log can say it.
//!
//! Never a telephone, a key or a profession: ids and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use exchange::{InstitutionId, ProfessionalId, UnitId};

use super::{Directory, Habilitation};

/// What happened to a thing of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// It was not there before.
    Added,
    /// It is no more there.
    Removed,
    /// It is there and says something else.
    Changed,
}

/// One difference between two versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// An institution, its units left aside.
    Institution(Turn, InstitutionId),
    /// A unit.
    Unit(Turn, InstitutionId, UnitId),
    /// A professional, its habilitations left aside.
    Professional(Turn, ProfessionalId),
    /// The habilitations of a professional in a unit.
    Habilitation(Turn, ProfessionalId, UnitId),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Institution(turn, id) => write!(f, "institution {id} {turn}"),
            Self::Unit(turn, institution, unit) => write!(f, "unit {institution}/{unit} {turn}"),
            Self::Professional(turn, id) => write!(f, "professional {id} {turn}"),
            Self::Habilitation(turn, id, unit) => write!(f, "habilitation {id} {unit} {turn}"),
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        })
    }
}

impl Directory {
    /// What this version says otherwise than `older`, in a stable order.
    pub fn changes(&self, older: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let bare = |from: &Self| -> BTreeMap<_, _> {
            let without_units = |i: &super::Institution| super::Institution { units: BTreeMap::new(), ..i.clone() };
            from.institutions.iter().map(|(id, institution)| (id.clone(), without_units(institution))).collect()
        };
        compare(&bare(older), &bare(self), |turn, id| changes.push(Change::Institution(turn, id)));
        let units = |from: &Self| -> BTreeMap<_, _> {
            let all = from
                .institutions
                .iter()
                .flat_map(|(id, i)| i.units.values().map(move |unit| ((id.clone(), unit.id.clone()), unit.clone())));
            all.collect()
        };
        compare(&units(older), &units(self), |turn, (institution, unit)| changes.push(Change::Unit(turn, institution, unit)));
        let people = |from: &Self| -> BTreeMap<_, _> {
            let without = |p: &super::Professional| super::Professional { habilitations: Vec::new(), ..p.clone() };
            from.professionals.iter().map(|(id, person)| (id.clone(), without(person))).collect()
        };
        compare(&people(older), &people(self), |turn, id| changes.push(Change::Professional(turn, id)));
        compare(&older.rights(), &self.rights(), |turn, (id, unit)| changes.push(Change::Habilitation(turn, id, unit)));
        changes
    }

    fn rights(&self) -> BTreeMap<(ProfessionalId, UnitId), Vec<&Habilitation>> {
        let mut rights: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for person in self.professionals.values() {
            for held in &person.habilitations {
                rights.entry((person.id.clone(), held.unit.clone())).or_default().push(held);
            }
        }
        rights
    }
}

fn compare<K: Ord + Clone, V: PartialEq>(older: &BTreeMap<K, V>, newer: &BTreeMap<K, V>, mut say: impl FnMut(Turn, K)) {
    for key in older.keys().chain(newer.keys()).collect::<BTreeSet<_>>() {
        match (older.get(key), newer.get(key)) {
            (None, Some(_)) => say(Turn::Added, key.clone()),
            (Some(_), None) => say(Turn::Removed, key.clone()),
            (Some(before), Some(after)) if before != after => say(Turn::Changed, key.clone()),
            (Some(_) | None, _) => {}
        }
    }
}
