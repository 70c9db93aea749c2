//! Signing in: to a provider and back. What must come back is in a sealed cookie of its own, good for ten minutes, once,
//! and under this certificate; the session's cookie goes nowhere that another site sends the browser to.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    extract::{Path, RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::ProfessionalId;
use serde::{Deserialize, Serialize};

use super::{
    Portal,
    form_read::{Pairs, Posted},
    oidc::{Asked, NotSignedIn, Provider, Told},
    page::{Frame, Turn, page},
    session::{self, Hint, Person, SESSION, Visitor, cookie, random},
};
use crate::{
    flows::Rooms,
    refusal::Refusal,
    seal::{
        Place,
        body::{open_bytes, seal_bytes},
    },
    source::sha256_base64url,
    store::portal::EndSession,
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Choose {
    frame: Frame,
    institution: String,
    providers: Vec<(usize, String)>,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut {
    frame: Frame,
    way_out: String,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedIn {
    frame: Frame,
}

/// What a sign-in that was begun must find again.
#[derive(Serialize, Deserialize)]
struct Begun {
    provider: usize,
    state: String,
    nonce: String,
    verifier: String,
    thumbprint: String,
    /// The session of this browser then: its cookie does not come back from another site.
    before: Option<String>,
    until: i64,
}

/// Who may say who it is.
pub(super) async fn choose(State(portal): State<Arc<Portal>>, visitor: Visitor) -> Result<Response, Turn> {
    let law = portal.edge.rooms.law.load_full();
    let institution = law.directory.institution(&visitor.caller.institution).map(|known| known.name.clone()).unwrap_or_default();
    let providers = portal.providers.iter().enumerate().filter(|(_, one)| serves(one, &visitor));
    let providers = providers.map(|(n, one)| (n, one.config.name.clone())).collect();
    Ok(page(StatusCode::OK, &Choose { frame: Frame::outside("Connexion", ""), institution, providers }))
}

/// To a provider.
pub(super) async fn leave(State(portal): State<Arc<Portal>>, visitor: Visitor, Path(n): Path<String>) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let n: usize = n.parse().map_err(|_| Refusal::NotFound)?;
    let provider = portal.providers.get(n).filter(|one| serves(one, &visitor)).ok_or(Refusal::NotFound)?;
    let now = rooms.clock.now();
    let begun = Begun {
        before: session::held(&portal, &visitor)?,
        provider: n,
        state: random(rooms)?,
        nonce: random(rooms)?,
        verifier: random(rooms)?,
        thumbprint: visitor.thumbprint,
        until: now.plus(BEGUN_FOR).unix_ms(),
    };
    let return_to = portal.return_to();
    let address = provider.address(&begun.asked(&return_to), now).await.map_err(Turn::NotSignedIn)?;
    // Lax, since the provider sends the browser back.
    let kept = format!("{BEGUN}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}", begun.seal(rooms)?, BEGUN_FOR.as_secs());
    Ok(([(header::SET_COOKIE, kept)], Redirect::to(&address)).into_response())
}

/// Back from it.
pub(super) async fn come_back(State(portal): State<Arc<Portal>>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let signed_in = signed_in(&portal, &visitor, query.as_deref().unwrap_or_default()).await;
    let gone = format!("{BEGUN}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    let (session, answer) = match signed_in {
        Ok(id) => {
            let kept = format!("{SESSION}={id}; Path=/; Secure; HttpOnly; SameSite=Strict");
            // A page of ours, and no redirect: a browser that another site has sent here keeps a strict cookie back until it has
            // arrived.
            (Some(kept), page(StatusCode::OK, &SignedIn { frame: Frame::outside("Vous êtes connecté", "") }))
        }
        Err(turn) => (None, turn.into_response()),
    };
    let mut answer = answer;
    for line in [Some(gone), session].into_iter().flatten() {
        if let Ok(line) = line.parse() {
            answer.headers_mut().append(header::SET_COOKIE, line);
        }
    }
    answer
}

async fn signed_in(portal: &Portal, visitor: &Visitor, query: &str) -> Result<String, Turn> {
    let rooms = &portal.edge.rooms;
    let now = rooms.clock.now();
    let no = Turn::NotSignedIn;
    // 1. Begun here, not long ago, under this certificate, and answered to this very question.
    let begun = cookie(&visitor.headers, BEGUN).and_then(|sealed| Begun::open(rooms, sealed)).ok_or(no(NotSignedIn::NotBegun))?;
    let told = Pairs::read(query.as_bytes());
    let state = sha256_base64url(told.first("state").unwrap_or_default().as_bytes());
    if begun.thumbprint != visitor.thumbprint || begun.until <= now.unix_ms() || state != sha256_base64url(begun.state.as_bytes()) {
        return Err(no(NotSignedIn::NotBegun));
    }
    let provider = portal.providers.get(begun.provider).filter(|one| serves(one, visitor)).ok_or(no(NotSignedIn::NotBegun))?;
    // RFC 9207: the answer names who gave it, if it names anybody.
    if told.first("iss").is_some_and(|iss| iss != provider.config.issuer) {
        return Err(no(NotSignedIn::NotBelieved));
    }
    let code = told.first("code").ok_or(no(NotSignedIn::Declined))?;
    // 2. Who is it, and does the directory know them here?
    let Told { subject, token } = provider.subject(code, &begun.asked(&portal.return_to()), now).await.map_err(no)?;
    let subject = format!("{}{subject}", provider.config.prefix);
    let law = rooms.law.load_full();
    let institution = law.directory.institution(&visitor.caller.institution);
    let issuer = institution.and_then(|known| known.token_issuer.as_ref()).map(|known| known.issuer.clone());
    let professional = ProfessionalId { issuer: issuer.ok_or(no(NotSignedIn::Unknown))?, subject };
    let known = law.directory.professional(&professional).filter(|known| known.institution == visitor.caller.institution);
    known.ok_or(no(NotSignedIn::Unknown))?;
    // 3. A session under a new id.
    let hint = Hint { issuer: provider.config.issuer.clone(), token };
    session::begin(portal, visitor, professional, &hint, begun.before).await
}

/// Ends the session, here and then at the provider.
pub(super) async fn sign_out(State(portal): State<Arc<Portal>>, person: Person, sent: Posted) -> Result<Response, Turn> {
    person.form(&sent)?;
    let rooms = &portal.edge.rooms;
    rooms.store.write(EndSession(person.session().to_owned())).await?;
    let gone = format!("{SESSION}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    let forget = [(header::SET_COOKIE, gone), (header::HeaderName::from_static("clear-site-data"), "\"cache\", \"storage\"".to_owned())];
    let there = match person.hint(rooms) {
        Some(hint) => match portal.providers.iter().find(|one| one.config.issuer == hint.issuer) {
            Some(provider) => {
                let back_to = format!("{}/portail/connexion", portal.config.origin);
                provider.way_out(&hint.token, &back_to, &random(rooms)?, rooms.clock.now()).await
            }
            None => None,
        },
        None => None,
    };
    // A page of ours, and no redirect: our own policy lets a form lead nowhere else.
    Ok(match there {
        Some(way_out) => {
            (forget, page(StatusCode::OK, &SignedOut { frame: Frame::outside("Vous êtes déconnecté", ""), way_out })).into_response()
        }
        None => (forget, Redirect::to("/portail/connexion")).into_response(),
    })
}

fn serves(provider: &Provider, visitor: &Visitor) -> bool {
    provider.config.institutions.contains(&visitor.caller.institution)
}

impl Portal {
    fn return_to(&self) -> String {
        format!("{}/portail/retour", self.config.origin)
    }
}

impl Begun {
    fn asked<'a>(&'a self, return_to: &'a str) -> Asked<'a> {
        Asked { return_to, state: &self.state, nonce: &self.nonce, verifier: &self.verifier }
    }

    fn seal(&self, rooms: &Rooms) -> Result<String, Refusal> {
        let failed = || Refusal::Internal("seal");
        let key = rooms.keystore.wrapping("portal-sign-in").map_err(|_| failed())?;
        let plain = serde_json::to_vec(self).map_err(|_| failed())?;
        Ok(URL_SAFE_NO_PAD.encode(seal_bytes(&key, &PLACE, &plain).map_err(|_| failed())?))
    }

    fn open(rooms: &Rooms, sealed: &str) -> Option<Self> {
        let key = rooms.keystore.wrapping("portal-sign-in").ok()?;
        let plain = open_bytes(&key, &PLACE, &URL_SAFE_NO_PAD.decode(sealed).ok()?).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

const PLACE: Place<'static> = Place { table: "portal", row: "", column: "sign-in", class: "", epoch: 1 };
/// The cookie of a sign-in under way.
const BEGUN: &str = "__Host-connexion";
/// How long it may take.
const BEGUN_FOR: Duration = Duration::from_secs(600);
