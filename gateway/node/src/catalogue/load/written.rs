//! The files as they are written. Shapes only: what the words mean is checked by those who use them.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{DataClass, Disclosure, ProtectionRole, Secrecy, TypeCode, Urgency};
use serde::Deserialize;
use toml::{Spanned, value::Datetime};

use crate::{
    catalogue::{AgreementNeed, Asked, ClockOwner, ClockStart, Human, Level, Presence, States},
    directory::Role,
};

/// The head of a type's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenType {
    pub(super) code: Spanned<TypeCode>,
    pub(super) version: Spanned<u32>,
    pub(super) effective_from: Spanned<Datetime>,
    pub(super) effective_to: Option<Spanned<Datetime>>,
    pub(super) title: String,
    pub(super) tier: Spanned<u8>,
    pub(super) danger: bool,
    pub(super) purpose: Vec<Spanned<String>>,
    pub(super) legal_basis: Vec<String>,
    pub(super) from: Vec<Spanned<String>>,
    pub(super) to: Vec<WrittenDestination>,
    pub(super) disclosure: Disclosure,
    pub(super) agreement: AgreementNeed,
    pub(super) urgency: Vec<Urgency>,
    pub(super) human: Human,
    pub(super) clocks: Vec<Spanned<String>>,
    /// Clocks that start only when the document says so: name, and the fact that starts it.
    #[serde(default)]
    pub(super) clocks_if: BTreeMap<String, Spanned<String>>,
    pub(super) obligations: Vec<Spanned<String>>,
    pub(super) answered_by: Vec<Spanned<String>>,
    pub(super) answers: Vec<Spanned<String>>,
    pub(super) native: Vec<String>,
    pub(super) retention: String,
    pub(super) subjects: Presence,
    pub(super) information: Presence,
    pub(super) attachments: bool,
    #[serde(default)]
    pub(super) persons: WrittenPersons,
    /// `required`: it only ever answers.
    pub(super) in_reply_to: Option<Spanned<ReplyNeed>>,
    pub(super) profile_by: Option<Spanned<String>>,
    /// Fields of the type that this form does not have.
    #[serde(default)]
    pub(super) without: Vec<Spanned<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ReplyNeed {
    Required,
    Optional,
}

/// Whom a type names.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPersons {
    #[serde(default)]
    pub(super) only: Vec<Spanned<String>>,
    /// Parts of a subject that the type does not have.
    #[serde(default)]
    pub(super) without: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) need: Vec<WrittenNeed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenNeed {
    pub(super) roles: Vec<Spanned<String>>,
    pub(super) min: usize,
    pub(super) max: Option<usize>,
    #[serde(default)]
    pub(super) traits: Vec<Spanned<String>>,
    pub(super) say: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenDestination {
    pub(super) kind: Spanned<String>,
    pub(super) when: Option<Spanned<String>>,
}

/// One `[[field]]` of a type, or one field of a component.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenField {
    pub(super) path: Spanned<String>,
    #[serde(rename = "type")]
    pub(super) shape: Spanned<String>,
    pub(super) level: Spanned<Level>,
    pub(super) class: DataClass,
    #[serde(default)]
    pub(super) offered_to: Vec<Spanned<String>>,
    pub(super) expected_if: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) expected_if_is: Vec<Spanned<String>>,
    pub(super) computed: Option<Spanned<WrittenComputed>>,
    /// The field, or the clock, that it is computed from.
    pub(super) computed_from: Option<Spanned<String>>,
    /// The codes of that field for which it is true.
    #[serde(default)]
    pub(super) computed_is: Vec<Spanned<String>>,
    /// What it is for each kind of sender.
    #[serde(default)]
    pub(super) computed_by: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(super) may_change: bool,
    #[serde(default)]
    pub(super) occurred: bool,
    /// A class, `value` or `prefix`.
    pub(super) item_class: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) item_class_by: BTreeMap<String, DataClass>,
    #[serde(default)]
    pub(super) fact: bool,
    pub(super) max: Option<usize>,
    /// The clocks whose last day it names.
    #[serde(default)]
    pub(super) limits: Vec<Spanned<String>>,
    pub(super) states: Option<Spanned<States>>,
    /// `recipient`, `accepted-at`, or a code.
    pub(super) made_of: Option<Spanned<String>>,
}

/// What the gateway computes, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WrittenComputed {
    InReplyTo,
    SenderOrigin,
    SenderInstitution,
    SenderSiret,
    SenderAgent,
    SenderSecrecy,
    SenderKind,
    Purpose,
    Now,
    Deadline,
    OneOf,
    Departement,
    Standing,
    Gateway,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenKind {
    pub(super) title: String,
    pub(super) secrecy: Secrecy,
    pub(super) role: ProtectionRole,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenClock {
    pub(super) number: Spanned<String>,
    pub(super) title: String,
    pub(super) starts: ClockStart,
    pub(super) stops: Vec<Spanned<String>>,
    pub(super) owner: ClockOwner,
    pub(super) limit: BTreeMap<Urgency, Spanned<String>>,
    pub(super) under_two: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) warn: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) before: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) working_time: bool,
    #[serde(default)]
    pub(super) only_from: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) except_from: Vec<Spanned<String>>,
    pub(super) only_if: Option<WrittenCondition>,
    pub(super) starts_on: Option<Spanned<String>>,
    pub(super) source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCondition {
    pub(super) path: Spanned<String>,
    pub(super) is: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenObligation {
    pub(super) number: Spanned<String>,
    pub(super) title: String,
    pub(super) rules: Vec<Spanned<String>>,
    pub(super) owner: ClockOwner,
    #[serde(default = "is_task")]
    pub(super) task: bool,
    pub(super) makes: Option<Spanned<TypeCode>>,
    #[serde(default)]
    pub(super) asks: BTreeSet<Asked>,
    #[serde(default)]
    pub(super) means: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) dispense: Vec<Spanned<String>>,
    pub(super) defer: Option<WrittenDeferral>,
    #[serde(default)]
    pub(super) findings: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) opens: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(super) closed_by: Vec<Spanned<String>>,
}

/// Under which bases, by whom and for how long a task may wait.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenDeferral {
    pub(super) basis: Vec<Spanned<String>>,
    pub(super) by: BTreeSet<Role>,
    pub(super) at_most: Spanned<String>,
    pub(super) in_all: Spanned<String>,
}

fn is_task() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCalendar {
    pub(super) zone: Spanned<String>,
    pub(super) opens: Spanned<u8>,
    pub(super) closes: u8,
    pub(super) holidays: Vec<Spanned<Datetime>>,
}
