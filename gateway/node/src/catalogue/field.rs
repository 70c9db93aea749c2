//! One field of an exchange type: its shape, its level, its class, and what the gateway computes of it.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{DataClass, Kind};
use serde::{Deserialize, Serialize};

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
    /// Kinds whose forms show it; empty: all.
    pub offered_to: Vec<String>,
    /// When another field makes this one expected.
    pub expected_if: Option<Condition>,
    /// How the gateway computes it; a computed field is `auto`.
    pub computed: Option<Computed>,
    /// It says when the event itself took place.
    pub occurred: bool,
    /// Its value protects the object it stands in, all leaves of it.
    pub item_class: Option<ItemClass>,
    /// Rules may know its code: see [`exchange::envelope::Route::said`]. Never a text.
    pub fact: bool,
    /// The most characters that its text may have; absent: [`read::MAX_TEXT`].
    pub max: Option<usize>,
    /// Who sends may give another value than the computed one.
    pub may_change: bool,
    /// It names the last day of these clocks.
    pub limits: Vec<String>,
    /// It states something for the law.
    pub states: Option<States>,
    /// What stands here when the gateway makes the exchange out of another one.
    pub made_of: Option<MadeOf>,
}

/// What the gateway writes into an exchange that it makes out of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeOf {
    /// The institution to which the other one goes.
    Recipient,
    /// The instant at which the other one was accepted.
    AcceptedAt,
    /// Always this code.
    Code(String),
}

/// What a field states for the law (CASF L226-2-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum States {
    /// Why sharing is strictly necessary: kept apart as evidence, never handed to the recipient.
    Necessity,
    /// How the parents were informed, where the envelope does not say it.
    Parents,
}

impl Field {
    /// An optional field of which nothing more is said.
    pub fn plain(path: &str, shape: Shape, class: DataClass) -> Self {
        Self {
            path: path.to_owned(),
            shape,
            level: Level::Optional,
            class,
            offered_to: Vec::new(),
            expected_if: None,
            computed: None,
            occurred: false,
            item_class: None,
            fact: false,
            max: None,
            may_change: false,
            limits: Vec::new(),
            states: None,
            made_of: None,
        }
    }
}

/// Makes a field expected when another one is filled. `false` does not fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Path of the other field, from the envelope; its lists are those of the field that is expected.
    pub path: String,
    /// Only when it holds one of these; empty: whatever it holds.
    pub values: Vec<String>,
}

/// What the gateway computes. Paths are those of the envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Computed {
    /// `in_reply_to` of the envelope.
    InReplyTo,
    /// Origin of the sending unit's kind.
    SenderOrigin,
    /// The sending institution.
    SenderInstitution,
    /// SIRET of the sending institution, from the directory.
    SenderSiret,
    /// Opaque id of the professional who sends.
    SenderAgent,
    /// What binds this person to secrecy: the directory says it (invariant 11).
    SenderSecrecy,
    /// A code for each kind of sender.
    SenderKind(BTreeMap<Kind, String>),
    /// The purpose of the exchange.
    Purpose,
    /// The instant of acceptance.
    Now,
    /// The last day to answer: from the agreement, else from the clock that the field limits; never later than this clock.
    Deadline(String),
    /// Whether another field holds one of these codes.
    OneOf(String, BTreeSet<String>),
    /// Département of an address.
    Departement(String),
    /// Where an agreement stands, from the approvals of its parties and its days.
    Standing,
    /// The gateway itself, later: nobody who sends gives it.
    Gateway,
}

/// How one leaf protects the object it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemClass {
    /// When it is true, or cannot be understood, every leaf has at least this class.
    At(DataClass),
    /// It names the class; without it, the most protected one of the type.
    Named,
    /// What stands before the dot of its code says the class: `sante.besoins-de-soins`. Without it as for `Named`.
    Prefix(BTreeMap<String, DataClass>),
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
    /// How the document calls one of its subjects: `s1`.
    Sujet,
    /// SHA-256 of an attachment, in lower-case hexadecimal.
    Empreinte,
    /// A number of a register, of a clock, of a département: `2026-0417`, `K05`, `2A`. No sentence fits in it.
    Numero,
    /// Telephone number.
    Telephone,
    /// E-mail address.
    Courriel,
    /// Place of a field in an envelope: `/subjects/0/address`.
    Chemin,
    /// Time stamp (RFC 3161) in base64.
    Jeton,
    /// A value of the named code list, for example `CL-danger`.
    Code(String),
}

/// How much a field is wanted (catalogue, section 0.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
