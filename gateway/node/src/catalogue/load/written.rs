//! The files as they are written. Shapes only: what the words mean is checked by those who use them.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{DataClass, Disclosure, ProtectionRole, Secrecy, TypeCode, Urgency};
use serde::Deserialize;
use toml::{Spanned, value::Datetime};

use crate::{
    catalogue::{AgreementNeed, Asked, ClockOwner, ClockStart, Computed, Human, Level, Presence},
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
    pub(super) obligations: Vec<Spanned<String>>,
    pub(super) answered_by: Vec<Spanned<String>>,
    pub(super) answers: Vec<Spanned<String>>,
    pub(super) native: Vec<String>,
    pub(super) retention: String,
    pub(super) subjects: Presence,
    pub(super) information: Presence,
    pub(super) attachments: bool,
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
    pub(super) computed: Option<Computed>,
    #[serde(default)]
    pub(super) occurred: bool,
    /// A class, or `value`.
    pub(super) item_class: Option<Spanned<String>>,
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
