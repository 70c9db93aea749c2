//! Identifiers. Each is a type of its own, so that a delivery cannot be asked for as an exchange.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not an identifier of the kind that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, ordered by the instant of its making (RFC 9562, version 7).
            pub fn new() -> Self { Self(Uuid::now_v7()) }
        }

        impl Default for $name { fn default() -> Self { Self::new() } }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.as_hyphenated().fmt(f) }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let id = Uuid::try_parse(text).map_err(|_| InvalidId)?;
                // One text for each identifier: lower case, hyphenated, version 7.
                if id.get_version_num() == 7 && id.as_hyphenated().to_string() == text { Ok(Self(id)) } else { Err(InvalidId) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> { text.parse() }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self { id.to_string() }
        }
    };
}

id!(/// One exchange: one message of a type from an institution to an institution.
    ExchangeId);
id!(/// The promise to hand one exchange to one recipient.
    DeliveryId);
id!(/// One running legal clock of one exchange.
    ClockId);
id!(/// One thing a named person still has to do about an exchange.
    FollowUpId);
id!(/// One emergency access: who reads what, why, and until when.
    GrantId);
id!(/// One attachment as it is kept: sealed under a key of its own, named by the exchanges that bring it.
    AttachmentId);
id!(/// The question whether two descriptions are one person, put to a person.
    ProposalId);
id!(/// What a person decided about who is who: a merge, a refusal to merge, or the undoing of one.
    LinkageId);

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $min:literal, $max:literal, $extra:pat) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text of the word, as the files write it.
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, $extra);
                if ($min..=$max).contains(&text.len()) && text.bytes().all(plain) { Ok(Self(text.to_owned())) } else { Err(InvalidId) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> { text.parse() }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self { word.0 }
        }
    };
}

pub(crate) use word;

word!(/// The code of an exchange type of the catalogue, for example `information-preoccupante`.
    TypeCode, 2, 60, b'-');
word!(/// The register number of an agreement, for example `p01-2026`.
    AgreementId, 2, 60, b'-');
