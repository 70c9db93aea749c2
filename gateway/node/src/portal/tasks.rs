//! What somebody still owes: done, and how; or let wait, on which basis and until when.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use exchange::FollowUpId;
use serde_json::Value;

use super::{
    Portal,
    form::Choice,
    form_read::Posted,
    mailbox::{limit, list_of},
    page::{Frame, Turn, page},
    session::Person,
    tell,
    words::words,
};
use crate::{
    directory::day::begins_in_france,
    flows::task::{self, Done, Wait},
    refusal::Refusal,
};

#[derive(Template)]
#[template(path = "tasks.html")]
struct Tasks {
    frame: Frame,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    title: String,
    exchange: String,
    opened: String,
    limit: Option<(String, String, bool)>,
    waits: Option<String>,
}

#[derive(Template)]
#[template(path = "task.html")]
struct Task {
    frame: Frame,
    row: Row,
    done: Option<String>,
    means: Vec<Choice>,
    findings: Vec<Choice>,
    dispenses: Vec<Choice>,
    asks_destination: bool,
    bases: Vec<Choice>,
    latest: String,
    words: Vec<String>,
}

pub(super) async fn list(State(portal): State<Arc<Portal>>, person: Person) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let tasks = task::list(rooms, &person.caller).await?;
    let mut rows: Vec<(Option<i64>, Row)> = Vec::new();
    for one in list_of(&tasks, "follow_ups") {
        let due = one.pointer("/clock/limit").and_then(tell::instant).map(exchange::Instant::unix_ms);
        rows.push((due, row(&portal, one)));
    }
    rows.sort_by_key(|(due, _)| due.unwrap_or(i64::MAX));
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    Ok(page(StatusCode::OK, &Tasks { frame: Frame::new("Mes suivis", "suivis", &person), rows }))
}

pub(super) async fn one(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    let one = task::read(&portal.edge.rooms, &person.caller, follow_up(&id)?).await?;
    let choices = |pointer: &str, list: &str| {
        let all = one.pointer(pointer).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        all.map(|code| Choice { value: code.to_owned(), label: words().code(list, code), chosen: false }).collect::<Vec<_>>()
    };
    let asks = |what: &str| list_of(&one, "asks").iter().any(|asked| asked.as_str() == Some(what));
    // Where any means counts, all of them may be named.
    let mut means = choices("/means", "CL-moyen");
    if means.is_empty() && asks("means") {
        let all = person.law.catalogue.codes_of("CL-moyen");
        means = all.map(|code| Choice { value: code.to_owned(), label: words().code("CL-moyen", code), chosen: false }).collect();
    }
    let said = [one.pointer("/record/words"), one.pointer("/urgence/reason")].into_iter().flatten();
    let said = said.chain(list_of(&one, "deferrals").iter().filter_map(|deferral| deferral.get("words")));
    let template = Task {
        frame: Frame::new("Suivi", "suivis", &person),
        row: row(&portal, &one),
        done: one.get("done_at").and_then(tell::when),
        means,
        findings: choices("/findings", "CL-constat"),
        dispenses: choices("/dispense", "CL-base-report"),
        asks_destination: asks("destination"),
        bases: choices("/defer/basis", "CL-base-report"),
        latest: one.pointer("/defer/until_at_most").and_then(tell::when).unwrap_or_default(),
        words: said.filter_map(Value::as_str).map(str::to_owned).collect(),
    };
    Ok(page(StatusCode::OK, &template))
}

pub(super) async fn done(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path(id): Path<String>,
    sent: Posted,
) -> Result<Response, Turn> {
    let sent = person.form(&sent)?;
    let word = |name: &str| sent.filled(name).map(str::to_owned);
    let done = Done {
        on: word("le"),
        means: word("moyen"),
        dispense: word("dispense"),
        finding: word("constat"),
        exchange: sent.filled("echange").map(|id| id.parse().map_err(|_| Refusal::Malformed("référence"))).transpose()?,
        departement: word("departement"),
        words: word("mots"),
    };
    task::finish(&portal.edge.rooms, &person.caller, follow_up(&id)?, done).await?;
    Ok(Redirect::to("/portail/suivis").into_response())
}

pub(super) async fn defer(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path(id): Path<String>,
    sent: Posted,
) -> Result<Response, Turn> {
    let sent = person.form(&sent)?;
    let format = &time::format_description::well_known::Iso8601::DATE;
    let day = sent.filled("jusqu-au").and_then(|day| time::Date::parse(day, format).ok()).ok_or(Refusal::Malformed("date"))?;
    let wait = Wait {
        basis: sent.filled("base").unwrap_or_default().to_owned(),
        until: begins_in_france(day),
        words: sent.filled("mots").unwrap_or_default().to_owned(),
    };
    task::defer(&portal.edge.rooms, &person.caller, follow_up(&id)?, wait).await?;
    Ok(Redirect::to("/portail/suivis").into_response())
}

fn row(portal: &Portal, one: &Value) -> Row {
    let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let now = portal.edge.rooms.clock.now();
    Row {
        id: text("follow_up"),
        title: text("title"),
        exchange: text("exchange"),
        opened: one.get("opened_at").and_then(tell::when).unwrap_or_default(),
        limit: one.get("clock").and_then(|clock| limit(clock, now)),
        waits: one.get("deferred_until").and_then(tell::when),
    }
}

fn follow_up(text: &str) -> Result<FollowUpId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}
