//! Watching: health that is probed, not assumed, and metrics; on a loopback port of their own.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};

use crate::{flows::Rooms, listen::Door, store::Probe};

/// What the local port needs.
#[derive(Clone)]
pub struct Watch {
    /// The rooms that are probed.
    pub rooms: Arc<Rooms>,
    /// The door, whose certificate has a last day.
    pub door: Arc<Door>,
    /// Where metrics are read.
    pub metrics: PrometheusHandle,
}

/// Routes of the local port: never content, never an id of a person or an exchange.
pub fn routes(watch: Watch) -> Router {
    Router::new()
        .route("/health/live", get(|| async { Json(json!({"live": true})) }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(|State(watch): State<Watch>| async move { watch.metrics.render() }))
        .with_state(watch)
}

/// Ready means: a commit, a signature and a decision all happen now, and members can connect.
async fn ready(State(watch): State<Watch>) -> (StatusCode, Json<Value>) {
    let probe = tokio::time::timeout(Duration::from_secs(5), probe(&watch.rooms)).await;
    match probe {
        Ok(Ok(())) if watch.door.certificate_expired() => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false, "what": "certificate"})))
        }
        // A folder that differs from the set in force is somebody's work to do, and no reason to take the gateway away.
        Ok(Ok(())) => (StatusCode::OK, Json(json!({"ready": true, "policies": watch.rooms.sets.state().as_str()}))),
        Ok(Err(what)) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false, "what": what}))),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false, "what": "timeout"}))),
    }
}

async fn probe(rooms: &Rooms) -> Result<(), &'static str> {
    rooms.law.load_full().policies.probe().map_err(|_| "decision")?;
    rooms.signer.probe().map_err(|_| "signature")?;
    rooms.store.write(Probe(rooms.clock.now())).await.map_err(|_| "commit")
}
