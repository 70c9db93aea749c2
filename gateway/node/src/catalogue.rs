//! The catalogue: what exchange types exist, what each field holds, who may send what to whom.
//!
//! Data, not code: one TOML file per type in `policies/catalogue/`, and the shared files `_kinds.toml`,
//! `_codes.toml`, `_components.toml`, `_clocks.toml`, `_obligations.toml`, `_calendar.toml`. Validation,
//! policy attributes, withholding, clocks and the served JSON Schema all derive from it. This room knows
//! no exchange type by name.

mod clock;
pub mod due;
mod field;
mod load;
mod read;
mod schema;
mod task;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use exchange::{DataClass, Disclosure, Instant, Kind, ProtectionRole, Secrecy, TypeCode, Urgency};
use serde::Deserialize;
use time::Date;

use self::due::Due;
pub(crate) use self::tree::{Branch, Node};
pub use self::{
    clock::{Calendar, ClockCondition, ClockOwner, ClockRule, ClockStart, ClockStop, Span},
    due::day_begins,
    field::{Computed, Condition, Field, ItemClass, Level, MadeOf, Shape, States},
    read::{ReadContext, ReadFailure},
    task::{Asked, DeferralRule, TaskLife},
};
use crate::directory::day::day_in_france;

/// Everything that `policies/catalogue/` says, checked as a whole.
#[derive(Debug)]
pub struct Catalogue {
    pub(crate) types: BTreeMap<TypeCode, Vec<ExchangeType>>,
    pub(crate) kinds: BTreeMap<Kind, KindRule>,
    /// Code of CL-origine of a sender of each kind, where one is fixed.
    pub(crate) origins: BTreeMap<Kind, String>,
    /// `CL-danger` → its values.
    pub(crate) codes: BTreeMap<String, BTreeSet<String>>,
    pub(crate) clocks: BTreeMap<String, ClockRule>,
    pub(crate) obligations: BTreeMap<String, ObligationRule>,
    pub(crate) calendar: Calendar,
    /// Hex SHA-256 over the names and bytes of all files: which catalogue a decision was made with.
    pub(crate) hash: String,
}

/// One version of one exchange type.
#[derive(Debug, Clone)]
pub struct ExchangeType {
    /// Code, for example `information-preoccupante`.
    pub code: TypeCode,
    /// Version of the declaration.
    pub version: u32,
    /// First day in force.
    pub effective_from: Date,
    /// Last day in force.
    pub effective_to: Option<Date>,
    /// French title.
    pub title: String,
    /// 1 core, 2 next, 3 later.
    pub tier: u8,
    /// Danger types are never blocked by a form (invariant 3).
    pub danger: bool,
    /// Codes of CL-purpose; the first is the default.
    pub purpose: Vec<String>,
    /// Articles.
    pub legal_basis: Vec<String>,
    /// Kinds that may send it.
    pub from: BTreeSet<Kind>,
    /// Kinds that may receive it.
    pub to: Vec<Destination>,
    /// What of the identity travels.
    pub disclosure: Disclosure,
    /// Whether it flows only under an agreement.
    pub agreement: AgreementNeed,
    /// Urgencies allowed; the default is `ordinary` where allowed, else the first.
    pub urgency: Vec<Urgency>,
    /// Where a person decides.
    pub human: Human,
    /// Names of clocks of `_clocks.toml` that this type's acceptance or delivery starts.
    pub clocks: Vec<String>,
    /// Those of them that start only when the document says so: name of the clock, fact of [`exchange::envelope::Route::said`].
    pub clocks_if: BTreeMap<String, String>,
    /// Codes of `_obligations.toml`.
    pub obligations: Vec<String>,
    /// Types that answer it.
    pub answered_by: Vec<TypeCode>,
    /// Types it may answer; `any` is written as an empty list with `answers_any`.
    pub answers: Vec<TypeCode>,
    /// May answer any type.
    pub answers_any: bool,
    /// Formats in which it may be deposited: `json`, `fhir-bundle`, `portal`…
    pub native: Vec<String>,
    /// Retention class of the content, for example `ip`.
    pub retention: String,
    /// Whether it names persons.
    pub subjects: Presence,
    /// Whether it says how parents and child were informed.
    pub information: Presence,
    /// Whether files may come with it.
    pub attachments: bool,
    /// Whom it may and must name.
    pub persons: Persons,
    /// It only ever answers an exchange.
    pub must_answer: bool,
    /// The field whose code chooses a profile, from the envelope: `payload.profil`.
    pub profile_by: Option<String>,
    /// Other forms of the same type, by name: [`ANSWER`] for what answers it in the other direction, and its profiles.
    /// Each is whole; none has forms of its own.
    pub forms: BTreeMap<String, ExchangeType>,
    /// Every field of envelope subjects, information, attachments, necessity and payload, components expanded:
    /// paths such as `subjects[].birth_name`, `payload.faits[].texte`.
    pub fields: Vec<Field>,
    /// The same fields by place: what a document is read along.
    pub(crate) tree: tree::Branch,
}

/// How much a part of the envelope is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// The type has no such part.
    None,
    /// Free.
    Optional,
    /// Its absence is named as missing.
    Expected,
}

/// The form in which a type answers itself: only the fields below `reponse`, in the other direction.
pub const ANSWER: &str = "reponse";

/// Whom a type may and must name. Never a reason to refuse a danger type: none has such a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Persons {
    /// Roles that it may name; empty: all.
    pub only: BTreeSet<String>,
    /// What it must name.
    pub need: Vec<Need>,
}

/// How many persons of some roles a type must name, and what it must know of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Codes of CL-role.
    pub roles: BTreeSet<String>,
    /// At least.
    pub min: usize,
    /// At most.
    pub max: Option<usize>,
    /// Parts of each of them that must be filled, for example `birth_date`.
    pub traits: Vec<String>,
    /// The same in one French sentence, told to who forgot.
    pub say: String,
}

/// Where a type may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Kind of the receiving unit.
    pub kind: Kind,
    /// `None`: always; else a condition word such as `immediate-hors-horaires`.
    pub when: Option<String>,
}

/// Whether a type needs an agreement in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgreementNeed {
    /// Never.
    None,
    /// Refused without one that covers type, parties, purpose, classes and date.
    Required,
    /// The right needs none; an agreement only gives the channel.
    ForChannel,
}

/// Where the law wants a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Human {
    /// Sending is the act of a named professional.
    pub send: bool,
    /// Reception waits for a named professional.
    pub receive: bool,
    /// Qualification is the act of a named professional.
    pub qualify: bool,
}

/// What the rules know of a kind (table 0.5).
#[derive(Debug, Clone)]
pub struct KindRule {
    /// French name.
    pub title: String,
    /// Default secrecy of its professionals.
    pub secrecy: Secrecy,
    /// Role in child protection.
    pub role: ProtectionRole,
}

/// One obligation of `_obligations.toml`.
#[derive(Debug, Clone)]
pub struct ObligationRule {
    /// Number, `O01`.
    pub number: String,
    /// French sentence that says what has to be done, shown in the follow-up.
    pub title: String,
    /// Rules it comes from.
    pub rules: Vec<String>,
    /// Whose task it is.
    pub owner: ClockOwner,
    /// A person has to do something; else the gateway itself sees to it.
    pub task: bool,
    /// The gateway itself makes an exchange of this type out of the one that brings the obligation, and so fulfils it.
    pub makes: Option<TypeCode>,
    /// How the task ends, and whether it may wait.
    pub life: TaskLife,
}

impl Catalogue {
    /// Hex SHA-256 over the names and bytes of all files: which catalogue a decision was made with.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What rules know of a kind.
    pub fn kind(&self, kind: &Kind) -> Option<&KindRule> {
        self.kinds.get(kind)
    }

    /// The version of a type that is in force that day in France.
    pub fn exchange_type(&self, code: &TypeCode, at: Instant) -> Option<&ExchangeType> {
        in_force(self.types.get(code)?, day_in_france(at))
    }

    /// The types in force that day in France, by code.
    pub fn types_on(&self, at: Instant) -> impl Iterator<Item = &ExchangeType> {
        let day = day_in_france(at);
        self.types.values().filter_map(move |versions| in_force(versions, day))
    }

    /// Whether a type exists, in force or not.
    pub fn has_type(&self, code: &TypeCode) -> bool {
        self.types.contains_key(code)
    }

    /// Whether a code is that of a danger type, on whatever day.
    pub fn is_danger(&self, code: &str) -> bool {
        self.types.iter().any(|(known, versions)| known.as_str() == code && versions.iter().any(|one| one.danger))
    }

    /// Whether a code list has a value.
    pub fn has_code(&self, list: &str, value: &str) -> bool {
        self.codes.get(list).is_some_and(|values| values.contains(value))
    }

    /// The values of a code list, in the order of the list.
    pub fn codes_of(&self, list: &str) -> impl Iterator<Item = &str> {
        self.codes.get(list).into_iter().flatten().map(String::as_str)
    }

    /// Whether `path` is a field of some type, or a part that holds fields.
    pub fn has_path(&self, path: &str) -> bool {
        let under = |field: &Field| field.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        let forms = self.types.values().flatten().flat_map(|one| std::iter::once(one).chain(one.forms.values()));
        forms.into_iter().any(|form| form.fields.iter().any(under))
    }

    /// A clock by name.
    pub fn clock(&self, name: &str) -> Option<&ClockRule> {
        self.clocks.get(name)
    }

    /// An obligation by code.
    pub fn obligation(&self, code: &str) -> Option<&ObligationRule> {
        self.obligations.get(code)
    }

    /// When a clock runs out; `None` when it sets no limit for this urgency.
    pub fn due(&self, rule: &ClockRule, urgency: Urgency, start: Instant, under_two: bool) -> Option<Due> {
        self.calendar.due(rule, urgency, start, under_two)
    }

    /// The same when the document itself names the last day: that day ends when people stop working.
    pub fn due_on(&self, rule: &ClockRule, urgency: Urgency, start: Instant, last: Date) -> Option<Due> {
        rule.limit.get(&urgency)?;
        Some(self.calendar.ending(rule, urgency, start, self.calendar.close_of(last)))
    }

    /// Whether people are at work now, by the calendar and the time in Paris.
    pub fn working_now(&self, now: Instant) -> bool {
        self.calendar.is_open(now)
    }
}

impl ExchangeType {
    /// Whether it may be deposited in a format beside our own JSON.
    pub fn comes_in(&self, format: &str) -> bool {
        self.native.iter().any(|native| native == format)
    }

    /// The form of this name; the type itself for none, or for a name that it no longer has.
    pub fn form(&self, name: Option<&str>) -> &Self {
        name.and_then(|name| self.forms.get(name)).unwrap_or(self)
    }

    /// The class in which what cannot be understood is kept.
    pub fn most_protected_class(&self) -> DataClass {
        most_protected(&self.fields)
    }

    fn in_force_on(&self, day: Date) -> bool {
        self.effective_from <= day && self.effective_to.is_none_or(|last| day <= last)
    }
}

/// The most protected class that fields may have.
pub fn most_protected(fields: &[Field]) -> DataClass {
    classes_of(fields).last().copied().unwrap_or(DataClass::LieuAccueil)
}

/// The classes that fields may have.
pub fn classes_of(fields: &[Field]) -> BTreeSet<DataClass> {
    let of = |field: &Field| {
        let raised = match &field.item_class {
            Some(ItemClass::At(class)) => vec![*class],
            Some(ItemClass::Prefix(classes)) => classes.values().copied().collect(),
            Some(ItemClass::Named) | None => Vec::new(),
        };
        raised.into_iter().chain([field.class]).collect::<Vec<_>>()
    };
    fields.iter().flat_map(of).collect()
}

fn in_force(versions: &[ExchangeType], day: Date) -> Option<&ExchangeType> {
    versions.iter().rev().find(|version| version.in_force_on(day))
}

#[cfg(test)]
mod tests;
