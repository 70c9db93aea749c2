//! Acceptance: from the bytes of a partner to a receipt. `201` is said only after exchange, deliveries, clocks and
//! log entry are durable (invariant 1); a repeat gets the same receipt, byte for byte (invariant 2); a danger type
//! is never stopped by a form (invariant 3).

pub(crate) mod attached;
mod corrected;
mod depositor;
mod in_parts;
mod keep;
mod letter;
mod made;
mod native;
mod parts;
mod room;
mod route;
mod tasks;
mod turn;

use std::sync::Arc;

use adapters::{json, reading::Beside};
use exchange::{
    ExchangeId, FollowUpId, Instant, Kind, Party,
    envelope::{Draft, Excluded, FieldFault},
};
use serde_json::{Value, json};

pub use attached::{Attached, AttachmentLimits};
pub use in_parts::{accept_form, accept_with_attachments};
pub use letter::{LetterDeposit, accept_letter};
pub use native::{Format, Native, NativeDeposit, Taken, accept_native};
pub use parts::Parts;
pub use room::Room;
pub use turn::KeyTurns;

pub(crate) use depositor::Depositor;
use depositor::identify;

use super::{Caller, Law, Rooms};
use crate::{
    agreements::InForce,
    catalogue::{AgreementNeed, ExchangeType, ReadContext, ReadFailure},
    log::Event,
    policy::{AgreementState, Denial, Submission},
    refusal::Refusal,
    seal,
    store::{StoreError, follow_up::NewFollowUp, idempotency::Repeated},
};

/// What came to the door.
pub struct Deposit<'a> {
    /// Who deposits.
    pub caller: &'a Caller,
    /// `Idempotency-Key`, as it came.
    pub key: Option<&'a str>,
    /// The body: the envelope.
    pub bytes: &'a [u8],
    /// What came with it.
    pub attached: &'a [Attached],
    /// What a partner's own format holds that the envelope has no place for.
    pub beside: &'a [Beside],
    /// Whether there is room for it, whatever it is about.
    pub room: Room,
}

/// What goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The exchange.
    pub id: ExchangeId,
    /// Its receipt, verbatim.
    pub receipt: String,
}

/// Accepts one exchange, or says precisely why not and changes nothing.
///
/// # Errors
/// Every [`Refusal`] that the wire contract names for `POST /v1/exchanges`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn accept(rooms: &Rooms, deposit: Deposit<'_>) -> Result<Accepted, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    deposit.room.admit(&law, deposit.bytes, now)?;

    // 1. Read: the partner's bytes become our words.
    let mut native = json::read(deposit.bytes)?;
    native.canonical = letter::with_beside(native.canonical, deposit.beside)?;
    let exchange_type = declared_type(&law, &native.envelope, now)?;

    // 2. Identify: who deposits, and with what right to be believed.
    let author = identify(&law, deposit.caller, exchange_type)?;

    // 3. Repeat: the same key gets the same answer.
    let key = usable_key(rooms, deposit.key, exchange_type)?;
    let key = key.as_deref();
    let _turn = match key {
        Some(key) if exchange_type.danger => Some(rooms.turns.turn(&deposit.caller.institution, key).await),
        Some(_) | None => None,
    };
    let body = attached::compared(&native.canonical, deposit.attached.iter().map(Attached::digest));
    if let Some(key) = key
        && let Some(earlier) = repeated(rooms, deposit.caller, &author, key, &body).await?
    {
        return Ok(earlier);
    }

    // 4. Conform: fields, codes, classes. A danger type keeps sealed whatever does not.
    let answered = route::answered(rooms, &law, (deposit.caller, &author), exchange_type, &native.envelope, now).await?;
    let form = exchange_type.chosen(&native.envelope, answered.as_ref().map(route::Answered::profile));
    let exchange_type = exchange_type.form(form);
    // What the gateway may have to make another exchange of: nothing else is held twice.
    let mut source = made::is_source(&law, exchange_type).then(|| native.envelope.clone());
    let mut draft = read(rooms, &law, Reads { caller: deposit.caller, author: &author, exchange_type, form, answered }, native, now)?;
    letter::keep_beside(&mut draft, exchange_type, deposit.beside);
    let placed = attached::place(&mut draft, exchange_type, deposit.attached)?;
    route::sending_unit(&law, exchange_type, &author, &mut draft)?;
    let corrected = corrected::find(rooms, &law, exchange_type, &author, &mut draft, now).await?;
    if let (Some(_), Some(Value::Object(source))) = (&corrected, &mut source) {
        source.insert("exclus".into(), json!(draft.route.exclus));
    }
    let ends = route::resolve(rooms, &law, exchange_type, &author, &mut draft, now).await?;
    let id = ExchangeId::new();

    // 5. Decide: without a permit there is no exchange, and a refusal is written down too.
    let necessity_stated = draft.necessity_stated;
    let admitted = {
        let holds = law.conditions(&draft.route, now);
        let residence = route::residence(&law, &draft);
        let (sender, recipient, actor) = (law.side(&ends.sender_kind)?, law.side(&ends.recipient_kind)?, author.actor(&law));
        let ask = |agreement| Submission {
            exchange: id,
            exchange_type,
            sender,
            recipient,
            actor,
            agreement,
            necessity_stated,
            residence,
            holds: &holds,
            now,
        };
        match law.agreement(exchange_type, &draft.route, now) {
            Ok(agreement) => {
                route::agreement_that_serves(&law, agreement, &mut draft, now);
                let ask = ask(agreement);
                let before = corrected.as_ref().map(|one| one.units.as_slice()).unwrap_or_default();
                let also = route::also(rooms, &law, (&draft, before), &ends, &ask)?;
                law.policies.admit(draft, &ask).map(|admitted| (admitted, also))
            }
            Err(refusal) => {
                // The register says no before the rules do; what they would have said is kept, so that it can be asked again.
                let state = if draft.route.agreement.is_some() { AgreementState::NotInForce } else { AgreementState::NotNamed };
                let record = law.policies.refused_before(&draft, &ask(state));
                // What no agreement could open is refused with its own article.
                let refusal = law.policies.beyond(&record, AGREEMENT_RULE).map_or(refusal, Refusal::Denied);
                let decision = json!({"result": "refusal", "because": "agreement", "record": record});
                return Err(written_down(rooms, &law, deposit.caller, exchange_type, &decision, refusal, now).await);
            }
        }
    };
    let (admitted, also) = match admitted {
        Ok(admitted) => admitted,
        Err(denial) => return Err(refuse(rooms, &law, deposit.caller, exchange_type, denial, now).await),
    };
    // What the law has the gateway make of it, decided by itself.
    let made = match &source {
        Some(source) => made::of(
            rooms,
            &law,
            made::Source {
                envelope: source,
                id,
                ends: &ends,
                author: &author,
                attached: deposit.attached,
                corrected: corrected.as_ref(),
                now,
            },
            admitted.obligations(),
        )?,
        None => made::Made::default(),
    };

    // 6. Seal, and keep: nothing we keep names a child; exchange, deliveries, clocks and entry commit together.
    let kept = keep::keep(
        rooms,
        &law,
        keep::Accepting {
            id,
            exchange_type,
            admitted,
            ends,
            author: &author,
            caller: deposit.caller,
            key,
            now,
            also,
            placed,
            corrected: corrected.as_ref(),
        },
        made,
    )
    .await;
    if let (Depositor::Alone { fault }, true) = (&author, kept.is_ok()) {
        metrics::counter!(DEPOSITS_ALONE).increment(1);
        tracing::warn!(gateway = %rooms.gateway, fault, "a danger deposit is its institution's alone: its author could not be identified");
    }
    match kept {
        // Another request with the same key won the race: its answer is this one's answer.
        Err(Refusal::Unavailable(StoreError::AlreadyThere)) => {
            let key = key.ok_or(Refusal::Internal("repeat"))?;
            repeated(rooms, deposit.caller, &author, key, &body).await?.ok_or(Refusal::Internal("repeat"))
        }
        other => other,
    }
}

/// Puts what alarms on the board before it counts, so that its first move is seen.
pub fn count_from_zero() {
    room::count_from_zero();
    for alarm in [CONFIDENTIALITY_STOPS, DEPOSITS_ALONE, made::NOT_MADE, keep::STALE_DEPOSITS, keep::NOBODY_LEFT] {
        metrics::counter!(alarm).increment(0);
    }
}

fn declared_type<'l>(law: &'l Law, envelope: &Value, now: Instant) -> Result<&'l ExchangeType, Refusal> {
    let code = envelope.get("type").and_then(Value::as_str).ok_or_else(|| {
        Refusal::NotConforming(vec![FieldFault {
            pointer: "/type".into(),
            code: "missing",
            detail: "Indiquez le type d’échange, par exemple information-preoccupante.".into(),
        }])
    })?;
    let code = code.parse().map_err(|_| Refusal::UnknownType)?;
    law.catalogue.exchange_type(&code, now).ok_or(Refusal::UnknownType)
}

/// The key, if it can serve, as it is kept: blinded, since a client may have made it of a name. For a danger type a
/// missing or malformed key does not stop the deposit.
fn usable_key(rooms: &Rooms, key: Option<&str>, exchange_type: &ExchangeType) -> Result<Option<String>, Refusal> {
    let well_formed =
        |key: &&str| (16..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match key {
        Some(key) if well_formed(&key) => rooms.keystore.blind("idempotency", key).map(Some).map_err(|_| Refusal::Internal("blind")),
        Some(_) if exchange_type.danger => Ok(None),
        Some(_) => Err(Refusal::KeyMalformed),
        None if exchange_type.danger => Ok(None),
        None => Err(Refusal::KeyMissing),
    }
}

/// The earlier acceptance under this key. The author's own comes first; a danger type that was deposited with a name
/// and is repeated without one, or the other way round, is the same deposit if it is the same body.
async fn repeated(rooms: &Rooms, caller: &Caller, author: &Depositor, key: &str, body: &[u8]) -> Result<Option<Accepted>, Refusal> {
    for earlier in earlier(rooms, caller, author, key).await? {
        let own = earlier.author == author.author();
        if let Some(at) = earlier.erased_at {
            if own {
                return Err(Refusal::Erased { id: earlier.exchange, at });
            }
            continue;
        }
        // Compared under the exchange's own key: a bare digest would let whoever reads the table test guesses.
        let Some(exchange_key) = rooms.keys.exchange_key(earlier.exchange).await? else {
            let gone = super::gone(rooms, earlier.exchange).await;
            if own {
                return Err(gone);
            }
            continue;
        };
        if seal::same_body(&exchange_key, body, &earlier.mac).map_err(|_| Refusal::Internal("seal"))? {
            // A positive receipt is never given for something that may still be lost.
            rooms.store.confirm(rooms.clock.now()).await?;
            return Ok(Some(Accepted { id: earlier.exchange, receipt: earlier.receipt }));
        }
        if own {
            return Err(Refusal::KeyReused);
        }
    }
    Ok(None)
}

/// What was accepted of this author under a key, whatever it said: for who sends again and does not know.
///
/// # Errors
/// As for a deposit by this caller; the store is unavailable.
pub async fn accepted_under(
    rooms: &Rooms,
    caller: &Caller,
    exchange_type: &ExchangeType,
    key: &str,
) -> Result<Option<ExchangeId>, Refusal> {
    let author = identify(&rooms.law.load_full(), caller, exchange_type)?;
    let Some(key) = usable_key(rooms, Some(key), exchange_type)? else { return Ok(None) };
    let found = earlier(rooms, caller, &author, &key).await?;
    Ok(found.into_iter().find(|one| one.author == author.author()).map(|one| one.exchange))
}

/// What stands under this key that may be this deposit's: the author's own first.
async fn earlier(rooms: &Rooms, caller: &Caller, author: &Depositor, key: &str) -> Result<Vec<Repeated>, Refusal> {
    let nobody = |author: &str| author.is_empty();
    let mut found = rooms.store.repeated(&caller.institution, key).await?;
    found.retain(|earlier| earlier.author == author.author() || nobody(&earlier.author) || nobody(author.author()));
    found.sort_by_key(|earlier| earlier.author != author.author());
    Ok(found)
}

/// Whose document is read, as what.
struct Reads<'a> {
    caller: &'a Caller,
    author: &'a Depositor,
    /// The form of the type.
    exchange_type: &'a ExchangeType,
    form: Option<&'a str>,
    answered: Option<route::Answered>,
}

fn read(rooms: &Rooms, law: &Law, reads: Reads<'_>, native: json::Native, now: Instant) -> Result<Draft, Refusal> {
    let Reads { caller, author, exchange_type, form, answered } = reads;
    let institution = law.directory.institution(&caller.institution);
    let agreement = answered.and_then(|answered| answered.agreement).filter(|_| exchange_type.agreement != AgreementNeed::None);
    let context = ReadContext {
        now,
        sender: Party { institution: caller.institution.clone(), unit: caller.unit.clone() },
        kind_of: &|party| law.directory.party(party).map(|known| known.kind.clone()),
        known: &|excluded| known(law, excluded),
        default_recipient: route::default_recipient(rooms, law, exchange_type),
        agent: author.agent(law),
        siret: institution.and_then(|institution| institution.codes.get("siret")).cloned(),
        days_to_answer: &|id| match law.agreements.in_force(id, now) {
            InForce::InForce(agreement) => agreement.days_to_answer,
            InForce::NotYet { .. }
            | InForce::Ended { .. }
            | InForce::Suspended
            | InForce::NotSigned
            | InForce::NoDates
            | InForce::Unknown => None,
        },
        form,
        agreement,
    };
    law.catalogue.read(exchange_type, native.envelope, native.canonical, &context).map_err(unread)
}

fn known(law: &Law, excluded: &Excluded) -> bool {
    match excluded {
        Excluded::Professional(id) => law.directory.professional(id).is_some(),
        Excluded::Institution { institution } => law.directory.institution(institution).is_some(),
    }
}

fn unread(failure: ReadFailure) -> Refusal {
    match failure {
        ReadFailure::NotAnEnvelope => Refusal::Malformed("enveloppe"),
        ReadFailure::SenderMismatch => Refusal::SenderMismatch,
        ReadFailure::Faults(faults) => Refusal::NotConforming(faults),
    }
}

/// A refusal by the law is a fact of its own: it is logged before it is answered.
async fn refuse(rooms: &Rooms, law: &Arc<Law>, caller: &Caller, exchange_type: &ExchangeType, denial: Denial, now: Instant) -> Refusal {
    let (refusal, record, alarm) = match denial {
        Denial::Forbidden { explanations, record, alarm, .. } => (Refusal::Denied(explanations), record, alarm),
        Denial::Undecidable { record } => (Refusal::Undecidable, record, true),
    };
    if alarm {
        metrics::counter!(CONFIDENTIALITY_STOPS).increment(1);
        tracing::error!(exchange.kind = %exchange_type.code, "a confidentiality rule stopped a danger type towards its recipient");
    }
    written_down(rooms, law, caller, exchange_type, &json!({"result": "refusal", "record": record}), refusal, now).await
}

/// Gives the refusal of a deposit once the log holds it.
async fn written_down(
    rooms: &Rooms,
    law: &Law,
    caller: &Caller,
    exchange_type: &ExchangeType,
    decision: &Value,
    refusal: Refusal,
    now: Instant,
) -> Refusal {
    let statement = rooms
        .state(law, Event::ExchangeRefused, None, now)
        .commit("sender", &caller.institution)
        .commit("type", &exchange_type.code)
        .commit("decision", decision);
    rooms.refuse(statement, refusal).await
}

/// Both ends of an exchange, as the directory knows them.
pub(crate) struct Ends {
    pub(crate) sender: Party,
    pub(crate) sender_kind: Kind,
    pub(crate) recipient: Party,
    pub(crate) recipient_kind: Kind,
}

/// A follow-up for one party.
fn follow_up(code: &str, owner: &Party, details: Vec<String>) -> NewFollowUp {
    NewFollowUp { id: FollowUpId::new(), code: code.to_owned(), owner: owner.clone(), details }
}

/// The rule that wants an agreement in force.
const AGREEMENT_RULE: &str = "R05";
const CONFIDENTIALITY_STOPS: &str = "passerelle_confidentiality_stops_total";
const DEPOSITS_ALONE: &str = "passerelle_deposits_alone_total";
