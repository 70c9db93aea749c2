//! What waits in a mailbox, as Tasks without content, like the listing itself; and the Task by which a unit answers.

use exchange::canonical;
use serde_json::Value;

use super::{
    ANSWER, TYPE,
    names::is_element,
    outcome,
    types::{Bundle, Coding, Concept, Entry, Identifier, Link, Reference, Search, Task},
    write::{PARTY, URI, party, priority_of},
};
use crate::reading::{Finding, Place, Refused};

/// Where a page of a search stands.
pub struct Page<'a> {
    /// The address of the FHIR server, without a slash at its end.
    pub base: &'a str,
    /// The address of this page: what was understood of the search.
    pub this: &'a str,
    /// The address of the next one, where there may be more.
    pub next: Option<&'a str>,
    /// What was not understood of the search.
    pub reported: &'a [Finding],
}

/// Writes a page of `GET /v1/mailbox` as a `searchset`.
///
/// A Task is `requested` until somebody opened the delivery, then `received`, `accepted` or `rejected` once the unit has answered,
/// and `cancelled` once its sender withdrew it. Its focus is the Bundle of the delivery.
///
/// # Errors
/// Never for a listing of the gateway.
pub fn mailbox(listing: &Value, page: &Page<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let notices = listing.get("deliveries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let link = |relation, url: &str| Link { relation, url: url.to_owned() };
    let mut entries = Vec::with_capacity(notices.len());
    for task in notices.iter().filter_map(of_notice) {
        let full_url = format!("{}/Task/{}", page.base, task.id);
        entries.push(Entry { full_url, resource: serde_json::to_value(task)?, search: Some(Search { mode: "match" }) });
    }
    if !page.reported.is_empty() {
        let resource = serde_json::to_value(outcome::findings(page.reported))?;
        entries.push(Entry { full_url: super::address("outcome"), resource, search: Some(Search { mode: "outcome" }) });
    }
    let bundle = Bundle {
        resource_type: "Bundle",
        identifier: None,
        kind: "searchset",
        timestamp: None,
        // A mailbox has no end to count: only what this page shows is told.
        total: None,
        link: std::iter::once(link("self", page.this)).chain(page.next.map(|next| link("next", next))).collect(),
        entry: entries,
    };
    serde_json::to_vec(&bundle)
}

/// Writes one notice of a mailbox as a Task; nothing where it is none.
///
/// # Errors
/// Never for a notice of the gateway.
pub fn task(notice: &Value) -> Result<Option<Vec<u8>>, serde_json::Error> {
    of_notice(notice).map(|task| serde_json::to_vec(&task)).transpose()
}

fn of_notice(notice: &Value) -> Option<Task> {
    let text = |key: &str| notice.get(key).and_then(Value::as_str);
    let id = text("delivery")?;
    let by_id = |key: &str| text(key).map(|id| format!("urn:uuid:{id}"));
    let by_party =
        |key: &str| notice.get(key).filter(|party| !party.is_null()).map(|named| Reference::by(PARTY, party(Some(named.clone()))));
    let (opened, withdrawn, outcome) = (text("opened_at"), text("withdrawn_at"), text("outcome"));
    let status = match (withdrawn, outcome, opened) {
        (Some(_), _, _) => "cancelled",
        (None, Some("taken-in-charge"), _) => "accepted",
        (None, Some(_), _) => "rejected",
        (None, None, Some(_)) => "received",
        (None, None, None) => "requested",
    };
    let incomplete = notice.get("incomplete") == Some(&Value::Bool(true));
    Some(Task {
        resource_type: "Task",
        id: id.to_owned(),
        identifier: by_id("exchange").map(|value| Identifier { system: URI.into(), value }).into_iter().collect(),
        based_on: by_id("rectifies").map(|value| Reference::by(URI, value)).into_iter().collect(),
        status,
        status_reason: outcome.filter(|outcome| *outcome == NOT_FOR_US).map(|outcome| Coding::new(ANSWER, outcome).into()),
        business_status: incomplete.then(|| Concept { coding: Vec::new(), text: Some("incomplet".into()) }),
        intent: "order",
        priority: text("urgency").and_then(priority_of).unwrap_or("routine"),
        code: text("type").map(|kind| Coding::new(TYPE, kind).into()),
        focus: Reference::to(format!("Bundle/{id}")),
        authored_on: text("delivered_at").map(str::to_owned),
        last_modified: withdrawn.or(text("acknowledged_at")).or(opened).map(str::to_owned),
        requester: by_party("sender"),
        owner: by_party("recipient"),
    })
}

/// How a unit answers a delivery.
pub struct Answer {
    /// `taken-in-charge`, `refused` or `not-for-us`.
    pub outcome: &'static str,
    /// Why.
    pub reason: Option<String>,
    /// The code that was read back on the telephone.
    pub read_back: Option<String>,
}

/// Reads the Task with this id as its owner sends it back: `accepted`, or `rejected` with its reason.
///
/// # Errors
/// [`Refused`] at the element that says something else, or that has no place in an answer.
pub fn read_answer(bytes: &[u8], id: &str) -> Result<Answer, Refused> {
    let refused =
        |at: &str, code, detail: &str, cure: &str| Refused(vec![Finding::new(Place::Path(at.into()), code, detail).cured_by(cure)]);
    let read = canonical::parse(bytes).map_err(|_| refused("Task", "not-json", "Ce n’est pas du JSON lisible.", WHOLE_TASK))?;
    let task = read.as_object().filter(|task| task.get("resourceType").and_then(Value::as_str) == Some("Task"));
    let task = task.ok_or_else(|| refused("Task", "bad-type", "La ressource n’est pas un Task.", WHOLE_TASK))?;
    let text = |at: &str| read.pointer(at).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    if text("/id").is_some_and(|named| named != id) {
        return Err(refused("Task.id", "bad-code", "L’identifiant n’est pas celui de l’adresse.", WHOLE_TASK));
    }
    // What would be lost is refused: an answer is too short for something to be beside it.
    if let Some(other) = task.keys().find(|key| !READ.contains(&key.as_str())) {
        let at = if is_element(other) { format!("Task.{other}") } else { "Task".into() };
        return Err(refused(
            &at,
            "not-taken",
            "Cet élément n’a pas de place dans une réponse.",
            "Écrivez la raison dans « statusReason.text ».",
        ));
    }
    let coded = |list: &str, at: &str, code: &str| {
        let all = read.pointer(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        all.iter().find(|one| {
            let coding = one.pointer(at).unwrap_or(one);
            let text = |key: &str| coding.get(key).and_then(Value::as_str);
            (text("system"), text("code")) == (Some(ANSWER), Some(code))
        })
    };
    let not_for_us = coded("/statusReason/coding", "", NOT_FOR_US).is_some();
    let outcome = match text("/status") {
        Some("accepted") => "taken-in-charge",
        Some("rejected") if not_for_us => NOT_FOR_US,
        Some("rejected") => "refused",
        _ => {
            let cure = "« accepted » pour prendre en charge, « rejected » pour refuser, avec la raison dans « statusReason.text ».";
            return Err(refused("Task.status", "bad-code", "Cet état n’est pas une réponse : « accepted » et « rejected » en sont.", cure));
        }
    };
    let reason = text("/statusReason/text").map(str::to_owned);
    if outcome != "taken-in-charge" && reason.is_none() {
        return Err(refused(
            "Task.statusReason.text",
            "missing",
            "Un refus dit pourquoi.",
            "Écrivez la raison dans « statusReason.text ».",
        ));
    }
    let read_back = coded("/input", "/type/coding/0", READ_BACK).and_then(|one| one.get("valueString")?.as_str()).map(str::to_owned);
    Ok(Answer { outcome, reason, read_back })
}

const NOT_FOR_US: &str = "not-for-us";
const READ_BACK: &str = "read-back";
const WHOLE_TASK: &str = "Renvoyez le Task tel que vous l’avez lu, avec son nouvel état.";
/// The elements of a Task that this room writes, and those of an answer.
const READ: [&str; 19] = [
    "resourceType",
    "id",
    "meta",
    "language",
    "identifier",
    "basedOn",
    "status",
    "statusReason",
    "businessStatus",
    "intent",
    "priority",
    "code",
    "focus",
    "authoredOn",
    "lastModified",
    "requester",
    "owner",
    "input",
    "text",
];
