//! Corrections: an exchange that says which earlier one of its sender it corrects. It is an exchange like any other, with its
//! own decision, receipt and deliveries; nothing of the first one is overwritten. It goes to everybody who got the first,
//! asks nobody again for what is still asked, and starts again no clock that still runs.
//!
//! What corrects a correction corrects the first one. From whom one of a line is sealed, all of it is.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{ExchangeId, Instant, Party, TypeCode, envelope::Draft};

use super::Depositor;
use crate::{
    catalogue::{ClockRule, ClockStop, ExchangeType, ObligationRule},
    flows::{Law, Rooms, line, sealed_from_whom, sent, units_of},
    policy::SEND_SORTED,
    refusal::Refusal,
    store::exchange::ExchangeRow,
};

/// What is corrected, as far as a correction has to know.
pub(super) struct Corrected {
    /// Every unit that got it.
    pub(super) units: Vec<Party>,
    /// What the gateway made of the first.
    copies: Vec<(TypeCode, ExchangeId)>,
    /// Of the first and of each copy.
    asked: BTreeMap<ExchangeId, Asked>,
}

/// What is still asked about one exchange.
#[derive(Default)]
pub(super) struct Asked {
    open: BTreeSet<String>,
    running: Vec<(String, Instant)>,
}

impl Corrected {
    /// What the gateway made of it, of this type.
    pub(super) fn copy(&self, kind: &TypeCode) -> Option<ExchangeId> {
        self.copies.iter().find(|(of, _)| of == kind).map(|(_, id)| *id)
    }

    /// What is still asked about what a document corrects.
    pub(super) fn asked(&self, id: ExchangeId) -> Option<&Asked> {
        self.asked.get(&id)
    }
}

impl Asked {
    /// What its sender still had to do and a correction does: one that brings everything, one whose recipient can read it.
    pub(super) fn mended(&self, incomplete: bool, obligations: &[String]) -> impl Iterator<Item = &'static str> {
        let unread = obligations.iter().any(|code| code == SEND_SORTED);
        let done = [(COMPLETE, !incomplete), (SEND_SORTED, !unread)].into_iter().filter(|(_, done)| *done);
        done.map(|(code, _)| code).filter(|code| self.open.contains(*code))
    }

    /// Whether this task need not be asked again. Never what is about the new document itself, nor what the gateway has to make.
    pub(super) fn covers(&self, code: &str, rule: Option<&ObligationRule>) -> bool {
        let own = [COMPLETE, SEND_SORTED, READ_WHAT_DID_NOT_CONFORM].contains(&code) || rule.is_some_and(|rule| rule.makes.is_some());
        !own && self.open.contains(code)
    }

    /// Whether this clock need not run again: it runs, and ends no later. Who got the correction has to see it all the same.
    pub(super) fn runs(&self, rule: &ClockRule, limit: Instant) -> bool {
        let seen = rule.stops.iter().any(|stop| matches!(stop, ClockStop::Opened | ClockStop::Acknowledged));
        !seen && self.running.iter().any(|(name, ends)| *name == rule.name && *ends <= limit)
    }
}

/// Finds what a document corrects: an exchange of the same type, between the same two institutions, that answers the same and
/// that whoever deposits sees as its sender does. A danger type that corrects anything else is a deposit like any other, and
/// says so.
pub(super) async fn find(
    rooms: &Rooms,
    law: &Law,
    exchange_type: &ExchangeType,
    author: &Depositor,
    draft: &mut Draft,
    now: Instant,
) -> Result<Option<Corrected>, Refusal> {
    let Some(named) = draft.route.rectifies else { return Ok(None) };
    let Some(first) = first(rooms, law, (author, exchange_type), draft, named, now).await? else {
        if exchange_type.danger {
            draft.route.rectifies = None;
            draft.missing.push("/rectifies".to_owned());
            return Ok(None);
        }
        // The same answer whether it does not exist or is not theirs (invariant 15).
        return Err(Refusal::NotConforming(vec![super::FieldFault {
            pointer: "/rectifies".into(),
            code: "bad-reference",
            detail: "Cet échange n’existe pas, n’est plus là, ou n’est pas un envoi de votre service, de ce type, à ce destinataire."
                .into(),
        }]));
    };
    draft.route.rectifies = Some(first.id);
    if draft.route.recipient.unit.is_none() {
        draft.route.recipient.unit.clone_from(&first.recipient.unit);
    }
    let units = units_of(rooms, first.id).await?;
    // From whom the line is sealed is part of what is decided, of the correction and of what is made of it.
    for excluded in sealed_from_whom(rooms, first.id).await? {
        if !draft.route.exclus.contains(&excluded) {
            draft.route.exclus.push(excluded);
        }
    }
    let (mut copies, mut asked) = (Vec::new(), BTreeMap::new());
    for row in line(rooms, &first).await?.into_iter().filter(|row| row.erased_at.is_none() && row.withdrawn_at.is_none()) {
        let copy = row.rectifies.is_none() && row.id != first.id;
        if copy {
            copies.push((row.kind.clone(), row.id));
        }
        if copy || row.id == first.id {
            let open = rooms.store.follow_ups(row.id).await?.into_iter().filter(|task| task.done_at.is_none());
            let running = rooms.store.clocks_of(row.id).await?.into_iter().filter(|clock| clock.stopped_at.is_none());
            let asks =
                Asked { open: open.map(|task| task.code).collect(), running: running.map(|clock| (clock.name, clock.limit)).collect() };
            asked.insert(row.id, asks);
        }
    }
    Ok(Some(Corrected { units, copies, asked }))
}

/// The first of the line that a document wants to correct, if it may.
async fn first(
    rooms: &Rooms,
    law: &Law,
    (author, exchange_type): (&Depositor, &ExchangeType),
    draft: &Draft,
    named: ExchangeId,
    now: Instant,
) -> Result<Option<ExchangeRow>, Refusal> {
    let Some(mut row) = rooms.store.exchange(named).await? else { return Ok(None) };
    if let Some(first) = row.rectifies {
        let Some(first) = rooms.store.exchange(first).await? else { return Ok(None) };
        row = first;
    }
    let route = &draft.route;
    let same = row.kind == exchange_type.code
        && row.sender.institution == route.sender.institution
        && row.recipient.institution == route.recipient.institution
        && row.in_reply_to == route.in_reply_to
        && row.erased_at.is_none()
        && row.withdrawn_at.is_none();
    let known = match author {
        Depositor::Professional(id) => {
            law.directory.professional(id).is_some_and(|professional| sent(law, professional, &row, now))
                && !rooms.store.sealed_from(row.id, &route.sender.institution, id).await?
        }
        Depositor::System | Depositor::Alone { .. } => row.sender.unit.is_none() || row.sender.unit == route.sender.unit,
    };
    Ok(Some(row).filter(|_| same && known))
}

/// The task to complete what was missing.
pub(super) const COMPLETE: &str = "completer";
/// The task to read what did not conform.
pub(super) const READ_WHAT_DID_NOT_CONFORM: &str = "verifier-non-conforme";
