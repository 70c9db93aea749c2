//! The face of a refusal on the wire: RFC 9457 `application/problem+json`, in French, with what would cure it.
//!
//! Logged once, here, with the code and the request's id; never with a body, a name or a text of ours.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use serde_json::{Map, Value, json};

use crate::refusal::{Fault, Refusal};

/// Name of the header that carries the request id, and of `instance`.
pub const REQUEST_ID: &str = "x-request-id";

/// The problem that an answer tells: for an edge that tells it in the words of another format.
#[derive(Clone)]
pub struct Told(pub Arc<Value>);

tokio::task_local! {
    /// Id of the request being answered.
    pub static REQUEST: String;
}

/// Puts the gateway's own faults on the board before they count, so that the first of them is seen.
pub fn count_from_zero() {
    for code in ["overloaded", "unavailable", "record-not-signed", "undecidable", "internal"] {
        metrics::counter!(REFUSALS, "code" => code).increment(0);
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let face = self.face();
        let request = REQUEST.try_with(Clone::clone).unwrap_or_default();
        match face.fault {
            // Counted, not told: a line for each would be a load of its own.
            Fault::Ours if matches!(self, Refusal::Overloaded) => {}
            Fault::Caller => tracing::info!(request.id = %request, code = %face.code, status = face.status, "refused"),
            Fault::Ours => {
                tracing::error!(request.id = %request, code = %face.code, status = face.status, error = %self, "failed");
            }
        }
        metrics::counter!(REFUSALS, "code" => face.code.clone()).increment(1);
        let mut problem = Map::new();
        problem.insert("type".into(), json!(format!("urn:passerelle:problem:{}", face.code)));
        problem.insert("title".into(), json!(face.title));
        problem.insert("status".into(), json!(face.status));
        problem.insert("code".into(), json!(face.code));
        problem.insert("detail".into(), json!(face.detail));
        for (name, value) in [("rule", face.rule), ("article", face.article), ("cure", face.cure)] {
            if let Some(value) = value {
                problem.insert(name.into(), json!(value));
            }
        }
        if !face.errors.is_empty() {
            problem.insert("errors".into(), json!(face.errors));
        }
        if !face.explanations.is_empty() {
            problem.insert("explanations".into(), json!(face.explanations));
        }
        problem.insert("instance".into(), json!(format!("urn:passerelle:request:{request}")));
        let status = StatusCode::from_u16(face.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = Value::Object(problem);
        let mut response = (status, axum::Json(&problem)).into_response();
        response.extensions_mut().insert(Told(Arc::new(problem)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("fr"));
        let retry_after = if let Refusal::TooMany { retry_after } = &self {
            Some(retry_after.as_secs().max(1))
        } else if matches!(self, Refusal::Overloaded) {
            Some(5)
        } else {
            (face.fault == Fault::Ours).then_some(2)
        };
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if face.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"passerelle\""));
        }
        response
    }
}

const REFUSALS: &str = "passerelle_refusals_total";
