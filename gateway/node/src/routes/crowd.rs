//! Overload: who is told early to come again, and who never is.
//!
//! Beyond so many requests in progress, whatever is no deposit is told so before its token is looked at. A deposit says what
//! it is about in its body: nothing but its type is looked at ([`accept::Room`](crate::flows::accept::Room)), and only what is
//! not about danger is told to come again. To read and answer what has arrived there is room for as many again: a danger that
//! was handed over and cannot be opened is not much better than one that was not taken.
//!
//! Who sends slowly is not in progress before the body is there, and the bodies of one certificate share a memory of their
//! own: whoever sends many, slowly, waits for itself alone, and its small bodies do not wait for its large ones.

mod paced;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};

use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Edge, attachments};
use paced::Paced;

use crate::{flows::accept::Room, listen::Connection, refusal::Refusal};

/// Who is inside.
pub(super) struct Crowd {
    inside: AtomicUsize,
    at_most: usize,
    /// Bytes of one body, at most.
    body_bytes: usize,
    /// What the bodies of each certificate share.
    shares: Mutex<HashMap<[u8; 32], Weak<Share>>>,
}

/// Places in memory for the bodies of one certificate. Who waits for a large one holds a small one, and never the other way
/// round.
struct Share {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    /// For deposits with files, which are read elsewhere.
    in_parts: Arc<Semaphore>,
}

/// A body in memory, and the places that it takes.
struct Gathered {
    bytes: Vec<u8>,
    _places: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
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

    fn share(&self, certificate: [u8; 32]) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shares.get(&certificate).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            shares.retain(|_, share| share.strong_count() > 0);
            let places = |many| Arc::new(Semaphore::new(many));
            let share = Arc::new(Share { small: places(SMALL_BODIES), large: places(LARGE_BODIES), in_parts: places(IN_PARTS) });
            shares.insert(certificate, Arc::downgrade(&share));
            share
        })
    }

    /// Reads a body as far as there is room for it.
    async fn gather(&self, share: &Share, mut body: Body) -> Result<Gathered, Refusal> {
        let place = async |of: &Arc<Semaphore>| of.clone().acquire_owned().await.map_err(|_| Refusal::Internal("share"));
        let announced = body.size_hint().exact().unwrap_or(0);
        if announced > self.body_bytes as u64 {
            return Err(Refusal::TooLarge);
        }
        let (small, mut large) = (place(&share.small).await?, None);
        let mut bytes = Vec::new();
        if announced > SMALL as u64 {
            large = Some(place(&share.large).await?);
        }
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Refusal::Malformed("body"))?.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > self.body_bytes {
                return Err(Refusal::TooLarge);
            }
            if length > SMALL && large.is_none() {
                large = Some(place(&share.large).await?);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Gathered { bytes, _places: (small, large) })
    }
}

/// A request whose body is in memory, with the places that it takes there. Parts are read as they come, elsewhere.
async fn gathered(crowd: &Crowd, request: Request) -> Result<(Request, impl Sized), Refusal> {
    let peer = request.extensions().get::<Arc<Connection>>().and_then(|connection| connection.peer.as_ref().ok());
    // A stranger is refused before anything is read.
    let Some(certificate) = peer.map(|peer| peer.thumbprint) else { return Ok((request, None)) };
    if request.body().is_end_stream() {
        return Ok((request, None));
    }
    let share = crowd.share(certificate);
    if in_parts(&request) {
        // Whoever holds a place and sends nothing loses it sooner than whoever waits for one gives up.
        let place = tokio::time::timeout(PLACE_WITHIN, share.in_parts.clone().acquire_owned()).await.map_err(|_| Refusal::Overloaded)?;
        let place = place.map_err(|_| Refusal::Internal("share"))?;
        return Ok((request.map(Paced::body), Some((share, (place, None)))));
    }
    let (parts, body) = request.into_parts();
    let Ok(gathered) = tokio::time::timeout(GATHERED_WITHIN, crowd.gather(&share, body)).await else {
        return Err(Refusal::Malformed("body"));
    };
    let Gathered { bytes, _places } = gathered?;
    Ok((Request::from_parts(parts, Body::from(bytes)), Some((share, _places))))
}

/// Whether a request deposits an exchange: what it is about stands in its body.
pub(super) fn deposits(method: &Method, path: &str) -> bool {
    let sends = path == DEPOSITS || BUNDLES.contains(&path) || path.ends_with("/rectification") || path.starts_with(PAGES_THAT_SEND);
    *method == Method::POST && sends
}

/// Whether it is a deposit that comes with files.
fn in_parts(request: &Request) -> bool {
    let path = request.uri().path();
    (path == DEPOSITS || path.starts_with(PAGES_THAT_SEND)) && attachments::boundary(request.headers()).is_some()
}

/// Lets a request in, or tells it to come again.
pub(super) async fn hold_back(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let (mut request, _places) = match gathered(&edge.crowd, request).await {
        Ok(gathered) => gathered,
        Err(refusal) => return refusal.into_response(),
    };
    // A deposit with files lasts as long as its sender is slow: it is bounded by its own places, and is no sign of a crowd.
    if in_parts(&request) {
        let full = edge.crowd.inside.load(Ordering::Relaxed) >= edge.crowd.at_most;
        request.extensions_mut().insert(if full { Room::ForDanger } else { Room::ForAll });
        return next.run(request).await;
    }
    let inside = edge.crowd.inside.fetch_add(1, Ordering::Relaxed);
    metrics::gauge!(IN_PROGRESS).increment(1.0);
    let place = Inside(edge.clone());
    let (path, method) = (request.uri().path(), request.method());
    let arrived = ARRIVED.iter().any(|read| path.starts_with(read));
    let room = if inside < if arrived { edge.crowd.at_most * 2 } else { edge.crowd.at_most } { Room::ForAll } else { Room::ForDanger };
    match room {
        Room::ForDanger if !deposits(method, path) => {
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

/// Bytes of a small body: what is reported without files is hardly ever longer.
const SMALL: usize = 32 * 1024;
/// How many of these one certificate may have in memory.
const SMALL_BODIES: usize = 512;
/// How many larger ones, up to `body_bytes` each.
const LARGE_BODIES: usize = 16;
/// How many deposits with files it may have under way.
const IN_PARTS: usize = 64;
/// How long one may wait for a place among them.
const PLACE_WITHIN: Duration = Duration::from_secs(60);
/// How long a body may take, its wait for a place included: 1 MiB at 9 kB a second.
const GATHERED_WITHIN: Duration = Duration::from_secs(120);
const DEPOSITS: &str = "/v1/exchanges";
/// Where Bundles are deposited.
const BUNDLES: [&str; 3] = ["/fhir", "/fhir/", "/fhir/$process-message"];
/// Where what has arrived is read and answered. A form of the portal that tells of a danger is written on several pages.
const ARRIVED: [&str; 5] = ["/v1/mailbox", "/fhir/Task", "/fhir/Bundle", "/fhir/Binary", "/portail"];
/// The pages of the portal that deposit, with files or without.
const PAGES_THAT_SEND: &str = "/portail/envoi/";
const IN_PROGRESS: &str = "passerelle_requests_in_progress";
const SHED: &str = "passerelle_shed_total";
