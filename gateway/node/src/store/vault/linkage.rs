//! Linkage: a person's decision about who is who, as a row that is never deleted. Prepared, logged, applied; undone
//! by another one.

use exchange::{Instant, LinkageId, ProposalId};
use sqlx::any::AnyRow;

use super::{MentionId, Vault, filing, forgetting, matching::Decider, mention_id, rid};
use crate::{
    seal::pseudonym::Rid,
    store::{
        StoreError,
        columns::{bytes, instant, number, text},
        patience::{Patiently, Turn},
        side::touch_one,
    },
};

/// What a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// The two of a question are one person.
    Same(ProposalId),
    /// They are not, and nobody asks again.
    Different(ProposalId),
    /// The persons of two mentions are one, whether anybody asked or not.
    Merge(MentionId, MentionId),
    /// A merge was wrong.
    Split(LinkageId),
    /// One mention is somebody else's.
    Separate(MentionId),
}

/// What a decision changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Two persons become one.
    Same,
    /// Two persons stay two.
    Different,
    /// A merge is undone.
    Split,
    /// One mention becomes a person of its own.
    Separate,
}

/// A decision, prepared: what the log is to say. Names nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linkage {
    /// The decision; its log entry has the same id.
    pub id: LinkageId,
    /// What it changes.
    pub change: Change,
    /// The question it answers.
    pub proposal: Option<ProposalId>,
    /// The merge it undoes.
    pub undoes: Option<LinkageId>,
    /// The mention it takes out.
    pub mention: Option<MentionId>,
    /// Who decided, `issuer#subject`.
    pub decided_by: String,
    /// When.
    pub decided_at: Instant,
    /// When it took effect; `None` while it has not.
    pub applied_at: Option<Instant>,
}

impl Change {
    /// As stored and logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::Split => "split",
            Self::Separate => "separate",
        }
    }
}

impl Vault {
    /// Writes a decision down without its effect. The same decision about the same question again gives the same row.
    ///
    /// # Errors
    /// [`StoreError::NotThere`] when there is nothing to decide; [`StoreError::AlreadyThere`] when it was decided otherwise.
    pub async fn prepare(&self, ruling: Ruling, by: &Decider, now: Instant) -> Result<Linkage, StoreError> {
        let mut tx = self.side.begin("prepare_linkage").await?;
        let linkage = Linkage {
            id: LinkageId::new(),
            change: ruling.change(),
            proposal: None,
            undoes: None,
            mention: None,
            decided_by: by.professional().to_string(),
            decided_at: now,
            applied_at: None,
        };
        let linkage = match ruling {
            Ruling::Same(proposal) | Ruling::Different(proposal) => {
                let row = one(&mut tx, "proposal", PROPOSAL, &proposal.to_string()).await?;
                let (low, high) = (rid(&row, "low")?, rid(&row, "high")?);
                if let Some(earlier) = answered(&mut tx, proposal, ruling.change()).await? {
                    // Taken back since: said again it would join nobody, so it is not said to be done.
                    let stands = earlier.change != Change::Same
                        || earlier.applied_at.is_none()
                        || filing::root(&mut tx, low).await? == filing::root(&mut tx, high).await?;
                    return if stands { Ok(earlier) } else { Err(StoreError::AlreadyThere) };
                }
                let linkage = Linkage { proposal: Some(proposal), ..linkage };
                insert(&mut tx, &linkage, &low, &high).await?;
                answer(&mut tx, proposal, linkage.id).await?;
                linkage
            }
            Ruling::Merge(left, right) => {
                let (left, right) = (person_of(&mut tx, left).await?, person_of(&mut tx, right).await?);
                if filing::root(&mut tx, left).await? == filing::root(&mut tx, right).await? {
                    return Err(StoreError::AlreadyThere);
                }
                insert(&mut tx, &linkage, &left, &right).await?;
                linkage
            }
            Ruling::Split(merge) => {
                let row = one(&mut tx, "linkage", MERGE, &merge.to_string()).await?;
                let linkage = Linkage { undoes: Some(merge), ..linkage };
                insert(&mut tx, &linkage, &rid(&row, "kept")?, &rid(&row, "moved")?).await?;
                linkage
            }
            Ruling::Separate(mention) => {
                let kept = person_of(&mut tx, mention).await?;
                let linkage = Linkage { mention: Some(mention), ..linkage };
                insert(&mut tx, &linkage, &kept, &Rid::random()?).await?;
                linkage
            }
        };
        self.side.commit("prepare_linkage", tx).await?;
        Ok(linkage)
    }

    /// Gives a prepared decision its effect; once, however often it is called.
    ///
    /// # Errors
    /// [`StoreError::NotThere`] when there is no such decision.
    pub async fn apply(&self, id: LinkageId, now: Instant) -> Result<(), StoreError> {
        let mut tx = self.side.begin("apply_linkage").await?;
        let row = one(&mut tx, "linkage", LINKAGE, &id.to_string()).await?;
        let linkage = read(&row)?;
        if linkage.applied_at.is_some() {
            return Ok(());
        }
        let (mut kept, mut moved) = (rid(&row, "kept")?, rid(&row, "moved")?);
        match linkage.change {
            // As the persons stand now: another decision may have come between.
            Change::Same => {
                let (left, right) = (filing::root(&mut tx, kept).await?, filing::root(&mut tx, moved).await?);
                (kept, moved) = elder(&mut tx, left, right).await?;
                if kept != moved {
                    let query = sqlx::query(MERGE_PERSON).bind(kept.stored()).bind(moved.stored());
                    touch_one("merge_person", query, &mut tx).await?;
                }
            }
            Change::Different => {}
            Change::Split => {
                // No row: another decision split them before, and that is what was wanted.
                let query = sqlx::query(SPLIT_PERSON).bind(moved.stored()).bind(kept.stored());
                query.execute(&mut *tx).patiently().await.map_err(StoreError::in_statement("split_person"))?;
            }
            Change::Separate => {
                let mention = linkage.mention.ok_or(StoreError::Damaged("linkage"))?;
                separate(&mut tx, mention, &kept, &moved, &linkage, now).await?;
            }
        }
        let query = sqlx::query(APPLIED).bind(kept.stored()).bind(moved.stored()).bind(now.unix_ms()).bind(id.to_string());
        touch_one("apply_linkage", query, &mut tx).await?;
        self.side.commit("apply_linkage", tx).await
    }

    /// Decisions that a crash left without their effect, oldest first: to be logged, if they are not, and applied.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn unfinished(&self) -> Result<Vec<Linkage>, StoreError> {
        let rows = self.side.rows("unfinished", sqlx::query(UNFINISHED)).await?;
        rows.iter().map(read).collect()
    }

    /// What people decided last, newest first, `limit` at most, each with whether another decision undid it.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn decided(&self, limit: u32) -> Result<Vec<(Linkage, bool)>, StoreError> {
        let rows = self.side.rows("decided", sqlx::query(DECIDED).bind(i64::from(limit))).await?;
        rows.iter().map(|row| Ok((read(row)?, number(row, "undone")? > 0))).collect()
    }

    /// The person a mention belongs to now.
    #[cfg(test)]
    pub(super) async fn whose(&self, mention: MentionId) -> Result<Rid, StoreError> {
        let mut tx = self.side.begin("whose").await?;
        let person = person_of(&mut tx, mention).await?;
        filing::root(&mut tx, person).await
    }
}

impl Ruling {
    fn change(self) -> Change {
        match self {
            Self::Same(_) | Self::Merge(..) => Change::Same,
            Self::Different(_) => Change::Different,
            Self::Split(_) => Change::Split,
            Self::Separate(_) => Change::Separate,
        }
    }
}

/// The mention, with its keys, goes to a person of its own; the two are told apart for good.
async fn separate(tx: &mut Turn, mention: MentionId, from: &Rid, to: &Rid, linkage: &Linkage, now: Instant) -> Result<(), StoreError> {
    let row = sqlx::query(MENTION)
        .bind(mention.exchange.to_string())
        .bind(i64::from(mention.n))
        .fetch_optional(&mut **tx)
        .patiently()
        .await
        .map_err(StoreError::in_statement("separate"))?;
    // Erased or moved since: nothing is left to take out.
    let Some(row) = row.filter(|row| rid(row, "rid").is_ok_and(|person| person == *from)) else { return Ok(()) };
    let keys = bytes(&row, "likeness")?;
    touch_one("new_person", sqlx::query(NEW_PERSON).bind(to.stored()).bind(from.stored()).bind(now.unix_ms()), tx).await?;
    let query = sqlx::query(MOVE_MENTION).bind(to.stored()).bind(mention.exchange.to_string()).bind(i64::from(mention.n));
    touch_one("move_mention", query, tx).await?;
    filing::take_likeness(tx, &keys, from).await?;
    filing::add_likeness(tx, &keys, to).await?;
    filing::ask(tx, from, to, "separated", now).await?;
    sqlx::query(SETTLE)
        .bind(linkage.id.to_string())
        .bind(from.min(to).stored())
        .bind(from.max(to).stored())
        .execute(&mut **tx)
        .patiently()
        .await
        .map_err(StoreError::in_statement("settle"))?;
    forgetting::forget_person(tx, from).await
}

/// The elder of two persons first: the pseudonyms known longest stay.
async fn elder(tx: &mut Turn, left: Rid, right: Rid) -> Result<(Rid, Rid), StoreError> {
    let since = async |tx: &mut Turn, person: Rid| {
        let row = sqlx::query(SINCE)
            .bind(person.stored())
            .fetch_optional(&mut **tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("since"))?;
        number(&row.ok_or(StoreError::NotThere("person"))?, "created_at").map(|at| (at, person))
    };
    let (left, right) = (since(tx, left).await?, since(tx, right).await?);
    Ok((left.min(right).1, left.max(right).1))
}

/// The decision a question already has: the same again, or an error.
async fn answered(tx: &mut Turn, proposal: ProposalId, change: Change) -> Result<Option<Linkage>, StoreError> {
    let row = sqlx::query(ANSWER)
        .bind(proposal.to_string())
        .fetch_optional(&mut **tx)
        .patiently()
        .await
        .map_err(StoreError::in_statement("answered"))?;
    let Some(earlier) = row.as_ref().map(read).transpose()? else { return Ok(None) };
    if earlier.change == change { Ok(Some(earlier)) } else { Err(StoreError::AlreadyThere) }
}

async fn answer(tx: &mut Turn, proposal: ProposalId, linkage: LinkageId) -> Result<(), StoreError> {
    touch_one("answer", sqlx::query(SET_ANSWER).bind(linkage.to_string()).bind(proposal.to_string()), tx).await
}

async fn insert(tx: &mut Turn, linkage: &Linkage, kept: &Rid, moved: &Rid) -> Result<(), StoreError> {
    let query = sqlx::query(INSERT_LINKAGE)
        .bind(linkage.id.to_string())
        .bind(linkage.change.as_str())
        .bind(linkage.proposal.map(|id| id.to_string()))
        .bind(linkage.undoes.map(|id| id.to_string()))
        .bind(linkage.mention.map(|id| id.exchange.to_string()))
        .bind(linkage.mention.map(|id| i64::from(id.n)))
        .bind(&linkage.decided_by)
        .bind(linkage.decided_at.unix_ms())
        .bind(kept.stored())
        .bind(moved.stored());
    touch_one("insert_linkage", query, tx).await
}

async fn person_of(tx: &mut Turn, mention: MentionId) -> Result<Rid, StoreError> {
    let row = sqlx::query(MENTION)
        .bind(mention.exchange.to_string())
        .bind(i64::from(mention.n))
        .fetch_optional(&mut **tx)
        .patiently()
        .await
        .map_err(StoreError::in_statement("person_of"))?;
    rid(&row.ok_or(StoreError::NotThere("mention"))?, "rid")
}

async fn one(tx: &mut Turn, what: &'static str, statement: &'static str, id: &str) -> Result<AnyRow, StoreError> {
    let row =
        sqlx::query(statement).bind(id.to_owned()).fetch_optional(&mut **tx).patiently().await.map_err(StoreError::in_statement(what))?;
    row.ok_or(StoreError::NotThere(what))
}

fn read(row: &AnyRow) -> Result<Linkage, StoreError> {
    let damaged = || StoreError::Damaged("linkage");
    let optional = |column: &'static str| sqlx::Row::try_get::<Option<String>, _>(row, column).map_err(|_| damaged());
    let parse = |id: String| id.parse::<LinkageId>().map_err(|_| damaged());
    Ok(Linkage {
        id: parse(text(row, "id")?)?,
        change: match text(row, "change")?.as_str() {
            "same" => Change::Same,
            "different" => Change::Different,
            "split" => Change::Split,
            "separate" => Change::Separate,
            _ => return Err(damaged()),
        },
        proposal: optional("proposal_id")?.map(|id| id.parse().map_err(|_| damaged())).transpose()?,
        undoes: optional("undoes")?.map(parse).transpose()?,
        mention: optional("exchange_id")?.map(|_| mention_id(row)).transpose()?,
        decided_by: text(row, "decided_by")?,
        decided_at: instant(row, "decided_at")?.ok_or_else(damaged)?,
        applied_at: instant(row, "applied_at")?,
    })
}

const PROPOSAL: &str = "-- proposal
SELECT low, high FROM proposal WHERE id = $1";

const ANSWER: &str = "-- answered
SELECT l.id, l.change, l.proposal_id, l.undoes, l.exchange_id, l.n, l.decided_by, l.decided_at, l.applied_at
FROM proposal p JOIN linkage l ON l.id = p.linkage_id WHERE p.id = $1";

const DECIDED: &str = "-- decided
SELECT l.id, l.change, l.proposal_id, l.undoes, l.exchange_id, l.n, l.decided_by, l.decided_at, l.applied_at,
    (SELECT COUNT(*) FROM linkage u WHERE u.kept = l.kept AND u.undoes = l.id) AS undone
FROM linkage l ORDER BY l.id DESC LIMIT $1";

const SET_ANSWER: &str = "-- answer
UPDATE proposal SET linkage_id = $1, written_by = 'prepare_linkage' WHERE id = $2 AND linkage_id IS NULL";

const SETTLE: &str = "-- settle
UPDATE proposal SET linkage_id = $1, written_by = 'apply_linkage' WHERE low = $2 AND high = $3 AND linkage_id IS NULL";

const INSERT_LINKAGE: &str = "-- insert_linkage
INSERT INTO linkage (id, change, proposal_id, undoes, exchange_id, n, decided_by, decided_at, kept, moved, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'prepare_linkage')";

const LINKAGE: &str = "-- linkage
SELECT id, change, proposal_id, undoes, exchange_id, n, decided_by, decided_at, applied_at, kept, moved FROM linkage WHERE id = $1";

// A merge that took effect, changed something, and was not undone since.
const MERGE: &str = "-- merge
SELECT l.kept, l.moved FROM linkage l JOIN person p ON p.rid = l.moved AND p.merged_into = l.kept
WHERE l.id = $1 AND l.change = 'same' AND l.applied_at IS NOT NULL";

const UNFINISHED: &str = "-- unfinished
SELECT id, change, proposal_id, undoes, exchange_id, n, decided_by, decided_at, applied_at FROM linkage WHERE applied_at IS NULL ORDER BY id";

const APPLIED: &str = "-- apply_linkage
UPDATE linkage SET kept = $1, moved = $2, applied_at = $3, written_by = 'apply_linkage' WHERE id = $4 AND applied_at IS NULL";

const MERGE_PERSON: &str = "-- merge_person
UPDATE person SET merged_into = $1, written_by = 'merge_person' WHERE rid = $2 AND merged_into IS NULL";

const SPLIT_PERSON: &str = "-- split_person
UPDATE person SET merged_into = NULL, written_by = 'split_person' WHERE rid = $1 AND merged_into = $2";

const SINCE: &str = "-- since
SELECT created_at FROM person WHERE rid = $1";

const MENTION: &str = "-- mention
SELECT rid, likeness FROM mention WHERE exchange_id = $1 AND n = $2";

const NEW_PERSON: &str = "-- new_person
INSERT INTO person (rid, population, created_at, written_by) SELECT $1, population, $3, 'separate' FROM person WHERE rid = $2";

const MOVE_MENTION: &str = "-- move_mention
UPDATE mention SET rid = $1, written_by = 'separate' WHERE exchange_id = $2 AND n = $3";
