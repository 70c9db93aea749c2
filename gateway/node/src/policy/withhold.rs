//! Withholding: which parts of a content one person may read.
//!
//! A class passes only when the recipient's unit may hold it *and* this person may read it. What is
//! hidden leaves no trace: not in the list of what was withheld, not in the document.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{DataClass, document::Leaves};
use serde::Serialize;

use crate::catalogue::Field;

use super::{
    Permit, Policies,
    ask::Asking,
    decide::Denial,
    explain::Explanation,
    question::{Opening, Reading},
    record::{DecisionRecord, Question},
};

/// Something that exists and was not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withheld {
    /// Class or catalogue path.
    pub part: String,
    /// Why, and who may lift it.
    pub reasons: Vec<Explanation>,
}

/// What one person may read of one exchange.
#[derive(Debug)]
pub struct Release {
    permit: Permit,
    granted: BTreeSet<DataClass>,
    gates: Gates,
    withheld: Vec<Withheld>,
    record: DecisionRecord,
}

/// What the rules say of one part: to the recipient's unit, then to this person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gate {
    receive: Say,
    disclose: Say,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Say {
    Permit,
    Forbid,
    /// No rule speaks of it, or it was not asked: a class stays closed, a field follows its class.
    Nothing,
}

/// The gates of the classes present and of the fields that rules name.
#[derive(Debug, Default)]
struct Gates {
    classes: BTreeMap<DataClass, Gate>,
    fields: BTreeMap<String, Gate>,
}

/// An opening that the rules permit, before what is hidden is hidden.
pub(super) struct Weighed {
    gates: Gates,
    pub(super) lost: Vec<Part>,
    pub(super) record: DecisionRecord,
}

/// A part that is withheld, and whether even that is secret.
pub(super) struct Part {
    pub(super) shown: Withheld,
    pub(super) hidden: bool,
}

impl Release {
    /// The permit to open the exchange.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Classes this person may read.
    pub fn granted(&self) -> &BTreeSet<DataClass> {
        &self.granted
    }

    /// Whether anything of `class` can be read: a class that cannot need not be decrypted.
    pub fn opens(&self, class: DataClass) -> bool {
        self.granted.contains(&class) || self.gates.fields.values().any(|field| self.gates.passes(*field, class))
    }

    /// Drops from the leaves of one class what this person may not read. A rule that names a field prevails over its
    /// class; where it says nothing, the class decides.
    pub fn filter(&self, class: DataClass, leaves: &mut Leaves) {
        let whole = self.granted.contains(&class);
        leaves.retain(|at| {
            let path = at.path();
            let mut named = self.gates.fields.iter().filter(|(field, _)| under(&path, field)).peekable();
            if named.peek().is_none() { whole } else { named.all(|(_, field)| self.gates.passes(*field, class)) }
        });
    }

    /// What was withheld and may be known to be.
    pub fn withheld(&self) -> &[Withheld] {
        &self.withheld
    }

    /// For the log.
    pub fn record(&self) -> &DecisionRecord {
        &self.record
    }
}

impl Gate {
    fn open(self) -> bool {
        self.receive == Say::Permit && self.disclose == Say::Permit
    }
}

impl Gates {
    /// Whether the leaf of a class passes under a field that a rule names.
    fn passes(&self, field: Gate, class: DataClass) -> bool {
        let class = self.classes.get(&class).copied().unwrap_or(Gate { receive: Say::Nothing, disclose: Say::Nothing });
        let through = |field, class| match field {
            Say::Permit => true,
            Say::Forbid => false,
            Say::Nothing => class == Say::Permit,
        };
        through(field.receive, class.receive) && through(field.disclose, class.disclose)
    }
}

/// Whether a catalogue path is `top` or lies below it.
fn under(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}

impl Policies {
    /// Whether this person may open the exchange, and which parts of it they may read.
    ///
    /// # Errors
    /// [`Denial`], with the record of the decision for the log.
    pub fn release(&self, ask: &Reading<'_>) -> Result<Release, Denial> {
        let Weighed { gates, lost, record } = match self.weigh(ask) {
            Ok(weighed) => weighed,
            Err(record) if record.undecided() => return Err(Denial::Undecidable { record }),
            Err(record) => {
                let hidden = record.questions.iter().any(|question| self.hides(question));
                let explanations = if hidden { Vec::new() } else { self.explanations(&record.questions, &record.facts) };
                return Err(Denial::Forbidden { explanations, hidden, alarm: false, record });
            }
        };
        let granted = gates.classes.iter().filter(|(_, gate)| gate.open()).map(|(class, _)| *class).collect();
        let withheld = lost.into_iter().filter(|part| !part.hidden).map(|part| part.shown).collect();
        Ok(Release { permit: Permit { exchange: ask.exchange }, granted, gates, withheld, record })
    }

    /// Asks whether the exchange opens, then about each part; the error is the record of a refusal.
    pub(super) fn weigh(&self, ask: &Reading<'_>) -> Result<Weighed, Box<DecisionRecord>> {
        let facts = ask.facts();
        let ends = (ask.reader.institution.as_str(), ask.route.recipient.institution.as_str());
        let record = |asked: Vec<Question>| self.record(ask.exchange, ask.now, facts.clone(), ends, None, asked);
        let Ok(mut asking) = self.ask(ask.now, "open", &facts, ends, None) else { return Err(Box::new(record(Vec::new()))) };
        let reader = ask.reader.id.to_string();
        let action = match ask.opening {
            Opening::Ordinary => "open",
            Opening::BreakGlass { .. } => "break_glass",
        };
        if !asking.question(action, ("Professional", &reader), ("Exchange", &ask.exchange.to_string())).permitted {
            return Err(Box::new(record(asking.into_asked())));
        }
        let (gates, lost) = self.weigh_parts(&mut asking, &reader, (&ask.classes, &ask.paths), &ask.exchange_type.fields, &facts);
        let mut record = record(asking.into_asked());
        record.withheld = lost.iter().map(|part| part.shown.part.clone()).collect();
        if record.undecided() {
            record.permitted = false;
            return Err(Box::new(record));
        }
        Ok(Weighed { gates, lost, record })
    }

    /// Asks about each part of a document of `classes` and `paths`: whether the unit may hold it and this person read it.
    fn weigh_parts(
        &self,
        asking: &mut Asking<'_>,
        reader: &str,
        (classes, paths): (&BTreeSet<DataClass>, &BTreeSet<String>),
        declared: &[Field],
        facts: &serde_json::Value,
    ) -> (Gates, Vec<Part>) {
        let (mut gates, mut lost) = (Gates::default(), Vec::new());
        for class in classes {
            let (gate, refused) = asking.gate(reader, "DataClass", class.as_str());
            gates.classes.insert(*class, gate);
            if !gate.open() {
                lost.extend(refused.map(|question| self.part(question, facts)));
            }
        }
        for field in self.fields.iter().filter(|field| paths.iter().any(|path| under(path, field))) {
            let (gate, refused) = asking.gate(reader, "Field", field);
            gates.fields.insert(field.clone(), gate);
            // A field whose class is withheld or hidden anyway is not told a second time.
            let told = |path: &Field| gates.classes.get(&path.class).is_some_and(|class| class.open());
            let forbidden = gate.receive == Say::Forbid || gate.disclose == Say::Forbid;
            if forbidden && declared.iter().filter(|path| under(&path.path, field)).any(told) {
                lost.extend(refused.map(|question| self.part(question, facts)));
            }
        }
        // A class of which rules give every field that is there is not said to be withheld: nothing of it is.
        let given = |path: &str| gates.fields.iter().any(|(field, gate)| gate.open() && under(path, field));
        lost.retain(|part| {
            let of_class = |field: &&Field| field.class.as_str() == part.shown.part && paths.contains(&field.path);
            let mut present = declared.iter().filter(of_class).peekable();
            present.peek().is_none() || !present.all(|field| given(&field.path))
        });
        (gates, lost)
    }

    /// Names of the parts that a reader does not get, hidden ones included.
    pub(super) fn lost(
        &self,
        asking: &mut Asking<'_>,
        reader: &str,
        classes: &BTreeSet<DataClass>,
        declared: &[Field],
        facts: &serde_json::Value,
    ) -> Vec<String> {
        let paths = declared.iter().filter(|field| classes.contains(&field.class)).map(|field| field.path.clone()).collect();
        let (_, lost) = self.weigh_parts(asking, reader, (classes, &paths), declared, facts);
        lost.into_iter().map(|part| part.shown.part).collect()
    }

    fn part(&self, refused: Question, facts: &serde_json::Value) -> Part {
        let hidden = refused.error || self.hides(&refused);
        let reasons = self.explanations(std::slice::from_ref(&refused), facts);
        Part { shown: Withheld { part: refused.resource.1, reasons }, hidden }
    }

    /// Whether even the existence of what was refused is withheld.
    pub(super) fn hides(&self, refused: &Question) -> bool {
        !refused.permitted && refused.policies.iter().filter_map(|id| self.note(id)).any(|note| note.hidden)
    }
}

impl Asking<'_> {
    /// The gate of one part, with the question that closed it. A person is asked about only when the unit may hold it.
    fn gate(&mut self, reader: &str, kind: &str, id: &str) -> (Gate, Option<Question>) {
        let unit = self.receive(kind, id);
        let receive = Say::of(&unit);
        if receive == Say::Forbid || (receive == Say::Nothing && kind == "DataClass") {
            return (Gate { receive, disclose: Say::Nothing }, Some(unit));
        }
        let person = self.question("disclose", ("Professional", reader), (kind, id));
        let disclose = Say::of(&person);
        (Gate { receive, disclose }, (disclose != Say::Permit).then_some(person))
    }
}

impl Say {
    fn of(answer: &Question) -> Self {
        match (answer.permitted, answer.error || !answer.policies.is_empty()) {
            (true, _) => Self::Permit,
            (false, true) => Self::Forbid,
            (false, false) => Self::Nothing,
        }
    }
}
