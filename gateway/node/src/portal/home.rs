//! The first page, and what may be sent.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    Portal,
    draft::{Draft, numbers, opened, sending_units, type_of},
    form_read::Pairs,
    page::{Frame, Turn, page},
    session::Person,
    tell,
};

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    types: Vec<Sendable>,
    drafts: Vec<(String, String, String)>,
    reports: bool,
}

#[derive(Template)]
#[template(path = "types.html")]
struct Types {
    frame: Frame,
    types: Vec<Sendable>,
    numbers: Vec<(String, String)>,
}

/// A type that one of this person's units may send.
struct Sendable {
    code: String,
    title: String,
    danger: bool,
}

pub(super) async fn home(State(portal): State<Arc<Portal>>, person: Person) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let now = rooms.clock.now();
    let mut drafts = Vec::new();
    for row in rooms.store.drafts_of(&person.caller.institution, &person.id, now).await? {
        let draft = opened(&portal, &row)?;
        drafts.push((row.id, tell::kind(&person.law, &draft.kind, now), tell::moment(row.ends_at)));
    }
    let types = sendable(&portal, &person)?;
    let reports = types.iter().any(|one| one.code == FIRST);
    Ok(page(StatusCode::OK, &Home { frame: Frame::new("Accueil", "accueil", &person), types, drafts, reports }))
}

pub(super) async fn types(State(portal): State<Arc<Portal>>, person: Person) -> Result<Response, Turn> {
    let template = Types {
        frame: Frame::new("Transmettre", "transmettre", &person),
        types: sendable(&portal, &person)?,
        numbers: numbers(&person, &portal.edge.rooms.departement),
    };
    Ok(page(StatusCode::OK, &template))
}

/// Danger first.
fn sendable(portal: &Portal, person: &Person) -> Result<Vec<Sendable>, Turn> {
    let now = portal.edge.rooms.clock.now();
    let mut all = Vec::new();
    for of in person.law.catalogue.types_on(now) {
        let draft = Draft { kind: of.code.to_string(), reply: None, pairs: Pairs::default() };
        if !sending_units(person, of)?.is_empty() && type_of(person, &draft, now).is_ok() {
            all.push(Sendable { code: of.code.to_string(), title: of.title.clone(), danger: of.danger });
        }
    }
    all.sort_by_key(|one| (one.code != FIRST, !one.danger));
    Ok(all)
}

/// What most people come for.
const FIRST: &str = "information-preoccupante";
