//! « Dossier connu ? » inside one gateway: the question is an exchange, the answer another; here the asking unit says whom it
//! means, and the asked unit is told what the vault would answer. A named person of the asked side then answers, or not.
//!
//! Nothing is told to who asks: not whether there is somebody, not whether the vault compared (R10, invariant 15). Between
//! départements the keys would have to be blinded (VOPRF): that is for the federation, and refused here.

use std::time::Duration;

use exchange::{DataClass, ExchangeId, Instant, Party, ProfessionalId, envelope::Route};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Caller, Law, Rooms, acts_for, answers_for};
use crate::{
    directory::{Professional, day::day_in_france},
    log::Event,
    policy::{AgreementState, Denial, Granted, Inquiry, Stage},
    refusal::Refusal,
    seal,
    store::{
        StoreError,
        audit::AppendEntries,
        exchange::ExchangeRow,
        known::{AskKnown, Budget, KnownQuestion, ProfessionalIn},
        vault::Alike,
    },
};

/// Whom a question is about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The question: an exchange of type `dossier-connu` that the asker's unit sent.
    pub question: ExchangeId,
    /// An exchange that the asker may read; absent: the one that the question's `echange_ref` names.
    #[serde(default)]
    pub exchange: Option<ExchangeId>,
    /// How that exchange calls the child (`s1`); absent: the question's `sujet`, else its first subject.
    #[serde(default)]
    pub subject: Option<String>,
}

/// What the vault would answer: for the eyes of the asked side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proposal {
    /// The same child stands in an exchange of the asked unit.
    Connu,
    /// A child who may be the same does: a person has to look.
    Ambigu,
    /// Neither, or nothing that this person may know of.
    Inconnu,
}

/// Says whom a question is about. Answers the same, whether the vault knows the child elsewhere or not.
///
/// # Errors
/// [`Refusal::NotFound`] when the question is not the asker's, or the exchange cannot be read by the asker;
/// [`Refusal::Denied`] by the rules; [`Refusal::Over`] when it was said before.
pub async fn ask(rooms: &Rooms, caller: &Caller, about: About) -> Result<(), Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Whose question, about an exchange that its asker may read?
    let asker = caller.professional(&law)?;
    let question = question(rooms, about.question).await?;
    let question = question.filter(|row| row.in_reply_to.is_none() && acts_for(&law, asker, &row.sender, now));
    let Some(question) = question else { return Err(nothing_there(rooms, &law, asker, about.question, now).await) };
    let said = said(rooms, &question).await?;
    let meant = about.exchange.or_else(|| said.get("echange_ref")?.as_str()?.parse().ok());
    let exchange = match meant {
        Some(exchange) if readable(rooms, asker, exchange, now).await? => exchange,
        _ => return Err(nothing_there(rooms, &law, asker, about.question, now).await),
    };
    let called = about.subject.or_else(|| said.get("sujet")?.as_str().map(str::to_owned));
    let case = match case_of(rooms, &question).await? {
        Some(case) => Some(rooms.keystore.blind("case", &case).map_err(|_| Refusal::Internal("blind"))?),
        None => None,
    };
    // 2. Decide.
    let budget = Budget { per_case: QUESTIONS_PER_CASE, per_person: QUESTIONS_PER_PERSON, since: now.minus(A_DAY) };
    let budget_left = match &case {
        Some(case) => rooms.store.may_ask_known(&question.sender, case, &asker.id.subject, budget).await?,
        None => true,
    };
    let inquiry = Inquired { stage: Stage::Ask, row: &question, who: asker, unit: &question.sender, has_case: case.is_some(), budget_left };
    let granted = match inquiry.decide(&law, now)? {
        Ok(granted) => granted,
        Err(denial) => return Err(refused(rooms, &law, asker, &question, denial, now).await),
    };
    // 3. Keep and log, within the budget of the case and of the person.
    let Some(key) = rooms.keys.exchange_key(exchange).await? else { return Err(super::gone(rooms, exchange).await) };
    let Some(mention) = rooms.vault.called(&granted, &key, exchange, called.as_deref()).await? else {
        return Err(nothing_there(rooms, &law, asker, about.question, now).await);
    };
    let statement = rooms
        .state(&law, Event::DecisionMade, Some(question.id), now)
        .commit("action", &"known-asked")
        .commit("professional", &asker.id.to_string())
        .commit("mention", &mention)
        .commit("decision", &json!({"result": "permit", "record": granted.record()}));
    let write = AskKnown {
        question: question.id,
        about: mention,
        asker: question.sender.clone(),
        case: case.unwrap_or_default(),
        by: asker.id.subject.clone(),
        at: now,
        budget,
        entry: rooms.entry(statement)?,
    };
    match rooms.store.write(write).await {
        Err(StoreError::AlreadyThere) => Err(Refusal::Over("Cette question dit déjà de qui elle parle")),
        Ok(false) => Err(Refusal::Over("Ce dossier n’a plus de question à poser")),
        Ok(true) => {
            metrics::counter!(QUESTIONS).increment(1);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// What the vault would answer, for a named person of the asked unit, with the unit's own exchanges that say so.
///
/// # Errors
/// [`Refusal::NotFound`] when the question is not for a unit of this person, or nobody said whom it is about.
pub async fn proposal(rooms: &Rooms, caller: &Caller, id: ExchangeId) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Find: a question that was delivered to a unit for which this person answers.
    let professional = caller.professional(&law)?;
    let Some((row, unit, asked)) = asked_of(rooms, professional, id, now).await? else {
        return Err(nothing_there(rooms, &law, professional, id, now).await);
    };
    // From whom the exchange it is about is sealed, the question would tell of it.
    if rooms.store.sealed_from(asked.about.exchange, &professional.institution, &professional.id).await? {
        return Err(nothing_there(rooms, &law, professional, id, now).await);
    }
    // 2. Decide.
    let inquiry = Inquired { stage: Stage::Release, row: &row, who: professional, unit: &unit, has_case: true, budget_left: true };
    let granted = match inquiry.decide(&law, now)? {
        Ok(granted) => granted,
        Err(denial) => return Err(refused(rooms, &law, professional, &row, denial, now).await),
    };
    // 3. Write it down, and wait until it cannot be unwritten.
    let statement = rooms
        .state(&law, Event::DecisionMade, Some(id), now)
        .commit("action", &"known-looked-up")
        .commit("professional", &professional.id.to_string())
        .commit("decision", &json!({"result": "permit", "record": granted.record()}));
    let entry = rooms.entry(statement)?;
    let leaf = entry.leaf_hash;
    rooms.store.write(AppendEntries(vec![entry])).await?;
    rooms.signed(&leaf).await?;
    // 4. Compare, inside the vault; and show what this unit itself holds, to whom it is not sealed.
    let mut alike = match rooms.vault.alike(&granted, asked.about).await {
        // Erased since: nobody to compare with.
        Err(StoreError::NotThere(_)) => Alike::default(),
        other => other?,
    };
    // That the asked unit received the same report says nothing of what it knew.
    alike.same.remove(&asked.about.exchange);
    alike.perhaps.remove(&asked.about.exchange);
    let asker = law.directory.professionals().find(|known| known.institution == asked.asker.institution && known.id.subject == asked.by);
    let same = known_to(rooms, &alike.same, &unit, professional, (&asked, asker)).await?;
    let perhaps = known_to(rooms, &alike.perhaps, &unit, professional, (&asked, asker)).await?;
    let (proposal, exchanges) = match (same.is_empty(), perhaps.is_empty()) {
        (false, _) => (Proposal::Connu, same),
        (true, false) => (Proposal::Ambigu, perhaps),
        (true, true) => (Proposal::Inconnu, Vec::new()),
    };
    Ok(json!({"question": id, "proposal": proposal, "exchanges": exchanges}))
}

/// The exchanges among these that the asked unit holds, sealed neither from who looks nor from who asked: for somebody who
/// may not know of a file, it does not exist, and so it is not « connu ».
async fn known_to(
    rooms: &Rooms,
    among: &std::collections::BTreeSet<ExchangeId>,
    unit: &Party,
    professional: &Professional,
    (asked, asker): (&KnownQuestion, Option<&Professional>),
) -> Result<Vec<ExchangeId>, Refusal> {
    let nobody = ProfessionalId { issuer: String::new(), subject: asked.by.clone() };
    let looks = ProfessionalIn { institution: unit, id: &professional.id };
    let asks = ProfessionalIn { institution: &asked.asker, id: asker.map_or(&nobody, |known| &known.id) };
    let mut known = Vec::new();
    for exchange in among {
        if rooms.store.knows(unit, *exchange, &[&looks, &asks]).await? {
            known.push(*exchange);
        }
    }
    Ok(known)
}

/// One question to the rules.
struct Inquired<'a> {
    stage: Stage,
    row: &'a ExchangeRow,
    who: &'a Professional,
    /// The unit in which this person acts.
    unit: &'a Party,
    has_case: bool,
    budget_left: bool,
}

impl Inquired<'_> {
    fn decide(&self, law: &Law, now: Instant) -> Result<Result<Granted, Denial>, Refusal> {
        let Self { stage, row, who, unit, has_case, budget_left } = self;
        let from = law.directory.party(&row.sender).ok_or(Refusal::NotFound)?;
        let to = law.directory.party(&row.recipient).ok_or(Refusal::NotFound)?;
        let works = unit.unit.as_ref().is_some_and(|of| who.units.contains(of)) && who.institution == unit.institution;
        Ok(law.policies.inquire(&Inquiry {
            question: row.id,
            stage: *stage,
            from_kind: from.kind,
            to_kind: to.kind,
            ends: (&row.sender.institution, &row.recipient.institution),
            who,
            in_unit: works,
            habilitated: unit.unit.as_ref().is_some_and(|of| who.habilitated(of, day_in_france(now))),
            has_case: *has_case,
            budget_left: *budget_left,
            same_departement: from.institution.departement == to.institution.departement,
            agreement: AgreementState::NotNamed,
            excluded: false,
            now,
        }))
    }
}

/// A question « dossier connu ? », when the id is one.
async fn question(rooms: &Rooms, id: ExchangeId) -> Result<Option<ExchangeRow>, Refusal> {
    Ok(rooms.store.exchange(id).await?.filter(|row| row.kind.as_str() == TYPE && row.erased_at.is_none() && row.withdrawn_at.is_none()))
}

/// A question to a unit for which this person answers, with whom it is about.
async fn asked_of(
    rooms: &Rooms,
    professional: &Professional,
    id: ExchangeId,
    now: Instant,
) -> Result<Option<(ExchangeRow, Party, KnownQuestion)>, Refusal> {
    let Some(row) = question(rooms, id).await? else { return Ok(None) };
    if rooms.store.sealed_from(id, &professional.institution, &professional.id).await? {
        return Ok(None);
    }
    let deliveries = rooms.store.deliveries_of(id).await?;
    let unit = deliveries.into_iter().map(|delivery| delivery.recipient).find(|unit| answers_for(professional, unit, now));
    Ok(match (unit, rooms.store.known_question(id).await?) {
        (Some(unit), Some(asked)) => Some((row, unit, asked)),
        _ => None,
    })
}

/// Whether this person may know of an exchange as one who received it.
async fn readable(rooms: &Rooms, professional: &Professional, id: ExchangeId, now: Instant) -> Result<bool, Refusal> {
    if rooms.store.sealed_from(id, &professional.institution, &professional.id).await? {
        return Ok(false);
    }
    Ok(rooms.store.deliveries_of(id).await?.iter().any(|delivery| answers_for(professional, &delivery.recipient, now)))
}

/// What the question itself says, of the class that holds references: whom it is about, if it says so.
async fn said(rooms: &Rooms, row: &ExchangeRow) -> Result<Value, Refusal> {
    let Some(key) = rooms.keys.exchange_key(row.id).await? else { return Err(super::gone(rooms, row.id).await) };
    let Some(sealed) = rooms.store.content(row.id).await? else { return Err(super::gone(rooms, row.id).await) };
    let compartments = seal::Compartments::read(&sealed).map_err(|_| Refusal::Internal("content"))?;
    if !compartments.classes().contains(&DataClass::Reference) {
        return Ok(Value::Null);
    }
    let leaves = compartments.open(&key, row.id, DataClass::Reference).map_err(|_| Refusal::Internal("content"))?;
    Ok(leaves.reveal().get("payload").cloned().unwrap_or_default())
}

async fn case_of(rooms: &Rooms, row: &ExchangeRow) -> Result<Option<String>, Refusal> {
    let Some(key) = rooms.keys.exchange_key(row.id).await? else { return Err(super::gone(rooms, row.id).await) };
    let plain = seal::open_column(&key, "exchange", row.id, "route", &row.route).map_err(|_| Refusal::Internal("route"))?;
    let route: Route = serde_json::from_slice(&plain).map_err(|_| Refusal::Internal("route"))?;
    Ok(route.case)
}

/// The same words and the same work for what does not exist and what may not be known; each try leaves an entry.
async fn nothing_there(rooms: &Rooms, law: &Law, professional: &Professional, id: ExchangeId, now: Instant) -> Refusal {
    let statement = rooms
        .state(law, Event::DecisionMade, None, now)
        .commit("action", &"known-refused")
        .commit("question", &id)
        .commit("professional", &professional.id.to_string())
        .commit("decision", &json!({"result": "refusal", "because": "nothing there for this person"}));
    rooms.refuse(statement, Refusal::NotFound).await
}

async fn refused(rooms: &Rooms, law: &Law, professional: &Professional, row: &ExchangeRow, denial: Denial, now: Instant) -> Refusal {
    let (refusal, record) = match denial {
        Denial::Forbidden { explanations, hidden, record, .. } => {
            (if hidden { Refusal::NotFound } else { Refusal::Denied(explanations) }, record)
        }
        Denial::Undecidable { record } => (Refusal::Undecidable, record),
    };
    let statement = rooms
        .state(law, Event::DecisionMade, Some(row.id), now)
        .commit("action", &"known-refused")
        .commit("professional", &professional.id.to_string())
        .commit("decision", &json!({"result": "refusal", "record": record}));
    rooms.refuse(statement, refusal).await
}

const TYPE: &str = "dossier-connu";
/// Questions that one open case may put.
const QUESTIONS_PER_CASE: u32 = 10;
/// Questions that one person may put in a day, whatever the cases: a case is a word that the asker writes.
const QUESTIONS_PER_PERSON: u32 = 30;
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
const QUESTIONS: &str = "passerelle_known_questions_total";
