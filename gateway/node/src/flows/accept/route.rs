//! Where an exchange goes: its recipient, what it answers, the agreement it flows under.

use exchange::{
    AgreementId, Identity, Instant, Kind, Party, TypeCode,
    document::Pointer,
    envelope::{Draft, FieldFault, NonConforming, Route},
};
use serde_json::{Value, json};

use super::{Depositor, Ends};
use crate::{
    agreements::InForce,
    catalogue::{AgreementNeed, ExchangeType},
    directory::day::day_in_france,
    flows::{Caller, Law, Rooms, answers_for, sealed_from_whom},
    policy::{AgreementState, DecisionRecord, Residence, Submission},
    refusal::Refusal,
    seal,
    store::exchange::ExchangeRow,
};

/// What is known, before a document is read, of the exchange that it answers.
pub(super) struct Answered {
    kind: TypeCode,
    form: Option<String>,
    pub(super) agreement: Option<AgreementId>,
}

impl Answered {
    /// The name under which a type may have a profile for what answers it: the profile that was asked, else the type.
    pub(super) fn profile(&self) -> &str {
        self.form.as_deref().unwrap_or(self.kind.as_str())
    }
}

/// The exchange that an envelope answers, when it came to the unit for which this person sends, and may be known of there:
/// of any other nothing is told, not even by how the envelope is read (invariant 15).
pub(super) async fn answered(
    rooms: &Rooms,
    law: &Law,
    (caller, author): (&Caller, &Depositor),
    exchange_type: &ExchangeType,
    envelope: &Value,
    now: Instant,
) -> Result<Option<Answered>, Refusal> {
    if exchange_type.forms.is_empty() && exchange_type.agreement == AgreementNeed::None {
        return Ok(None);
    }
    let Some(id) = envelope.get("in_reply_to").and_then(Value::as_str).and_then(|text| text.parse().ok()) else { return Ok(None) };
    let Some(row) = rooms.store.exchange(id).await?.filter(|row| row.recipient.institution == caller.institution) else {
        return Ok(None);
    };
    let sender = answering(law, caller, author, envelope);
    if !in_charge(law, &row, &sender) || !may_know(rooms, law, author, &row, &sender, now).await? {
        return Ok(None);
    }
    let Some(key) = rooms.keys.exchange_key(row.id).await? else { return Ok(None) };
    let plain = seal::open_column(&key, "exchange", row.id, "route", &row.route).map_err(|_| Refusal::Internal("route"))?;
    let route: Route = serde_json::from_slice(&plain).map_err(|_| Refusal::Internal("route"))?;
    Ok(Some(Answered { kind: row.kind, form: route.form, agreement: route.agreement }))
}

/// The unit for which an envelope will turn out to be sent, before it is read: see [`sending_unit`].
fn answering(law: &Law, caller: &Caller, author: &Depositor, envelope: &Value) -> Party {
    let named = envelope.pointer("/sender/unit").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let unit = match author {
        Depositor::Professional(id) => {
            let units = law.directory.professional(id).map_or(&[][..], |professional| &professional.units);
            named.filter(|unit| units.contains(unit)).or_else(|| units.first().cloned())
        }
        Depositor::System | Depositor::Alone { .. } => caller.unit.clone().or(named),
    };
    Party { institution: caller.institution.clone(), unit }
}

/// Another unit that gets the same exchange because a condition of its type holds now: at night the on-call service, what
/// is addressed to the CRIP; or because it got what this one corrects. Each with a decision of its own.
pub(super) fn also(
    rooms: &Rooms,
    law: &Law,
    (draft, before): (&Draft, &[Party]),
    ends: &Ends,
    ask: &Submission<'_>,
) -> Result<Vec<Also>, Refusal> {
    let mut all: Vec<Also> = Vec::new();
    for to in &ask.exchange_type.to {
        let holds = to.when.as_ref().is_some_and(|word| ask.holds.contains(word));
        if !holds || to.kind == ends.recipient_kind {
            continue;
        }
        let Some(recipient) = unit_here(rooms, law, &to.kind) else { continue };
        all.push(one_more(law, draft, recipient, &to.kind, ask)?);
    }
    for recipient in before {
        // A unit that has left the directory since has no reader any more.
        let Some(known) = law.directory.party(recipient) else { continue };
        if *recipient != ends.recipient && all.iter().all(|one| one.recipient != *recipient) {
            all.push(one_more(law, draft, recipient.clone(), known.kind, ask)?);
        }
    }
    Ok(all)
}

fn one_more(law: &Law, draft: &Draft, recipient: Party, kind: &Kind, ask: &Submission<'_>) -> Result<Also, Refusal> {
    let ask = Submission { recipient: law.side(kind)?, ..*ask };
    let record = law.policies.also(draft, &recipient, &ask);
    Ok(Also { recipient, record })
}

/// One more unit, and what was decided of it.
pub(super) struct Also {
    pub(super) recipient: Party,
    pub(super) record: DecisionRecord,
}

/// The unit of this Département to which a danger type goes when its sender did not say where, or wrongly.
pub(super) fn default_recipient(rooms: &Rooms, law: &Law, exchange_type: &ExchangeType) -> Option<Party> {
    unit_here(rooms, law, exchange_type.to.iter().find(|to| to.when.is_none()).map(|to| &to.kind)?)
}

/// The unit of a kind in this Département.
fn unit_here(rooms: &Rooms, law: &Law, kind: &Kind) -> Option<Party> {
    law.directory
        .units_of_kind(kind)
        .into_iter()
        .find(|(institution, _)| institution.departement == rooms.departement)
        .map(|(institution, unit)| Party { institution: institution.id.clone(), unit: Some(unit.id.clone()) })
}

/// Where the children live, seen from the institution that receives: the residence counts, not the school (R83).
pub(super) fn residence(law: &Law, draft: &Draft) -> Residence {
    let Some(institution) = law.directory.institution(&draft.route.recipient.institution) else { return Residence::Unknown };
    let children = draft.subjects.iter().filter(|subject| subject.role().is_none_or(|role| role == "enfant"));
    let mut known = children.filter_map(departement).peekable();
    if known.peek().is_none() {
        return Residence::Unknown;
    }
    if known.any(|code| code == institution.departement) { Residence::Here } else { Residence::Elsewhere }
}

/// The département of an address: from the code of the town, else from the postcode, which does not tell the two Corsican ones.
fn departement(subject: &Identity) -> Option<String> {
    let text = |name: &str| subject.reveal().at(&Pointer::default().child("address").child(name)).and_then(Value::as_str);
    let code = text("city_code").or_else(|| text("postcode").filter(|code| !code.starts_with("20"))).filter(|code| code.len() == 5)?;
    code.get(..if code.starts_with("97") { 3 } else { 2 }).map(str::to_owned)
}

/// The unit for which a professional sends: one in which this person works (invariant 11), its first when none is named.
/// A danger type from another unit is its institution's all the same, and says so.
pub(super) fn sending_unit(law: &Law, exchange_type: &ExchangeType, author: &Depositor, draft: &mut Draft) -> Result<(), Refusal> {
    let Depositor::Professional(id) = author else { return Ok(()) };
    let units = law.directory.professional(id).map_or(&[][..], |professional| &professional.units);
    match &draft.route.sender.unit {
        None => draft.route.sender.unit = units.first().cloned(),
        Some(unit) if units.contains(unit) => {}
        Some(_) if exchange_type.danger => {
            draft.route.sender.unit = units.first().cloned();
            draft.missing.push("/sender/unit".to_owned());
        }
        Some(_) => return Err(Refusal::RoleMissing("membre du service émetteur")),
    }
    Ok(())
}

/// Both ends as the directory knows them; a recipient given as an institution becomes the one unit there that may receive.
pub(super) async fn resolve(
    rooms: &Rooms,
    law: &Law,
    exchange_type: &ExchangeType,
    author: &Depositor,
    draft: &mut Draft,
    now: Instant,
) -> Result<Ends, Refusal> {
    let sender = &draft.route.sender;
    let sender_kind = law.directory.party(sender).ok_or(Refusal::SenderMismatch)?.kind.clone();
    if draft.route.recipient.unit.is_none()
        && let Some(unit) = receiving_unit(law, exchange_type, &draft.route.recipient)
    {
        draft.route.recipient = unit;
    }
    let reached = law
        .directory
        .party(&draft.route.recipient)
        .is_some_and(|known| known.unit.is_some() && known.institution.served_on(day_in_france(now)));
    if !reached {
        // A mailbox is a unit's: what an institution as a whole were given, nobody would ever read. A danger deposit whose
        // recipient is unknown, or has no unit for it, goes to whom the law names, and says so.
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
    check_answer(rooms, law, exchange_type, author, draft, now).await?;
    Ok(Ends { sender: draft.route.sender.clone(), sender_kind, recipient, recipient_kind })
}

/// An answer goes back to who asked, from who was asked and may know of it: otherwise it would carry a file to a
/// stranger, stop a clock for others, or tell that the exchange exists.
async fn check_answer(
    rooms: &Rooms,
    law: &Law,
    exchange_type: &ExchangeType,
    author: &Depositor,
    draft: &mut Draft,
    now: Instant,
) -> Result<(), Refusal> {
    let Some(answered) = draft.route.in_reply_to else { return Ok(()) };
    let fits = match rooms.store.exchange(answered).await? {
        None => false,
        Some(row) => {
            let asker = &draft.route.recipient;
            let back = row.sender.institution == asker.institution && (row.sender.unit.is_none() || row.sender.unit == asker.unit);
            let asked = row.recipient.institution == draft.route.sender.institution && in_charge(law, &row, &draft.route.sender);
            back && asked
                && (row.withdrawn_at.is_none() || exchange_type.danger)
                && may_know(rooms, law, author, &row, &draft.route.sender, now).await?
                && (exchange_type.answers_any || exchange_type.answers.contains(&row.kind))
        }
    };
    if fits {
        // Who is kept out of a question does not learn of it from its answer.
        for excluded in sealed_from_whom(rooms, answered).await? {
            if !draft.route.exclus.contains(&excluded) {
                draft.route.exclus.push(excluded);
            }
        }
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

/// The unit that was asked, or one of a kind to which the exchange could have gone: what came to the on-call service at
/// night is answered by the CRIP in the morning.
fn in_charge(law: &Law, row: &ExchangeRow, sender: &Party) -> bool {
    let foreseen = || {
        let kind = law.directory.party(sender)?.kind;
        Some(law.catalogue.exchange_type(&row.kind, row.accepted_at)?.to.iter().any(|to| &to.kind == kind))
    };
    row.recipient.unit == sender.unit || (sender.unit.is_some() && foreseen().unwrap_or(false))
}

/// Whoever answers could have read what is answered: habilitated in the unit, and not one from whom it is sealed.
async fn may_know(rooms: &Rooms, law: &Law, author: &Depositor, row: &ExchangeRow, sender: &Party, now: Instant) -> Result<bool, Refusal> {
    let Depositor::Professional(id) = author else { return Ok(true) };
    let habilitated = law.directory.professional(id).is_some_and(|professional| answers_for(professional, sender, now));
    Ok(habilitated && !rooms.store.sealed_from(row.id, &sender.institution, id).await?)
}

/// An agreement under which nothing flows (a danger type flows all the same) makes no domain of its own: whoever invents
/// one would decide by which pseudonym the recipient knows a child. What is no agreement at all may be anything: sealed.
pub(super) fn agreement_that_serves(law: &Law, state: AgreementState<'_>, draft: &mut Draft, now: Instant) {
    if matches!(state, AgreementState::InForce { .. }) {
        return;
    }
    if let Some(named) = draft.route.agreement.take()
        && law.agreements.in_force(&named, now) == InForce::Unknown
    {
        let pointer = Pointer::default().child("agreement");
        draft.non_conforme.push(NonConforming { pointer, code: "bad-reference", value: json!(named) });
    }
}

fn receiving_unit(law: &Law, exchange_type: &ExchangeType, recipient: &Party) -> Option<Party> {
    let institution = law.directory.institution(&recipient.institution)?;
    exchange_type
        .to
        .iter()
        .filter(|to| to.when.is_none())
        .find_map(|to| institution.units.values().find(|unit| unit.kind == to.kind))
        .or_else(|| institution.units.values().find(|unit| unit.kind == institution.kind))
        .map(|unit| Party { institution: recipient.institution.clone(), unit: Some(unit.id.clone()) })
}
