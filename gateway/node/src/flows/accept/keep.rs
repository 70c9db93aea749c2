//! Sealing and keeping: identities to the vault, contents under keys of their own, everything else in one commit.
//!
//! Order: key and vault, then the exchange. A crash between them leaves a key or a mention that no exchange
//! names: orphans, collected later. Nothing was promised, since the receipt comes after the last commit.

use exchange::{
    DataClass, DeliveryId, ExchangeId, Instant, Party, ProfessionalId,
    document::{Leaves, Pointer},
    envelope::{Draft, Excluded},
};
use serde_json::json;

use super::{
    Accepted, Depositor, Ends,
    attached::{Placed, compared},
    corrected::Corrected,
    made::{Made, MadeExchange},
    route::Also,
    tasks,
};
use crate::{
    catalogue::ExchangeType,
    flows::{Caller, Law, Rooms, answers_for},
    log::Event,
    policy::{Admitted, DecisionRecord},
    receipt,
    refusal::Refusal,
    seal::{self, ExchangeKey},
    store::{
        delivery::{NewDelivery, Word},
        exchange::{AcceptExchange, NewExchange},
        idempotency::IdempotencyKey,
    },
};

/// An exchange that was admitted and is not kept yet.
pub(super) struct Accepting<'a> {
    pub(super) id: ExchangeId,
    pub(super) exchange_type: &'a ExchangeType,
    pub(super) admitted: Admitted,
    pub(super) ends: Ends,
    pub(super) author: &'a Depositor,
    pub(super) caller: &'a Caller,
    pub(super) key: Option<&'a str>,
    pub(super) now: Instant,
    /// The attachments that came with it.
    pub(super) placed: Vec<Placed<'a>>,
    /// What it corrects, or what it was made of corrects.
    pub(super) corrected: Option<&'a Corrected>,
    /// Other units that get it too, each with what was decided of it.
    pub(super) also: Vec<Also>,
}

/// Seals and keeps one admitted exchange with what the gateway makes of it; the receipt exists only when everything is durable.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn keep(rooms: &Rooms, law: &Law, accepting: Accepting<'_>, made: Made<'_>) -> Result<Accepted, Refusal> {
    let (id, stale, exchange_type) = (accepting.id, accepting.caller.stale, accepting.exchange_type);
    let (author, caller, now, corrected) = (accepting.author, accepting.caller, accepting.now, accepting.corrected);
    let fulfilled: Vec<String> = made.exchanges.iter().map(|one| one.fulfils.clone()).collect();
    let (mut write, receipt) = sealed(rooms, law, accepting, Origin::Deposited { fulfilled }).await?;
    write.entries.extend(made.refused);
    for one in made.exchanges {
        let MadeExchange { id: own, exchange_type, admitted, ends, placed, fulfils } = one;
        // No key: the exchange it is made of has one, and comes with it.
        let accepting =
            Accepting { id: own, exchange_type, admitted, ends, author, caller, key: None, now, also: Vec::new(), placed, corrected };
        let (mut copy, _) = sealed(rooms, law, accepting, Origin::Made).await?;
        let done = rooms.state(law, Event::FollowUpDone, Some(id), now).commit("code", &fulfils).commit("by", &own);
        copy.entries.push(rooms.entry(done)?);
        copy.fulfils.push((id, fulfils));
        write.made.push(copy);
    }

    // Everything in one commit.
    let all: Vec<_> = std::iter::once(&write).chain(&write.made).flat_map(|one| &one.deliveries).map(|one| one.recipient.clone()).collect();
    let kinds: Vec<_> = std::iter::once(&write).chain(&write.made).map(|one| (one.exchange.id, one.exchange.kind.clone())).collect();
    let incomplete = write.exchange.incomplete;
    rooms.store.write(write).await?;
    for recipient in &all {
        rooms.store.arrived(recipient);
    }
    if stale {
        metrics::counter!(STALE_DEPOSITS).increment(1);
        tracing::error!(exchange.id = %id, "a danger type was accepted while the revocation list is stale: renew the list");
    }
    for (own, kind) in kinds {
        metrics::counter!("passerelle_exchanges_accepted_total", "type" => kind.to_string()).increment(1);
        if own != id {
            tracing::info!(exchange.id = %own, exchange.kind = %kind, made_of = %id, "exchange made by the gateway");
        }
    }
    tracing::info!(exchange.id = %id, exchange.kind = %exchange_type.code, incomplete, "exchange accepted");
    Ok(Accepted { id, receipt })
}

/// Where an exchange comes from.
enum Origin {
    /// Somebody deposited it; the gateway itself fulfils these obligations of it at once.
    Deposited { fulfilled: Vec<String> },
    /// The gateway made it of another one.
    Made,
}

/// Seals one exchange: what its acceptance writes, and its receipt.
#[tracing::instrument(level = "debug", skip_all, name = "seal")]
async fn sealed(rooms: &Rooms, law: &Law, accepting: Accepting<'_>, origin: Origin) -> Result<(AcceptExchange, String), Refusal> {
    let Accepting { id, exchange_type, admitted, ends, author, caller, key, now, also, placed, corrected } = accepting;
    let (draft, permit, obligations, decision) = admitted.into_parts();

    let units: Vec<&Party> = std::iter::once(&ends.recipient).chain(corrected.iter().flat_map(|before| &before.units)).collect();
    let unread = units.into_iter().find(|unit| !somebody_reads(law, &draft, unit, now)).filter(|_| exchange_type.danger);
    if let Some(unit) = unread {
        metrics::counter!(NOBODY_LEFT).increment(1);
        tracing::error!(exchange.kind = %exchange_type.code, unit = %unit, "a danger type is sealed from everybody of a unit that receives it");
    }
    // A correction seals what it corrects, too, if a named person says so, and never so that a danger vanishes from a unit that
    // has it.
    let seals_the_line = unread.is_none() && matches!(author, Depositor::Professional(_));

    // 1. A key of its own, kept in the key database.
    let minted = rooms.keys.mint(id, &exchange_type.retention, now).await?;
    let exchange_key = minted.key.clone();

    // 2. What must be known before nothing is readable any more.
    let mut follow_ups = tasks::follow_ups(law, &draft, &ends, &obligations);
    let asked = draft.route.rectifies.and_then(|id| corrected.and_then(|corrected| corrected.asked(id)));
    if let Some(asked) = asked {
        follow_ups.retain(|task| !asked.covers(&task.code, law.catalogue.obligation(&task.code)));
    }
    if matches!(origin, Origin::Deposited { .. }) {
        follow_ups.extend(tasks::of_the_deposit(exchange_type, &ends, author, key));
    }
    let mut clocks = tasks::clocks(law, exchange_type, &draft, &ends, now);
    if let Some(asked) = asked {
        clocks.retain(|clock| law.catalogue.clock(&clock.name).is_none_or(|rule| !asked.runs(rule, clock.limit)));
    }
    tasks::complete(law, &ends, now, &mut follow_ups, &mut clocks);
    let incomplete = !draft.missing.is_empty() || !draft.non_conforme.is_empty();
    let commitment = receipt::Commitment::to(&draft.canonical).map_err(|_| Refusal::Internal("commitment"))?;

    // 3. Identities to the vault, each under a key that dies with the exchange. Neither waits for the other: alone, each is
    //    an orphan of an exchange that was not accepted.
    let (kept, mentions) = tokio::join!(rooms.keys.keep(minted), rooms.vault.keep(&permit, &exchange_key, &draft.subjects, now));
    kept?;
    let persons: Vec<_> = mentions?.into_iter().map(|mention| mention.rid).collect();
    let subjects = rooms.pseudonyms(&ends.recipient.institution, &draft.route, &persons).await?;

    // 4. The acceptance leaf, and the receipt that names it.
    let statement = rooms
        .state(law, Event::ExchangeAccepted, Some(id), now)
        .commit("type", &exchange_type.code)
        .commit("sender", &ends.sender)
        .commit("recipient", &ends.recipient)
        .commit("professional", &professional(author))
        .commit("decision", &json!({"result": "permit", "record": decision}))
        .commit("payload", &commitment.tag())
        .commit("subjects", &subjects);
    // The envelope lists its attachments by digest; a danger type may bring more than it lists.
    let digests: Vec<&str> = placed.iter().map(Placed::digest).collect();
    let statement = if digests.is_empty() { statement } else { statement.commit("attachments", &digests) };
    // With a stale revocation list the deposit of danger stays open: that is logged, and alarms (invariant 3).
    let statement = if caller.stale { statement.commit("revocation", &"stale") } else { statement };
    let entry = rooms.entry(statement)?;
    let mut entries = vec![entry.clone()];
    if let Some(corrects) = draft.route.rectifies {
        let statement = rooms.state(law, Event::ExchangeRectified, Some(corrects), now).commit("nature", &"correction").commit("by", &id);
        entries.push(rooms.entry(statement)?);
    }
    let fulfilled = match origin {
        Origin::Deposited { fulfilled } => fulfilled,
        Origin::Made => Vec::new(),
    };
    let mine = follow_ups.iter().filter(|f| f.owner == ends.sender && !fulfilled.contains(&f.code));
    let own: Vec<String> = mine.map(|f| f.code.clone()).collect();
    let receipt = rooms
        .signer
        .sign(&receipt::Statement {
            exchange: id,
            sender: &ends.sender.institution,
            kind: &exchange_type.code,
            at: now,
            commitment: &commitment,
            follow_ups: own,
            leaf_hash: entry.leaf_hash,
        })
        .map_err(|_| Refusal::Internal("receipt"))?;

    // 5. To whom it goes: its recipient, and who else gets it now, each by a decision of its own.
    let mut deliveries = vec![delivery(rooms, law, &draft, &ends.sender, &ends.recipient)?];
    for Also { recipient, record } in also {
        let result = if record.permitted { "permit" } else { "refusal" };
        let statement = rooms
            .state(law, Event::DecisionMade, Some(id), now)
            .commit("type", &exchange_type.code)
            .commit("recipient", &recipient)
            .commit("decision", &json!({"result": result, "record": record}));
        entries.push(rooms.entry(statement)?);
        if record.permitted {
            deliveries.push(delivery(rooms, law, &draft, &ends.sender, &recipient)?);
        } else if exchange_type.danger {
            metrics::counter!(super::CONFIDENTIALITY_STOPS).increment(1);
            tracing::error!(exchange.kind = %exchange_type.code, "a confidentiality rule stopped a danger type towards a second recipient");
        }
    }
    let idempotency = match key {
        Some(key) => Some(IdempotencyKey {
            institution: caller.institution.clone(),
            author: author.author().to_owned(),
            key: key.to_owned(),
            mac: seal::body_mac(&exchange_key, &compared(&draft.canonical, placed.iter().map(Placed::digest)))
                .map_err(|_| Refusal::Internal("seal"))?,
        }),
        None => None,
    };
    // What was missing, or could not be read, came: nobody has to send it any more.
    let mut fulfils = Vec::new();
    if let Some((first, asked)) = draft.route.rectifies.zip(asked) {
        for code in asked.mended(incomplete, &obligations) {
            let statement = rooms.state(law, Event::FollowUpDone, Some(first), now).commit("code", &code).commit("by", &id);
            entries.push(rooms.entry(statement)?);
            fulfils.push((first, code.to_owned()));
        }
    }
    let write = AcceptExchange {
        idempotency,
        exclusions: exclusions(&draft),
        deliveries,
        clocks,
        follow_ups,
        entries,
        answers: draft.route.in_reply_to.map(|answered| (answered, exchange_type.code.clone())),
        statement: sealed_statement(&exchange_key, id, &draft)?,
        fulfils,
        also_sealed: draft.route.rectifies.filter(|_| seals_the_line),
        made: Vec::new(),
        attachments: placed.iter().map(|one| one.seal(&exchange_key, id)).collect::<Result<_, _>>()?,
        closes: law.catalogue.closed_by_answer(&exchange_type.code),
        exchange: NewExchange {
            id,
            kind: exchange_type.code.clone(),
            type_version: exchange_type.version,
            sender: ends.sender.clone(),
            professional: professional(author),
            recipient: ends.recipient.clone(),
            urgency: draft.route.urgency,
            in_reply_to: draft.route.in_reply_to,
            rectifies: draft.route.rectifies,
            accepted_at: now,
            incomplete,
            retention: exchange_type.retention.clone(),
            leaf_hash: entry.leaf_hash,
            receipt: receipt.clone(),
            route: sealed_route(&exchange_key, id, &draft)?,
            decision: sealed_decision(&exchange_key, id, &decision)?,
            content: sealed_content(&exchange_key, id, exchange_type, draft)?,
        },
    };
    Ok((write, receipt))
}

fn professional(author: &Depositor) -> Option<String> {
    match author {
        Depositor::Professional(id) => Some(id.subject.clone()),
        Depositor::System | Depositor::Alone { .. } => None,
    }
}

fn delivery(rooms: &Rooms, law: &Law, draft: &Draft, sender: &Party, recipient: &Party) -> Result<NewDelivery, Refusal> {
    // What answers one exchange, or belongs to one case of one sender, leaves in order.
    let chain = draft.route.case.clone().or_else(|| draft.route.in_reply_to.map(|id| id.to_string()));
    let ordering = match chain {
        Some(chain) => rooms
            .keystore
            .blind("ordering", &format!("{recipient} {} {chain}", sender.institution))
            .map_err(|_| Refusal::Internal("blind"))?,
        None => String::new(),
    };
    let push = law.directory.party(recipient).and_then(|known| known.unit).is_some_and(|unit| unit.push.is_some());
    Ok(NewDelivery {
        id: DeliveryId::new(),
        recipient: recipient.clone(),
        urgency: draft.route.urgency,
        ordering,
        push,
        word: Word::Content,
    })
}

fn exclusions(draft: &Draft) -> Vec<(String, String, String)> {
    let mut list: Vec<_> = draft
        .route
        .exclus
        .iter()
        .map(|excluded| match excluded {
            Excluded::Professional(id) => (String::new(), id.issuer.clone(), id.subject.clone()),
            Excluded::Institution { institution } => (institution.to_string(), String::new(), String::new()),
        })
        .collect();
    list.sort();
    list.dedup();
    list
}

/// Whether somebody of a unit may still read it. Whoever seals an exchange from each person who could buries it: a danger is
/// kept all the same, and alarms.
fn somebody_reads(law: &Law, draft: &Draft, unit: &Party, now: Instant) -> bool {
    let exclus = &draft.route.exclus;
    let from_all = exclus.iter().any(|one| matches!(one, Excluded::Institution { institution } if *institution == unit.institution));
    let sealed = |id: &ProfessionalId| exclus.iter().any(|one| matches!(one, Excluded::Professional(from) if from == id));
    exclus.is_empty()
        || (!from_all && law.directory.professionals().any(|one| !one.is_system() && answers_for(one, unit, now) && !sealed(&one.id)))
}

fn sealed_route(key: &ExchangeKey, id: ExchangeId, draft: &Draft) -> Result<Vec<u8>, Refusal> {
    let plain = serde_json::to_vec(&draft.route).map_err(|_| Refusal::Internal("route"))?;
    seal::seal_column(key, "exchange", id, "route", &plain).map_err(|_| Refusal::Internal("seal"))
}

fn sealed_decision(key: &ExchangeKey, id: ExchangeId, decision: &DecisionRecord) -> Result<Vec<u8>, Refusal> {
    let plain = serde_json::to_vec(decision).map_err(|_| Refusal::Internal("decision"))?;
    seal::seal_column(key, "exchange", id, "decision", &plain).map_err(|_| Refusal::Internal("seal"))
}

/// What the sender states for the law and not for the recipient.
fn sealed_statement(key: &ExchangeKey, id: ExchangeId, draft: &Draft) -> Result<Option<Vec<u8>>, Refusal> {
    if draft.kept_back.is_empty() {
        return Ok(None);
    }
    let plain = serde_json::to_vec(&draft.kept_back.to_flat()).map_err(|_| Refusal::Internal("statement"))?;
    seal::seal_column(key, "statement", id, "sealed", &plain).map(Some).map_err(|_| Refusal::Internal("seal"))
}

/// One compartment for each class; what did not conform goes to the most protected class of the type.
fn sealed_content(key: &ExchangeKey, id: ExchangeId, exchange_type: &ExchangeType, draft: Draft) -> Result<Vec<u8>, Refusal> {
    let mut body = draft.body;
    if !draft.non_conforme.is_empty() {
        let top = Pointer::default().child("non_conforme");
        let kept = body.entry(exchange_type.most_protected_class()).or_default();
        for (n, one) in draft.non_conforme.into_iter().enumerate() {
            let at = top.child(n.to_string());
            kept.insert(at.child("pointer"), json!(one.pointer.to_string()));
            kept.insert(at.child("code"), json!(one.code));
            // The value as it came, whole: a reader decides what it means.
            kept.insert(at.child("value"), one.value);
        }
    }
    let compartments: Vec<(DataClass, Leaves)> = body.into_iter().filter(|(_, leaves)| !leaves.is_empty()).collect();
    seal::seal_compartments(key, id, &compartments).map_err(|_| Refusal::Internal("seal"))
}

pub(super) const STALE_DEPOSITS: &str = "passerelle_stale_deposits_total";
pub(super) const NOBODY_LEFT: &str = "passerelle_nobody_left_to_read_total";
