//! The form of an exchange type, made of the catalogue: its fields in their order, what each may hold, how much it is
//! wanted; and back, from what somebody typed to the envelope that a member's software would send.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use exchange::{DataClass, Instant, Kind as SenderKind};
use serde_json::{Map, Value, json};

use super::{form_read::Index, words::words};
use crate::{
    catalogue::{Branch, Catalogue, ExchangeType, Field, Level, Node, Shape},
    directory::day::hour_in_france,
};

/// One thing that a form asks.
#[derive(Template)]
#[template(path = "item.html")]
pub(super) struct Item {
    /// Name of the control: the pointer of its place, with the numbers of the page.
    pub(super) name: String,
    /// Its last step, as the envelope calls it.
    step: String,
    pub(super) label: String,
    pub(super) hint: Option<String>,
    pub(super) level: Level,
    pub(super) value: String,
    pub(super) fault: Option<String>,
    pub(super) kind: Kind,
    path: String,
    class: Option<DataClass>,
    /// Wanted whatever else is said.
    always: bool,
    is_bool: bool,
    /// Its label stands above it: it is one of several.
    one_of_several: bool,
}

/// How it is asked.
pub(super) enum Kind {
    /// One line, of this type of input.
    Line(&'static str),
    Long,
    /// One of several.
    Choice(Vec<Choice>),
    /// Any of several.
    Many(Vec<Choice>),
    /// Several things together; those that are rarely needed apart.
    Group(Vec<Item>, Vec<Item>),
    /// As many of one thing as there are; what a button adds.
    List(Vec<Item>, String),
}

/// One value that may be chosen.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// What belongs together on the page.
pub(super) struct Section {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) hint: Option<String>,
    pub(super) items: Vec<Item>,
    /// Closed until it is asked for.
    pub(super) folded: bool,
}

/// What somebody typed, as an envelope.
#[derive(Default)]
pub(super) struct Written {
    pub(super) parts: Map<String, Value>,
    /// Names of controls by the pointer of the envelope.
    pub(super) names: BTreeMap<String, String>,
    pub(super) classes: BTreeSet<DataClass>,
    /// What is expected and empty: label, name of the control.
    pub(super) missing: Vec<(String, String)>,
}

/// A form of a type for a kind of sender, filled with what was typed.
pub(super) struct Form<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) of: &'a ExchangeType,
    pub(super) sender: &'a SenderKind,
    pub(super) pairs: &'a Index<'a>,
}

/// A field by its place.
struct Stem<'f> {
    step: String,
    is_list: bool,
    leaf: Option<&'f Field>,
    below: Vec<Stem<'f>>,
}

impl Form<'_> {
    /// Everything that is asked.
    pub(super) fn items(&self) -> Vec<Item> {
        let mut stems = Vec::new();
        for field in self.of.fields.iter().filter(|field| self.asks(field)) {
            grow(&mut stems, &field.path, field);
        }
        stems.iter().map(|stem| self.item(stem, "", "")).collect()
    }

    /// What the gateway computes, knows, or takes from what comes along is not asked.
    fn asks(&self, field: &Field) -> bool {
        let computed = field.level == Level::Auto || (field.computed.is_some() && !field.may_change);
        let typed = match &field.shape {
            Shape::Texte
            | Shape::Date
            | Shape::DateHeure
            | Shape::Bool
            | Shape::Entier
            | Shape::Numero
            | Shape::Telephone
            | Shape::Courriel
            | Shape::Code(_) => true,
            Shape::Ref | Shape::Inst => field.level != Level::Optional,
            Shape::Sujet | Shape::Empreinte | Shape::Chemin | Shape::Jeton => false,
        };
        let offered = field.offered_to.is_empty() || field.offered_to.iter().any(|kind| kind == self.sender.as_str());
        typed && !computed && offered && !field.path.starts_with("attachments")
    }

    fn item(&self, stem: &Stem<'_>, path: &str, name: &str) -> Item {
        let join = |above: &str, with: &str, step: &str| if above.is_empty() { step.to_owned() } else { format!("{above}{with}{step}") };
        let path = join(path, ".", &format!("{}{}", stem.step, if stem.is_list { "[]" } else { "" }));
        let name = join(name, "/", &stem.step);
        let is_code = stem.leaf.is_some_and(|field| matches!(field.shape, Shape::Code(_)));
        if stem.is_list && !is_code {
            let mut items: Vec<Item> = (0..self.pairs.count(&name)).map(|n| self.one(stem, &path, &format!("{name}/{n}"), n)).collect();
            let several = items.len() > 1;
            items.iter_mut().for_each(|item| item.one_of_several = several);
            let level = level_of(&self.of.tree, &path).or(stem.leaf.map(|field| field.level)).unwrap_or(Level::Optional);
            return self.asked(stem.leaf, &path, name, stem.step.clone(), level, Kind::List(items, words().more(&path)));
        }
        self.one_named(stem, &path, name, stem.step.clone())
    }

    /// One item of a list.
    fn one(&self, stem: &Stem<'_>, path: &str, name: &str, n: usize) -> Item {
        let mut item = self.one_named(stem, path, name.to_owned(), n.to_string());
        item.label = format!("{} ({})", item.label, n + 1);
        item.hint = None;
        item
    }

    fn one_named(&self, stem: &Stem<'_>, path: &str, name: String, step: String) -> Item {
        let Some(field) = stem.leaf else {
            let items = stem.below.iter().map(|below| self.item(below, path, &name));
            let (shown, apart): (Vec<Item>, Vec<Item>) = items.partition(Item::is_shown);
            let kind = if apart.len() > FEW {
                Kind::Group(shown, apart)
            } else {
                Kind::Group(shown.into_iter().chain(apart).collect(), Vec::new())
            };
            let level = level_of(&self.of.tree, path).unwrap_or(Level::Optional);
            return self.asked(None, path, name, step, level, kind);
        };
        let chosen = |value: &str| self.pairs.all(&name).any(|told| told == value);
        let choice = |value: &str, label: String| Choice { value: value.to_owned(), label, chosen: chosen(value) };
        let kind = match &field.shape {
            Shape::Code(list) => {
                let codes = self.catalogue.codes_of(list);
                let choices = codes.map(|code| choice(code, words().code(list, code))).collect();
                if stem.is_list { Kind::Many(choices) } else { Kind::Choice(choices) }
            }
            Shape::Bool => Kind::Choice(vec![choice("oui", "Oui".to_owned()), choice("non", "Non".to_owned())]),
            Shape::Date => Kind::Line("date"),
            Shape::DateHeure => Kind::Line("datetime-local"),
            Shape::Entier => Kind::Line("number"),
            Shape::Telephone => Kind::Line("tel"),
            Shape::Courriel => Kind::Line("email"),
            Shape::Texte if words().is_long(path) => Kind::Long,
            Shape::Texte | Shape::Ref | Shape::Inst | Shape::Sujet | Shape::Empreinte | Shape::Numero | Shape::Chemin | Shape::Jeton => {
                Kind::Line("text")
            }
        };
        self.asked(Some(field), path, name, step, field.level, kind)
    }

    fn asked(&self, field: Option<&Field>, path: &str, name: String, step: String, level: Level, kind: Kind) -> Item {
        Item {
            value: self.pairs.first(&name).unwrap_or_default().to_owned(),
            label: words().label(path),
            hint: words().hint(path),
            fault: None,
            class: field.map(|field| field.class),
            always: field.is_none_or(|field| field.expected_if.is_none()),
            is_bool: field.is_some_and(|field| field.shape == Shape::Bool),
            one_of_several: false,
            path: path.to_owned(),
            name,
            step,
            level,
            kind,
        }
    }
}

impl Item {
    /// Its markup.
    pub(super) fn html(&self) -> String {
        self.render().unwrap_or_default()
    }

    /// What a label points at.
    pub(super) fn id(&self) -> String {
        self.name.replace('/', "-")
    }

    /// How much it is wanted, in words.
    pub(super) fn wanted(&self) -> &'static str {
        match self.level {
            Level::Required => "obligatoire",
            Level::Expected if self.always => "attendu, peut être complété plus tard",
            Level::Expected | Level::Optional | Level::Auto => "",
        }
    }

    fn is_shown(&self) -> bool {
        self.level != Level::Optional || !self.always || self.says_something() || words().is_front(&self.path)
    }

    /// Whether something was typed here.
    fn says_something(&self) -> bool {
        match &self.kind {
            Kind::Line(_) | Kind::Long => !self.value.trim().is_empty(),
            Kind::Choice(choices) | Kind::Many(choices) => choices.iter().any(|choice| choice.chosen),
            Kind::Group(shown, apart) => shown.iter().chain(apart).any(Self::says_something),
            Kind::List(items, _) => items.iter().any(Self::says_something),
        }
    }

    /// Puts faults at their controls; gives those that found none.
    pub(super) fn mark(&mut self, faults: &mut BTreeMap<String, String>) {
        self.fault = faults.remove(&self.name);
        match &mut self.kind {
            Kind::Group(shown, apart) => shown.iter_mut().chain(apart).for_each(|item| item.mark(faults)),
            Kind::List(items, _) => items.iter_mut().for_each(|item| item.mark(faults)),
            Kind::Line(_) | Kind::Long | Kind::Choice(_) | Kind::Many(_) => {}
        }
    }

    /// What it says, at its place in the envelope.
    fn written(&self, pointer: &str, into: &mut Written) -> Option<Value> {
        into.names.insert(pointer.to_owned(), self.name.clone());
        let missing = into.missing.len();
        let chosen =
            |choices: &[Choice]| choices.iter().filter(|choice| choice.chosen).map(|choice| choice.value.clone()).collect::<Vec<_>>();
        let value = match &self.kind {
            Kind::Group(shown, apart) => {
                let object = object(shown.iter().chain(apart), pointer, into);
                (!object.is_empty()).then_some(Value::Object(object))
            }
            Kind::List(items, _) => {
                let mut all = Vec::new();
                for item in items {
                    let missing = into.missing.len();
                    match item.written(&format!("{pointer}/{}", all.len()), into) {
                        Some(value) => all.push(value),
                        // An item that was begun by nobody lacks nothing.
                        None => into.missing.truncate(missing),
                    }
                }
                (!all.is_empty()).then_some(Value::Array(all))
            }
            Kind::Many(choices) => Some(chosen(choices)).filter(|all| !all.is_empty()).map(|all| json!(all)),
            Kind::Choice(choices) => chosen(choices).into_iter().next().map(|one| match one.as_str() {
                "oui" if self.is_bool => json!(true),
                "non" if self.is_bool => json!(false),
                _ => json!(one),
            }),
            Kind::Line(input) => Some(self.value.trim()).filter(|text| !text.is_empty()).map(|text| typed(input, text)),
            Kind::Long => Some(self.value.trim()).filter(|text| !text.is_empty()).map(|text| json!(text)),
        };
        if let (Some(_), Some(class)) = (&value, self.class) {
            into.classes.insert(class);
        }
        if value.is_none() {
            // Of a part that says nothing, the part is missing, not each thing in it.
            into.missing.truncate(missing);
            if self.level == Level::Expected && self.always {
                into.missing.push((self.label.clone(), self.name.clone()));
            }
        }
        value
    }
}

/// What was typed into all of these.
pub(super) fn written(items: &[Item]) -> Written {
    let mut into = Written::default();
    let mut parts = object(items.iter(), "", &mut into);
    if let Some(Value::Array(subjects)) = parts.get_mut("subjects") {
        for (n, subject) in subjects.iter_mut().enumerate() {
            if let Value::Object(subject) = subject {
                subject.insert("ref".into(), json!(format!("s{}", n + 1)));
            }
        }
    }
    into.parts = parts;
    into
}

/// What a person reads first stands first: what is expected, the child's words, who it is about, who was told; then the rest.
pub(super) fn sections(items: Vec<Item>) -> Vec<Section> {
    let (mut essential, mut more, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        match item.kind {
            Kind::Group(shown, apart) if item.step == "payload" => {
                for part in shown.into_iter().chain(apart) {
                    match part.kind {
                        Kind::Group(..) | Kind::List(..) => parts.push(part),
                        Kind::Line(_) | Kind::Long | Kind::Choice(_) | Kind::Many(_) if part.level == Level::Optional => more.push(part),
                        Kind::Line(_) | Kind::Long | Kind::Choice(_) | Kind::Many(_) => essential.push(part),
                    }
                }
            }
            Kind::Group(..) | Kind::List(..) | Kind::Line(_) | Kind::Long | Kind::Choice(_) | Kind::Many(_) => parts.push(item),
        }
    }
    let place = |part: &Item| match part.step.as_str() {
        "propos_enfant" => 2,
        "subjects" => 3,
        "information" => 4,
        "declarant" => 5,
        _ if part.level == Level::Optional => 6,
        _ => 1,
    };
    parts.sort_by_key(place);
    let mut all: Vec<Section> = parts
        .into_iter()
        .map(|part| Section {
            id: format!("partie-{}", part.id()),
            title: part.label.clone(),
            hint: part.hint.clone(),
            folded: part.level == Level::Optional && !part.says_something() && !words().is_front(&part.path),
            items: vec![part],
        })
        .collect();
    let after = all.iter().position(|section| section.id != "partie-payload-faits").unwrap_or(0);
    if !essential.is_empty() {
        all.insert(after, Section { id: "essentiel".into(), title: "L’essentiel".into(), hint: None, items: essential, folded: false });
    }
    if !more.is_empty() {
        let folded = !more.iter().any(Item::says_something);
        all.push(Section { id: "precisions".into(), title: "Autres précisions".into(), hint: None, items: more, folded });
    }
    all
}

fn object<'i>(items: impl Iterator<Item = &'i Item>, pointer: &str, into: &mut Written) -> Map<String, Value> {
    items.filter_map(|item| Some((item.step.clone(), item.written(&format!("{pointer}/{}", item.step), into)?))).collect()
}

fn typed(input: &str, text: &str) -> Value {
    match input {
        "number" => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
        "datetime-local" => local(text).map_or_else(|| json!(text), |at| json!(at)),
        _ => json!(text),
    }
}

/// `2026-11-25T10:30`, told in France.
fn local(text: &str) -> Option<Instant> {
    let hour = text.split_once('T')?.1.get(..2)?.parse::<u8>().ok()?;
    let seconds = if text.matches(':').count() == 1 { ":00" } else { "" };
    let told = |offset: &str| format!("{text}{seconds}{offset}").parse::<Instant>().ok();
    told("+01:00").filter(|at| hour_in_france(*at).0 == hour).or_else(|| told("+02:00"))
}

fn grow<'f>(stems: &mut Vec<Stem<'f>>, path: &str, field: &'f Field) {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
    let at = stems.iter().position(|stem| stem.step == name).unwrap_or_else(|| {
        stems.push(Stem { step: name.to_owned(), is_list, leaf: None, below: Vec::new() });
        stems.len() - 1
    });
    if let Some(stem) = stems.get_mut(at) {
        match rest {
            Some(rest) => grow(&mut stem.below, rest, field),
            None => stem.leaf = Some(field),
        }
    }
}

/// How much a part that holds fields is wanted, where the catalogue says it.
fn level_of(branch: &Branch, path: &str) -> Option<Level> {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    match (branch.children.get(step.trim_end_matches("[]"))?, rest) {
        (Node::Object(branch), None) => branch.wanted.as_ref().map(|wanted| wanted.level),
        (Node::List(list), None) => Some(list.wanted.level),
        (Node::Object(branch), Some(rest)) => level_of(branch, rest),
        (Node::List(list), Some(rest)) => match list.item.as_ref() {
            Node::Object(branch) => level_of(branch, rest),
            Node::Leaf(_) | Node::List(_) => None,
        },
        (Node::Leaf(_), _) => None,
    }
}

/// So many things that are rarely needed stay where they are.
const FEW: usize = 3;
