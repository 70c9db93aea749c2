//! Who sits in front of the browser: an id of 256 random bits in a cookie, of which only a keyed digest is kept, worth
//! something only under the certificate it was made under, and looked at anew at each request.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Method, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::{Instant, ProfessionalId, UnitId};
use ring::rand::SecureRandom;

use super::{
    Portal,
    form_read::{Pairs, Posted},
    page::{Signed, Turn},
    tell,
    words::words,
};
use crate::{
    directory::{Professional, day::day_in_france},
    flows::{Author, Caller, Law, Rooms},
    refusal::Refusal,
    source::sha256_base64url,
    store::portal::{BeginSession, KeepSession, SessionRow},
};

/// A member's certificate, whoever sits in front of it.
pub(super) struct Visitor {
    pub(super) caller: Caller,
    pub(super) thumbprint: String,
    pub(super) headers: HeaderMap,
}

/// Somebody signed in.
pub(super) struct Person {
    pub(super) caller: Caller,
    pub(super) id: ProfessionalId,
    pub(super) law: Arc<Law>,
    session: SessionRow,
    csrf: String,
    idle: Duration,
    now: Instant,
}

/// Somebody signed in, or whose session has lapsed while they wrote: what was written is kept, and nothing is shown.
pub(super) enum Writer {
    Present(Person),
    Lapsed(Person),
}

impl FromRequestParts<Arc<Portal>> for Visitor {
    type Rejection = Turn;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Turn> {
        let (caller, thumbprint) = portal.edge.institution(parts)?;
        let thumbprint = thumbprint.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { caller, thumbprint, headers: parts.headers.clone() })
    }
}

impl FromRequestParts<Arc<Portal>> for Person {
    type Rejection = Turn;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Turn> {
        match Writer::from_request_parts(parts, portal).await? {
            Writer::Present(person) => Ok(person),
            Writer::Lapsed(_) => Err(Turn::SignIn),
        }
    }
}

impl FromRequestParts<Arc<Portal>> for Writer {
    type Rejection = Turn;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Turn> {
        let Visitor { mut caller, thumbprint, headers } = Visitor::from_request_parts(parts, portal).await?;
        if parts.method == Method::POST && !comes_from_us(portal, &headers) {
            return Err(Turn::Forged);
        }
        // 1. The session, under this certificate.
        let rooms = &portal.edge.rooms;
        let now = rooms.clock.now();
        let id = cookie(&headers, SESSION).ok_or(Turn::SignIn)?;
        let session = rooms.store.session(&digest(rooms, id)?).await?.ok_or(Turn::SignIn)?;
        if session.thumbprint != thumbprint || session.institution != caller.institution || now >= session.ends_at {
            return Err(Turn::SignIn);
        }
        // 2. The person, as the directory knows them now.
        let law = rooms.law.load_full();
        let professional = law.directory.professional(&session.professional);
        professional.filter(|known| known.institution == caller.institution).ok_or(Turn::SignIn)?;
        caller.author = Author::Professional(session.professional.clone());
        let csrf = rooms.keystore.blind("portal-form", id).map_err(|_| Refusal::Internal("blind"))?;
        let (lapsed, idle) = (now >= session.idle_at, portal.config.idle());
        let mut person = Person { caller, id: session.professional.clone(), law, session, csrf, idle, now };
        if lapsed {
            return Ok(Self::Lapsed(person));
        }
        // 3. It lasts a while longer; not written at each request.
        let until = now.plus(idle).min(person.session.ends_at);
        if until.since(person.session.idle_at) >= WRITTEN_EVERY {
            rooms.store.write(KeepSession { digest: person.session.digest.clone(), idle_at: until }).await?;
        }
        person.session.idle_at = until;
        Ok(Self::Present(person))
    }
}

impl Person {
    /// Who, as the directory knows them.
    pub(super) fn professional(&self) -> Result<&Professional, Turn> {
        Ok(self.law.directory.professional(&self.id).ok_or(Refusal::UnknownProfessional)?)
    }

    /// The units in which this person may read.
    pub(super) fn units(&self) -> Vec<UnitId> {
        let day = day_in_france(self.now);
        let known = self.law.directory.professional(&self.id);
        known.map(|known| known.units.iter().filter(|unit| known.habilitated(unit, day)).cloned().collect()).unwrap_or_default()
    }

    /// What a form says, once it is known to come from a page of this session.
    pub(super) fn form(&self, sent: &Posted) -> Result<Pairs, Turn> {
        let pairs = sent.words()?;
        self.sent(pairs.first("_csrf"))?;
        Ok(pairs)
    }

    /// The form comes from a page of this session.
    pub(super) fn sent(&self, csrf: Option<&str>) -> Result<(), Turn> {
        // Digests are compared: how far two of them agree tells nothing.
        let same = |told: &str| sha256_base64url(told.as_bytes()) == sha256_base64url(self.csrf.as_bytes());
        if csrf.is_some_and(same) { Ok(()) } else { Err(Turn::Forged) }
    }

    pub(super) fn shown(&self) -> Signed {
        let institution = self.law.directory.institution(&self.caller.institution);
        let profession = self.law.directory.professional(&self.id).map(|known| words().humanised(&known.profession));
        Signed {
            name: format!("{} ({})", profession.unwrap_or_default(), self.id.subject),
            institution: institution.map(|known| known.name.clone()).unwrap_or_default(),
            csrf: self.csrf.clone(),
            reads: !self.units().is_empty(),
            idle_seconds: self.session.idle_at.since(self.now).as_secs(),
            idle_minutes: u32::try_from(self.idle.as_secs() / 60).unwrap_or(u32::MAX),
            ends: tell::hour(self.session.ends_at),
        }
    }

    /// The digest under which the session is kept.
    pub(super) fn session(&self) -> &str {
        &self.session.digest
    }
}

/// Begins a session: always under a new id.
pub(super) async fn begin(portal: &Portal, visitor: &Visitor, professional: ProfessionalId) -> Result<String, Turn> {
    let rooms = &portal.edge.rooms;
    let now = rooms.clock.now();
    let id = random(rooms)?;
    let before = cookie(&visitor.headers, SESSION).map(|before| digest(rooms, before)).transpose()?;
    let session = SessionRow {
        digest: digest(rooms, &id)?,
        institution: visitor.caller.institution.clone(),
        professional,
        thumbprint: visitor.thumbprint.clone(),
        ends_at: now.plus(portal.config.lasts()),
        idle_at: now.plus(portal.config.idle()),
    };
    rooms.store.write(BeginSession { session, before, now }).await?;
    Ok(id)
}

/// 256 random bits as a word.
pub(super) fn random(rooms: &Rooms) -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    rooms.random.fill(&mut bytes).map_err(|_| Refusal::Internal("random"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn digest(rooms: &Rooms, id: &str) -> Result<String, Refusal> {
    rooms.keystore.blind("portal-session", id).map_err(|_| Refusal::Internal("blind"))
}

/// Browsers say where a form comes from; one that says nothing of it is not believed.
fn comes_from_us(portal: &Portal, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site");
    match text("origin") {
        Some(origin) => portal.is_origin(origin) && site.is_none_or(|site| site == "same-origin"),
        None => site == Some("same-origin"),
    }
}

/// A cookie of this name; several are none.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';'));
    let mut named = all.filter_map(|one| one.trim().split_once('=')).filter(|(told, _)| *told == name).map(|(_, value)| value);
    let first = named.next()?;
    named.next().is_none().then_some(first)
}

/// The cookie of a session. `__Host-`: from this host alone, over TLS alone, for all of it.
pub(super) const SESSION: &str = "__Host-passerelle";
/// A session is written again when it would last this much longer.
const WRITTEN_EVERY: Duration = Duration::from_secs(30);
