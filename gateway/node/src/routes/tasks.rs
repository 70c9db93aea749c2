//! Routes of what people owe: tasks and their deferral, and emergency accesses with their register.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use exchange::FollowUpId;
use serde_json::Value;

use super::{Edge, Segment, Sent, delivery_id, exchange_id};
use crate::{
    flows::{Caller, collect::urgence, review, task},
    refusal::Refusal,
};

/// The open tasks of my units and functions: codes, dates, clocks; no content.
#[utoipa::path(get, path = "/v1/follow-ups", tag = "suivis", responses((status = 200, description = "Tâches à accomplir", body = Value),
    (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn list(State(edge): State<Arc<Edge>>, caller: Caller) -> Result<Json<Value>, Refusal> {
    task::list(&edge.rooms, &caller).await.map(Json)
}

/// One task, with what was said of it and what let it wait.
#[utoipa::path(get, path = "/v1/follow-ups/{id}", tag = "suivis", params(("id" = String, Path, description = "Identifiant du suivi")),
    responses((status = 200, description = "Tâche", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn read(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment) -> Result<Response, Refusal> {
    let task = task::read(&edge.rooms, &caller, follow_up_id(&id)?).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(task)).into_response())
}

/// A named professional ends a task and says how.
#[utoipa::path(post, path = "/v1/follow-ups/{id}/done", tag = "suivis", params(("id" = String, Path, description = "Identifiant du suivi")),
    request_body(content = Option<Value>, content_type = "application/json",
        description = "{\"on\": \"2026-11-26\", \"means\": \"…\", \"finding\": \"…\", \"dispense\": \"…\", \"exchange\": \"…\", \"departement\": \"…\", \"words\": \"…\"} ; chacun selon la tâche"),
    responses((status = 204, description = "Fait"), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn done(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment, sent: Sent) -> Result<StatusCode, Refusal> {
    let done = sent.parsed_or_default()?;
    task::finish(&edge.rooms, &caller, follow_up_id(&id)?, done).await.map(|()| StatusCode::NO_CONTENT)
}

/// Lets a task wait: on a legal basis, until a date, by the decision of a head or a magistrate.
#[utoipa::path(post, path = "/v1/follow-ups/{id}/deferral", tag = "suivis", params(("id" = String, Path, description = "Identifiant du suivi")),
    request_body(content = Value, content_type = "application/json", description = "{\"basis\": \"reserve-magistrat\", \"until\": \"2026-12-20T09:00:00Z\", \"words\": \"…\"}"),
    responses((status = 201, description = "Reporté", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn defer(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment, sent: Sent) -> Result<Response, Refusal> {
    let wait = sent.parsed()?;
    let deferred = task::defer(&edge.rooms, &caller, follow_up_id(&id)?, wait).await?;
    Ok((StatusCode::CREATED, Json(deferred)).into_response())
}

/// Reads a delivery of the own institution in an emergency: reason, classes, duration; told at once to those who review it.
#[utoipa::path(post, path = "/v1/mailbox/{delivery}/urgence", tag = "boîte", params(("delivery" = String, Path, description = "Identifiant de la remise")),
    request_body(content = Value, content_type = "application/json", description = "{\"reason\": \"…\", \"classes\": [\"identite\", \"social\"], \"minutes\": 60}"),
    responses((status = 200, description = "Document, limité aux classes demandées", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn urgence_of_delivery(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Segment(id): Segment,
    sent: Sent,
) -> Result<Response, Refusal> {
    urgence(&edge, &caller, urgence::Target::Delivery(delivery_id(&id)?), &sent).await
}

/// The same by the id of the exchange: for a professional of another unit of the recipient, on call at night.
#[utoipa::path(post, path = "/v1/exchanges/{id}/urgence", tag = "boîte", params(("id" = String, Path, description = "Identifiant de l’échange")),
    request_body(content = Value, content_type = "application/json", description = "{\"reason\": \"…\", \"classes\": [\"identite\", \"social\"], \"minutes\": 60}"),
    responses((status = 200, description = "Document, limité aux classes demandées", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn urgence_of_exchange(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Segment(id): Segment,
    sent: Sent,
) -> Result<Response, Refusal> {
    urgence(&edge, &caller, urgence::Target::Exchange(exchange_id(&id)?), &sent).await
}

async fn urgence(edge: &Edge, caller: &Caller, target: urgence::Target, sent: &Sent) -> Result<Response, Refusal> {
    let document = urgence::open(&edge.rooms, caller, target, sent.parsed()?).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(document)).into_response())
}

/// The register of emergency accesses, for the data-protection officer, an auditor or the head of the CRIP.
#[utoipa::path(get, path = "/v1/urgences", tag = "suivis", responses((status = 200, description = "Qui, quand, par quelle règle, revu ou non", body = Value),
    (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn urgences(State(edge): State<Arc<Edge>>, caller: Caller) -> Result<Json<Value>, Refusal> {
    review::register(&edge.rooms, &caller).await.map(Json)
}

fn follow_up_id(text: &str) -> Result<FollowUpId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}
