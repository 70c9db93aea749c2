//! Filing: whose mention is this? Runs inside the writer, on HMACs; its cost does not grow with history.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use exchange::{Instant, ProposalId};
use sqlx::Executor;

use super::{MentionId, rid};
use crate::{
    seal::{
        likeness::{Agreement, Likeness},
        pseudonym::Rid,
    },
    store::{
        StoreError,
        columns::bytes,
        patience::{Patiently, Turn},
        rows::{Cell, Rows, Table},
        side::Side,
    },
};

/// The subjects of one exchange, to be filed together.
pub(super) struct Filing {
    pub(super) mentions: Vec<NewMention>,
    pub(super) at: Instant,
}

/// One subject, sealed.
pub(super) struct NewMention {
    pub(super) id: MentionId,
    /// The person, if it turns out to be a new one.
    pub(super) rid: Rid,
    pub(super) sealed: Vec<u8>,
    pub(super) likeness: Likeness,
}

/// A person that agrees with a mention.
struct Candidate {
    /// The person as it speaks for itself now.
    root: Rid,
    /// The person as it was first filed: a mention goes there, so that a later split takes it along.
    filed: Rid,
    reasons: Vec<Agreement>,
}

impl Candidate {
    /// Agrees in all but one of name, given name, date, sex and place, as far as the keys tell.
    fn differs_in_one_trait(&self) -> bool {
        self.reasons.iter().any(|reason| reason.all_but_one_trait())
    }
}

/// Files everything that waits, in one commit; one caller's failure undoes that caller's filing alone.
pub(super) async fn file_all(side: Side, filings: Arc<Vec<Filing>>) -> Result<Vec<Result<Vec<Rid>, StoreError>>, StoreError> {
    match file_together(&side, &filings).await {
        Ok(persons) => Ok(persons.into_iter().map(Ok).collect()),
        // Whose filing it was is found out one by one.
        Err(_) => file_apart(&side, &filings).await,
    }
}

async fn file_together(side: &Side, filings: &[Filing]) -> Result<Vec<Vec<Rid>>, StoreError> {
    let mut tx = side.begin("file_mentions").await?;
    let mut results = Vec::with_capacity(filings.len());
    let mut waiting = Waiting::default();
    for filing in filings {
        results.push(file(&mut tx, &mut waiting, filing).await?);
    }
    waiting.write(&mut tx).await?;
    side.commit("file_mentions", tx).await?;
    Ok(results)
}

async fn file_apart(side: &Side, filings: &[Filing]) -> Result<Vec<Result<Vec<Rid>, StoreError>>, StoreError> {
    let failed = |e| StoreError::Unavailable("file_mentions", e);
    let mut tx = side.begin("file_mentions").await?;
    let mut results = Vec::with_capacity(filings.len());
    for filing in filings {
        tx.execute("SAVEPOINT filing").await.map_err(failed)?;
        let mut waiting = Waiting::default();
        let mut result = file(&mut tx, &mut waiting, filing).await;
        if let (Ok(_), Err(error)) = (&result, waiting.write(&mut tx).await) {
            result = Err(error);
        }
        let end = if result.is_ok() { "RELEASE SAVEPOINT filing" } else { "ROLLBACK TO SAVEPOINT filing; RELEASE SAVEPOINT filing" };
        tx.execute(end).await.map_err(failed)?;
        results.push(result);
    }
    side.commit("file_mentions", tx).await?;
    Ok(results)
}

/// What is filed and not written yet: children are rarely alike, so most filings of one commit go into the tables together.
#[derive(Default)]
struct Waiting {
    rows: Rows,
    /// By which keys somebody may ask for them.
    keys: HashSet<[u8; 16]>,
}

impl Waiting {
    /// Writes what waits, if one of these keys could find it.
    async fn show(&mut self, tx: &mut Turn, keys: &[(Agreement, [u8; 16])]) -> Result<(), StoreError> {
        if keys.iter().any(|(_, key)| self.keys.contains(key)) { self.write(tx).await } else { Ok(()) }
    }

    async fn write(&mut self, tx: &mut Turn) -> Result<(), StoreError> {
        self.keys.clear();
        std::mem::take(&mut self.rows).write(tx).await
    }

    fn person(&mut self, mention: &NewMention, at: Instant) {
        let population = mention.likeness.population.as_str();
        self.rows.add(&PERSONS, [mention.rid.stored()[..].into(), population.into(), at.unix_ms().into(), FILE.into()]);
    }

    fn mention(&mut self, mention: &NewMention, person: &Rid, at: Instant) {
        let keys: Vec<u8> = mention.likeness.keys.iter().flat_map(|(_, key)| *key).collect();
        let (exchange, n) = (mention.id.exchange.to_string().into(), i64::from(mention.id.n).into());
        let sealed = mention.sealed[..].into();
        self.rows.add(&MENTIONS, [exchange, n, person.stored()[..].into(), sealed, keys[..].into(), at.unix_ms().into(), FILE.into()]);
        for (_, key) in &mention.likeness.keys {
            self.rows.add(&LIKENESSES, likeness(key, person, FILE));
            self.keys.insert(*key);
        }
    }
}

async fn file(tx: &mut Turn, waiting: &mut Waiting, filing: &Filing) -> Result<Vec<Rid>, StoreError> {
    let mut persons: Vec<Rid> = Vec::new();
    for (n, mention) in filing.mentions.iter().enumerate() {
        waiting.show(tx, &mention.likeness.keys).await?;
        let candidates = agreeing(tx, &mention.likeness.keys).await?;
        if !candidates.is_empty() {
            // Who is looked at closely is looked at with everybody there.
            waiting.write(tx).await?;
        }
        let person = match the_same(tx, filing, n, &candidates).await? {
            Some(one) if !persons.contains(&one.root) => {
                waiting.mention(mention, &one.filed, filing.at);
                one.root
            }
            _ => {
                waiting.person(mention, filing.at);
                waiting.mention(mention, &mention.rid, filing.at);
                if !candidates.is_empty() {
                    waiting.write(tx).await?;
                    propose(tx, mention, candidates, &persons, filing.at).await?;
                }
                mention.rid
            }
        };
        persons.push(person);
    }
    Ok(persons)
}

/// The person a mention is without asking: the only one equal in everything, while nobody else differs from the mention in
/// one trait alone. A twin differs in the given names, a homonym in the date or the place: one wrong trait would make the
/// one the other, and no rule could tell. So a wrong match takes two wrong traits that both hit (`seal/MATCHING.md`).
async fn the_same<'c>(tx: &mut Turn, filing: &Filing, n: usize, candidates: &'c [Candidate]) -> Result<Option<&'c Candidate>, StoreError> {
    let Some(mention) = filing.mentions.get(n) else { return Ok(None) };
    let Some(everything) = mention.likeness.everything() else { return Ok(None) };
    let others = || filing.mentions.iter().enumerate().filter(|(at, _)| *at != n).map(|(_, other)| other);
    // The sender names two subjects and describes them alike: one of the two is somebody else, and a person says who.
    if others().any(|other| other.likeness.everything() == Some(everything)) || candidates.len() >= ALIKE_AT_MOST {
        return Ok(None);
    }
    let mut equal = candidates.iter().filter(|one| one.reasons.contains(&Agreement::Everything));
    let (Some(one), None) = (equal.next(), equal.next()) else { return Ok(None) };
    for close in candidates.iter().filter(|close| close.root != one.root && close.differs_in_one_trait()) {
        // Its sender tells the two apart when it names both, each without a fault.
        let mut named = false;
        for key in others().filter_map(|other| other.likeness.everything()) {
            named |= agreeing(tx, &[(Agreement::Everything, *key)]).await?.iter().any(|found| found.root == close.root);
        }
        if !named {
            return Ok(None);
        }
    }
    Ok(Some(one))
}

/// Every person that agrees by one of these keys, each once, with the keys by which it does.
async fn agreeing(tx: &mut Turn, keys: &[(Agreement, [u8; 16])]) -> Result<Vec<Candidate>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::query(ALIKE);
    for place in 0..Agreement::ALL.len() {
        // A key that is not there is an empty one, which no row has.
        query = query.bind(keys.get(place).map(|(_, key)| key.to_vec()).unwrap_or_default());
    }
    let rows = query.fetch_all(&mut **tx).patiently().await.map_err(StoreError::in_statement("alike"))?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let (mac, filed) = (bytes(row, "mac")?, rid(row, "rid")?);
        let reason = keys.iter().find(|(_, key)| key[..] == mac[..]).map(|(agreement, _)| *agreement);
        let reason = reason.ok_or(StoreError::Damaged("likeness"))?;
        let root = root(tx, filed).await?;
        let one = found.entry(root).or_insert_with(|| Candidate { root, filed, reasons: Vec::new() });
        if reason == Agreement::Everything {
            // What was merged into it speaks for it too; a mention goes where it is equal.
            one.filed = filed;
        }
        if !one.reasons.contains(&reason) {
            one.reasons.push(reason);
        }
    }
    Ok(found.into_values().collect())
}

/// The person that speaks for this one: itself, or the one it was merged into.
pub(super) async fn root(tx: &mut Turn, mut person: Rid) -> Result<Rid, StoreError> {
    for _ in 0..MERGES_IN_A_ROW {
        let row = sqlx::query(MERGED_INTO)
            .bind(person.stored())
            .fetch_optional(&mut **tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("root"))?;
        match row {
            Some(row) => person = rid(&row, "merged_into")?,
            None => return Ok(person),
        }
    }
    Err(StoreError::Damaged("person"))
}

/// One more mention of this person has these keys.
pub(super) async fn add_likeness(tx: &mut Turn, keys: &[u8], person: &Rid) -> Result<(), StoreError> {
    let mut rows = Rows::default();
    for key in keys.chunks(16) {
        rows.add(&LIKENESSES, likeness(key, person, "add_likeness"));
    }
    rows.write(tx).await
}

fn likeness(key: &[u8], person: &Rid, name: &'static str) -> [Cell; 4] {
    [key.into(), person.stored()[..].into(), 1.into(), name.into()]
}

/// One mention less of this person has these keys.
pub(super) async fn take_likeness(tx: &mut Turn, keys: &[u8], person: &Rid) -> Result<(), StoreError> {
    for key in keys.chunks(16) {
        for statement in [TAKE_LIKENESS, DROP_LIKENESS] {
            sqlx::query(statement)
                .bind(key.to_vec())
                .bind(person.stored())
                .execute(&mut **tx)
                .patiently()
                .await
                .map_err(StoreError::in_statement("take_likeness"))?;
        }
    }
    Ok(())
}

/// Asks a person whether the new one is one of those that agree most. Subjects of one exchange are told apart by its
/// sender; only when described alike in everything are they asked about.
async fn propose(
    tx: &mut Turn,
    mention: &NewMention,
    mut candidates: Vec<Candidate>,
    same_exchange: &[Rid],
    at: Instant,
) -> Result<(), StoreError> {
    candidates.sort_by_key(|one| std::cmp::Reverse(one.reasons.len()));
    let asked = candidates.iter().filter(|one| !same_exchange.contains(&one.root) || one.reasons.contains(&Agreement::Everything));
    for candidate in asked.take(QUESTIONS) {
        let mut reasons = candidate.reasons.clone();
        reasons.sort();
        let reasons: Vec<&str> = reasons.into_iter().map(Agreement::as_str).collect();
        // Under the person it was filed as: that one has a description to compare with.
        ask(tx, &mention.rid, &candidate.filed, &reasons.join(" "), at).await?;
    }
    Ok(())
}

/// Puts a question about two persons, unless it was put before.
pub(super) async fn ask(tx: &mut Turn, one: &Rid, other: &Rid, reasons: &str, at: Instant) -> Result<(), StoreError> {
    sqlx::query(ASK)
        .bind(ProposalId::new().to_string())
        .bind(one.min(other).stored())
        .bind(one.max(other).stored())
        .bind(reasons)
        .bind(at.unix_ms())
        .bind("file_mentions")
        .execute(&mut **tx)
        .patiently()
        .await
        .map_err(StoreError::in_statement("ask"))?;
    Ok(())
}

const FILE: &str = "file_mentions";
/// Rows that one search gives at most: more persons alike than this is no likeness any more, and nothing automatic.
const ALIKE_AT_MOST: usize = 64;
/// Questions that one mention may raise at most; those that agree most are asked first.
const QUESTIONS: usize = 3;
/// Merges into merges into merges: far more than people ever do.
const MERGES_IN_A_ROW: usize = 64;

// The limit, [`ALIKE_AT_MOST`], bounds the cost.
const ALIKE: &str = "-- alike
SELECT mac, rid FROM likeness WHERE mac IN ($1, $2, $3, $4, $5, $6, $7) LIMIT 64";

const MERGED_INTO: &str = "-- root
SELECT merged_into FROM person WHERE rid = $1 AND merged_into IS NOT NULL";

static PERSONS: Table = Table::new("insert_person", "person", "rid, population, created_at, written_by").referred_to();

static MENTIONS: Table = Table::new("insert_mention", "mention", "exchange_id, n, rid, sealed, likeness, created_at, written_by");

static LIKENESSES: Table = Table::new("add_likeness", "likeness", "mac, rid, mentions, written_by")
    .upsert("ON CONFLICT (mac, rid) DO UPDATE SET mentions = likeness.mentions + 1, written_by = excluded.written_by");

const TAKE_LIKENESS: &str = "-- take_likeness
UPDATE likeness SET mentions = mentions - 1, written_by = 'take_likeness' WHERE mac = $1 AND rid = $2 AND mentions > 0";

const DROP_LIKENESS: &str = "-- drop_likeness
DELETE FROM likeness WHERE mac = $1 AND rid = $2 AND mentions = 0";

const ASK: &str = "-- ask
INSERT INTO proposal (id, low, high, reasons, created_at, written_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (low, high) DO NOTHING";
