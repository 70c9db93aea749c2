//! The sheet as pages: filled in, with its XML inside (PDF/A-3), or blank for a court that fills it in by hand.

use time::Date;

use super::rows::{CHILD, Form, ROWS};
use super::{Nature, SHEET, Sheet};
use crate::parquet::source::date;
use crate::reading::Place;
use crate::typeset::{Attached, Block, Content, Document, Typeset, Unprintable, pdf};

/// The filled-in sheet as a PDF that carries its own XML: one file says the same to a person and to a machine.
///
/// # Errors
/// [`Unprintable`], a fault of ours.
pub fn sheet_pdf(sheet: &Sheet, sender: &str, recipient: &str, dated: Date) -> Result<Typeset, Unprintable> {
    let field = |label: &str, value: &str| Content::Field { label: label.to_owned(), value: value.to_owned() };
    let mut contents = vec![field("De", sender), field("À", recipient)];
    let row = |element: &str| ROWS.iter().find(|row| row.element == element).map(|row| (row.label, row.form));
    contents.extend(said(&sheet.values, row).iter().map(|(label, value)| field(label, value)));
    let row = |element: &str| CHILD.iter().find(|(name, ..)| *name == element).map(|(_, _, label, form)| (*label, *form));
    for child in &sheet.children {
        contents.push(Content::Section("Enfant".to_owned()));
        contents.extend(said(child, row).iter().map(|(label, value)| field(label, value)));
    }
    let mut document = document(sheet.nature.title(), sender, dated, contents);
    document.attached.push(Attached {
        name: SHEET,
        media_type: "application/xml",
        description: "Bordereau structuré de la décision",
        bytes: sheet.xml.clone(),
    });
    pdf(&document)
}

/// Values as a person reads them, those of one label together.
fn said(values: &[(&str, String)], row: impl Fn(&str) -> Option<(&'static str, Form)>) -> Vec<(&'static str, String)> {
    let mut said: Vec<(&str, String)> = Vec::new();
    for (element, value) in values {
        let Some((label, form)) = row(element) else { continue };
        let value = match form {
            Form::Date => date(value),
            Form::Code(_) => in_words(value),
            Form::Bool => if value == "true" { "Oui" } else { "Non" }.to_owned(),
            Form::Text | Form::Natinf | Form::Reference => value.clone(),
        };
        match said.last_mut().filter(|(last, _)| *last == label) {
            Some((_, values)) => *values = format!("{values}, {value}"),
            None => said.push((label, value)),
        }
    }
    said
}

/// The blank sheet, to be printed.
///
/// # Errors
/// [`Unprintable`], a fault of ours.
pub fn blank(court: &str, dated: Date) -> Result<Typeset, Unprintable> {
    let mut contents = vec![
        Content::Paragraph(
            "À joindre à toute décision adressée au département. Un champ vide ne retarde rien : \
             la décision est enregistrée dans tous les cas."
                .to_owned(),
        ),
        Content::Choice { label: "Nature".to_owned(), options: Nature::ALL.iter().map(|nature| nature.title().to_owned()).collect() },
    ];
    contents
        .extend(ROWS.iter().filter(|row| !AFTER_SIGNALEMENT.contains(&row.element)).map(|row| blank_row(row.label, row.form, row.element)));
    contents.push(Content::Section("Suites et mesures".to_owned()));
    contents
        .extend(ROWS.iter().filter(|row| AFTER_SIGNALEMENT.contains(&row.element)).map(|row| blank_row(row.label, row.form, row.element)));
    for child in 1..=3 {
        contents.push(Content::Section(format!("Enfant n° {child}")));
        contents.extend(CHILD.iter().map(|(element, _, label, form)| blank_row(label, *form, element)));
    }
    let mut document = document("Bordereau de transmission", court, dated, contents);
    document.subtitle = Some("Soit-transmis, ordonnance, jugement ou avis de suites adressé au département".to_owned());
    pdf(&document)
}

fn blank_row(label: &str, form: Form, element: &str) -> Content {
    let label = label.to_owned();
    match form {
        Form::Code(codes) => Content::Choice { label, options: codes.iter().map(|code| in_words(code)).collect() },
        Form::Bool => Content::Choice { label, options: vec!["Oui".to_owned(), "Non".to_owned()] },
        Form::Text if matches!(element, "question" | "faits") => Content::Blank { label, lines: 4 },
        Form::Text | Form::Date | Form::Natinf | Form::Reference => Content::Blank { label, lines: 1 },
    }
}

fn document(title: &str, sender: &str, dated: Date, contents: Vec<Content>) -> Document {
    Document {
        title: title.to_owned(),
        subtitle: None,
        letterhead: sender.to_owned(),
        reference: "Bordereau".to_owned(),
        footer: "Document confidentiel, couvert par le secret".to_owned(),
        dated,
        blocks: contents.into_iter().map(|content| Block { content, place: Place::File(SHEET.to_owned()) }).collect(),
        attached: Vec::new(),
    }
}

/// A code as a person reads it beside a box.
fn in_words(code: &str) -> String {
    match code {
        "F" => "Féminin",
        "M" => "Masculin",
        "inconnu" => "Inconnu",
        "immediate" => "Immédiate",
        "priority" => "Prioritaire",
        "ordinary" => "Ordinaire",
        "demande-evaluation" => "Demande d’évaluation",
        "demande-renseignements" => "Demande de renseignements",
        "verification-suivi-en-cours" => "Vérification d’un suivi en cours",
        "pour-attribution" => "Pour attribution",
        "pour-information" => "Pour information",
        "danger" => "Danger",
        "conditions-education" => "Conditions d’éducation",
        "capacites-parentales" => "Capacités parentales",
        "conflit-parental" => "Conflit parental",
        "retentissement-sur-enfant" => "Retentissement sur l’enfant",
        "mode-de-residence" => "Mode de résidence",
        "ressources-entourage" => "Ressources de l’entourage",
        "mesure-adaptee" => "Mesure adaptée",
        "possible" => "Possible",
        "deja-faite" => "Déjà faite",
        "interdite-par-le-magistrat" => "Interdite par le magistrat",
        "non-precise" => "Non précisée",
        "classement-sans-suite" => "Classement sans suite",
        "enquete-penale" => "Enquête pénale",
        "saisine-juge-des-enfants" => "Saisine du juge des enfants",
        "opp" => "Ordonnance de placement provisoire",
        "retour-au-departement" => "Retour au département",
        "transmission-autre-parquet" => "Transmission à un autre parquet",
        "jonction-procedure-existante" => "Jonction à une procédure existante",
        "autre" => "Autre",
        "civil" => "Civile",
        "penal" => "Pénale",
        "civil-et-penal" => "Civile et pénale",
        "mjie" => "Mesure judiciaire d’investigation éducative",
        "aemo" => "AEMO",
        "aemo-renforcee" => "AEMO renforcée",
        "aemo-hebergement" => "AEMO avec hébergement",
        "placement-ase" => "Placement à l’aide sociale à l’enfance",
        "placement-tiers-digne-de-confiance" => "Placement chez un tiers digne de confiance",
        "placement-autre-parent" => "Placement chez l’autre parent",
        "placement-etablissement-direct" => "Placement direct en établissement",
        "placement-a-domicile" => "Placement à domicile",
        "accueil-de-jour-judiciaire" => "Accueil de jour judiciaire",
        "mjagbf" => "Aide judiciaire à la gestion du budget familial",
        "non-lieu-assistance-educative" => "Non-lieu à assistance éducative",
        other => other,
    }
    .to_owned()
}

const AFTER_SIGNALEMENT: &[&str] =
    &["suite", "voie", "juridiction", "cabinet", "mesure", "date-audience", "declarant-informe", "precision"];
