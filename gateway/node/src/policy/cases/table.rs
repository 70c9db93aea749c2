//! The table of rules: for each rule of the law its article, where it lives, the cases that play it, and how sure we are.
//!
//! Policies and obligations name their rules themselves; `rules.toml` says the rest. What the table names must exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write},
    fs,
    path::Path,
};

use serde::{Deserialize, de::DeserializeOwned};

use super::{CasesFault, Placed, written::Answer};
use crate::{
    catalogue::Catalogue,
    policy::Policies,
    retention::Retention,
    source::{Files, fault},
};

/// The rules R01 to R85, complete, and what is wrong with the table. Printed as the Markdown of `policies/README.md`.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Row>,
    faults: Vec<String>,
}

#[derive(Debug)]
struct Row {
    rule: String,
    written: Written,
    places: Vec<String>,
    /// How many cases let something through, and how many hold something back.
    cases: (usize, usize),
    policies: bool,
}

/// One rule as `rules.toml` has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    article: String,
    title: String,
    mark: String,
    types: Vec<String>,
    /// `type:path`.
    fields: Vec<String>,
    /// `CL-list:value`.
    values: Vec<String>,
    clocks: Vec<String>,
    retention: Vec<String>,
    /// `path in the repository: what it does`.
    code: Vec<String>,
    /// Policies of another rule that carry this one.
    carried: Vec<String>,
    note: Option<String>,
    confirm: Option<String>,
    open: Option<String>,
}

impl Table {
    /// What is wrong: a rule that is nowhere, a place that does not exist, a rule that nobody knows.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// The paths of the repository that the table names.
    pub fn code(&self) -> BTreeSet<&str> {
        let named = self.rows.iter().flat_map(|row| &row.written.code);
        named.filter_map(|named| named.split_once(": ")).map(|(path, _)| path).collect()
    }

    /// Rules that a policy carries, and those of them that no case plays in one of the two ways.
    pub(super) fn uncovered(&self) -> (usize, Vec<String>) {
        let carried: Vec<&Row> = self.rows.iter().filter(|row| row.policies).collect();
        let bare = carried.iter().filter(|row| row.cases.0 == 0 || row.cases.1 == 0);
        (carried.len(), bare.map(|row| format!("{} ({} pour, {} contre)", row.rule, row.cases.0, row.cases.1)).collect())
    }

    pub(super) fn of(folder: &Path, policies: &Policies, catalogue: &Catalogue, cases: &[Placed]) -> Result<Self, CasesFault> {
        let mut written: BTreeMap<String, Written> = read(&folder.join("rules.toml"))?;
        let retention = Retention::of(&Files::read(folder)).map_err(CasesFault::Sources)?;
        let missing =
            retention.missing(catalogue).into_iter().map(|class| format!("retention.toml : la classe « {class} » d’un type manque"));
        let mut check = Check { policies, catalogue, retention: &retention, faults: missing.collect() };
        let known: BTreeSet<String> = (1..=LAST).map(|n| format!("R{n:02}")).collect();
        // The words of the cases are held against their lists apart, this one too.
        let named = policies.notes.iter().map(|(id, note)| (id.clone(), note.explanation.rule.clone()));
        let named = named.chain(written.keys().map(|rule| ("rules.toml".to_owned(), rule.clone())));
        for (by, rules) in named {
            check
                .faults
                .extend(rules.split_whitespace().filter(|rule| !known.contains(*rule)).map(|rule| format!("{by} : {rule} n’existe pas")));
        }
        let mut rows = Vec::new();
        for rule in known {
            let Some(written) = written.remove(&rule) else {
                check.faults.push(format!("{rule} manque dans rules.toml"));
                continue;
            };
            let ids = own(policies, &rule);
            let places = check.places(&rule, &written, &ids);
            let (mut open, mut closed) = (0, 0);
            for (_, _, case) in cases.iter().filter(|(_, _, case)| case.rules.contains(&rule) || case.about.contains(&rule)) {
                let held = |parts: &Option<BTreeSet<String>>| parts.as_ref().is_some_and(|parts| !parts.is_empty());
                let lets = case.expect.answer == Answer::Permit && !held(&case.expect.withheld) && !held(&case.expect.vanished);
                *(if lets { &mut open } else { &mut closed }) += 1;
            }
            let in_force = ids.iter().any(|id| policies.note(id).is_some_and(|note| !note.off));
            rows.push(Row { policies: in_force, rule, written, places, cases: (open, closed) });
        }
        let faults = check.faults;
        Ok(Self { rows, faults })
    }
}

/// Whether a number is that of a rule of the table.
pub(super) fn is_rule(number: &str) -> bool {
    (1..=LAST).any(|n| number == format!("R{n:02}"))
}

/// The policies that name a rule, by id.
fn own<'p>(policies: &'p Policies, rule: &str) -> Vec<&'p str> {
    let names = policies.notes.iter().filter(|(_, note)| note.explanation.rule.split_whitespace().any(|one| one == rule));
    names.map(|(id, _)| id.as_str()).collect()
}

struct Check<'a> {
    policies: &'a Policies,
    catalogue: &'a Catalogue,
    retention: &'a Retention,
    faults: Vec<String>,
}

impl Check<'_> {
    fn places(&mut self, rule: &str, written: &Written, ids: &[&str]) -> Vec<String> {
        let catalogue = self.catalogue;
        let mut places: Vec<String> = Vec::new();
        if !ids.is_empty() {
            let shown = ids
                .iter()
                .map(|id| if self.policies.note(id).is_some_and(|note| note.off) { format!("`{id}` (off)") } else { format!("`{id}`") });
            places.push(shown.collect::<Vec<_>>().join(", "));
        }
        let obligations = catalogue.obligations.iter().filter(|(_, obligation)| obligation.rules.iter().any(|one| one == rule));
        places.extend(listed("obligation", obligations.map(|(code, _)| code.as_str())));
        let kept = self.retention.classes().filter(|(_, class)| class.rules.iter().any(|one| one == rule));
        places.extend(listed("retention", kept.map(|(name, _)| name).filter(|name| !written.retention.iter().any(|own| own == name))));
        let exists = |kind: &str, name: &str| match kind {
            "type" => name.parse().is_ok_and(|code| catalogue.has_type(&code)),
            "clock" => catalogue.clock(name).is_some(),
            "retention" => self.retention.class(name).is_some(),
            "carried by" => self.policies.note(name).is_some(),
            "field" => name.split_once(':').is_some_and(|(of, path)| {
                let versions = of.parse().ok().and_then(|code| catalogue.types.get(&code));
                versions.into_iter().flatten().any(|of| of.fields.iter().any(|field| field.path.starts_with(path)))
            }),
            "value" => name.split_once(':').is_some_and(|(list, value)| catalogue.has_code(list, value)),
            _ => name.split_once(": ").is_some(),
        };
        let all = [
            ("type", &written.types),
            ("field", &written.fields),
            ("value", &written.values),
            ("clock", &written.clocks),
            ("retention", &written.retention),
            ("carried by", &written.carried),
            ("code", &written.code),
        ];
        let mut missing = Vec::new();
        for (kind, names) in all {
            missing.extend(names.iter().filter(|name| !exists(kind, name)).map(|name| format!("{rule} : {kind} « {name} » n’existe pas")));
            places.extend(listed(kind, names.iter().map(String::as_str)));
        }
        self.faults.extend(missing);
        places.extend(written.note.clone());
        if written.article.is_empty() || written.title.is_empty() || !["V", "P", "I", "M", "V/I"].contains(&written.mark.as_str()) {
            self.faults.push(format!("{rule} : il manque l’article, le titre ou la marque"));
        }
        match (&written.open, places.is_empty()) {
            (None, true) => self.faults.push(format!("{rule} n’est nulle part, et rien ne dit pourquoi (`open`)")),
            (Some(_), _) if !ids.is_empty() => self.faults.push(format!("{rule} a des règles écrites : ôter `open`")),
            (Some(why), _) => places.push(format!("*open*: {why}")),
            (None, false) => {}
        }
        self.confirmed(rule, written, ids, &mut places);
        places
    }

    /// From memory: prohibitions are on, duties and permissions off, and each says what a jurist must confirm.
    fn confirmed(&mut self, rule: &str, written: &Written, ids: &[&str], places: &mut Vec<String>) {
        let notes: Vec<_> = ids.iter().filter_map(|id| self.policies.note(id)).collect();
        let confirm: BTreeSet<&str> = notes.iter().filter_map(|note| note.confirm.as_deref()).chain(written.confirm.as_deref()).collect();
        places.extend(confirm.iter().map(|what| format!("to confirm: {what}")));
        if written.mark == "M" {
            // Only a prohibition says what is missing.
            if notes.iter().any(|note| note.explanation.missing.is_empty() && !note.off) {
                self.faults.push(format!("{rule} est de mémoire : un permis ne peut être en vigueur (`@off`)"));
            }
            if confirm.is_empty() {
                self.faults.push(format!("{rule} est de mémoire : rien ne dit ce qu’un juriste doit confirmer"));
            }
        }
    }
}

/// `clock \`a\`, \`b\``, or nothing.
fn listed<'a>(kind: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = names
        .map(|name| match name.split_once(": ").filter(|_| kind == "code") {
            Some((path, what)) => format!("`{path}` ({what})"),
            None => format!("`{name}`"),
        })
        .collect();
    (!names.is_empty()).then(|| format!("{kind} {}", names.join(", ")))
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<BTreeMap<String, T>, CasesFault> {
    let wrong = |what: String| -> CasesFault { CasesFault::Sources(vec![fault(file, 1, what, "mend the file")]) };
    let text = fs::read_to_string(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    toml::from_str(&text).map_err(|error| wrong(error.to_string()))
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| rule | article | what it says | where | cases (yes/no) | mark |\n|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let Row { rule, written, places, cases: (open, closed), .. } = row;
            let mut cells = String::new();
            write!(
                cells,
                "| {rule} | {} | {} | {} | {open}/{closed} | {} |",
                written.article,
                written.title,
                places.join("; "),
                written.mark
            )?;
            writeln!(f, "{cells}")?;
        }
        Ok(())
    }
}

/// The law table ends with R85.
const LAST: usize = 85;
