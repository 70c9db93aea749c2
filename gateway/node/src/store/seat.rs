//! A seat: the right to do what one replica alone does. It is a session of PostgreSQL and ends with it, so that no clock is
//! asked who holds it and a process that dies gives it up at once. A SQLite file has one gateway, which has the seat.
//!
//! A seat keeps two from working for nothing; that nothing is done twice, the rows themselves see to.

use sqlx::{AnyConnection, AnyPool, Connection, Executor, Row};

use super::{
    StoreError,
    dialect::{self, Dialect, Part},
    patience::Patiently,
};

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
        let answer = sqlx::query(TAKE_NOTARY_SEAT).fetch_one(&mut *connection).patiently().await;
        match answer.and_then(|row| row.try_get("taken")) {
            // Taken out of the pool: the lock belongs to the session.
            Ok(true) => Ok(Some(Self(Some(connection.detach())))),
            Ok(false) => Ok(None),
            // It may have been given all the same: in the pool, it would be held for ever by a session that nobody asks.
            Err(error) => {
                connection.close_on_drop();
                Err(failed(error))
            }
        }
    }

    /// The seat of the notary, taken before the database at `url` is opened for work: no gateway serves from it, wherever.
    ///
    /// # Errors
    /// [`StoreError::Running`] when one does; [`StoreError::Unavailable`].
    pub async fn alone(url: &str) -> Result<Self, StoreError> {
        let dialect = Dialect::of(url, Part::Gateway);
        if dialect == Dialect::Sqlite {
            return Ok(Self(None));
        }
        let pool = dialect::pool(url, Part::Gateway, 1).await?;
        let seat = Self::of_notary(&pool, dialect).await;
        pool.close().await;
        seat?.ok_or(StoreError::Running)
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

#[cfg(test)]
mod tests {
    use super::{super::ground::Ground, *};

    #[tokio::test]
    async fn a_seat_that_was_given_without_an_answer_is_free_again() {
        let url = Ground::postgres().url(Part::Gateway);
        let pool = dialect::pool(&url, Part::Gateway, 1).await.unwrap();
        // A server whose answer is lost: the lock is taken, and nobody is told.
        let mute = "CREATE SCHEMA mute; CREATE FUNCTION mute.pg_try_advisory_lock(integer, integer) RETURNS boolean LANGUAGE sql
            AS 'SELECT NULLIF(pg_catalog.pg_try_advisory_lock($1, $2), true)'; SET search_path TO mute, pg_catalog";
        pool.execute(mute).await.unwrap();
        assert!(Seat::of_notary(&pool, Dialect::Postgres(Part::Gateway)).await.is_err());
        for _ in 0..100 {
            if let Ok(seat) = Seat::alone(&url).await {
                return seat.leave().await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("a session of the pool has the seat");
    }
}
