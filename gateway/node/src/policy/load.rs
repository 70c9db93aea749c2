//! Loading the rules: read once, checked whole against the schema, sliced by day, action and resource.
//!
//! A rule that could fail, an unknown annotation or obligation, a missing explanation: the gateway does not start.

mod facts;
mod mistake;
mod statements;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
};

use cedar_policy::{
    ActionConstraint, Effect, EntityId, EntityTypeName, EntityUid, ParseErrors, Policy, PolicyId, PolicySet, ResourceConstraint, Schema,
    Template, ValidationMode, Validator,
};
use exchange::{DataClass, Instant};
use time::{Date, macros::format_description};

pub(super) use self::facts::Declared;
use self::{
    facts::{beyond, facts_of},
    mistake::Mistake,
    statements::{Statement, split},
    words::{can_fail, gather_words, looked_at},
};
use super::{
    alerts::{self, Unexcepted},
    explain::Explanation,
    near::meant,
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
    /// Where it stands: `law/secret-partage.cedar:124`.
    place: String,
    /// A permission to send.
    pub(super) lets_send: bool,
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
        let whole = Statement { file: schema_file.clone(), line: 1, text: schema_source.text };
        let read =
            Schema::from_cedarschema_str(&whole.text).map(|(schema, _)| schema).map_err(|error| Mistake::schema(&whole.text, &error));
        let facts = |schema| Ok((schema, facts_of(&whole.text).map_err(|what| Mistake { at: 0, what })?));
        let (schema, facts) = match read.and_then(facts) {
            Ok(read) => read,
            Err(Mistake { at, what }) => return Err(vec![whole.fault(at, what)]),
        };
        let mut faults = Vec::new();
        let statements: Vec<_> =
            folders.iter().flat_map(|folder| &folder.sources).flat_map(|source| split(&source.file, &source.text)).collect();
        let hash = files.hash().to_owned();
        let mut all = PolicySet::new();
        let mut policies = Vec::new();
        let (mut notes, mut template, mut places) = (BTreeMap::new(), None, BTreeMap::new());
        for statement in &statements {
            let law = statement.file.parent().is_some_and(|folder| folder.ends_with("law"));
            if statement.text.contains("?principal") {
                match Template::parse(None, &statement.text) {
                    Ok(parsed) => match note((parsed.annotations(), parsed.effect()), law, &statement.text, obligation) {
                        Ok((id, mut read)) => {
                            read.facts = looked_at(parsed.to_json().ok().as_ref());
                            read.place = statement.place();
                            if parsed.to_json().map_or(true, |json| can_fail(&json)) {
                                faults.push(statement.fault(0, CALCULATES.to_owned()));
                            }
                            if template.is_some() {
                                faults.push(statement.fault(0, SLOTS.to_owned()));
                            }
                            let parsed = parsed.new_id(PolicyId::new(&id));
                            if all.add_template(parsed.clone()).is_err() {
                                faults.push(statement.fault(0, twice(&id)));
                            }
                            places.insert(id.clone(), statement);
                            notes.insert(id, read);
                            template = Some(parsed);
                        }
                        Err(Mistake { at, what }) => faults.push(statement.fault(at, what)),
                    },
                    Err(errors) => faults.push(syntax(statement, &errors)),
                }
                continue;
            }
            match Policy::parse(None, &statement.text) {
                Ok(parsed) => match note((parsed.annotations(), parsed.effect()), law, &statement.text, obligation) {
                    Ok((id, mut read)) => {
                        read.facts = looked_at(parsed.to_json().ok().as_ref());
                        read.place = statement.place();
                        read.lets_send = !law && alerts::on_submit(&parsed);
                        if parsed.to_json().map_or(true, |json| can_fail(&json)) {
                            faults.push(statement.fault(0, CALCULATES.to_owned()));
                        }
                        if !read.excepts.is_empty() && !closes_classes(&parsed) {
                            faults.push(statement.fault(0, EXCEPTS.to_owned()));
                        }
                        let parsed = parsed.new_id(PolicyId::new(&id));
                        if all.add(parsed.clone()).is_err() {
                            faults.push(statement.fault(0, twice(&id)));
                        }
                        places.insert(id.clone(), statement);
                        notes.insert(id, read);
                        policies.push(parsed);
                    }
                    Err(Mistake { at, what }) => faults.push(statement.fault(at, what)),
                },
                Err(errors) => faults.push(syntax(statement, &errors)),
            }
        }
        // A warning (a rule that can never apply, a look-alike letter) is a rule that does not do what its author meant.
        let checked = Validator::new(schema.clone()).validate(&all, ValidationMode::Strict);
        let text = |id: &PolicyId| places.get(AsRef::<str>::as_ref(id)).map_or("", |statement| statement.text.as_str());
        let errors = checked.validation_errors().map(|error| (error.policy_id(), Mistake::unfit(text(error.policy_id()), error)));
        let warnings =
            checked.validation_warnings().map(|warning| (warning.policy_id(), Mistake::doubtful(text(warning.policy_id()), warning)));
        for (id, Mistake { at, what }) in errors.chain(warnings) {
            faults.push(match places.get(AsRef::<str>::as_ref(id)) {
                Some(statement) => statement.fault(at, what),
                None => PolicyFault { file: schema_file.clone(), line: 1, what },
            });
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
        let unexcepted = alerts::unexcepted(policies)?;
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

    /// Where a rule stands, to begin a sentence about it: `law/mairie.cedar:4 : `; nothing for one that is not known.
    pub(super) fn place(&self, rule: &str) -> String {
        self.notes.get(rule).map(|note| format!("{} : ", note.place)).unwrap_or_default()
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
    (annotations, effect): (impl Iterator<Item = (&'a str, &'a str)>, Effect),
    law: bool,
    text: &str,
    obligation: &dyn Fn(&str) -> bool,
) -> Result<(String, Note), Mistake> {
    let all: BTreeMap<&str, &str> = annotations.collect();
    let mistake = |words: &str, what: String| Mistake::near(text, words, what);
    if let Some(unknown) = all.keys().find(|key| !KNOWN.contains(key)) {
        let meant = meant(unknown, KNOWN.iter().copied());
        return Err(mistake(&format!("@{unknown}"), format!("annotation inconnue : `@{unknown}`{meant}")));
    }
    if law != (effect == Effect::Forbid) {
        let words = if law { "\npermit" } else { "\nforbid" };
        return Err(mistake(words.trim(), "law/ ne tient que des interdictions (forbid), local/ que des permissions (permit)".to_owned()));
    }
    let wanted = |key: &str| match all.get(key).filter(|text| !text.trim().is_empty()) {
        Some(text) => Ok((*text).to_owned()),
        None => Err(mistake(&format!("@{key}"), format!("il manque l’annotation `@{key}`"))),
    };
    let only_forbid = |key: &str| if law { wanted(key) } else { Ok(all.get(key).map_or_else(String::new, |text| (*text).to_owned())) };
    let day = |written: &str| {
        let day = Date::parse(written, format_description!("[year]-[month]-[day]"));
        day.map_err(|_| mistake(&format!("\"{written}\""), format!("« {written} » n’est pas un jour : écrire AAAA-MM-JJ")))
    };
    let obligations: Vec<String> = all.get("obligation").map_or("", |text| text).split_whitespace().map(str::to_owned).collect();
    if let Some(unknown) = obligations.iter().find(|code| !obligation(code)) {
        return Err(mistake(unknown, format!("obligation inconnue : « {unknown} »")));
    }
    let hidden = match all.get("hidden") {
        None => false,
        Some(&"existence") if law => true,
        Some(other) => {
            let what = format!("`@hidden(\"{other}\")` : seul « existence » s’écrit, et sur une interdiction");
            return Err(mistake("@hidden", what));
        }
    };
    let excepts: BTreeSet<String> = all.get("except").map_or("", |text| text).split_whitespace().map(str::to_owned).collect();
    if !law && !excepts.is_empty() {
        return Err(mistake("@except", EXCEPTS.to_owned()));
    }
    // A prohibition from memory is on, a duty or a permission from memory is off.
    let off = all.get("off").filter(|text| !text.trim().is_empty());
    if law && off.is_some() {
        let what =
            "une interdiction n’est jamais hors d’usage : lui donner un `@effective_to`, ou écrire dans `@confirm` ce qui est douteux";
        return Err(mistake("@off", what.to_owned()));
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
        return Err(mistake("@effective_to", "le dernier jour est avant le premier".to_owned()));
    }
    Ok((
        wanted("id")?,
        Note {
            explanation,
            obligations,
            hidden,
            excepts,
            confirm,
            off: off.is_some(),
            facts: Vec::new(),
            place: String::new(),
            lets_send: false,
            from,
            to,
        },
    ))
}

/// Whether a rule speaks of classes, and of nothing else.
fn closes_classes(policy: &Policy) -> bool {
    match policy.resource_constraint() {
        ResourceConstraint::Eq(uid) => uid.type_name().to_string() == "DataClass",
        ResourceConstraint::Is(name) | ResourceConstraint::IsIn(name, _) => name.to_string() == "DataClass",
        ResourceConstraint::Any | ResourceConstraint::In(_) => false,
    }
}

/// A statement that is no rule.
fn syntax(statement: &Statement, errors: &ParseErrors) -> PolicyFault {
    let Mistake { at, what } = Mistake::syntax(&statement.text, errors);
    statement.fault(at, what)
}

fn twice(id: &str) -> String {
    format!("deux règles portent l’identifiant `{id}`")
}

const CALCULATES: &str = "une règle ne calcule pas et n’appelle pas d’extension : elle pourrait échouer";
const EXCEPTS: &str = "`@except` se met sur une interdiction qui porte sur des classes : seule la loi dit quel champ on peut en sortir";
const SLOTS: &str = "une seule règle a des places à remplir (`?principal`) : celle que chaque protocole remplit";
