//! Events: the closed list of what an entry may say happened.
//!
//! The text of an event stands in every leaf, readable by any auditor: it never names who or what about.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::entry::EntryError;

/// What happened. The text is in every leaf; no event name tells what the law hides from a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// An exchange was accepted and kept.
    ExchangeAccepted,
    /// An exchange was refused.
    ExchangeRefused,
    /// Content was handed to a recipient or a recipient's system.
    ExchangeDelivered,
    /// A named professional read content.
    ExchangeOpened,
    /// A named professional answered.
    ExchangeAcknowledged,
    /// The content's key was destroyed.
    ExchangeErased,
    /// The sender corrected or withdrew.
    ExchangeRectified,
    /// A decision worth keeping that is not part of another entry.
    DecisionMade,
    /// A legal deadline passed a threshold.
    ClockFired,
    /// A deadline went to a deputy.
    ClockEscalated,
    /// A new version of the directory is in force.
    DirectoryChanged,
    /// A policy set was proposed.
    PolicyProposed,
    /// A person approved a proposed policy set.
    PolicyApproved,
    /// A proposed policy set was withdrawn.
    PolicyWithdrawn,
    /// A new policy set is in force.
    PolicyChanged,
    /// Two records were found to be one person.
    IdentityMerged,
    /// A merge was undone.
    IdentitySplit,
    /// A pseudonym was turned back into a person, by two approvers.
    IdentityReidentified,
    /// A professional passed over a refusal, in writing.
    BreakGlass,
    /// A notice or content was pushed to an endpoint.
    PushSent,
    /// A delivery was given up; people were told.
    DeliveryDead,
    /// A professional's token was revoked.
    TokenRevoked,
    /// A telephone fallback was recorded.
    TelephoneRecorded,
    /// A follow-up was opened.
    FollowUpOpened,
    /// A follow-up was done.
    FollowUpDone,
    /// A follow-up was put off, on a legal basis and until a date.
    FollowUpDeferred,
    /// A signing or sealing key was replaced.
    KeyRotated,
    /// Somebody entitled read what was decided, and why.
    DecisionExamined,
    /// The keys of a space of pseudonyms were destroyed.
    DomainClosed,
    /// The gateway started.
    GatewayStarted,
    /// A backup was put back: what was signed after the copy is not in this log.
    GatewayRestored,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 31] = [
        Self::ExchangeAccepted,
        Self::ExchangeRefused,
        Self::ExchangeDelivered,
        Self::ExchangeOpened,
        Self::ExchangeAcknowledged,
        Self::ExchangeErased,
        Self::ExchangeRectified,
        Self::DecisionMade,
        Self::ClockFired,
        Self::ClockEscalated,
        Self::DirectoryChanged,
        Self::PolicyProposed,
        Self::PolicyApproved,
        Self::PolicyWithdrawn,
        Self::PolicyChanged,
        Self::IdentityMerged,
        Self::IdentitySplit,
        Self::IdentityReidentified,
        Self::BreakGlass,
        Self::PushSent,
        Self::DeliveryDead,
        Self::TokenRevoked,
        Self::TelephoneRecorded,
        Self::FollowUpOpened,
        Self::FollowUpDone,
        Self::FollowUpDeferred,
        Self::KeyRotated,
        Self::DecisionExamined,
        Self::DomainClosed,
        Self::GatewayStarted,
        Self::GatewayRestored,
    ];

    /// The text in leaves.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExchangeAccepted => "exchange.accepted",
            Self::ExchangeRefused => "exchange.refused",
            Self::ExchangeDelivered => "exchange.delivered",
            Self::ExchangeOpened => "exchange.opened",
            Self::ExchangeAcknowledged => "exchange.acknowledged",
            Self::ExchangeErased => "exchange.erased",
            Self::ExchangeRectified => "exchange.rectified",
            Self::DecisionMade => "decision.made",
            Self::ClockFired => "clock.fired",
            Self::ClockEscalated => "clock.escalated",
            Self::DirectoryChanged => "directory.changed",
            Self::PolicyProposed => "policy.proposed",
            Self::PolicyApproved => "policy.approved",
            Self::PolicyWithdrawn => "policy.withdrawn",
            Self::PolicyChanged => "policy.changed",
            Self::IdentityMerged => "identity.merged",
            Self::IdentitySplit => "identity.split",
            Self::IdentityReidentified => "identity.reidentified",
            Self::BreakGlass => "break-glass",
            Self::PushSent => "push.sent",
            Self::DeliveryDead => "delivery.dead",
            Self::TokenRevoked => "token.revoked",
            Self::TelephoneRecorded => "telephone.recorded",
            Self::FollowUpOpened => "follow-up.opened",
            Self::FollowUpDone => "follow-up.done",
            Self::FollowUpDeferred => "follow-up.deferred",
            Self::KeyRotated => "key.rotated",
            Self::DecisionExamined => "decision.examined",
            Self::DomainClosed => "domain.closed",
            Self::GatewayStarted => "gateway.started",
            Self::GatewayRestored => "gateway.restored",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Event {
    type Err = EntryError;
    fn from_str(text: &str) -> Result<Self, EntryError> {
        Self::ALL.into_iter().find(|event| event.as_str() == text).ok_or(EntryError::NotALeaf)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
