//! A case as its file writes it: what a jurist reads and adds.

use std::{collections::BTreeSet, path::Path};

use exchange::{DataClass, Kind, ProtectionRole, Secrecy, TypeCode, Urgency};
use serde::Deserialize;
use toml::value::Datetime;

use super::{Placed, told::in_french};
use crate::{
    catalogue::AgreementNeed,
    directory::Role,
    source::{Folder, SourceFault},
};

/// One situation and the answer it must get.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// One French sentence.
    pub(super) title: String,
    /// Rules that the decision must cite.
    pub(super) rules: Vec<String>,
    /// Rules it is about although they decided nothing: a prohibition that did not apply, a clock, an obligation.
    #[serde(default)]
    pub(super) about: Vec<String>,
    pub(super) ask: Ask,
    /// Exchange type; none for a re-identification or an inquiry.
    #[serde(rename = "type")]
    pub(super) kind: Option<TypeCode>,
    /// Sending kind.
    pub(super) from: Kind,
    /// Receiving kind.
    pub(super) to: Kind,
    /// A type that the catalogue does not hold yet, in the words the rules need.
    pub(super) declared: Option<Declared>,
    /// Who sends or reads; absent: nobody in particular (a machine, or the institution alone for a danger type).
    pub(super) person: Option<Person>,
    /// Day; absent: 2026-03-02.
    pub(super) on: Option<Datetime>,
    /// Classes present; absent: every class of the type.
    pub(super) classes: Option<BTreeSet<DataClass>>,
    /// Catalogue paths present, from the envelope; absent: every path of the type.
    pub(super) paths: Option<BTreeSet<String>>,
    /// Absent: the first purpose of the type.
    pub(super) purpose: Option<String>,
    #[serde(default = "ordinary")]
    pub(super) urgency: Urgency,
    /// Code of CL-info-parents.
    pub(super) parents: Option<String>,
    /// Why the parents are not informed is written.
    #[serde(default = "yes")]
    pub(super) reason: bool,
    /// Who decided that is named in the document; otherwise whoever signs it did.
    #[serde(default)]
    pub(super) author: bool,
    /// Code of CL-info-enfant.
    pub(super) child: Option<String>,
    /// Code of CL-accord-personne.
    pub(super) agreed: Option<String>,
    /// The children, each by birth date, or `a-naitre`, or `inconnu`.
    #[serde(default)]
    pub(super) children: Vec<String>,
    /// Where they live, seen from the recipient: `ici`, `ailleurs`, `inconnue`.
    #[serde(default)]
    pub(super) residence: Home,
    /// What fields marked as facts say: `fondement=L221-3-prestation-ase`.
    #[serde(default)]
    pub(super) said: BTreeSet<String>,
    /// The sender wrote why sharing is necessary.
    #[serde(default)]
    pub(super) necessity: bool,
    /// It belongs to a case that both services follow.
    #[serde(default)]
    pub(super) case: bool,
    /// It answers an exchange.
    #[serde(default)]
    pub(super) answers: bool,
    pub(super) agreement: Option<Agreement>,
    /// Profile of the type.
    pub(super) form: Option<String>,
    /// Articles invoked; absent: those of the type.
    pub(super) legal_basis: Option<Vec<String>>,
    /// Who is excluded from the file.
    #[serde(default)]
    pub(super) excluded: BTreeSet<Sealed>,
    /// Conditions of destinations that hold, such as `immediate-hors-horaires`.
    #[serde(default)]
    pub(super) holds: BTreeSet<String>,
    /// Classes for which the emergency access was opened; absent: all of the document.
    pub(super) emergency: Option<BTreeSet<DataClass>>,
    /// Words of this case that no list knows, on purpose.
    #[serde(default)]
    pub(super) unlisted: BTreeSet<String>,
    /// For a re-identification.
    #[serde(default)]
    pub(super) dual: Dual,
    /// For an inquiry.
    #[serde(default)]
    pub(super) inquiry: Known,
    pub(super) expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ask {
    /// May this be sent?
    Submit,
    /// May this be opened, and which parts?
    Open,
    /// The same, in the emergency way, with a written reason.
    BreakGlass,
    /// The same, without a reason.
    BreakGlassWithoutReason,
    /// The same, with a reason, after its time.
    BreakGlassOver,
    /// Who stands behind a pseudonym?
    Reidentify,
    /// Is this child known?
    Query,
    /// May the answer to that be released?
    Release,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Home {
    Ici,
    Ailleurs,
    #[default]
    Inconnue,
}

/// The two other people of a re-identification, and its limits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Dual {
    /// The functions of each who approved.
    pub(super) approved_by: Vec<Vec<Role>>,
    /// The first of them is the person who asks.
    pub(super) own_approval: bool,
    /// The same person approved each time.
    pub(super) one_person: bool,
    /// A reason was written.
    pub(super) reason: bool,
    /// More than 30 minutes ago.
    pub(super) late: bool,
    /// The approval was used already.
    pub(super) used: bool,
    /// `aucune`, `declarant`, `lieu-accueil`, `statistique`.
    pub(super) protected: Option<Guard>,
}

impl Default for Dual {
    fn default() -> Self {
        Self { approved_by: Vec::new(), own_approval: false, one_person: false, reason: true, late: false, used: false, protected: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Guard {
    Aucune,
    Declarant,
    LieuAccueil,
    Statistique,
}

/// What surrounds « ce dossier est-il connu ? ».
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Known {
    /// The case has questions left.
    pub(super) budget_left: bool,
    /// Both services belong to the same Département.
    pub(super) same_departement: bool,
    /// The person is excluded from the file.
    pub(super) excluded: bool,
}

impl Default for Known {
    fn default() -> Self {
        Self { budget_left: true, same_departement: true, excluded: false }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    pub(super) profession: String,
    pub(super) secrecy: Secrecy,
    pub(super) role: ProtectionRole,
    #[serde(default)]
    pub(super) functions: Vec<Role>,
    /// For a reader: where this person works.
    #[serde(default = "recipient")]
    pub(super) works_in: Place,
    /// For a reader: an habilitation for the recipient's unit is in date.
    #[serde(default = "yes")]
    pub(super) habilitated: bool,
    /// For a reader: an habilitation for some unit of its institution is in date.
    #[serde(default = "yes")]
    pub(super) in_service: bool,
    /// For a reader: in charge of the case.
    #[serde(default = "yes")]
    pub(super) in_charge: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Place {
    Recipient,
    OtherUnit,
    OtherInstitution,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declared {
    pub(super) danger: bool,
    pub(super) purpose: Vec<String>,
    pub(super) from: Vec<Kind>,
    pub(super) to: Vec<Kind>,
    pub(super) agreement: AgreementNeed,
    #[serde(default)]
    pub(super) legal_basis: Vec<String>,
    #[serde(default = "yes")]
    pub(super) human_send: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agreement {
    pub(super) state: Standing,
    /// Absent: those of the exchange.
    pub(super) purposes: Option<BTreeSet<String>>,
    /// Absent: those of the exchange.
    pub(super) classes: Option<BTreeSet<DataClass>>,
    /// Questions it opens; absent: those of the exchange.
    pub(super) questions: Option<BTreeSet<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Standing {
    InForce,
    Ended,
    OtherType,
    OtherParties,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Sealed {
    /// The receiving institution.
    Recipient,
    /// The person who reads.
    Reader,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) answer: Answer,
    /// Exactly these obligations; absent: not looked at.
    pub(super) obligations: Option<BTreeSet<String>>,
    /// Exactly these parts are said to be withheld; absent: not looked at.
    pub(super) withheld: Option<BTreeSet<String>>,
    /// Exactly these of the five conditions of shared secrecy do not hold; absent: not looked at.
    pub(super) lacking: Option<BTreeSet<String>>,
    /// Exactly these parts vanish without a trace; absent: not looked at.
    pub(super) vanished: Option<BTreeSet<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Permit,
    /// With explanations; for a danger type, with an alarm.
    Refusal,
    /// Answers as if nothing existed.
    Hidden,
}

impl Answer {
    /// For who reads the report.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::Permit => "permis (permit)",
            Self::Refusal => "refus (refusal)",
            Self::Hidden => "comme si rien n’existait (hidden)",
        }
    }
}

/// Every case of every file of `folder`, in the order of names and lines.
pub(super) fn read(folder: &Path) -> Result<Vec<Placed>, Vec<SourceFault>> {
    let mut faults = Vec::new();
    let read = Folder::read(folder, &mut faults);
    let mut cases = Vec::new();
    for source in read.toml() {
        for (_, written) in source.lists(&["case"], &mut faults) {
            let title = written.get_ref().get("title").and_then(|title| title.get_ref().as_str()).map(str::to_owned);
            let before = faults.len();
            if let Some(item) = source.item::<Case>(written, &mut faults) {
                cases.push((source.file.clone(), item.line, item.value));
            }
            for fault in faults.iter_mut().skip(before) {
                fault.what = format!("{} : {}", title.as_deref().unwrap_or("cas sans titre"), fault.what);
            }
        }
    }
    if faults.is_empty() { Ok(cases) } else { Err(faults.into_iter().map(in_french).collect()) }
}

fn ordinary() -> Urgency {
    Urgency::Ordinary
}

fn recipient() -> Place {
    Place::Recipient
}

fn yes() -> bool {
    true
}
