//! Explanations: why something was refused, in the words of the rule that refused it.
//!
//! Never holds a fact about a person: only what the policy files say.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why something was refused and what would cure it. French, for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Rule, `R05`.
    pub rule: String,
    /// Article of law.
    pub article: String,
    /// What the rule says.
    pub explain: String,
    /// The fact that is missing or contrary.
    pub missing: String,
    /// What would change the answer.
    pub cure: String,
    /// Who may do that.
    pub who: String,
}

impl Explanation {
    /// R01: nothing permits it.
    pub(super) fn of_default(facts: &Value) -> Self {
        let false_at = |key: &str| facts.get(key) == Some(&Value::Bool(false));
        let missing = if false_at("from_ok") {
            "Cet échange n’est pas prévu au départ de ce service."
        } else if false_at("to_ok") {
            "Cet échange n’est pas prévu vers ce destinataire."
        } else {
            "Aucune règle n’ouvre cette information à ce destinataire."
        };
        Self {
            rule: "R01".to_owned(),
            article: "RGPD 5 et 32".to_owned(),
            explain: "Ce qu’aucune règle ne permet est refusé.".to_owned(),
            missing: missing.to_owned(),
            cure: "Choisir un échange prévu au catalogue, ou s’adresser à la CRIP.".to_owned(),
            who: "vous-même, avec la CRIP".to_owned(),
        }
    }

    /// The question could not be answered: refused, and nobody is told more.
    pub(super) fn of_failure() -> Self {
        Self {
            rule: "R01".to_owned(),
            article: "RGPD 5 et 32".to_owned(),
            explain: "La décision n’a pas pu être prise ; dans le doute, la réponse est non.".to_owned(),
            missing: "Une règle n’a pas pu être appliquée.".to_owned(),
            cure: "Réessayer ; si le danger est grave et immédiat, téléphoner.".to_owned(),
            who: "l’administrateur de la passerelle".to_owned(),
        }
    }
}
