//! The receipt: a page and a PDF to keep, a file that anybody can verify without us, and what a receipt that somebody shows is worth.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::{ExchangeId, Instant, Party};
use qrcode::{Color, QrCode};
use serde_json::Value;

use super::{
    Portal,
    draft::numbers,
    form_read::Posted,
    mailbox::list_of,
    page::{Frame, Turn, page},
    pdf,
    sent::exchange,
    session::Person,
    tell,
};
use crate::{flows::follow, refusal::Refusal, store::exchange::ExchangeRow};

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
    code: String,
    path: String,
    side: usize,
}

#[derive(Template)]
#[template(path = "verified.html")]
struct Verified {
    frame: Frame,
    code: String,
    answer: Option<Answer>,
}

/// What a receipt that somebody shows is worth.
enum Answer {
    /// This gateway gave it, and this is what it says.
    Ours {
        /// Its place in the log; none while the log has not signed it.
        index: Option<u64>,
        kind: String,
        from: String,
        to: String,
        accepted: String,
    },
    /// It did not, or the code was misread.
    Unknown,
}

/// What a receipt says.
struct Facts {
    kind: String,
    to: String,
    accepted: String,
    leaf: String,
    log: String,
    danger: bool,
    /// What somebody with a telephone needs to find it again and to compare it; nobody is named.
    code: String,
}

/// A page to keep: what was accepted, when, and what proves it.
pub(super) async fn receipt(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    let facts = facts(&portal, &person, &id).await?;
    let Drawn { modules, side } = drawn(&facts.code).ok_or(Refusal::Internal("qr"))?;
    let path = modules.iter().map(|(x, y)| format!("M{x} {y}h1v1h-1z")).collect();
    let template = Receipt {
        frame: Frame::new("Accusé de dépôt", "transmissions", &person),
        kind: facts.kind,
        to: facts.to,
        accepted: facts.accepted,
        log: facts.log,
        danger: facts.danger,
        numbers: if facts.danger { numbers(&person, &portal.edge.rooms.departement) } else { Vec::new() },
        exchange: id,
        leaf: facts.leaf,
        code: facts.code,
        path,
        side,
    };
    Ok(page(StatusCode::OK, &template))
}

/// The same on one sheet.
pub(super) async fn sheet(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    let facts = facts(&portal, &person, &id).await?;
    let Drawn { modules, side } = drawn(&facts.code).ok_or(Refusal::Internal("qr"))?;
    let signed = person.shown();
    let lines = [
        ("Transmission", facts.kind.as_str()),
        ("De la part de", signed.institution.as_str()),
        ("Destinataire", facts.to.as_str()),
        ("Acceptée le", facts.accepted.as_str()),
        ("Référence", id.as_str()),
        ("Empreinte au journal", facts.leaf.as_str()),
        ("Journal", facts.log.as_str()),
    ];
    const NOTE: &str = "Ce document ne dit rien du contenu. Pour le vérifier : portail Passerelle, « Vérifier un accusé », avec le code \
                        ci-dessous ; ou, sans la passerelle, la preuve téléchargée et « gateway audit verify ».";
    let bytes = pdf::sheet("Accusé de dépôt", &lines, NOTE, &facts.code, (&modules, side));
    Ok(download("application/pdf", &format!("accuse-{}.pdf", exchange(&id)?), bytes))
}

/// Receipt, log entry and proofs: a file that anybody can verify without us.
pub(super) async fn evidence(State(portal): State<Arc<Portal>>, person: Person, Path(id): Path<String>) -> Result<Response, Turn> {
    let id = exchange(&id)?;
    let evidence = follow::evidence(&portal.edge.rooms, &person.caller, id).await?;
    Ok(download("application/octet-stream", &format!("preuve-{id}.json"), evidence.to_string().into_bytes()))
}

pub(super) async fn ask(person: Person) -> Response {
    verified(&person, String::new(), None)
}

/// Whoever holds a receipt learns whether it is ours, and what ours says: another may be printed around its code.
pub(super) async fn verify(State(portal): State<Arc<Portal>>, person: Person, sent: Posted) -> Result<Response, Turn> {
    let sent = person.form(&sent)?;
    portal.edge.count_question(&person.caller)?;
    let code: String = sent.filled("code").unwrap_or_default().chars().filter(|letter| !letter.is_whitespace()).take(300).collect();
    let rooms = &portal.edge.rooms;
    // Only the entry of its acceptance: any other would tell how many there are, and when something happened to it.
    let accepted = match read_code(&code) {
        Some((gateway, id, leaf)) if gateway == rooms.gateway => {
            rooms.store.exchange(id).await?.filter(|row| row.leaf_hash[..] == leaf[..])
        }
        Some(_) | None => None,
    };
    let answer = match accepted {
        Some(row) => Answer::Ours {
            index: rooms.store.entry(&leaf_of(&row)?).await?.and_then(|entry| entry.index),
            kind: tell::kind(&person.law, row.kind.as_str(), row.accepted_at),
            from: tell::party(&person.law.directory, &Party { unit: None, ..row.sender.clone() }),
            to: tell::party(&person.law.directory, &Party { unit: None, ..row.recipient.clone() }),
            accepted: tell::moment(row.accepted_at),
        },
        None => Answer::Unknown,
    };
    Ok(verified(&person, code, Some(answer)))
}

fn verified(person: &Person, code: String, answer: Option<Answer>) -> Response {
    page(StatusCode::OK, &Verified { frame: Frame::new("Vérifier un accusé", "transmissions", person), code, answer })
}

async fn facts(portal: &Portal, person: &Person, id: &str) -> Result<Facts, Turn> {
    let rooms = &portal.edge.rooms;
    let evidence = follow::evidence(rooms, &person.caller, exchange(id)?).await?;
    // A receipt is its sender's alone.
    let receipt = evidence.get("receipt").and_then(Value::as_str).ok_or(Refusal::NotFound)?;
    let claims = claims(receipt).ok_or(Refusal::Internal("receipt"))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let accepted = Instant::from_unix_ms(claims.get("iat").and_then(Value::as_i64).unwrap_or(0).saturating_mul(1000));
    let seen = follow::timeline(rooms, &person.caller, exchange(id)?).await?;
    let to = list_of(&seen, "deliveries").iter().filter_map(|one| one.get("recipient"));
    let code = text("type").parse().ok();
    let leaf = text("leaf");
    Ok(Facts {
        kind: tell::kind(&person.law, &text("type"), accepted),
        to: to.map(|party| tell::party_of(&person.law.directory, party)).collect::<Vec<_>>().join(" ; "),
        accepted: tell::moment(accepted),
        danger: code.and_then(|code| person.law.catalogue.exchange_type(&code, accepted)).is_some_and(|of| of.danger),
        code: format!("passerelle:{}:{id}:{leaf}", rooms.gateway),
        log: text("log"),
        leaf,
    })
}

fn leaf_of(row: &ExchangeRow) -> Result<[u8; 32], Refusal> {
    row.leaf_hash[..].try_into().map_err(|_| Refusal::Internal("leaf"))
}

/// Our own receipt: read, not verified.
fn claims(jws: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jws.split('.').nth(1)?).ok()?).ok()
}

/// What the code of a receipt says: gateway, exchange, leaf.
fn read_code(code: &str) -> Option<(String, ExchangeId, [u8; 32])> {
    let (rest, leaf) = code.strip_prefix("passerelle:")?.rsplit_once(':')?;
    let (gateway, id) = rest.rsplit_once(':')?;
    let leaf = URL_SAFE_NO_PAD.decode(leaf).ok()?.try_into().ok()?;
    Some((gateway.to_owned(), id.parse().ok()?, leaf))
}

/// A QR code: its dark modules, and the length of its side.
struct Drawn {
    modules: Vec<(usize, usize)>,
    side: usize,
}

fn drawn(text: &str) -> Option<Drawn> {
    let code = QrCode::new(text).ok()?;
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
    Some(Drawn { modules: dark.map(|(at, _)| (at % width + QUIET, at / width + QUIET)).collect(), side: width + 2 * QUIET })
}

fn download(media: &str, name: &str, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, bytes).into_response()
}

/// Empty modules around a code.
const QUIET: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_written_and_anything_else_is_none() {
        let (id, leaf) = (ExchangeId::new(), URL_SAFE_NO_PAD.encode([7; 32]));
        assert_eq!(read_code(&format!("passerelle:gw:31:{id}:{leaf}")), Some(("gw:31".to_owned(), id, [7; 32])));
        for wrong in ["", "passerelle:", &format!("passerelle:g:{id}:"), &format!("passerelle:g:x:{leaf}"), &format!("g:{id}:{leaf}")] {
            assert_eq!(read_code(wrong), None, "{wrong}");
        }
    }
}
