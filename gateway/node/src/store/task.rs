//! What became of tasks: who did one and how, on which basis it was dispensed with, and what let it wait until when.

use exchange::{ExchangeId, FollowUpId, Instant, Party};
use futures::future::BoxFuture;
use sqlx::{Row, any::AnyRow};

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    clocks::{self, NewClock},
    columns::{number, role_text, text, unit_text},
    follow_up::NewFollowUp,
};
use crate::directory::Role;

/// What a named person says of a task that ended.
#[derive(Debug, Clone)]
pub struct TaskRecord {
    /// The day it was done, `YYYY-MM-DD`.
    pub done_on: String,
    /// Code of CL-moyen.
    pub means: Option<String>,
    /// Code of CL-base-report on which it was not done.
    pub basis: Option<String>,
    /// Code of CL-constat.
    pub finding: Option<String>,
    /// The exchange by which it was done.
    pub carried_by: Option<ExchangeId>,
    /// INSEE code of where it went.
    pub departement: Option<String>,
    /// Sealed words.
    pub words: Option<Vec<u8>>,
    /// When it was recorded.
    pub at: Instant,
    /// Who: opaque subject.
    pub by: String,
}

/// One decision to let a task wait.
#[derive(Debug, Clone)]
pub struct Deferral {
    /// When it was decided.
    pub at: Instant,
    /// When the task comes back.
    pub until: Instant,
    /// Code of CL-base-report.
    pub basis: String,
    /// Sealed words.
    pub words: Vec<u8>,
    /// Who decided: opaque subject.
    pub by: String,
}

/// Which task, and whose: another's is not there.
pub struct TaskRef {
    /// The follow-up.
    pub id: FollowUpId,
    /// Exchange it is about.
    pub exchange: ExchangeId,
    /// Obligation or gateway code.
    pub code: String,
    /// The unit, or the institution of a function.
    pub owner: Party,
    /// The function.
    pub role: Option<Role>,
}

/// A named person ends a task.
pub struct FinishTask {
    /// Which.
    pub task: TaskRef,
    /// What this person says of it.
    pub record: TaskRecord,
    /// What it leaves to do, with its clocks.
    pub opens: Option<(NewFollowUp, Vec<NewClock>)>,
    /// What the log states.
    pub entry: NewEntry,
}

/// A task is put off.
pub struct DeferTask {
    /// Which.
    pub task: TaskRef,
    /// On which basis, by whom, until when.
    pub deferral: Deferral,
    /// The clock that brings it back.
    pub clock: NewClock,
    /// What the log states.
    pub entry: NewEntry,
}

impl Write for FinishTask {
    const NAME: &'static str = "finish_task";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let Self { task, record, opens, entry } = self;
            let one = sqlx::query(FINISH_FOLLOW_UP)
                .bind(record.at.unix_ms())
                .bind(&record.by)
                .bind(Self::NAME)
                .bind(task.id.to_string())
                .bind(task.owner.institution.as_str())
                .bind(unit_text(&task.owner))
                .bind(role_text(task.role));
            tx.one("finish_follow_up", one).await?;
            let one = sqlx::query(INSERT_TASK_RECORD)
                .bind(task.id.to_string())
                .bind(if record.basis.is_some() { "dispensed" } else { "done" })
                .bind(&record.done_on)
                .bind(&record.means)
                .bind(&record.basis)
                .bind(&record.finding)
                .bind(record.carried_by.map(|id| id.to_string()))
                .bind(&record.departement)
                .bind(record.words.as_deref())
                .bind(record.at.unix_ms())
                .bind(&record.by)
                .bind(Self::NAME);
            tx.one("insert_task_record", one).await?;
            for event in [format!("recorded:{}", task.code), clocks::stop_of_task(task.id)] {
                clocks::stop(tx, task.exchange, &event, record.at, Self::NAME).await?;
            }
            if let Some((follow_up, clocks)) = &opens {
                follow_up.insert(tx, task.exchange, record.at, Self::NAME).await?;
                for clock in clocks {
                    clock.insert(tx, task.exchange, Self::NAME).await?;
                }
            }
            entry.insert(tx, Self::NAME).await
        })
    }
}

impl Write for DeferTask {
    const NAME: &'static str = "defer_task";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let Self { task, deferral, clock, entry } = self;
            let one = sqlx::query(DEFER_FOLLOW_UP)
                .bind(deferral.until.unix_ms())
                .bind(Self::NAME)
                .bind(task.id.to_string())
                .bind(task.owner.institution.as_str())
                .bind(unit_text(&task.owner))
                .bind(role_text(task.role));
            tx.one("defer_follow_up", one).await?;
            let one = sqlx::query(INSERT_DEFERRAL)
                .bind(task.id.to_string())
                .bind(deferral.at.unix_ms())
                .bind(deferral.until.unix_ms())
                .bind(&deferral.basis)
                .bind(&deferral.words[..])
                .bind(&deferral.by)
                .bind(Self::NAME);
            tx.one("insert_deferral", one).await?;
            // What waits does not ring meanwhile; the new clock rings when the wait is over.
            for event in [format!("recorded:{}", task.code), clocks::stop_of_task(task.id)] {
                clocks::stop_by(tx, task.exchange, (&event, "deferred"), deferral.at, Self::NAME).await?;
            }
            clock.insert_for(tx, task.exchange, task.role, Self::NAME).await?;
            entry.insert(tx, Self::NAME).await
        })
    }
}

impl Store {
    /// What was said of a task that ended by a person's word.
    pub async fn task_record(&self, id: FollowUpId) -> Result<Option<TaskRecord>, StoreError> {
        let row = self.row("task_record", sqlx::query(TASK_RECORD).bind(id.to_string())).await?;
        row.as_ref().map(read_record).transpose()
    }

    /// What let a task wait, the first first.
    pub async fn deferrals(&self, id: FollowUpId) -> Result<Vec<Deferral>, StoreError> {
        let rows = self.rows("deferrals", sqlx::query(DEFERRALS).bind(id.to_string())).await?;
        rows.iter()
            .map(|row| {
                Ok(Deferral {
                    at: Instant::from_unix_ms(number(row, "at")?),
                    until: Instant::from_unix_ms(number(row, "until_at")?),
                    basis: text(row, "basis")?,
                    words: super::columns::bytes(row, "words")?,
                    by: text(row, "professional")?,
                })
            })
            .collect()
    }
}

fn read_record(row: &AnyRow) -> Result<TaskRecord, StoreError> {
    let word = |column: &'static str| row.try_get::<Option<String>, _>(column).map_err(|_| StoreError::Damaged(column));
    Ok(TaskRecord {
        done_on: text(row, "done_on")?,
        means: word("means")?,
        basis: word("basis")?,
        finding: word("finding")?,
        carried_by: word("carried_by")?.map(|id| id.parse()).transpose().map_err(|_| StoreError::Damaged("carried_by"))?,
        departement: word("departement")?,
        words: row.try_get("words").map_err(|_| StoreError::Damaged("words"))?,
        at: Instant::from_unix_ms(number(row, "at")?),
        by: text(row, "professional")?,
    })
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[FINISH_FOLLOW_UP, INSERT_TASK_RECORD, DEFER_FOLLOW_UP, INSERT_DEFERRAL, TASK_RECORD, DEFERRALS];

const FINISH_FOLLOW_UP: &str = "-- finish_follow_up
UPDATE follow_up SET done_at = $1, done_by = $2, deferred_until = NULL, written_by = $3
WHERE id = $4 AND institution = $5 AND unit = $6 AND role = $7 AND done_at IS NULL";

const INSERT_TASK_RECORD: &str = "-- insert_task_record
INSERT INTO task_record (follow_up_id, outcome, done_on, means, basis, finding, carried_by, departement, words, at, professional, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

const DEFER_FOLLOW_UP: &str = "-- defer_follow_up
UPDATE follow_up SET deferred_until = $1, written_by = $2
WHERE id = $3 AND institution = $4 AND unit = $5 AND role = $6 AND done_at IS NULL";

const INSERT_DEFERRAL: &str = "-- insert_deferral
INSERT INTO deferral (follow_up_id, at, until_at, basis, words, professional, written_by) VALUES ($1, $2, $3, $4, $5, $6, $7)";

const TASK_RECORD: &str = "-- task_record
SELECT done_on, means, basis, finding, carried_by, departement, words, at, professional FROM task_record WHERE follow_up_id = $1";

const DEFERRALS: &str = "-- deferrals
SELECT at, until_at, basis, words, professional FROM deferral WHERE follow_up_id = $1 ORDER BY at";
