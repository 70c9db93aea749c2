//! Legal clocks: what runs, what fires now, what was told to whom. A reminder fires once, whatever restarts.

use exchange::{ClockId, ExchangeId, FollowUpId, Instant, Party, ProfessionalId, TypeCode};
use futures::future::BoxFuture;
use sqlx::any::AnyRow;

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    columns::{instant, number, owned, party, role, role_text, text, unit_text},
    rows::{Rows, Table},
};
use crate::directory::{Professional, Role};

/// A clock that an acceptance starts.
#[derive(Clone)]
pub struct NewClock {
    /// Id.
    pub id: ClockId,
    /// Name in `_clocks.toml`.
    pub name: String,
    /// Whose people are reminded.
    pub owner: Party,
    /// The event itself.
    pub started_at: Instant,
    /// The legal limit.
    pub limit: Instant,
    /// Instants at which it fires, the limit among them, ascending.
    pub fires: Vec<Instant>,
    /// What stops it: `opened`, `acknowledged`, `answered:<type>`, `recorded:<code>`.
    pub stops: Vec<String>,
}

/// A clock as its owner sees it.
#[derive(Debug, Clone)]
pub struct ClockRow {
    /// Id.
    pub id: ClockId,
    /// Exchange it is about.
    pub exchange: ExchangeId,
    /// Name in `_clocks.toml`.
    pub name: String,
    /// Whose people are reminded.
    pub owner: Party,
    /// The function that is reminded instead of a unit.
    pub role: Option<Role>,
    /// The event itself.
    pub started_at: Instant,
    /// The legal limit.
    pub limit: Instant,
    /// Instants still to fire, ascending.
    pub fires: Vec<Instant>,
    /// What stops it, as [`NewClock::stops`].
    pub stops: Vec<String>,
    /// When it stopped.
    pub stopped_at: Option<Instant>,
}

/// One person told once.
#[derive(Debug, Clone)]
pub struct ReminderRow {
    /// Clock that fired.
    pub clock: ClockId,
    /// Exchange it is about.
    pub exchange: ExchangeId,
    /// Name of the clock.
    pub name: String,
    /// The clock's instant.
    pub due_at: Instant,
    /// When it was told.
    pub fired_at: Instant,
    /// `warning`, `overdue` or `escalated`.
    pub stage: String,
    /// Opaque subject of the person told; empty when the unit names nobody.
    pub professional: String,
}

/// Somebody who is told.
pub struct Told {
    /// `warning`, `overdue` or `escalated`.
    pub stage: &'static str,
    /// Opaque subject; empty: everybody of the unit or function.
    pub professional: String,
    /// The unit, or the institution of a function.
    pub unit: Party,
    /// The function.
    pub role: Option<Role>,
}

impl Told {
    /// Whoever has a function: by name when it is one person, else all of them.
    pub fn function<'d>(stage: &'static str, unit: &Party, role: Role, holders: impl Iterator<Item = &'d Professional>) -> Self {
        let subjects: Vec<&str> = holders.map(|person| person.id.subject.as_str()).collect();
        let professional = if let [only] = subjects.as_slice() { (*only).to_owned() } else { String::new() };
        let unit = Party { institution: unit.institution.clone(), unit: None };
        Self { stage, professional, unit, role: Some(role) }
    }

    pub(super) async fn insert(
        &self,
        tx: &mut Tx,
        clock: ClockId,
        (due_at, now): (Instant, Instant),
        name: &'static str,
    ) -> Result<(), StoreError> {
        let one = sqlx::query(INSERT_REMINDER)
            .bind(clock.to_string())
            .bind(due_at.unix_ms())
            .bind(now.unix_ms())
            .bind(self.stage)
            .bind(&self.professional)
            .bind(self.unit.institution.as_str())
            .bind(unit_text(&self.unit))
            .bind(role_text(self.role))
            .bind(name);
        tx.one("insert_reminder", one).await
    }
}

impl NewClock {
    /// A clock that one task alone stops.
    pub fn of_task(
        id: ClockId,
        name: &str,
        owner: &Party,
        task: FollowUpId,
        started_at: Instant,
        limit: Instant,
        warnings: Vec<Instant>,
    ) -> Self {
        let mut fires = warnings;
        fires.push(limit);
        fires.sort();
        fires.dedup();
        Self { id, name: name.to_owned(), owner: owner.clone(), started_at, limit, fires, stops: vec![stop_of_task(task)] }
    }

    pub(crate) async fn insert(&self, tx: &mut Tx, exchange: ExchangeId, name: &'static str) -> Result<(), StoreError> {
        self.insert_for(tx, exchange, None, name).await
    }

    /// The same, for a function instead of a unit.
    pub(super) async fn insert_for(
        &self,
        tx: &mut Tx,
        exchange: ExchangeId,
        role: Option<Role>,
        name: &'static str,
    ) -> Result<(), StoreError> {
        let mut rows = Rows::default();
        self.add_to(&mut rows, exchange, role, name);
        tx.insert(rows).await
    }

    pub(super) fn add_to(&self, rows: &mut Rows, exchange: ExchangeId, role: Option<Role>, name: &'static str) {
        rows.add(
            &CLOCKS,
            [
                self.id.to_string().into(),
                exchange.to_string().into(),
                self.name.as_str().into(),
                self.owner.institution.as_str().into(),
                unit_text(&self.owner).into(),
                self.started_at.unix_ms().into(),
                self.limit.unix_ms().into(),
                instants(&self.fires).into(),
                self.fires.first().map(|at| at.unix_ms()).into(),
                format!(" {} ", self.stops.join(" ")).into(),
                role_text(role).into(),
                name.into(),
            ],
        );
    }
}

/// The word by which one task alone stops a clock.
pub(super) fn stop_of_task(task: FollowUpId) -> String {
    format!("task:{task}")
}

/// Stops the clocks of an exchange that wait for `event`; `*` stops all.
pub(crate) async fn stop(tx: &mut Tx, exchange: ExchangeId, event: &str, at: Instant, name: &'static str) -> Result<(), StoreError> {
    stop_by(tx, exchange, (event, event), at, name).await
}

/// The same, when something else than the event itself is the cause.
pub(super) async fn stop_by(
    tx: &mut Tx,
    exchange: ExchangeId,
    (event, cause): (&str, &str),
    at: Instant,
    name: &'static str,
) -> Result<(), StoreError> {
    let pattern = if event == "*" { "%".to_owned() } else { format!("% {event} %") };
    sqlx::query(STOP_CLOCKS)
        .bind(at.unix_ms())
        .bind(cause)
        .bind(name)
        .bind(exchange.to_string())
        .bind(pattern)
        .execute(tx.connection())
        .await
        .map_err(StoreError::in_statement("stop_clocks"))?;
    Ok(())
}

/// Lets run again what an answer of this type had stopped, and opens the tasks that it had ended, unless another such answer
/// stands. What would have been told meanwhile is told once, at the next look.
pub(super) async fn answer_again(
    tx: &mut Tx,
    answered: ExchangeId,
    kind: &TypeCode,
    tasks: &[String],
    name: &'static str,
) -> Result<(), StoreError> {
    let failed = || StoreError::in_statement("answer_again");
    let standing = sqlx::query(STANDING_ANSWER).bind(answered.to_string()).bind(kind.as_str()).fetch_optional(tx.connection()).await;
    if standing.map_err(failed())?.is_some() {
        return Ok(());
    }
    let stopped = sqlx::query(STOPPED_BY).bind(answered.to_string()).bind(format!("answered:{kind}")).fetch_all(tx.connection()).await;
    for row in stopped.map_err(failed())? {
        let fires: Vec<i64> = serde_json::from_str(&text(&row, "fires")?).map_err(|_| StoreError::Damaged("clock"))?;
        let again = sqlx::query(RUN_AGAIN).bind(fires.first().copied()).bind(name).bind(text(&row, "id")?);
        tx.one("run_again", again).await?;
    }
    for code in tasks {
        let query = sqlx::query(OPEN_AGAIN).bind(name).bind(answered.to_string()).bind(code);
        query.execute(tx.connection()).await.map_err(failed())?;
    }
    Ok(())
}

/// Somebody is told: the clock moves on, the reminder and the log entry are written, all at once.
pub struct FireClock {
    /// Which.
    pub id: ClockId,
    /// The first instant that has not fired: only this one, only once.
    pub due_at: Instant,
    /// The instant of which somebody is told: the latest that has passed.
    pub told_at: Instant,
    /// The present instant.
    pub now: Instant,
    /// Instants that remain after this one.
    pub rest: Vec<Instant>,
    /// Who is told.
    pub told: Vec<Told>,
    /// What the log states.
    pub entry: NewEntry,
}

impl Write for FireClock {
    const NAME: &'static str = "fire_clock";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(ADVANCE_CLOCK)
                .bind(instants(&self.rest))
                .bind(self.rest.first().map(|at| at.unix_ms()))
                .bind(Self::NAME)
                .bind(self.id.to_string())
                .bind(self.due_at.unix_ms());
            tx.one("advance_clock", one).await?;
            for told in &self.told {
                told.insert(tx, self.id, (self.told_at, self.now), Self::NAME).await?;
            }
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

impl Store {
    /// The clocks that fire at or before `now`, the longest due first, 100 at most.
    pub async fn due_clocks(&self, now: Instant) -> Result<Vec<ClockRow>, StoreError> {
        let query = sqlx::query(DUE_CLOCKS).bind(now.unix_ms());
        let rows = self.rows("due_clocks", query).await?;
        rows.iter().map(read_clock).collect()
    }

    /// The clocks of one exchange.
    pub async fn clocks_of(&self, exchange: ExchangeId) -> Result<Vec<ClockRow>, StoreError> {
        let query = sqlx::query(CLOCKS_OF).bind(exchange.to_string());
        let rows = self.rows("clocks_of", query).await?;
        rows.iter().map(read_clock).collect()
    }

    /// What is due to one unit, or to one function of an institution, soonest first, 200 at most, less what is sealed from `reader`.
    pub async fn clocks_owned(&self, owner: &Party, role: Option<Role>, reader: &ProfessionalId) -> Result<Vec<ClockRow>, StoreError> {
        let query = owned(CLOCKS_OWNED, owner, role, reader);
        let rows = self.rows("clocks_owned", query).await?;
        rows.iter().map(read_clock).collect()
    }

    /// What was told to one unit, or to one function of an institution, newest first, 200 at most, less what is sealed from `reader`.
    pub async fn reminders_of(&self, owner: &Party, role: Option<Role>, reader: &ProfessionalId) -> Result<Vec<ReminderRow>, StoreError> {
        let query = owned(REMINDERS_OF, owner, role, reader);
        let rows = self.rows("reminders_of", query).await?;
        rows.iter()
            .map(|row| {
                let damaged = |_| StoreError::Damaged("reminder");
                Ok(ReminderRow {
                    clock: text(row, "clock_id")?.parse().map_err(damaged)?,
                    exchange: text(row, "exchange_id")?.parse().map_err(damaged)?,
                    name: text(row, "name")?,
                    due_at: Instant::from_unix_ms(number(row, "due_at")?),
                    fired_at: Instant::from_unix_ms(number(row, "fired_at")?),
                    stage: text(row, "stage")?,
                    professional: text(row, "professional")?,
                })
            })
            .collect()
    }
}

fn read_clock(row: &AnyRow) -> Result<ClockRow, StoreError> {
    let damaged = || StoreError::Damaged("clock");
    let fires: Vec<i64> = serde_json::from_str(&text(row, "fires")?).map_err(|_| damaged())?;
    Ok(ClockRow {
        id: text(row, "id")?.parse().map_err(|_| damaged())?,
        exchange: text(row, "exchange_id")?.parse().map_err(|_| damaged())?,
        name: text(row, "name")?,
        owner: party(&text(row, "institution")?, &text(row, "unit")?)?,
        role: role(row, "role")?,
        started_at: Instant::from_unix_ms(number(row, "started_at")?),
        limit: Instant::from_unix_ms(number(row, "limit_at")?),
        fires: fires.into_iter().map(Instant::from_unix_ms).collect(),
        stops: text(row, "stops")?.split_whitespace().map(str::to_owned).collect(),
        stopped_at: instant(row, "stopped_at")?,
    })
}

fn instants(list: &[Instant]) -> String {
    let numbers: Vec<String> = list.iter().map(|at| at.unix_ms().to_string()).collect();
    format!("[{}]", numbers.join(","))
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    STOP_CLOCKS,
    STANDING_ANSWER,
    STOPPED_BY,
    RUN_AGAIN,
    OPEN_AGAIN,
    ADVANCE_CLOCK,
    INSERT_REMINDER,
    DUE_CLOCKS,
    CLOCKS_OF,
    CLOCKS_OWNED,
    REMINDERS_OF,
];

static CLOCKS: Table = Table::new(
    "insert_clock",
    "clock",
    "id, exchange_id, name, institution, unit, started_at, limit_at, fires, next_at, stops, role, written_by",
);

const STOP_CLOCKS: &str = "-- stop_clocks
UPDATE clock SET stopped_at = $1, stopped_by = $2, next_at = NULL, written_by = $3
WHERE exchange_id = $4 AND stops LIKE $5 AND stopped_at IS NULL";

const STANDING_ANSWER: &str = "-- standing_answer
SELECT id FROM exchange WHERE in_reply_to = $1 AND type = $2 AND withdrawn_at IS NULL LIMIT 1";

const STOPPED_BY: &str = "-- stopped_by
SELECT id, fires FROM clock WHERE exchange_id = $1 AND stopped_by = $2";

const RUN_AGAIN: &str = "-- run_again
UPDATE clock SET stopped_at = NULL, stopped_by = NULL, next_at = $1, written_by = $2 WHERE id = $3";

// Ended by no person: by the answer itself.
const OPEN_AGAIN: &str = "-- open_again
UPDATE follow_up SET done_at = NULL, done_by = NULL, written_by = $1 WHERE exchange_id = $2 AND code = $3 AND done_by = ''";

const ADVANCE_CLOCK: &str = "-- advance_clock
UPDATE clock SET fires = $1, next_at = $2, written_by = $3 WHERE id = $4 AND next_at = $5 AND stopped_at IS NULL";

const INSERT_REMINDER: &str = "-- insert_reminder
INSERT INTO reminder (clock_id, due_at, fired_at, stage, professional, institution, unit, role, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const DUE_CLOCKS: &str = "-- due_clocks
SELECT id, exchange_id, name, institution, unit, role, started_at, limit_at, fires, stops, stopped_at FROM clock
WHERE next_at IS NOT NULL AND next_at <= $1 ORDER BY next_at LIMIT 100";

const CLOCKS_OF: &str = "-- clocks_of
SELECT id, exchange_id, name, institution, unit, role, started_at, limit_at, fires, stops, stopped_at FROM clock WHERE exchange_id = $1 ORDER BY limit_at";

const CLOCKS_OWNED: &str = "-- clocks_owned
SELECT id, exchange_id, name, institution, unit, role, started_at, limit_at, fires, stops, stopped_at FROM clock
WHERE institution = $1 AND unit = $2 AND role = $5 AND stopped_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = clock.exchange_id AND (x.institution = $1 OR (x.issuer = $3 AND x.subject = $4)))
ORDER BY limit_at LIMIT 200";

const REMINDERS_OF: &str = "-- reminders_of
SELECT r.clock_id AS clock_id, c.exchange_id AS exchange_id, c.name AS name, r.due_at AS due_at, r.fired_at AS fired_at, r.stage AS stage,
    r.professional AS professional
FROM reminder r JOIN clock c ON c.id = r.clock_id WHERE r.institution = $1 AND r.unit = $2 AND r.role = $5
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = c.exchange_id AND (x.institution = $1 OR (x.issuer = $3 AND x.subject = $4)))
ORDER BY r.fired_at DESC LIMIT 200";
