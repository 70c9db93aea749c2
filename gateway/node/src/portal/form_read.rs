//! What a form sends: names and values in their order, as they were typed.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{StatusCode, header},
};
use serde::{Deserialize, Serialize};

use super::Portal;
use crate::refusal::Refusal;

/// Names and values. Holds what somebody wrote of a child: no `Debug`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Pairs(Vec<(String, String)>);

/// The body of a request that may be a form.
pub(super) struct Posted {
    body: Result<Bytes, BytesRejection>,
    is_form: bool,
}

impl FromRequest<Arc<Portal>> for Posted {
    type Rejection = Infallible;

    async fn from_request(request: Request, portal: &Arc<Portal>) -> Result<Self, Infallible> {
        let media = request.headers().get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
        let is_form = media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
        Ok(Self { is_form, body: Bytes::from_request(request, portal).await })
    }
}

impl Posted {
    /// The form.
    pub(super) fn words(&self) -> Result<Pairs, Refusal> {
        let body = self.body.as_ref().map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
            _ => Refusal::Malformed("formulaire"),
        })?;
        // Counted before anything is made of them.
        if body.iter().filter(|byte| **byte == b'&').count() > MOST_PAIRS {
            return Err(Refusal::TooLarge);
        }
        if self.is_form { Ok(Pairs::read(body)) } else { Err(Refusal::MediaType) }
    }
}

impl Pairs {
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(told, _)| told == name).map(|(_, value)| value.as_str())
    }

    /// The first value of this name that says something.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.first(name).map(str::trim).filter(|value| !value.is_empty())
    }

    pub(super) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(told, _)| told == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(told, _)| told != name);
        self.0.push((name.to_owned(), value));
    }

    /// Without what belongs to one request alone.
    pub(super) fn into_kept(mut self) -> Self {
        self.0.retain(|(name, _)| !["_csrf", "_action"].contains(&name.as_str()));
        self
    }

    /// How many items of a list are begun, and shown.
    pub(super) fn count(&self, list: &str) -> usize {
        let index = |name: &str| name.strip_prefix(list)?.strip_prefix('/')?.split('/').next()?.parse::<usize>().ok();
        let begun = self.0.iter().filter(|(_, value)| !value.is_empty()).filter_map(|(name, _)| index(name)).max();
        let shown = self.first(&format!("_n:{list}")).and_then(|many| many.parse().ok()).unwrap_or(1);
        begun.map_or(shown, |last| shown.max(last + 1)).clamp(1, MOST)
    }
}

/// Names and values of one form: a long one has three hundred.
const MOST_PAIRS: usize = 2_000;
/// Items of one list that a page shows.
pub(super) const MOST: usize = 30;
