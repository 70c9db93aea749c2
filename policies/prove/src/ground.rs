//! The ground that proofs stand on: the rules of the day, one agreement linked for all, the catalogue's world.

use std::{fs, path::Path};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, RequestEnv, Schema, SchemaFragment, Template};
use exchange::Instant;
use gateway::{
    catalogue::Catalogue,
    policy::{Policies, Whole},
    proof::{
        claim,
        world::{Types, world},
    },
};
use serde_json::{Map, Value, json};

use crate::Fault;

/// Parties of the one agreement that stands for all: no rule names an institution, so that any two others would do.
pub(crate) const PARTIES: (&str, &str) = ("partie-expeditrice", "partie-destinataire");

/// What is proved about.
pub(crate) struct Ground {
    /// Hash of the policy set.
    pub(crate) hash: String,
    /// The rules of the day.
    pub(crate) whole: Whole,
    /// Cedar expressions: the facts agree with the catalogue, types to come included.
    pub(crate) world: Vec<String>,
    /// The schema as JSON, for schemas with more facts.
    pub(crate) written: Value,
}

impl Ground {
    /// Loads the rules and the catalogue of a folder as the gateway does.
    ///
    /// # Errors
    /// Every mistake of the files.
    pub(crate) fn load(folder: &Path, at: Instant) -> Result<Self, Fault> {
        let catalogue = Catalogue::load(&folder.join("catalogue")).map_err(|faults| Fault::File(lines(&faults)))?;
        let known = |code: &str| catalogue.obligation(code).is_some();
        let policies = Policies::load(folder, &known).map_err(|faults| Fault::File(lines(&faults)))?;
        Self::of(folder, &policies, &catalogue, at)
    }

    /// The ground of rules that are already loaded.
    ///
    /// # Errors
    /// The schema cannot be written in another form.
    pub(crate) fn of(folder: &Path, policies: &Policies, catalogue: &Catalogue, at: Instant) -> Result<Self, Fault> {
        let file = folder.join("schema.cedarschema");
        let text = fs::read_to_string(&file).map_err(|error| Fault::File(format!("{}: {error}", file.display())))?;
        let (fragment, _) = SchemaFragment::from_cedarschema_str(&text).map_err(|error| Fault::File(error.to_string()))?;
        let written = fragment.to_json_value().map_err(|error| Fault::File(error.to_string()))?;
        Ok(Self { hash: policies.hash().to_owned(), whole: policies.whole(at), world: world(catalogue, at, Types::AnyToCome), written })
    }

    /// The rules that `keep` keeps, with the agreement of [`PARTIES`] when it is kept too.
    ///
    /// # Errors
    /// Two rules have one name.
    pub(crate) fn set(&self, keep: &dyn Fn(&str) -> bool) -> Result<PolicySet, Fault> {
        let mut set = PolicySet::from_policies(self.whole.rules.iter().filter(|(id, _)| keep(id)).map(|(_, rule)| rule.clone()))
            .map_err(|error| Fault::File(error.to_string()))?;
        if let Some(template) = self.whole.template.as_ref().filter(|template| keep(template.id().as_ref())) {
            set.add(linked(template, PARTIES)?).map_err(|error| Fault::File(error.to_string()))?;
        }
        Ok(set)
    }

    /// Every rule, with the agreement.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(crate) fn rules(&self) -> Result<PolicySet, Fault> {
        self.set(&|_| true)
    }

    /// The kept prohibitions, and a permit for all else: what the law keeps, whatever a Département opens.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(crate) fn law(&self, keep: &dyn Fn(&str) -> bool) -> Result<PolicySet, Fault> {
        let mut set = claim(&[""; 0], "true")?;
        for (_, rule) in self.whole.rules.iter().filter(|(id, rule)| rule.effect() == Effect::Forbid && keep(id)) {
            set.add(rule.clone()).map_err(|error| Fault::File(error.to_string()))?;
        }
        Ok(set)
    }

    /// What a Département opens, as if there were no law.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(crate) fn local(&self) -> Result<PolicySet, Fault> {
        self.set(&|id| self.whole.rules.get(id).is_none_or(|rule| rule.effect() == Effect::Permit))
    }

    /// The kinds of request of some actions, on one type of resource or on any.
    pub(crate) fn envs(&self, actions: &[String], resource: Option<&str>) -> Vec<RequestEnv> {
        let mut envs: Vec<RequestEnv> = self
            .whole
            .schema
            .request_envs()
            .filter(|env| actions.is_empty() || actions.iter().any(|action| env.action().id().unescaped() == action))
            .filter(|env| resource.is_none_or(|kind| env.resource().to_string() == kind))
            .collect();
        envs.sort_by_key(|env| (env.action().to_string(), env.principal().to_string(), env.resource().to_string()));
        envs
    }

    /// Every fact of an action at its ordinary value.
    pub(crate) fn ordinary(&self, action: &str) -> Map<String, Value> {
        let context = self.written.pointer(&format!("//actions/{action}/appliesTo/context"));
        match context.map(|context| ordinary(&self.written, context)) {
            Some(Value::Object(facts)) => facts,
            _ => Map::new(),
        }
    }

    /// The schema with a second copy of some facts, named `other_…`.
    ///
    /// # Errors
    /// The schema has no such fact.
    pub(crate) fn with_others(&self, names: &[String]) -> Result<Schema, Fault> {
        let mut written = self.written.clone();
        let all = written.pointer_mut("//commonTypes/Facts/attributes").and_then(Value::as_object_mut);
        let all = all.ok_or_else(|| Fault::File("the schema has no type `Facts`".to_owned()))?;
        for name in names {
            let kind = all.get(name).cloned().ok_or_else(|| Fault::File(format!("no fact is called `{name}`")))?;
            all.insert(format!("other_{name}"), kind);
        }
        Schema::from_json_value(written).map_err(|error| Fault::File(error.to_string()))
    }
}

/// The template as it stands for one agreement: a rule like any other, since formulas know no slots.
///
/// # Errors
/// The template cannot be written as JSON.
pub(crate) fn linked(template: &Template, (from, to): (&str, &str)) -> Result<Policy, Fault> {
    let mut json = template.to_json().map_err(|error| Fault::File(error.to_string()))?;
    for (slot, party) in [("principal", from), ("resource", to)] {
        if let Some(scope) = json.get_mut(slot).and_then(Value::as_object_mut)
            && scope.remove("slot").is_some()
        {
            scope.insert("entity".to_owned(), json!({"type": "Institution", "id": party}));
        }
    }
    let id = PolicyId::new(format!("{}/{from}/{to}", template.id()));
    Policy::from_json(Some(id), json).map_err(|error| Fault::File(error.to_string()))
}

/// A rule that asks `other_…` instead of some facts.
///
/// # Errors
/// The rule cannot be written as JSON.
pub(crate) fn asking_others(rule: &Policy, names: &[String]) -> Result<Policy, Fault> {
    let mut json = rule.to_json().map_err(|error| Fault::File(error.to_string()))?;
    rename(&mut json, names);
    Policy::from_json(Some(rule.id().clone()), json).map_err(|error| Fault::File(error.to_string()))
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

/// Faults, one a line.
pub(crate) fn lines(faults: &[impl ToString]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
