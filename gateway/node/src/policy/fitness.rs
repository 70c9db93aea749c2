//! What may not be in a set that somebody tests or proposes, though it loads: words that no list knows, and prohibitions
//! that could stop an alert.

use std::collections::BTreeSet;

use exchange::{DataClass, Kind};

use super::Policies;
use crate::catalogue::Catalogue;

impl Policies {
    /// Everything of these rules that keeps them from taking force with this catalogue, in French; nothing when they may.
    ///
    /// A set that took force before is not asked again: a list that changed since must not stop a gateway from starting.
    pub fn unfit(&self, catalogue: &Catalogue) -> Vec<String> {
        let mut found = unknown_words(self, catalogue);
        found.extend(self.alerts_stopped(&|code| catalogue.is_danger(code)));
        found
    }
}

/// Words of the rules that no list knows.
pub(super) fn unknown_words(policies: &Policies, catalogue: &Catalogue) -> Vec<String> {
    let known = |fact: &str, word: &str| match fact {
        "from_kind" | "to_kind" => word.parse::<Kind>().is_ok_and(|kind| catalogue.kind(&kind).is_some()),
        "classes" => word.parse::<DataClass>().is_ok(),
        "from_secrecy" | "to_secrecy" | "actor_secrecy" => ["profession", "mission", "fonction", "aucun"].contains(&word),
        "from_role" | "to_role" | "actor_role" => ["implements", "assists", "authority", "none"].contains(&word),
        "actor" => ["professional", "system", "institution-alone"].contains(&word),
        "urgency" => ["immediate", "priority", "ordinary", "batch"].contains(&word),
        "agreement" => ["aucune", "en-vigueur", "hors-perimetre", "pas-en-vigueur"].contains(&word),
        "agreement_need" => ["none", "required", "for-channel"].contains(&word),
        "actor_functions" | "approver_functions" => serde_json::from_value::<crate::directory::Role>(word.into()).is_ok(),
        "person" => catalogue.has_code("CL-accord-personne", word) || word == "non-renseigne",
        "ages" => ["a-naitre", "moins-de-2", "2-14", "15-17", "majeur", "inconnu"].contains(&word),
        "residence" => ["ici", "ailleurs", "inconnue"].contains(&word),
        "file" => ["administratif", "justice", "inconnu"].contains(&word),
        "stage" => ["ask", "release"].contains(&word),
        "protected" => ["aucune", "declarant", "lieu-accueil", "statistique"].contains(&word),
        "parents" => catalogue.has_code("CL-info-parents", word),
        "child" => catalogue.has_code("CL-info-enfant", word),
        "purpose" => catalogue.has_code("CL-purpose", word),
        // Types to come and professions have no closed list yet.
        _ => true,
    };
    let words = policies.words.iter().filter(|(_, fact, word)| !known(fact, word));
    let words = words.map(|(rule, fact, word)| format!("{rule} : « {word} » n’existe pas pour {fact}"));
    let excepted = policies.notes.values().flat_map(|note| &note.excepts);
    let paths: BTreeSet<&String> = policies.fields.iter().chain(excepted).filter(|path| !catalogue.has_path(path)).collect();
    words.chain(paths.into_iter().map(|path| format!("aucun type n’a le champ « {path} »"))).collect()
}
