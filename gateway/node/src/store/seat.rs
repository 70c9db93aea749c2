//! A seat: the right to do what one replica alone does. It is a session of PostgreSQL and ends with it, so that no clock is
//! asked who holds it and a process that dies gives it up at once. A SQLite file has one gateway, which has the seat.
//!
//! A seat keeps two from working for nothing; that nothing is done twice, the rows themselves see to.

use sqlx::{AnyConnection, AnyPool, Connection, Executor, Row};

use super::{StoreError, dialect::Dialect, patience::Patiently};

/// Held until it is dropped, or the session ends.
pub struct Seat(Option<AnyConnection>);

impl Seat {
    /// The seat of the notary, if nobody has it.
    pub(super) async fn of_notary(pool: &AnyPool, dialect: Dialect) -> Result<Option<Self>, StoreError> {
        if dialect == Dialect::Sqlite {
            return Ok(Some(Self(None)));
        }
        let failed = |e| StoreError::Unavailable("notary_seat", e);
        let mut connection = pool.acquire().await.map_err(failed)?;
        let row = sqlx::query(TAKE_NOTARY_SEAT).fetch_one(&mut *connection).patiently().await.map_err(failed)?;
        let taken: bool = row.try_get("taken").map_err(failed)?;
        // Taken out of the pool: the lock belongs to the session.
        Ok(taken.then(|| Self(Some(connection.detach()))))
    }

    /// Whether the session still lives.
    pub async fn held(&mut self) -> bool {
        match &mut self.0 {
            None => true,
            Some(session) => session.execute("SELECT 1").patiently().await.is_ok(),
        }
    }

    /// Gives the seat up: another has it at once.
    pub async fn leave(self) {
        if let Some(mut session) = self.0 {
            let _ = session.execute("SELECT pg_advisory_unlock_all()").patiently().await;
            let _ = session.close().patiently().await;
        }
    }
}

const TAKE_NOTARY_SEAT: &str = "-- notary_seat
SELECT pg_try_advisory_lock(1346458451, 4) AS taken";
