//! What somebody sent and what became of it, within what the law lets this person know; and an exchange by its reference.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use exchange::{ExchangeId, Instant};
use serde_json::Value;

use super::{
    Portal,
    draft::{Draft, type_of},
    form_read::{Pairs, Posted},
    mailbox::{limit, list_of, outcome},
    page::{Frame, Turn, page},
    session::Person,
    tell,
};
use crate::{flows::follow, refusal::Refusal};

#[derive(Template)]
#[template(path = "sent.html")]
struct Sent {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    exchange: String,
    kind: String,
    to: String,
    sent: String,
    note: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "followed.html")]
struct Followed {
    frame: Frame,
    exchange: String,
    kind: String,
    sender: String,
    accepted: String,
    incomplete: bool,
    withdrawn: Option<String>,
    /// It is this person's own: there is a receipt.
    own: bool,
    /// It can be written again as it should have been.
    correctable: bool,
    /// Its content is gone.
    erased: bool,
    steps: Vec<Step>,
    tasks: Vec<(String, String, bool)>,
    limits: Vec<(String, String, bool)>,
    answers: Vec<(String, String)>,
}

/// What one recipient did, as far as it may be told.
struct Step {
    to: String,
    delivered: String,
    opened: Option<String>,
    acknowledged: Option<String>,
    outcome: &'static str,
    reason: Option<String>,
    /// Of this person's own unit: it can be opened.
    delivery: Option<String>,
}

pub(super) async fn list(State(portal): State<Arc<Portal>>, person: Person, RawQuery(query): RawQuery) -> Result<Response, Turn> {
    let query = Pairs::read(query.unwrap_or_default().as_bytes());
    let before = query.filled("avant").map(|id| id.parse().map_err(|_| Refusal::NotFound)).transpose()?;
    let sent = follow::sent_by(&portal.edge.rooms, &person.caller, before).await?;
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_there = |one: &Value, name: &str| one.get(name).is_some_and(|value| !value.is_null());
    let rows = sent.iter().map(|one| Row {
        exchange: text(one, "exchange"),
        kind: tell::kind(&person.law, &text(one, "type"), accepted_at(one)),
        to: one.get("recipient").map(|to| tell::party_of(&person.law.directory, to)).unwrap_or_default(),
        sent: tell::moment(accepted_at(one)),
        note: match (is_there(one, "erased_at"), is_there(one, "withdrawn_at"), one.get("incomplete").and_then(Value::as_bool)) {
            (true, _, _) => Some("Contenu effacé"),
            (false, true, _) => Some("Retirée"),
            (false, false, Some(true)) => Some("À compléter"),
            (false, false, Some(false) | None) => None,
        },
    });
    let next = (sent.len() == PAGE).then(|| sent.last().map(|one| text(one, "exchange"))).flatten();
    Ok(page(StatusCode::OK, &Sent { frame: Frame::new("Mes transmissions", "transmissions", &person), rows: rows.collect(), next }))
}

pub(super) async fn one(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let now = rooms.clock.now();
    let seen = follow::timeline(rooms, &person.caller, exchange(&id)?).await?;
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let party = |one: &Value, name: &str| one.get(name).map(|party| tell::party_of(&person.law.directory, party)).unwrap_or_default();
    let when = |one: &Value, name: &str| one.get(name).and_then(tell::when);
    let own_unit = |one: &Value| {
        let at = |pointer: &str| one.pointer(pointer).and_then(Value::as_str);
        at("/recipient/institution") == Some(person.caller.institution.as_str())
            && person.units().iter().any(|unit| at("/recipient/unit") == Some(unit.as_str()))
    };
    let steps = list_of(&seen, "deliveries").iter().map(|one| Step {
        to: party(one, "recipient"),
        delivered: when(one, "delivered_at").unwrap_or_default(),
        opened: when(one, "opened_at"),
        acknowledged: when(one, "acknowledged_at"),
        outcome: outcome(one.get("outcome").and_then(Value::as_str).unwrap_or_default()),
        reason: one.get("reason").and_then(Value::as_str).map(str::to_owned),
        delivery: one.get("delivery").and_then(Value::as_str).filter(|_| own_unit(one)).map(str::to_owned),
    });
    let tasks = list_of(&seen, "follow_ups").iter();
    let tasks = tasks.map(|one| (text(one, "follow_up"), text(one, "title"), one.get("done_at").is_some_and(|at| !at.is_null())));
    let running = list_of(&seen, "clocks").iter().filter(|clock| clock.get("stopped_at").is_none_or(Value::is_null));
    let answers = list_of(&seen, "answers").iter();
    let answers = answers.map(|one| (text(one, "exchange"), tell::kind(&person.law, &text(one, "type"), accepted_at(one))));
    let kind = tell::kind(&person.law, &text(&seen, "type"), accepted_at(&seen));
    let sender = seen.pointer("/sender/institution").and_then(Value::as_str);
    let draft = Draft { kind: text(&seen, "type"), reply: None, pairs: Pairs::default() };
    let template = Followed {
        correctable: type_of(&person, &draft, now).is_ok(),
        erased: when(&seen, "erased_at").is_some(),
        frame: Frame::new(kind.clone(), "transmissions", &person),
        exchange: id,
        kind,
        sender: party(&seen, "sender"),
        accepted: tell::moment(accepted_at(&seen)),
        incomplete: seen.get("incomplete").and_then(Value::as_bool) == Some(true),
        withdrawn: when(&seen, "withdrawn_at"),
        own: sender == Some(person.caller.institution.as_str()),
        steps: steps.collect(),
        tasks: tasks.collect(),
        limits: running.filter_map(|clock| limit(clock, now)).collect(),
        answers: answers.collect(),
    };
    Ok(page(StatusCode::OK, &template))
}

/// An exchange by its reference. By what somebody is called nothing is searched.
pub(super) async fn search(State(portal): State<Arc<Portal>>, person: Person, sent: Posted) -> Result<Response, Turn> {
    let sent = person.form(&sent)?;
    let id = exchange(&sent.filled("reference").unwrap_or_default().to_ascii_lowercase())?;
    follow::timeline(&portal.edge.rooms, &person.caller, id).await?;
    Ok(Redirect::to(&format!("/portail/transmissions/{id}")).into_response())
}

fn accepted_at(value: &Value) -> Instant {
    value.get("accepted_at").and_then(tell::instant).unwrap_or(Instant::from_unix_ms(0))
}

pub(super) fn exchange(text: &str) -> Result<ExchangeId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}

/// Rows of one page, as the store gives them.
const PAGE: usize = 50;
