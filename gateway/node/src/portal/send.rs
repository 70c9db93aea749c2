//! Before sending, what will happen; then sending, with files, under the draft's own key: twice is once.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    Extension,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use exchange::{ExchangeId, canonical};
use serde_json::{Map, Value, json};

use super::{
    Portal,
    draft::{Draft, Found, Trouble, find, items, recipient, sender, shown, type_of},
    form::{Choice, Written, written},
    mailbox::parts,
    page::{Frame, Turn, page},
    session::Person,
    tell,
    told::Told,
    words::words,
};
use crate::{
    flows::{
        Rooms,
        accept::{self, Parts, Room},
        decide::{self, Action, Question},
    },
    refusal::{Fault, Refusal},
    routes::attachments::boundary,
    source::sha256_base64url,
    store::portal::DraftSent,
};

#[derive(Template)]
#[template(path = "before.html")]
struct Before {
    frame: Frame,
    id: String,
    /// Digest of what is about to be sent: what is confirmed is what was shown.
    shown: String,
    /// It was changed elsewhere since it was shown.
    changed: bool,
    /// What it corrects.
    corrects: Option<String>,
    title: String,
    danger: bool,
    /// The rules were asked.
    decided: bool,
    permitted: bool,
    from: String,
    to: String,
    urgency: &'static str,
    /// What was written, read again.
    parts: Vec<Told>,
    because: Vec<String>,
    refused: Vec<(String, String)>,
    missing: Vec<String>,
    hidden: Vec<(String, String)>,
    reserved: Vec<String>,
    obligations: Vec<String>,
    attachments: bool,
    natures: Vec<Choice>,
    most_mib: u64,
}

#[derive(Template)]
#[template(path = "kept.html")]
struct Kept {
    frame: Frame,
    exchange: String,
}

/// To whom, what, why, and what will be hidden.
pub(super) async fn before(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    match find(&portal, &person, &id).await? {
        Found::Open(draft) => told_before(&portal, &person, (id, &draft), false).await,
        Found::Sent(exchange) => Ok(receipt_of(&exchange.to_string())),
    }
}

async fn told_before(portal: &Portal, person: &Person, (id, draft): (String, &Draft), changed: bool) -> Result<Response, Turn> {
    let rooms = &portal.edge.rooms;
    let of = type_of(person, draft, rooms.clock.now())?;
    let Typed { written, envelope } = typed(portal, person, draft)?;
    let text = |pointer: &str| envelope_text(&envelope, pointer);
    let (from, to) = (sender(person, draft, of)?, recipient(person, draft, of, &rooms.departement).ok_or(Refusal::UnknownRecipient)?);
    // 1. Asked as anybody may ask it: decided by the rules, counted and logged.
    let question = Question {
        action: Action::Submit,
        kind: of.code.clone(),
        party: to.clone(),
        unit: from.unit.clone(),
        classes: Some(written.classes.clone()),
        purpose: None,
        agreement: draft.pairs.filled("_protocole").and_then(|id| id.parse().ok()),
        parents_informed: text("/information/parents/informed"),
        parents_reason: text("/information/parents/reason").is_some(),
        child_informed: text("/information/child/informed"),
        person_agreed: text("/information/person/agreed"),
        said: std::collections::BTreeSet::new(),
        case: false,
        form: of.profile_by.as_ref().and_then(|by| text(&format!("/{}", by.replace('.', "/")))),
        urgency: of.urgency.iter().copied().find(|one| Some(one.as_str()) == draft.pairs.first("_urgence")),
        necessity: text("/necessity"),
    };
    let asked = match portal.edge.count_question(&person.caller) {
        Ok(()) => decide::ask(rooms, &person.caller, question).await,
        Err(refusal) => Err(refusal),
    };
    let (decision, decided) = match asked {
        Ok(decision) => (decision, true),
        // Sending a danger does not wait for an answer that cannot be given now.
        Err(_) if of.danger => (json!({"verdict": "permit"}), false),
        Err(refusal) => return Err(refusal.into()),
    };
    // 2. Told in the words of the law's own explanations.
    let permitted = decision.get("verdict").and_then(Value::as_str) == Some("permit");
    let of_rule = |one: &Value, part: &str| one.get(part).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rules = list(&decision, "explanations");
    let because = if permitted {
        rules.iter().map(|one| format!("{} ({})", of_rule(one, "explain"), of_rule(one, "article"))).collect()
    } else {
        Vec::new()
    };
    let refused = if permitted { Vec::new() } else { rules.iter().map(|one| (of_rule(one, "explain"), of_rule(one, "cure"))).collect() };
    let hidden = list(&decision, "withheld").iter().map(|one| {
        let reasons: Vec<String> = list(one, "reasons").iter().map(|reason| of_rule(reason, "explain")).collect();
        (words().part(&of_rule(one, "part")), reasons.join(" "))
    });
    let obligations = list(&decision, "obligations").iter().filter_map(Value::as_str);
    let obligations = obligations.filter_map(|code| person.law.catalogue.obligation(code)).filter(|rule| rule.task);
    let natures = person.law.catalogue.codes_of("CL-classe-piece");
    let template = Before {
        frame: Frame::new("Avant l’envoi", "transmettre", person),
        shown: digest(&envelope)?,
        changed,
        corrects: draft.pairs.filled("_rectifie").map(str::to_owned),
        title: of.title.clone(),
        danger: of.danger,
        decided,
        permitted,
        from: tell::party(&person.law.directory, &from),
        to: tell::party(&person.law.directory, &to),
        urgency: tell::urgency(draft.pairs.first("_urgence").unwrap_or("ordinary")),
        parts: parts(Some(of), &Value::Object(envelope)),
        because,
        refused,
        missing: written.missing.into_iter().map(|(label, _)| label).collect(),
        hidden: hidden.collect(),
        reserved: list(&decision, "reserve").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        obligations: obligations.map(|rule| rule.title.clone()).collect(),
        attachments: of.attachments,
        natures: natures.map(|code| Choice { value: code.to_owned(), label: words().part(code), chosen: false }).collect(),
        most_mib: rooms.attachment_limits.bytes / (1024 * 1024),
        id,
    };
    Ok(page(if changed { StatusCode::CONFLICT } else { StatusCode::OK }, &template))
}

/// Sends. What is refused comes back with the form.
pub(super) async fn send(
    State(portal): State<Arc<Portal>>,
    person: Person,
    Path(id): Path<String>,
    Extension(room): Extension<Room>,
    request: Request,
) -> Result<Response, Turn> {
    let boundary = boundary(request.headers()).ok_or(Refusal::MediaType)?.map_err(Refusal::from)?;
    let mut parts = Parts::new(request.into_body(), &boundary);
    // The first part is the form's own proof: nothing of what follows is read without it.
    match parts.word().await.map_err(Refusal::from)? {
        Some((name, value)) if name == "_csrf" => person.sent(Some(&value))?,
        Some(_) | None => return Err(Turn::Forged),
    }
    let draft = match find(&portal, &person, &id).await? {
        Found::Open(draft) => draft,
        Found::Sent(exchange) => return Ok(receipt_of(&exchange.to_string())),
    };
    let rooms = &portal.edge.rooms;
    let Typed { written, envelope } = typed(&portal, &person, &draft)?;
    // The second part says what was shown. Another page may have changed it since: what was not read again is not sent.
    let shown = match parts.word().await.map_err(Refusal::from)? {
        Some((name, value)) if name == "_lu" => value,
        Some(_) | None => String::new(),
    };
    if shown != digest(&envelope)? {
        parts.pass_over().await;
        return told_before(&portal, &person, (id, &draft), true).await;
    }
    // A task of its own: whoever closes the page now leaves no acceptance behind of which the draft does not know.
    let (rooms, caller, key) = (rooms.clone(), person.caller.clone(), id.clone());
    let sending = tokio::spawn(async move {
        let taken = accept::accept_form(&rooms, &caller, (&key, room), envelope, parts).await;
        if let Ok(accepted) = &taken {
            note(&rooms, &key, accepted.id).await;
        }
        taken.map(|accepted| accepted.id)
    });
    let taken = match sending.await.map_err(|_| Refusal::Internal("send"))? {
        // Sent before, and the draft was not told: what was accepted then stands, and nobody is told otherwise.
        Err(Refusal::KeyReused) => accepted_before(&portal, &person, &draft, &id).await?.ok_or(Refusal::KeyReused),
        other => other,
    };
    match taken {
        Ok(accepted) => {
            let exchange = accepted.to_string();
            if person.caller.stale {
                // With a stale revocation list nothing is read, not even a receipt: what was promised is said here.
                return Ok(page(
                    StatusCode::OK,
                    &Kept { frame: Frame::new("Transmission enregistrée", "transmissions", &person), exchange },
                ));
            }
            Ok(receipt_of(&exchange))
        }
        Err(refusal) => refused(&portal, &person, (&id, &draft), &written, refusal),
    }
}

/// Tells the draft what became of it. That it could not be told changes nothing: the exchange is accepted.
async fn note(rooms: &Rooms, draft: &str, exchange: ExchangeId) {
    if let Err(error) = rooms.store.write(DraftSent { id: draft.to_owned(), exchange }).await {
        tracing::warn!(error = %error, exchange.id = %exchange, "a draft was not told that it was sent");
    }
}

/// What was accepted of this draft before.
async fn accepted_before(portal: &Portal, person: &Person, draft: &Draft, id: &str) -> Result<Option<ExchangeId>, Turn> {
    let rooms = &portal.edge.rooms;
    let of = type_of(person, draft, rooms.clock.now())?;
    let found = accept::accepted_under(rooms, &person.caller, of, id).await?;
    if let Some(exchange) = found {
        note(rooms, id, exchange).await;
    }
    Ok(found)
}

/// The form again, with what is wrong at its fields; nothing that was typed is lost.
fn refused(portal: &Portal, person: &Person, (id, draft): (&str, &Draft), written: &Written, refusal: Refusal) -> Result<Response, Turn> {
    let face = refusal.face();
    if face.fault == Fault::Ours {
        return Err(refusal.into());
    }
    let name_of = |pointer: &str| {
        // The nearest place that the page shows: a fault may lie deeper than a field.
        let mut at = pointer;
        loop {
            match (written.names.get(at), at.rfind('/')) {
                (Some(name), _) => return Some(name.clone()),
                (None, Some(end)) if end > 0 => at = at.get(..end)?,
                (None, _) => return None,
            }
        }
    };
    let mut trouble = Trouble { detail: face.detail, cure: face.cure, ..Trouble::default() };
    trouble.detail.push_str(" Si vous aviez joint des pièces, joignez-les de nouveau.");
    if !face.errors.is_empty() {
        trouble.cure = Some("Corrigez les champs signalés, puis relisez et envoyez de nouveau.".to_owned());
    }
    for fault in face.errors {
        let name = name_of(&fault.pointer);
        if let Some(name) = &name {
            trouble.at.insert(name.clone(), fault.detail.clone());
        }
        let said = format!("{} — {}", words().label(&path(&fault.pointer)), fault.detail);
        trouble.faults.push((said, name.map(|name| name.replace('/', "-"))));
    }
    for one in face.explanations {
        let said = [one.explain, one.missing, one.cure].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        trouble.faults.push((said, None));
    }
    let until = portal.edge.rooms.clock.now().plus(portal.config.drafts_last());
    let status = StatusCode::from_u16(face.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    shown(portal, person, id, draft, Some(trouble), Some(until), status)
}

/// The place of a fault as words know it: without numbers of items.
fn path(pointer: &str) -> String {
    pointer.split('/').filter(|step| !step.is_empty() && step.parse::<usize>().is_err()).collect::<Vec<_>>().join(".")
}

/// What was typed, as the envelope that a member's software would send.
struct Typed {
    written: Written,
    envelope: Map<String, Value>,
}

fn typed(portal: &Portal, person: &Person, draft: &Draft) -> Result<Typed, Turn> {
    let rooms = &portal.edge.rooms;
    let of = type_of(person, draft, rooms.clock.now())?;
    let mut written = written(&items(person, draft, of)?);
    let mut envelope = std::mem::take(&mut written.parts);
    let from = sender(person, draft, of)?;
    let to = recipient(person, draft, of, &rooms.departement).ok_or(Refusal::UnknownRecipient)?;
    let urgency = of.urgency.iter().find(|one| Some(one.as_str()) == draft.pairs.first("_urgence")).or(of.urgency.last());
    let route: BTreeMap<&str, Option<Value>> = BTreeMap::from([
        ("type", Some(json!(of.code))),
        ("sender", Some(json!(from))),
        ("recipient", Some(json!(to))),
        ("urgency", urgency.map(|urgency| json!(urgency.as_str()))),
        ("rectifies", draft.pairs.filled("_rectifie").map(|id| json!(id))),
        ("in_reply_to", draft.reply.as_ref().map(|reply| json!(reply.exchange))),
        ("agreement", draft.pairs.filled("_protocole").map(|id| json!(id))),
    ]);
    envelope.extend(route.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Ok(Typed { written, envelope })
}

/// What says that an envelope is still the one that was shown. Files come with the sending itself.
fn digest(envelope: &Map<String, Value>) -> Result<String, Refusal> {
    let bytes = canonical::bytes(&Value::Object(envelope.clone())).map_err(|_| Refusal::Internal("envelope"))?;
    Ok(sha256_base64url(&bytes))
}

fn envelope_text(envelope: &Map<String, Value>, pointer: &str) -> Option<String> {
    let mut steps = pointer.split('/').skip(1);
    let mut at = envelope.get(steps.next()?)?;
    for step in steps {
        at = at.get(step)?;
    }
    at.as_str().map(str::to_owned)
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn receipt_of(exchange: &str) -> Response {
    Redirect::to(&format!("/portail/transmissions/{exchange}/accuse")).into_response()
}
