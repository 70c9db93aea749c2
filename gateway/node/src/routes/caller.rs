//! Who is asking: from a connection and two headers to a [`Caller`], at each request anew.
//!
//! A connection may outlive a revocation, a directory entry or a token; nothing of an earlier request is believed.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path, Request},
    http::{HeaderValue, header, request::Parts},
    middleware::Next,
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use exchange::ProfessionalId;
use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock as _, DefaultClock},
};
use ring::digest;
use serde_json::{Value, json};
use tracing::Instrument;
use uuid::Uuid;

use super::crowd::{self, Crowd};
use crate::{
    agreements::InForce,
    config::Limits,
    directory::{Institution, day::day_in_france},
    flows::{Author, Caller, Law, Rooms},
    listen::{Connection, Door, Peer, Standing},
    log::Event,
    problem,
    refusal::{CertificateFault, Refusal, TokenFault},
    store::tokens::RevokeToken,
    token::{Expect, TokenVerifier},
};

/// What the edge holds beside the rooms.
pub struct Edge {
    /// The rooms.
    pub rooms: Arc<Rooms>,
    /// Public key of the log, in C2SP form.
    pub log_vkey: String,
    pub(super) crowd: Crowd,
    door: Arc<Door>,
    tokens: TokenVerifier,
    /// Questions of one professional: the rules are not to be probed by the thousand.
    questions: DefaultKeyedRateLimiter<ProfessionalId>,
    audience: String,
}

/// Who is at the other end of a connection.
struct Member<'a> {
    institution: &'a Institution,
    peer: &'a Peer,
    stale: bool,
}

impl Edge {
    /// The edge of one gateway.
    pub fn new(rooms: Arc<Rooms>, door: Arc<Door>, tokens: TokenVerifier, log_vkey: String, limits: &Limits) -> Self {
        let audience = format!("urn:passerelle:gateway:{}", rooms.gateway);
        let questions = DefaultKeyedRateLimiter::keyed(Quota::per_minute(limits.questions_per_minute));
        Self { rooms, log_vkey, crowd: Crowd::new(limits.requests_in_progress, limits.body_bytes), door, tokens, questions, audience }
    }

    /// Counts one question ("may I?") of the caller's professional.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] beyond the limit.
    pub fn count_question(&self, caller: &Caller) -> Result<(), Refusal> {
        let Author::Professional(id) = &caller.author else { return Ok(()) };
        if self.questions.len() > REMEMBERED {
            self.questions.retain_recent();
        }
        self.questions.check_key(id).map_err(|until| Refusal::TooMany { retry_after: until.wait_time_from(DefaultClock::default().now()) })
    }

    /// Ends a token of the caller's own institution.
    ///
    /// # Errors
    /// The institution issues no tokens, or the revocation could not be kept.
    pub async fn revoke_token(&self, caller: &Caller, jti: &str) -> Result<(), Refusal> {
        if caller.stale {
            return Err(Refusal::Certificate(CertificateFault::StaleRevocation));
        }
        if !(8..=64).contains(&jti.len()) {
            return Err(Refusal::Malformed("jti"));
        }
        let law = self.rooms.law.load_full();
        let issuer = law.directory.institution(&caller.institution).and_then(|i| i.token_issuer.as_ref());
        let issuer = issuer.ok_or(Refusal::Malformed("issuer"))?.issuer.clone();
        let now = self.rooms.clock.now();
        let entry =
            self.rooms.entry(self.rooms.state(&law, Event::TokenRevoked, None, now).commit("issuer", &issuer).commit("jti", &jti))?;
        let until = now.plus(std::time::Duration::from_secs(3600));
        self.rooms.store.write(RevokeToken { issuer, jti: self.blind(jti)?, until, entry }).await?;
        Ok(())
    }

    /// As it is kept: whoever revokes may write any word as the id of a token.
    fn blind(&self, jti: &str) -> Result<String, Refusal> {
        self.rooms.keystore.blind("jti", jti).map_err(|_| Refusal::Internal("blind"))
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn identify(&self, parts: &Parts) -> Result<Caller, Refusal> {
        let law = self.rooms.law.load_full();
        // 1. Which institution is at the other end?
        let Member { institution, peer, stale } = self.member(&law, parts)?;
        // 2. Who acts for it.
        let author = match bearer(parts) {
            None => Author::Unnamed,
            Some(Err(fault)) => Author::Faulty(fault),
            Some(Ok(token)) => self.author(institution, peer.thumbprint, token).await?,
        };
        Ok(Caller { institution: peer.institution.clone(), unit: peer.unit.clone(), stale, author })
    }

    /// The institution at the other end and the thumbprint of its certificate; nobody acts for it yet. For pages, where a
    /// session and not a token says who does.
    ///
    /// # Errors
    /// The certificate is not good now, or asks for too much.
    pub fn institution(&self, parts: &Parts) -> Result<(Caller, [u8; 32]), Refusal> {
        let law = self.rooms.law.load_full();
        let Member { peer, stale, .. } = self.member(&law, parts)?;
        let caller = Caller { institution: peer.institution.clone(), unit: peer.unit.clone(), stale, author: Author::Unnamed };
        Ok((caller, peer.thumbprint))
    }

    fn member<'a>(&self, law: &'a Law, parts: &'a Parts) -> Result<Member<'a>, Refusal> {
        let connection = parts.extensions.get::<Arc<Connection>>().ok_or(Refusal::Internal("connection"))?;
        let now = self.rooms.clock.now();
        // 1. The certificate, as revocation lists and the directory know it now.
        let peer = connection.peer.as_ref().map_err(|_| Refusal::Certificate(CertificateFault::NoInstitution))?;
        let stale = match self.door.standing(peer, now) {
            Standing::Good => false,
            Standing::StaleCrl { since } if now.since(since) <= STALE_AT_MOST => true,
            Standing::StaleCrl { .. } => return Err(Refusal::Certificate(CertificateFault::StaleRevocation)),
            Standing::Revoked => return Err(Refusal::Certificate(CertificateFault::Revoked)),
            Standing::Expired => return Err(Refusal::Certificate(CertificateFault::Expired)),
            Standing::UnknownAuthority => return Err(Refusal::Certificate(CertificateFault::UnknownAuthority)),
        };
        let institution = law
            .directory
            .institution(&peer.institution)
            .filter(|institution| institution.served_on(day_in_france(now)))
            .ok_or(Refusal::Certificate(CertificateFault::UnknownInstitution))?;
        if !institution.certificate_issuers.contains(&peer.authority) {
            return Err(Refusal::Certificate(CertificateFault::WrongAuthority));
        }
        if peer.unit.as_ref().is_some_and(|unit| !institution.units.contains_key(unit)) {
            return Err(Refusal::Certificate(CertificateFault::UnknownInstitution));
        }
        let codes = &institution.codes;
        let siren = codes.get("siren").map(String::as_str).or_else(|| codes.get("siret").and_then(|siret| siret.get(..9)));
        if let (Some(theirs), Some(ours)) = (&peer.siren, siren)
            && theirs != ours
        {
            return Err(Refusal::Certificate(CertificateFault::Siren));
        }
        // 2. How much it may ask: deposits have a budget of their own.
        let deposit = crowd::deposits(&parts.method, parts.uri.path());
        self.door.admit(&peer.thumbprint, deposit).map_err(|retry_after| Refusal::TooMany { retry_after })?;
        Ok(Member { institution, peer, stale })
    }

    async fn author(&self, institution: &Institution, thumbprint: [u8; 32], token: &str) -> Result<Author, Refusal> {
        let now = self.rooms.clock.now();
        let expect = Expect { audience: &self.audience, institution, certificate_thumbprint: thumbprint, now };
        let verified = match self.tokens.verify(token, &expect) {
            Ok(verified) => verified,
            Err(refusal) => return Ok(Author::Faulty(TokenFault::Refused(refusal))),
        };
        if self.rooms.store.token_revoked(&verified.professional.issuer, &self.blind(&verified.jti)?).await? {
            return Ok(Author::Faulty(TokenFault::Revoked));
        }
        Ok(Author::Professional(verified.professional))
    }
}

impl FromRequestParts<Arc<Edge>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Refusal> {
        edge.identify(parts).await
    }
}

/// Any member whose certificate is known not to be revoked: with a stale list nothing but danger stays open (invariant 3).
pub(super) struct Fresh;

impl FromRequestParts<Arc<Edge>> for Fresh {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Refusal> {
        let caller = edge.identify(parts).await?;
        if caller.stale { Err(Refusal::Certificate(CertificateFault::StaleRevocation)) } else { Ok(Self) }
    }
}

/// The variable part of a path. One that is not even text names nothing.
pub(super) struct Segment(pub(super) String);

impl FromRequestParts<Arc<Edge>> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Refusal> {
        Path::<String>::from_request_parts(parts, edge).await.map(|Path(text)| Self(text)).map_err(|_| Refusal::NotFound)
    }
}

/// The variable parts of a path that has several.
pub(super) struct Segments<const N: usize>(pub(super) [String; N]);

impl<const N: usize> FromRequestParts<Arc<Edge>> for Segments<N> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Refusal> {
        let Path(all) = Path::<Vec<String>>::from_request_parts(parts, edge).await.map_err(|_| Refusal::NotFound)?;
        all.try_into().map(Self).map_err(|_| Refusal::NotFound)
    }
}

fn bearer(parts: &Parts) -> Option<Result<&str, TokenFault>> {
    let header = parts.headers.get(header::AUTHORIZATION)?;
    let token = header.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(token.map(|(_, token)| token.trim()).ok_or(TokenFault::Malformed))
}

/// Gives each request its id, in every log line and in the answer.
pub async fn identify_request(request: Request, next: Next) -> Response {
    let id = Uuid::now_v7().to_string();
    let started = std::time::Instant::now();
    let route = request.extensions().get::<axum::extract::MatchedPath>().map_or("none", |path| path.as_str()).to_owned();
    // A method may be any word: only ours are worth a line of their own on the board.
    let method = match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    };
    // At the level of errors: whatever RUST_LOG leaves, a line says which request it belongs to. A `traceparent` that came with
    // it is not read: a partner would choose whose requests stand under one id, and which are recorded.
    let span = tracing::error_span!(
        "request",
        request.id = %id,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty
    );
    let mut response = problem::REQUEST.scope(id.clone(), next.run(request)).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(problem::REQUEST_ID, value);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let status = response.status().as_u16().to_string();
    metrics::histogram!("passerelle_request_seconds", "route" => route, "method" => method, "status" => status)
        .record(started.elapsed().as_secs_f64());
    response
}

/// `Content-Digest: sha-256=:…:` (RFC 9530) must be that of the body.
pub fn check_digest(announced: &str, body: &[u8]) -> Result<(), Refusal> {
    let ours = STANDARD.encode(digest::digest(&digest::SHA256, body));
    let sha256 = announced.split(',').filter_map(|one| one.trim().strip_prefix("sha-256=:")).find_map(|rest| rest.strip_suffix(':'));
    match sha256 {
        Some(theirs) if theirs == ours => Ok(()),
        Some(_) => Err(Refusal::DigestMismatch),
        // Another algorithm: nothing that we can compare.
        None => Ok(()),
    }
}

/// The types in force and their schemas.
pub fn catalogue(rooms: &Rooms) -> Value {
    let law = rooms.law.load();
    let types: Vec<Value> = law
        .catalogue
        .types_on(rooms.clock.now())
        .map(|exchange_type| {
            json!({
                "code": exchange_type.code,
                "version": exchange_type.version,
                "title": exchange_type.title,
                "danger": exchange_type.danger,
                "legal_basis": exchange_type.legal_basis,
                "from": exchange_type.from,
                "to": exchange_type.to.iter().map(|to| &to.kind).collect::<Vec<_>>(),
                "clocks": exchange_type.clocks,
                "obligations": exchange_type.obligations,
                "native": exchange_type.native,
                "schema": law.catalogue.json_schema(exchange_type),
            })
        })
        .collect();
    json!({"version": law.catalogue.hash(), "types": types})
}

/// The register, and what each agreement is worth today.
pub fn agreements(rooms: &Rooms) -> Value {
    let law = rooms.law.load();
    let now = rooms.clock.now();
    let list: Vec<Value> = law
        .agreements
        .all()
        .map(|agreement| {
            let state = match law.agreements.in_force(&agreement.id, now) {
                InForce::InForce(_) => "in-force",
                InForce::NotYet { .. } => "not-yet",
                InForce::Ended { .. } => "ended",
                InForce::Suspended => "suspended",
                InForce::NotSigned => "not-signed",
                InForce::NoDates => "no-dates",
                InForce::Unknown => "unknown",
            };
            json!({"id": agreement.id, "title": agreement.title, "types": agreement.types, "state": state})
        })
        .collect();
    json!({"version": law.agreements.hash(), "agreements": list})
}

/// Institutions and units; never professionals, foster carers or places of care.
pub fn directory(rooms: &Rooms) -> Value {
    let law = rooms.law.load();
    let list: Vec<Value> = law
        .directory
        .institutions()
        .filter(|institution| !HIDDEN_KINDS.contains(&institution.kind.as_str()))
        .map(|institution| {
            let units: Vec<Value> = institution
                .units
                .values()
                .filter(|unit| !HIDDEN_KINDS.contains(&unit.kind.as_str()))
                .map(|unit| json!({"id": unit.id, "name": unit.name, "kind": unit.kind, "telephone": unit.telephone}))
                .collect();
            json!({"id": institution.id, "name": institution.name, "kind": institution.kind, "units": units})
        })
        .collect();
    json!({"version": law.directory.hash(), "institutions": list})
}

/// Kinds whose very address may put a child at risk (C. civ. 375-7).
pub(crate) const HIDDEN_KINDS: [&str; 2] = ["lieu-accueil", "assistant-familial"];
/// Professionals whose questions are counted at once.
const REMEMBERED: usize = 10_000;
/// How long deposits of danger types stay open on a stale revocation list (invariant 3).
const STALE_AT_MOST: std::time::Duration = std::time::Duration::from_secs(72 * 3600);
