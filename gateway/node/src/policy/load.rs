//! Loading the rules: read once, checked whole against the schema, sliced by day, action and resource.
//!
//! A rule that could fail, an unknown annotation or obligation, a missing explanation: the gateway does not start.

mod facts;
mod statements;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
};

use cedar_policy::{
    ActionConstraint, Effect, EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, ResourceConstraint, Schema, Template,
    ValidationMode, Validator,
};
use exchange::{DataClass, Instant};
use time::{Date, macros::format_description};

pub(super) use self::facts::Declared;
use self::{
    facts::{beyond, facts_of},
    statements::split,
    words::{can_fail, gather_words, looked_at},
};
use super::{
    alerts::{self, Unexcepted},
    explain::Explanation,
    question,
};
use crate::source::{Files, SCHEMA, SourceFault};

#[cfg(test)]
mod tests;

const ACTIONS: &[&str] = &["submit", "receive", "open", "disclose", "query", "reidentify", "break_glass"];
const TYPES: &[&str] = &["Institution", "Unit", "Professional", "Exchange", "DataClass", "Field", "Domain"];
const KNOWN: &[&str] = &[
    "id",
    "rule",
    "article",
    "effective_from",
    "effective_to",
    "explain",
    "missing",
    "cure",
    "who",
    "obligation",
    "hidden",
    "except",
    "confirm",
    "off",
];

/// One mistake in the policy files: the start stops, and says them all.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {what}", file = file.display())]
pub struct PolicyFault {
    /// File.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl PolicyFault {
    fn of_source(fault: SourceFault) -> Self {
        Self { file: fault.file, line: fault.line, what: fault.what }
    }
}

/// The rules in force, with the text of each.
#[derive(Debug)]
pub struct Policies {
    pub(super) schema: Schema,
    pub(super) notes: BTreeMap<String, Note>,
    pub(super) template: Option<Template>,
    days: Vec<(Date, Slices)>,
    names: BTreeMap<&'static str, EntityTypeName>,
    /// The facts that the schema declares for each action.
    pub(super) facts: Declared,
    /// The facts of this program that it does not: these rules were written without them and are asked without them.
    pub(super) unknown: Declared,
    /// Catalogue paths that a rule speaks of by name.
    pub(super) fields: BTreeSet<String>,
    /// Which words the rules compare which facts with: (rule, fact, word).
    pub(super) words: Vec<(String, String, String)>,
    /// Prohibitions on `submit` that do not except danger.
    pub(super) unexcepted: Unexcepted,
    hash: String,
}

/// What a rule says about itself.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) explanation: Explanation,
    pub(super) obligations: Vec<String>,
    pub(super) hidden: bool,
    /// Fields that a permit may give although this rule forbids their class.
    pub(super) excepts: BTreeSet<String>,
    /// What a jurist must confirm.
    pub(super) confirm: Option<String>,
    /// Written, checked and not in force until that is confirmed.
    pub(super) off: bool,
    /// Words of the schema that it looks at, in the order of its text.
    pub(super) facts: Vec<String>,
    from: Date,
    to: Option<Date>,
}

/// The rules of one day by action, or by action and resource for `receive` and `disclose`.
pub(super) type Slices = BTreeMap<String, PolicySet>;

impl Policies {
    /// Reads `schema.cedarschema`, `law/*.cedar` and `local/*.cedar` below `dir`. `obligation` says whether a code is known.
    ///
    /// # Errors
    /// Every mistake of every file.
    pub fn load(dir: &Path, obligation: &dyn Fn(&str) -> bool) -> Result<Self, Vec<PolicyFault>> {
        Self::of(&Files::read(dir), obligation)
    }

    /// The same of a policy set that was read before.
    ///
    /// # Errors
    /// Every mistake of every file.
    pub fn of(files: &Files, obligation: &dyn Fn(&str) -> bool) -> Result<Self, Vec<PolicyFault>> {
        let mut unread = Vec::new();
        let schema_source = files.text(SCHEMA, &mut unread);
        let folders = ["law", "local"].map(|part| files.folder(part, &mut unread));
        let Some(schema_source) = schema_source.filter(|_| unread.is_empty()) else {
            return Err(unread.into_iter().map(PolicyFault::of_source).collect());
        };
        let schema_file = schema_source.file;
        let read = Schema::from_cedarschema_str(&schema_source.text).map(|(schema, _)| schema).map_err(|error| error.to_string());
        let (schema, facts) = match read.and_then(|schema| Ok((schema, facts_of(&schema_source.text)?))) {
            Ok(read) => read,
            Err(what) => return Err(vec![PolicyFault { file: schema_file, line: 1, what }]),
        };
        let mut faults = Vec::new();
        let statements: Vec<_> =
            folders.iter().flat_map(|folder| &folder.sources).flat_map(|source| split(&source.file, &source.text)).collect();
        let hash = files.hash().to_owned();
        let mut all = PolicySet::new();
        let mut policies = Vec::new();
        let (mut notes, mut template, mut places) = (BTreeMap::new(), None, BTreeMap::new());
        for statement in statements {
            let mut fault = |what: String| faults.push(PolicyFault { file: statement.file.clone(), line: statement.line, what });
            let law = statement.file.parent().is_some_and(|folder| folder.ends_with("law"));
            if statement.text.contains("?principal") {
                match Template::parse(None, &statement.text) {
                    Ok(parsed) => match note(parsed.annotations(), parsed.effect(), law, obligation) {
                        Ok((id, mut read)) => {
                            read.facts = looked_at(parsed.to_json().ok().as_ref());
                            if parsed.to_json().map_or(true, |json| can_fail(&json)) {
                                fault(CALCULATES.to_owned());
                            }
                            if template.is_some() {
                                fault("only one rule may have slots: the one that agreements are linked from".to_owned());
                            }
                            let parsed = parsed.new_id(PolicyId::new(&id));
                            if let Err(error) = all.add_template(parsed.clone()) {
                                fault(error.to_string());
                            }
                            places.insert(id.clone(), (statement.file.clone(), statement.line));
                            notes.insert(id, read);
                            template = Some(parsed);
                        }
                        Err(what) => fault(what),
                    },
                    Err(error) => fault(error.to_string()),
                }
                continue;
            }
            match Policy::parse(None, &statement.text) {
                Ok(parsed) => match note(parsed.annotations(), parsed.effect(), law, obligation) {
                    Ok((id, mut read)) => {
                        read.facts = looked_at(parsed.to_json().ok().as_ref());
                        if parsed.to_json().map_or(true, |json| can_fail(&json)) {
                            fault(CALCULATES.to_owned());
                        }
                        if !read.excepts.is_empty() && !closes_classes(&parsed) {
                            fault(EXCEPTS.to_owned());
                        }
                        let parsed = parsed.new_id(PolicyId::new(&id));
                        if let Err(error) = all.add(parsed.clone()) {
                            fault(error.to_string());
                        }
                        places.insert(id.clone(), (statement.file.clone(), statement.line));
                        notes.insert(id, read);
                        policies.push(parsed);
                    }
                    Err(what) => fault(what),
                },
                Err(error) => fault(error.to_string()),
            }
        }
        // A warning (a rule that can never apply, a look-alike letter) is a rule that does not do what its author meant.
        let checked = Validator::new(schema.clone()).validate(&all, ValidationMode::Strict);
        let errors = checked.validation_errors().map(|error| (error.policy_id().clone(), error.to_string()));
        let warnings = checked.validation_warnings().map(|warning| (warning.policy_id().clone(), warning.to_string()));
        for (id, what) in errors.chain(warnings) {
            let (file, line) = places.get(AsRef::<str>::as_ref(&id)).cloned().unwrap_or((schema_file.clone(), 1));
            faults.push(PolicyFault { file, line, what });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Self::assemble((schema, facts), notes, template, &policies, hash)
            .map_err(|what| vec![PolicyFault { file: schema_file, line: 1, what }])
    }

    fn assemble(
        (schema, facts): (Schema, Declared),
        notes: BTreeMap<String, Note>,
        template: Option<Template>,
        policies: &[Policy],
        hash: String,
    ) -> Result<Self, String> {
        let ours = question::nothing();
        let unknown = facts.iter().map(|(action, known)| (action.clone(), beyond(known, &ours, ""))).collect();
        let mut names = BTreeMap::new();
        for name in TYPES.iter().chain(&["Action"]) {
            names.insert(*name, EntityTypeName::from_str(name).map_err(|error| error.to_string())?);
        }
        let mut fields = BTreeSet::new();
        for policy in policies {
            if let ResourceConstraint::Eq(uid) = policy.resource_constraint()
                && uid.type_name().to_string() == "Field"
            {
                fields.insert(uid.id().unescaped().to_owned());
            }
        }
        let mut changes = BTreeSet::from([Date::MIN]);
        for note in notes.values() {
            changes.insert(note.from);
            changes.extend(note.to.and_then(Date::next_day));
        }
        let mut words = Vec::new();
        for policy in policies {
            let json = policy.to_json().map_err(|error| error.to_string())?;
            gather_words(policy.id().as_ref(), &json, &mut words);
        }
        let unexcepted = alerts::unexcepted(policies, &notes)?;
        let mut days = Vec::new();
        for day in changes {
            let force = policies.iter().filter(|policy| {
                notes
                    .get(AsRef::<str>::as_ref(policy.id()))
                    .is_some_and(|note| !note.off && note.from <= day && note.to.is_none_or(|to| day <= to))
            });
            days.push((day, slice(force, &fields)?));
        }
        Ok(Self { schema, notes, template, days, names, facts, unknown, fields, words, unexcepted, hash })
    }

    /// Hash of the policy set that these rules are part of ([`Files::hash`]): what a decision was made with.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// An instant of the day of the newest change.
    pub(super) fn newest(&self) -> Instant {
        let day = self.days.last().map_or(Date::MIN, |(day, _)| *day);
        Instant::from_unix_ms(day.midnight().assume_utc().unix_timestamp().saturating_mul(1000))
    }

    /// The rules of a day.
    pub(super) fn set_on(&self, date: Date) -> Option<&Slices> {
        self.days.iter().rev().find(|(from, _)| *from <= date).map(|(_, slices)| slices)
    }

    /// Whether the agreement template is in force.
    pub(super) fn in_force(&self, id: &str, date: Date) -> bool {
        self.notes.get(id).is_some_and(|note| note.from <= date && note.to.is_none_or(|to| date <= to))
    }

    pub(super) fn uid(&self, kind: &str, id: &str) -> Option<EntityUid> {
        self.names.get(kind).map(|name| EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id)))
    }
}

/// The name of a slice: the action, and for parts of a content the part.
pub(super) fn slice_name(action: &str, kind: &str, id: &str) -> String {
    match action {
        "receive" | "disclose" => format!("{action}/{kind}/{id}"),
        _ => action.to_owned(),
    }
}

fn slice<'a>(policies: impl Iterator<Item = &'a Policy>, fields: &BTreeSet<String>) -> Result<Slices, String> {
    let parts: Vec<(&str, &str)> = DataClass::ALL
        .iter()
        .map(|class| ("DataClass", class.as_str()))
        .chain(fields.iter().map(|path| ("Field", path.as_str())))
        .collect();
    let mut slices = Slices::new();
    for action in ACTIONS {
        for (kind, id) in &parts {
            slices.entry(slice_name(action, kind, id)).or_default();
        }
    }
    for policy in policies {
        let actions: Vec<String> = match policy.action_constraint() {
            ActionConstraint::Any => ACTIONS.iter().map(|action| (*action).to_owned()).collect(),
            ActionConstraint::In(uids) => uids.iter().map(|uid| uid.id().unescaped().to_owned()).collect(),
            ActionConstraint::Eq(uid) => vec![uid.id().unescaped().to_owned()],
        };
        let constraint = policy.resource_constraint();
        let speaks_of = |kind: &str, id: &str| match &constraint {
            ResourceConstraint::Any | ResourceConstraint::In(_) => true,
            ResourceConstraint::Eq(uid) => uid.type_name().to_string() == kind && uid.id().unescaped() == id,
            ResourceConstraint::Is(name) | ResourceConstraint::IsIn(name, _) => name.to_string() == kind,
        };
        for action in actions {
            let names: BTreeSet<String> = match action.as_str() {
                "receive" | "disclose" => {
                    parts.iter().filter(|(kind, id)| speaks_of(kind, id)).map(|(kind, id)| slice_name(&action, kind, id)).collect()
                }
                _ => BTreeSet::from([action]),
            };
            for name in names {
                slices.entry(name).or_default().add(policy.clone()).map_err(|error| error.to_string())?;
            }
        }
    }
    Ok(slices)
}

fn note<'a>(
    annotations: impl Iterator<Item = (&'a str, &'a str)>,
    effect: Effect,
    law: bool,
    obligation: &dyn Fn(&str) -> bool,
) -> Result<(String, Note), String> {
    let all: BTreeMap<&str, &str> = annotations.collect();
    if let Some(unknown) = all.keys().find(|key| !KNOWN.contains(key)) {
        return Err(format!("unknown annotation `@{unknown}`"));
    }
    if law != (effect == Effect::Forbid) {
        return Err("law/ holds forbids and local/ holds permits".to_owned());
    }
    let wanted = |key: &str| match all.get(key).filter(|text| !text.trim().is_empty()) {
        Some(text) => Ok((*text).to_owned()),
        None => Err(format!("annotation `@{key}` is missing")),
    };
    let only_forbid = |key: &str| if law { wanted(key) } else { Ok(all.get(key).map_or_else(String::new, |text| (*text).to_owned())) };
    let day = |text: &str| Date::parse(text, format_description!("[year]-[month]-[day]")).map_err(|_| format!("`{text}` is not a date"));
    let obligations: Vec<String> = all.get("obligation").map_or("", |text| text).split_whitespace().map(str::to_owned).collect();
    if let Some(unknown) = obligations.iter().find(|code| !obligation(code)) {
        return Err(format!("unknown obligation `{unknown}`"));
    }
    let hidden = match all.get("hidden") {
        None => false,
        Some(&"existence") if law => true,
        Some(other) => return Err(format!("`@hidden(\"{other}\")` is not `existence` on a forbid")),
    };
    let excepts: BTreeSet<String> = all.get("except").map_or("", |text| text).split_whitespace().map(str::to_owned).collect();
    if !law && !excepts.is_empty() {
        return Err(EXCEPTS.to_owned());
    }
    // A prohibition from memory is on, a duty or a permission from memory is off.
    let off = all.get("off").filter(|text| !text.trim().is_empty());
    if law && off.is_some() {
        return Err("a prohibition is never off: give it an `@effective_to`, or `@confirm` what is doubtful".to_owned());
    }
    let confirm = off.or_else(|| all.get("confirm")).map(|text| (*text).to_owned());
    let explanation = Explanation {
        facts: Vec::new(),
        obligations: Vec::new(),
        confirm: None,
        rule: wanted("rule")?,
        article: wanted("article")?,
        explain: wanted("explain")?,
        missing: only_forbid("missing")?,
        cure: only_forbid("cure")?,
        who: only_forbid("who")?,
    };
    let from = day(&wanted("effective_from")?)?;
    let to = all.get("effective_to").map(|text| day(text)).transpose()?;
    if to.is_some_and(|to| to < from) {
        return Err("the last day is before the first".to_owned());
    }
    Ok((wanted("id")?, Note { explanation, obligations, hidden, excepts, confirm, off: off.is_some(), facts: Vec::new(), from, to }))
}

/// Whether a rule speaks of classes, and of nothing else.
fn closes_classes(policy: &Policy) -> bool {
    match policy.resource_constraint() {
        ResourceConstraint::Eq(uid) => uid.type_name().to_string() == "DataClass",
        ResourceConstraint::Is(name) | ResourceConstraint::IsIn(name, _) => name.to_string() == "DataClass",
        ResourceConstraint::Any | ResourceConstraint::In(_) => false,
    }
}

const CALCULATES: &str = "a rule may not calculate or call an extension: it could fail";
const EXCEPTS: &str = "`@except` stands on a forbid about classes: only the law says which field may be taken out of what it forbids";
