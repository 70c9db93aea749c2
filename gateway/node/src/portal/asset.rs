//! Style and script, in memory, under a name that changes with what they say: a browser keeps them for ever.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::source::sha256_base64url;

/// One file.
struct Asset {
    name: String,
    media: &'static str,
    text: &'static str,
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| named("portail", "css", "text/css; charset=utf-8", include_str!("portal.css")));
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| named("portail", "js", "text/javascript; charset=utf-8", include_str!("portal.js")));

/// Name of the style.
pub(super) fn style() -> &'static str {
    &STYLE.name
}

/// Name of the script.
pub(super) fn script() -> &'static str {
    &SCRIPT.name
}

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match [&*STYLE, &*SCRIPT].into_iter().find(|asset| asset.name == name) {
        Some(asset) => ([(header::CONTENT_TYPE, asset.media), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")], asset.text)
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn named(stem: &str, end: &str, media: &'static str, text: &'static str) -> Asset {
    let hash: String = sha256_base64url(text.as_bytes()).chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    Asset { name: format!("{stem}-{hash}.{end}"), media, text }
}
