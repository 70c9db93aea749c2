//! Withholding: which parts of a content one person may read.
//!
//! A class passes only when the recipient's unit may hold it *and* this person may read it. What is
//! hidden leaves no trace: not in the list of what was withheld, not in the document.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{
    DataClass,
    document::{Leaves, Pointer},
    envelope::Draft,
};
use serde::Serialize;

use crate::catalogue::{self, Field};

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
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gate {
    receive: Say,
    disclose: Say,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Say {
    Permit,
    /// The law forbids it, but for the fields that every rule which forbids it excepts.
    Forbid {
        but: BTreeSet<String>,
    },
    /// No rule speaks of it: a class stays closed, a field follows its class.
    Nothing,
    /// Not asked: nothing passes.
    Unasked,
}

/// The gates of the classes present and of the fields that rules name.
#[derive(Debug, Default)]
struct Gates {
    classes: BTreeMap<DataClass, Gate>,
    fields: BTreeMap<String, Gate>,
    /// Whether every class that the type may hold is open.
    everything: bool,
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

impl Withheld {
    /// Content that nobody has sorted yet, and that was kept back ([`Release::filter`]).
    pub fn unsorted() -> Self {
        Self { part: NOT_CONFORMING.to_owned(), reasons: vec![Explanation::of_unsorted()] }
    }
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
        self.granted.contains(&class) || self.gates.fields.iter().any(|(path, gate)| self.gates.passes(path, gate, class))
    }

    /// Drops from the leaves of one class what this person may not read. A prohibition that names a field takes it out of
    /// its class; a permit that names one gives it although nothing opens the class, and not against a prohibition of the
    /// class that does not except it. Where no rule names it, the class decides.
    ///
    /// What nobody has sorted yet lies in one class and may be of any: only who may read all of them reads it. Says whether
    /// some of that was dropped.
    pub fn filter(&self, class: DataClass, leaves: &mut Leaves) -> bool {
        let sorted = sorted([&*leaves]);
        let mut dropped = false;
        leaves.retain(|at| {
            let unsorted =
                at.segments().first().is_some_and(|top| top == NOT_CONFORMING) || file(at).is_some_and(|file| !sorted.contains(&file));
            let kept_back = unsorted && !self.gates.everything;
            dropped |= kept_back;
            !kept_back && self.gates.show(&at.path(), class)
        });
        dropped
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
    fn open(&self) -> bool {
        self.receive == Say::Permit && self.disclose == Say::Permit
    }
}

impl Gates {
    /// Whether the leaf of a class at a path passes.
    fn show(&self, path: &str, class: DataClass) -> bool {
        let mut named = self.fields.iter().filter(|(field, _)| under(path, field)).peekable();
        if named.peek().is_none() {
            return self.classes.get(&class).is_some_and(Gate::open);
        }
        named.all(|(field, gate)| self.passes(field, gate, class))
    }

    /// Whether the leaf of a class passes under a field that a rule names.
    fn passes(&self, name: &str, field: &Gate, class: DataClass) -> bool {
        let Some(class) = self.classes.get(&class) else { return false };
        // INVARIANT: what a département permits never lifts what the law forbids. Only the prohibition itself excepts a field.
        let through = |field: &Say, class: &Say| match (field, class) {
            (Say::Permit, Say::Permit | Say::Nothing) | (Say::Nothing, Say::Permit) => true,
            (Say::Permit, Say::Forbid { but }) => but.contains(name),
            (Say::Permit, Say::Unasked) | (Say::Nothing, _) | (Say::Forbid { .. } | Say::Unasked, _) => false,
        };
        through(&field.receive, &class.receive) && through(&field.disclose, &class.disclose)
    }
}

/// Whether a document has something that nobody has sorted yet ([`Release::filter`]).
pub(super) fn unsorted(draft: &Draft) -> bool {
    let sorted = sorted(draft.body.values());
    let files = || draft.body.values().flat_map(Leaves::iter).filter_map(|(at, _)| file(at));
    !draft.non_conforme.is_empty() || files().any(|file| !sorted.contains(&file))
}

/// The attachments of which somebody said the class.
fn sorted<'l>(document: impl IntoIterator<Item = &'l Leaves>) -> BTreeSet<Pointer> {
    let all = document.into_iter().flat_map(Leaves::iter);
    all.map(|(at, _)| at).filter(|at| says_class(at)).filter_map(file).collect()
}

/// The attachment to which a leaf belongs.
fn file(at: &Pointer) -> Option<Pointer> {
    match at.segments() {
        [top, n, ..] if top == ATTACHMENTS => Some(Pointer::default().child(top).child(n)),
        _ => None,
    }
}

/// Whether a leaf says the class of an attachment.
fn says_class(at: &Pointer) -> bool {
    matches!(at.segments(), [top, _, leaf] if top == ATTACHMENTS && leaf == "class")
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
    #[tracing::instrument(level = "debug", skip_all, name = "decide")]
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
        let record = |asked: Vec<Question>| {
            let record = self.record(ask.exchange, ask.now, facts.clone(), ends, None, asked);
            DecisionRecord { form: ask.route.form.clone(), ..record }
        };
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
        let named: Vec<&String> = self.fields.iter().filter(|field| paths.iter().any(|path| under(path, field))).collect();
        for class in classes {
            // Of a class that the unit may not hold, a rule may still give this person one field.
            let extract = declared.iter().any(|path| path.class == *class && named.iter().any(|field| under(&path.path, field)));
            let (gate, refused) = self.gate(asking, reader, ("DataClass", class.as_str()), extract);
            if !gate.open() {
                lost.extend(refused.map(|question| self.part(question, facts)));
            }
            gates.classes.insert(*class, gate);
        }
        for field in named {
            let (gate, refused) = self.gate(asking, reader, ("Field", field), false);
            // A field whose class is withheld or hidden anyway is not told a second time.
            let told = |path: &Field| gates.classes.get(&path.class).is_some_and(Gate::open);
            let forbidden = [&gate.receive, &gate.disclose].iter().any(|say| matches!(say, Say::Forbid { .. }));
            if forbidden && declared.iter().filter(|path| under(&path.path, field)).any(told) {
                lost.extend(refused.map(|question| self.part(question, facts)));
            }
            gates.fields.insert(field.clone(), gate);
        }
        // Where what nobody sorted may lie, it may be of any class of the type.
        let most_protected = catalogue::most_protected(declared);
        if classes.contains(&most_protected) {
            let others = catalogue::classes_of(declared).into_iter().filter(|class| !classes.contains(class));
            let others = others.map(|class| self.gate(asking, reader, ("DataClass", class.as_str()), false).0);
            let others_open = others.fold(true, |all, gate| all & gate.open());
            gates.everything = others_open && gates.classes.values().all(Gate::open);
        }
        // A class of which rules give every field that is there is not said to be withheld: nothing of it is.
        lost.retain(|part: &Part| {
            let of_class = |field: &&Field| field.class.as_str() == part.shown.part && paths.contains(&field.path);
            let mut present = declared.iter().filter(of_class).peekable();
            present.peek().is_none() || !present.all(|field| gates.show(&field.path, field.class))
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

    /// The gate of one part, with the question that closed it. A person is asked about only what the unit may hold, or
    /// what an `extract` may be given of.
    fn gate(&self, asking: &mut Asking<'_>, reader: &str, (kind, id): (&str, &str), extract: bool) -> (Gate, Option<Question>) {
        let unit = asking.receive(kind, id);
        let receive = self.say(&unit);
        let closed = match &receive {
            Say::Permit | Say::Unasked => false,
            Say::Forbid { .. } => true,
            Say::Nothing => kind == "DataClass",
        };
        if closed && !extract {
            return (Gate { receive, disclose: Say::Unasked }, Some(unit));
        }
        let person = asking.question("disclose", ("Professional", reader), (kind, id));
        let disclose = self.say(&person);
        let refused = if closed { Some(unit) } else { (disclose != Say::Permit).then_some(person) };
        (Gate { receive, disclose }, refused)
    }

    fn say(&self, answer: &Question) -> Say {
        if answer.permitted {
            return Say::Permit;
        }
        if answer.policies.is_empty() && !answer.error {
            return Say::Nothing;
        }
        let excepted = answer.policies.iter().map(|id| self.note(id).map(|note| note.excepts.clone()).unwrap_or_default());
        let but = if answer.error { None } else { excepted.reduce(|all, one| &all & &one) };
        Say::Forbid { but: but.unwrap_or_default() }
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

/// Where a document keeps what did not conform, and its attachments.
const NOT_CONFORMING: &str = "non_conforme";
const ATTACHMENTS: &str = "attachments";
