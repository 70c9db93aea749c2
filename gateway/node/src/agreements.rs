//! Agreements: the signed frames under which exchanges flow, read from `policies/agreements/*.toml`.
//!
//! Nothing flows under an agreement before its first day or after its last. This room says what is in force;
//! whether a type needs an agreement at all is the catalogue's word, and the decision is the policy's.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use exchange::{AgreementId, DataClass, Instant, Party, TypeCode};
use serde::{Deserialize, Serialize};
use time::Date;
use toml::{Spanned, value::Datetime};

use crate::directory::day::day_in_france;
use crate::source::{AGREEMENTS, Files, Folder, Source, SourceFault};

/// Every agreement of the register.
#[derive(Debug)]
pub struct Agreements {
    all: BTreeMap<AgreementId, Agreement>,
    hash: String,
}

/// A signed frame (*protocole*, *convention*).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Register number.
    pub id: AgreementId,
    /// French title.
    pub title: String,
    /// Who signed; an institution without a unit stands for all its units.
    pub parties: Vec<Party>,
    /// Exchange types that may flow under it.
    pub types: BTreeSet<TypeCode>,
    /// Codes of CL-purpose.
    pub purposes: BTreeSet<String>,
    /// Data classes that may flow under it.
    pub classes: BTreeSet<DataClass>,
    /// Codes of CL-question that it opens: what may be asked of whom signed it. What it does not name is not open.
    pub questions: BTreeSet<String>,
    /// Worked days within which a request is answered, when the text says so (feeds clock K12).
    pub days_to_answer: Option<u32>,
    /// First day, counted in metropolitan France; absent until a person enters it.
    pub effective_from: Option<Date>,
    /// Last day; absent for an agreement without an end.
    pub effective_to: Option<Date>,
    /// Where the text stands.
    pub state: AgreementState,
    /// Suspended by a person, whatever its state.
    pub suspended: bool,
}

/// Where the text of an agreement stands (CL-statut-convention).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgreementState {
    /// Wanted, no text.
    Projet,
    /// Written, not signed.
    ASigner,
    /// In force between its days.
    EnVigueur,
    /// In force between its days, revision decided.
    AReviser,
    /// Suspended.
    Suspendue,
    /// Over.
    Expiree,
    /// Over, another took its place.
    Remplacee,
}

/// Whether something may flow under an agreement at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InForce<'a> {
    /// It may.
    InForce(&'a Agreement),
    /// Its first day is still to come.
    NotYet {
        /// That day.
        from: Date,
    },
    /// It is over.
    Ended {
        /// Its last day, when the register knows it.
        to: Option<Date>,
    },
    /// A person suspended it.
    Suspended,
    /// It is a project or waits for signature.
    NotSigned,
    /// Its first day is missing: a person must enter it.
    NoDates,
    /// The register has no such agreement.
    Unknown,
}

impl Agreements {
    /// Reads every `.toml` file of `dir`, one agreement each. `is_party` says whether the directory knows who signed; `is_type`
    /// and `is_code` (name of a list, code) which codes the catalogue has.
    ///
    /// # Errors
    /// Every mistake of every file; within one file only the first mistake of shape shows.
    pub fn load(
        dir: &Path,
        is_party: &dyn Fn(&Party) -> bool,
        is_type: &dyn Fn(&TypeCode) -> bool,
        is_code: &dyn Fn(&str, &str) -> bool,
    ) -> Result<Self, Vec<SourceFault>> {
        let mut faults = Vec::new();
        let folder = Folder::read(dir, &mut faults);
        Self::gather(&folder, faults, is_party, is_type, is_code)
    }

    /// The same of a policy set that was read before.
    ///
    /// # Errors
    /// As [`Agreements::load`].
    pub fn of(
        files: &Files,
        is_party: &dyn Fn(&Party) -> bool,
        is_type: &dyn Fn(&TypeCode) -> bool,
        is_code: &dyn Fn(&str, &str) -> bool,
    ) -> Result<Self, Vec<SourceFault>> {
        let mut faults = Vec::new();
        let folder = files.folder(AGREEMENTS, &mut faults);
        Self::gather(&folder, faults, is_party, is_type, is_code)
    }

    fn gather(
        folder: &Folder,
        mut faults: Vec<SourceFault>,
        is_party: &dyn Fn(&Party) -> bool,
        is_type: &dyn Fn(&TypeCode) -> bool,
        is_code: &dyn Fn(&str, &str) -> bool,
    ) -> Result<Self, Vec<SourceFault>> {
        let mut all: BTreeMap<AgreementId, Agreement> = BTreeMap::new();
        for source in folder.toml() {
            let Some(item) = source.whole::<Written>(&mut faults) else { continue };
            let at = item.value.id.span().start;
            let agreement = item.value.check(source, is_party, is_type, is_code, &mut faults);
            if all.contains_key(&agreement.id) {
                faults.push(source.fault(at, format!("le protocole « {} » est déclaré deux fois", agreement.id), "n’en garder qu’un"));
            } else {
                all.insert(agreement.id.clone(), agreement);
            }
        }
        if faults.is_empty() { Ok(Self { all, hash: folder.hash.clone() }) } else { Err(faults) }
    }

    /// Whether this agreement is in force at an instant.
    pub fn in_force(&self, id: &AgreementId, on: Instant) -> InForce<'_> {
        self.all.get(id).map_or(InForce::Unknown, |agreement| agreement.standing(day_in_france(on)))
    }

    /// The first agreement by id in force that binds both parties and covers the type.
    pub fn covering(&self, sender: &Party, recipient: &Party, code: &TypeCode, on: Instant) -> Option<&Agreement> {
        let day = day_in_france(on);
        let covers = |agreement: &&Agreement| {
            agreement.types.contains(code)
                && agreement.binds_both(sender, recipient)
                && matches!(agreement.standing(day), InForce::InForce(_))
        };
        self.all.values().find(covers)
    }

    /// Every agreement, by id, in force or not.
    pub fn all(&self) -> impl Iterator<Item = &Agreement> {
        self.all.values()
    }

    /// Hex SHA-256 over the names and bytes of all files: which register a decision was made with.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

impl Agreement {
    /// Whether both signed, and as two signatories: one signature binds nobody to itself.
    pub fn binds_both(&self, sender: &Party, recipient: &Party) -> bool {
        match (self.signature_of(sender), self.signature_of(recipient)) {
            (Some(one), Some(other)) => one != other,
            (None, _) | (_, None) => false,
        }
    }

    /// The signature that stands for the party: its unit's own before that of the institution as a whole.
    fn signature_of(&self, party: &Party) -> Option<&Party> {
        let stands = |signed: &&Party| signed.institution == party.institution && (signed.unit.is_none() || signed.unit == party.unit);
        self.parties.iter().filter(stands).max_by_key(|signed| signed.unit.is_some())
    }

    fn standing(&self, day: Date) -> InForce<'_> {
        if self.suspended {
            return InForce::Suspended;
        }
        match self.state {
            AgreementState::Suspendue => InForce::Suspended,
            AgreementState::Projet | AgreementState::ASigner => InForce::NotSigned,
            AgreementState::Expiree | AgreementState::Remplacee => InForce::Ended { to: self.effective_to },
            AgreementState::EnVigueur | AgreementState::AReviser => match (self.effective_from, self.effective_to) {
                (None, _) => InForce::NoDates,
                (Some(from), _) if day < from => InForce::NotYet { from },
                (Some(_), Some(to)) if to < day => InForce::Ended { to: Some(to) },
                (Some(_), _) => InForce::InForce(self),
            },
        }
    }
}

/// An agreement as its file writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Spanned<AgreementId>,
    title: String,
    parties: Vec<Spanned<String>>,
    types: Vec<Spanned<TypeCode>>,
    purposes: Vec<Spanned<String>>,
    classes: BTreeSet<DataClass>,
    #[serde(default)]
    questions: Vec<Spanned<String>>,
    delai_reponse_jours: Option<Spanned<u32>>,
    effective_from: Option<Spanned<Datetime>>,
    effective_to: Option<Spanned<Datetime>>,
    state: AgreementState,
    #[serde(default)]
    suspended: bool,
}

impl Written {
    fn check(
        self,
        source: &Source,
        is_party: &dyn Fn(&Party) -> bool,
        is_type: &dyn Fn(&TypeCode) -> bool,
        is_code: &dyn Fn(&str, &str) -> bool,
        faults: &mut Vec<SourceFault>,
    ) -> Agreement {
        let (effective_from, effective_to) = source.period(self.effective_from.as_ref(), self.effective_to.as_ref(), faults);
        let at = self.id.span().start;
        let mut parties = Vec::new();
        for written in &self.parties {
            match party(written.get_ref()).filter(is_party) {
                Some(party) => parties.push(party),
                None => {
                    let what = format!("l’annuaire ne connaît pas « {} »", written.get_ref());
                    faults.push(source.fault(
                        written.span().start,
                        what,
                        "écrire `institution` ou `institution/service`, comme l’annuaire",
                    ));
                }
            }
        }
        if self.parties.len() < 2 {
            faults.push(source.fault(at, "un protocole lie deux parties au moins", "écrire qui a signé"));
        }
        for written in self.types.iter().filter(|written| !is_type(written.get_ref())) {
            let what = format!("le type d’échange « {} » n’existe pas", written.get_ref());
            faults.push(source.fault(written.span().start, what, "écrire un type du catalogue"));
        }
        for (list, name, codes) in [("CL-purpose", "le but", &self.purposes), ("CL-question", "la question", &self.questions)] {
            for written in codes.iter().filter(|written| !is_code(list, written.get_ref())) {
                let what = format!("{name} « {} » n’existe pas", written.get_ref());
                faults.push(source.fault(written.span().start, what, format!("écrire un code de {list} (catalogue/_codes.toml)")));
            }
        }
        if let Some(days) = self.delai_reponse_jours.as_ref().filter(|days| !(1..=90).contains(days.get_ref())) {
            let what = format!("une réponse en {} jours", days.get_ref());
            faults.push(source.fault(days.span().start, what, "écrire des jours ouvrés, de 1 à 90"));
        }
        for (list, empty) in
            [("types", self.types.is_empty()), ("purposes", self.purposes.is_empty()), ("classes", self.classes.is_empty())]
        {
            if empty {
                faults.push(source.fault(at, format!("« {list} » est vide : rien ne passerait"), "écrire ce que le texte couvre"));
            }
        }
        Agreement {
            id: self.id.into_inner(),
            title: self.title,
            parties,
            types: self.types.into_iter().map(Spanned::into_inner).collect(),
            purposes: self.purposes.into_iter().map(Spanned::into_inner).collect(),
            classes: self.classes,
            questions: self.questions.into_iter().map(Spanned::into_inner).collect(),
            days_to_answer: self.delai_reponse_jours.map(Spanned::into_inner),
            effective_from,
            effective_to,
            state: self.state,
            suspended: self.suspended,
        }
    }
}

fn party(text: &str) -> Option<Party> {
    match text.split_once('/') {
        Some((institution, unit)) => Some(Party { institution: institution.parse().ok()?, unit: Some(unit.parse().ok()?) }),
        None => Some(Party { institution: text.parse().ok()?, unit: None }),
    }
}

#[cfg(test)]
mod tests;
