//! Who sits in front of the browser: an id of 256 random bits in a cookie, of which only a keyed digest is kept, worth
//! something only under the certificate it was made under, and looked at anew at each request.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Method, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::{Instant, InstitutionId, ProfessionalId, UnitId};
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

use super::{
    Portal,
    form_read::{Pairs, Posted},
    page::{Signed, Turn},
    tell,
    words::words,
};
use crate::{
    directory::{Professional, Role, day::day_in_france},
    flows::{Author, Caller, Law, Rooms},
    refusal::Refusal,
    seal::{
        Place,
        body::{open_bytes, seal_bytes},
    },
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

/// Whoever sends what they wrote. Of who is not signed in any more what was written is kept, and nothing is shown.
pub(super) enum Writer {
    Present(Person),
    /// For too long nothing was asked.
    Lapsed(Person),
    /// The session is over, or there was none.
    Nobody(Visitor),
}

/// The same, of what a page does by itself: it keeps nobody signed in.
pub(super) struct Unattended(pub(super) Writer);

/// To whom a form was given: proves whose text it is when the session is over, for that text alone.
#[derive(Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) institution: InstitutionId,
    pub(super) author: ProfessionalId,
    thumbprint: String,
    until: i64,
}

/// With what a provider is told that somebody has signed out here.
#[derive(Serialize, Deserialize)]
pub(super) struct Hint {
    pub(super) issuer: String,
    pub(super) token: String,
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
            Writer::Lapsed(_) | Writer::Nobody(_) if parts.uri.path().starts_with("/portail/envoi/") => Err(Turn::NothingSent),
            Writer::Lapsed(_) | Writer::Nobody(_) => Err(Turn::SignIn),
        }
    }
}

impl FromRequestParts<Arc<Portal>> for Writer {
    type Rejection = Turn;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Turn> {
        let writer = seen(parts, portal).await?;
        match writer {
            Self::Present(person) => Ok(Self::Present(person.stays(portal).await?)),
            Self::Lapsed(_) | Self::Nobody(_) => Ok(writer),
        }
    }
}

impl FromRequestParts<Arc<Portal>> for Unattended {
    type Rejection = Turn;

    async fn from_request_parts(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Self, Turn> {
        seen(parts, portal).await.map(Self)
    }
}

/// Who it is, and nothing changes by it.
async fn seen(parts: &mut Parts, portal: &Arc<Portal>) -> Result<Writer, Turn> {
    let mut visitor = Visitor::from_request_parts(parts, portal).await?;
    if parts.method == Method::POST && !comes_from_us(portal, &visitor.headers) {
        return Err(Turn::Forged);
    }
    // 1. The session, under this certificate.
    let rooms = &portal.edge.rooms;
    let now = rooms.clock.now();
    let Some(id) = cookie(&visitor.headers, SESSION).map(str::to_owned) else { return Ok(Writer::Nobody(visitor)) };
    let Some(session) = rooms.store.session(&digest(rooms, &id)?).await? else { return Ok(Writer::Nobody(visitor)) };
    if session.thumbprint != visitor.thumbprint || session.institution != visitor.caller.institution || now >= session.ends_at {
        return Ok(Writer::Nobody(visitor));
    }
    // 2. The person, as the directory knows them now.
    let law = rooms.law.load_full();
    let professional = law.directory.professional(&session.professional);
    if professional.is_none_or(|known| known.institution != visitor.caller.institution) {
        return Ok(Writer::Nobody(visitor));
    }
    visitor.caller.author = Author::Professional(session.professional.clone());
    let csrf = rooms.keystore.blind("portal-form", &id).map_err(|_| Refusal::Internal("blind"))?;
    let (lapsed, idle) = (now >= session.idle_at, portal.config.idle());
    let person = Person { caller: visitor.caller, id: session.professional.clone(), law, session, csrf, idle, now };
    Ok(if lapsed { Writer::Lapsed(person) } else { Writer::Present(person) })
}

impl Person {
    /// It lasts a while longer; not written at each request.
    async fn stays(mut self, portal: &Portal) -> Result<Self, Turn> {
        let until = self.now.plus(self.idle).min(self.session.ends_at);
        if until.since(self.session.idle_at) >= WRITTEN_EVERY {
            portal.edge.rooms.store.write(KeepSession { digest: self.session.digest.clone(), idle_at: until }).await?;
        }
        self.session.idle_at = until;
        Ok(self)
    }

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

    /// Whether the directory gives this person a function.
    pub(super) fn has_role(&self, role: Role) -> bool {
        self.law.directory.professional(&self.id).is_some_and(|known| known.has_role(role))
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
            oversees: self.has_role(Role::Dpo) || self.has_role(Role::Auditeur),
            administers: self.has_role(Role::Administrateur),
            idle_seconds: self.session.idle_at.since(self.now).as_secs(),
            idle_minutes: u32::try_from(self.idle.as_secs() / 60).unwrap_or(u32::MAX),
            ends: tell::hour(self.session.ends_at),
        }
    }

    /// The digest under which the session is kept.
    pub(super) fn session(&self) -> &str {
        &self.session.digest
    }

    /// With what the provider is told that it is over.
    pub(super) fn hint(&self, rooms: &Rooms) -> Option<Hint> {
        let key = rooms.keystore.wrapping("portal-session").ok()?;
        let plain = open_bytes(&key, &hint_place(&self.session.digest), self.session.hint.as_deref()?).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// What a form of this draft carries, so that what is typed in it outlives the session.
    pub(super) fn given(&self, portal: &Portal, draft: &str) -> Result<String, Refusal> {
        let given = Given {
            institution: self.caller.institution.clone(),
            author: self.id.clone(),
            thumbprint: self.session.thumbprint.clone(),
            until: self.now.plus(portal.config.drafts_last()).unix_ms(),
        };
        sealed(&portal.edge.rooms, "portal-given", &given_place(draft), &given).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }
}

impl Writer {
    /// Whose text this is: of who is signed in, by the proof of the session; of who was, by what the form carries.
    pub(super) fn author(&self, portal: &Portal, draft: &str, pairs: &Pairs) -> Result<Given, Turn> {
        let (institution, thumbprint, person) = match self {
            Self::Present(person) | Self::Lapsed(person) => (&person.caller.institution, &person.session.thumbprint, Some(person)),
            Self::Nobody(visitor) => (&visitor.caller.institution, &visitor.thumbprint, None),
        };
        if let Some(person) = person.filter(|person| person.sent(pairs.first("_csrf")).is_ok()) {
            let (author, thumbprint) = (person.id.clone(), thumbprint.clone());
            return Ok(Given { institution: institution.clone(), author, thumbprint, until: 0 });
        }
        let rooms = &portal.edge.rooms;
        let given = pairs.first("_auteur").and_then(|sealed| Given::open(rooms, draft, sealed));
        let ours = given.filter(|given| {
            let law = rooms.law.load();
            given.institution == *institution
                && given.thumbprint == *thumbprint
                && given.until > rooms.clock.now().unix_ms()
                && person.is_none_or(|person| person.id == given.author)
                && law.directory.professional(&given.author).is_some_and(|known| known.institution == *institution)
        });
        ours.ok_or(if person.is_some() { Turn::Forged } else { Turn::SignIn })
    }
}

impl Given {
    fn open(rooms: &Rooms, draft: &str, sealed: &str) -> Option<Self> {
        let key = rooms.keystore.wrapping("portal-given").ok()?;
        let plain = open_bytes(&key, &given_place(draft), &URL_SAFE_NO_PAD.decode(sealed).ok()?).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

/// Begins a session: always under a new id, and in the place of those before it in this browser.
pub(super) async fn begin(
    portal: &Portal,
    visitor: &Visitor,
    professional: ProfessionalId,
    hint: &Hint,
    before: Option<String>,
) -> Result<String, Turn> {
    let rooms = &portal.edge.rooms;
    let now = rooms.clock.now();
    let id = random(rooms)?;
    let digest = digest(rooms, &id)?;
    let session = SessionRow {
        institution: visitor.caller.institution.clone(),
        professional,
        thumbprint: visitor.thumbprint.clone(),
        hint: Some(sealed(rooms, "portal-session", &hint_place(&digest), hint)?),
        ends_at: now.plus(portal.config.lasts()),
        idle_at: now.plus(portal.config.idle()),
        digest,
    };
    let before = before.into_iter().chain(held(portal, visitor)?).collect();
    rooms.store.write(BeginSession { session, before, now }).await?;
    Ok(id)
}

/// The digest of what this browser holds, a session or not.
pub(super) fn held(portal: &Portal, visitor: &Visitor) -> Result<Option<String>, Refusal> {
    cookie(&visitor.headers, SESSION).map(|id| digest(&portal.edge.rooms, id)).transpose()
}

fn sealed(rooms: &Rooms, purpose: &'static str, place: &Place<'_>, what: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let failed = || Refusal::Internal("seal");
    let key = rooms.keystore.wrapping(purpose).map_err(|_| failed())?;
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(what).map_err(|_| failed())?);
    seal_bytes(&key, place, &plain).map_err(|_| failed())
}

fn hint_place(digest: &str) -> Place<'_> {
    Place { table: "portal_session", row: digest, column: "hint", class: "", epoch: 1 }
}

fn given_place(draft: &str) -> Place<'_> {
    Place { table: "portal", row: draft, column: "given", class: "", epoch: 1 }
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
