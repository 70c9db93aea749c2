//! Advice: the answer to "may I?" before anything is sent or opened.
//!
//! It rests on the rules and on what the asker says or is. It never looks at what a given exchange keeps from
//! somebody, so that no question can tell whether a file exists (invariant 15).

use std::collections::BTreeSet;

use exchange::{DataClass, envelope::Route};
use serde::{Serialize, Serializer};

use super::{
    DecisionRecord, Explanation, Policies, Withheld,
    question::{Reading, Submission},
};

/// The answer to "may I?", nothing sent: `{"verdict", "explanations", "obligations", "withheld", "reserve"}`.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// It may be done; written `permit` or `refusal`.
    #[serde(rename = "verdict", serialize_with = "verdict")]
    pub permitted: bool,
    /// Why, or why not: the rules, their articles and the facts they looked at.
    pub explanations: Vec<Explanation>,
    /// What has to be done with it.
    pub obligations: Vec<String>,
    /// Classes and fields that the recipient, or this reader, will not get, with the reason.
    pub withheld: Vec<Withheld>,
    /// What is decided at delivery only, in French (« sous réserve »).
    #[serde(rename = "reserve")]
    pub reserved: Vec<String>,
    /// For the log.
    #[serde(skip)]
    pub record: DecisionRecord,
}

impl Policies {
    /// Whether a document of these classes may be sent on this route.
    pub fn may_submit(&self, route: &Route, classes: &BTreeSet<DataClass>, ask: &Submission<'_>) -> Decision {
        let record = self.submit(route, classes, ask);
        let mut withheld = Vec::new();
        if record.permitted
            && let Ok(mut asking) = self.ask(ask.now, "submit", &record.facts, (&record.from, &record.to), None)
        {
            for class in classes {
                let answer = asking.receive("DataClass", class.as_str());
                if !answer.permitted {
                    let reasons = self.explanations(&[answer], &record.facts);
                    withheld.push(Withheld { part: class.as_str().to_owned(), reasons });
                }
            }
        }
        self.advice(record, withheld, &[READER, SECRECY])
    }

    /// Whether this person could open an exchange such as the one described, and what would be withheld.
    ///
    /// About rules and the asker's own facts: who is excluded from a file and who is in charge of it do not count
    /// here, even when the exchange described exists.
    pub fn may_open(&self, ask: &Reading<'_>) -> Decision {
        let route = Route { exclus: Vec::new(), ..ask.route.clone() };
        let general = Reading { route: &route, case_link: true, ..ask.clone() };
        let (record, withheld) = match self.weigh(&general) {
            Ok(weighed) => {
                let lost = weighed.lost.into_iter().map(|part| part.shown).collect();
                (weighed.record, lost)
            }
            Err(record) => (*record, Vec::new()),
        };
        self.advice(record, withheld, &[LINK, EXCLUDED])
    }

    fn advice(&self, record: DecisionRecord, withheld: Vec<Withheld>, reserved: &[&str]) -> Decision {
        let explanations = self.explain(&record);
        Decision {
            permitted: record.permitted,
            explanations,
            obligations: record.obligations.clone(),
            withheld,
            reserved: reserved.iter().map(|text| (*text).to_owned()).collect(),
            record,
        }
    }
}

fn verdict<S: Serializer>(permitted: &bool, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(if *permitted { "permit" } else { "refusal" })
}

const READER: &str = "Sous réserve, à la remise, de l’habilitation de la personne qui ouvrira et de son lien avec le dossier.";
const SECRECY: &str = "Sous réserve de ce que cette personne peut lire selon son secret professionnel.";
const LINK: &str = "Sous réserve d’être chargé du dossier : décidé à l’ouverture.";
const EXCLUDED: &str = "Sous réserve des personnes et institutions écartées d’un dossier : décidé à l’ouverture.";
