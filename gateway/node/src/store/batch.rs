//! Group commit for the databases beside the main one: what callers hand in while one transaction syncs is
//! committed together in the next.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{StoreError, patience::PATIENCE};

/// Hands items to one committing task; each caller waits for the commit that holds its own.
pub(crate) struct Batcher<T, R> {
    queue: mpsc::Sender<(T, oneshot::Sender<Result<R, StoreError>>)>,
}

impl<T: Send + 'static, R: Send + 'static> Batcher<T, R> {
    /// Starts the committing task. `commit` writes all items or none, and gives one result for each, in order.
    pub(crate) fn start<F, Fut>(commit: F) -> Self
    where
        F: Fn(Arc<Vec<T>>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Vec<R>, StoreError>> + Send,
    {
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            let mut taken: Vec<(T, oneshot::Sender<_>)> = Vec::new();
            let mut pace = Pace::default();
            while pace.next(&mut waiting, &mut taken).await > 0 {
                let (items, replies): (Vec<T>, Vec<_>) = taken.drain(..).unzip();
                let committed = tokio::time::timeout(PATIENCE, commit(Arc::new(items))).await;
                match committed.unwrap_or(Err(StoreError::Unavailable("patience", sqlx::Error::PoolTimedOut))) {
                    Ok(results) => {
                        for (reply, result) in replies.into_iter().zip(results) {
                            let _ = reply.send(Ok(result));
                        }
                    }
                    Err(error) => {
                        tracing::error!(error = %error, "nothing of this batch was committed");
                        for reply in replies {
                            let _ = reply.send(Err(StoreError::Unavailable("batch", sqlx::Error::WorkerCrashed)));
                        }
                    }
                }
            }
        });
        Self { queue }
    }

    /// Hands in one item and waits until it is durable.
    ///
    /// # Errors
    /// The commit failed (nothing was kept), or the store is stopping.
    pub(crate) async fn commit(&self, item: T) -> Result<R, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send((item, reply)).await.map_err(|_| StoreError::Stopping)?;
        answer.await.map_err(|_| StoreError::Stopping)?
    }
}

/// When a commit begins. One that follows closely on another waits a moment for company: a commit costs the same for one
/// and for many. Who comes alone does not wait.
#[derive(Default)]
pub(super) struct Pace {
    last: Option<Instant>,
}

impl Pace {
    /// Takes what waits, once something does: how much it is; 0 when nothing will come any more.
    pub(super) async fn next<T>(&mut self, queue: &mut mpsc::Receiver<T>, taken: &mut Vec<T>) -> usize {
        let first = queue.recv_many(taken, BATCH).await;
        if let (Some(last), 1..BATCH) = (self.last, first) {
            tokio::time::sleep_until(last + APART).await;
            while taken.len() < BATCH
                && let Ok(more) = queue.try_recv()
            {
                taken.push(more);
            }
        }
        self.last = Some(Instant::now());
        taken.len()
    }
}

/// How far commits begin from each other at least.
const APART: Duration = Duration::from_millis(5);
/// Items in one commit at most.
const BATCH: usize = 256;
/// Items that may wait.
const QUEUE: usize = 1024;
