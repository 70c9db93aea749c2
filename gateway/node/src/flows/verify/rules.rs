//! Process rules: what the openings of the log's entries say must have been allowed to happen.
//!
//! Keeps sixteen bytes for each accepted exchange; the salts and values themselves are let go at once.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use exchange::Instant;
use ring::digest;
use serde_json::Value;

use super::report::{FindingKind, Report};
use crate::log::{Event, Leaf, Openings, entry::field};

/// What the bundle holds for one entry.
pub(super) enum Opened<'a> {
    Known(&'a Openings),
    Expired,
    Withheld,
}

/// What was seen so far.
pub(super) struct Rules {
    tolerance: Duration,
    latest: Option<Instant>,
    permitted: HashSet<[u8; 16]>,
    /// Acceptances whose exchange cannot be known: a later release may be one of theirs.
    hidden: u64,
}

impl Rules {
    pub(super) fn new(tolerance: Duration) -> Self {
        Self { tolerance, latest: None, permitted: HashSet::new(), hidden: 0 }
    }

    /// The latest time that an entry states.
    pub(super) fn latest(&self) -> Option<Instant> {
        self.latest
    }

    pub(super) fn entry(&mut self, index: u64, leaf: &Leaf, opened: &Opened<'_>, report: &mut Report) {
        let latest = self.latest.unwrap_or(leaf.time);
        if leaf.time.plus(self.tolerance) < latest {
            let detail = format!("heure en retard de {} s sur une entrée précédente", latest.since(leaf.time).as_secs());
            report.add(FindingKind::Time, Some(index), None, &detail);
        }
        self.latest = Some(latest.max(leaf.time));
        let openings = match opened {
            Opened::Known(openings) => Some(*openings),
            Opened::Expired | Opened::Withheld => None,
        };
        match leaf.event {
            Event::ExchangeAccepted => self.accepted(openings),
            Event::ExchangeDelivered | Event::ExchangeOpened => self.released(index, openings, report),
            Event::IdentityReidentified => {
                two_people(index, openings, report, "ré-identification sans deux personnes de deux rôles distincts");
            }
            Event::PolicyChanged => policy_changed(index, openings, report),
            Event::ExchangeRefused
            | Event::ExchangeAcknowledged
            | Event::ExchangeErased
            | Event::ExchangeRectified
            | Event::DecisionMade
            | Event::ClockFired
            | Event::ClockEscalated
            | Event::DirectoryChanged
            | Event::PolicyProposed
            | Event::PolicyApproved
            | Event::IdentityMerged
            | Event::IdentitySplit
            | Event::BreakGlass
            | Event::PushSent
            | Event::DeliveryDead
            | Event::TokenRevoked
            | Event::TelephoneRecorded
            | Event::FollowUpOpened
            | Event::FollowUpDone
            | Event::KeyRotated
            | Event::DecisionExamined
            | Event::GatewayStarted => {}
        }
    }

    fn accepted(&mut self, openings: Option<&Openings>) {
        match openings.and_then(|known| Some((exchange(known)?, permits(known.value(field::DECISION)?)))) {
            Some((exchange, true)) => {
                self.permitted.insert(exchange);
            }
            Some((_, false)) => {}
            None => self.hidden += 1,
        }
    }

    fn released(&mut self, index: u64, openings: Option<&Openings>, report: &mut Report) {
        match openings.and_then(exchange) {
            Some(exchange) if self.permitted.contains(&exchange) => {}
            Some(_) if self.hidden == 0 => {
                report.add(FindingKind::Process, Some(index), None, "contenu remis sans acceptation antérieure qui le permette");
            }
            Some(_) | None => report.unmatched_releases += 1,
        }
    }
}

/// The first set of a gateway was installed with it; every other one is two people's act.
fn policy_changed(index: u64, openings: Option<&Openings>, report: &mut Report) {
    if openings.is_some_and(|openings| openings.value("first") != Some(&Value::Bool(true))) {
        two_people(index, openings, report, "jeu de règles mis en vigueur sans deux personnes de deux rôles distincts");
    }
}

/// Two distinct people of two distinct roles (invariants 7 and 8).
fn two_people(index: u64, openings: Option<&Openings>, report: &mut Report, otherwise: &str) {
    let Some(openings) = openings else { return };
    let approvers = openings.value(field::APPROVERS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let part = |name: &'static str| approvers.iter().filter_map(move |a| a.get(name)?.as_str()).collect::<BTreeSet<_>>();
    if part("professional").len() < 2 || part("role").len() < 2 {
        report.add(FindingKind::Process, Some(index), None, otherwise);
    }
}

fn exchange(openings: &Openings) -> Option<[u8; 16]> {
    let id = openings.value(field::EXCHANGE)?.as_str()?;
    digest::digest(&digest::SHA256, id.as_bytes()).as_ref().first_chunk().copied()
}

fn permits(decision: &Value) -> bool {
    decision.as_str().or_else(|| decision.get("result")?.as_str()) == Some("permit")
}
