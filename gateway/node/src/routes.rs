//! The table of contents of the wire: each route, and the flow that tells its story. A handler is two lines.

pub(crate) mod attachments;
mod caller;
mod crowd;
mod fhir;
mod media;
mod open_api;
mod policy_sets;
mod rectification;
mod sent;
mod tasks;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use exchange::{DeliveryId, ExchangeId};
use serde::Deserialize;
use serde_json::{Value, json};

use attachments::Deposited;
use caller::{Fresh, Segment};
use sent::{Sent, header};

pub use caller::Edge;
pub(crate) use caller::HIDDEN_KINDS;

use crate::{
    flows::{Caller, accept, acknowledge, collect, decide, erase, follow, known, reidentify},
    log::{TileId, TileKind},
    refusal::Refusal,
};

/// Everything that members may ask; `pages` are those of the portal, if there is one.
pub fn routes(edge: Arc<Edge>, pages: Option<Router<Arc<Edge>>>, body_bytes: usize) -> Router {
    Router::new()
        .route("/v1/exchanges", post(submit)) // a member hands us an exchange
        .route("/v1/exchanges/{id}", get(timeline).delete(erase_content)) // and asks what became of it
        .route("/v1/exchanges/{id}/evidence", get(evidence)) // with the proof
        .route("/v1/exchanges/{id}/rectification", post(rectification::rectification)) // and corrects, or takes back
        .route("/v1/exchanges/{id}/telephone", post(telephone)) // and says that it called
        .route("/v1/mailbox", get(mailbox)) // a unit asks what waits
        .route("/v1/mailbox/{delivery}", get(open).head(nothing_here)) // a professional reads; opening without reading is nothing
        .route("/v1/mailbox/{delivery}/attachments/{name}", get(attachments::attachment).head(nothing_here)) // with its files
        .route("/v1/mailbox/{delivery}/acknowledgement", post(acknowledgement)) // and answers
        .route("/v1/mailbox/{delivery}/urgence", post(tasks::urgence_of_delivery)) // or reads in an emergency, with a reason
        .route("/v1/exchanges/{id}/urgence", post(tasks::urgence_of_exchange))
        .route("/v1/urgences", get(tasks::urgences)) // and is looked at for it
        .route("/v1/follow-ups", get(tasks::list)) // what is still to be done, and by whom
        .route("/v1/follow-ups/{id}", get(tasks::read))
        .route("/v1/follow-ups/{id}/done", post(tasks::done))
        .route("/v1/follow-ups/{id}/deferral", post(tasks::defer))
        .route("/v1/decisions", post(decision)) // "may I?"
        .route("/v1/policy-sets", get(policy_sets::policy_sets).post(policy_sets::propose_policy_set)) // who changes the rules, and how far it is
        .route("/v1/policy-sets/{set}", get(policy_sets::policy_set))
        .route("/v1/policy-sets/{set}/approvals", post(policy_sets::approve_policy_set)) // two people of two functions
        .route("/v1/policy-sets/{set}/withdrawal", post(policy_sets::withdraw_policy_set)) // or taken back
        .route("/v1/reidentifications", post(reidentification).get(reidentifications)) // who stands behind a pseudonym: asked
        .route("/v1/reidentifications/{id}", get(reidentification_reason))
        .route("/v1/reidentifications/{id}/approvals", post(reidentification_approval)) // approved by two
        .route("/v1/reidentifications/{id}/opening", post(reidentification_opening)) // told once
        .route("/v1/known-questions", post(known_question)) // whom « dossier connu ? » is about
        .route("/v1/known-questions/{question}", get(known_proposal)) // what the asked side may answer
        .route("/v1/tokens/revocations", post(revoke_token))
        .route("/v1/catalogue", get(catalogue))
        .route("/v1/agreements", get(agreements))
        .route("/v1/directory", get(directory))
        .route("/v1/clocks", get(clocks))
        .route("/v1/keys", get(keys))
        .route("/v1/openapi.json", get(open_api::document))
        .route("/fhir", post(fhir::deposit)) // a hospital hands us a Bundle
        .route("/fhir/", post(fhir::deposit_at_the_slash))
        .route("/fhir/$process-message", post(fhir::process_message))
        .route("/fhir/metadata", get(fhir::metadata)) // and asks what may be asked
        .route("/fhir/Task", get(fhir::tasks)) // what waits
        .route("/fhir/Task/{id}", get(fhir::task).put(fhir::answer).head(nothing_here)) // and answers
        .route("/fhir/Bundle/{id}", get(fhir::bundle).head(nothing_here)) // a professional reads
        .route("/fhir/Binary/{id}", get(fhir::binary).head(nothing_here)) // with its files
        .route("/log/checkpoint", get(checkpoint)) // anyone with a certificate may check the log
        .route("/log/tile/{*path}", get(tile))
        .route("/log/proof/{leaf}", get(proof))
        .merge(pages.unwrap_or_default())
        .fallback(nothing_here)
        .method_not_allowed_fallback(nothing_here)
        .layer(DefaultBodyLimit::max(body_bytes))
        .layer(middleware::from_fn_with_state(edge.clone(), crowd::hold_back))
        .layer(middleware::from_fn(fhir::speak))
        .layer(middleware::from_fn(caller::identify_request))
        .with_state(edge)
}

/// Deposits one exchange.
#[utoipa::path(post, path = "/v1/exchanges", tag = "échanges",
    params(("Idempotency-Key" = String, Header, description = "16 à 64 caractères parmi A-Za-z0-9_-, tirés au hasard, gardés pour les répétitions")),
    request_body(content = Value, content_type = "application/json", description = "Enveloppe canonique du type (voir GET /v1/catalogue) ; avec pièces : multipart/related, l’enveloppe d’abord, puis une partie par pièce, dont le Content-ID est l’empreinte SHA-256 ; ou un Bundle FHIR (application/fhir+json), pour les types dont le catalogue dit fhir-bundle"),
    responses((status = 201, description = "Accepté et gardé : id, receipt ; reported : ce qui n’a pas été repris d’un format de partenaire", body = Value), (status = "default", description = "Refus (RFC 9457)", content_type = "application/problem+json", body = Value)))]
async fn submit(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Extension(room): Extension<accept::Room>,
    sent: Deposited,
) -> Result<Response, Refusal> {
    let (accepted, reported) = match sent {
        Deposited::Whole(sent) => {
            let key = sent.header("idempotency-key");
            match sent.native()? {
                None => {
                    let deposit = accept::Deposit { caller: &caller, key, bytes: sent.json()?, attached: &[], beside: &[], room };
                    (accept::accept(&edge.rooms, deposit).await?, Vec::new())
                }
                Some(native) => {
                    let taken = accept::accept_native(&edge.rooms, &caller, accept::NativeDeposit { native, key, room }).await?;
                    (taken.accepted, taken.reported)
                }
            }
        }
        Deposited::InParts { key, parts } => {
            (accept::accept_with_attachments(&edge.rooms, &caller, (key.as_deref(), room), parts?).await?, Vec::new())
        }
    };
    Ok(sent::created(&accepted, &reported))
}

/// What became of an exchange, as the law lets this person see it.
#[utoipa::path(get, path = "/v1/exchanges/{id}", tag = "échanges", params(("id" = String, Path, description = "Identifiant de l’échange")),
    responses((status = 200, description = "Chronologie", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn timeline(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment) -> Result<Json<Value>, Refusal> {
    follow::timeline(&edge.rooms, &caller, exchange_id(&id)?).await.map(Json)
}

/// Erases a content whose time is over: by the data-protection officer of its recipient.
#[utoipa::path(delete, path = "/v1/exchanges/{id}", tag = "échanges", params(("id" = String, Path, description = "Identifiant de l’échange")),
    request_body(content = Value, content_type = "application/json", description = "{\"motive\": \"…\"}"),
    responses((status = 204, description = "Effacé"), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn erase_content(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment, sent: Sent) -> Result<StatusCode, Refusal> {
    let motive: Motive = sent.parsed()?;
    erase::erase(&edge.rooms, &caller, exchange_id(&id)?, &motive.motive).await.map(|()| StatusCode::NO_CONTENT)
}

/// Receipt, leaf, openings, proof and checkpoint: verifiable offline.
#[utoipa::path(get, path = "/v1/exchanges/{id}/evidence", tag = "échanges", params(("id" = String, Path, description = "Identifiant de l’échange")),
    responses((status = 200, description = "Preuve", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn evidence(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment) -> Result<Json<Value>, Refusal> {
    follow::evidence(&edge.rooms, &caller, exchange_id(&id)?).await.map(Json)
}

/// Records a call made because an exchange could not wait for its reader; gives the code to be read back.
#[utoipa::path(post, path = "/v1/exchanges/{id}/telephone", tag = "échanges", params(("id" = String, Path, description = "Identifiant de l’échange")),
    request_body(content = Value, content_type = "application/json", description = "{\"reached\": true}"),
    responses((status = 201, description = "Appel consigné", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn telephone(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment, sent: Sent) -> Result<Response, Refusal> {
    let call = sent.parsed()?;
    let called = acknowledge::telephone(&edge.rooms, &caller, exchange_id(&id)?, call).await?;
    Ok((StatusCode::CREATED, Json(called)).into_response())
}

/// What waits for a unit, without content, urgent first.
#[utoipa::path(get, path = "/v1/mailbox", tag = "boîte", params(("unit" = Option<String>, Query, description = "Service"), ("after" = Option<i64>, Query, description = "Curseur"),
    ("wait" = Option<u64>, Query, description = "Secondes d’attente, 60 au plus"), ("limit" = Option<u32>, Query, description = "Taille de page, 200 au plus")),
    responses((status = 200, description = "Ce qui attend", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn mailbox(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    query: Result<axum::extract::Query<MailboxQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<collect::Page>, Refusal> {
    let query = query.map_err(|_| Refusal::Malformed("query"))?.0;
    let unit = query.unit.map(|unit| unit.parse()).transpose().map_err(|_| Refusal::Malformed("unit"))?;
    let ask = collect::Ask { unit, after: query.after, wait: query.wait, limit: query.limit };
    collect::mailbox(&edge.rooms, &caller, &ask).await.map(Json)
}

/// The content of a delivery as the law lets this professional read it.
#[utoipa::path(get, path = "/v1/mailbox/{delivery}", tag = "boîte", params(("delivery" = String, Path, description = "Identifiant de la remise")),
    responses((status = 200, description = "Document, avec ce qui a été retenu et pourquoi ; un Bundle FHIR si Accept demande application/fhir+json", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn open(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    base: fhir::Base,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if media::asks_for_fhir(&headers) {
        return fhir::opened(&edge, &caller, &base, &id).await;
    }
    let document = collect::open(&edge.rooms, &caller, delivery_id(&id)?).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(document)).into_response())
}

/// Taken in charge, refused, not for us.
#[utoipa::path(post, path = "/v1/mailbox/{delivery}/acknowledgement", tag = "boîte", params(("delivery" = String, Path, description = "Identifiant de la remise")),
    request_body(content = Value, content_type = "application/json", description = "{\"outcome\": \"taken-in-charge|refused|not-for-us\", \"reason\": \"…\", \"read_back\": \"…\"}"),
    responses((status = 204, description = "Consigné"), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn acknowledgement(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment, sent: Sent) -> Result<StatusCode, Refusal> {
    let answer = sent.parsed()?;
    acknowledge::acknowledge(&edge.rooms, &caller, delivery_id(&id)?, answer).await.map(|()| StatusCode::NO_CONTENT)
}

/// "May I?": the decision and its explanation; nothing is sent.
#[utoipa::path(post, path = "/v1/decisions", tag = "décisions", request_body(content = Value, content_type = "application/json", description = "Question : action, type, party, classes…"),
    responses((status = 200, description = "Décision expliquée", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn decision(State(edge): State<Arc<Edge>>, caller: Caller, sent: Sent) -> Result<Json<Value>, Refusal> {
    edge.count_question(&caller)?;
    let question = sent.parsed()?;
    decide::ask(&edge.rooms, &caller, question).await.map(Json)
}

/// Asks who stands behind a pseudonym; two other people must approve within thirty minutes.
#[utoipa::path(post, path = "/v1/reidentifications", tag = "identités", request_body(content = Value, content_type = "application/json",
    description = "{\"pseudonym\", \"recipient\", \"purpose\", \"agreement\"?, \"reason\": \"20 caractères au moins\"}"),
    responses((status = 201, description = "Demande consignée : id, until", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn reidentification(State(edge): State<Arc<Edge>>, caller: Caller, sent: Sent) -> Result<Response, Refusal> {
    edge.count_question(&caller)?;
    let requested = reidentify::request(&edge.rooms, &caller, sent.parsed()?).await?;
    Ok((StatusCode::CREATED, Json(requested)).into_response())
}

/// The requests of the institution, without reasons: for its data-protection officer, its auditors, the heads of its CRIP.
#[utoipa::path(get, path = "/v1/reidentifications", tag = "identités",
    responses((status = 200, description = "Demandes, états, accords", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn reidentifications(State(edge): State<Arc<Edge>>, caller: Caller) -> Result<Json<Value>, Refusal> {
    reidentify::list(&edge.rooms, &caller).await.map(Json)
}

/// One request with its reason, for who may approve it.
#[utoipa::path(get, path = "/v1/reidentifications/{id}", tag = "identités", params(("id" = String, Path, description = "Identifiant de la demande")),
    responses((status = 200, description = "Demande et motif", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn reidentification_reason(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment) -> Result<Response, Refusal> {
    let one = reidentify::reason(&edge.rooms, &caller, exchange_id(&id)?).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(one)).into_response())
}

/// Approves a request of somebody else.
#[utoipa::path(post, path = "/v1/reidentifications/{id}/approvals", tag = "identités", params(("id" = String, Path, description = "Identifiant de la demande")),
    responses((status = 204, description = "Accord consigné"), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn reidentification_approval(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment) -> Result<StatusCode, Refusal> {
    edge.count_question(&caller)?;
    reidentify::approve(&edge.rooms, &caller, exchange_id(&id)?).await.map(|()| StatusCode::NO_CONTENT)
}

/// Who stands behind the pseudonym: told to who asked, once.
#[utoipa::path(post, path = "/v1/reidentifications/{id}/opening", tag = "identités", params(("id" = String, Path, description = "Identifiant de la demande")),
    responses((status = 200, description = "Identité", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn reidentification_opening(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment) -> Result<Response, Refusal> {
    edge.count_question(&caller)?;
    let identity = reidentify::open(&edge.rooms, &caller, exchange_id(&id)?).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(identity)).into_response())
}

/// Says whom a question « dossier connu ? » is about. The answer tells nothing; a person of the asked side answers, or not.
#[utoipa::path(post, path = "/v1/known-questions", tag = "identités", request_body(content = Value, content_type = "application/json",
    description = "{\"question\": \"échange dossier-connu\", \"exchange\": \"échange reçu\"?, \"subject\": \"s1\"?}"),
    responses((status = 204, description = "Consigné"), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn known_question(State(edge): State<Arc<Edge>>, caller: Caller, sent: Sent) -> Result<StatusCode, Refusal> {
    edge.count_question(&caller)?;
    known::ask(&edge.rooms, &caller, sent.parsed()?).await.map(|()| StatusCode::NO_CONTENT)
}

/// What the vault proposes to answer (connu, ambigu, inconnu), for a person of the asked unit, who decides.
#[utoipa::path(get, path = "/v1/known-questions/{question}", tag = "identités", params(("question" = String, Path, description = "Échange de la question")),
    responses((status = 200, description = "Proposition et échanges du service", body = Value), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn known_proposal(State(edge): State<Arc<Edge>>, caller: Caller, Segment(id): Segment) -> Result<Response, Refusal> {
    edge.count_question(&caller)?;
    let proposal = known::proposal(&edge.rooms, &caller, exchange_id(&id)?).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(proposal)).into_response())
}

/// Ends a token before its time: by the institution that issued it.
#[utoipa::path(post, path = "/v1/tokens/revocations", tag = "annuaire", request_body(content = Value, content_type = "application/json", description = "{\"jti\": \"…\"}"),
    responses((status = 204, description = "Révoqué"), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn revoke_token(State(edge): State<Arc<Edge>>, caller: Caller, sent: Sent) -> Result<StatusCode, Refusal> {
    let revocation: Revocation = sent.parsed()?;
    edge.revoke_token(&caller, &revocation.jti).await.map(|()| StatusCode::NO_CONTENT)
}

/// The exchange types in force, with their JSON Schema.
#[utoipa::path(get, path = "/v1/catalogue", tag = "annuaire", responses((status = 200, description = "Types d’échange", body = Value)))]
async fn catalogue(State(edge): State<Arc<Edge>>, _: Fresh) -> Json<Value> {
    Json(caller::catalogue(&edge.rooms))
}

/// The agreements of the register and whether they are in force today.
#[utoipa::path(get, path = "/v1/agreements", tag = "annuaire", responses((status = 200, description = "Protocoles et conventions", body = Value)))]
async fn agreements(State(edge): State<Arc<Edge>>, _: Fresh) -> Json<Value> {
    Json(caller::agreements(&edge.rooms))
}

/// Institutions and units; never foster carers nor places of care.
#[utoipa::path(get, path = "/v1/directory", tag = "annuaire", responses((status = 200, description = "Institutions et services", body = Value)))]
async fn directory(State(edge): State<Arc<Edge>>, _: Fresh) -> Json<Value> {
    Json(caller::directory(&edge.rooms))
}

/// What is due to me.
#[utoipa::path(get, path = "/v1/clocks", tag = "échanges", responses((status = 200, description = "Échéances, rappels, suivis", body = Value)))]
async fn clocks(State(edge): State<Arc<Edge>>, caller: Caller) -> Result<Json<Value>, Refusal> {
    follow::due(&edge.rooms, &caller).await.map(Json)
}

/// Keys that verify receipts (JWKS) and the log.
#[utoipa::path(get, path = "/v1/keys", tag = "annuaire", responses((status = 200, description = "JWKS et clé du journal", body = Value)))]
async fn keys(State(edge): State<Arc<Edge>>, _: Fresh) -> Json<Value> {
    Json(json!({"keys": [edge.rooms.signer.jwk()], "log": {"origin": edge.rooms.origin, "vkey": edge.log_vkey}}))
}

/// The newest signed tree head (C2SP checkpoint).
#[utoipa::path(get, path = "/log/checkpoint", tag = "journal", responses((status = 200, description = "Point de contrôle signé", content_type = "text/plain", body = String)))]
async fn checkpoint(State(edge): State<Arc<Edge>>, _: Fresh) -> Result<Response, Refusal> {
    let (_, note) = edge.rooms.store.latest_checkpoint().await?.ok_or(Refusal::NotFound)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], note).into_response())
}

/// Hash tiles (C2SP tlog-tiles). Entry bundles hold what only parties and auditors may have: not served here.
#[utoipa::path(get, path = "/log/tile/{path}", tag = "journal", params(("path" = String, Path, description = "niveau/index[.p/largeur]")),
    responses((status = 200, description = "Tuile de condensés", content_type = "application/octet-stream", body = Vec<u8>), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn tile(State(edge): State<Arc<Edge>>, _: Fresh, Segment(path): Segment) -> Result<Response, Refusal> {
    let id =
        format!("tile/{path}").parse::<TileId>().ok().filter(|id| matches!(id.kind(), TileKind::Hashes(_))).ok_or(Refusal::NotFound)?;
    let hashes = edge.rooms.tile(&id).await?.ok_or(Refusal::NotFound)?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], hashes).into_response())
}

/// The proof that a leaf stands in the newest checkpoint (C2SP tlog-proof).
#[utoipa::path(get, path = "/log/proof/{leaf}", tag = "journal", params(("leaf" = u64, Path, description = "Index de la feuille")),
    responses((status = 200, description = "Preuve d’inclusion", content_type = "text/plain", body = String), (status = "default", description = "Refus", content_type = "application/problem+json", body = Value)))]
async fn proof(State(edge): State<Arc<Edge>>, _: Fresh, Segment(leaf): Segment) -> Result<String, Refusal> {
    follow::proof(&edge.rooms, leaf.parse().map_err(|_| Refusal::NotFound)?).await
}

async fn nothing_here() -> Refusal {
    Refusal::NotFound
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MailboxQuery {
    unit: Option<String>,
    #[serde(default)]
    after: i64,
    #[serde(default)]
    wait: u64,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Motive {
    motive: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revocation {
    jti: String,
}

fn exchange_id(text: &str) -> Result<ExchangeId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}

fn delivery_id(text: &str) -> Result<DeliveryId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}
