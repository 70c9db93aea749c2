//! Watching: health that is probed, not assumed, and metrics; on a loopback port of their own, open until the drain is over.

pub mod ask;
pub mod lines;
#[cfg(feature = "otel")]
pub mod traces;

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{flows::Rooms, listen::Door, store::Probe};

/// What the local port needs.
pub struct Watch {
    rooms: Arc<Rooms>,
    door: Arc<Door>,
    metrics: PrometheusHandle,
    /// What the last probe found, and when. Held while probing: whoever asks meanwhile is told the same.
    probed: Mutex<Option<(Instant, Result<(), Unready>)>>,
}

/// Why the gateway is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unready {
    /// `draining`, `certificate`, `decision`, `signature` or `commit`.
    what: &'static str,
    /// The fault, in words that name nobody.
    why: String,
}

impl Watch {
    /// The rooms that are probed, the door whose certificate has a last day, and where metrics are read.
    pub fn new(rooms: Arc<Rooms>, door: Arc<Door>, metrics: PrometheusHandle) -> Arc<Self> {
        Arc::new(Self { rooms, door, metrics, probed: Mutex::default() })
    }

    /// Ready means: a commit, a signature and a decision all happen now, and members can connect.
    async fn ready(&self) -> Result<(), Unready> {
        if self.rooms.stopping.is_cancelled() {
            return Err(unready("draining", &"the gateway is stopping"));
        }
        if self.door.certificate_expired() {
            return Err(unready("certificate", &"the gateway's own certificate is past its last instant"));
        }
        let mut probed = self.probed.lock().await;
        if let Some((at, found)) = &*probed
            && at.elapsed() < FRESH
        {
            return found.clone();
        }
        let found = self.probe().await;
        *probed = Some((Instant::now(), found.clone()));
        found
    }

    /// One row is overwritten, whatever the number of probes; nothing goes into the log.
    async fn probe(&self) -> Result<(), Unready> {
        self.rooms.law.load_full().policies.probe().map_err(|e| unready("decision", &e))?;
        self.rooms.signer.probe().map_err(|e| unready("signature", &e))?;
        match timeout(PATIENCE, self.rooms.store.write(Probe(self.rooms.clock.now()))).await {
            Ok(written) => written.map_err(|e| unready("commit", &e)),
            Err(_) => Err(unready("commit", &format_args!("nothing was committed within {} s", PATIENCE.as_secs()))),
        }
    }
}

/// Routes of the local port: never content, never an id of a person or an exchange.
pub fn routes(watch: Arc<Watch>) -> Router {
    Router::new()
        .route("/health/live", get(|| async { Json(json!({"live": true})) }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(|State(watch): State<Arc<Watch>>| async move { watch.metrics.render() }))
        .with_state(watch)
}

async fn ready(State(watch): State<Arc<Watch>>) -> (StatusCode, Json<Value>) {
    match watch.ready().await {
        // A folder that differs from the set in force is somebody's work to do, and no reason to take the gateway away.
        Ok(()) => (StatusCode::OK, Json(json!({"ready": true, "policies": watch.rooms.sets.state().as_str()}))),
        Err(Unready { what, why }) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false, "what": what, "why": why}))),
    }
}

fn unready(what: &'static str, why: &dyn std::fmt::Display) -> Unready {
    Unready { what, why: why.to_string() }
}

/// How long a probe is believed: whoever asks more often costs nothing.
const FRESH: Duration = Duration::from_secs(1);
/// How long a commit may take.
const PATIENCE: Duration = Duration::from_secs(5);
