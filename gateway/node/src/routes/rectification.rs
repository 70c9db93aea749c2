//! Correcting and withdrawing, by who sent it.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use exchange::{ExchangeId, canonical};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Edge, Segment, Sent, exchange_id};
use crate::{
    flows::{Caller, accept, withdraw},
    refusal::Refusal,
};

/// What the sender does about an exchange.
#[derive(Deserialize)]
#[serde(tag = "nature", rename_all = "lowercase", deny_unknown_fields)]
enum Rectification {
    /// Sends the whole envelope again, as it should have been.
    Correction { envelope: Value },
    /// Takes it back.
    Retrait { motive: String },
}

/// Corrects or withdraws an exchange; everybody who got it is told, and acknowledges that.
#[utoipa::path(post, path = "/v1/exchanges/{id}/rectification", tag = "échanges",
    params(("id" = String, Path, description = "Identifiant de l’échange"),
        ("Idempotency-Key" = Option<String>, Header, description = "Pour une correction, comme pour un dépôt")),
    request_body(content = Value, content_type = "application/json",
        description = "{\"nature\": \"correction\", \"envelope\": {enveloppe entière, corrigée}} ou {\"nature\": \"retrait\", \"motive\": \"…\"}. \
            Une correction avec des pièces se dépose par POST /v1/exchanges, l’enveloppe disant « rectifies »."),
    responses((status = 201, description = "Correction acceptée et gardée : id, receipt", body = Value), (status = 200, description = "Retiré : quand, et qui en est averti", body = Value),
        (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
pub(super) async fn rectification(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Extension(room): Extension<accept::Room>,
    Segment(id): Segment,
    sent: Sent,
) -> Result<Response, Refusal> {
    let id = exchange_id(&id)?;
    match sent.parsed()? {
        Rectification::Retrait { .. } if room == accept::Room::ForDanger => Err(Refusal::Overloaded),
        Rectification::Retrait { motive } => Ok(Json(withdraw::withdraw(&edge.rooms, &caller, id, &motive).await?).into_response()),
        Rectification::Correction { envelope } => {
            let bytes = correcting(envelope, id)?;
            let deposit =
                accept::Deposit { caller: &caller, key: sent.header("idempotency-key"), bytes: &bytes, attached: &[], beside: &[], room };
            let accepted = accept::accept(&edge.rooms, deposit).await?;
            let place = [(header::LOCATION, format!("/v1/exchanges/{}", accepted.id))];
            Ok((StatusCode::CREATED, place, Json(json!({"id": accepted.id, "receipt": accepted.receipt}))).into_response())
        }
    }
}

/// The envelope, saying what it corrects.
fn correcting(envelope: Value, id: ExchangeId) -> Result<Vec<u8>, Refusal> {
    let Value::Object(mut envelope) = envelope else { return Err(Refusal::Malformed("enveloppe")) };
    // The address says what is meant, whatever the envelope says: a form stops no danger.
    envelope.insert("rectifies".into(), json!(id));
    canonical::bytes(&Value::Object(envelope)).map_err(|_| Refusal::Malformed("enveloppe"))
}
