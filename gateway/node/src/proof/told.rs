//! Facts of a request in French, for who compares two sets of rules: only what is odd about it.

use serde_json::{Map, Value};

use super::{Witness, label};
use crate::catalogue::Catalogue;

/// Facts that follow from the kinds and the type, which are told. Of the five facts of shared secrecy some do not.
fn follows(name: &str) -> bool {
    name != "secret" && super::world::GIVEN.contains(&name)
}

/// How a fact is said; `*` stands for its value. A yes/no fact is told when it is true.
const SAID: &[(&str, &str)] = &[
    ("from_kind", "expéditeur : *"),
    ("to_kind", "destinataire : *"),
    ("purpose", "but « * »"),
    ("urgency", "urgence « * »"),
    ("classes", "catégories : *"),
    ("legal_basis", "fondement : *"),
    ("said", "dit par le document : *"),
    ("is_reply", "répond à un envoi"),
    ("actor_secrecy", "secret de la personne : *"),
    ("actor_role", "part de la personne dans la protection : *"),
    ("actor_profession", "profession « * »"),
    ("actor_functions", "fonctions : *"),
    ("parents", "parents : *"),
    ("child", "enfant : *"),
    ("person", "accord de la personne : *"),
    ("ages", "âges : *"),
    ("residence", "résidence : *"),
    ("file", "dossier : *"),
    ("has_case", "rattaché à un dossier"),
    ("place_hidden", "lieu d’accueil tenu secret"),
    ("reserve_magistrat", "réservé par un magistrat"),
    ("agreement", "protocole : *"),
    ("emergency_classes", "accès d’urgence demandé pour : *"),
    ("approver_functions", "fonctions qui approuvent : *"),
    ("protected", "le pseudonyme protège : *"),
    ("excluded", "personne écartée du dossier"),
    ("questions_ok", "questions ouvertes par le protocole"),
    ("in_unit", "la personne est du service destinataire"),
    ("in_institution", "la personne est de l’institution destinataire"),
    ("in_service", "habilitée dans un service de l’institution"),
    ("habilitated", "habilitée"),
    ("case_link", "chargée du dossier"),
    ("reader_excluded", "personne écartée du dossier"),
    ("recipient_excluded", "institution écartée du dossier"),
    ("break_glass", "par l’accès d’urgence"),
    ("written_reason", "avec un motif écrit"),
    ("emergency_in_time", "dans le délai de l’urgence"),
    ("both_bound", "les deux côtés tenus au secret"),
    ("mission", "les deux côtés chargés de la protection"),
    ("necessary", "nécessité écrite"),
    ("informed", "parents informés, ou l’intérêt de l’enfant l’exclut"),
    ("approvals", "approbations : *"),
    ("two_roles", "deux fonctions"),
    ("approvers_distinct", "deux personnes distinctes"),
    ("in_time", "dans le délai"),
    ("unused", "pas encore utilisée"),
    ("stage", "étape « * »"),
    ("budget_left", "quota non épuisé"),
    ("same_departement", "même département"),
];

/// What is odd about a request, joined by commas.
pub fn odd(witness: &Witness, ordinary: &Map<String, Value>, catalogue: &Catalogue) -> String {
    let mut told = Vec::new();
    for (name, value) in &witness.facts {
        if name.starts_with("other_") || name == "type" || follows(name) || ordinary.get(name) == Some(value) {
            continue;
        }
        told.extend(say(name, value, catalogue));
    }
    match witness.facts.get("actor").and_then(Value::as_str) {
        Some("system") => told.push("par un automate".to_owned()),
        Some("institution-alone") => told.push("sans personne nommée".to_owned()),
        _ => {}
    }
    if told.is_empty() { "rien de particulier".to_owned() } else { told.join(", ") }
}

fn say(name: &str, value: &Value, catalogue: &Catalogue) -> Vec<String> {
    // A record (the five facts of shared secrecy) is told fact by fact.
    if let Value::Object(facts) = value {
        return facts
            .iter()
            .filter(|(_, value)| **value == Value::Bool(true))
            .flat_map(|(name, value)| say(name, value, catalogue))
            .collect();
    }
    if name == "actor" || *value == Value::Array(Vec::new()) {
        return Vec::new();
    }
    let form = SAID.iter().find(|(fact, _)| *fact == name).map(|(_, form)| (*form).to_owned());
    match (form, value) {
        (Some(form), Value::Bool(true)) => vec![form],
        (Some(form), Value::Bool(false)) => vec![format!("ceci n’est pas vrai : {form}")],
        (Some(form), other) => vec![form.replace('*', &word(name, other, catalogue))],
        (None, other) => vec![format!("{name} = {}", word(name, other, catalogue))],
    }
}

fn word(name: &str, value: &Value, catalogue: &Catalogue) -> String {
    match value {
        Value::String(code) => label::of(name, code, catalogue).into_owned(),
        Value::Array(items) => items.iter().map(|item| word(name, item, catalogue)).collect::<Vec<_>>().join(", "),
        // An entity of Cedar.
        Value::Object(entity) => {
            let code = entity.get("__entity").and_then(|one| one.get("id")).and_then(Value::as_str).unwrap_or("?");
            label::of(name, code, catalogue).into_owned()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
