//! The quality report: how often each check found something, in which variable, and where. In French, without content.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

use super::{
    read::Form,
    variables::{CheckText, table},
};
use crate::reading::{Column, Finding, Place};

/// Places that are kept of one check in one variable; all are counted.
pub const PLACES_KEPT: usize = 20;

macro_rules! checks {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// A check. Its words are in `variables.toml`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check { $($(#[$doc])* $variant,)* }

        impl Check {
            /// Every check.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its code, as `variables.toml` has it.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

checks! {
    /// Pseudonym missing or malformed.
    Identifiant = "identifiant",
    /// One pseudonym, two births or sexes.
    IdentifiantIncoherent = "identifiant-incoherent",
    /// A value that is needed and missing.
    Absente = "absente",
    /// A value that nothing asks for.
    NonAttendue = "non-attendue",
    /// A code outside its list.
    CodeInconnu = "code-inconnu",
    /// A date that is none.
    DateIncorrecte = "date-incorrecte",
    /// An end before its start.
    OrdreDesDates = "ordre-des-dates",
    /// An end without a start.
    FinSansDebut = "fin-sans-debut",
    /// Too old, or not born.
    Age = "age",
    /// An adult's birth year that cannot be.
    Parents = "parents",
    /// For minors only.
    ReserveeMineurs = "reservee-mineurs",
    /// For young adults only.
    ReserveeMajeurs = "reservee-majeurs",
    /// The same event twice.
    Doublon = "doublon",
    /// The same administrative decision twice.
    DoublonAdministratif = "doublon-administratif",
    /// The same judicial decision twice.
    DoublonJudiciaire = "doublon-judiciaire",
    /// Too long.
    DureeExcessive = "duree-excessive",
    /// Of another year.
    HorsPerimetre = "hors-perimetre",
    /// Free text.
    TexteLibre = "texte-libre",
    /// Not of the format.
    VariableInconnue = "variable-inconnue",
    /// Twice in one event.
    VariableRepetee = "variable-repetee",
    /// Of the décret of 2011.
    VariableRetiree = "variable-retiree",
    /// In no event.
    JamaisPresente = "jamais-presente",
    /// Empty in every event.
    ToujoursVide = "toujours-vide",
    /// « Ne sait pas » in every event.
    ToujoursInconnue = "toujours-inconnue",
    /// More than a child's record holds.
    ControleIncomplet = "controle-incomplet",
    /// No pseudonym can be made.
    IdentiteIncomplete = "identite-incomplete",
    /// Not taken over from the measures.
    ColonneNonReprise = "colonne-non-reprise",
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The year that is reported.
    pub year: u16,
    /// Events read.
    pub events: u64,
    /// Pseudonyms seen.
    pub children: u64,
    /// Events of `TYPEV` 1, 2 and 3.
    pub by_type: [u64; 3],
    /// What each check found in each variable, blocking first.
    pub tallies: Vec<Tally>,
}

/// What one check found in one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The check.
    pub check: Check,
    /// The variable, where it is about one.
    pub variable: Option<&'static str>,
    /// Whether the file waits.
    pub blocking: bool,
    /// How often.
    pub count: u64,
    /// The first [`PLACES_KEPT`].
    pub findings: Vec<Finding>,
}

/// Counting, while the file is read.
pub(super) struct Tallies {
    form: Form,
    found: BTreeMap<(Check, Option<usize>), Tally>,
}

impl Tallies {
    pub(super) fn new(form: Form) -> Self {
        Self { form, found: BTreeMap::new() }
    }

    pub(super) fn count(&mut self, check: Check, line: u64, position: Option<usize>) {
        let form = self.form;
        self.add(check, position, || position.map_or_else(|| form.whole(line), |position| form.place(line, position)));
    }

    pub(super) fn count_unknown(&mut self, line: u64, nth: usize) {
        let form = self.form;
        self.add(Check::VariableInconnue, None, || form.unknown(line, nth));
    }

    pub(super) fn count_cell(&mut self, check: Check, line: u64, column: Column) {
        self.add(check, None, || Place::Cell { line, column });
    }

    fn add(&mut self, check: Check, position: Option<usize>, place: impl FnOnce() -> Place) {
        let tally = self.found.entry((check, position)).or_insert_with(|| {
            let variable = position.and_then(|position| table().variables.get(position));
            let blocking =
                text(check).is_none_or(|text| text.blocking) || (waits(check) && variable.is_some_and(|variable| variable.blocking));
            Tally { check, variable: variable.map(|variable| variable.name.as_str()), blocking, count: 0, findings: Vec::new() }
        });
        tally.count += 1;
        if tally.findings.len() < PLACES_KEPT {
            tally.findings.push(Finding { place: place(), code: check.code(), detail: sentence(check, position), cure: cure(check) });
        }
    }

    pub(super) fn list(self) -> Vec<Tally> {
        let mut list: Vec<_> = self.found.into_values().collect();
        list.sort_by_key(|tally| !tally.blocking);
        list
    }
}

impl Report {
    /// Whether something stops the sending.
    pub fn is_blocked(&self) -> bool {
        self.tallies.iter().any(|tally| tally.blocking)
    }

    /// How often a check found something, in all variables.
    pub fn count(&self, check: Check) -> u64 {
        self.tallies.iter().filter(|tally| tally.check == check).map(|tally| tally.count).sum()
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let [starts, renewals, ends] = self.by_type;
        let mut text = format!(
            "Contrôle du fichier OLINPE {}\nÉvénements : {} (débuts : {starts}, renouvellements : {renewals}, fins : {ends}) ; jeunes : {}\n",
            self.year, self.events, self.children
        );
        text.push_str(if self.is_blocked() {
            "Le fichier ne peut pas être envoyé : voir ce qui est marqué BLOQUANT.\n"
        } else {
            "Rien n’empêche l’envoi.\n"
        });
        for tally in self.tallies.iter().filter(|tally| !of_file(tally.check)) {
            tally.write(&mut text);
        }
        for check in Check::ALL.iter().copied().filter(|check| of_file(*check)) {
            let variables: Vec<_> = self.tallies.iter().filter(|tally| tally.check == check).filter_map(|tally| tally.variable).collect();
            if !variables.is_empty() {
                // Writing to a string cannot fail.
                let _ =
                    writeln!(text, "\n[à vérifier] {} : {} variables\n  {}", sentence(check, None), variables.len(), variables.join(", "));
            }
        }
        text
    }

    /// The counts for machines: `rapport_qualite` of the exchange type `export-olinpe`.
    pub fn json(&self) -> Value {
        let tallies: Vec<_> = self.tallies.iter().map(Tally::json).collect();
        json!({
            "annee": self.year, "evenements": self.events, "jeunes": self.children, "bloque": self.is_blocked(),
            "debuts": self.by_type[0], "renouvellements": self.by_type[1], "fins": self.by_type[2], "controles": tallies,
        })
    }
}

impl Tally {
    fn write(&self, text: &mut String) {
        let Some(first) = self.findings.first() else { return };
        let mark = if self.blocking { "BLOQUANT" } else { "à vérifier" };
        let _ = writeln!(text, "\n[{mark}] {} : {} fois", first.detail, self.count);
        if let Some(cure) = &first.cure {
            let _ = writeln!(text, "  {cure}");
        }
        for finding in &self.findings {
            let _ = writeln!(text, "  - {}", finding.place);
        }
        let more = self.count.saturating_sub(u64::try_from(self.findings.len()).unwrap_or(u64::MAX));
        if more > 0 {
            let _ = writeln!(text, "  - et {more} autres");
        }
    }

    fn json(&self) -> Value {
        json!({ "code": self.check.code(), "variable": self.variable, "bloquant": self.blocking, "nombre": self.count })
    }
}

/// Whether a check is about a variable in the whole file.
fn of_file(check: Check) -> bool {
    matches!(check, Check::JamaisPresente | Check::ToujoursVide | Check::ToujoursInconnue)
}

/// Whether a blocking variable blocks by this check.
fn waits(check: Check) -> bool {
    matches!(check, Check::Identifiant | Check::Absente | Check::CodeInconnu)
}

fn text(check: Check) -> Option<&'static CheckText> {
    table().checks.iter().find(|text| text.code == check.code())
}

fn cure(check: Check) -> Option<String> {
    text(check).map(|text| text.cure.clone())
}

fn sentence(check: Check, position: Option<usize>) -> String {
    let title = text(check).map(|text| text.title.as_str()).unwrap_or_default();
    match position.and_then(|position| table().variables.get(position)) {
        Some(variable) if variable.title.is_empty() => format!("{} : {title}", variable.name),
        Some(variable) => format!("{} ({}) : {title}", variable.name, variable.title),
        None => title.to_owned(),
    }
}
