//! What the receiver of a drop answers: taken or refused, and each remark at its file, line and column, in the sender's own terms.

use exchange::{ExchangeId, Instant, InstitutionId, canonical};
use serde_json::{Map, Value, json};

use crate::{
    drop::{
        manifest::{Members, institution, said},
        name::{DropName, Part, Sequence},
    },
    reading::{Column, Finding, Place, Refused},
};

/// The answer to one drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who left the drop.
    pub sender: InstitutionId,
    /// Who got it, and answers.
    pub recipient: InstitutionId,
    /// Which drop.
    pub sequence: Sequence,
    /// When it was decided.
    pub instant: Instant,
    /// What became of it.
    pub outcome: Outcome,
    /// What its sender is told.
    pub remarks: Vec<Remark>,
}

/// What became of a drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its exchanges were accepted, in the order of its files and of the records in each.
    Accept(Vec<ExchangeId>),
    /// Nothing of it was taken over.
    Refuse,
}

/// One finding at its place, as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// In which file; none when it is about the drop.
    pub file: Option<DropName>,
    /// On which line, from 1.
    pub line: Option<u64>,
    /// Where on it, or where in the file: a column, an element, a path.
    pub at: Option<String>,
    /// Stable code of the finding.
    pub code: String,
    /// One sentence: what is wrong, or what was not taken over.
    pub detail: String,
    /// One sentence: what would cure it.
    pub cure: Option<String>,
}

impl Remark {
    /// A finding of an adapter about a file.
    pub fn of(file: Option<DropName>, finding: &Finding) -> Self {
        let (line, at) = match &finding.place {
            Place::Cell { line, column: Column::Named(name) } => (Some(*line), Some((*name).to_owned())),
            Place::Cell { line, column: Column::Mapped(name) } => (Some(*line), Some(name.clone())),
            Place::Cell { line, column: column @ Column::Unknown(_) } => (Some(*line), Some(column.to_string())),
            Place::Line(line) => (Some(*line), None),
            Place::Element { line, name } => (Some(*line), Some(name.clone())),
            Place::Path(path) => (None, Some(path.clone())),
            Place::File(name) => (None, Some(name.clone())),
            Place::Whole => (None, None),
        };
        Self { file, line, at, code: finding.code.to_owned(), detail: finding.detail.clone(), cure: finding.cure.clone() }
    }
}

impl Acknowledgement {
    /// Reads an answer to a drop of ours.
    ///
    /// # Errors
    /// Every place that is not as it should be.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        if bytes.len() > MAX_BYTES {
            return Err(Finding::new(Place::Whole, "too-large", "L’accusé dépasse 4 Mio.").into());
        }
        let value = canonical::parse(bytes).map_err(|e| Refused::from(Finding::new(Place::Whole, "not-json", said(&e))))?;
        let mut reading = Members { at: "$".to_owned(), value: &value, findings: Vec::new() };
        reading.only(&["version", "sender", "recipient", "sequence", "instant", "outcome", "exchanges", "remarks"]);
        reading.take("version", |value| (value == &json!(VERSION)).then_some(()), "le nombre 1");
        let sender = reading.take("sender", institution, "l’identifiant d’une institution de l’annuaire");
        let recipient = reading.take("recipient", institution, "l’identifiant d’une institution de l’annuaire");
        let sequence = reading.take("sequence", |value| value.as_u64().and_then(Sequence::new), "un nombre de 1 à 9 999 999 999");
        let instant = reading.take("instant", |value| value.as_str()?.parse().ok(), "un instant (RFC 3339)");
        let exchanges = reading.take("exchanges", exchanges, "une liste d’identifiants d’échange");
        let accepted = reading.take("outcome", outcome, "« accepted », ou « refused » sans aucun échange");
        let list = reading.take("remarks", Value::as_array, "une liste");
        let mut findings = reading.findings;
        let remarks = list.map(|list| remarks(list, &mut findings)).unwrap_or_default();
        let outcome = match (accepted, exchanges) {
            (Some(true), Some(exchanges)) => Some(Outcome::Accept(exchanges)),
            (Some(false), Some(exchanges)) if exchanges.is_empty() => Some(Outcome::Refuse),
            (Some(false), Some(_)) => {
                let place = Place::Path("$.exchanges".into());
                findings.push(Finding::new(place, "bad-value", "Un dépôt refusé ne fait naître aucun échange."));
                None
            }
            _ => None,
        };
        match (sender, recipient, sequence, instant, outcome) {
            (Some(sender), Some(recipient), Some(sequence), Some(instant), Some(outcome)) if findings.is_empty() => {
                Ok(Self { sender, recipient, sequence, instant, outcome, remarks })
            }
            _ => Err(Refused(findings)),
        }
    }

    /// The bytes to sign and to leave (RFC 8785).
    ///
    /// # Errors
    /// Memory that cannot be had.
    pub fn write(&self) -> Result<Vec<u8>, Refused> {
        let (outcome, exchanges) = match &self.outcome {
            Outcome::Accept(exchanges) => ("accepted", exchanges.as_slice()),
            Outcome::Refuse => ("refused", [].as_slice()),
        };
        let remarks: Vec<Value> = self.remarks.iter().map(Remark::value).collect();
        let value = json!({
            "version": VERSION, "sender": self.sender, "recipient": self.recipient, "sequence": self.sequence.number(),
            "instant": self.instant, "outcome": outcome, "exchanges": exchanges, "remarks": remarks,
        });
        canonical::bytes(&value).map_err(|_| Finding::new(Place::Whole, "unwritable", "L’accusé n’a pas pu être écrit.").into())
    }

    /// Its own name: that of the drop it answers.
    pub fn name(&self) -> DropName {
        DropName { sender: self.sender.clone(), sequence: self.sequence, part: Part::Acknowledgement }
    }
}

impl Remark {
    fn value(&self) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| value.map(|value| members.insert(name.to_owned(), value));
        put("file", self.file.as_ref().map(|name| name.to_string().into()));
        put("line", self.line.map(Into::into));
        put("at", self.at.clone().map(Into::into));
        put("code", Some(self.code.clone().into()));
        put("detail", Some(self.detail.clone().into()));
        put("cure", self.cure.clone().map(Into::into));
        Value::Object(members)
    }
}

fn remarks(list: &[Value], findings: &mut Vec<Finding>) -> Vec<Remark> {
    let remarks = list.iter().enumerate().filter_map(|(at, value)| {
        let mut reading = Members { at: format!("$.remarks[{at}]"), value, findings: Vec::new() };
        reading.only(&["file", "line", "at", "code", "detail", "cure"]);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut optional = |name: &str| value.get(name).and_then(|_| reading.take(name, text, "un texte"));
        let (at, cure) = (optional("at"), optional("cure"));
        let file = value.get("file").and_then(|_| reading.take("file", |v| v.as_str()?.parse().ok(), "le nom d’un fichier de dépôt"));
        let line = value.get("line").and_then(|_| reading.take("line", Value::as_u64, "un numéro de ligne"));
        let code = reading.take("code", text, "un code");
        let detail = reading.take("detail", text, "une phrase");
        findings.append(&mut reading.findings);
        Some(Remark { file, line, at, code: code?, detail: detail?, cure })
    });
    remarks.collect()
}

fn exchanges(value: &Value) -> Option<Vec<ExchangeId>> {
    value.as_array()?.iter().map(|id| id.as_str()?.parse().ok()).collect()
}

fn outcome(value: &Value) -> Option<bool> {
    match value.as_str()? {
        "accepted" => Some(true),
        "refused" => Some(false),
        _ => None,
    }
}

const MAX_BYTES: usize = 4 << 20;
const VERSION: u8 = 1;
