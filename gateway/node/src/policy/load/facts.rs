//! Which facts a schema knows, and which of ours it does not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Facts by action; those inside a record as `secret.purpose`.
pub(in crate::policy) type Declared = BTreeMap<String, BTreeSet<String>>;

/// The facts that each action of a schema knows.
pub(super) fn facts_of(schema: &str) -> Result<Declared, String> {
    let (fragment, _) = cedar_policy::SchemaFragment::from_cedarschema_str(schema).map_err(|error| error.to_string())?;
    let json = fragment.to_json_value().map_err(|error| error.to_string())?;
    let mut facts = Declared::new();
    for space in json.as_object().into_iter().flat_map(|spaces| spaces.values()) {
        for (name, action) in space.get("actions").and_then(Value::as_object).into_iter().flatten() {
            let known = facts.entry(name.clone()).or_default();
            gather_facts(space, action.pointer("/appliesTo/context"), "", known, 0);
        }
    }
    Ok(facts)
}

/// Names of the attributes of a record type, which stands there or is one of the schema's named types.
fn gather_facts(space: &Value, written: Option<&Value>, before: &str, known: &mut BTreeSet<String>, depth: u8) {
    let Some(written) = written.filter(|_| depth < NESTED) else { return };
    if let Some(attributes) = written.get("attributes").and_then(Value::as_object) {
        for (name, written) in attributes {
            gather_facts(space, Some(written), &format!("{before}{name}."), known, depth + 1);
            known.insert(format!("{before}{name}"));
        }
        return;
    }
    let named = written.get("name").or_else(|| written.get("type")).and_then(Value::as_str);
    let common = named.and_then(|name| space.get("commonTypes")?.get(name));
    gather_facts(space, common, before, known, depth + 1);
}

/// The words of `ours` that are not known, those inside a record as `secret.purpose`.
pub(super) fn beyond(known: &BTreeSet<String>, ours: &Value, before: &str) -> BTreeSet<String> {
    let mut unknown = BTreeSet::new();
    for (name, value) in ours.as_object().into_iter().flatten() {
        let name = format!("{before}{name}");
        if known.contains(&name) {
            unknown.extend(beyond(known, value, &format!("{name}.")));
        } else {
            unknown.insert(name);
        }
    }
    unknown
}

/// Records inside records that a schema may have, names of types counted.
const NESTED: u8 = 8;
