//! What came with a request, and what goes back for a deposit.

use std::{convert::Infallible, sync::Arc};

use adapters::reading::Finding;
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Edge, caller};
use crate::{flows::accept, refusal::Refusal};

/// Headers and body of a request; what is wrong with them is said once the handler asks.
pub(super) struct Sent {
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
}

impl FromRequest<Arc<Edge>> for Sent {
    type Rejection = Infallible;

    async fn from_request(request: Request, edge: &Arc<Edge>) -> Result<Self, Infallible> {
        Ok(Self { headers: request.headers().clone(), body: Bytes::from_request(request, edge).await })
    }
}

/// A header as text; one that is none is a text that nothing accepts.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

impl Sent {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// JSON bytes whose announced digest (RFC 9530) is theirs.
    pub(super) fn json(&self) -> Result<&Bytes, Refusal> {
        self.of(&["application/json"])
    }

    /// The same of a FHIR resource, which some programs call plain JSON.
    pub(super) fn fhir(&self) -> Result<&Bytes, Refusal> {
        self.of(&[adapters::fhir::MEDIA_TYPE, "application/json"])
    }

    /// A deposit in a partner's own format, as far as its type; nothing for our own.
    pub(super) fn native(&self) -> Result<Option<accept::Native>, Refusal> {
        let Some(format) = self.header("content-type").and_then(accept::Format::of) else { return Ok(None) };
        Ok(Some(format.open(self.bytes()?)?))
    }

    fn of(&self, media_types: &[&str]) -> Result<&Bytes, Refusal> {
        // Whoever sent too much hears that first, whatever it was.
        let body = self.whole()?;
        let media = self.header("content-type").unwrap_or("application/json");
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media_types.iter().any(|known| media.eq_ignore_ascii_case(known)) {
            return Err(Refusal::MediaType);
        }
        self.check(body)
    }

    fn bytes(&self) -> Result<&Bytes, Refusal> {
        self.check(self.whole()?)
    }

    fn whole(&self) -> Result<&Bytes, Refusal> {
        self.body.as_ref().map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
            _ => Refusal::Malformed("body"),
        })
    }

    fn check<'b>(&self, body: &'b Bytes) -> Result<&'b Bytes, Refusal> {
        if let Some(announced) = self.header("content-digest") {
            caller::check_digest(announced, body)?;
        }
        Ok(body)
    }

    /// What a body says; nothing when there is none.
    pub(super) fn parsed_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Refusal> {
        if self.body.as_ref().is_ok_and(|body| body.is_empty()) { Ok(T::default()) } else { self.parsed() }
    }

    pub(super) fn parsed<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let value = exchange::canonical::parse(self.json()?)?;
        serde_json::from_value(value).map_err(|_| Refusal::Malformed("body"))
    }
}

/// The answer to a deposit that was accepted.
pub(super) fn created(accepted: &accept::Accepted, reported: &[Finding]) -> Response {
    let mut answer = json!({"id": accepted.id, "receipt": accepted.receipt});
    if let (Value::Object(answer), false) = (&mut answer, reported.is_empty()) {
        let told = |one: &Finding| json!({"place": one.place.to_string(), "code": one.code, "detail": one.detail, "cure": one.cure});
        answer.insert("reported".into(), reported.iter().map(told).collect());
    }
    let place = [(header::LOCATION, format!("/v1/exchanges/{}", accepted.id))];
    (StatusCode::CREATED, place, Json(answer)).into_response()
}
