//! From the fields that a file writes to every leaf of the envelope, components expanded.

use std::collections::BTreeMap;

use exchange::{DataClass, Kind};

use super::{
    computed,
    shared::Words,
    written::{WrittenField, WrittenType},
};
use crate::{
    catalogue::{
        Condition, Field, ItemClass, Level, MadeOf, Presence, Shape, States,
        tree::{Branch, Wanted},
    },
    source::{Source, SourceFault},
};

/// One type, or one component, while its fields are gathered.
pub(super) struct Expansion<'w, 'f> {
    words: &'w Words<'w>,
    faults: &'f mut Vec<SourceFault>,
    fields: Vec<Field>,
    tree: Branch,
    containers: BTreeMap<String, Wanted>,
    conditions: Vec<(SourceAt<'w>, String, Condition)>,
    /// Components that are being expanded.
    within: Vec<String>,
    /// Places that this type does not have, from the envelope.
    absent: Vec<String>,
    occurred: bool,
    danger: bool,
}

#[derive(Clone, Copy)]
struct SourceAt<'w> {
    source: &'w Source,
    at: usize,
}

/// What stands above a field.
#[derive(Clone, Copy)]
struct Above<'a> {
    /// Path of the place, with its last dot.
    prefix: &'a str,
    /// Where paths of conditions begin.
    root: &'a str,
    /// Class of the part that includes the component.
    class: DataClass,
}

impl<'w, 'f> Expansion<'w, 'f> {
    pub(super) fn new(words: &'w Words<'w>, faults: &'f mut Vec<SourceFault>) -> Self {
        Self {
            words,
            faults,
            fields: Vec::new(),
            tree: Branch::default(),
            containers: BTreeMap::new(),
            conditions: Vec::new(),
            within: Vec::new(),
            absent: Vec::new(),
            occurred: false,
            danger: false,
        }
    }

    /// Checks a component whether or not a type includes it.
    pub(super) fn component_alone(mut self, name: &str) {
        if let Some(component) = self.words.components.get(name) {
            self.component(component.source, component.at, name, Above { prefix: "", root: "", class: DataClass::Reference });
            self.settle();
        }
    }

    /// The parts of the envelope that every type has in the same shape.
    pub(super) fn envelope(&mut self, source: &'w Source, at: usize, header: &WrittenType) {
        self.danger = header.danger;
        self.absent = header.persons.without.iter().map(|part| format!("subjects[].{}", part.get_ref())).collect();
        let attachments = if header.attachments { Presence::Optional } else { Presence::None };
        for (prefix, name, presence) in [
            ("subjects[]", "subject", header.subjects),
            ("information", "information", header.information),
            ("attachments[]", "attachment", attachments),
        ] {
            let level = match presence {
                Presence::None => continue,
                Presence::Optional => Level::Optional,
                Presence::Expected => Level::Expected,
            };
            self.containers.insert(prefix.to_owned(), Wanted { level, expected_if: None });
            let prefix = format!("{prefix}.");
            self.component(source, at, name, Above { prefix: &prefix, root: &prefix, class: DataClass::Reference });
        }
        for part in &header.persons.without {
            let place = format!("subjects[].{}", part.get_ref());
            if header.subjects != Presence::None && !self.words.has_subject_part(part.get_ref()) {
                self.say(source, part.span().start, format!("`{place}` is no part of a subject"), "write parts of the component `subject`");
            }
        }
        let necessity = Field::plain("necessity", Shape::Texte, DataClass::Reference);
        self.leaf(SourceAt { source, at }, necessity);
    }

    /// One field below `root`.
    pub(super) fn field(&mut self, source: &'w Source, written: &WrittenField, root: &str) {
        self.below(source, written, Above { prefix: root, root, class: DataClass::Reference });
    }

    /// Every leaf, and the same by place.
    pub(super) fn finish(mut self) -> (Vec<Field>, Branch) {
        self.settle();
        (self.fields, self.tree)
    }

    fn below(&mut self, source: &'w Source, written: &WrittenField, above: Above<'_>) {
        let at = written.path.span().start;
        if !is_path(written.path.get_ref()) {
            let cure = "write names in lower case, joined by dots, with `[]` after a list";
            self.say(source, at, format!("`{}` is not a path", written.path.get_ref()), cure);
            return;
        }
        let path = format!("{}{}", above.prefix, written.path.get_ref());
        if self.absent.contains(&path) {
            return;
        }
        for word in written.offered_to.iter().filter(|word| !self.words.is_kind_or_group(word.get_ref())) {
            let what = format!("unknown kind or group `{}`", word.get_ref());
            self.faults.push(source.fault(word.span().start, what, "use a kind or a group of `_kinds.toml`"));
        }
        if self.danger && *written.level.get_ref() == Level::Required {
            let what = "a danger type is never refused for a form (invariant 3)";
            self.say(source, written.level.span().start, what, "write level `expected`");
        }
        let place = SourceAt { source, at };
        let expected_if = written.expected_if.as_ref().map(|other| Condition {
            path: format!("{}{}", above.root, other.get_ref()),
            values: written.expected_if_is.iter().map(|value| value.get_ref().clone()).collect(),
        });
        if let (Some(condition), Some(other)) = (&expected_if, &written.expected_if) {
            self.conditions.push((SourceAt { source, at: other.span().start }, path.clone(), condition.clone()));
        } else if let Some(value) = written.expected_if_is.first() {
            self.say(source, value.span().start, "`expected_if_is` without `expected_if`", "name the field it speaks of");
        }
        let (class, name) = (above.class.max(written.class), written.shape.get_ref().as_str());
        if self.words.components.contains_key(name) {
            self.includes(source, written);
            self.containers.insert(path.clone(), Wanted { level: *written.level.get_ref(), expected_if });
            let prefix = format!("{path}.");
            self.component(source, written.shape.span().start, name, Above { prefix: &prefix, root: &prefix, class });
            return;
        }
        let Some(shape) = self.shape(name) else {
            let (at, cure) = (written.shape.span().start, "use a shape, a code list of `_codes.toml` or a component of `_components.toml`");
            let what = if name.starts_with("CL-") { "code list" } else { "type" };
            self.say(source, at, format!("unknown {what} `{name}`"), cure);
            return;
        };
        if (*written.level.get_ref() == Level::Auto) != written.computed.is_some() || (written.may_change && written.computed.is_none()) {
            let cure = "write level `auto` and what is `computed`, both or neither";
            self.say(source, written.level.span().start, "a field is `auto` when the gateway computes it, and only then", cure);
        }
        let list = path.ends_with("[]");
        if list && written.computed.is_some() {
            self.say(source, at, "a list is not computed", "write the path without `[]`");
        }
        if written.occurred && (!matches!(shape, Shape::DateHeure | Shape::Date) || self.occurred) {
            self.say(source, at, "`occurred` stands on one `date-heure` or `date` of a type", "keep it on the instant of the event");
        }
        self.occurred |= written.occurred;
        let item_class = self.item_class(source, written, &shape);
        self.speaks(source, written, &shape);
        let root = above.root;
        let (computed, faults) = computed::read(self.words, source, written, &shape, root);
        self.faults.extend(faults);
        let made_of = written.made_of.as_ref().and_then(|word| match (word.get_ref().as_str(), &shape) {
            ("recipient", Shape::Inst) => Some(MadeOf::Recipient),
            ("accepted-at", Shape::DateHeure) => Some(MadeOf::AcceptedAt),
            (code, Shape::Code(list)) if self.words.has_code(list, code) => Some(MadeOf::Code(code.to_owned())),
            _ => None,
        });
        if let (Some(word), None) = (&written.made_of, &made_of) {
            let cure = "write `recipient` on an `inst`, `accepted-at` on a `date-heure`, or a code of the list";
            self.say(source, word.span().start, format!("`{}` cannot be made here", word.get_ref()), cure);
        }
        let field = Field {
            path,
            shape,
            level: *written.level.get_ref(),
            class,
            offered_to: self.words.kinds_of(source, &written.offered_to, &mut Vec::new()).iter().map(Kind::to_string).collect(),
            expected_if,
            computed,
            occurred: written.occurred,
            item_class,
            fact: written.fact,
            max: written.max,
            may_change: written.may_change,
            limits: written.limits.iter().map(|clock| clock.get_ref().clone()).collect(),
            states: written.states.as_ref().map(|states| *states.get_ref()),
            made_of,
        };
        self.leaf(place, field);
    }

    /// What only some shapes can be: a fact for rules, the limit of a clock, a statement for the law.
    fn speaks(&mut self, source: &Source, written: &WrittenField, shape: &Shape) {
        let at = written.path.span().start;
        if written.fact && !matches!(shape, Shape::Code(_) | Shape::Bool) {
            self.say(source, at, "rules know codes and yes/no, never a text", "write `fact = true` on a code list or a `bool` only");
        }
        if written.max.is_some() && *shape != Shape::Texte {
            self.say(source, at, "only a text has a length", "write `max` on a `texte` only");
        }
        for clock in written.limits.iter().filter(|clock| *shape != Shape::Date || !self.words.clock_names.contains(clock.get_ref())) {
            let cure = "write `limits` on a `date`, with a clock of `_clocks.toml`";
            self.say(source, clock.span().start, format!("this cannot limit `{}`", clock.get_ref()), cure);
        }
        let stated = match written.states.as_ref().map(|states| *states.get_ref()) {
            None => true,
            Some(States::Necessity) => *shape == Shape::Texte,
            Some(States::Parents) => *shape == Shape::Code("CL-info-parents".to_owned()),
        };
        if !stated {
            self.say(source, at, "this cannot state it", "write `necessity` on a `texte`, `parents` on a CL-info-parents");
        }
    }

    /// What makes no sense on a field that includes a component.
    fn includes(&mut self, source: &Source, written: &WrittenField) {
        if *written.level.get_ref() == Level::Auto || written.computed.is_some() || written.occurred || written.item_class.is_some() {
            let cure = "write `auto`, `computed`, `occurred` and `item_class` on single fields only";
            self.say(source, written.path.span().start, "a component is not computed", cure);
        }
    }

    fn item_class(&mut self, source: &Source, written: &WrittenField, shape: &Shape) -> Option<ItemClass> {
        let word = written.item_class.as_ref()?;
        let class = match (word.get_ref().as_str(), shape) {
            ("value", Shape::Code(list)) if list.starts_with("CL-classe") => Some(ItemClass::Named),
            ("prefix", Shape::Code(list)) => {
                let said = |code: &String| written.item_class_by.contains_key(code.split('.').next().unwrap_or_default());
                let all = self.words.codes.get(list).is_some_and(|codes| codes.iter().all(said));
                all.then(|| ItemClass::Prefix(written.item_class_by.clone()))
            }
            (name, Shape::Bool) => name.parse().ok().map(ItemClass::At),
            _ => None,
        };
        if class.is_none() || written.path.get_ref().ends_with("[]") {
            let cure =
                "write a data class on a `bool`, `value` on a CL-classe, or `prefix` and `item_class_by` for each beginning of a code";
            self.say(source, word.span().start, format!("`{}` cannot protect the object", word.get_ref()), cure);
        }
        class
    }

    fn component(&mut self, source: &Source, at: usize, name: &str, above: Above<'_>) {
        let words = self.words;
        let Some(component) = words.components.get(name) else {
            self.say(source, at, format!("unknown component `{name}`"), "declare it in `_components.toml`");
            return;
        };
        if self.within.iter().any(|one| one == name) {
            let what = format!("component `{name}` includes itself");
            self.say(source, at, what, "break the circle");
            return;
        }
        self.within.push(name.to_owned());
        for field in &component.fields {
            self.below(component.source, &field.value, above);
        }
        self.within.pop();
    }

    fn leaf(&mut self, place: SourceAt<'w>, field: Field) {
        if self.tree.put(self.fields.len(), &field, &self.containers).is_err() {
            let cure = "declare each field once, as a value, an object or a list";
            self.say(place.source, place.at, "another field already stands at this place", cure);
        } else {
            self.fields.push(field);
        }
    }

    /// Conditions can be told once every field is known.
    fn settle(&mut self) {
        for (SourceAt { source, at }, path, condition) in std::mem::take(&mut self.conditions) {
            let Some(other) = self.fields.iter().find(|field| field.path == condition.path) else {
                self.say(source, at, "`expected_if` names no field", "write the path of a field of the same type or component");
                continue;
            };
            // Each list above the other field must also stand above this one: else which item would be meant?
            let lists = condition.path.rfind("[]").map_or("", |end| condition.path.get(..end + 2).unwrap_or_default());
            if !path.starts_with(lists) || condition.path.ends_with("[]") {
                self.say(source, at, "`expected_if` names a field of another list", "name a field of the same item");
                continue;
            }
            let held = |value: &str| matches!(&other.shape, Shape::Code(list) if self.words.has_code(list, value));
            let unknown = condition.values.iter().find(|value| !held(value));
            if let Some(value) = unknown {
                let what = format!("`{value}` is no code that this field may hold");
                self.say(source, at, what, "use codes of its list in `expected_if_is`");
            }
        }
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        Some(match name {
            "texte" => Shape::Texte,
            "date" => Shape::Date,
            "date-heure" => Shape::DateHeure,
            "bool" => Shape::Bool,
            "entier" => Shape::Entier,
            "ref" => Shape::Ref,
            "inst" => Shape::Inst,
            "sujet" => Shape::Sujet,
            "empreinte" => Shape::Empreinte,
            "numero" => Shape::Numero,
            "telephone" => Shape::Telephone,
            "courriel" => Shape::Courriel,
            "chemin" => Shape::Chemin,
            "jeton" => Shape::Jeton,
            list if self.words.codes.contains_key(list) => Shape::Code(list.to_owned()),
            _ => return None,
        })
    }

    fn say(&mut self, source: &Source, at: usize, what: impl Into<String>, cure: &str) {
        self.faults.push(source.fault(at, what, cure));
    }
}

/// `faits[].texte`: names of lower-case letters, digits and `_`, a letter first.
fn is_path(text: &str) -> bool {
    text.split('.').all(|step| {
        let name = step.strip_suffix("[]").unwrap_or(step);
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    })
}
