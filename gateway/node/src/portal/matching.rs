//! Who may be whom: what the gateway could not say by itself, both descriptions side by side, a person's decision, and its undoing.
//!
//! Only for whoever may decide; for anybody else none of it exists. Looking is in a signed checkpoint before anything is shown,
//! and who is kept out of an exchange is not shown whom it is about.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use exchange::{Identity, LinkageId, ProposalId, document::Pointer};
use serde_json::Value;

use super::{
    Portal,
    form_read::Posted,
    page::{Frame, Turn, page},
    session::Person,
    tell,
    words::words,
};
use crate::{
    flows::{
        Law, Rooms,
        matching::{self, Desk, MatchingFault},
    },
    refusal::Refusal,
    store::vault::{
        linkage::{Change, Ruling},
        matching::{Comparison, Decider},
    },
};

#[derive(Template)]
#[template(path = "matching.html")]
struct Waiting {
    frame: Frame,
    rows: Vec<Row>,
    decided: Vec<Decided>,
}

/// One question. Names nobody.
struct Row {
    proposal: String,
    agree: String,
    since: String,
}

/// One decision.
struct Decided {
    linkage: String,
    what: &'static str,
    by: String,
    at: String,
    /// It can be taken back here.
    stands: bool,
}

#[derive(Template)]
#[template(path = "side_by_side.html")]
struct SideBySide {
    frame: Frame,
    proposal: String,
    agree: String,
    exchanges: (String, String),
    traits: Vec<Trait>,
}

/// What each of the two descriptions says of one thing.
struct Trait {
    label: String,
    one: String,
    other: String,
    differs: bool,
}

pub(super) async fn list(State(portal): State<Arc<Portal>>, person: Person) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let by = decider(rooms, &person)?;
    let law = rooms.law.load_full();
    let waiting = matching::waiting(&desk(rooms, &law), &by, SHOWN).await.map_err(refused)?;
    let rows = waiting.iter().map(|one| Row {
        proposal: one.proposal.to_string(),
        agree: agree(&one.reasons),
        since: tell::moment(one.created_at),
    });
    let decided = matching::decided(&desk(rooms, &law), &by, SHOWN_DECISIONS).await.map_err(refused)?;
    let decided = decided.iter().filter(|(one, _)| one.applied_at.is_some()).map(|(one, undone)| Decided {
        linkage: one.id.to_string(),
        what: match one.change {
            Change::Same if *undone => "La même personne (annulé depuis)",
            Change::Same => "La même personne",
            Change::Different => "Deux personnes",
            Change::Split => "Rapprochement annulé",
            Change::Separate => "Mention séparée",
        },
        by: one.decided_by.rsplit('#').next().unwrap_or_default().to_owned(),
        at: tell::moment(one.decided_at),
        stands: one.change == Change::Same && !undone,
    });
    let template = Waiting { frame: Frame::new("Rapprochements", "boite", &person), rows: rows.collect(), decided: decided.collect() };
    Ok(page(StatusCode::OK, &template))
}

/// Both descriptions, in clear.
pub(super) async fn one(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let by = decider(rooms, &person)?;
    let id = proposal(&id)?;
    portal.edge.count_question(&person.caller)?;
    let law = rooms.law.load_full();
    let seen = matching::look(&desk(rooms, &law), id, &by, rooms.clock.now(), PATIENCE).await.map_err(refused)?;
    let template = SideBySide {
        frame: Frame::new("Est-ce la même personne ?", "boite", &person),
        proposal: id.to_string(),
        agree: agree(&seen.reasons),
        exchanges: (seen.one.0.exchange.to_string(), seen.other.0.exchange.to_string()),
        traits: traits(&seen),
    };
    Ok(page(StatusCode::OK, &template))
}

pub(super) async fn decide(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path(id): Path<String>,
    sent: Posted,
) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let by = decider(rooms, &person)?;
    let sent = person.form(&sent)?;
    let id = proposal(&id)?;
    let ruling = match sent.first("decision") {
        Some("meme") => Ruling::Same(id),
        Some("deux") => Ruling::Different(id),
        Some(_) | None => return Err(Refusal::Malformed("decision").into()),
    };
    let law = rooms.law.load_full();
    matching::decide(&desk(rooms, &law), ruling, &by, rooms.clock.now()).await.map_err(refused)?;
    Ok(Redirect::to("/portail/rapprochements#decisions").into_response())
}

/// Takes a merge back. A second time changes nothing.
pub(super) async fn undo(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path(id): Path<String>,
    sent: Posted,
) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let by = decider(rooms, &person)?;
    person.form(&sent)?;
    let id: LinkageId = id.parse().map_err(|_| Refusal::NotFound)?;
    let law = rooms.law.load_full();
    let known = matching::decided(&desk(rooms, &law), &by, SHOWN_DECISIONS).await.map_err(refused)?;
    let (_, undone) = known.iter().find(|(one, _)| one.id == id && one.change == Change::Same).ok_or(Refusal::NotFound)?;
    if !undone {
        matching::decide(&desk(rooms, &law), Ruling::Split(id), &by, rooms.clock.now()).await.map_err(refused)?;
    }
    Ok(Redirect::to("/portail/rapprochements#decisions").into_response())
}

/// Whether this person may say who is who.
pub(super) fn decider(rooms: &Rooms, person: &Person) -> Result<Decider, Refusal> {
    let law = rooms.law.load();
    let of = Decider::entitled(&law.directory, &rooms.departement, &person.caller.institution, &person.id.subject, rooms.clock.now());
    of.filter(|of| *of.professional() == person.id && !person.caller.stale).ok_or(Refusal::NotFound)
}

fn desk<'r>(rooms: &'r Rooms, law: &'r Law) -> Desk<'r> {
    Desk {
        store: &rooms.store,
        keystore: &rooms.keystore,
        keys: &rooms.keys,
        vault: &rooms.vault,
        policy_set: law.policies.hash(),
        retention: &law.retention,
        random: &rooms.random,
    }
}

fn refused(fault: MatchingFault) -> Turn {
    match fault {
        MatchingFault::NothingThere => Refusal::NotFound.into(),
        // Somebody else was quicker: the list says what was decided.
        MatchingFault::DecidedOtherwise => Turn::Elsewhere("/portail/rapprochements#decisions"),
        MatchingFault::NotSigned => Refusal::Unsigned.into(),
        MatchingFault::Entry => Refusal::Internal("entry").into(),
        MatchingFault::Store(error) => error.into(),
    }
}

/// Every thing that one of the two says, what differs marked.
fn traits(seen: &Comparison) -> Vec<Trait> {
    let (one, other) = (&seen.one.1, &seen.other.1);
    // Who somebody is, and not where to reach them: nothing is compared by that, and no rule was asked.
    let contact = |at: &Pointer| matches!(at.segments().first().map(String::as_str), Some("address" | "phone" | "email"));
    let places =
        |identity: &Identity| identity.reveal().iter().filter(|(at, _)| !contact(at)).map(|(at, _)| at.to_string()).collect::<Vec<_>>();
    let all: BTreeSet<String> = places(one).into_iter().chain(places(other)).collect();
    let trait_of = |place: String| {
        let said = |identity| match (place.as_str(), value(identity, &place)) {
            ("/sex", code) if !code.is_empty() => words().code("CL-sexe", &code),
            ("/role", code) if !code.is_empty() => words().code("CL-role", &code),
            (_, text) => text,
        };
        let (left, right) = (said(one), said(other));
        let steps = place.split('/').filter(|step| !step.is_empty() && step.parse::<usize>().is_err());
        let path = ["subjects"].into_iter().chain(steps).collect::<Vec<_>>().join(".");
        Trait { label: words().read(&path), differs: left != right, one: left, other: right }
    };
    all.into_iter().map(trait_of).collect()
}

fn value(identity: &Identity, place: &str) -> String {
    match place.parse().ok().and_then(|at| identity.reveal().at(&at).cloned()) {
        Some(Value::String(text)) => tell::text(&text),
        Some(Value::Bool(yes)) => if yes { "Oui" } else { "Non" }.to_owned(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// By what two descriptions agree, in words.
fn agree(reasons: &[String]) -> String {
    let word = |part: &str| match part {
        "everything" => "tout",
        "name" => "nom",
        "sound" => "nom à l’oreille",
        "given" => "prénom",
        "birth" => "date de naissance",
        "digits" => "chiffres de la date",
        "place" => "commune de naissance",
        "sex" => "sexe",
        "separated" => "séparés auparavant",
        _ => "autre",
    };
    let all: BTreeSet<&str> = reasons.iter().flat_map(|reason| reason.split('+')).map(word).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

fn proposal(text: &str) -> Result<ProposalId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}

/// Questions of one page.
const SHOWN: usize = 50;
/// Decisions of one page.
const SHOWN_DECISIONS: u32 = 30;
/// How long the notary may take to sign that somebody looks.
const PATIENCE: Duration = Duration::from_secs(10);
