//! A database that does not answer is gone: nothing waits for it longer than [`PATIENCE`], and a connection that was given up
//! is closed, never used again.

use std::{
    future::Future,
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{
    Any, AnyConnection, AnyPool, Executor,
    any::{AnyArguments, AnyRow},
    pool::PoolConnection,
    query::Query,
};

use super::{StoreError, sync::synced};

/// A statement that is waited for, but not for ever.
pub(super) trait Patiently<T>: Future<Output = Result<T, sqlx::Error>> + Sized + Send {
    /// Gives up after [`PATIENCE`].
    fn patiently(self) -> impl Future<Output = Result<T, sqlx::Error>> + Send {
        async { tokio::time::timeout(PATIENCE, self).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) }
    }
}

impl<T, F: Future<Output = Result<T, sqlx::Error>> + Send> Patiently<T> for F {}

/// All rows of a statement.
pub(super) async fn rows(pool: &AnyPool, statement: &'static str, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>, StoreError> {
    let mut connection = pool.acquire().await.map_err(StoreError::in_statement(statement))?;
    match tokio::time::timeout(PATIENCE, query.fetch_all(&mut *connection)).await {
        Ok(found) => found.map_err(StoreError::in_statement(statement)),
        Err(_) => Err(silent(statement, connection)),
    }
}

/// The row of a statement, if there is one.
pub(super) async fn row(
    pool: &AnyPool,
    statement: &'static str,
    query: Query<'_, Any, AnyArguments>,
) -> Result<Option<AnyRow>, StoreError> {
    let mut connection = pool.acquire().await.map_err(StoreError::in_statement(statement))?;
    match tokio::time::timeout(PATIENCE, query.fetch_optional(&mut *connection)).await {
        Ok(found) => found.map_err(StoreError::in_statement(statement)),
        Err(_) => Err(silent(statement, connection)),
    }
}

fn silent(statement: &'static str, mut connection: PoolConnection<Any>) -> StoreError {
    connection.close_on_drop();
    StoreError::Unavailable(statement, sqlx::Error::PoolTimedOut)
}

/// An open transaction. Unless it was committed its connection is closed, which undoes it: after an error nobody knows in
/// which state it is. (The driver's own transaction believes itself open when a commit failed on the disk, and gives the
/// connection back so, which then serves nobody any more.)
pub(super) struct Turn {
    connection: PoolConnection<Any>,
    committed: bool,
}

impl Turn {
    pub(super) async fn begin(pool: &AnyPool, name: &'static str, begin: &'static str) -> Result<Self, StoreError> {
        let connection = pool.acquire().await.map_err(|e| StoreError::Unavailable(name, e))?;
        let mut turn = Self { connection, committed: false };
        turn.connection.execute(begin).patiently().await.map_err(|e| StoreError::Unavailable(name, e))?;
        Ok(turn)
    }

    /// Durable when it returns, or the end of what only read.
    pub(super) async fn commit(mut self, name: &'static str) -> Result<(), StoreError> {
        synced(self.connection.execute("COMMIT").patiently().await).map_err(|e| StoreError::Unavailable(name, e))?;
        self.committed = true;
        Ok(())
    }
}

impl Deref for Turn {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.committed {
            self.connection.close_on_drop();
        }
    }
}

/// How long a statement or a commit may take: a database that needs longer is gone, and callers are told so. Shorter than the
/// server's own `statement_timeout`: PostgreSQL answers a commit that it stops waiting for as done, though its standby does
/// not have it.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
