//! The fields of an envelope as a form of FHIR (QuestionnaireResponse), and what no element of a resource holds as an extension.
//!
//! The link of a question is the path of the field in the catalogue (`payload.faits[].texte`), so that a type that is added to
//! the catalogue has its form at once, without code.

use exchange::{Instant, Pointer, document::Leaves};
use serde_json::{Map, Value};

use super::{
    node::Node,
    types::{Extension, Item},
};

/// The items of an object: one for each field, a group for each object, one group for each object of a list.
pub(super) fn items(prefix: &str, fields: &Map<String, Value>) -> Vec<Item> {
    fields
        .iter()
        .flat_map(|(name, value)| field(if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") }, value))
        .collect()
}

fn field(link: String, value: &Value) -> Vec<Item> {
    match value {
        Value::Object(below) => {
            let item = items(&link, below);
            if item.is_empty() { Vec::new() } else { vec![Item { link_id: link, answer: Vec::new(), item }] }
        }
        Value::Array(list) if list.iter().all(Value::is_object) => {
            let link = format!("{link}[]");
            list.iter()
                .filter_map(Value::as_object)
                .map(|one| (one, items(&link, one)))
                .filter(|(_, item)| !item.is_empty())
                .map(|(_, item)| Item { link_id: link.clone(), answer: Vec::new(), item })
                .collect()
        }
        Value::Array(list) => {
            let answer: Vec<_> = list.iter().filter_map(answer_of).collect();
            if answer.is_empty() { Vec::new() } else { vec![Item { link_id: format!("{link}[]"), answer, item: Vec::new() }] }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            answer_of(value).map(|answer| Item { link_id: link, answer: vec![answer], item: Vec::new() }).into_iter().collect()
        }
    }
}

fn answer_of(value: &Value) -> Option<Map<String, Value>> {
    typed(value).map(|(kind, value)| Map::from_iter([(kind.to_owned(), value)]))
}

/// A value with the name of its FHIR type; nothing for an empty text, which FHIR has not. A list or an object where the
/// catalogue has a plain value becomes its JSON text.
fn typed(value: &Value) -> Option<(&'static str, Value)> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => ("valueBoolean", value.clone()),
        Value::Number(number) => {
            let small = number.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
            (if small { "valueInteger" } else { "valueDecimal" }, value.clone())
        }
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) if is_date(text) => ("valueDate", value.clone()),
        Value::String(text) if is_instant(text) => ("valueDateTime", value.clone()),
        Value::String(_) => ("valueString", value.clone()),
        Value::Array(_) | Value::Object(_) => ("valueString", Value::String(value.to_string())),
    })
}

/// A calendar day as FHIR and the catalogue write it.
pub(super) fn is_date(text: &str) -> bool {
    let shape = text.len() == 10 && text.bytes().enumerate().all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() });
    shape && !text.starts_with('0') && format!("{text}T00:00:00Z").parse::<Instant>().is_ok()
}

/// An instant as FHIR writes it.
pub(super) fn is_instant(text: &str) -> bool {
    let day = text.get(..10).is_some_and(is_date);
    day && text.as_bytes().get(10) == Some(&b'T') && !text.contains(['z', 't', ' ']) && text.parse::<Instant>().is_ok()
}

/// What has no element of its own, as one extension: each leaf under its path.
pub(super) fn leaves(url: &str, fields: Map<String, Value>) -> Vec<Extension> {
    let leaves = Leaves::of(&Value::Object(fields));
    let below: Vec<_> = leaves
        .iter()
        .filter_map(|(at, value)| typed(value).map(|(kind, value)| Extension::new(at.to_string().trim_start_matches('/'), kind, value)))
        .collect();
    if below.is_empty() { Vec::new() } else { vec![Extension { extension: below, url: url.into(), value: Map::new() }] }
}

/// Reads what [`leaves`] wrote, after everything else that fills the object: a leaf goes where nothing stands, and neither below nor
/// above what does. Any other stays where it is, and so does one of a reserved name, which no sender gives.
pub(super) fn read_leaves(node: &mut Node<'_>, into: &mut Map<String, Value>, reserved: &[&str]) {
    let mut leaves = Leaves::new();
    node.each("extension", |_, mut leaf| {
        let Some(at) = leaf.peek_text("url").and_then(|path| format!("/{path}").parse::<Pointer>().ok()) else { return };
        let steps = at.segments();
        let given = steps.first().is_none_or(|first| reserved.contains(&first.as_str()));
        let crosses = |other: &Pointer| {
            let shared = other.segments().iter().zip(steps).take_while(|(one, other)| one == other).count();
            shared == steps.len().min(other.segments().len())
        };
        if given || steps.len() > MAX_STEPS || !is_free(into, steps) || leaves.iter().any(|(other, _)| crosses(other)) {
            return;
        }
        if let Some(value) = value(&mut leaf) {
            leaf.drop_all(&["url"]);
            leaves.insert(at, value);
        }
    });
    node.drop_if("url", &[super::SUBJECT, super::ATTACHMENT]);
    if let Value::Object(read) = leaves.reveal() {
        merge(into, read);
    }
}

/// Whether nothing stands at the end of steps, nor on the way to it but objects.
fn is_free(map: &Map<String, Value>, steps: &[String]) -> bool {
    let Some((first, rest)) = steps.split_first() else { return false };
    match map.get(first) {
        None => true,
        Some(Value::Object(below)) => is_free(below, rest),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => false,
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

/// Reads the items below a node into the object that `prefix` names; what does not fit stays where it is.
pub(super) fn read_items(node: &mut Node<'_>, prefix: &str, into: &mut Map<String, Value>) {
    node.each("item", |_, mut item| {
        let Some(link) = item.peek_text("linkId").map(str::to_owned) else { return };
        let Some(steps) = steps(prefix, &link) else { return };
        let Some((slot, list)) = slot(into, &steps) else { return };
        let group = item.peek("item").is_some() && item.peek("answer").is_none();
        let taken = match (slot, list, group) {
            (Value::Array(all), true, true) => {
                let mut below = Map::new();
                read_items(&mut item, &link, &mut below);
                all.push(Value::Object(below));
                true
            }
            (slot, false, true) if slot.is_null() || slot.is_object() => {
                if slot.is_null() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(below) = slot {
                    read_items(&mut item, &link, below);
                }
                true
            }
            (Value::Array(all), true, false) => {
                item.each("answer", |_, mut answer| all.extend(value(&mut answer)));
                true
            }
            (slot, false, false) if slot.is_null() => {
                item.each("answer", |n, mut answer| {
                    if n == 0 {
                        *slot = value(&mut answer).unwrap_or_default();
                    }
                });
                true
            }
            _ => false,
        };
        if taken {
            item.drop_all(&["id", "linkId", "text", "definition"]);
        }
    });
    prune(into);
}

/// The value of an answer or an extension.
fn value(node: &mut Node<'_>) -> Option<Value> {
    for kind in ["valueString", "valueDate", "valueDateTime", "valueTime", "valueUri", "valueCode"] {
        if let Some(text) = node.text(kind) {
            return Some(Value::String(text));
        }
    }
    for kind in ["valueBoolean", "valueInteger", "valueDecimal"] {
        if node.peek(kind).is_some_and(|value| value.is_boolean() || value.is_number()) {
            return node.take(kind);
        }
    }
    let mut coding = node.child("valueCoding")?;
    let code = coding.text("code")?;
    coding.drop_all(&["system", "version", "display"]);
    Some(Value::String(code))
}

/// The steps from `prefix` to a link: names of fields, the last one perhaps a list.
fn steps<'l>(prefix: &str, link: &'l str) -> Option<Vec<&'l str>> {
    let rest = if prefix.is_empty() { link } else { link.strip_prefix(prefix)?.strip_prefix('.')? };
    let steps: Vec<_> = rest.split('.').collect();
    let (last, before) = steps.split_last()?;
    let plain = |step: &str| {
        step.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && step.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let fits = steps.len() <= MAX_STEPS && before.iter().all(|step| plain(step)) && plain(last.strip_suffix("[]").unwrap_or(last));
    let rooted = !prefix.is_empty() || steps.first().is_some_and(|root| super::FORM.contains(&root.trim_end_matches("[]")));
    (fits && rooted).then_some(steps)
}

/// The place where steps lead, made where it is missing, and whether it is a list.
fn slot<'m>(into: &'m mut Map<String, Value>, steps: &[&str]) -> Option<(&'m mut Value, bool)> {
    let (first, rest) = steps.split_first()?;
    if rest.is_empty() {
        let list = first.ends_with("[]");
        let empty = if list { Value::Array(Vec::new()) } else { Value::Null };
        let slot = into.entry(first.trim_end_matches("[]")).or_insert(empty);
        return Some((slot, list));
    }
    match into.entry(*first).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(below) => slot(below, rest),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

/// Takes away places that were made and stayed empty.
fn prune(map: &mut Map<String, Value>) {
    map.retain(|_, value| match value {
        Value::Null => false,
        Value::Object(below) => !below.is_empty(),
        Value::Array(items) => {
            items.retain(|item| item.as_object().is_none_or(|below| !below.is_empty()));
            !items.is_empty()
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    });
}

/// How deep a link may lead.
const MAX_STEPS: usize = 8;
