//! What waits for a unit, and one exchange of it: read, with what is withheld said as such; its files as downloads; answered.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use exchange::{DeliveryId, Instant, Party};
use serde_json::Value;

use super::{
    Portal,
    essentials::essentials,
    form_read::{Pairs, Posted},
    matching::decider,
    page::{Frame, Turn, page},
    session::Person,
    tell,
    told::{Told, one, told},
    words::words,
};
use crate::{
    catalogue::ExchangeType,
    flows::{
        acknowledge::{self, Acknowledgement},
        collect::{self, Ask, attachment},
        follow,
    },
    refusal::Refusal,
    routes::attachments::{answer, asked},
    store::delivery::Outcome,
};

#[derive(Template)]
#[template(path = "mailbox.html")]
struct Mailbox {
    frame: Frame,
    unit: String,
    units: Vec<(String, String, bool)>,
    rows: Vec<Row>,
    next: Option<i64>,
    first: bool,
    /// Whether this person may say who is who.
    matches: bool,
}

/// One thing that waits.
struct Row {
    delivery: String,
    kind: String,
    sender: String,
    urgency: &'static str,
    urgent: bool,
    came: String,
    opened: bool,
    note: Option<&'static str>,
    limit: Option<(String, String, bool)>,
}

#[derive(Template)]
#[template(path = "document.html")]
struct Document {
    frame: Frame,
    delivery: String,
    exchange: String,
    kind: String,
    sender: String,
    /// Whom to call about it.
    call: Option<String>,
    recipient: String,
    urgency: &'static str,
    urgent: bool,
    accepted: String,
    basis: String,
    incomplete: bool,
    withdrawn: Option<String>,
    motive: String,
    /// What corrects it: where it waits, and since when.
    corrected: Vec<(String, String)>,
    corrects: Option<String>,
    /// Of a danger, what is read first.
    essentials: Vec<(&'static str, String)>,
    parts: Vec<Told>,
    files: Vec<File>,
    withheld: Vec<(String, String, String)>,
    limits: Vec<(String, String, bool)>,
    acknowledged: Option<(String, String)>,
    answers: Vec<(String, String)>,
    /// The answer that was chosen and lacks its reason.
    needs_reason: Option<&'static str>,
}

/// One attachment.
struct File {
    title: String,
    name: String,
    nature: String,
    size: String,
    /// Its name in an address; nothing when it never came.
    address: Option<String>,
}

pub(super) async fn list(State(portal): State<Arc<Portal>>, person: Person, RawQuery(query): RawQuery) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let now = rooms.clock.now();
    let query = Pairs::read(query.unwrap_or_default().as_bytes());
    let own = person.units();
    let unit = match query.filled("service") {
        Some(asked) => own.iter().find(|unit| unit.as_str() == asked),
        None => own.first(),
    };
    let unit = unit.ok_or(Refusal::NotFound)?;
    let after = query.filled("apres").and_then(|after| after.parse().ok()).unwrap_or(0);
    let ask = Ask { unit: Some(unit.clone()), after, wait: 0, limit: Some(PAGE) };
    let found = collect::mailbox(rooms, &person.caller, &ask).await?;
    let ids: Vec<_> = found.deliveries.iter().filter_map(|notice| notice.exchange).collect();
    let limits = follow::limits(rooms, &person.caller, &ids).await?;
    let full = found.deliveries.len() >= PAGE as usize;
    let rows = found.deliveries.iter().map(|notice| Row {
        delivery: notice.delivery.to_string(),
        kind: notice.kind.as_ref().map(|kind| tell::kind(&person.law, kind.as_str(), notice.delivered_at)).unwrap_or_default(),
        sender: notice.sender.as_ref().map(|sender| tell::party(&person.law.directory, sender)).unwrap_or_default(),
        urgency: tell::urgency(notice.urgency),
        urgent: notice.urgency == "immediate",
        came: tell::moment(notice.delivered_at),
        opened: notice.opened_at.is_some(),
        note: match (notice.withdrawn_at, notice.rectifies, notice.incomplete) {
            (Some(_), _, _) => Some("Retiré par son auteur"),
            (None, Some(_), _) => Some("Rectificatif"),
            (None, None, true) => Some("À compléter"),
            (None, None, false) => None,
        },
        limit: notice.exchange.and_then(|id| limits.get(&id)).and_then(|clock| limit(clock, now)),
    });
    let institution = person.law.directory.institution(&person.caller.institution);
    let name =
        |id: &exchange::UnitId| institution.and_then(|known| known.units.get(id)).map_or_else(|| id.to_string(), |unit| unit.name.clone());
    let template = Mailbox {
        frame: Frame::new("À traiter", "boite", &person),
        unit: unit.to_string(),
        units: own.iter().map(|one| (one.to_string(), name(one), one == unit)).collect(),
        rows: rows.collect(),
        next: full.then_some(found.after),
        first: after == 0,
        matches: decider(rooms, &person).is_ok(),
    };
    Ok(page(StatusCode::OK, &template))
}

pub(super) async fn open(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let now = rooms.clock.now();
    let document = collect::open(rooms, &person.caller, delivery(&id)?).await?;
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, exchange, urgency) = (text("type"), text("exchange"), text("urgency"));
    let accepted = document.get("accepted_at").and_then(tell::instant).unwrap_or(now);
    let of = kind.parse().ok().and_then(|code| person.law.catalogue.exchange_type(&code, accepted));
    let seen = follow::timeline(rooms, &person.caller, exchange.parse().map_err(|_| Refusal::NotFound)?).await?;
    let mine = list_of(&seen, "deliveries").iter().find(|one| one.get("delivery").and_then(Value::as_str) == Some(id.as_str()));
    let acknowledged =
        mine.and_then(|one| Some((outcome(one.get("outcome")?.as_str()?).to_owned(), tell::when(one.get("acknowledged_at")?)?)));
    let limits = list_of(&seen, "clocks").iter().filter(|clock| clock.get("stopped_at").is_none_or(Value::is_null));
    let template = Document {
        frame: Frame::new(tell::kind(&person.law, &kind, accepted), "boite", &person),
        delivery: id,
        kind: tell::kind(&person.law, &kind, accepted),
        sender: document.get("sender").map(|sender| tell::party_of(&person.law.directory, sender)).unwrap_or_default(),
        call: document.get("sender").and_then(|sender| telephone(&person, sender)),
        recipient: document.get("recipient").map(|to| tell::party_of(&person.law.directory, to)).unwrap_or_default(),
        urgency: tell::urgency(&urgency),
        urgent: urgency == "immediate",
        accepted: tell::moment(accepted),
        basis: list_of(&document, "legal_basis").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ; "),
        incomplete: document.get("incomplete").and_then(Value::as_bool) == Some(true),
        withdrawn: document.pointer("/withdrawn/at").and_then(tell::when),
        motive: document.pointer("/withdrawn/motive").and_then(Value::as_str).unwrap_or_default().to_owned(),
        corrected: list_of(&document, "rectified_by").iter().filter_map(correction).collect(),
        corrects: document.get("rectifies").and_then(Value::as_str).map(str::to_owned),
        essentials: if of.is_some_and(|of| of.danger) { essentials(&document) } else { Vec::new() },
        parts: parts(of, &document),
        files: list_of(&document, "attachments").iter().map(file).collect(),
        withheld: withheld(&document),
        limits: limits.filter_map(|clock| limit(clock, now)).collect(),
        acknowledged,
        answers: of.map(|of| answers(&person, of, now)).unwrap_or_default(),
        needs_reason: Pairs::read(query.unwrap_or_default().as_bytes()).first("motif").and_then(reasoned),
        exchange,
    };
    Ok(page(StatusCode::OK, &template))
}

/// A file, to be saved.
pub(super) async fn attachment(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Turn> {
    Ok(answer(attachment::open(&portal.edge.rooms, &person.caller, delivery(&id)?, &name, asked(&headers)).await?))
}

pub(super) async fn acknowledge(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path(id): Path<String>,
    sent: Posted,
) -> Result<Response, Turn> {
    let sent = person.form(&sent)?;
    let outcome = match sent.first("suite") {
        Some("taken-in-charge") => Outcome::TakenInCharge,
        Some("refused") => Outcome::Refused,
        Some("not-for-us") => Outcome::NotForUs,
        Some(_) | None => return Err(Refusal::Malformed("suite").into()),
    };
    let reason = sent.filled("motif").map(str::to_owned);
    let delivery = delivery(&id)?;
    if outcome != Outcome::TakenInCharge && reason.is_none() {
        let chosen = sent.first("suite").and_then(reasoned).unwrap_or_default();
        return Ok(Redirect::to(&format!("/portail/boite/{delivery}?motif={chosen}#repondre")).into_response());
    }
    let said = Acknowledgement { outcome, reason, read_back: sent.filled("code").map(str::to_owned) };
    acknowledge::acknowledge(&portal.edge.rooms, &person.caller, delivery, said).await?;
    Ok(Redirect::to(&format!("/portail/boite/{delivery}#repondre")).into_response())
}

/// An answer that needs a reason.
fn reasoned(suite: &str) -> Option<&'static str> {
    ["refused", "not-for-us"].into_iter().find(|known| *known == suite)
}

/// How a unit answered, in words.
pub(super) fn outcome(code: &str) -> &'static str {
    match code {
        "taken-in-charge" => "Pris en charge",
        "refused" => "Refusé",
        "not-for-us" => "Ne concerne pas ce service",
        _ => "",
    }
}

/// A clock: what it is, when it ends, whether that is over.
pub(super) fn limit(clock: &Value, now: Instant) -> Option<(String, String, bool)> {
    let limit = clock.get("limit").and_then(tell::instant)?;
    let title = clock.get("title").and_then(Value::as_str).unwrap_or("Échéance").to_owned();
    Some((title, format!("{} ({})", tell::left(limit, now), tell::moment(limit)), limit <= now))
}

pub(super) fn list_of<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The persons, then what is said of them, then who was informed, then what the form had no place for; what the head of the page
/// says is left out.
pub(super) fn parts(of: Option<&ExchangeType>, document: &Value) -> Vec<Told> {
    let mut parts = Vec::new();
    parts.extend(document.get("subjects").and_then(|value| one(of, "", "subjects", value)));
    if let Some(payload) = document.get("payload") {
        parts.extend(told(of, "payload", payload));
    }
    for name in ["information", "necessity", "non_conforme"] {
        parts.extend(document.get(name).and_then(|value| one(of, "", name, value)));
    }
    parts
}

/// The number of the unit that sent it, as the directory has it.
fn telephone(person: &Person, sender: &Value) -> Option<String> {
    let sender: Party = serde_json::from_value(sender.clone()).ok()?;
    person.law.directory.institution(&sender.institution)?.units.get(&sender.unit?)?.telephone.clone()
}

/// Where a correction waits, and since when.
fn correction(value: &Value) -> Option<(String, String)> {
    Some((value.get("delivery")?.as_str()?.to_owned(), tell::when(value.get("accepted_at")?)?))
}

fn file(value: &Value) -> File {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let address = value.get("content").and_then(Value::as_str).and_then(|content| content.rsplit('/').next()).map(str::to_owned);
    let size = value.get("size").and_then(Value::as_u64).map(|bytes| format!("{} Kio", bytes.div_ceil(1024)));
    let nature = Some(text("class")).filter(|class| !class.is_empty()).map(|class| words().part(&class));
    File { title: text("title"), name: text("name"), nature: nature.unwrap_or_default(), size: size.unwrap_or_default(), address }
}

pub(super) fn withheld(document: &Value) -> Vec<(String, String, String)> {
    let of_reason = |one: &Value, part: &str| {
        let all = list_of(one, "reasons").iter().filter_map(|reason| reason.get(part).and_then(Value::as_str));
        all.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let shown = |one: &Value| {
        let part = one.get("part").and_then(Value::as_str).unwrap_or_default();
        (words().part(part), of_reason(one, "explain"), of_reason(one, "who"))
    };
    list_of(document, "withheld").iter().map(shown).collect()
}

/// What may answer it, of what one of this person's units may send.
fn answers(person: &Person, of: &ExchangeType, now: Instant) -> Vec<(String, String)> {
    let institution = person.law.directory.institution(&person.caller.institution);
    let units = person.units();
    let sends = |one: &&ExchangeType| {
        let kinds = units.iter().filter_map(|unit| institution?.units.get(unit)).map(|unit| &unit.kind);
        let form = if one.code == of.code { one.form(Some(crate::catalogue::ANSWER)) } else { one };
        kinds.into_iter().any(|kind| form.from.contains(kind))
    };
    let types = of.answered_by.iter().filter_map(|code| person.law.catalogue.exchange_type(code, now)).filter(|one| one.comes_in("portal"));
    types.filter(sends).map(|one| (one.code.to_string(), one.title.clone())).collect()
}

fn delivery(text: &str) -> Result<DeliveryId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}

/// Rows of one page.
const PAGE: u32 = 50;
