//! Attachments on the wire: `multipart/related` in, one file out. What a stranger named or typed is harmless here: it is
//! handed out as bytes to be saved, never as something that a browser shows or runs.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Edge, Sent, caller::Segments};
use crate::{
    flows::{
        Caller, accept,
        collect::attachment::{self, Leaving, Part},
    },
    refusal::{AttachmentFault, Refusal},
};

/// One file of a delivery.
#[utoipa::path(get, path = "/v1/mailbox/{delivery}/attachments/{name}", tag = "boîte",
    params(("delivery" = String, Path, description = "Identifiant de la remise"), ("name" = String, Path, description = "Fin de l’adresse que donne `content` dans le document"),
        ("Range" = Option<String>, Header, description = "bytes=DÉBUT- ou bytes=DÉBUT-FIN, pour reprendre un téléchargement")),
    responses((status = 200, description = "La pièce, octet pour octet", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "L’intervalle demandé", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", description = "Refus", content_type = "application/problem+json", body = serde_json::Value)))]
pub(super) async fn attachment(
    State(edge): State<Arc<Edge>>,
    caller: Caller,
    Segments(segments): Segments<2>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let [delivery, name] = segments;
    let leaving = attachment::open(&edge.rooms, &caller, super::delivery_id(&delivery)?, &name, asked(&headers)).await?;
    Ok(answer(leaving))
}

/// A deposit: an envelope, or one that attachments follow.
pub(super) enum Deposited {
    Whole(Sent),
    InParts { key: Option<String>, parts: Result<accept::Parts, AttachmentFault> },
}

impl FromRequest<Arc<Edge>> for Deposited {
    type Rejection = Infallible;

    async fn from_request(request: Request, edge: &Arc<Edge>) -> Result<Self, Infallible> {
        let (parts, body) = request.into_parts();
        match boundary(&parts.headers) {
            None => Sent::from_request(Request::from_parts(parts, body), edge).await.map(Self::Whole),
            Some(boundary) => {
                let key = super::header(&parts.headers, "idempotency-key").map(str::to_owned);
                Ok(Self::InParts { key, parts: boundary.map(|boundary| accept::Parts::new(body, &boundary)) })
            }
        }
    }
}

/// What divides the parts of a `multipart` body; nothing when the body is something else.
pub(crate) fn boundary(headers: &HeaderMap) -> Option<Result<String, AttachmentFault>> {
    let media: mime::Mime = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.parse().ok()?;
    if media.type_() != mime::MULTIPART {
        return None;
    }
    // Whatever the kind of multipart is called: a form stops no danger (invariant 3).
    let boundary = media.get_param(mime::BOUNDARY).map(|boundary| boundary.as_str().to_owned());
    // RFC 2046 section 5.1.1.
    Some(boundary.filter(|boundary| (1..=70).contains(&boundary.len())).ok_or(AttachmentFault::Malformed))
}

/// `bytes=from-` and `bytes=from-to` of the representation that the caller has begun to fetch; anything else is the whole.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Part> {
    let text = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
    let (from, to) = text.split_once('-')?;
    let to = if to.is_empty() { None } else { Some(to.parse().ok()?) };
    let from = from.parse().ok()?;
    to.is_none_or(|to: u64| to >= from).then_some(Part { from, to })
}

/// A file as bytes to be saved, whatever it is.
pub(crate) fn answer(leaving: Leaving) -> Response {
    let (size, bytes) = (leaving.size, leaving.bytes.clone());
    let whole = bytes == (0..size);
    let status = if whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    let mut headers = HeaderMap::new();
    let mut put = |name: header::HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, "application/octet-stream");
    put(header::CONTENT_DISPOSITION, &disposition(leaving.name.as_deref()));
    put(header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    put(header::CACHE_CONTROL, "no-store");
    put(header::ACCEPT_RANGES, "bytes");
    put(header::ETAG, &format!("\"{}\"", leaving.sha256));
    put(header::CONTENT_LENGTH, &(bytes.end - bytes.start).to_string());
    if !whole {
        put(header::CONTENT_RANGE, &format!("bytes {}-{}/{size}", bytes.start, bytes.end.saturating_sub(1)));
    }
    (status, headers, Body::from_stream(leaving.stream())).into_response()
}

/// `attachment` with the name as far as any system can bear it (RFC 6266, RFC 8187).
fn disposition(name: Option<&str>) -> String {
    let name: String = name.unwrap_or_default().chars().map(|c| if c.is_alphanumeric() || " .-_".contains(c) { c } else { '_' }).collect();
    let name: String = name.trim_matches([' ', '.']).chars().take(NAME).collect();
    let name = if name.is_empty() { "piece" } else { &name };
    let ascii: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let encoded: String =
        name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// Characters of a file name.
const NAME: usize = 120;
