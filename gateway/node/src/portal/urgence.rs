//! Reading in an emergency what is not in the own mailbox: by a reason in words, for some classes and a short time. Said before
//! anything is asked: it is written down, and looked at by others.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use exchange::DataClass;
use serde_json::Value;

use super::{
    Portal,
    form::Choice,
    form_read::{Pairs, Posted},
    mailbox::{parts, withheld},
    page::{Frame, Turn, page},
    session::Person,
    tell,
    told::Told,
    words::words,
};
use crate::{
    flows::collect::urgence::{self, Emergency, Target},
    refusal::{Fault, Refusal},
};

#[derive(Template)]
#[template(path = "urgence.html")]
struct Ask {
    frame: Frame,
    reference: String,
    reason: String,
    minutes: String,
    at_most: u32,
    classes: Vec<Choice>,
    trouble: Option<String>,
}

#[derive(Template)]
#[template(path = "urgence_lue.html")]
struct Read {
    frame: Frame,
    exchange: String,
    kind: String,
    sender: String,
    accepted: String,
    until: String,
    parts: Vec<Told>,
    withheld: Vec<(String, String, String)>,
}

pub(super) async fn ask(State(portal): State<Arc<Portal>>, person: Person) -> Result<Response, Turn> {
    asked(&portal, &person, &Pairs::default(), None, StatusCode::OK)
}

/// The same for an exchange whose reference is known.
pub(super) async fn ask_for(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    let mut pairs = Pairs::default();
    pairs.set("reference", id.parse::<exchange::ExchangeId>().map_err(|_| Refusal::NotFound)?.to_string());
    asked(&portal, &person, &pairs, None, StatusCode::OK)
}

/// Reads.
pub(super) async fn open(State(portal): State<Arc<Portal>>, person: Person, sent: Posted) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let sent = person.form(&sent)?;
    let id = sent.filled("reference").unwrap_or_default().to_ascii_lowercase().parse().map_err(|_| Refusal::NotFound)?;
    let emergency = Emergency {
        reason: sent.filled("motif").map(str::to_owned),
        classes: sent.index().all("classes").map(str::to_owned).collect(),
        minutes: sent.filled("minutes").and_then(|minutes| minutes.parse().ok()),
    };
    let document = match urgence::open(rooms, &person.caller, Target::Exchange(id), emergency).await {
        Ok(document) => document,
        // What the request lacks is said where it was written; nothing is said of what is there.
        Err(refusal) => {
            let face = refusal.face();
            let status = StatusCode::from_u16(face.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            if face.fault == Fault::Ours || status == StatusCode::NOT_FOUND {
                return Err(refusal.into());
            }
            return asked(&portal, &person, &sent, Some(face.detail), status);
        }
    };
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let accepted = document.get("accepted_at").and_then(tell::instant).unwrap_or_else(|| rooms.clock.now());
    let of = text("type").parse().ok().and_then(|code| person.law.catalogue.exchange_type(&code, accepted));
    let template = Read {
        frame: Frame::new("Lecture en urgence", "boite", &person),
        exchange: text("exchange"),
        kind: tell::kind(&person.law, &text("type"), accepted),
        sender: document.get("sender").map(|sender| tell::party_of(&person.law.directory, sender)).unwrap_or_default(),
        accepted: tell::moment(accepted),
        until: document.pointer("/urgence/until").and_then(tell::when).unwrap_or_default(),
        parts: parts(of, &document),
        withheld: withheld(&document),
    };
    Ok(page(StatusCode::OK, &template))
}

fn asked(portal: &Portal, person: &Person, sent: &Pairs, trouble: Option<String>, status: StatusCode) -> Result<Response, Turn> {
    if person.units().is_empty() {
        return Err(Refusal::NotFound.into());
    }
    let index = sent.index();
    let chosen = |code: &str| index.all("classes").any(|told| told == code);
    // Whatever is asked, who reported and where a child is hidden are never reached.
    let reached = |class: &&DataClass| !matches!(class, DataClass::Declarant | DataClass::LieuAccueil);
    let classes = DataClass::ALL.iter().filter(reached).map(|class| class.as_str());
    let text = |name: &str| sent.filled(name).unwrap_or_default().to_owned();
    let template = Ask {
        frame: Frame::new("Lire en urgence", "boite", person),
        reference: text("reference"),
        reason: text("motif"),
        minutes: text("minutes"),
        at_most: portal.edge.rooms.emergency_minutes,
        classes: classes.map(|code| Choice { value: code.to_owned(), label: words().part(code), chosen: chosen(code) }).collect(),
        trouble,
    };
    Ok(page(status, &template))
}
