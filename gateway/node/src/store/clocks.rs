//! Legal clocks: what runs, what fires now, what was told to whom. A reminder fires once, whatever restarts.

use exchange::{ClockId, ExchangeId, Instant, Party, ProfessionalId};
use futures::future::BoxFuture;
use sqlx::any::AnyRow;

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    columns::{instant, number, party, text, unit_text},
};

/// A clock that an acceptance starts.
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
    /// The event itself.
    pub started_at: Instant,
    /// The legal limit.
    pub limit: Instant,
    /// Instants still to fire, ascending.
    pub fires: Vec<Instant>,
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

impl NewClock {
    pub(crate) async fn insert(&self, tx: &mut Tx, exchange: ExchangeId, name: &'static str) -> Result<(), StoreError> {
        let one = sqlx::query(INSERT_CLOCK)
            .bind(self.id.to_string())
            .bind(exchange.to_string())
            .bind(&self.name)
            .bind(self.owner.institution.as_str())
            .bind(unit_text(&self.owner))
            .bind(self.started_at.unix_ms())
            .bind(self.limit.unix_ms())
            .bind(instants(&self.fires))
            .bind(self.fires.first().map(|at| at.unix_ms()))
            .bind(self.stops.join(" "))
            .bind(name);
        tx.one("insert_clock", one).await
    }
}

/// Stops the clocks of an exchange that wait for `event`; `*` stops all.
pub(crate) async fn stop(tx: &mut Tx, exchange: ExchangeId, event: &str, at: Instant, name: &'static str) -> Result<(), StoreError> {
    let pattern = if event == "*" { "%".to_owned() } else { format!("% {event} %") };
    sqlx::query(STOP_CLOCKS)
        .bind(at.unix_ms())
        .bind(event)
        .bind(name)
        .bind(exchange.to_string())
        .bind(pattern)
        .execute(tx.connection())
        .await
        .map_err(StoreError::in_statement("stop_clocks"))?;
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
    /// Who is told: (stage, opaque subject or empty, unit).
    pub told: Vec<(&'static str, String, Party)>,
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
            for (stage, professional, unit) in &self.told {
                let one = sqlx::query(INSERT_REMINDER)
                    .bind(self.id.to_string())
                    .bind(self.told_at.unix_ms())
                    .bind(self.now.unix_ms())
                    .bind(*stage)
                    .bind(professional)
                    .bind(unit.institution.as_str())
                    .bind(unit_text(unit))
                    .bind(Self::NAME);
                tx.one("insert_reminder", one).await?;
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

    /// What is due to one unit, soonest first, 200 at most, less what is sealed from `reader`.
    pub async fn clocks_owned(&self, owner: &Party, reader: &ProfessionalId) -> Result<Vec<ClockRow>, StoreError> {
        let query =
            sqlx::query(CLOCKS_OWNED).bind(owner.institution.as_str()).bind(unit_text(owner)).bind(&reader.issuer).bind(&reader.subject);
        let rows = self.rows("clocks_owned", query).await?;
        rows.iter().map(read_clock).collect()
    }

    /// What was told to one unit, newest first, 200 at most, less what is sealed from `reader`.
    pub async fn reminders_of(&self, owner: &Party, reader: &ProfessionalId) -> Result<Vec<ReminderRow>, StoreError> {
        let query =
            sqlx::query(REMINDERS_OF).bind(owner.institution.as_str()).bind(unit_text(owner)).bind(&reader.issuer).bind(&reader.subject);
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
        started_at: Instant::from_unix_ms(number(row, "started_at")?),
        limit: Instant::from_unix_ms(number(row, "limit_at")?),
        fires: fires.into_iter().map(Instant::from_unix_ms).collect(),
        stopped_at: instant(row, "stopped_at")?,
    })
}

fn instants(list: &[Instant]) -> String {
    let numbers: Vec<String> = list.iter().map(|at| at.unix_ms().to_string()).collect();
    format!("[{}]", numbers.join(","))
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[INSERT_CLOCK, STOP_CLOCKS, ADVANCE_CLOCK, INSERT_REMINDER, DUE_CLOCKS, CLOCKS_OF, CLOCKS_OWNED, REMINDERS_OF];

const INSERT_CLOCK: &str = "-- insert_clock
INSERT INTO clock (id, exchange_id, name, institution, unit, started_at, limit_at, fires, next_at, stops, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, ' ' || $10 || ' ', $11)";

const STOP_CLOCKS: &str = "-- stop_clocks
UPDATE clock SET stopped_at = $1, stopped_by = $2, next_at = NULL, written_by = $3
WHERE exchange_id = $4 AND stops LIKE $5 AND stopped_at IS NULL";

const ADVANCE_CLOCK: &str = "-- advance_clock
UPDATE clock SET fires = $1, next_at = $2, written_by = $3 WHERE id = $4 AND next_at = $5 AND stopped_at IS NULL";

const INSERT_REMINDER: &str = "-- insert_reminder
INSERT INTO reminder (clock_id, due_at, fired_at, stage, professional, institution, unit, written_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const DUE_CLOCKS: &str = "-- due_clocks
SELECT id, exchange_id, name, institution, unit, started_at, limit_at, fires, stopped_at FROM clock
WHERE next_at IS NOT NULL AND next_at <= $1 ORDER BY next_at LIMIT 100";

const CLOCKS_OF: &str = "-- clocks_of
SELECT id, exchange_id, name, institution, unit, started_at, limit_at, fires, stopped_at FROM clock WHERE exchange_id = $1 ORDER BY limit_at";

const CLOCKS_OWNED: &str = "-- clocks_owned
SELECT id, exchange_id, name, institution, unit, started_at, limit_at, fires, stopped_at FROM clock
WHERE institution = $1 AND unit = $2 AND stopped_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = clock.exchange_id AND (x.institution = $1 OR (x.issuer = $3 AND x.subject = $4)))
ORDER BY limit_at LIMIT 200";

const REMINDERS_OF: &str = "-- reminders_of
SELECT r.clock_id AS clock_id, c.exchange_id AS exchange_id, c.name AS name, r.due_at AS due_at, r.fired_at AS fired_at, r.stage AS stage,
    r.professional AS professional
FROM reminder r JOIN clock c ON c.id = r.clock_id WHERE r.institution = $1 AND r.unit = $2
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = c.exchange_id AND (x.institution = $1 OR (x.issuer = $3 AND x.subject = $4)))
ORDER BY r.fired_at DESC LIMIT 200";
