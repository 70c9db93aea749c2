//! Sections of a document, whose codes are the same in a Composition of FHIR and in the body of a CDA.

use serde_json::{Map, Value, json};

use unicode_normalization::UnicodeNormalization;

use super::{append, push};

/// The codes of sections.
pub(crate) const CODES: [&str; 11] = [
    "faits",
    "propos-enfant",
    "constats-sante",
    "contexte",
    "composition-foyer",
    "situation-familiale",
    "motif-urgence",
    "resume",
    "texte-libre",
    "extrait-sante",
    "besoins-soins",
];

/// The code as this room knows it.
pub(crate) fn known(code: &str) -> Option<&'static str> {
    CODES.into_iter().find(|known| *known == code)
}

/// The code that a heading says in words, where it is one that everybody writes for it.
pub(crate) fn titled(title: &str) -> Option<&'static str> {
    let plain: String = title.nfd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).flat_map(char::to_lowercase).collect();
    let words: Vec<&str> = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    Some(match words.join(" ").as_str() {
        "faits" | "les faits" | "expose des faits" | "faits constates" => "faits",
        "propos de l enfant"
        | "propos enfant"
        | "propos du mineur"
        | "propos de la mineure"
        | "propos de l adolescent"
        | "propos de l adolescente"
        | "propos de la patiente"
        | "propos du patient"
        | "paroles de l enfant"
        | "parole de l enfant"
        | "dires de l enfant"
        | "verbatim de l enfant"
        | "declarations de l enfant" => "propos-enfant",
        "constats" | "constats de sante" | "constatations" | "constat" => "constats-sante",
        "contexte" => "contexte",
        "composition du foyer" => "composition-foyer",
        "situation familiale" => "situation-familiale",
        "motif d urgence" | "motif de l urgence" => "motif-urgence",
        "resume" => "resume",
        "texte libre" => "texte-libre",
        "extrait de sante" => "extrait-sante",
        "besoins de soins" => "besoins-soins",
        _ => return None,
    })
}

/// Whether a type has a field for a code, which then takes the text alone; elsewhere the heading goes with the text.
pub(crate) fn has_field(kind: &str, code: Option<&str>) -> bool {
    let answer = kind == "reponse-information";
    let (information, copy) = (kind == "information-preoccupante", kind == "copie-signalement");
    match code {
        Some("faits") => !answer,
        Some("propos-enfant" | "constats-sante" | "extrait-sante" | "texte-libre") => true,
        Some("besoins-soins") => answer,
        Some("composition-foyer" | "motif-urgence") => information,
        Some("situation-familiale") => copy || kind == "signalement",
        Some("resume") => copy,
        Some(_) | None => false,
    }
}

/// Where a text goes that fits nowhere.
pub(crate) fn free_text(kind: &str) -> &'static str {
    if kind == "reponse-information" { "extrait_sante.texte" } else { "texte_libre" }
}

/// Writes the text of a section to the field of its code; without a code to the findings of health, since in doubt it is health.
/// Where the type has no field of its own, its title stays with it. `false`: something else stands there.
pub(crate) fn put(fields: &mut Map<String, Value>, kind: &str, code: Option<&str>, title: &str, text: &str) -> bool {
    let titled = if title.is_empty() { text.to_owned() } else { format!("{title}\n{text}") };
    let health = if kind == "reponse-information" { "extrait_sante.texte" } else { "constats_sante.texte" };
    let payload = fields.entry("payload").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(payload) = payload else { return false };
    match code.filter(|_| has_field(kind, code)) {
        Some("faits") => push(payload, "faits", json!({"texte": text})),
        Some("propos-enfant") => push(payload, "propos_enfant", json!({"verbatim": text})),
        Some("constats-sante" | "extrait-sante") => append(payload, health, text),
        Some("besoins-soins") => push(payload, "besoins_soins", json!(text)),
        Some("composition-foyer") => append(payload, "composition_foyer", text),
        Some("motif-urgence") => append(payload, "motif_urgence", text),
        Some("situation-familiale") => append(payload, "situation_familiale", text),
        Some("resume") => append(payload, "resume", text),
        Some("texte-libre") => append(payload, free_text(kind), text),
        Some(_) | None if code.is_some() => append(payload, free_text(kind), &titled),
        Some(_) | None => append(payload, health, &titled),
    }
}
