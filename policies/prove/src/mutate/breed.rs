//! The mutants: files of rules in which one thing is gone or turned round.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use cedar_policy::{Policy, PolicySet, Template};
use serde_json::Value;

use crate::Fault;

/// One change of one file.
pub(crate) struct Mutant {
    /// `R05-lecture / unless 1 ôté`.
    pub(crate) name: String,
    /// Path below the folder.
    pub(crate) file: PathBuf,
    /// The whole file, changed.
    pub(crate) text: String,
    /// Its rule speaks of sending.
    pub(crate) of_submit: bool,
}

/// A rule as JSON and as text.
struct Rule {
    id: String,
    json: Value,
    text: String,
    template: bool,
}

/// Every mutant of the rules of `folder`, in the order of files and names.
///
/// # Errors
/// A file cannot be read or written in another form.
pub(crate) fn breed(folder: &Path) -> Result<Vec<Mutant>, Fault> {
    let mut mutants = Vec::new();
    for part in ["law", "local"] {
        let listed = fs::read_dir(folder.join(part)).map_err(|error| Fault::File(format!("{part}: {error}")))?;
        let mut files: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "cedar"));
        files.sort();
        for file in files {
            let rules = read(&file)?;
            let below = Path::new(part).join(file.file_name().unwrap_or_default());
            for (n, rule) in rules.iter().enumerate() {
                // What is written and off is no part of any decision yet.
                if rule.json.pointer("/annotations/off").is_some() {
                    continue;
                }
                let others = || rules.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, other)| other.text.clone());
                let of_submit = rule.text.contains(r#"Action::"submit""#);
                let mut add = |what: &str, changed: Option<String>| {
                    let text = others().chain(changed).collect::<Vec<_>>().join("\n");
                    mutants.push(Mutant { name: format!("{} / {what}", rule.id), file: below.clone(), text, of_submit });
                };
                add("ôtée", None);
                for (what, json) in changes(&rule.json) {
                    add(&what, Some(rule.with(json)?));
                }
            }
        }
    }
    Ok(mutants)
}

impl Rule {
    fn with(&self, json: Value) -> Result<String, Fault> {
        let unfit = |what: String| Fault::File(format!("{}: {what}", self.id));
        if self.template {
            let template = Template::from_json(None, json).map_err(|error| unfit(error.to_string()))?;
            return Ok(template.to_cedar());
        }
        let policy = Policy::from_json(None, json).map_err(|error| unfit(error.to_string()))?;
        policy.to_cedar().ok_or_else(|| unfit("cannot be written".to_owned()))
    }
}

fn read(file: &Path) -> Result<Vec<Rule>, Fault> {
    let unfit = |what: String| Fault::File(format!("{}: {what}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| unfit(error.to_string()))?;
    let set = PolicySet::from_str(&text).map_err(|error| unfit(error.to_string()))?;
    let mut rules = Vec::new();
    for policy in set.policies() {
        let json = policy.to_json().map_err(|error| unfit(error.to_string()))?;
        let id = policy.annotation("id").unwrap_or_default().to_owned();
        let text = policy.to_cedar().ok_or_else(|| unfit(id.clone()))?;
        rules.push(Rule { id, json, text, template: false });
    }
    for template in set.templates() {
        let json = template.to_json().map_err(|error| unfit(error.to_string()))?;
        rules.push(Rule { id: template.annotation("id").unwrap_or_default().to_owned(), json, text: template.to_cedar(), template: true });
    }
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rules)
}

/// Each clause gone or turned round, each obligation gone, the secret of existence gone.
fn changes(rule: &Value) -> Vec<(String, Value)> {
    let mut changed = Vec::new();
    let clauses = rule.get("conditions").and_then(Value::as_array).map_or(0, Vec::len);
    for n in 0..clauses {
        let kind = |rule: &Value| rule.pointer(&format!("/conditions/{n}/kind")).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = format!("{} {}", kind(rule), n + 1);
        let mut gone = rule.clone();
        if let Some(Value::Array(clauses)) = gone.get_mut("conditions") {
            clauses.remove(n);
        }
        changed.push((format!("{name} ôté"), gone));
        let mut turned = rule.clone();
        let other = if kind(rule) == "when" { "unless" } else { "when" };
        if let Some(kind) = turned.pointer_mut(&format!("/conditions/{n}/kind")) {
            *kind = other.into();
        }
        changed.push((format!("{name} retourné"), turned));
    }
    let obligations: Vec<&str> =
        rule.pointer("/annotations/obligation").and_then(Value::as_str).map(|codes| codes.split_whitespace().collect()).unwrap_or_default();
    for code in &obligations {
        let mut gone = rule.clone();
        let rest: Vec<&str> = obligations.iter().filter(|other| *other != code).copied().collect();
        if let Some(Value::Object(notes)) = gone.get_mut("annotations") {
            if rest.is_empty() {
                notes.remove("obligation");
            } else {
                notes.insert("obligation".to_owned(), rest.join(" ").into());
            }
        }
        changed.push((format!("obligation {code} ôtée"), gone));
    }
    if rule.pointer("/annotations/hidden").is_some() {
        let mut shown = rule.clone();
        if let Some(Value::Object(notes)) = shown.get_mut("annotations") {
            notes.remove("hidden");
        }
        changed.push(("existence montrée".to_owned(), shown));
    }
    changed
}
