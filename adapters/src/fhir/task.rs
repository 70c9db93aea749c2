//! What waits in a mailbox, as a search result of Tasks: without content, like the listing itself.

use serde_json::Value;

use super::{
    TYPE,
    types::{Bundle, Coding, Concept, Entry, Identifier, Link, Reference, Search, Task},
    write::{PARTY, URI, party, priority_of},
};

/// Writes a page of `GET /v1/mailbox` as a `searchset`. `base` is the address of the FHIR server without a slash at its end,
/// `this` and `next` the addresses of this page and, where there may be more, of the next one.
///
/// A Task is `requested` until somebody opened the delivery, then `received`, and `cancelled` once its sender withdrew it. Its
/// focus is the Bundle of the delivery.
///
/// # Errors
/// Never for a listing of the gateway.
pub fn mailbox(page: &Value, base: &str, this: &str, next: Option<&str>) -> Result<Vec<u8>, serde_json::Error> {
    let notices = page.get("deliveries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let tasks: Vec<_> = notices.iter().filter_map(task).collect();
    let link = |relation, url: &str| Link { relation, url: url.to_owned() };
    let mut entries = Vec::with_capacity(tasks.len());
    for task in &tasks {
        let full_url = format!("{base}/Task/{}", task.id);
        entries.push(Entry { full_url, resource: serde_json::to_value(task)?, search: Some(Search { mode: "match" }) });
    }
    let bundle = Bundle {
        resource_type: "Bundle",
        identifier: None,
        kind: "searchset",
        timestamp: None,
        // A mailbox has no end to count: only what this page shows is told.
        total: None,
        link: std::iter::once(link("self", this)).chain(next.map(|next| link("next", next))).collect(),
        entry: entries,
    };
    serde_json::to_vec(&bundle)
}

fn task(notice: &Value) -> Option<Task> {
    let text = |key: &str| notice.get(key).and_then(Value::as_str);
    let id = text("delivery")?;
    let by_id = |key: &str| text(key).map(|id| format!("urn:uuid:{id}"));
    let (opened, withdrawn) = (text("opened_at"), text("withdrawn_at"));
    let status = if withdrawn.is_some() {
        "cancelled"
    } else if opened.is_some() {
        "received"
    } else {
        "requested"
    };
    let incomplete = notice.get("incomplete") == Some(&Value::Bool(true));
    Some(Task {
        resource_type: "Task",
        id: id.to_owned(),
        identifier: by_id("exchange").map(|value| Identifier { system: URI.into(), value }).into_iter().collect(),
        based_on: by_id("rectifies").map(|value| Reference::by(URI, value)).into_iter().collect(),
        status,
        business_status: incomplete.then(|| Concept { coding: Vec::new(), text: Some("incomplet".into()) }),
        intent: "order",
        priority: text("urgency").and_then(priority_of).unwrap_or("routine"),
        code: text("type").map(|kind| Coding::new(TYPE, kind).into()),
        focus: Reference::to(format!("Bundle/{id}")),
        authored_on: text("delivered_at").map(str::to_owned),
        last_modified: withdrawn.or(opened).map(str::to_owned),
        requester: notice.get("sender").map(|sender| Reference::by(PARTY, party(Some(sender.clone())))),
    })
}
