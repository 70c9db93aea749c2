//! Sections of a document, whose codes are the same in a Composition of FHIR and in the body of a CDA.

use serde_json::{Map, Value, json};

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

/// Where a text goes that fits nowhere.
pub(crate) fn free_text(kind: &str) -> &'static str {
    if kind == "reponse-information" { "extrait_sante.texte" } else { "texte_libre" }
}

/// Writes the text of a section to the field of its code; without a code to the findings of health, since in doubt it is health.
/// Where the type has no field of its own, its title stays with it. `false`: something else stands there.
pub(crate) fn put(fields: &mut Map<String, Value>, kind: &str, code: Option<&str>, title: &str, text: &str) -> bool {
    let titled = if title.is_empty() { text.to_owned() } else { format!("{title}\n{text}") };
    let answer = kind == "reponse-information";
    let (information, copy) = (kind == "information-preoccupante", kind == "copie-signalement");
    let health = if answer { "extrait_sante.texte" } else { "constats_sante.texte" };
    let payload = fields.entry("payload").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(payload) = payload else { return false };
    match code {
        Some("faits") if !answer => push(payload, "faits", json!({"texte": text})),
        Some("propos-enfant") => push(payload, "propos_enfant", json!({"verbatim": text})),
        Some("constats-sante" | "extrait-sante") => append(payload, health, text),
        Some("besoins-soins") if answer => push(payload, "besoins_soins", json!(text)),
        Some("composition-foyer") if information => append(payload, "composition_foyer", text),
        Some("motif-urgence") if information => append(payload, "motif_urgence", text),
        Some("situation-familiale") if copy || kind == "signalement" => append(payload, "situation_familiale", text),
        Some("resume") if copy => append(payload, "resume", text),
        Some("texte-libre") => append(payload, free_text(kind), text),
        Some(_) => append(payload, free_text(kind), &titled),
        None => append(payload, health, &titled),
    }
}
