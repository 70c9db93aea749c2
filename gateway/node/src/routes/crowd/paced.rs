//! A body that comes at some pace: whoever sends more slowly than any line does is cut off, and leaves its place to others.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, BodyDataStream, Bytes};
use futures::Stream;
use tokio::time::{Instant, Sleep, sleep};

/// Bytes as they come, while the wait for them is in proportion to them. How long we take to read them does not count.
pub(super) struct Paced {
    body: BodyDataStream,
    /// What may still be waited.
    left: Duration,
    /// A wait under way, and when it began.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// Why a body is not read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum PaceFault {
    #[error("the body broke off")]
    Broken(#[from] axum::Error),
    #[error("the body comes too slowly")]
    TooSlow,
}

impl Paced {
    pub(super) fn body(body: Body) -> Body {
        Body::from_stream(Self { body: body.into_data_stream(), left: PATIENCE, waiting: None })
    }
}

impl Stream for Paced {
    type Item = Result<Bytes, PaceFault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match Pin::new(&mut self.body).poll_next(cx) {
            Poll::Ready(next) => {
                if let Some((since, _)) = self.waiting.take() {
                    self.left = self.left.saturating_sub(since.elapsed());
                }
                if let Some(Ok(bytes)) = &next {
                    let earned = Duration::from_millis(bytes.len() as u64 * 1000 / BYTES_A_SECOND);
                    self.left = (self.left + earned).min(PATIENCE);
                }
                Poll::Ready(next.map(|next| next.map_err(PaceFault::from)))
            }
            Poll::Pending => {
                let left = self.left;
                let (_, over) = self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
                ready!(over.as_mut().poll(cx));
                Poll::Ready(Some(Err(PaceFault::TooSlow)))
            }
        }
    }
}

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(30);
/// The slowest line: a poor one of a village carries four times as much.
const BYTES_A_SECOND: u64 = 4 * 1024;

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;

    /// Bytes read of a sender of so many bytes each so many seconds, and whether all of it came.
    async fn read(bytes: usize, every: u64, many: usize) -> (usize, bool) {
        let pieces = stream::iter(0..many).then(move |_| async move {
            sleep(Duration::from_secs(every)).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![b'a'; bytes]))
        });
        let mut body = Paced::body(Body::from_stream(Box::pin(pieces))).into_data_stream();
        let mut came = 0;
        while let Some(next) = body.next().await {
            match next {
                Ok(bytes) => came += bytes.len(),
                Err(_) => return (came, false),
            }
        }
        (came, true)
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_cut_off_and_a_slow_line_is_not() {
        let begun = Instant::now();
        assert_eq!(read(1, 7, 1000).await, (4, false), "a byte each seven seconds");
        assert!(begun.elapsed() <= Duration::from_secs(31), "{:?}", begun.elapsed());
        assert_eq!(read(0, 60, 1).await, (0, false), "nothing at all");
        assert_eq!(read(16 * 1024, 2, 500).await, (8_192_000, true), "8 kB a second for a quarter of an hour");
        assert!(!read(64 * 1024, 20, 6).await.1, "in bursts that are too far apart");
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_slowness_is_nobody_elses() {
        let pieces = stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"x"))));
        let mut body = Paced::body(Body::from_stream(pieces)).into_data_stream();
        let mut came = 0;
        while let Some(next) = body.next().await {
            came += next.map(|bytes| bytes.len()).unwrap_or_default();
            sleep(Duration::from_secs(60)).await;
        }
        assert_eq!(came, 10);
    }
}
