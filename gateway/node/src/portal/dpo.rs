//! For the data-protection officer and the auditor: who opened what and under which rule, emergencies to be reviewed, how the
//! log stands, and whether a proof holds. No content, and for anybody else no such page.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use multer::{Constraints, Multipart, SizeLimit};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Portal,
    mailbox::list_of,
    page::{Frame, Turn, page},
    session::Person,
    tell,
    words::words,
};
use crate::{
    directory::Role,
    flows::{
        oversee, review,
        verify::{Trust, verify_evidence},
    },
    refusal::Refusal,
    routes::attachments::boundary,
};

#[derive(Template)]
#[template(path = "oversight.html")]
struct Oversight {
    frame: Frame,
    log: Log,
    urgences: Vec<Urgence>,
    most_kib: u64,
}

#[derive(Template)]
#[template(path = "readings.html")]
struct Readings {
    frame: Frame,
    rows: Vec<Reading>,
    first: bool,
    next: Option<u64>,
}

#[derive(Template)]
#[template(path = "proof.html")]
struct Proof {
    frame: Frame,
    holds: bool,
    unusable: bool,
    origin: String,
    size: u64,
    root: String,
    cosignatures: u64,
    findings: Vec<String>,
}

struct Log {
    origin: String,
    size: u64,
    root: String,
    signed: String,
    waiting: usize,
    since: Option<String>,
    witnesses: Vec<String>,
}

struct Urgence {
    reader: String,
    granted: String,
    until: String,
    rules: String,
    classes: String,
    uses: i64,
    exchange: String,
    reviews: Vec<Review>,
}

struct Review {
    function: String,
    task: String,
    done: Option<String>,
    limit: Option<String>,
    late: bool,
}

struct Reading {
    at: String,
    reader: String,
    what: String,
    exchange: String,
    purpose: Option<String>,
    rules: String,
    withheld: usize,
    emergency: bool,
    part: Option<&'static str>,
}

/// Where a page of readings ends.
#[derive(Deserialize)]
pub(super) struct Place {
    avant: Option<u64>,
}

pub(super) async fn home(State(portal): State<Arc<Portal>>, person: Person) -> Result<Response, Turn> {
    oversees(&person)?;
    let rooms = &portal.edge.rooms;
    let state = oversee::log(rooms, &person.caller).await?;
    let head = state.head.checkpoint;
    let witnesses = state.head.signatures.into_iter().map(|signature| signature.name).filter(|name| *name != head.origin);
    let log = Log {
        size: head.size,
        root: head.root.to_string(),
        signed: tell::moment(state.signed_at),
        waiting: state.waiting,
        since: state.since.map(tell::moment),
        witnesses: witnesses.collect(),
        origin: head.origin,
    };
    let register = review::register(rooms, &person.caller).await?;
    let template = Oversight {
        log,
        urgences: list_of(&register, "urgences").iter().map(|one| urgence(&person, one)).collect(),
        most_kib: MOST / 1024,
        frame: Frame::new("Contrôle", "controle", &person),
    };
    Ok(page(StatusCode::OK, &template))
}

/// Who opened what, newest first.
pub(super) async fn readings(
    State(portal): State<Arc<Portal>>,
    person: Person,
    place: Result<Query<Place>, QueryRejection>,
) -> Result<Response, Turn> {
    oversees(&person)?;
    let before = place.map_err(|_| Refusal::NotFound)?.0.avant;
    let found = oversee::openings(&portal.edge.rooms, &person.caller, before).await?;
    let rows = found.openings.into_iter().map(|one| Reading {
        at: tell::moment(one.at),
        reader: reader(&one.reader.subject, person.law.directory.professional(&one.reader).map(|known| known.profession.as_str())),
        what: one.kind.map_or_else(|| "Transmission".to_owned(), |kind| tell::kind(&person.law, &kind, one.at)),
        exchange: one.exchange.to_string(),
        purpose: one.purpose.map(|purpose| words().code("CL-purpose", &purpose)),
        rules: one.rules.join(", "),
        withheld: one.withheld,
        emergency: one.emergency,
        part: one.part.as_deref().map(part),
    });
    let template =
        Readings { rows: rows.collect(), first: before.is_none(), next: found.next, frame: Frame::new("Lectures", "controle", &person) };
    Ok(page(StatusCode::OK, &template))
}

/// Whether a proof holds against this gateway's own keys. Read, verified, forgotten.
pub(super) async fn verify(State(portal): State<Arc<Portal>>, person: Person, sent: Request) -> Result<Response, Turn> {
    oversees(&person)?;
    let boundary = boundary(sent.headers()).ok_or(Refusal::MediaType)?.map_err(|_| Refusal::Malformed("formulaire"))?;
    let limits = Constraints::new().size_limit(SizeLimit::new().whole_stream(MOST));
    let mut form = Multipart::with_constraints(sent.into_body().into_data_stream(), boundary, limits);
    // The form proves itself before its file is read.
    let first = form.next_field().await.map_err(|error| broken(&error))?.filter(|field| field.name() == Some("_csrf"));
    let csrf = first.ok_or(Turn::Forged)?.text().await.map_err(|error| broken(&error))?;
    person.sent(Some(&csrf))?;
    let file = form.next_field().await.map_err(|error| broken(&error))?.filter(|field| field.name() == Some("preuve"));
    let text = file.ok_or(Refusal::Malformed("preuve"))?.text().await.map_err(|error| broken(&error))?;
    let receipts = json!({"keys": [portal.edge.rooms.signer.jwk()]});
    let trust = Trust::pinned(std::slice::from_ref(&portal.edge.log_vkey), Some(&receipts), &[], 0);
    let report = verify_evidence(&text, &trust.map_err(|_| Refusal::Internal("trust"))?);
    let findings = report.findings.iter().map(|finding| match finding.leaf {
        Some(leaf) => format!("Entrée {leaf} : {}", finding.detail),
        None => finding.detail.clone(),
    });
    let template = Proof {
        holds: report.exit_code() == 0,
        unusable: report.exit_code() == 2,
        findings: findings.collect(),
        origin: report.origin,
        size: report.size,
        root: report.root,
        cosignatures: report.cosignatures,
        frame: Frame::new("Vérification d’une preuve", "controle", &person),
    };
    Ok(page(StatusCode::OK, &template))
}

/// For anybody else there is no such page.
fn oversees(person: &Person) -> Result<(), Turn> {
    if person.has_role(Role::Dpo) || person.has_role(Role::Auditeur) { Ok(()) } else { Err(Refusal::NotFound.into()) }
}

fn urgence(person: &Person, one: &Value) -> Urgence {
    let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let when = |name: &str| one.get(name).and_then(tell::when).unwrap_or_default();
    let texts = |name: &str| list_of(one, name).iter().filter_map(Value::as_str);
    let id = one.get("professional").and_then(|id| serde_json::from_value::<exchange::ProfessionalId>(id.clone()).ok());
    let known = id.as_ref().and_then(|id| person.law.directory.professional(id));
    Urgence {
        reader: reader(id.as_ref().map_or("", |id| &id.subject), known.map(|known| known.profession.as_str())),
        granted: when("granted_at"),
        until: when("until"),
        rules: texts("rules").collect::<Vec<_>>().join(", "),
        classes: texts("classes").map(|class| words().part(class)).collect::<Vec<_>>().join(", "),
        uses: one.get("uses").and_then(Value::as_i64).unwrap_or(0),
        exchange: text("exchange"),
        reviews: list_of(one, "reviews").iter().map(review_of).collect(),
    }
}

fn review_of(one: &Value) -> Review {
    let text = |name: &str| one.get(name).and_then(Value::as_str);
    let finding = text("finding").map(|code| words().code("CL-constat", code));
    let done = one.get("reviewed_at").and_then(tell::when);
    Review {
        function: text("function").map_or_else(|| "Service".to_owned(), |function| words().code("fonctions", function)),
        task: text("follow_up").unwrap_or_default().to_owned(),
        done: done.map(|at| finding.map_or_else(|| at.clone(), |finding| format!("{finding}, le {at}"))),
        limit: one.get("limit").and_then(tell::when),
        late: one.get("overdue") == Some(&Value::Bool(true)),
    }
}

/// A person as the directory knows them: what they do, and their opaque id.
fn reader(subject: &str, profession: Option<&str>) -> String {
    profession.map_or_else(|| subject.to_owned(), |profession| format!("{} ({subject})", words().humanised(profession)))
}

fn part(part: &str) -> &'static str {
    match part {
        "attachment" => "une pièce jointe",
        "acknowledgement-reason" => "le motif d’une réponse",
        "task-words" => "ce qui a été dit d’un suivi",
        _ => "une partie",
    }
}

fn broken(error: &multer::Error) -> Refusal {
    let too_large = matches!(error, multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. });
    if too_large { Refusal::TooLarge } else { Refusal::Malformed("formulaire") }
}

/// Bytes of a proof with its form: one is a few thousand.
const MOST: u64 = 256 * 1024;
