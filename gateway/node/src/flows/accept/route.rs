//! Where an exchange goes: its recipient, what it answers, the agreement it flows under.

use std::collections::BTreeSet;

use exchange::{Instant, Party, Urgency, envelope::Draft, envelope::FieldFault};

use super::Ends;
use crate::{
    agreements::InForce,
    catalogue::{AgreementNeed, ExchangeType},
    directory::day::day_in_france,
    flows::{Law, Rooms},
    policy::AgreementState,
    refusal::Refusal,
};

/// The unit of this Département to which a danger type goes when its sender did not say where, or wrongly.
pub(super) fn default_recipient(rooms: &Rooms, law: &Law, exchange_type: &ExchangeType) -> Option<Party> {
    let kind = exchange_type.to.iter().find(|to| to.when.is_none()).map(|to| &to.kind)?;
    law.directory
        .units_of_kind(kind)
        .into_iter()
        .find(|(institution, _)| institution.departement == rooms.departement)
        .map(|(institution, unit)| Party { institution: institution.id.clone(), unit: Some(unit.id.clone()) })
}

/// Both ends as the directory knows them; a recipient given as an institution becomes the one unit there that may receive.
pub(super) async fn resolve(
    rooms: &Rooms,
    law: &Law,
    exchange_type: &ExchangeType,
    draft: &mut Draft,
    now: Instant,
) -> Result<Ends, Refusal> {
    let sender = &draft.route.sender;
    let sender_kind = law.directory.party(sender).ok_or(Refusal::SenderMismatch)?.kind.clone();
    if draft.route.recipient.unit.is_none() {
        if let Some(unit) = receiving_unit(law, exchange_type, &draft.route.recipient) {
            draft.route.recipient = unit;
        }
    }
    if law.directory.party(&draft.route.recipient).is_none_or(|known| !known.institution.served_on(day_in_france(now))) {
        // A danger deposit with an unknown recipient goes to whom the law names, and says so.
        match default_recipient(rooms, law, exchange_type) {
            Some(recipient) if exchange_type.danger => {
                draft.missing.push("/recipient".to_owned());
                draft.route.recipient = recipient;
            }
            _ => return Err(Refusal::UnknownRecipient),
        }
    }
    let recipient = draft.route.recipient.clone();
    let recipient_kind = law.directory.party(&recipient).ok_or(Refusal::UnknownRecipient)?.kind.clone();
    check_answer(rooms, exchange_type, draft).await?;
    Ok(Ends { sender: draft.route.sender.clone(), sender_kind, recipient, recipient_kind })
}

/// An answer goes back to who asked, from who was asked: otherwise it would carry a file to a stranger.
async fn check_answer(rooms: &Rooms, exchange_type: &ExchangeType, draft: &mut Draft) -> Result<(), Refusal> {
    let Some(answered) = draft.route.in_reply_to else { return Ok(()) };
    let fits = match rooms.store.exchange(answered).await? {
        None => false,
        Some(row) => {
            let ends = row.sender.institution == draft.route.recipient.institution
                && row.recipient.institution == draft.route.sender.institution;
            ends && (exchange_type.answers_any || exchange_type.answers.contains(&row.kind))
        }
    };
    if fits {
        return Ok(());
    }
    if exchange_type.danger {
        draft.route.in_reply_to = None;
        draft.missing.push("/in_reply_to".to_owned());
        return Ok(());
    }
    // The same answer whether it does not exist or is not theirs (invariant 15).
    Err(Refusal::NotConforming(vec![FieldFault {
        pointer: "/in_reply_to".into(),
        code: "bad-reference",
        detail: "Cet échange n’existe pas, ou n’est pas un échange reçu de ce destinataire auquel ce type répond.".into(),
    }]))
}

fn receiving_unit(law: &Law, exchange_type: &ExchangeType, recipient: &Party) -> Option<Party> {
    let institution = law.directory.institution(&recipient.institution)?;
    exchange_type
        .to
        .iter()
        .filter(|to| to.when.is_none())
        .find_map(|to| institution.units.values().find(|unit| unit.kind == to.kind))
        .map(|unit| Party { institution: recipient.institution.clone(), unit: Some(unit.id.clone()) })
}

/// What the register says of the agreement under which this exchange would flow.
pub(super) fn agreement<'l>(law: &'l Law, exchange_type: &ExchangeType, draft: &Draft, now: Instant) -> Result<AgreementState<'l>, Refusal> {
    let route = &draft.route;
    let Some(id) = &route.agreement else {
        return match exchange_type.agreement {
            AgreementNeed::None | AgreementNeed::ForChannel => Ok(AgreementState::NotNamed),
            AgreementNeed::Required => Err(Refusal::Agreement("aucun protocole indiqué")),
        };
    };
    let state = match law.agreements.in_force(id, now) {
        InForce::InForce(agreement) => {
            let covers = agreement.types.contains(&route.kind) && agreement.binds_both(&route.sender, &route.recipient);
            return Ok(if covers {
                AgreementState::InForce { id: &agreement.id, parties: &agreement.parties }
            } else {
                AgreementState::OutOfScope
            });
        }
        InForce::NotYet { .. } => "pas encore en vigueur",
        InForce::Ended { .. } => "terminé",
        InForce::Suspended => "suspendu",
        InForce::NotSigned => "pas signé",
        InForce::NoDates => "dates à saisir",
        InForce::Unknown => "inconnu",
    };
    // A type that needs none flows all the same: naming a dead agreement is not a reason to lose it.
    match exchange_type.agreement {
        AgreementNeed::None | AgreementNeed::ForChannel => Ok(AgreementState::NotInForce),
        AgreementNeed::Required => Err(Refusal::Agreement(state)),
    }
}

/// Condition words of destinations that hold now.
pub(super) fn conditions(law: &Law, draft: &Draft, now: Instant) -> BTreeSet<String> {
    let out_of_hours = !law.catalogue.working_now(now);
    let immediate = draft.route.urgency == Urgency::Immediate;
    (immediate && out_of_hours).then(|| "immediate-hors-horaires".to_owned()).into_iter().collect()
}
