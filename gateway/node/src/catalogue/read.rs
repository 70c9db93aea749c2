//! Reads one envelope against its type: what conforms goes to its class, what does not is told to the sender.
//!
//! A danger type is never refused for a form (invariant 3): what does not conform is kept aside, sealed, and what
//! is missing is named. Linear in the size of the document. Faults hold places and what to do, never a value.

mod check;
mod computed;
mod persons;
mod route;
mod subjects;

use std::collections::{BTreeMap, BTreeSet};

use exchange::{
    AgreementId, DataClass, Instant, Kind, Party, Secrecy,
    document::{Leaves, Pointer},
    envelope::{Draft, Excluded, FieldFault, NonConforming},
};
use serde_json::{Map, Value};
use time::Date;

use self::check::Misfit;
use super::{
    ANSWER, Catalogue, Computed, Condition, ExchangeType, Field, ItemClass, Level, States,
    tree::{Branch, List, Node, Wanted},
};

/// Characters of a text.
pub(super) const MAX_TEXT: usize = 20_000;
/// Characters of a reference.
pub(super) const MAX_REFERENCE: usize = 200;
/// Items of a list.
pub(super) const MAX_ITEMS: usize = 500;
/// Faults told of one document: a sender mends these first.
const MAX_FAULTS: usize = 500;

/// What reading knows beside the document.
pub struct ReadContext<'a> {
    /// When the document came.
    pub now: Instant,
    /// The institution of the certificate, and its unit when the certificate narrows it.
    pub sender: Party,
    /// Where a danger type goes when its sender does not say.
    pub default_recipient: Option<Party>,
    /// The kind of a party, if the directory knows it.
    pub kind_of: &'a (dyn Fn(&Party) -> Option<Kind> + Sync),
    /// Whether the directory knows whoever an exchange is to be sealed from.
    pub known: &'a (dyn Fn(&Excluded) -> bool + Sync),
    /// The professional who sends: opaque id, and what binds this person to secrecy.
    pub agent: Option<(String, Secrecy)>,
    /// SIRET of the sending institution, if the directory knows it.
    pub siret: Option<String>,
    /// Worked days within which an agreement wants an answer, if it says so.
    pub days_to_answer: &'a (dyn Fn(&AgreementId) -> Option<u32> + Sync),
    /// The name of the form that is read: see [`ExchangeType::chosen`].
    pub form: Option<&'a str>,
    /// The agreement that holds when the document names none: that of the request it answers.
    pub agreement: Option<AgreementId>,
}

/// Why a document was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFailure {
    /// The document is not a JSON object.
    #[error("the document is not an envelope")]
    NotAnEnvelope,
    /// It speaks in the name of another institution or unit than the certificate: refused for danger types too.
    #[error("the sender is not the holder of the certificate")]
    SenderMismatch,
    /// Fields do not conform. Never for a danger type.
    #[error("{} fields do not conform", .0.len())]
    Faults(Vec<FieldFault>),
}

impl Catalogue {
    /// Reads an envelope of one type; `canonical` are its RFC 8785 bytes.
    ///
    /// # Errors
    /// [`ReadFailure`]; for a danger type only what is no envelope, or another's.
    pub fn read(
        &self,
        exchange_type: &ExchangeType,
        envelope: Value,
        canonical: Vec<u8>,
        context: &ReadContext<'_>,
    ) -> Result<Draft, ReadFailure> {
        let Value::Object(parts) = &envelope else { return Err(ReadFailure::NotAnEnvelope) };
        let mut reading = Reading::new(self, exchange_type, context, &envelope);
        // 1. Route: who speaks to whom, on what ground.
        let route = reading.route(parts)?;
        reading.knows(&route);
        // 2. Content, field by field; the rest of the envelope is route.
        reading.object(&exchange_type.tree, &Pointer::default(), parts, None, &|name| route::PARTS.contains(&name));
        // 3. Persons apart, under the names by which the document calls them.
        reading.persons();
        let subjects = reading.subjects();
        // 4. A form stops whatever is not about danger.
        if !reading.faults.is_empty() {
            return Err(ReadFailure::Faults(reading.faults));
        }
        let Reading { body, missing, non_conforme, attachments, occurred, limits, mut said, kept_back, parents, .. } = reading;
        // An answer may have the profile of what it answers, and no field that says so: rules hear it all the same.
        if let Some(profile) = context.form.filter(|form| *form != ANSWER && exchange_type.profile_by.is_none()) {
            said.insert(format!("profil={profile}"));
        }
        let text = |at: &str| {
            let at = at.parse().ok()?;
            body.values().find_map(|leaves| leaves.at(&at)).and_then(Value::as_str).map(str::to_owned)
        };
        let route = exchange::envelope::Route {
            parents_informed: text("/information/parents/informed").or(parents),
            parents_reason: text("/information/parents/reason").is_some(),
            parents_author: text("/information/parents/author").is_some(),
            child_informed: text("/information/child/informed"),
            person_agreed: text("/information/person/agreed"),
            children: subjects::children(&subjects),
            said,
            ..route
        };
        let necessity_stated = text("/necessity").is_some() || !kept_back.is_empty();
        Ok(Draft { route, subjects, body, missing, non_conforme, attachments, occurred, limits, kept_back, necessity_stated, canonical })
    }
}

impl ExchangeType {
    /// The form in which an envelope is written: what answers its own type, or the profile that one of its codes names.
    /// `answered` is what is known of the exchange it answers: its profile, or its type.
    pub fn chosen<'t>(&'t self, envelope: &Value, answered: Option<&str>) -> Option<&'t str> {
        let known = |name: &str| self.forms.get_key_value(name).map(|(name, _)| name.as_str());
        let answers = envelope.get("in_reply_to").is_some_and(is_filled);
        if answers && let Some(answer) = known(ANSWER) {
            return Some(answer);
        }
        let named = self.profile_by.as_ref().and_then(|path| path.split('.').try_fold(envelope, |at, step| at.get(step)));
        named.and_then(Value::as_str).or(answered).and_then(known)
    }
}

/// A document half read.
struct Reading<'a> {
    catalogue: &'a Catalogue,
    of: &'a ExchangeType,
    context: &'a ReadContext<'a>,
    envelope: &'a Value,
    sender_institution: String,
    sender_kind: Option<Kind>,
    in_reply_to: Option<exchange::ExchangeId>,
    purpose: String,
    agreement: Option<AgreementId>,
    most_protected: DataClass,
    body: BTreeMap<DataClass, Leaves>,
    /// Leaves below `/subjects/<n>`.
    persons: BTreeMap<usize, Vec<(DataClass, Pointer, Value)>>,
    missing: Vec<String>,
    non_conforme: Vec<NonConforming>,
    faults: Vec<FieldFault>,
    attachments: Vec<String>,
    occurred: Option<Instant>,
    limits: Vec<(String, Date)>,
    said: BTreeSet<String>,
    kept_back: Leaves,
    parents: Option<String>,
}

impl<'a> Reading<'a> {
    fn new(catalogue: &'a Catalogue, of: &'a ExchangeType, context: &'a ReadContext<'a>, envelope: &'a Value) -> Self {
        Self {
            catalogue,
            of,
            context,
            envelope,
            sender_institution: context.sender.institution.to_string(),
            sender_kind: None,
            in_reply_to: None,
            purpose: String::new(),
            agreement: None,
            most_protected: of.most_protected_class(),
            body: BTreeMap::new(),
            persons: BTreeMap::new(),
            missing: Vec::new(),
            non_conforme: Vec::new(),
            faults: Vec::new(),
            attachments: Vec::new(),
            occurred: None,
            limits: Vec::new(),
            said: BTreeSet::new(),
            kept_back: Leaves::new(),
            parents: None,
        }
    }

    /// What of the route fields are computed from.
    fn knows(&mut self, route: &exchange::envelope::Route) {
        self.sender_kind = (self.context.kind_of)(&route.sender);
        self.in_reply_to = route.in_reply_to;
        self.purpose.clone_from(&route.purpose);
        self.agreement.clone_from(&route.agreement);
    }

    /// `floor` is the class that the object above gives to all its leaves.
    fn node(&mut self, node: &Node, at: &Pointer, value: Option<&Value>, floor: Option<DataClass>) {
        let value = value.filter(|value| is_filled(value));
        match (node, value) {
            (Node::Leaf(index), value) => {
                if let Some(field) = self.of.fields.get(*index) {
                    self.leaf(field, at, value, floor);
                }
            }
            (Node::Object(branch), Some(Value::Object(map))) => self.object(branch, at, map, floor, &|_| false),
            (Node::List(list), Some(Value::Array(items))) => self.list(list, at, items, floor),
            (Node::Object(_), Some(other)) => self.misfit(at, Misfit::Type("un objet"), other.clone()),
            (Node::List(_), Some(other)) => self.misfit(at, Misfit::Type("une liste"), other.clone()),
            (Node::Object(Branch { wanted: Some(wanted), .. }) | Node::List(List { wanted, .. }), None) => self.absent(wanted, at),
            // Nothing names this object but its parts: they are what is missing.
            (Node::Object(branch), None) => self.object(branch, at, &Map::new(), floor, &|_| false),
        }
    }

    fn object(
        &mut self,
        branch: &Branch,
        at: &Pointer,
        map: &Map<String, Value>,
        floor: Option<DataClass>,
        elsewhere: &dyn Fn(&str) -> bool,
    ) {
        let floor = floor.max(self.guarded(branch, map));
        for (name, node) in &branch.children {
            self.node(node, &at.child(name), map.get(name), floor);
        }
        let unknown = map.iter().filter(|(name, _)| !branch.children.contains_key(*name) && !elsewhere(name));
        if self.of.danger {
            // One entry for all: what a sender invents as a key may name somebody, and is kept with the value.
            let unknown: Map<String, Value> = unknown.map(|(name, value)| (name.clone(), value.clone())).collect();
            if !unknown.is_empty() {
                self.misfit(at, Misfit::Unknown, Value::Object(unknown));
            }
        } else {
            for (name, _) in unknown {
                self.misfit(&at.child(name), Misfit::Unknown, Value::Null);
            }
        }
    }

    fn list(&mut self, list: &List, at: &Pointer, items: &[Value], floor: Option<DataClass>) {
        if let Some(rest) = items.get(MAX_ITEMS..).filter(|rest| !rest.is_empty()) {
            self.misfit(at, Misfit::TooMany, Value::Array(rest.to_vec()));
        }
        let mut any = false;
        for (n, item) in items.iter().take(MAX_ITEMS).enumerate().filter(|(_, item)| is_filled(item)) {
            any = true;
            let at = at.child(n.to_string());
            match (list.item.as_ref(), item) {
                (Node::Leaf(index), item) => {
                    if let Some(field) = self.of.fields.get(*index) {
                        self.value(field, &at, item, floor);
                    }
                }
                (Node::Object(branch), Value::Object(map)) => self.object(branch, &at, map, floor, &|_| false),
                (Node::Object(_) | Node::List(_), other) => self.misfit(&at, Misfit::Type("un objet"), other.clone()),
            }
        }
        if !any {
            self.absent(&list.wanted, at);
        }
    }

    fn leaf(&mut self, field: &Field, at: &Pointer, value: Option<&Value>, floor: Option<DataClass>) {
        let changed = value.filter(|_| field.may_change);
        if let Some(value) = changed {
            if let Err(misfit) = self.may_be(field, value) {
                self.misfit(at, misfit, value.clone());
            } else {
                self.value(field, at, value, floor);
            }
        } else if let Some(computed) = field.computed.as_ref().and_then(|computed| self.computed(computed)) {
            if let Some(given) = value.filter(|given| **given != computed) {
                self.misfit(at, Misfit::Computed, given.clone());
            }
            self.keep(field, at, computed, floor);
        } else if let Some(value) = value.filter(|_| field.computed == Some(Computed::Gateway)) {
            self.misfit(at, Misfit::Computed, value.clone());
        } else if let Some(value) = value {
            self.value(field, at, value, floor);
        } else {
            self.absent(&Wanted { level: field.level, expected_if: field.expected_if.clone() }, at);
        }
    }

    fn value(&mut self, field: &Field, at: &Pointer, value: &Value, floor: Option<DataClass>) {
        let short = |limit| value.as_str().is_none_or(|text| text.chars().nth(limit).is_none());
        match check::leaf(self.catalogue, &field.shape, value) {
            Ok(()) if !field.max.is_none_or(short) => self.misfit(at, Misfit::TooLong(field.max.unwrap_or(MAX_TEXT)), value.clone()),
            Ok(()) => self.keep(field, at, value.clone(), floor),
            Err(misfit) => self.misfit(at, misfit, value.clone()),
        }
    }

    fn keep(&mut self, field: &Field, at: &Pointer, value: Value, floor: Option<DataClass>) {
        // Whoever says when the event took place moves the clocks of others: only a sender to whom the field is offered.
        let offered = |kind: &Kind| field.offered_to.iter().any(|one| one == kind.as_str());
        if field.occurred && (field.offered_to.is_empty() || self.sender_kind.as_ref().is_some_and(offered)) {
            // An event that has not happened yet starts nothing.
            let day = || Some(self.catalogue.calendar.begin_of(check::date(value.as_str()?)?));
            let at: Option<Instant> = value.as_str().and_then(|text| text.parse().ok()).or_else(day);
            self.occurred = at.filter(|at| *at <= self.context.now);
        }
        if field.fact {
            let code = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.said.insert(format!("{}={code}", field.path.strip_prefix("payload.").unwrap_or(&field.path)));
        }
        if let Some(last) = value.as_str().and_then(check::date) {
            self.limits.extend(field.limits.iter().map(|clock| (clock.clone(), last)));
        }
        match field.states {
            Some(States::Necessity) => {
                self.kept_back.insert(at.clone(), value);
                return;
            }
            Some(States::Parents) => self.parents = value.as_str().map(str::to_owned),
            None => {}
        }
        if field.shape == super::Shape::Empreinte {
            self.attachments.extend(value.as_str().map(str::to_owned));
        }
        let class = floor.map_or(field.class, |floor| field.class.max(floor));
        match subjects::number(at) {
            Some(n) => self.persons.entry(n).or_default().push((class, at.clone(), value)),
            None => self.body.entry(class).or_default().insert(at.clone(), value),
        }
    }

    /// Names what is not there; a required field stops a form that is not about danger.
    fn absent(&mut self, wanted: &Wanted, at: &Pointer) {
        let met = wanted.expected_if.as_ref().is_some_and(|condition| self.holds(condition, at));
        match wanted.level {
            Level::Required if !self.of.danger && wanted.expected_if.is_some() && !met => {}
            Level::Required if !self.of.danger => self.misfit(at, Misfit::Missing, Value::Null),
            Level::Required | Level::Expected => self.missing.push(at.to_string()),
            Level::Optional | Level::Auto if met => self.missing.push(at.to_string()),
            Level::Optional | Level::Auto => {}
        }
    }

    /// Whether the field that a condition names is filled, in the same items of the same lists.
    fn holds(&self, condition: &Condition, at: &Pointer) -> bool {
        let mut here = Some(self.envelope);
        let mut items = at.segments().iter().filter(|segment| segment.bytes().all(|b| b.is_ascii_digit()));
        for step in condition.path.split('.') {
            let name = step.strip_suffix("[]").unwrap_or(step);
            here = here.and_then(|value| value.get(name));
            if name != step {
                let item = items.next().and_then(|index| index.parse::<usize>().ok());
                here = here.zip(item).and_then(|(list, item)| list.get(item));
            }
        }
        let Some(value) = here.filter(|value| is_filled(value) && **value != Value::Bool(false)) else { return false };
        condition.values.is_empty() || value.as_str().is_some_and(|value| condition.values.iter().any(|one| one == value))
    }

    /// The class that an object's own guard gives to all its leaves; a guard that cannot be understood guards.
    fn guarded(&self, branch: &Branch, map: &Map<String, Value>) -> Option<DataClass> {
        let (name, guard) = branch.guard.as_ref()?;
        let value = map.get(name).filter(|value| !value.is_null());
        match guard {
            ItemClass::At(class) => value.filter(|value| **value != Value::Bool(false)).map(|_| *class),
            ItemClass::Named => {
                let named = value.and_then(Value::as_str).and_then(|text| text.parse().ok());
                Some(named.unwrap_or(self.most_protected))
            }
            ItemClass::Prefix(classes) => {
                let prefix = value.and_then(Value::as_str).and_then(|code| code.split('.').next());
                Some(prefix.and_then(|prefix| classes.get(prefix)).copied().unwrap_or(self.most_protected))
            }
        }
    }

    /// Something does not conform: told to the sender, or kept aside when the exchange is about danger.
    fn misfit(&mut self, at: &Pointer, misfit: Misfit, value: Value) {
        if self.of.danger {
            self.non_conforme.push(NonConforming { pointer: at.clone(), code: misfit.code(), value });
        } else if self.faults.len() < MAX_FAULTS {
            self.faults.push(FieldFault { pointer: at.to_string(), code: misfit.code(), detail: misfit.detail() });
        }
    }
}

/// A null, an empty text, list or object says nothing.
fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests;
