//! What lies in a directory against what a manifest says, and whether it is this drop's turn.

use std::collections::BTreeMap;

use crate::{
    drop::{
        manifest::Manifest,
        name::{DropName, Part, Sequence},
    },
    reading::{Finding, Place, no_content},
};

/// One file as the edge found it. Its `Debug` shows nothing: a name that is not ours may hold a person's.
#[derive(Clone, PartialEq, Eq)]
pub struct Present {
    /// Its name in the directory, without the directory.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// What the edge kept of an earlier drop with the same number from the same sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// There was none, as far as it remembers.
    None,
    /// Its manifest was the same, byte for byte.
    SameBytes,
    /// Its manifest was another one.
    OtherBytes,
}

/// What to do with a drop whose manifest is signed and whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Read it.
    Take,
    /// Leave it: an earlier one is still to come.
    Wait(Finding),
    /// Answer what was answered before: nothing new is in it.
    Repeat,
    /// Refuse it, and tell somebody.
    Conflict(Finding),
}

/// The drops of a directory whose signature is there, by sender and number, from all names in it. A name in `.part` or not ours counts
/// for nothing here; [`compare`] tells of it.
pub fn complete<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<DropName> {
    let mut parts: BTreeMap<DropName, (bool, bool)> = BTreeMap::new();
    for name in names.into_iter().filter_map(|name| name.parse::<DropName>().ok()) {
        let (manifest, signature) = parts.entry(name.beside(Part::Manifest)).or_default();
        match name.part {
            Part::Manifest => *manifest = true,
            Part::ManifestSignature => *signature = true,
            Part::File { .. } | Part::Acknowledgement | Part::AcknowledgementSignature => {}
        }
    }
    parts.into_iter().filter(|(_, (manifest, signature))| *manifest && *signature).map(|(name, _)| name).collect()
}

/// Whether it is the turn of a drop, when `last` was taken before it.
pub fn turn(sequence: Sequence, last: Option<Sequence>, earlier: Earlier) -> Turn {
    let expected = last.map_or(Sequence::new(1), Sequence::next);
    let place = Place::Path("$.sequence".into());
    match earlier {
        Earlier::SameBytes => Turn::Repeat,
        Earlier::OtherBytes => {
            let detail = format!("Le dépôt n° {} a déjà été reçu avec un autre contenu.", sequence.number());
            Turn::Conflict(Finding::new(place, "sequence-conflict", detail).cured_by("Déposez-le de nouveau sous un numéro neuf."))
        }
        Earlier::None if Some(sequence) == expected => Turn::Take,
        Earlier::None if expected.is_some_and(|expected| sequence > expected) => {
            let expected = expected.map_or(0, Sequence::number);
            let detail = format!("Le dépôt n° {expected} n’est pas encore arrivé : celui-ci attend.");
            Turn::Wait(Finding::new(place, "sequence-gap", detail).cured_by("Déposez le dépôt qui manque."))
        }
        Earlier::None => {
            let detail = "Ce numéro est passé, et rien ne permet de dire si le dépôt est le même.";
            Turn::Conflict(Finding::new(place, "sequence-past", detail).cured_by("Déposez-le de nouveau sous un numéro neuf."))
        }
    }
}

/// Every difference between a manifest and the files of its directory. `present` is that directory as a whole; files of other drops,
/// signatures, acknowledgements and what ends in `.part` are passed over. A file that is not ours is told by its position from 1.
pub fn compare(manifest: &Manifest, present: &[Present]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let by_name: BTreeMap<&str, &Present> = present.iter().map(|file| (file.name.as_str(), file)).collect();
    for listed in &manifest.files {
        let name = listed.name.to_string();
        let place = || Place::File(name.clone());
        let again = "Déposez de nouveau le dépôt entier, sous un numéro neuf.";
        let Some(file) = by_name.get(name.as_str()) else {
            findings.push(Finding::new(place(), "missing-file", "Le manifeste liste ce fichier, qui n’est pas là.").cured_by(again));
            continue;
        };
        if file.size < listed.size {
            let detail = "Le fichier est plus court que le manifeste ne le dit : il est tronqué.";
            findings.push(Finding::new(place(), "truncated", detail).cured_by(again));
        } else if file.size > listed.size {
            let detail = "Le fichier est plus long que le manifeste ne le dit.";
            findings.push(Finding::new(place(), "too-long", detail).cured_by(again));
        } else if file.sha256 != listed.sha256 {
            findings.push(Finding::new(place(), "wrong-digest", "Le contenu du fichier n’est pas celui du manifeste.").cured_by(again));
        }
    }
    findings.extend(present.iter().enumerate().filter_map(|(at, file)| extra(manifest, at, &file.name)));
    findings
}

fn extra(manifest: &Manifest, at: usize, name: &str) -> Option<Finding> {
    match name.parse::<DropName>() {
        Ok(name) if name.sender != manifest.sender || name.sequence != manifest.sequence => None,
        Ok(name) => (matches!(name.part, Part::File { .. }) && manifest.files.iter().all(|listed| listed.name != name)).then(|| {
            let detail = "Le manifeste ne liste pas ce fichier : il n’est pas lu.";
            Finding::new(Place::File(name.to_string()), "extra-file", detail)
        }),
        Err(_) if name.ends_with(".part") => None,
        Err(_) => {
            let detail = "Le nom de ce fichier n’est pas celui d’un fichier de dépôt : il n’est pas lu.";
            let cure = "Nommez-le d’après le dépôt et son rang, jamais d’après une personne, et listez-le au manifeste.";
            Some(Finding::new(Place::File(format!("n° {}", at + 1)), "foreign-file", detail).cured_by(cure))
        }
    }
}

no_content!(Present);
