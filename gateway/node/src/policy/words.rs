//! The words that exist: for each fact of the schema that takes its words from a closed list, the list.
//!
//! Rules and cases are held against the same lists, so that a misspelt word is found wherever it stands.

use std::collections::BTreeSet;

use exchange::DataClass;

use crate::{catalogue::Catalogue, directory::Role};

/// The words that a fact may have; nothing when no list knows them all.
pub(super) fn list(fact: &str, catalogue: &Catalogue) -> Option<BTreeSet<String>> {
    let own = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let codes = |list: &str| catalogue.codes.get(list).cloned();
    match fact {
        "from_kind" | "to_kind" => Some(catalogue.kinds.keys().map(ToString::to_string).collect()),
        "classes" => Some(DataClass::ALL.iter().map(ToString::to_string).collect()),
        "from_secrecy" | "to_secrecy" | "actor_secrecy" => own(&["profession", "mission", "fonction", "aucun"]),
        "from_role" | "to_role" | "actor_role" => own(&["implements", "assists", "authority", "none"]),
        "actor" => own(&["professional", "system", "institution-alone"]),
        // A set that was written before the list has none.
        "actor_profession" => codes("CL-profession"),
        "actor_functions" | "approver_functions" => {
            let word = |role: &Role| serde_json::to_value(role).ok()?.as_str().map(str::to_owned);
            Some(Role::ALL.iter().filter_map(word).collect())
        }
        "urgency" => own(&["immediate", "priority", "ordinary", "batch"]),
        "agreement" => own(&["aucune", "en-vigueur", "hors-perimetre", "pas-en-vigueur"]),
        "agreement_need" => own(&["none", "required", "for-channel"]),
        "person" => codes("CL-accord-personne").map(|mut codes| {
            codes.insert("non-renseigne".to_owned());
            codes
        }),
        "ages" => own(&["a-naitre", "moins-de-2", "2-14", "15-17", "majeur", "inconnu"]),
        "residence" => own(&["ici", "ailleurs", "inconnue"]),
        "file" => own(&["administratif", "justice", "inconnu"]),
        "stage" => own(&["ask", "release"]),
        "protected" => own(&["aucune", "declarant", "lieu-accueil", "statistique"]),
        "parents" => codes("CL-info-parents"),
        "child" => codes("CL-info-enfant"),
        "purpose" => codes("CL-purpose"),
        // Types to come, articles and what documents say have no closed list.
        _ => None,
    }
}
