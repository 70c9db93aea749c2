//! What the gateway makes of an exchange, because an obligation says so (`makes` of `_obligations.toml`): the copy to the CRIP
//! of a direct signalement (CASF L226-4 II). Law prescribes the copy; nobody chooses anything (invariant 10).
//!
//! An exchange of its own: its own decision, key, receipt, log entry and clocks, in the transaction of the first one.

use exchange::{
    ExchangeId, Instant, Party, Urgency, canonical,
    document::{Leaves, Pointer},
};
use serde_json::{Map, Value, json};

use super::{
    Attached, Depositor, Ends,
    attached::{self, Placed},
    corrected::Corrected,
    known, route, unread,
};
use crate::{
    catalogue::{ExchangeType, MadeOf, ReadContext},
    flows::{Law, Rooms},
    log::Event,
    policy::{Admitted, AgreementState, Denial, Submission},
    refusal::Refusal,
    store::audit::NewEntry,
};

/// What an exchange is made of.
pub(super) struct Source<'a, 'l> {
    pub(super) envelope: &'a Value,
    pub(super) id: ExchangeId,
    pub(super) ends: &'a Ends,
    pub(super) author: &'a Depositor,
    pub(super) attached: &'l [Attached],
    /// What it corrects: then what is made of it corrects what was made of that.
    pub(super) corrected: Option<&'a Corrected>,
    pub(super) now: Instant,
}

/// What was made, and what could not be.
#[derive(Default)]
pub(super) struct Made<'l> {
    pub(super) exchanges: Vec<MadeExchange<'l>>,
    /// The refusals: each is a log entry of the same transaction.
    pub(super) refused: Vec<NewEntry>,
}

/// One exchange that the gateway makes.
pub(super) struct MadeExchange<'l> {
    pub(super) id: ExchangeId,
    pub(super) exchange_type: &'l ExchangeType,
    pub(super) admitted: Admitted,
    pub(super) ends: Ends,
    /// The same bytes, under a key of its own.
    pub(super) placed: Vec<Placed<'l>>,
    /// The obligation that it fulfils.
    pub(super) fulfils: String,
}

/// Whether the gateway may have to make something of an exchange of this type.
pub(super) fn is_source(law: &Law, exchange_type: &ExchangeType) -> bool {
    exchange_type.obligations.iter().filter_map(|code| law.catalogue.obligation(code)).any(|rule| rule.makes.is_some())
}

/// Makes what the obligations of a decision prescribe.
///
/// What cannot be made never stops what it would be made of (invariant 3): the task stays with the sender, and it alarms.
///
/// # Errors
/// The entry that says so cannot be written.
pub(super) fn of<'l>(rooms: &Rooms, law: &'l Law, source: Source<'_, 'l>, obligations: &[String]) -> Result<Made<'l>, Refusal> {
    let mut made = Made::default();
    for code in obligations {
        let Some(kind) = law.catalogue.obligation(code).and_then(|rule| rule.makes.as_ref()) else { continue };
        let tried = match law.catalogue.exchange_type(kind, source.now) {
            Some(exchange_type) => one(rooms, law, &source, exchange_type, code),
            None => Err(Refusal::UnknownType),
        };
        let (recipient, decision) = match tried {
            Ok(Ok(exchange)) => {
                made.exchanges.push(exchange);
                continue;
            }
            Ok(Err((Denial::Forbidden { record, .. } | Denial::Undecidable { record }, recipient))) => {
                (Some(recipient), json!({"result": "refusal", "record": record}))
            }
            // Nobody there to receive it, or no such type that day.
            Err(refusal) => (None, json!({"result": "refusal", "because": refusal.face().code})),
        };
        // The task stays with the sender, and somebody has to look: the law wants this copy to be made.
        metrics::counter!(NOT_MADE).increment(1);
        tracing::error!(exchange.kind = %kind, "what the gateway must make of an exchange was not made");
        let statement = rooms
            .state(law, Event::ExchangeRefused, None, source.now)
            .commit("sender", &source.ends.sender)
            .commit("recipient", &recipient)
            .commit("type", kind)
            .commit("decision", &decision);
        made.refused.push(rooms.entry(statement)?);
    }
    Ok(made)
}

type Refused = (Denial, Party);

fn one<'l>(
    rooms: &Rooms,
    law: &'l Law,
    source: &Source<'_, 'l>,
    exchange_type: &'l ExchangeType,
    code: &str,
) -> Result<Result<MadeExchange<'l>, Refused>, Refusal> {
    // 1. Write it as its sender would: what both types hold, and what the catalogue says the gateway fills in.
    let recipient = route::default_recipient(rooms, law, exchange_type).ok_or(Refusal::UnknownRecipient)?;
    let recipient_kind = law.directory.party(&recipient).ok_or(Refusal::UnknownRecipient)?.kind;
    let envelope = envelope(source, exchange_type, &recipient);
    let bytes = canonical::bytes(&envelope).map_err(|_| Refusal::Internal("made"))?;
    // 2. Read it as any other.
    let institution = law.directory.institution(&source.ends.sender.institution);
    let context = ReadContext {
        now: source.now,
        sender: source.ends.sender.clone(),
        kind_of: &|party| law.directory.party(party).map(|known| known.kind.clone()),
        known: &|excluded| known(law, excluded),
        default_recipient: Some(recipient.clone()),
        agent: source.author.agent(law),
        siret: institution.and_then(|institution| institution.codes.get("siret")).cloned(),
        days_to_answer: &|_| None,
        form: None,
        agreement: None,
    };
    let mut draft = law.catalogue.read(exchange_type, envelope, bytes, &context).map_err(unread)?;
    let placed = attached::place(&mut draft, exchange_type, source.attached)?;
    // 3. Decide it by itself: the copy is an exchange between its own two ends.
    let id = ExchangeId::new();
    let holds = law.conditions(&draft.route, source.now);
    let ask = Submission {
        exchange: id,
        exchange_type,
        sender: law.side(&source.ends.sender_kind)?,
        recipient: law.side(recipient_kind)?,
        actor: source.author.actor(law),
        agreement: AgreementState::NotNamed,
        necessity_stated: draft.necessity_stated,
        residence: route::residence(law, &draft),
        holds: &holds,
        now: source.now,
    };
    let ends = Ends {
        sender: source.ends.sender.clone(),
        sender_kind: source.ends.sender_kind.clone(),
        recipient,
        recipient_kind: recipient_kind.clone(),
    };
    Ok(match law.policies.admit(draft, &ask) {
        Ok(admitted) => Ok(MadeExchange { id, exchange_type, admitted, ends, placed, fulfils: code.to_owned() }),
        Err(denial) => Err((denial, ends.recipient)),
    })
}

/// The envelope of the copy: the parts that every envelope has, and of the payload what the other type holds too.
fn envelope(source: &Source<'_, '_>, exchange_type: &ExchangeType, recipient: &Party) -> Value {
    let given = |name: &str| source.envelope.get(name).filter(|value| !value.is_null()).cloned();
    let mut envelope = Map::new();
    for name in ["subjects", "exclus", "information", "case", "attachments"] {
        envelope.extend(given(name).map(|value| (name.to_owned(), value)));
    }
    envelope.insert("type".into(), json!(exchange_type.code));
    envelope.insert("sender".into(), json!(source.ends.sender));
    envelope.insert("recipient".into(), json!(recipient));
    envelope.insert("in_reply_to".into(), json!(source.id));
    let corrects = source.corrected.and_then(|corrected| corrected.copy(&exchange_type.code));
    envelope.extend(corrects.map(|copy| ("rectifies".to_owned(), json!(copy))));
    let urgency = given("urgency").and_then(|value| canonical::typed::<Urgency>(&value).ok());
    let urgency = urgency.filter(|urgency| exchange_type.urgency.contains(urgency));
    envelope.extend(urgency.map(|urgency| ("urgency".to_owned(), json!(urgency))));
    let mut payload = given("payload").unwrap_or_else(|| json!({}));
    if let Value::Object(payload) = &mut payload {
        let top = |path: &str, name: &str| {
            path.strip_prefix("payload.").and_then(|path| path.split(['.', '[']).next()).is_some_and(|first| first == name)
        };
        payload.retain(|name, _| exchange_type.fields.iter().any(|field| field.computed.is_none() && top(&field.path, name)));
    }
    let mut filled = Leaves::new();
    for field in &exchange_type.fields {
        let value = match &field.made_of {
            None => continue,
            Some(MadeOf::Recipient) => json!(source.ends.recipient.institution),
            Some(MadeOf::AcceptedAt) => json!(source.now),
            Some(MadeOf::Code(code)) => json!(code),
        };
        filled.insert(field.path.split('.').skip(1).fold(Pointer::default(), |at, step| at.child(step)), value);
    }
    if let (Value::Object(payload), Value::Object(filled)) = (&mut payload, filled.reveal()) {
        payload.extend(filled);
    }
    envelope.insert("payload".into(), payload);
    Value::Object(envelope)
}

/// Something that the gateway had to make was refused: counted from zero.
pub(super) const NOT_MADE: &str = "passerelle_copies_not_made_total";
