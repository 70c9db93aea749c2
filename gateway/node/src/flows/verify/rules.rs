//! Process rules: what the openings of the log's entries say must have been allowed to happen.
//!
//! Keeps sixteen bytes for each accepted exchange; the salts and values themselves are let go at once.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use exchange::Instant;
use ring::digest;
use serde_json::Value;

use super::report::{FindingKind, Report};
use crate::log::{Event, Leaf, Openings, entry::field};

/// What the bundle holds for one entry.
pub(super) enum Opened {
    Known(Openings),
    Expired,
    Withheld,
}

/// What was seen so far.
pub(super) struct Rules {
    tolerance: Duration,
    latest: Option<Instant>,
    permitted: HashSet<[u8; 16]>,
    /// Who approved which re-identification.
    approvals: HashSet<[u8; 16]>,
    /// Policy sets that took force, by the leaf of the entry that says so; who approved which set since it was last
    /// proposed, in which function; which were withdrawn and not proposed again.
    sets: HashSet<String>,
    set_approvals: HashMap<String, HashSet<[u8; 16]>>,
    withdrawn_sets: HashSet<String>,
    /// When each set was last proposed, as far as that is known.
    proposed_sets: HashMap<String, Instant>,
    /// The last approval, proposal and decision whose openings are not known: one of them may be what is looked for.
    hidden_set_approval: Option<Instant>,
    hidden_set_proposal: Option<Instant>,
    hidden_decision: Option<Instant>,
    /// Acceptances whose exchange cannot be known: a later release may be one of theirs.
    hidden: u64,
}

impl Rules {
    pub(super) fn new(tolerance: Duration) -> Self {
        Self {
            tolerance,
            latest: None,
            permitted: HashSet::new(),
            approvals: HashSet::new(),
            sets: HashSet::new(),
            set_approvals: HashMap::new(),
            withdrawn_sets: HashSet::new(),
            proposed_sets: HashMap::new(),
            hidden_set_approval: None,
            hidden_set_proposal: None,
            hidden_decision: None,
            hidden: 0,
        }
    }

    /// The latest time that an entry states.
    pub(super) fn latest(&self) -> Option<Instant> {
        self.latest
    }

    pub(super) fn entry(&mut self, index: u64, leaf: &Leaf, opened: &Opened, report: &mut Report) {
        let latest = self.latest.unwrap_or(leaf.time);
        if leaf.time.plus(self.tolerance) < latest {
            let detail = format!("heure en retard de {} s sur une entrée précédente", latest.since(leaf.time).as_secs());
            report.add(FindingKind::Time, Some(index), None, &detail);
        }
        self.latest = Some(latest.max(leaf.time));
        let openings = match opened {
            Opened::Known(openings) => Some(openings),
            Opened::Expired | Opened::Withheld => None,
        };
        if leaf.event != Event::PolicyChanged && !self.sets.is_empty() && !self.sets.contains(&leaf.policy) {
            report.add(
                FindingKind::Process,
                Some(index),
                None,
                "décidé avec un jeu de règles dont le journal ne dit pas qu’il fut en vigueur",
            );
        }
        match leaf.event {
            Event::ExchangeAccepted => self.accepted(openings),
            Event::ExchangeDelivered | Event::ExchangeOpened => self.released(index, openings, report),
            Event::PolicyProposed => self.set_proposed(leaf.time, openings),
            Event::PolicyApproved => self.set_approved(leaf.time, openings),
            Event::PolicyWithdrawn => self.set_withdrawn(openings),
            Event::PolicyChanged => self.policy_changed(index, leaf, openings, report),
            Event::BreakGlass => {
                emergency(index, openings, report);
                self.released(index, openings, report);
            }
            Event::IdentityReidentified => self.reidentified(index, leaf.time, openings, report),
            Event::DecisionMade => self.decided(leaf.time, openings),
            Event::GatewayRestored => report.restored.push(index),
            Event::ExchangeRefused
            | Event::ExchangeAcknowledged
            | Event::ExchangeErased
            | Event::ExchangeRectified
            | Event::ClockFired
            | Event::ClockEscalated
            | Event::DirectoryChanged
            | Event::IdentityMerged
            | Event::IdentitySplit
            | Event::PushSent
            | Event::DeliveryDead
            | Event::TokenRevoked
            | Event::TelephoneRecorded
            | Event::FollowUpOpened
            | Event::FollowUpDone
            | Event::FollowUpDeferred
            | Event::KeyRotated
            | Event::DecisionExamined
            | Event::DomainClosed
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

    /// An approval of a re-identification is remembered: the re-identification must find it.
    fn decided(&mut self, at: Instant, openings: Option<&Openings>) {
        match openings.map(|known| (known.value("action").and_then(Value::as_str), approval(known))) {
            Some((Some("reidentification-approved"), Some(approval))) => {
                self.approvals.insert(approval);
            }
            Some(_) => {}
            None => self.hidden_decision = Some(at),
        }
    }

    /// Two distinct people of two distinct roles, other than who asked, each of whom said so before (invariant 7).
    fn reidentified(&mut self, index: u64, at: Instant, openings: Option<&Openings>, report: &mut Report) {
        let Some(openings) = openings else { return };
        let approvers = openings.value(field::APPROVERS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let part = |name: &'static str| approvers.iter().filter_map(move |a| a.get(name)?.as_str()).collect::<BTreeSet<_>>();
        let (people, asker) = (part("professional"), openings.value("professional").and_then(Value::as_str));
        if people.len() < 2 || part("role").len() < 2 || asker.is_some_and(|asker| people.contains(asker)) {
            report.add(FindingKind::Process, Some(index), None, "ré-identification sans deux personnes de deux rôles distincts");
        }
        // What was approved longer ago does not count: an approval that expired before cannot be one of these.
        let hidden = self.hidden_decision.is_some_and(|last| at.since(last) <= APPROVED_WITHIN + self.tolerance);
        if !hidden && people.iter().any(|who| !request(openings, who).is_some_and(|one| self.approvals.contains(&one))) {
            report.add(FindingKind::Process, Some(index), None, "ré-identification sans l’accord antérieur de ceux qu’elle nomme");
        }
    }

    /// Each proposal is approved anew.
    fn set_proposed(&mut self, at: Instant, openings: Option<&Openings>) {
        match openings.and_then(set) {
            Some(set) => {
                self.withdrawn_sets.remove(set);
                self.set_approvals.remove(set);
                self.proposed_sets.insert(set.to_owned(), at);
            }
            None => self.hidden_set_proposal = Some(at),
        }
    }

    fn set_approved(&mut self, at: Instant, openings: Option<&Openings>) {
        let of = |known| Some((set(known)?, set_approval(known.value("professional")?, known.value("role")?)?));
        match openings.and_then(of) {
            Some((set, approval)) => {
                self.set_approvals.entry(set.to_owned()).or_default().insert(approval);
            }
            None => self.hidden_set_approval = Some(at),
        }
    }

    /// What was approved of it is no longer.
    fn set_withdrawn(&mut self, openings: Option<&Openings>) {
        if let Some(set) = openings.and_then(set) {
            self.set_approvals.remove(set);
            self.withdrawn_sets.insert(set.to_owned());
        }
    }

    /// The first set of a gateway was installed with it, once and before every other; each that follows is two people's act,
    /// and each of them said so before, of this set and in this function.
    fn policy_changed(&mut self, index: u64, leaf: &Leaf, openings: Option<&Openings>, report: &mut Report) {
        let seen = !self.sets.is_empty();
        self.sets.insert(leaf.policy.clone());
        let Some(openings) = openings else { return };
        if openings.value("first") == Some(&Value::Bool(true)) {
            if seen {
                report.add(FindingKind::Process, Some(index), None, "jeu de règles dit premier alors qu’un autre était en vigueur");
            }
            return;
        }
        two_people(index, Some(openings), report, "jeu de règles mis en vigueur sans deux personnes de deux rôles distincts");
        let approvers = openings.value(field::APPROVERS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let set = set(openings);
        let given = set.and_then(|set| self.set_approvals.get(set));
        let said = |one: &Value| Some(given?.contains(&set_approval(one.get("professional")?, one.get("role")?)?));
        // Only what is hidden since it was proposed may be what is looked for.
        let proposed = set.and_then(|set| self.proposed_sets.get(set)).copied();
        let since = |hidden: Option<Instant>| hidden.is_some_and(|last| proposed.is_none_or(|at| last.plus(self.tolerance) >= at));
        if !since(self.hidden_set_approval) && approvers.iter().any(|one| said(one) != Some(true)) {
            report.add(
                FindingKind::Process,
                Some(index),
                None,
                "jeu de règles mis en vigueur sans l’approbation antérieure de ceux qu’il nomme",
            );
        }
        if self.hidden_set_proposal.is_none() && set.is_some_and(|set| self.withdrawn_sets.contains(set)) {
            report.add(
                FindingKind::Process,
                Some(index),
                None,
                "jeu de règles mis en vigueur après son retrait, sans nouvelle proposition",
            );
        }
        if set.is_some_and(|set| set != leaf.policy) {
            report.add(FindingKind::Process, Some(index), None, "jeu de règles en vigueur autre que celui qui fut approuvé");
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

/// How long before a re-identification its approvals may lie.
const APPROVED_WITHIN: Duration = Duration::from_secs(30 * 60);

/// Two distinct people of two distinct roles (invariants 7 and 8).
fn two_people(index: u64, openings: Option<&Openings>, report: &mut Report, otherwise: &str) {
    let Some(openings) = openings else { return };
    let approvers = openings.value(field::APPROVERS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let part = |name: &'static str| approvers.iter().filter_map(move |a| a.get(name)?.as_str()).collect::<BTreeSet<_>>();
    if part("professional").len() < 2 || part("role").len() < 2 {
        report.add(FindingKind::Process, Some(index), None, otherwise);
    }
}

fn set(openings: &Openings) -> Option<&str> {
    openings.value("set")?.as_str()
}

fn set_approval(who: &Value, role: &Value) -> Option<[u8; 16]> {
    let said = format!("{} {}", who.as_str()?, role.as_str()?);
    digest::digest(&digest::SHA256, said.as_bytes()).as_ref().first_chunk().copied()
}

fn approval(openings: &Openings) -> Option<[u8; 16]> {
    request(openings, openings.value("professional")?.as_str()?)
}

fn request(openings: &Openings, who: &str) -> Option<[u8; 16]> {
    let request = openings.value("request")?.as_str()?;
    digest::digest(&digest::SHA256, format!("{request} {who}").as_bytes()).as_ref().first_chunk().copied()
}

/// An emergency access has its own decision, classes and end.
fn emergency(index: u64, openings: Option<&Openings>, report: &mut Report) {
    let Some(openings) = openings else { return };
    let has = |name: &str| openings.value(name).is_some_and(|value| !value.is_null());
    if !openings.value(field::DECISION).is_some_and(permits) || !["grant", "classes", "until", "professional"].into_iter().all(has) {
        report.add(FindingKind::Process, Some(index), None, "accès d’urgence sans décision qui le permette, ou sans classes ni fin");
    }
}

fn exchange(openings: &Openings) -> Option<[u8; 16]> {
    let id = openings.value(field::EXCHANGE)?.as_str()?;
    digest::digest(&digest::SHA256, id.as_bytes()).as_ref().first_chunk().copied()
}

fn permits(decision: &Value) -> bool {
    decision.as_str().or_else(|| decision.get("result")?.as_str()) == Some("permit")
}
