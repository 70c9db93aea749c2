//! Bodies: a request whose body stalls or trickles is ended, and a connection knows whether an answer is still under way.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep_until},
};

/// A request's body that must come at a decent pace: never a pause longer than `pause`, and on the whole not slower
/// than [`SLOWEST`] after that grace.
pub(super) struct Paced<B> {
    body: B,
    pause: Duration,
    progress: Option<Progress>,
}

struct Progress {
    started: Instant,
    received: u64,
    deadline: Pin<Box<Sleep>>,
}

/// The body did not come at a decent pace.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly")]
struct TooSlow;

impl<B> Paced<B> {
    pub(super) fn new(body: B, pause: Duration) -> Self {
        Self { body, pause, progress: None }
    }
}

impl<B> HttpBody for Paced<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = &mut *self;
        let pause = this.pause;
        // The time that a handler takes before it asks for the body is not the sender's.
        let progress = this.progress.get_or_insert_with(|| {
            let started = Instant::now();
            Progress { started, received: 0, deadline: Box::pin(sleep_until(started + pause)) }
        });
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            ready!(progress.deadline.as_mut().poll(cx));
            return Poll::Ready(Some(Err(TooSlow.into())));
        };
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref) {
            progress.received += data.len() as u64;
        }
        let earned = Duration::from_secs(progress.received / SLOWEST);
        let deadline = (Instant::now() + pause).min(progress.started + pause + earned);
        progress.deadline.as_mut().reset(deadline);
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// One request under way on a connection, until its answer has left.
pub(super) struct Busy(Arc<watch::Sender<usize>>);

impl Busy {
    pub(super) fn new(under_way: &Arc<watch::Sender<usize>>) -> Self {
        under_way.send_modify(|count| *count += 1);
        Self(under_way.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Waits until a connection has had nothing under way for `limit`.
pub(super) async fn idle(mut under_way: watch::Receiver<usize>, limit: Duration) {
    loop {
        if under_way.wait_for(|count| *count == 0).await.is_err() {
            return;
        }
        if tokio::time::timeout(limit, under_way.changed()).await.is_err() {
            return;
        }
    }
}

/// An answer's body that keeps its connection busy while it leaves.
pub(super) struct Leaving {
    pub(super) body: Body,
    pub(super) _busy: Busy,
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes per second below which a body is not coming but holding a place.
const SLOWEST: u64 = 1024;

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const PAUSE: Duration = Duration::from_secs(15);

    /// Sends `size` bytes every `every`, `times` times.
    fn sender(size: usize, every: Duration, times: usize) -> Paced<impl HttpBody<Data = Bytes, Error = std::io::Error> + Unpin> {
        let frames = stream::iter(0..times).then(move |_| async move {
            tokio::time::sleep(every).await;
            Ok(Frame::data(Bytes::from(vec![b' '; size])))
        });
        Paced::new(StreamBody::new(Box::pin(frames)), PAUSE)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_or_trickles_is_ended_and_a_slow_one_is_not() {
        assert!(sender(1024, Duration::from_secs(60), 1).collect().await.is_err(), "stalls");
        assert!(sender(1, Duration::from_secs(10), 10).collect().await.is_err(), "trickles");
        let slow = sender(4096, Duration::from_secs(2), 50).collect().await.unwrap();
        assert_eq!(slow.to_bytes().len(), 50 * 4096);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_only_when_nothing_is_under_way() {
        let under_way = Arc::new(watch::Sender::new(0));
        let busy = Busy::new(&under_way);
        let waiting = tokio::spawn(idle(under_way.subscribe(), Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!waiting.is_finished());
        drop(busy);
        waiting.await.unwrap();
    }
}
