//! Decision records: what was asked, with which rules, and what came out, so that it can be asked again.
//!
//! Holds kinds, classes, codes and opaque ids: never an identity, never a word of the content.

use exchange::{AgreementId, ExchangeId, Instant, Party};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Policies;

/// One question put to the rules and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Action of the schema.
    pub action: String,
    /// Entity type and id of who asks.
    pub principal: (String, String),
    /// Entity type and id of what is asked about.
    pub resource: (String, String),
    /// Permitted.
    pub permitted: bool,
    /// A rule could not be evaluated: never permitted.
    pub error: bool,
    /// Ids of the rules that decided.
    pub policies: Vec<String>,
}

/// A whole decision, replayable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The exchange.
    pub exchange: ExchangeId,
    /// [`Policies::hash`].
    pub policy_set: String,
    /// When it was decided: also the day whose rules apply.
    pub at: Instant,
    /// The context every question was asked in.
    pub facts: Value,
    /// Institution of the one who acts.
    pub from: String,
    /// Institution that receives.
    pub to: String,
    /// Agreement in force that was linked.
    pub agreement: Option<AgreementId>,
    /// Both ends and the agreement that was named, of what was to be sent: whether that agreement served is a fact of its
    /// day, and another register may see it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Named>,
    /// Questions in order.
    pub questions: Vec<Question>,
    /// Rules that decided (`R05`), sorted.
    pub rules: Vec<String>,
    /// Obligation codes, sorted.
    pub obligations: Vec<String>,
    /// The result as a whole.
    pub permitted: bool,
    /// Classes and fields withheld, hidden ones included.
    pub withheld: Vec<String>,
}

/// What a sender wrote about the frame of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Sending party.
    pub sender: Party,
    /// Receiving party.
    pub recipient: Party,
    /// Agreement invoked, in force or not.
    pub agreement: Option<AgreementId>,
}

/// What asking again gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// Every answer is the same, by the same rules.
    pub same: bool,
    /// The rules loaded are those of the record.
    pub same_policies: bool,
    /// Every question in order, as it is answered now.
    pub answers: Vec<Question>,
    /// Questions whose answer differs, as they are answered now.
    pub different: Vec<Question>,
}

impl DecisionRecord {
    /// A question failed, or none could be asked: the answer is no, and somebody has to look.
    pub fn undecided(&self) -> bool {
        self.questions.is_empty() || self.questions.iter().any(|question| question.error)
    }
}

impl Policies {
    /// Asks every question of a record again with the rules of its day.
    pub fn replay(&self, record: &DecisionRecord) -> Replay {
        let action = record.questions.first().map_or("submit", |first| first.action.as_str());
        let asking = self.ask(record.at, action, &record.facts, (&record.from, &record.to), record.agreement.as_ref());
        let answers: Vec<Question> = match asking {
            Ok(mut asking) => {
                for old in &record.questions {
                    asking.question(&old.action, (&old.principal.0, &old.principal.1), (&old.resource.0, &old.resource.1));
                }
                asking.into_asked()
            }
            Err(_) => Vec::new(),
        };
        let mut different: Vec<Question> =
            answers.iter().zip(&record.questions).filter(|(new, old)| new != old).map(|(new, _)| new.clone()).collect();
        if answers.len() != record.questions.len() {
            different.clone_from(&record.questions);
        }
        let same_policies = record.policy_set == self.hash();
        Replay { same: different.is_empty() && same_policies, same_policies, answers, different }
    }

    /// What follows from other answers to the questions of a record: rules, obligations, the result.
    pub fn concluded(&self, record: &DecisionRecord, answers: Vec<Question>) -> DecisionRecord {
        let ends = (record.from.as_str(), record.to.as_str());
        self.record(record.exchange, record.at, record.facts.clone(), ends, record.agreement.as_ref(), answers)
    }
}
