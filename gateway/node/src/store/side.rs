//! What the databases beside the main one share: how they open, to whom they belong, how their log stays short.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sqlx::{
    Any, AnyPool,
    any::{AnyArguments, AnyRow},
    query::Query,
};
use tokio::sync::watch;

use super::{
    StoreError,
    batch::Batcher,
    columns::text,
    dialect::{self, Dialect, Part},
    exactly_one,
    patience::{self, Patiently, Turn},
    schema, sync, writer,
};
use crate::seal::KeyStore;

/// A database beside the main one.
#[derive(Clone)]
pub(super) struct Side {
    pub(super) pool: AnyPool,
    pen: AnyPool,
    dialect: Dialect,
    footing: sync::Footing,
    written: watch::Sender<u64>,
    /// Something was deleted and is not overwritten yet: somebody reads.
    unwritten: Arc<AtomicBool>,
}

impl Side {
    /// Opens, migrates, and refuses a database that another key store wrote.
    pub(super) async fn open(url: &str, part: Part, keystore: &KeyStore) -> Result<Self, StoreError> {
        let pool = dialect::pool(url, part, 4).await?;
        let settled = sync::settled(&pool, Dialect::of(url, part)).await?;
        let unwritten = Arc::new(AtomicBool::new(!settled));
        schema::migrate(&pool, url, part).await?;
        let (written, commits) = watch::channel(0);
        let pen = dialect::pen(url, part).await?;
        let side = Self { pool, pen, dialect: Dialect::of(url, part), footing: sync::Footing::of(url)?, written, unwritten };
        let mut tx = side.begin("bind_keystore").await?;
        sqlx::query(BIND_KEYSTORE)
            .bind(keystore.fingerprint())
            .bind("bind_keystore")
            .execute(&mut *tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("bind_keystore"))?;
        let bound =
            sqlx::query(BOUND_KEYSTORE).fetch_one(&mut *tx).patiently().await.map_err(StoreError::in_statement("bound_keystore"))?;
        let bound = text(&bound, "fingerprint")?;
        if bound != keystore.fingerprint() {
            return Err(StoreError::ForeignKeys(part.as_str(), bound));
        }
        side.commit("bind_keystore", tx).await?;
        tokio::spawn(writer::keep_log_short(side.pool.clone(), side.dialect, commits, side.unwritten.clone()));
        Ok(side)
    }

    /// Begins a transaction that will write; dropped without [`Side::commit`], it changes nothing.
    pub(super) async fn begin(&self, name: &'static str) -> Result<Turn, StoreError> {
        Turn::begin(&self.pen, name, self.dialect.begin_write()).await
    }

    /// Begins a transaction that only reads: what it sees does not move.
    pub(super) async fn reading(&self, name: &'static str) -> Result<Turn, StoreError> {
        Turn::begin(&self.pool, name, self.dialect.begin_read()).await
    }

    /// All rows of a statement.
    pub(super) async fn rows(&self, statement: &'static str, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>, StoreError> {
        patience::rows(&self.pool, statement, query).await
    }

    /// The row of a statement, if there is one.
    pub(super) async fn row(&self, statement: &'static str, query: Query<'_, Any, AnyArguments>) -> Result<Option<AnyRow>, StoreError> {
        patience::row(&self.pool, statement, query).await
    }

    /// Closes the database.
    pub(super) async fn close(&self) {
        self.pen.close().await;
        self.pool.close().await;
    }

    /// What was deleted is gone from the tables, not only out of sight; soon, when somebody reads all the time: a backup has it
    /// in its copy anyway, and who deposits must not wait for it. After a crash the next start does it.
    pub(super) async fn overwrite(&self) -> Result<(), StoreError> {
        if !self.dialect.overwrite(&self.pool).await? {
            self.unwritten.store(true, Ordering::Relaxed);
            tracing::warn!("what was erased is overwritten on the disk as soon as nobody reads the database any more: a backup?");
        }
        Ok(())
    }

    /// Makes a transaction durable.
    pub(super) async fn commit(&self, name: &'static str, tx: Turn) -> Result<(), StoreError> {
        tx.commit(name).await?;
        self.footing.stands().await?;
        self.written.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Starts a group commit on this database.
    pub(super) fn batcher<T, R, F, Fut>(&self, commit: F) -> Batcher<T, R>
    where
        T: Send + Sync + 'static,
        R: Send + 'static,
        F: Fn(Self, std::sync::Arc<Vec<T>>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Vec<R>, StoreError>> + Send + 'static,
    {
        let side = self.clone();
        Batcher::start(move |items| commit(side.clone(), items))
    }
}

/// A statement that must touch one row, on an open transaction.
pub(super) async fn touch_one(statement: &'static str, query: Query<'_, Any, AnyArguments>, tx: &mut Turn) -> Result<(), StoreError> {
    let done = query.execute(&mut **tx).patiently().await.map_err(StoreError::in_statement(statement))?;
    exactly_one(statement, done.rows_affected())
}

const BIND_KEYSTORE: &str = "-- bind_keystore
INSERT INTO keystore (id, fingerprint, written_by) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING";

const BOUND_KEYSTORE: &str = "-- bound_keystore
SELECT fingerprint FROM keystore WHERE id = 1";
