//! Twins: rules and facts written a second time, so that one question can be about two requests or two sets.

use std::{fs, path::Path};

use cedar_policy::{Policy, PolicyId, Schema, SchemaFragment, Template};
use serde_json::{Map, Value, json};

use super::ProofFault;

/// The words of the rules, as the file of a folder has them.
#[derive(Debug, Clone)]
pub struct Words(Value);

impl Words {
    /// Reads `schema.cedarschema`.
    ///
    /// # Errors
    /// [`ProofFault::Unfit`]: it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, ProofFault> {
        let text = fs::read_to_string(folder.join("schema.cedarschema")).map_err(unfit)?;
        let (fragment, _) = SchemaFragment::from_cedarschema_str(&text).map_err(unfit)?;
        fragment.to_json_value().map(Self).map_err(unfit)
    }

    /// Every fact of an action at its ordinary value: no, the empty text, the empty set.
    pub fn ordinary(&self, action: &str) -> Map<String, Value> {
        let context = self.0.pointer(&format!("//actions/{action}/appliesTo/context"));
        match context.map(|context| ordinary(&self.0, context)) {
            Some(Value::Object(facts)) => facts,
            _ => Map::new(),
        }
    }

    /// The schema with a second copy of some facts about an exchange, named `other_…`.
    ///
    /// # Errors
    /// [`ProofFault::Unfit`]: the schema has no such fact.
    pub fn with_others(&self, names: &[String]) -> Result<Schema, ProofFault> {
        let mut written = self.0.clone();
        let all = written.pointer_mut("//commonTypes/Facts/attributes").and_then(Value::as_object_mut);
        let all = all.ok_or_else(|| ProofFault::Unfit("the schema has no type `Facts`".to_owned()))?;
        for name in names {
            let kind = all.get(name).cloned().ok_or_else(|| ProofFault::Unfit(format!("no fact is called `{name}`")))?;
            all.insert(format!("other_{name}"), kind);
        }
        Schema::from_json_value(written).map_err(unfit)
    }
}

/// The template as it stands for one agreement: a rule like any other, since formulas know no slots.
///
/// # Errors
/// [`ProofFault::Unfit`]: the template cannot be written as JSON.
pub fn linked(template: &Template, (from, to): (&str, &str)) -> Result<Policy, ProofFault> {
    let mut json = template.to_json().map_err(unfit)?;
    for (slot, party) in [("principal", from), ("resource", to)] {
        if let Some(scope) = json.get_mut(slot).and_then(Value::as_object_mut)
            && scope.remove("slot").is_some()
        {
            scope.insert("entity".to_owned(), json!({"type": "Institution", "id": party}));
        }
    }
    let id = PolicyId::new(format!("{}/{from}/{to}", template.id()));
    Policy::from_json(Some(id), json).map_err(unfit)
}

/// A rule that asks `other_…` instead of some facts.
///
/// # Errors
/// [`ProofFault::Unfit`]: the rule cannot be written as JSON.
pub fn asking_others(rule: &Policy, names: &[String]) -> Result<Policy, ProofFault> {
    let mut json = rule.to_json().map_err(unfit)?;
    rename(&mut json, names);
    Policy::from_json(Some(rule.id().clone()), json).map_err(unfit)
}

fn rename(json: &mut Value, names: &[String]) {
    match json {
        Value::Object(map) => {
            let of_context = map.get("left").and_then(|left| left.get("Var")).and_then(Value::as_str) == Some("context");
            if let (true, Some(Value::String(attr))) = (of_context, map.get_mut("attr"))
                && names.contains(attr)
            {
                *attr = format!("other_{attr}");
            }
            map.values_mut().for_each(|value| rename(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// No, nothing, empty: of the type that the schema gives. Named types are looked up.
fn ordinary(written: &Value, kind: &Value) -> Value {
    let named = kind.get("name").or_else(|| kind.get("type")).and_then(Value::as_str).unwrap_or_default();
    if let Some(common) = written.pointer(&format!("//commonTypes/{named}")) {
        return ordinary(written, common);
    }
    match named {
        "Bool" | "Boolean" | "__cedar::Bool" => Value::Bool(false),
        "Long" | "__cedar::Long" => Value::from(0),
        "Set" => Value::Array(Vec::new()),
        "Record" => {
            let fields = kind.get("attributes").and_then(Value::as_object).into_iter().flatten();
            Value::Object(fields.map(|(name, kind)| (name.clone(), ordinary(written, kind))).collect())
        }
        _ => Value::String(String::new()),
    }
}

fn unfit(error: impl std::fmt::Display) -> ProofFault {
    ProofFault::Unfit(error.to_string())
}
