//! What somebody sent and what became of it, within what the law lets this person know; the receipt to keep.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::{ExchangeId, Instant};
use qrcode::{Color, QrCode};
use serde_json::Value;

use super::{
    Portal,
    draft::numbers,
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

#[derive(Template)]
#[template(path = "receipt.html")]
struct Receipt {
    frame: Frame,
    exchange: String,
    kind: String,
    to: String,
    accepted: String,
    leaf: String,
    log: String,
    danger: bool,
    numbers: Vec<(String, String)>,
    path: String,
    side: usize,
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
    let template = Followed {
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

/// A page to keep: what was accepted, when, and what proves it.
pub(super) async fn receipt(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let evidence = follow::evidence(rooms, &person.caller, exchange(&id)?).await?;
    // A receipt is its sender's alone.
    let receipt = evidence.get("receipt").and_then(Value::as_str).ok_or(Refusal::NotFound)?;
    let claims = claims(receipt).ok_or(Refusal::Internal("receipt"))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let accepted = Instant::from_unix_ms(claims.get("iat").and_then(Value::as_i64).unwrap_or(0).saturating_mul(1000));
    let seen = follow::timeline(rooms, &person.caller, exchange(&id)?).await?;
    let to = list_of(&seen, "deliveries").iter().filter_map(|one| one.get("recipient"));
    let to = to.map(|party| tell::party_of(&person.law.directory, party)).collect::<Vec<_>>().join(" ; ");
    let code = text("type").parse().ok();
    let danger = code.and_then(|code| person.law.catalogue.exchange_type(&code, accepted)).is_some_and(|of| of.danger);
    let leaf = text("leaf");
    // What somebody with a telephone needs to find it again and to compare it; nobody is named.
    let (path, side) = drawn(&format!("passerelle:{}:{id}:{leaf}", rooms.gateway)).ok_or(Refusal::Internal("qr"))?;
    let template = Receipt {
        frame: Frame::new("Accusé de dépôt", "transmissions", &person),
        kind: tell::kind(&person.law, &text("type"), accepted),
        to,
        accepted: tell::moment(accepted),
        log: text("log"),
        danger,
        numbers: if danger { numbers(&person, &rooms.departement) } else { Vec::new() },
        exchange: id,
        leaf,
        path,
        side,
    };
    Ok(page(StatusCode::OK, &template))
}

/// Receipt, log entry and proofs: a file that anybody can verify without us.
pub(super) async fn evidence(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    let id = exchange(&id)?;
    let evidence = follow::evidence(&portal.edge.rooms, &person.caller, id).await?;
    let name = format!("attachment; filename=\"preuve-{id}.json\"");
    let media = "application/octet-stream".to_owned();
    let nosniff = (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned());
    Ok(([(header::CONTENT_TYPE, media), (header::CONTENT_DISPOSITION, name), nosniff], evidence.to_string()).into_response())
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

/// Our own receipt: read, not verified.
fn claims(jws: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jws.split('.').nth(1)?).ok()?).ok()
}

/// A QR code as the path of an SVG, and the length of its side.
fn drawn(text: &str) -> Option<(String, usize)> {
    let code = QrCode::new(text).ok()?;
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
    let path = dark.map(|(at, _)| format!("M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET)).collect();
    Some((path, width + 2 * QUIET))
}

fn exchange(text: &str) -> Result<ExchangeId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}

/// Rows of one page, as the store gives them.
const PAGE: usize = 50;
/// Empty modules around a code.
const QUIET: usize = 4;
