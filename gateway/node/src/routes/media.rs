//! Which answer a caller takes: `Accept` (RFC 9110, section 12.5.1), as far as there is a choice.

use std::sync::Arc;

use adapters::fhir::MEDIA_TYPE;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use super::Edge;
use crate::refusal::Refusal;

/// A caller to whom an answer in FHIR may be given.
pub(super) struct TakesFhir;

impl FromRequestParts<Arc<Edge>> for TakesFhir {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Edge>) -> Result<Self, Refusal> {
        let any = [MEDIA_TYPE, "application/json", "application/json+fhir", "application/*", "*/*"];
        let wanted = wanted(&parts.headers);
        let takes = wanted.is_empty() || wanted.iter().any(|(media, weight)| any.contains(&media.as_str()) && *weight > 0.0);
        if takes { Ok(Self) } else { Err(Refusal::NotAcceptable) }
    }
}

/// Whether a caller names FHIR, and no other JSON before it.
pub(super) fn asks_for_fhir(headers: &HeaderMap) -> bool {
    let wanted = wanted(headers);
    let weight = |media: &str| wanted.iter().find(|(named, _)| named == media).map_or(0.0, |(_, weight)| *weight);
    let fhir = weight(MEDIA_TYPE);
    fhir > 0.0 && fhir >= weight("application/json")
}

fn wanted(headers: &HeaderMap) -> Vec<(String, f32)> {
    let all = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let one = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        (media, weight)
    };
    all.flat_map(|value| value.split(',')).map(one).filter(|(media, _)| !media.is_empty()).collect()
}
