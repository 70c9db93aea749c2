//! OpenAPI 3.1 of the wire, made from the handlers themselves, with the JSON Schema of each exchange type in force.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{Edge, Fresh};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Passerelle",
        description = "Échanges d’informations sur les enfants en danger entre institutions. TLS mutuel ; jeton de professionnel en Authorization: Bearer."
    ),
    paths(
        super::submit,
        super::timeline,
        super::erase_content,
        super::evidence,
        super::rectification::rectification,
        super::telephone,
        super::mailbox,
        super::open,
        super::attachments::attachment,
        super::acknowledgement,
        super::tasks::list,
        super::tasks::read,
        super::tasks::done,
        super::tasks::defer,
        super::tasks::urgence_of_delivery,
        super::tasks::urgence_of_exchange,
        super::tasks::urgences,
        super::decision,
        super::policy_sets::policy_sets,
        super::policy_sets::propose_policy_set,
        super::policy_sets::policy_set,
        super::policy_sets::approve_policy_set,
        super::policy_sets::withdraw_policy_set,
        super::reidentification,
        super::reidentifications,
        super::reidentification_reason,
        super::reidentification_approval,
        super::reidentification_opening,
        super::known_question,
        super::known_proposal,
        super::revoke_token,
        super::catalogue,
        super::agreements,
        super::directory,
        super::clocks,
        super::keys,
        super::checkpoint,
        super::tile,
        super::proof,
        super::fhir::deposit,
        super::fhir::deposit_at_the_slash,
        super::fhir::process_message,
        super::fhir::metadata,
        super::fhir::tasks,
        super::fhir::task,
        super::fhir::answer,
        super::fhir::bundle,
        super::fhir::binary,
        document,
    )
)]
struct Api;

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "annuaire", responses((status = 200, description = "OpenAPI 3.1", body = Value)))]
pub(super) async fn document(State(edge): State<Arc<Edge>>, _: Fresh) -> Json<Value> {
    Json(describe(&edge))
}

fn describe(edge: &Edge) -> Value {
    let mut api = serde_json::to_value(Api::openapi()).unwrap_or_default();
    let law = edge.rooms.law.load();
    let schemas: Vec<Value> =
        law.catalogue.types_on(edge.rooms.clock.now()).map(|exchange_type| law.catalogue.json_schema(exchange_type)).collect();
    // An envelope is one of the types in force: the same schemas that GET /v1/catalogue serves.
    if let Some(schema) = api.pointer_mut("/paths/~1v1~1exchanges/post/requestBody/content/application~1json/schema") {
        *schema = json!({"anyOf": schemas});
    }
    api
}
