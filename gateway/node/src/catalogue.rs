//! The catalogue: what exchange types exist, what each field holds, who may send what to whom.
//!
//! Data, not code: one TOML file per type in `policies/catalogue/`, and the shared files `_kinds.toml`,
//! `_codes.toml`, `_components.toml`, `_clocks.toml`, `_obligations.toml`, `_calendar.toml`. Validation,
//! policy attributes, withholding, clocks and the served JSON Schema all derive from it. This room knows
//! no exchange type by name.

pub mod due;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use exchange::{DataClass, Disclosure, Kind, ProtectionRole, Secrecy, TypeCode, Urgency};
use serde::Serialize;
use time::Date;

/// Everything that `policies/catalogue/` says, checked as a whole.
#[derive(Debug)]
pub struct Catalogue {
    pub(crate) types: BTreeMap<TypeCode, Vec<ExchangeType>>,
    pub(crate) kinds: BTreeMap<Kind, KindRule>,
    /// `@declarants` → its kinds.
    pub(crate) groups: BTreeMap<String, BTreeSet<Kind>>,
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
    /// Codes of `_obligations.toml`.
    pub obligations: Vec<String>,
    /// Types that answer it.
    pub answered_by: Vec<TypeCode>,
    /// Types it may answer; `any` is written as an empty list with `answers_any`.
    pub answers: Vec<TypeCode>,
    /// May answer any type.
    pub answers_any: bool,
    /// Native formats.
    pub native: Vec<String>,
    /// Retention class of the content, for example `ip`.
    pub retention: String,
    /// Every field of envelope subjects, information, attachments and payload, components expanded:
    /// paths such as `subjects[].birth_name`, `payload.faits[].texte`.
    pub fields: Vec<Field>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgreementNeed {
    /// Never.
    None,
    /// Refused without one that covers type, parties, purpose, classes and date.
    Required,
    /// The right needs none; an agreement only gives the channel.
    ForChannel,
}

/// Where the law wants a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Human {
    /// Sending is the act of a named professional.
    pub send: bool,
    /// Reception waits for a named professional.
    pub receive: bool,
    /// Qualification is the act of a named professional.
    pub qualify: bool,
}

/// One field of a type, components expanded.
#[derive(Debug, Clone)]
pub struct Field {
    /// Path from the envelope, `[]` for lists: `payload.faits[].texte`.
    pub path: String,
    /// What its leaf may hold.
    pub shape: Shape,
    /// How much it is wanted.
    pub level: Level,
    /// What kind of secret it is.
    pub class: DataClass,
    /// Kinds and groups whose forms show it; empty: all.
    pub offered_to: Vec<String>,
    /// Path of a field that, when filled, makes this one expected.
    pub expected_if: Option<String>,
}

/// What a leaf may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Text of at most 20,000 characters.
    Texte,
    /// Calendar date `YYYY-MM-DD`.
    Date,
    /// RFC 3339 date and time.
    DateHeure,
    /// true or false.
    Bool,
    /// Integer.
    Entier,
    /// Reference to an exchange (its id) or a foreign reference.
    Ref,
    /// Directory id of an institution, or its official code.
    Inst,
    /// A value of the named code list, for example `CL-danger`.
    Code(String),
}

/// How much a field is wanted (catalogue, section 0.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Set by the gateway; a client that gives it must give the computed value.
    Auto,
    /// Missing: refused with the reason (never for content of a danger type).
    Required,
    /// Missing: accepted, marked incomplete, follow-up.
    Expected,
    /// Free.
    Optional,
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

/// One clock of `_clocks.toml`.
#[derive(Debug, Clone)]
pub struct ClockRule {
    /// Number in the catalogue, `K05`.
    pub number: String,
    /// Name, `retour-pro`.
    pub name: String,
    /// What it waits for, in French, shown to the person reminded.
    pub title: String,
    /// What starts it.
    pub starts: ClockStart,
    /// What stops it.
    pub stops: Vec<ClockStop>,
    /// Which side is reminded.
    pub owner: ClockOwner,
    /// Duration to the limit, by urgency; ISO 8601 (`P3M`, `P1D`, `PT2H`).
    pub limit: BTreeMap<Urgency, Span>,
    /// Limit when the child is under two years old, whatever the urgency; `None`: the same as for others.
    pub under_two: Option<Span>,
    /// Warnings, counted from the start.
    pub warnings: Vec<Span>,
    /// Warnings, counted back from the limit.
    pub warnings_before: Vec<Span>,
    /// Counted in working days and hours of `_calendar.toml`.
    pub working_time: bool,
    /// Only for senders of these kinds and groups; empty: all.
    pub only_from: BTreeSet<Kind>,
    /// Article or source.
    pub source: String,
}

/// What starts a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockStart {
    /// The exchange was accepted.
    Accepted,
    /// The exchange was delivered (made available to its recipient).
    Delivered,
}

/// What stops a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClockStop {
    /// Content was opened by a professional of the recipient.
    Opened,
    /// Acknowledged by a named professional of the recipient.
    Acknowledged,
    /// An exchange of this type answered it.
    AnsweredBy(TypeCode),
    /// A named professional recorded that it is done, through a follow-up.
    Recorded,
}

/// Who is reminded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockOwner {
    /// The unit that sent the exchange.
    Sender,
    /// The unit that received it.
    Recipient,
}

/// A calendar span: months and days are calendar units, the rest is exact time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Calendar months.
    pub months: u32,
    /// Calendar days.
    pub days: u32,
    /// Seconds.
    pub seconds: u32,
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
}

/// Working days and hours of the Département.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    /// Days that are not worked, in addition to Saturdays and Sundays.
    pub holidays: BTreeSet<Date>,
    /// First worked hour of a day, local time (Europe/Paris).
    pub opens: u8,
    /// Hour at which the day ends.
    pub closes: u8,
}

/// One mistake in a catalogue file: the start stops, and says them all.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {what}; {cure}", file = file.display())]
pub struct CatalogueFault {
    /// File.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What would mend it.
    pub cure: String,
}
