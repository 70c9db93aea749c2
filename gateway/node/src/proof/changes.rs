//! What changed between two folders of policies, in words: rules, catalogue, agreements. A comparison of files, no solver.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use exchange::Instant;
use serde_json::Value;

use super::ProofFault;
use crate::policy::{Policies, Whole};

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `R05-lecture`, or a file of the catalogue or of the agreements.
    pub what: String,
    /// In French, one fact a line.
    pub lines: Vec<String>,
}

/// Rules that are added, removed or changed on the day of `at`, the template included, each with what it obliges to;
/// `duty` says what a code of an obligation asks.
///
/// # Errors
/// [`ProofFault::Unfit`]: a rule cannot be written in another form.
pub fn of_rules(old: &Policies, new: &Policies, at: Instant, duty: &dyn Fn(&str) -> String) -> Result<Vec<Change>, ProofFault> {
    let (before, after) = (rules(&old.whole(at))?, rules(&new.whole(at))?);
    let mut changes = Vec::new();
    for id in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let said = |rule: &Value| text(rule.pointer("/annotations/explain"));
        let lines = match (before.get(id), after.get(id)) {
            (None, Some(rule)) => {
                [vec![format!("ajoutée ({}) : « {} »", part(rule), said(rule))], obliges(rule, "oblige à", duty)].concat()
            }
            (Some(rule), None) => {
                [vec![format!("retirée ({}) : « {} »", part(rule), said(rule))], obliges(rule, "n’oblige plus à", duty)].concat()
            }
            (Some(was), Some(is)) => differences(was, is, duty),
            (None, None) => Vec::new(),
        };
        if !lines.is_empty() {
            changes.push(Change { what: id.clone(), lines });
        }
    }
    Ok(changes)
}

/// The actions that a changed rule speaks of; none named: any. For who need not ask about the others.
///
/// # Errors
/// As [`of_rules`].
pub fn actions(old: &Policies, new: &Policies, at: Instant) -> Result<BTreeSet<String>, ProofFault> {
    let (before, after) = (rules(&old.whole(at))?, rules(&new.whole(at))?);
    let changed = before.keys().chain(after.keys()).filter(|id| before.get(*id) != after.get(*id));
    let mut named = BTreeSet::new();
    for rule in changed.flat_map(|id| [before.get(id), after.get(id)]).flatten() {
        let scope = rule.get("action");
        let one = scope.and_then(|scope| scope.get("entity")).into_iter();
        let several = scope.and_then(|scope| scope.get("entities")).and_then(Value::as_array).into_iter().flatten();
        let ids: Vec<String> = one.chain(several).filter_map(|entity| entity.get("id")?.as_str()).map(str::to_owned).collect();
        if ids.is_empty() {
            named.insert(ANY.to_owned());
        }
        named.extend(ids);
    }
    Ok(named)
}

/// Stands for every action.
pub const ANY: &str = "*";

/// What differs in the TOML files of one subfolder (`catalogue`, `agreements`): entries added, taken away, changed.
///
/// # Errors
/// [`ProofFault::Unfit`]: a file cannot be read.
pub fn of_files(old: &Path, new: &Path, subfolder: &str) -> Result<Vec<Change>, ProofFault> {
    let (before, after) = (entries(&old.join(subfolder))?, entries(&new.join(subfolder))?);
    let mut changes = Vec::new();
    for file in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let lines = match (before.get(file), after.get(file)) {
            (None, Some(_)) => vec!["fichier ajouté".to_owned()],
            (Some(_), None) => vec!["fichier retiré".to_owned()],
            (Some(was), Some(is)) => values(was, is),
            (None, None) => Vec::new(),
        };
        if !lines.is_empty() {
            changes.push(Change { what: format!("{subfolder}/{file}"), lines });
        }
    }
    Ok(changes)
}

fn rules(whole: &Whole) -> Result<BTreeMap<String, Value>, ProofFault> {
    let mut rules = BTreeMap::new();
    for (id, rule) in &whole.rules {
        rules.insert(id.clone(), rule.to_json().map_err(|error| ProofFault::Unfit(error.to_string()))?);
    }
    if let Some(template) = &whole.template {
        rules.insert(template.id().to_string(), template.to_json().map_err(|error| ProofFault::Unfit(error.to_string()))?);
    }
    Ok(rules)
}

fn part(rule: &Value) -> &'static str {
    if rule.get("effect").and_then(Value::as_str) == Some("forbid") { "interdiction de la loi" } else { "permission locale" }
}

/// What a rule says about itself, in the order it is told.
const NOTES: [(&str, &str); 13] = [
    ("rule", "numéro de règle"),
    ("article", "article"),
    ("effective_from", "premier jour"),
    ("effective_to", "dernier jour"),
    ("obligation", "obligations"),
    ("hidden", "existence cachée"),
    ("except", "champs qu’une permission peut en sortir"),
    ("confirm", "à confirmer par un juriste"),
    ("off", "hors d’usage"),
    ("explain", "explication"),
    ("missing", "ce qui manque"),
    ("cure", "ce qui y remédie"),
    ("who", "qui peut y remédier"),
];

/// What a rule obliges to, if anything: one line.
fn obliges(rule: &Value, begin: &str, duty: &dyn Fn(&str) -> String) -> Vec<String> {
    let told = duties(rule, duty);
    if told.is_empty() { Vec::new() } else { vec![format!("{begin} : {told}")] }
}

fn duties(rule: &Value, duty: &dyn Fn(&str) -> String) -> String {
    text(rule.pointer("/annotations/obligation")).split_whitespace().map(duty).collect::<Vec<_>>().join(" ; ")
}

fn differences(was: &Value, is: &Value, duty: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut lines = Vec::new();
    if ["effect", "principal", "action", "resource", "conditions"].iter().any(|key| was.get(key) != is.get(key)) {
        lines.push("condition changée : ce qu’elle ouvre ou ferme est dit plus bas".to_owned());
    }
    for (note, said) in NOTES {
        let at = format!("/annotations/{note}");
        let (before, after) = match note {
            "obligation" => (duties(was, duty), duties(is, duty)),
            _ => (text(was.pointer(&at)), text(is.pointer(&at))),
        };
        if before != after {
            lines.push(format!("{said} : {} → {}", or_none(&before), or_none(&after)));
        } else if note == "obligation" && was != is {
            lines.extend(obliges(is, "oblige toujours à", duty));
        }
    }
    lines
}

fn or_none(said: &str) -> String {
    if said.is_empty() { "rien".to_owned() } else { format!("« {said} »") }
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// File name → key path → value.
type Entries = BTreeMap<String, BTreeMap<String, Value>>;

fn entries(folder: &Path) -> Result<Entries, ProofFault> {
    let unfit = |path: &Path, error: &dyn std::fmt::Display| ProofFault::Unfit(format!("{}: {error}", path.display()));
    let mut found = Entries::new();
    if !folder.exists() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(folder).map_err(|error| unfit(folder, &error))? {
        let path = entry.map_err(|error| unfit(folder, &error))?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| unfit(&path, &error))?;
        let written: toml::Table = text.parse().map_err(|error| unfit(&path, &error))?;
        let value = serde_json::to_value(written).map_err(|error| unfit(&path, &error))?;
        let mut flat = BTreeMap::new();
        flatten("", &value, &mut flat);
        found.insert(path.file_name().unwrap_or_default().to_string_lossy().into_owned(), flat);
    }
    Ok(found)
}

const DATE: &str = "$__toml_private_datetime";

/// Tables become key paths; items of a list of tables are known by the name they carry, so that order plays no part.
fn flatten(at: &str, value: &Value, flat: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    match value {
        // A date, as the `toml` crate hands it to others.
        Value::Object(map) if map.len() == 1 && map.contains_key(DATE) => {
            flat.insert(at.to_owned(), map.get(DATE).cloned().unwrap_or_default());
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&below(key), value, flat)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (n, item) in items.iter().enumerate() {
                let name = ["path", "code", "id", "name", "kind"].iter().find_map(|key| item.get(key)?.as_str());
                flatten(&below(&format!("[{}]", name.map_or_else(|| n.to_string(), str::to_owned))), item, flat);
            }
        }
        Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            flat.insert(at.to_owned(), value.clone());
        }
    }
}

fn values(was: &BTreeMap<String, Value>, is: &BTreeMap<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    for key in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let line = match (was.get(key), is.get(key)) {
            (Some(before), Some(after)) if before == after => continue,
            (Some(Value::Array(before)), Some(Value::Array(after))) => {
                let (before, after): (BTreeSet<String>, BTreeSet<String>) =
                    (before.iter().map(said).collect(), after.iter().map(said).collect());
                let more = after.difference(&before).map(|one| format!("+ {one}"));
                let less = before.difference(&after).map(|one| format!("− {one}"));
                let moved = more.chain(less).collect::<Vec<_>>();
                if moved.is_empty() { format!("{key} : ordre changé") } else { format!("{key} : {}", moved.join(", ")) }
            }
            (Some(before), Some(after)) => format!("{key} : {} → {}", said(before), said(after)),
            (None, Some(after)) => format!("{key} : ajouté, {}", said(after)),
            (Some(before), None) => format!("{key} : retiré, était {}", said(before)),
            (None, None) => continue,
        };
        lines.push(line);
    }
    lines
}

/// A value as a person writes it.
fn said(value: &Value) -> String {
    match value {
        Value::Bool(true) => "oui".to_owned(),
        Value::Bool(false) => "non".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(said).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
