//! What who sent an exchange does about it afterwards: corrects it, takes it back, says that they called.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use exchange::ExchangeId;
use serde_json::Value;

use super::{
    Portal,
    draft::{Draft, new_id, shown},
    form_read::{Pairs, Posted},
    mailbox::list_of,
    page::{Frame, Turn, page},
    session::Person,
    tell,
};
use crate::{
    flows::{
        acknowledge::{self, Call},
        follow, withdraw,
    },
    refusal::Refusal,
};

#[derive(Template)]
#[template(path = "withdrawal.html")]
struct Withdrawal {
    frame: Frame,
    exchange: String,
    kind: String,
    /// The motive is missing.
    lacks: bool,
}

#[derive(Template)]
#[template(path = "called.html")]
struct CalledPage {
    frame: Frame,
    exchange: String,
    code: String,
    reached: bool,
}

/// An exchange of this person's own institution.
struct Own {
    id: ExchangeId,
    kind: String,
    title: String,
    /// Where it went.
    recipient: Option<String>,
}

/// A form for the whole of it again, as it should have been.
pub(super) async fn correct(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    let own = own(&portal, &person, &id).await?;
    let mut pairs = Pairs::default();
    pairs.set("_rectifie", own.id.to_string());
    if let Some(recipient) = own.recipient {
        pairs.set("_destinataire", recipient);
    }
    let draft = Draft { kind: own.kind, reply: None, pairs };
    shown(&portal, &person, &new_id(), &draft, None, None, StatusCode::OK)
}

pub(super) async fn ask_withdrawal(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    withdrawal(&portal, &person, &id, false).await
}

/// Takes it back: who got it is told.
pub(super) async fn withdraw(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path(id): Path<String>,
    sent: Posted,
) -> Result<Response, Turn> {
    let sent = person.form(&sent)?;
    let Some(motive) = sent.filled("motif") else { return withdrawal(&portal, &person, &id, true).await };
    let exchange = exchange(&id)?;
    withdraw::withdraw(&portal.edge.rooms, &person.caller, exchange, motive).await?;
    Ok(Redirect::to(&format!("/portail/transmissions/{exchange}")).into_response())
}

/// A call about it: the code that the other side reads back.
pub(super) async fn call(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path(id): Path<String>,
    sent: Posted,
) -> Result<Response, Turn> {
    let sent = person.form(&sent)?;
    let reached = match sent.first("joint") {
        Some("oui") => true,
        Some("non") => false,
        Some(_) | None => return Err(Refusal::Malformed("joint").into()),
    };
    let exchange = exchange(&id)?;
    let called = acknowledge::telephone(&portal.edge.rooms, &person.caller, exchange, Call { reached }).await?;
    let frame = Frame::new("Appel consigné", "transmissions", &person);
    Ok(page(StatusCode::OK, &CalledPage { frame, exchange: exchange.to_string(), code: called.read_back, reached }))
}

async fn withdrawal(portal: &Portal, person: &Person, id: &str, lacks: bool) -> Result<Response, Turn> {
    let own = own(portal, person, id).await?;
    let frame = Frame::new("Retirer une transmission", "transmissions", person);
    let status = if lacks { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(page(status, &Withdrawal { frame, exchange: own.id.to_string(), kind: own.title, lacks }))
}

async fn own(portal: &Portal, person: &Person, id: &str) -> Result<Own, Turn> {
    let id = exchange(id)?;
    let seen = follow::timeline(&portal.edge.rooms, &person.caller, id).await?;
    if seen.pointer("/sender/institution").and_then(Value::as_str) != Some(person.caller.institution.as_str()) {
        return Err(Refusal::NotFound.into());
    }
    let kind = seen.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let accepted = seen.get("accepted_at").and_then(tell::instant).unwrap_or_else(|| portal.edge.rooms.clock.now());
    let recipient = list_of(&seen, "deliveries").iter().find_map(|one| serde_json::from_value(one.get("recipient")?.clone()).ok());
    let recipient = recipient.map(|party: exchange::Party| party.to_string());
    Ok(Own { id, title: tell::kind(&person.law, &kind, accepted), kind, recipient })
}

fn exchange(text: &str) -> Result<ExchangeId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}
