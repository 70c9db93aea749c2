//! Writing: a form that is kept, sealed, at each step, so that nothing that was typed is lost. Nothing is sent from here.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use exchange::{ExchangeId, Instant, InstitutionId, Kind, Party, ProfessionalId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Portal,
    form::{Choice, Form, Item, Section, sections},
    form_read::{Pairs, Posted},
    page::{Frame, Turn, page},
    session::{Person, Unattended, Writer},
    tell,
};
use crate::{
    agreements::InForce,
    catalogue::{ANSWER, AgreementNeed, ExchangeType},
    directory::{Institution, Unit},
    flows::follow,
    refusal::{CertificateFault, Refusal},
    routes::HIDDEN_KINDS,
    seal::{
        Place,
        body::{open_bytes, seal_bytes},
    },
    store::{
        StoreError,
        portal::{DraftRow, DropDraft, KeepDraft},
    },
};

/// What somebody has begun to write.
#[derive(Serialize, Deserialize)]
pub(super) struct Draft {
    pub(super) kind: String,
    /// What it answers.
    pub(super) reply: Option<Reply>,
    pub(super) pairs: Pairs,
}

impl Draft {
    /// The exchange that it answers, as the form says it.
    fn answers(&self) -> Option<&str> {
        self.pairs.filled("_reponse")
    }
}

/// What an exchange answers.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct Reply {
    pub(super) exchange: ExchangeId,
    pub(super) kind: String,
    pub(super) sender: Party,
}

/// What a draft is by now.
pub(super) enum Found {
    Open(Draft),
    Sent(ExchangeId),
}

#[derive(Template)]
#[template(path = "form.html")]
struct FormPage {
    frame: Frame,
    id: String,
    given: String,
    title: String,
    danger: bool,
    numbers: Vec<(String, String)>,
    kind: String,
    reply: Option<ExchangeId>,
    /// What it corrects.
    corrects: Option<String>,
    answered: Option<String>,
    units: Vec<Choice>,
    recipients: Vec<Choice>,
    urgencies: Vec<Choice>,
    agreements: Vec<Choice>,
    sections: Vec<Section>,
    trouble: Option<Trouble>,
    kept_until: Option<String>,
}

/// Why it was not sent: said above the form, and at its fields.
#[derive(Default)]
pub(super) struct Trouble {
    pub(super) detail: String,
    pub(super) cure: Option<String>,
    /// What is wrong, and where.
    pub(super) faults: Vec<(String, Option<String>)>,
    pub(super) at: BTreeMap<String, String>,
}

/// A form of a type.
pub(super) async fn begin(State(portal): State<Arc<Portal>>, person: Person, Path(kind): Path<String>) -> Result<Response, Turn> {
    let draft = Draft { kind, reply: None, pairs: Pairs::default() };
    shown(&portal, &person, &new_id(), &draft, None, None, StatusCode::OK)
}

/// A form that answers an exchange, as far as this person may know of it.
pub(super) async fn answer(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path((exchange, kind)): Path<(String, String)>,
) -> Result<Response, Turn> {
    let draft = Draft { kind, reply: Some(reply(&portal, &person, &exchange).await?), pairs: Pairs::default() };
    shown(&portal, &person, &new_id(), &draft, None, None, StatusCode::OK)
}

/// A draft that was kept.
pub(super) async fn resume(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    match find(&portal, &person, &id).await? {
        Found::Open(draft) => {
            let until = portal.edge.rooms.clock.now().plus(portal.config.drafts_last());
            shown(&portal, &person, &id, &draft, None, Some(until), StatusCode::OK)
        }
        Found::Sent(exchange) => Ok(Redirect::to(&format!("/portail/transmissions/{exchange}/accuse")).into_response()),
    }
}

/// Keeps what was typed, and goes where the button says.
pub(super) async fn write(
    State(portal): State<Arc<Portal>>,
    writer: Writer,
    Path(id): Path<String>,
    sent: Posted,
) -> Result<Response, Turn> {
    // 1. The text before anything that may fail.
    let (mut draft, action, place) = take(&portal, &writer, &id, &sent).await?;
    let Writer::Present(person) = writer else { return Err(Turn::SignIn) };
    // 2. What it answers, as far as this person may know of it.
    if draft.reply.is_none() && draft.answers().is_some() {
        resolve(&portal, &person, &mut draft).await?;
        keep(&portal, (&person.caller.institution, &person.id), &id, &draft).await?;
    }
    type_of(&person, &draft, portal.edge.rooms.clock.now())?;
    let next = if action == "verifier" { "/verifier" } else { "" };
    Ok(Redirect::to(&format!("/portail/brouillon/{id}{next}{place}")).into_response())
}

/// Keeps what was typed, of a page that does so by itself: nobody stays signed in by it.
pub(super) async fn write_unattended(
    State(portal): State<Arc<Portal>>,
    Unattended(writer): Unattended,
    Path(id): Path<String>,
    sent: Posted,
) -> Result<StatusCode, Turn> {
    take(&portal, &writer, &id, &sent).await.map(|_| StatusCode::NO_CONTENT)
}

/// Keeps what was typed under its author; gives it, with what the button says and where the page goes on.
async fn take(portal: &Portal, writer: &Writer, id: &str, sent: &Posted) -> Result<(Draft, String, String), Turn> {
    let rooms = &portal.edge.rooms;
    let mut pairs = sent.words()?;
    let author = writer.author(portal, id, &pairs)?;
    let action = pairs.first("_action").unwrap_or_default().to_owned();
    let kind = pairs.first("_type").unwrap_or_default().to_owned();
    let known = kind.parse().ok().is_some_and(|code| rooms.law.load().catalogue.exchange_type(&code, rooms.clock.now()).is_some());
    if !known {
        return Err(Refusal::NotFound.into());
    }
    let mut place = String::new();
    if let Some(list) = action.strip_prefix("ajouter:") {
        let count = pairs.count(list);
        pairs.set(&format!("_n:{list}"), (count + 1).to_string());
        place = format!("#{}-{count}", list.replace('/', "-"));
    }
    let mut draft = Draft { kind, reply: None, pairs: pairs.into_kept() };
    // What was found out before about what it answers is not asked again.
    if let Some(answers) = draft.answers() {
        let before = rooms.store.draft(id, &author.institution, &author.author).await?;
        let before = before.filter(|row| row.exchange.is_none()).map(|row| opened(portal, &row)).transpose()?;
        draft.reply = before.and_then(|before| before.reply).filter(|reply| reply.exchange.to_string() == answers);
    }
    keep(portal, (&author.institution, &author.author), id, &draft).await?;
    Ok((draft, action, place))
}

/// Gives a draft up.
pub(super) async fn give_up(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path(id): Path<String>,
    sent: Posted,
) -> Result<Response, Turn> {
    person.form(&sent)?;
    let drop = DropDraft { id, institution: person.caller.institution.clone(), author: person.id.clone() };
    match portal.edge.rooms.store.write(drop).await {
        Err(StoreError::NotThere(_)) => Err(Refusal::NotFound.into()),
        other => Ok(other.map(|()| Redirect::to("/portail").into_response())?),
    }
}

/// The draft of this id, if it is this person's.
pub(super) async fn find(portal: &Portal, person: &Person, id: &str) -> Result<Found, Turn> {
    let rooms = &portal.edge.rooms;
    let found = rooms.store.draft(id, &person.caller.institution, &person.id).await?;
    let row = found.filter(|row| row.ends_at > rooms.clock.now()).ok_or(Refusal::NotFound)?;
    match row.exchange {
        Some(exchange) => Ok(Found::Sent(exchange)),
        None => {
            let mut draft = opened(portal, &row)?;
            if draft.reply.is_none() && draft.answers().is_some() {
                resolve(portal, person, &mut draft).await?;
            }
            Ok(Found::Open(draft))
        }
    }
}

/// Finds out what a draft answers.
async fn resolve(portal: &Portal, person: &Person, draft: &mut Draft) -> Result<(), Turn> {
    if let Some(exchange) = draft.answers() {
        draft.reply = Some(reply(portal, person, exchange).await?);
    }
    Ok(())
}

/// What a kept draft says.
pub(super) fn opened(portal: &Portal, row: &DraftRow) -> Result<Draft, Refusal> {
    let damaged = || Refusal::Internal("draft");
    let key = portal.edge.rooms.keystore.wrapping(PURPOSE).map_err(|_| damaged())?;
    let plain = open_bytes(&key, &place(&row.id), &row.sealed).map_err(|_| damaged())?;
    serde_json::from_slice(&plain).map_err(|_| damaged())
}

async fn keep(portal: &Portal, (institution, author): (&InstitutionId, &ProfessionalId), id: &str, draft: &Draft) -> Result<(), Turn> {
    let failed = || Refusal::Internal("draft");
    let rooms = &portal.edge.rooms;
    // One text for each id: it is also the key under which a repeat is recognised.
    if Uuid::try_parse(id).ok().is_none_or(|read| read.to_string() != id) {
        return Err(Refusal::NotFound.into());
    }
    let key = rooms.keystore.wrapping(PURPOSE).map_err(|_| failed())?;
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(draft).map_err(|_| failed())?);
    let sealed = seal_bytes(&key, &place(id), &plain).map_err(|_| failed())?;
    let now = rooms.clock.now();
    let row = DraftRow { id: id.to_owned(), sealed, exchange: None, ends_at: now.plus(portal.config.drafts_last()) };
    let write = KeepDraft { draft: row, institution: institution.clone(), author: author.clone(), now };
    match rooms.store.write(write).await {
        // Somebody else's, or sent already.
        Err(StoreError::NotThere(_)) => Err(Refusal::NotFound.into()),
        other => Ok(other?),
    }
}

/// The form with what was typed, and what is wrong with it.
pub(super) fn shown(
    portal: &Portal,
    person: &Person,
    id: &str,
    draft: &Draft,
    mut trouble: Option<Trouble>,
    kept_until: Option<Instant>,
    status: StatusCode,
) -> Result<Response, Turn> {
    let now = portal.edge.rooms.clock.now();
    let of = type_of(person, draft, now)?;
    let law = &person.law;
    let mut items = items(person, draft, of)?;
    if let Some(trouble) = &mut trouble {
        items.iter_mut().for_each(|item| item.mark(&mut trouble.at));
    }
    let pairs = &draft.pairs;
    let choice = |name: &str, value: &str, label: String, first: bool| Choice {
        chosen: pairs.first(name).map_or(first, |told| told == value),
        value: value.to_owned(),
        label,
    };
    let units = sending_units(person, of)?;
    let units = units.iter().enumerate().map(|(n, unit)| choice("_service", unit.id.as_str(), unit.name.clone(), n == 0)).collect();
    let recipients = recipients(person, draft, of, &portal.edge.rooms.departement);
    let recipients =
        recipients.iter().enumerate().map(|(n, to)| choice("_destinataire", &to.to_string(), tell::party(&law.directory, to), n == 0));
    let usual = of.urgency.iter().position(|urgency| urgency.as_str() == "ordinary").unwrap_or(0);
    let urgencies = of.urgency.iter().enumerate();
    let urgencies =
        urgencies.map(|(n, urgency)| choice("_urgence", urgency.as_str(), tell::urgency(urgency.as_str()).to_owned(), n == usual));
    let agreements = law.agreements.all().filter(|one| of.agreement != AgreementNeed::None && one.types.contains(&of.code));
    let agreements = agreements.filter(|one| matches!(law.agreements.in_force(&one.id, now), InForce::InForce(_)));
    let template = FormPage {
        frame: Frame::new(of.title.clone(), "transmettre", person),
        id: id.to_owned(),
        given: person.given(portal, id)?,
        title: of.title.clone(),
        danger: of.danger,
        numbers: if of.danger { numbers(person, &portal.edge.rooms.departement) } else { Vec::new() },
        kind: draft.kind.clone(),
        reply: draft.reply.as_ref().map(|reply| reply.exchange),
        corrects: pairs.filled("_rectifie").map(str::to_owned),
        answered: draft.reply.as_ref().map(|reply| tell::kind(law, &reply.kind, now)),
        units,
        recipients: recipients.collect(),
        urgencies: urgencies.collect(),
        agreements: agreements.enumerate().map(|(n, one)| choice("_protocole", &one.id.to_string(), one.title.clone(), n == 0)).collect(),
        sections: sections(items),
        trouble,
        kept_until: kept_until.map(tell::moment),
    };
    Ok(page(status, &template))
}

/// What is asked, filled.
pub(super) fn items(person: &Person, draft: &Draft, of: &ExchangeType) -> Result<Vec<Item>, Turn> {
    let sender = sender(person, draft, of)?;
    let kind = person.law.directory.party(&sender).ok_or(Refusal::UnknownProfessional)?.kind;
    Ok(Form { catalogue: &person.law.catalogue, of, sender: kind, pairs: &draft.pairs.index() }.items())
}

/// The unit in whose name it is sent.
pub(super) fn sender(person: &Person, draft: &Draft, of: &ExchangeType) -> Result<Party, Turn> {
    let units = sending_units(person, of)?;
    let asked = draft.pairs.first("_service").and_then(|asked| units.iter().find(|unit| unit.id.as_str() == asked));
    let unit = asked.or(units.first()).ok_or(Refusal::NotFound)?;
    Ok(Party { institution: person.caller.institution.clone(), unit: Some(unit.id.clone()) })
}

/// Where it goes: as chosen; where nobody chose, the first place there is. A place that is there no more is not replaced by another
/// that nobody chose, unless a danger would be stopped by it (invariant 3).
pub(super) fn recipient(person: &Person, draft: &Draft, of: &ExchangeType, departement: &str) -> Option<Party> {
    let all = recipients(person, draft, of, departement);
    let asked = draft.pairs.first("_destinataire");
    let chosen = asked.and_then(|asked| all.iter().find(|party| party.to_string() == asked)).cloned();
    if asked.is_some() && !of.danger { chosen } else { chosen.or_else(|| all.into_iter().next()) }
}

/// The type of a draft, or of an answer to one of the same type, that one of this person's units may send.
pub(super) fn type_of<'p>(person: &'p Person, draft: &Draft, now: Instant) -> Result<&'p ExchangeType, Turn> {
    let code = draft.kind.parse().map_err(|_| Refusal::NotFound)?;
    let whole = person.law.catalogue.exchange_type(&code, now).ok_or(Refusal::NotFound)?;
    // What answers a type of its own kind has a form of its own.
    let same = draft.reply.as_ref().is_some_and(|reply| reply.kind == draft.kind);
    let of = whole.form(same.then_some(ANSWER));
    let is_there = whole.comes_in("portal") && !sending_units(person, of)?.is_empty() && (!of.must_answer || draft.reply.is_some());
    if !is_there {
        return Err(Refusal::NotFound.into());
    }
    // With a stale revocation list nothing but danger stays open (invariant 3).
    if person.caller.stale && !of.danger {
        return Err(Refusal::Certificate(CertificateFault::StaleRevocation).into());
    }
    Ok(of)
}

/// The units of this person that may send a type.
pub(super) fn sending_units<'p>(person: &'p Person, of: &ExchangeType) -> Result<Vec<&'p Unit>, Turn> {
    let institution = person.law.directory.institution(&person.caller.institution).ok_or(Refusal::UnknownProfessional)?;
    let units = person.professional()?.units.iter().filter_map(|unit| institution.units.get(unit));
    Ok(units.filter(|unit| of.from.contains(&unit.kind)).collect())
}

async fn reply(portal: &Portal, person: &Person, exchange: &str) -> Result<Reply, Turn> {
    let exchange = exchange.parse().map_err(|_| Refusal::NotFound)?;
    let seen = follow::timeline(&portal.edge.rooms, &person.caller, exchange).await?;
    let damaged = || Refusal::Internal("timeline");
    let kind = seen.get("type").and_then(|kind| kind.as_str()).ok_or_else(damaged)?.to_owned();
    let sender = seen.get("sender").cloned().and_then(|party| serde_json::from_value(party).ok()).ok_or_else(damaged)?;
    Ok(Reply { exchange, kind, sender })
}

fn recipients(person: &Person, draft: &Draft, of: &ExchangeType, departement: &str) -> Vec<Party> {
    if let Some(reply) = &draft.reply {
        return vec![reply.sender.clone()];
    }
    let kinds = of.to.iter().filter(|to| to.when.is_none()).map(|to| &to.kind);
    let hidden = |kind: &Kind| HIDDEN_KINDS.contains(&kind.as_str());
    let units = kinds.flat_map(|kind| person.law.directory.units_of_kind(kind));
    let mut all: Vec<(&Institution, &Unit)> =
        units.filter(|(institution, unit)| !hidden(&institution.kind) && !hidden(&unit.kind)).collect();
    all.sort_by_key(|(institution, _)| institution.departement != departement);
    all.into_iter().map(|(institution, unit)| Party { institution: institution.id.clone(), unit: Some(unit.id.clone()) }).collect()
}

/// Whom to call here, beside the numbers that everybody knows.
pub(super) fn numbers(person: &Person, departement: &str) -> Vec<(String, String)> {
    let kinds = ["crip", "astreinte-ase", "parquet"].into_iter().filter_map(|kind| kind.parse().ok());
    let units = kinds.flat_map(|kind| person.law.directory.units_of_kind(&kind));
    let here = units.filter(|(institution, _)| institution.departement == departement);
    here.filter_map(|(_, unit)| Some((unit.name.clone(), unit.telephone.clone()?))).collect()
}

pub(super) fn new_id() -> String {
    Uuid::now_v7().to_string()
}

fn place(id: &str) -> Place<'_> {
    Place { table: "portal_draft", row: id, column: "sealed", class: "", epoch: 1 }
}

const PURPOSE: &str = "portal-draft";
