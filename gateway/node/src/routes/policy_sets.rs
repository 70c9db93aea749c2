//! Routes of who changes the rules: proposing a policy set, approving it, taking it back, looking at it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{Edge, Segment, Sent};
use crate::{
    flows::{Caller, amend},
    refusal::Refusal,
};

/// The set in force, how the folder of the rules stands to it, and the proposals.
#[utoipa::path(get, path = "/v1/policy-sets", tag = "règles",
    responses((status = 200, description = "Jeu en vigueur, état du dossier, propositions", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn policy_sets(State(edge): State<Arc<Edge>>, caller: Caller) -> Result<Json<Value>, Refusal> {
    amend::list(&edge.rooms, &caller).await.map(Json)
}

/// Proposes what the folder of the rules holds now, or an earlier set.
#[utoipa::path(post, path = "/v1/policy-sets", tag = "règles",
    request_body(content = Value, content_type = "application/json", description = "{\"motive\": \"…\", \"set\": \"empreinte d’un jeu antérieur\", \"effective_from\": \"2027-01-01T00:00:00Z\"}"),
    responses((status = 201, description = "Proposé", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn propose_policy_set(State(edge): State<Arc<Edge>>, caller: Caller, sent: Sent) -> Result<Response, Refusal> {
    let proposed = amend::propose(&edge.rooms, &caller, sent.parsed()?).await?;
    Ok((StatusCode::CREATED, Json(proposed)).into_response())
}

/// One set: who proposed and approved it, what it changes, its files.
#[utoipa::path(get, path = "/v1/policy-sets/{set}", tag = "règles", params(("set" = String, Path, description = "Empreinte du jeu, ou son début (8 caractères au moins)")),
    responses((status = 200, description = "Jeu de règles", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn policy_set(State(edge): State<Arc<Edge>>, caller: Caller, Segment(set): Segment) -> Result<Json<Value>, Refusal> {
    amend::show(&edge.rooms, &caller, &set).await.map(Json)
}

/// Approves a proposed set, named by its whole hash; with the second approval it takes force.
#[utoipa::path(post, path = "/v1/policy-sets/{set}/approvals", tag = "règles", params(("set" = String, Path, description = "Empreinte entière du jeu examiné")),
    request_body(content = Value, content_type = "application/json", description = "{\"as\": \"dpo\", \"against\": \"empreinte du jeu en vigueur comparé\"}"),
    responses((status = 200, description = "Approuvé", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn approve_policy_set(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Segment(set): Segment,
    sent: Sent,
) -> Result<Json<Value>, Refusal> {
    let assent = sent.parsed()?;
    amend::approve(&edge.rooms, &caller, &set, &assent).await.map(Json)
}

/// Takes a proposal back before it is in force: its author, or whoever may approve.
#[utoipa::path(post, path = "/v1/policy-sets/{set}/withdrawal", tag = "règles", params(("set" = String, Path, description = "Empreinte entière du jeu proposé")),
    responses((status = 200, description = "Retiré", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn withdraw_policy_set(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Segment(set): Segment,
) -> Result<Json<Value>, Refusal> {
    amend::withdraw(&edge.rooms, &caller, &set).await.map(Json)
}
