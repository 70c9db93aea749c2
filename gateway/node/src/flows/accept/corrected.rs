//! Corrections: an exchange that says which earlier one of its sender it corrects. It is an exchange like any other, with its
//! own decision, receipt and deliveries; nothing of the first one is overwritten. It goes to everybody who got the first,
//! asks nobody again for what was asked, and starts again only the clocks that wait for a reader.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{ExchangeId, Instant, Party, TypeCode, envelope::Draft};

use super::{Depositor, FieldFault};
use crate::{
    catalogue::{ClockRule, ClockStop, ExchangeType},
    flows::{Law, Rooms, sent},
    refusal::Refusal,
    store::exchange::ExchangeRow,
};

/// What is corrected, as far as a correction has to know.
pub(super) struct Corrected {
    /// Every unit that got it.
    pub(super) units: Vec<Party>,
    /// What the gateway made of it.
    copies: Vec<(TypeCode, ExchangeId)>,
    /// Of it and of each copy.
    asked: BTreeMap<ExchangeId, Asked>,
}

/// What was asked about one exchange, and from whom it is sealed.
#[derive(Default)]
pub(super) struct Asked {
    tasks: BTreeSet<String>,
    /// Somebody still has to complete it.
    pub(super) incomplete: bool,
    /// (institution, issuer, subject); an empty text where it does not apply.
    pub(super) sealed_from: Vec<(String, String, String)>,
}

impl Corrected {
    /// What the gateway made of it, of this type.
    pub(super) fn copy(&self, kind: &TypeCode) -> Option<ExchangeId> {
        self.copies.iter().find(|(of, _)| of == kind).map(|(_, id)| *id)
    }

    /// What was asked about what a document corrects.
    pub(super) fn asked(&self, id: ExchangeId) -> Option<&Asked> {
        self.asked.get(&id)
    }
}

impl Asked {
    /// Whether this task was asked before, done or not.
    pub(super) fn has(&self, code: &str) -> bool {
        self.tasks.contains(code)
    }
}

/// Whether a correction starts this clock: who got it has to see it; what the law gives time for began with the first.
pub(super) fn starts(rule: &ClockRule) -> bool {
    rule.stops.iter().any(|stop| matches!(stop, ClockStop::Opened | ClockStop::Acknowledged))
}

/// Finds what a document corrects: an exchange of the same type, between the same two institutions, that whoever deposits
/// sees as its sender does. A danger type that corrects anything else is a deposit like any other, and says so.
pub(super) async fn find(
    rooms: &Rooms,
    law: &Law,
    exchange_type: &ExchangeType,
    author: &Depositor,
    draft: &mut Draft,
    now: Instant,
) -> Result<Option<Corrected>, Refusal> {
    let Some(id) = draft.route.rectifies else { return Ok(None) };
    let row = rooms.store.exchange(id).await?;
    let row = match row {
        Some(row) if fits(rooms, law, (author, exchange_type), draft, &row, now).await? => row,
        _ if exchange_type.danger => {
            draft.route.rectifies = None;
            draft.missing.push("/rectifies".to_owned());
            return Ok(None);
        }
        // The same answer whether it does not exist or is not theirs (invariant 15).
        _ => {
            return Err(Refusal::NotConforming(vec![FieldFault {
                pointer: "/rectifies".into(),
                code: "bad-reference",
                detail: "Cet échange n’existe pas, n’est plus là, ou n’est pas un envoi de votre service, de ce type, à ce destinataire."
                    .into(),
            }]));
        }
    };
    if draft.route.recipient.unit.is_none() {
        draft.route.recipient.unit.clone_from(&row.recipient.unit);
    }
    let mut units: Vec<Party> = Vec::new();
    for delivery in rooms.store.deliveries_of(id).await? {
        if !units.contains(&delivery.recipient) {
            units.push(delivery.recipient);
        }
    }
    let made = |answer: &ExchangeRow| answer.sender == row.sender && answer.recipient.institution != row.sender.institution;
    let answers = rooms.store.answers_to(id).await?;
    let copies: Vec<_> = answers.iter().filter(|one| made(one)).map(|one| (one.kind.clone(), one.id)).collect();
    let mut asked = BTreeMap::new();
    for id in copies.iter().map(|(_, id)| *id).chain([id]) {
        let tasks = rooms.store.follow_ups(id).await?;
        asked.insert(
            id,
            Asked {
                incomplete: tasks.iter().any(|task| task.code == COMPLETE && task.done_at.is_none()),
                tasks: tasks.into_iter().map(|task| task.code).collect(),
                sealed_from: rooms.store.exclusions_of(id).await?,
            },
        );
    }
    Ok(Some(Corrected { units, copies, asked }))
}

async fn fits(
    rooms: &Rooms,
    law: &Law,
    (author, exchange_type): (&Depositor, &ExchangeType),
    draft: &Draft,
    row: &ExchangeRow,
    now: Instant,
) -> Result<bool, Refusal> {
    let route = &draft.route;
    let same = row.kind == exchange_type.code
        && row.sender.institution == route.sender.institution
        && row.recipient.institution == route.recipient.institution
        && row.erased_at.is_none()
        && row.withdrawn_at.is_none();
    if !same {
        return Ok(false);
    }
    match author {
        Depositor::Professional(id) => {
            let known = law.directory.professional(id).is_some_and(|professional| sent(law, professional, row, now));
            Ok(known && !rooms.store.sealed_from(row.id, &route.sender.institution, id).await?)
        }
        Depositor::System | Depositor::Alone { .. } => Ok(row.sender.unit.is_none() || row.sender.unit == route.sender.unit),
    }
}

/// The task to complete what was missing.
pub(super) const COMPLETE: &str = "completer";
