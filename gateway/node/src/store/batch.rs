//! Group commit for the databases beside the main one: what callers hand in while one transaction syncs is
//! committed together in the next.

use std::{future::Future, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use super::{PATIENCE, StoreError};

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
            while waiting.recv_many(&mut taken, BATCH).await > 0 {
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

/// Items in one commit at most.
const BATCH: usize = 256;
/// Items that may wait.
const QUEUE: usize = 1024;
