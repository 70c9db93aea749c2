//! The fields of the sheet, and where each stands in the two exchange types.

use time::{Date, format_description::FormatItem, macros::format_description};

/// One element of the sheet.
pub struct Row {
    pub element: &'static str,
    /// As the printed form calls it.
    pub label: &'static str,
    pub form: Form,
    /// May stand several times.
    pub many: bool,
    /// Pointer in a soit-transmis; empty where it has no place there.
    soit_transmis: &'static str,
    /// Pointer in suites-judiciaires.
    suites: &'static str,
}

/// What a value must be.
#[derive(Clone, Copy)]
pub enum Form {
    Text,
    Date,
    Bool,
    /// Code of an offence: up to six digits. Stands in the text of class `infraction`, as its first line.
    Natinf,
    /// Id of an exchange.
    Reference,
    Code(&'static [&'static str]),
}

impl Row {
    pub fn place(&self, kind: &str) -> &'static str {
        if kind == "soit-transmis" { self.soit_transmis } else { self.suites }
    }
}

const fn row(element: &'static str, label: &'static str, form: Form, soit_transmis: &'static str, suites: &'static str) -> Row {
    Row { element, label, form, many: false, soit_transmis, suites }
}

const fn list(element: &'static str, label: &'static str, form: Form, soit_transmis: &'static str, suites: &'static str) -> Row {
    Row { element, label, form, many: true, soit_transmis, suites }
}

/// Every element but `nature` and `enfant`, in the order in which the sheet is written.
pub const ROWS: &[Row] = &[
    row("date", "Date de la décision", Form::Date, "", "/payload/date_suite"),
    row("numero-parquet", "N° parquet", Form::Text, "/payload/numero_parquet", "/payload/numero_parquet"),
    list("natinf", "NATINF", Form::Natinf, "/payload/exposition_faits", "/payload/informations_reservees"),
    row("numero-dossier", "N° de dossier du juge", Form::Text, "/payload/numero_dossier", "/payload/juge_saisi/numero_dossier"),
    row("reference", "Référence Passerelle du signalement", Form::Reference, "", "/payload/signalement_ref"),
    row("urgence", "Urgence", Form::Code(URGENCIES), "/urgency", "/urgency"),
    row("destinataire", "Destinataire", Form::Text, "", ""),
    row("magistrat", "Magistrat, section ou cabinet", Form::Text, "/payload/magistrat", ""),
    row("date-limite", "Réponse attendue avant le", Form::Date, "/payload/date_limite", ""),
    row("objet", "Objet", Form::Code(OBJECTS), "/payload/objet", ""),
    row("question", "Question posée", Form::Text, "/payload/question", ""),
    list("attendu", "Points attendus", Form::Code(EXPECTED), "/payload/attendus", ""),
    row("faits", "Faits", Form::Text, "/payload/exposition_faits", "/payload/informations_reservees"),
    row("enquete-en-cours", "Enquête en cours", Form::Bool, "/payload/enquete_en_cours", ""),
    row("information-famille", "Information de la famille", Form::Code(FAMILY), "/payload/information_famille", ""),
    list("suite", "Suites", Form::Code(FOLLOW_UPS), "", "/payload/suites"),
    row("voie", "Voie", Form::Code(WAYS), "", "/payload/voie"),
    row("juridiction", "Juridiction saisie", Form::Text, "", ""),
    row("cabinet", "Cabinet saisi", Form::Text, "", "/payload/juge_saisi/cabinet"),
    list("mesure", "Mesures ordonnées", Form::Code(MEASURES), "", "/payload/mesures_ordonnees"),
    row("date-audience", "Date d’audience", Form::Date, "", "/payload/date_audience"),
    row("declarant-informe", "Auteur du signalement informé", Form::Bool, "", "/payload/declarant_informe"),
    row("precision", "Précision", Form::Text, "", "/payload/precision"),
];

/// Elements of a child, their names in `subjects[]`, and how the printed form calls them.
pub const CHILD: &[(&str, &str, &str, Form)] = &[
    ("nom", "birth_name", "Nom de naissance", Form::Text),
    ("prenom", "given_names", "Prénoms", Form::Text),
    ("sexe", "sex", "Sexe", Form::Code(&["F", "M", "inconnu"])),
    ("date-naissance", "birth_date", "Date de naissance", Form::Date),
    ("commune-naissance", "birth_place", "Commune de naissance", Form::Text),
];

const DAY: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// Whether a text is a date of the calendar, written `2026-11-24`.
pub fn is_date(text: &str) -> bool {
    text.len() == 10 && Date::parse(text, DAY).is_ok()
}

pub fn is_natinf(text: &str) -> bool {
    (1..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The first line of a text of class `infraction` that holds codes of offences.
pub fn natinf_line(codes: &[String]) -> String {
    format!("{NATINF}{}", codes.join(", "))
}

/// The codes of that line, and the text below it.
pub fn split_natinf(text: &str) -> (Vec<&str>, &str) {
    let (first, below) = text.split_once('\n').unwrap_or((text, ""));
    let codes: Option<Vec<&str>> = first.strip_prefix(NATINF).map(|codes| codes.split(", ").collect());
    match codes {
        Some(codes) if codes.iter().all(|code| is_natinf(code)) => (codes, below),
        _ => (Vec::new(), text),
    }
}

const NATINF: &str = "NATINF ";

// Code lists of `policies/catalogue/_codes.toml`.
const URGENCIES: &[&str] = &["immediate", "priority", "ordinary"];
const OBJECTS: &[&str] =
    &["demande-evaluation", "demande-renseignements", "verification-suivi-en-cours", "pour-attribution", "pour-information"];
const EXPECTED: &[&str] = &[
    "danger",
    "conditions-education",
    "capacites-parentales",
    "conflit-parental",
    "retentissement-sur-enfant",
    "mode-de-residence",
    "ressources-entourage",
    "mesure-adaptee",
];
const FAMILY: &[&str] = &["possible", "deja-faite", "interdite-par-le-magistrat", "non-precise"];
const FOLLOW_UPS: &[&str] = &[
    "classement-sans-suite",
    "enquete-penale",
    "saisine-juge-des-enfants",
    "opp",
    "mjie",
    "retour-au-departement",
    "transmission-autre-parquet",
    "jonction-procedure-existante",
    "autre",
];
const WAYS: &[&str] = &["civil", "penal", "civil-et-penal"];
const MEASURES: &[&str] = &[
    "mjie",
    "aemo",
    "aemo-renforcee",
    "aemo-hebergement",
    "placement-ase",
    "placement-tiers-digne-de-confiance",
    "placement-autre-parent",
    "placement-etablissement-direct",
    "placement-a-domicile",
    "accueil-de-jour-judiciaire",
    "mjagbf",
    "non-lieu-assistance-educative",
    "autre",
];
