//! Examining: what was decided, read back from the log, asked again with the rules of its day, or with others.
//!
//! Every decision is in the opening of its entry: acceptances, refusals, openings, questions. They hold kinds, classes,
//! codes and opaque ids, and outlive the content they were about.

mod simulate;

use exchange::{ExchangeId, Instant};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Law, Statement,
    law::archive::{Archive, ArchiveFault, Past},
};
use crate::{
    directory::{Professional, Role},
    log::{EntryError, Event, Leaf, Openings, entry::field},
    policy::{DecisionRecord, Question},
    seal::KeyStore,
    store::{
        Store, StoreError,
        audit::{AppendEntries, EntryRow},
    },
};

pub use simulate::{Change, Counts, Simulation, simulate};

/// A decision of the log.
#[derive(Debug, Clone, Serialize)]
pub struct Logged {
    /// Place of its entry in the log; nothing while it waits for the notary.
    pub entry: Option<u64>,
    /// When.
    pub at: Instant,
    /// What happened.
    pub event: Event,
    /// What it is about; nothing for what was refused at the door, and for questions.
    pub exchange: Option<ExchangeId>,
    /// `permit`, `refusal` or `question`.
    pub result: String,
    /// Why it was refused before any rule was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The questions and their answers; nothing when no rule was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<DecisionRecord>,
}

/// What asking again with the set of the day gave.
#[derive(Debug, Serialize)]
pub struct Replayed {
    /// Every answer, rule, obligation and the result are the same.
    pub same: bool,
    /// Question by question.
    pub questions: Vec<Compared>,
    /// What follows from the answers differs: rules, obligations, the result.
    pub summary: Vec<&'static str>,
}

/// One question, as it was and is answered.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// Then.
    pub then: Question,
    /// Now; nothing when it cannot be asked any more.
    pub now: Option<Question>,
    /// The same answer by the same rules.
    pub same: bool,
}

/// Why a decision cannot be examined.
#[derive(Debug, thiserror::Error)]
pub enum ExamineFault {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The set of its day is not given back.
    #[error(transparent)]
    Archive(#[from] ArchiveFault),
    /// A leaf or its opening is not what was written.
    #[error("entry {0} is damaged")]
    Damaged(String),
    /// There is no such decision.
    #[error("no decision of the log has this id")]
    NotThere,
    /// Its opening has expired: that it happened is still proved, what it was is not known any more.
    #[error("the details of this decision have expired")]
    Expired,
    /// The person named may not.
    #[error("only an auditor or the data-protection officer of the Département may")]
    NotEntitled,
    /// The access could not be logged.
    #[error("the access cannot be logged")]
    Unlogged,
}

/// The decisions of an exchange, or the one of an entry: its place in the log, or its row.
///
/// # Errors
/// [`ExamineFault::NotThere`], [`ExamineFault::Expired`], or the store is unavailable.
pub async fn find(store: &Store, keystore: &KeyStore, id: &str) -> Result<Vec<Logged>, ExamineFault> {
    let rows = if let Ok(index) = id.parse::<u64>() {
        store.entries_from(index, 1).await?.into_iter().filter(|row| row.index == Some(index)).collect()
    } else {
        let of_exchange = match id.parse::<ExchangeId>() {
            Ok(exchange) => store.entries_of(exchange).await?,
            Err(_) => Vec::new(),
        };
        if of_exchange.is_empty() { store.entry_of_row(id).await?.into_iter().collect() } else { of_exchange }
    };
    let mut found = Vec::new();
    let mut expired = false;
    for row in &rows {
        match logged(keystore, row)? {
            Read::Decision(one) => found.push(*one),
            Read::Expired => expired = true,
            Read::Other => {}
        }
    }
    match (found.is_empty(), expired) {
        (true, true) => Err(ExamineFault::Expired),
        (true, false) => Err(ExamineFault::NotThere),
        (false, _) => Ok(found),
    }
}

/// Calls `each` with every decision since an instant, in the order of the log; `progress` with entries done and in all.
///
/// # Errors
/// The store is unavailable, or an entry is damaged.
pub async fn walk(
    store: &Store,
    keystore: &KeyStore,
    since: Instant,
    progress: &dyn Fn(u64, u64),
    mut each: impl FnMut(Logged),
) -> Result<(), ExamineFault> {
    let size = store.latest_checkpoint().await?.map_or(0, |(size, _)| size);
    let first = first_since(store, since, size).await?;
    let mut next = first;
    while next < size {
        let page = store.entries_from(next, PAGE).await?;
        let Some(last) = page.last().and_then(|row| row.index) else { break };
        for row in &page {
            if let Read::Decision(one) = logged(keystore, row)?
                && one.at >= since
            {
                each(*one);
            }
        }
        next = last.saturating_add(1);
        progress(next.saturating_sub(first), size.saturating_sub(first));
    }
    Ok(())
}

/// The first entry that may be as late as `since`: entries stand nearly in the order of time, so by halving.
async fn first_since(store: &Store, since: Instant, size: u64) -> Result<u64, ExamineFault> {
    let since = since.minus(DISORDER);
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low.midpoint(high);
        let row = store.entries_from(middle, 1).await?.into_iter().next();
        let earlier = match row {
            Some(row) => leaf(&row)?.time < since,
            None => false,
        };
        if earlier {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Asks a decision again with the set of its day.
///
/// # Errors
/// [`ExamineFault::NotThere`] for what was decided without rules, [`ExamineFault::Archive`] when the set is not kept.
pub async fn replay(archive: &Archive, store: &Store, one: &Logged) -> Result<Replayed, ExamineFault> {
    let record = one.record.as_ref().ok_or(ExamineFault::NotThere)?;
    let past = archive.past(store, &record.policy_set).await?;
    Ok(replayed(&past, record))
}

fn replayed(past: &Past, record: &DecisionRecord) -> Replayed {
    let replay = past.policies.replay(record);
    let mut answers = replay.answers.into_iter();
    let questions: Vec<Compared> = record
        .questions
        .iter()
        .map(|then| {
            let now = answers.next();
            Compared { same: now.as_ref() == Some(then), then: then.clone(), now }
        })
        .collect();
    let again = past.policies.concluded(record, questions.iter().filter_map(|one| one.now.clone()).collect());
    // What the register or an error refused is not the rules' answer: then only their rules are compared.
    let mut summary = Vec::new();
    if again.rules != record.rules {
        summary.push("rules");
    }
    if record.permitted && again.obligations != record.obligations {
        summary.push("obligations");
    }
    if record.permitted && !again.permitted {
        summary.push("result");
    }
    Replayed { same: replay.same && summary.is_empty(), questions, summary }
}

/// Writes down that a person reads why something was decided, before it is shown.
///
/// # Errors
/// [`ExamineFault::NotEntitled`], or the store is unavailable.
pub async fn examined(
    (store, keystore): (&Store, &KeyStore),
    law: &Law,
    departement: &str,
    who: &Professional,
    found: &[Logged],
    now: Instant,
) -> Result<(), ExamineFault> {
    let of = law.directory.institution(&who.institution).is_some_and(|institution| institution.departement == departement);
    if !of || !(who.has_role(Role::Dpo) || who.has_role(Role::Auditeur)) {
        return Err(ExamineFault::NotEntitled);
    }
    let entries: Vec<Option<u64>> = found.iter().map(|one| one.entry).collect();
    let statement =
        Statement::new(Event::DecisionExamined, found.first().and_then(|one| one.exchange), now, (law.files.hash(), &law.retention))
            .commit("professional", &who.id)
            .commit("entries", &entries);
    let random = ring::rand::SystemRandom::new();
    let entry = statement.seal(Uuid::now_v7(), keystore, &random).ok_or(ExamineFault::Unlogged)?;
    store.write(AppendEntries(vec![entry])).await?;
    Ok(())
}

enum Read {
    Decision(Box<Logged>),
    Expired,
    Other,
}

fn logged(keystore: &KeyStore, row: &EntryRow) -> Result<Read, ExamineFault> {
    let leaf = leaf(row)?;
    let decides = matches!(
        leaf.event,
        Event::ExchangeAccepted | Event::ExchangeRefused | Event::ExchangeOpened | Event::DecisionMade | Event::BreakGlass
    );
    let damaged = || ExamineFault::Damaged(name(row));
    let Some(sealed) = &row.opening else { return Ok(if decides { Read::Expired } else { Read::Other }) };
    let plain = keystore.open_opening(&row.leaf_hash, sealed).map_err(|_| damaged())?;
    let openings: Openings = serde_json::from_slice(&plain).map_err(|_| damaged())?;
    openings.verify(&leaf).map_err(|_: EntryError| damaged())?;
    let Some(decision) = openings.value(field::DECISION) else { return Ok(Read::Other) };
    let of = |name: &str| decision.get(name).and_then(Value::as_str).map(str::to_owned);
    let Some(result) = of("result") else { return Ok(Read::Other) };
    let record = match decision.get("record") {
        None => None,
        // Written by us, whole, under its commitment: what does not read is damage.
        Some(record) => Some(serde_json::from_value(record.clone()).map_err(|_| damaged())?),
    };
    let exchange = row.exchange;
    Ok(Read::Decision(Box::new(Logged {
        entry: row.index,
        at: leaf.time,
        event: leaf.event,
        exchange,
        result,
        because: of("because"),
        record,
    })))
}

fn leaf(row: &EntryRow) -> Result<Leaf, ExamineFault> {
    Leaf::parse(&row.leaf).map_err(|_| ExamineFault::Damaged(name(row)))
}

fn name(row: &EntryRow) -> String {
    row.index.map_or_else(|| "without a place".to_owned(), |index| index.to_string())
}

/// Entries read at once.
const PAGE: u32 = 512;
/// How far entries may stand out of the order of time.
const DISORDER: std::time::Duration = std::time::Duration::from_secs(3600);
