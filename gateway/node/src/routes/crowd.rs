//! Overload: who is told early to come again, and who never is.
//!
//! Beyond so many requests in progress, whatever is no deposit is told so before its token is looked at. A deposit says what
//! it is about in its body: nothing but its type is looked at ([`accept::Room`](crate::flows::accept::Room)), and only what is
//! not about danger is told to come again. To read and answer what has arrived there is room for as many again: a danger that
//! was handed over and cannot be opened is not much better than one that was not taken.
//!
//! Who sends slowly is not in progress before the body is there, and the bodies of one certificate share a memory of their
//! own: whoever sends many, slowly, waits for itself alone.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    body::{Body, HttpBody, to_bytes},
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};

use http_body_util::LengthLimitError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Edge, attachments};
use crate::{flows::accept::Room, listen::Connection, refusal::Refusal};

/// Who is inside.
#[derive(Debug)]
pub(super) struct Crowd {
    inside: AtomicUsize,
    at_most: usize,
    /// Bytes of one body, at most.
    body_bytes: usize,
    /// KiB that are free for the bodies of each certificate.
    shares: Mutex<HashMap<[u8; 32], Weak<Semaphore>>>,
}

/// One request in progress; leaves when dropped.
struct Inside(Arc<Edge>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.crowd.inside.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!(IN_PROGRESS).decrement(1.0);
    }
}

impl Crowd {
    pub(super) fn new(at_most: usize, body_bytes: usize) -> Self {
        metrics::gauge!(IN_PROGRESS).set(0.0);
        metrics::counter!(SHED, "kind" => "request").increment(0);
        Self { inside: AtomicUsize::new(0), at_most, body_bytes, shares: Mutex::default() }
    }

    /// Memory for a body of one certificate: as soon as its others leave some.
    async fn share(&self, certificate: [u8; 32], bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let share = {
            let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
            let known = shares.get(&certificate).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                shares.retain(|_, share| share.strong_count() > 0);
                let share = Arc::new(Semaphore::new(SHARE_KIB));
                shares.insert(certificate, Arc::downgrade(&share));
                share
            })
        };
        let kib = u32::try_from(bytes.div_ceil(1024).clamp(1, SHARE_KIB)).unwrap_or(1);
        share.acquire_many_owned(kib).await.map_err(|_| Refusal::Internal("share"))
    }
}

/// A request whose body is in memory, with the place that it takes there. Parts are read as they come, elsewhere.
async fn gathered(crowd: &Crowd, request: Request) -> Result<(Request, Option<OwnedSemaphorePermit>), Refusal> {
    let peer = request.extensions().get::<Arc<Connection>>().and_then(|connection| connection.peer.as_ref().ok());
    // A stranger is refused before anything is read.
    let Some(certificate) = peer.map(|peer| peer.thumbprint) else { return Ok((request, None)) };
    if request.body().is_end_stream() || attachments::boundary(request.headers()).is_some() {
        return Ok((request, None));
    }
    let announced = request.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    if announced.is_some_and(|bytes| bytes > crowd.body_bytes) {
        return Err(Refusal::TooLarge);
    }
    let share = crowd.share(certificate, announced.unwrap_or(crowd.body_bytes)).await?;
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, crowd.body_bytes).await.map_err(|error| {
        let too_large = std::error::Error::source(&error).is_some_and(|cause| cause.is::<LengthLimitError>());
        if too_large { Refusal::TooLarge } else { Refusal::Malformed("body") }
    })?;
    Ok((Request::from_parts(parts, Body::from(bytes)), Some(share)))
}

/// Lets a request in, or tells it to come again.
pub(super) async fn hold_back(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let (mut request, _share) = match gathered(&edge.crowd, request).await {
        Ok(gathered) => gathered,
        Err(refusal) => return refusal.into_response(),
    };
    let inside = edge.crowd.inside.fetch_add(1, Ordering::Relaxed);
    metrics::gauge!(IN_PROGRESS).increment(1.0);
    let place = Inside(edge.clone());
    let (path, method) = (request.uri().path(), request.method());
    let arrived = path.starts_with("/v1/mailbox");
    let room = if inside < if arrived { edge.crowd.at_most * 2 } else { edge.crowd.at_most } { Room::ForAll } else { Room::ForDanger };
    match room {
        Room::ForDanger if !(*method == Method::POST && (path == "/v1/exchanges" || path.ends_with("/rectification"))) => {
            metrics::counter!(SHED, "kind" => "request").increment(1);
            Refusal::Overloaded.into_response()
        }
        // Whoever waits at a mailbox costs nothing meanwhile, and those are counted by themselves.
        Room::ForAll if path == "/v1/mailbox" => {
            drop(place);
            next.run(request).await
        }
        Room::ForAll | Room::ForDanger => {
            request.extensions_mut().insert(room);
            let answer = next.run(request).await;
            drop(place);
            answer
        }
    }
}

/// What the bodies of one certificate may take together.
const SHARE_KIB: usize = 16 * 1024;
const IN_PROGRESS: &str = "passerelle_requests_in_progress";
const SHED: &str = "passerelle_shed_total";
