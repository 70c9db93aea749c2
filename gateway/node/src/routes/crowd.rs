//! Overload: who is told early to come again, and who never is.
//!
//! Beyond so many requests in progress, whatever is no deposit is told so before its token is looked at or its body read. A
//! deposit says what it is about in its body: that is read, nothing but its type is looked at
//! ([`accept::Room`](crate::flows::accept::Room)), and only what is not about danger is told to come again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::Edge;
use crate::{flows::accept::Room, refusal::Refusal};

/// Who is inside.
#[derive(Debug)]
pub(super) struct Crowd {
    inside: AtomicUsize,
    at_most: usize,
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
    pub(super) fn new(at_most: usize) -> Self {
        metrics::gauge!(IN_PROGRESS).set(0.0);
        metrics::counter!(SHED, "kind" => "request").increment(0);
        Self { inside: AtomicUsize::new(0), at_most }
    }
}

/// Lets a request in, or tells it to come again.
pub(super) async fn hold_back(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let inside = edge.crowd.inside.fetch_add(1, Ordering::Relaxed);
    metrics::gauge!(IN_PROGRESS).increment(1.0);
    let place = Inside(edge.clone());
    let room = if inside < edge.crowd.at_most { Room::ForAll } else { Room::ForDanger };
    let (path, method) = (request.uri().path(), request.method());
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

const IN_PROGRESS: &str = "passerelle_requests_in_progress";
const SHED: &str = "passerelle_shed_total";
