//! For the administrator: members, what ends soon, agreements, rules in force and who approved them, what could not be handed
//! over, what is late. Units, dates and counts: an administrator reads no content. For anybody else there is no such page.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::Value;
use time::Date;

use super::{
    Portal,
    mailbox::list_of,
    page::{Frame, Turn, page},
    session::Person,
    tell,
};
use crate::{
    agreements::InForce,
    directory::{Role, day::day_in_france},
    flows::{amend, oversee},
    listen::{self, Dated},
    refusal::Refusal,
};

#[derive(Template)]
#[template(path = "administration.html")]
struct Administration {
    frame: Frame,
    waiting: u64,
    dead: Vec<(String, String, String)>,
    late: Vec<(String, u64, String)>,
    endings: Vec<End>,
    institutions: Vec<Member>,
    agreements: Vec<Agreed>,
    in_force: String,
    folder: &'static str,
    sets: Vec<Proposed>,
}

struct End {
    what: &'static str,
    file: String,
    at: String,
    over: bool,
}

struct Member {
    name: String,
    units: usize,
    served: bool,
    from: Option<String>,
    to: Option<String>,
}

struct Agreed {
    id: String,
    title: String,
    parties: String,
    from: Option<String>,
    to: Option<String>,
    state: &'static str,
}

struct Proposed {
    set: String,
    state: &'static str,
    proposed: String,
    motive: String,
    approvals: Vec<String>,
}

pub(super) async fn home(State(portal): State<Arc<Portal>>, person: Person) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    oversee::administers(rooms, &person.caller, &person.law).map_err(|_| Refusal::NotFound)?;
    let now = rooms.clock.now();
    let today = day_in_france(now);
    let directory = &person.law.directory;
    let delivering = oversee::delivering(rooms, &person.caller).await?;
    let rules = amend::list(rooms, &person.caller).await?;
    // Certificates and lists are files: read where waiting hurts nobody.
    let tls = portal.tls.clone();
    let endings = tokio::task::spawn_blocking(move || listen::endings(&tls)).await.map_err(|_| Refusal::Internal("endings"))?;
    let mut endings: Vec<_> = endings.into_iter().collect();
    endings.sort_by_key(|one| one.at.unix_ms());
    let told = |day: Option<Date>| day.map(tell::day);
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let template = Administration {
        waiting: delivering.waiting,
        dead: delivering
            .dead
            .iter()
            .map(|one| (one.id.to_string(), tell::party(directory, &one.recipient), tell::moment(one.delivered_at)))
            .collect(),
        late: delivering.late.iter().map(|one| (tell::party(directory, &one.owner), one.many, tell::moment(one.oldest))).collect(),
        endings: endings
            .iter()
            .map(|one| End {
                what: match one.what {
                    Dated::Certificate => "Certificat",
                    Dated::List => "Liste de révocation",
                },
                file: one.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                at: tell::moment(one.at),
                over: one.at <= now,
            })
            .collect(),
        institutions: directory
            .institutions()
            .map(|one| Member {
                name: one.name.clone(),
                units: one.units.len(),
                served: one.served_on(today),
                from: told(one.from),
                to: told(one.to),
            })
            .collect(),
        agreements: person
            .law
            .agreements
            .all()
            .map(|one| Agreed {
                id: one.id.to_string(),
                title: one.title.clone(),
                parties: one.parties.iter().map(|party| tell::party(directory, party)).collect::<Vec<_>>().join(" ; "),
                from: told(one.effective_from),
                to: told(one.effective_to),
                state: state(&person.law.agreements.in_force(&one.id, now)),
            })
            .collect(),
        in_force: text(&rules, "in_force"),
        folder: match rules.pointer("/folder/state").and_then(Value::as_str).unwrap_or_default() {
            "pending" => "Le dossier des règles contient un autre jeu, qui n’est pas appliqué.",
            "mistakes" => "Le dossier des règles contient des fautes ; il n’est pas appliqué.",
            _ => "Le dossier des règles contient le jeu en vigueur.",
        },
        sets: list_of(&rules, "proposals")
            .iter()
            .map(|one| Proposed {
                set: text(one, "set"),
                state: standing(&text(one, "state")),
                proposed: one.get("proposed_at").and_then(tell::when).unwrap_or_default(),
                motive: text(one, "motive"),
                approvals: list_of(one, "approvals").iter().map(approval).collect(),
            })
            .collect(),
        frame: Frame::new("Administration", "administration", &person),
    };
    Ok(page(StatusCode::OK, &template))
}

fn approval(one: &Value) -> String {
    let text = |pointer: &str| one.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let role = Role::of(text("/role")).map_or("", Role::as_str);
    format!("{} ({role}), le {}", text("/by/subject"), one.get("at").and_then(tell::when).unwrap_or_default())
}

const fn state(state: &InForce<'_>) -> &'static str {
    match state {
        InForce::InForce(_) => "En vigueur",
        InForce::NotYet { .. } => "Pas encore en vigueur",
        InForce::Ended { .. } => "Terminé",
        InForce::Suspended => "Suspendu",
        InForce::NotSigned => "Non signé",
        InForce::NoDates => "Sans date d’effet : à compléter",
        InForce::Unknown => "Inconnu",
    }
}

fn standing(word: &str) -> &'static str {
    match word {
        "proposed" => "Attend des approbations",
        "approved" => "Approuvé, prendra effet à sa date",
        "in-force" => "En vigueur",
        "ended" => "N’est plus en vigueur",
        "withdrawn" => "Retiré",
        _ => "Périmé : un autre jeu est passé avant lui",
    }
}
