//! The FHIR face of the gateway (R4): a hospital deposits Bundles, reads its mailbox as Tasks, and is refused in OperationOutcomes.
//! What is decided, logged and released is what `/v1` decides, logs and releases; only the words are others.

mod search;

use std::sync::Arc;

use adapters::fhir;
use axum::{
    Extension,
    body::Body,
    extract::{FromRequestParts, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use self::search::Search;
use super::{Caller, Edge, Fresh, Segment, Sent, attachments, delivery_id, media::TakesFhir};
use crate::{
    flows::{
        accept::{self, Native, NativeDeposit},
        acknowledge, collect,
    },
    problem::Told,
    refusal::Refusal,
};

/// Deposits one exchange as a Bundle.
#[utoipa::path(post, path = "/fhir", tag = "FHIR",
    params(("Idempotency-Key" = Option<String>, Header, description = "À défaut, Bundle.identifier ou l’identifiant du MessageHeader en tient lieu")),
    request_body(content = Value, content_type = "application/fhir+json", description = "Bundle « message » ou « transaction » d’un seul échange"),
    responses((status = 200, description = "Accepté et gardé : Bundle de réponse, avec le reçu (Binary) et ce qui n’a pas été repris (OperationOutcome)", body = Value, content_type = "application/fhir+json"),
        (status = "default", description = "OperationOutcome", content_type = "application/fhir+json", body = Value)))]
pub(super) async fn deposit(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    base: Base,
    Extension(room): Extension<accept::Room>,
    sent: Sent,
) -> Result<Response, Refusal> {
    let opened = fhir::Opened::of(sent.fhir()?)?;
    let asked = opened.asked();
    let native = Native::Fhir(Box::new(opened));
    let taken = accept::accept_native(&edge.rooms, &caller, NativeDeposit { native, key: sent.header("idempotency-key"), room }).await?;
    let (exchange, place) = (taken.accepted.id.to_string(), format!("/v1/exchanges/{}", taken.accepted.id));
    let accepted = fhir::Accepted { exchange: &exchange, receipt: &taken.accepted.receipt, place: &place, base: &base.0 };
    let mut answer = spoken(fhir::of_accepted(&asked, &accepted, &taken.reported))?;
    answer.headers_mut().extend(HeaderValue::from_str(&place).ok().map(|place| (header::LOCATION, place)));
    Ok(answer)
}

/// The same, at the address as some clients write it.
#[utoipa::path(post, path = "/fhir/", tag = "FHIR", request_body(content = Value, content_type = "application/fhir+json", description = "Comme POST /fhir"),
    responses((status = 200, description = "Comme POST /fhir", body = Value, content_type = "application/fhir+json"),
        (status = "default", description = "OperationOutcome", content_type = "application/fhir+json", body = Value)))]
pub(super) async fn deposit_at_the_slash(
    edge: State<Arc<Edge>>,
    caller: Caller,
    base: Base,
    room: Extension<accept::Room>,
    sent: Sent,
) -> Result<Response, Refusal> {
    deposit(edge, caller, base, room, sent).await
}

/// The same, as the operation of FHIR messaging.
#[utoipa::path(post, path = "/fhir/$process-message", tag = "FHIR", request_body(content = Value, content_type = "application/fhir+json", description = "Comme POST /fhir"),
    responses((status = 200, description = "Comme POST /fhir", body = Value, content_type = "application/fhir+json"),
        (status = "default", description = "OperationOutcome", content_type = "application/fhir+json", body = Value)))]
pub(super) async fn process_message(
    edge: State<Arc<Edge>>,
    caller: Caller,
    base: Base,
    room: Extension<accept::Room>,
    sent: Sent,
) -> Result<Response, Refusal> {
    deposit(edge, caller, base, room, sent).await
}

/// What may be asked.
#[utoipa::path(get, path = "/fhir/metadata", tag = "FHIR", responses((status = 200, description = "CapabilityStatement", body = Value, content_type = "application/fhir+json"),
    (status = "default", description = "OperationOutcome", content_type = "application/fhir+json", body = Value)))]
pub(super) async fn metadata(_: Fresh, _: TakesFhir, base: Base) -> Result<Response, Refusal> {
    spoken(fhir::capability_statement(PUBLISHED, env!("CARGO_PKG_VERSION"), &base.0))
}

/// What waits for a unit, without content, urgent first.
#[utoipa::path(get, path = "/fhir/Task", tag = "FHIR", params(("owner" = Option<String>, Query, description = "Service"), ("status" = Option<String>, Query, description = "requested, received, cancelled"),
    ("_count" = Option<u32>, Query, description = "Taille de page, 200 au plus"), ("_after" = Option<i64>, Query, description = "Curseur, que donne le lien « next »")),
    responses((status = 200, description = "Bundle « searchset » de Task", body = Value, content_type = "application/fhir+json"),
        (status = "default", description = "OperationOutcome", content_type = "application/fhir+json", body = Value)))]
pub(super) async fn tasks(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    _: TakesFhir,
    base: Base,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Refusal> {
    let search = Search::read(query.map_err(|_| Refusal::Malformed("query"))?.0, &caller)?;
    let page = collect::mailbox(&edge.rooms, &caller, &search.ask()).await?;
    spoken(Ok(search.write(&page, &base)?))
}

/// One of them, answered or not.
#[utoipa::path(get, path = "/fhir/Task/{id}", tag = "FHIR", params(("id" = String, Path, description = "Identifiant de la remise")),
    responses((status = 200, description = "Task", body = Value, content_type = "application/fhir+json"),
        (status = "default", description = "OperationOutcome", content_type = "application/fhir+json", body = Value)))]
pub(super) async fn task(State(edge): State<Arc<Edge>>, caller: Caller, _: TakesFhir, Segment(id): Segment) -> Result<Response, Refusal> {
    let notice = collect::notice(&edge.rooms, &caller, delivery_id(&id)?).await?;
    told(&notice)
}

/// Taken in charge (`accepted`), refused or not for us (`rejected`, with the reason).
#[utoipa::path(put, path = "/fhir/Task/{id}", tag = "FHIR", params(("id" = String, Path, description = "Identifiant de la remise")),
    request_body(content = Value, content_type = "application/fhir+json", description = "Le Task, avec son nouvel état et statusReason"),
    responses((status = 200, description = "Task", body = Value, content_type = "application/fhir+json"),
        (status = "default", description = "OperationOutcome", content_type = "application/fhir+json", body = Value)))]
pub(super) async fn answer(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    _: TakesFhir,
    Segment(id): Segment,
    sent: Sent,
) -> Result<Response, Refusal> {
    let fhir::Answer { outcome, reason, read_back } = fhir::read_answer(sent.fhir()?, &id)?;
    let answer = serde_json::from_value(json!({"outcome": outcome, "reason": reason, "read_back": read_back}));
    let answer = answer.map_err(|_| Refusal::Malformed("status"))?;
    acknowledge::acknowledge(&edge.rooms, &caller, delivery_id(&id)?, answer).await?;
    told(&collect::notice(&edge.rooms, &caller, delivery_id(&id)?).await?)
}

/// The content of a delivery as the law lets this professional read it.
#[utoipa::path(get, path = "/fhir/Bundle/{id}", tag = "FHIR", params(("id" = String, Path, description = "Identifiant de la remise")),
    responses((status = 200, description = "Bundle « message », avec ce qui a été retenu et pourquoi", body = Value, content_type = "application/fhir+json"),
        (status = "default", description = "OperationOutcome", content_type = "application/fhir+json", body = Value)))]
pub(super) async fn bundle(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    _: TakesFhir,
    base: Base,
    Segment(id): Segment,
) -> Result<Response, Refusal> {
    opened(&edge, &caller, &base, &id).await
}

/// One file of a delivery, byte for byte: whatever its sender said that it is.
#[utoipa::path(get, path = "/fhir/Binary/{id}", tag = "FHIR", params(("id" = String, Path, description = "Fin de l’adresse que donne le Bundle"),
        ("Range" = Option<String>, Header, description = "bytes=DÉBUT- ou bytes=DÉBUT-FIN")),
    responses((status = 200, description = "La pièce", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "L’intervalle demandé", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", description = "OperationOutcome", content_type = "application/fhir+json", body = Value)))]
pub(super) async fn binary(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (delivery, name) = id.split_once('.').ok_or(Refusal::NotFound)?;
    let leaving = collect::attachment::open(&edge.rooms, &caller, delivery_id(delivery)?, name, attachments::asked(&headers)).await?;
    Ok(attachments::answer(leaving))
}

/// Opens a delivery and writes it as a Bundle.
pub(super) async fn opened(edge: &Edge, caller: &Caller, base: &Base, id: &str) -> Result<Response, Refusal> {
    let delivery = delivery_id(id)?;
    let mut document = collect::open(&edge.rooms, caller, delivery).await?;
    for file in document.get_mut("attachments").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(content) = file.get_mut("content") else { continue };
        let name = content.as_str().and_then(|address| address.rsplit('/').next());
        if let Some(address) = name.map(|name| format!("{}/Binary/{delivery}.{name}", base.0)) {
            *content = json!(address);
        }
    }
    spoken(fhir::write(&document, &[]))
}

/// The address of the FHIR server as the caller reached it, without a slash at its end.
pub(super) struct Base(String);

impl FromRequestParts<Arc<Edge>> for Base {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Edge>) -> Result<Self, Refusal> {
        let host = || parts.headers.get(header::HOST)?.to_str().ok();
        let authority = parts.uri.authority().map(|authority| authority.as_str()).or_else(host);
        // Only what an authority may be: it stands in what we answer.
        let plain = |authority: &&str| authority.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        Ok(Self(authority.filter(plain).map_or_else(|| FACE.to_owned(), |authority| format!("https://{authority}{FACE}"))))
    }
}

/// Says whatever this edge refuses, of which room it may come, as an OperationOutcome.
pub(super) async fn speak(request: Request, next: Next) -> Response {
    let ours = request.uri().path().strip_prefix(FACE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mut response = next.run(request).await;
    // What is not said here is left to who speaks elsewhere.
    let told = if ours { response.extensions_mut().remove::<Told>() } else { None };
    let outcome = told.and_then(|told| fhir::of_problem(&told.0).ok());
    if let Some(outcome) = outcome {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(fhir::MEDIA_TYPE));
        headers.remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(outcome);
    }
    response
}

fn told(notice: &collect::Notice) -> Result<Response, Refusal> {
    let task = fhir::task(&search::notice(notice)?).transpose().ok_or(Refusal::Internal("task"))?;
    spoken(task)
}

/// An answer of this edge.
fn spoken(resource: Result<Vec<u8>, serde_json::Error>) -> Result<Response, Refusal> {
    let resource = resource.map_err(|_| Refusal::Internal("resource"))?;
    Ok(([(header::CONTENT_TYPE, fhir::MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")], resource).into_response())
}

const FACE: &str = "/fhir";
/// When this version of the face was published.
const PUBLISHED: &str = "2026-11-30";
