//! A page: its frame, its headers, and what stands in it when something was refused.

use askama::Template;
use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde_json::Value;

use super::{asset, session::Person};
use crate::{
    problem,
    refusal::{Fault, Refusal},
    store::StoreError,
};

/// What every page has around its content.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) person: Option<Signed>,
    /// Which entry of the menu it belongs to.
    pub(super) place: &'static str,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
}

/// Who is signed in, as the page shows it.
pub(super) struct Signed {
    pub(super) name: String,
    pub(super) institution: String,
    pub(super) csrf: String,
    /// Whether a mailbox is theirs.
    pub(super) reads: bool,
    /// Whether they answer for the data.
    pub(super) oversees: bool,
    /// Whether they run the gateway.
    pub(super) administers: bool,
    pub(super) idle_seconds: u64,
    pub(super) idle_minutes: u32,
    /// When the session is over however busy, `18 h 30`.
    pub(super) ends: String,
}

impl Frame {
    pub(super) fn new(title: impl Into<String>, place: &'static str, person: &Person) -> Self {
        Self { person: Some(person.shown()), ..Self::outside(title, place) }
    }

    pub(super) fn outside(title: impl Into<String>, place: &'static str) -> Self {
        Self { title: title.into(), person: None, place, style: asset::style(), script: asset::script() }
    }
}

/// A page that is ready.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Somewhere else instead of the page that was asked for.
#[derive(Debug)]
pub(super) enum Turn {
    /// Nobody is signed in here.
    SignIn,
    /// The same, of who thought to send something.
    NothingSent,
    /// Another page says it.
    Elsewhere(&'static str),
    /// The form does not come from a page of this session.
    Forged,
    /// A flow said no.
    Refused(Box<Refusal>),
    /// The provider's word was not taken.
    NotSignedIn(super::oidc::NotSignedIn),
}

impl From<Refusal> for Turn {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<StoreError> for Turn {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused {
    frame: Frame,
    detail: String,
    cure: Option<String>,
    article: Option<String>,
    faults: Vec<String>,
    request: String,
}

impl IntoResponse for Turn {
    fn into_response(self) -> Response {
        let request = problem::REQUEST.try_with(Clone::clone).unwrap_or_default();
        let said = |status, code: &str, title: &str, detail: String, cure: &str| {
            tracing::info!(request.id = %request, code, "a page was refused");
            let cure = Some(cure.to_owned());
            page(
                status,
                &Refused { frame: Frame::outside(title, ""), detail, cure, article: None, faults: Vec::new(), request: request.clone() },
            )
        };
        match self {
            Self::Elsewhere(place) => Redirect::to(place).into_response(),
            Self::SignIn => Redirect::to("/portail/connexion").into_response(),
            Self::NothingSent => said(
                StatusCode::FORBIDDEN,
                "session-over",
                "Rien n’a été envoyé",
                "Votre session était finie. Ce que vous aviez écrit est gardé en brouillon ; les pièces seront à choisir de nouveau."
                    .to_owned(),
                "Identifiez-vous de nouveau : l’accueil montre votre brouillon. En cas de danger immédiat, appelez sans attendre le 17, le 15 ou le 119.",
            ),
            Self::Forged => said(
                StatusCode::FORBIDDEN,
                "forged-form",
                "Formulaire refusé",
                "Ce formulaire ne vient pas d’une page ouverte dans votre session. Rien n’a été enregistré.".to_owned(),
                "Revenez à l’accueil et recommencez. Si cela se répète, prévenez votre administrateur.",
            ),
            Self::NotSignedIn(fault) => said(
                StatusCode::FORBIDDEN,
                fault.code(),
                "Connexion refusée",
                fault.to_string(),
                "Recommencez la connexion. Si cela se répète, prévenez votre administrateur.",
            ),
            Self::Refused(refusal) => {
                let face = refusal.face();
                if face.fault == Fault::Ours {
                    tracing::error!(request.id = %request, code = %face.code, error = %refusal, "a page failed");
                } else {
                    tracing::info!(request.id = %request, code = %face.code, "a page was refused");
                }
                let status = StatusCode::from_u16(face.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let (title, detail, cure) =
                    if status == StatusCode::NOT_FOUND { not_found() } else { (face.title.to_owned(), face.detail, face.cure) };
                let mut faults: Vec<String> = face.errors.iter().map(|fault| fault.detail.clone()).collect();
                faults.extend(
                    face.explanations.iter().map(|one| if one.missing.is_empty() { one.explain.clone() } else { one.missing.clone() }),
                );
                page(status, &Refused { frame: Frame::outside(title, ""), detail, cure, article: face.article, faults, request })
            }
        }
    }
}

/// What the door says to a browser before a page was asked: in a page too. Given to who builds the router.
pub(crate) async fn speak(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let ours = path.strip_prefix("/portail").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let response = next.run(request).await;
    let Some(problem::Told(told)) = response.extensions().get::<problem::Told>().cloned().filter(|_| ours) else { return response };
    let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    let request = text("instance").and_then(|instance| instance.rsplit(':').next().map(str::to_owned)).unwrap_or_default();
    let (title, detail, cure) = match response.status() {
        StatusCode::NOT_FOUND => not_found(),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Le service est très sollicité".to_owned(),
            "Cette page n’a pas pu être servie maintenant. Rien n’est perdu.".to_owned(),
            Some("Revenez en arrière et recommencez dans quelques secondes. En cas de danger immédiat, appelez.".to_owned()),
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "Texte trop long".to_owned(),
            "Ce que vous envoyez dépasse ce qu’un formulaire peut contenir. Rien n’a été enregistré cette fois.".to_owned(),
            Some("Revenez en arrière : votre texte y est encore. Raccourcissez-le, ou joignez-le en pièce.".to_owned()),
        ),
        _ => (text("title").unwrap_or_default(), text("detail").unwrap_or_default(), text("cure")),
    };
    let refused = Refused { frame: Frame::outside(title, ""), detail, cure, article: text("article"), faults: Vec::new(), request };
    let mut answer = page(response.status(), &refused);
    for name in [header::RETRY_AFTER, header::HeaderName::from_static(problem::REQUEST_ID), header::X_CONTENT_TYPE_OPTIONS] {
        if let Some(value) = response.headers().get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    harden(answer).await
}

fn not_found() -> (String, String, Option<String>) {
    let detail = "Cette page n’existe pas, ou elle ne vous est pas destinée.".to_owned();
    ("Page introuvable".to_owned(), detail, Some("Revenez à l’accueil.".to_owned()))
}

/// What every answer of the portal tells a browser: nothing from elsewhere, in no frame, kept nowhere.
pub(super) async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fixed = [
        (header::X_FRAME_OPTIONS, "DENY"),
        // A browser tells a form's origin only under a policy that lets it: `no-referrer` would make it `null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
        (header::HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
