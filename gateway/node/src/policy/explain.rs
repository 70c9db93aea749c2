//! Explanations: why something was refused or permitted, in the words of the rules, with the facts they looked at.
//!
//! What a rule says comes from its file; the facts are those of this decision, as codes and yes or no. Nothing here is
//! about a person in particular: no name, no word of a content, and nothing of what a file keeps from somebody.

mod facts;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DecisionRecord, Policies, record::Question};

/// Why something was refused and what would cure it, or why it was permitted and what follows. French, for who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Rule, `R05`.
    pub rule: String,
    /// Article of law.
    pub article: String,
    /// What the rule says.
    pub explain: String,
    /// The facts that the rule looked at, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// The fact that is missing or contrary; nothing for a permission.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub missing: String,
    /// What would change the answer; nothing for a permission.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cure: String,
    /// Who may do that; nothing for a permission.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub who: String,
    /// Codes of what has to be done because of this permission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<String>,
    /// The rule is written from memory: what a jurist must confirm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

impl Policies {
    /// Why a decision is what it is: the rules that refused, or those that permitted with what they oblige to.
    ///
    /// For who may know the whole decision: a refusal that hides existence is explained here too.
    pub fn explain(&self, record: &DecisionRecord) -> Vec<Explanation> {
        let Some(first) = record.questions.first().filter(|_| !record.undecided()) else { return vec![Explanation::of_failure()] };
        if record.permitted { self.grounds(first, &record.facts) } else { self.explanations(std::slice::from_ref(first), &record.facts) }
    }

    /// Why the refused questions were refused.
    pub(super) fn explanations(&self, questions: &[Question], facts: &Value) -> Vec<Explanation> {
        let mut found: Vec<Explanation> = Vec::new();
        for question in questions.iter().filter(|question| !question.permitted) {
            if question.policies.is_empty() {
                found.push(Explanation::of_default(facts));
            }
            found.extend(question.policies.iter().filter_map(|id| self.told(id, facts)));
        }
        // The table of rules goes from the general to the particular: the most particular says most, and is told first.
        found.sort_by(|a, b| b.rule.cmp(&a.rule));
        found
    }

    /// Why a question was permitted: by the law of shared secrecy where secrets are shared, then rule by rule.
    fn grounds(&self, question: &Question, facts: &Value) -> Vec<Explanation> {
        let mut found: Vec<Explanation> = question.policies.iter().filter_map(|id| self.told(id, facts)).collect();
        found.sort_by(|a, b| b.rule.cmp(&a.rule));
        if question.action == "submit" {
            found.splice(0..0, Explanation::of_sharing(facts));
        }
        found
    }

    fn told(&self, id: &str, facts: &Value) -> Option<Explanation> {
        let note = self.note(id)?;
        Some(Explanation {
            facts: facts::tell(note.facts.iter().map(String::as_str), facts),
            obligations: note.obligations.clone(),
            confirm: note.confirm.clone(),
            ..note.explanation.clone()
        })
    }
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
            facts: facts::tell(["type", "from_kind", "to_kind"].into_iter(), facts),
            missing: missing.to_owned(),
            cure: "Choisir un échange prévu au catalogue, ou s’adresser à la CRIP.".to_owned(),
            who: "vous-même, avec la CRIP".to_owned(),
            obligations: Vec::new(),
            confirm: None,
        }
    }

    /// What nobody has sorted yet may be of any class.
    pub(super) fn of_unsorted() -> Self {
        Self {
            rule: "R01".to_owned(),
            article: "RGPD 5 et 32".to_owned(),
            explain: "Ce que personne n’a encore trié peut relever de toute classe de données : seul le lit qui peut les lire toutes."
                .to_owned(),
            facts: Vec::new(),
            missing: "Une partie des classes que ce type peut contenir ne vous est pas ouverte.".to_owned(),
            cure: "Demander au service destinataire de trier ce qui n’était pas conforme.".to_owned(),
            who: "une personne du service qui lit toutes les classes".to_owned(),
            obligations: Vec::new(),
            confirm: None,
        }
    }

    /// The question could not be answered: refused, and nobody is told more.
    pub(super) fn of_failure() -> Self {
        Self {
            rule: "R01".to_owned(),
            article: "RGPD 5 et 32".to_owned(),
            explain: "La décision n’a pas pu être prise ; dans le doute, la réponse est non.".to_owned(),
            facts: Vec::new(),
            missing: "Une règle n’a pas pu être appliquée.".to_owned(),
            cure: "Réessayer ; si le danger est grave et immédiat, téléphoner.".to_owned(),
            who: "l’administrateur de la passerelle".to_owned(),
            obligations: Vec::new(),
            confirm: None,
        }
    }

    /// By which of its two roads a secret goes: shared between people bound by secrecy (L226-2-2), with what was found of
    /// each of the five conditions, or transmitted to the Département by somebody who is not (L226-2-1).
    fn of_sharing(facts: &Value) -> Option<Self> {
        let text = |key: &str| facts.get(key).and_then(Value::as_str).unwrap_or_default();
        let sharing = ["evaluate", "decide", "implement"].contains(&text("purpose"));
        let classes = facts.get("classes").and_then(Value::as_array)?;
        let secret = classes.iter().filter_map(Value::as_str).any(|class| !ORDINARY.contains(&class));
        let danger = facts.get("danger") == Some(&Value::Bool(true));
        if !sharing || !secret || danger || text("to_role") == "authority" {
            return None;
        }
        let bound = text("actor_secrecy") != "aucun";
        let (rule, article, explain) = if bound {
            (
                "R05",
                "CASF L226-2-2",
                "Le secret se partage : les cinq conditions sont réunies. C’est une permission, que la personne choisit.",
            )
        } else {
            ("R02", "CASF L226-2-1", "La personne, qui n’est pas tenue au secret, transmet au Département ce qu’elle sait.")
        };
        Some(Self {
            rule: rule.to_owned(),
            article: article.to_owned(),
            explain: explain.to_owned(),
            facts: facts::tell(if bound { ["secret"] } else { ["actor_secrecy"] }.into_iter(), facts),
            missing: String::new(),
            cure: String::new(),
            who: String::new(),
            obligations: Vec::new(),
            confirm: None,
        })
    }
}

/// Classes that are no secret by themselves.
const ORDINARY: &[&str] = &["identite", "contact", "reference", "scolaire", "statistique"];
