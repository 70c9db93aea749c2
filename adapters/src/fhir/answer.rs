//! What the gateway answers a Bundle that it accepted: a message with its response, or one answer for each entry of a transaction.
//! The signed receipt comes as a Binary, and what was not taken over as an OperationOutcome.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::{
    Asked, TYPE, address,
    node::{MAX_FINDINGS, MAX_ITEMS},
    outcome,
    write::URI,
};
use crate::{
    health,
    reading::{Finding, Place},
};

/// An exchange that was accepted.
pub struct Accepted<'a> {
    /// Its id.
    pub exchange: &'a str,
    /// Its receipt, verbatim.
    pub receipt: &'a str,
    /// The address of what became of it.
    pub place: &'a str,
    /// The address of the FHIR server, without a slash at its end.
    pub base: &'a str,
}

/// Answers a Bundle that was accepted.
///
/// # Errors
/// Never.
pub fn of_accepted(asked: &Asked, accepted: &Accepted<'_>, reported: &[Finding]) -> Result<Vec<u8>, serde_json::Error> {
    let outcome = serde_json::to_value(outcome::findings(reported))?;
    let receipt = json!({"resourceType": "Binary", "contentType": RECEIPT, "data": BASE64.encode(accepted.receipt)});
    let answer = match asked.bundle.as_str() {
        "transaction" => entries("transaction-response", asked, accepted, (&outcome, reported), &receipt)?,
        "batch" => entries("batch-response", asked, accepted, (&outcome, reported), &receipt)?,
        _ => message(asked, accepted, &outcome, &receipt),
    };
    serde_json::to_vec(&answer)
}

fn message(asked: &Asked, accepted: &Accepted<'_>, outcome: &Value, receipt: &Value) -> Value {
    let entry = |name: &str, resource: &Value| json!({"fullUrl": address(name), "resource": resource});
    let header = json!({
        "resourceType": "MessageHeader",
        "eventCoding": {"system": TYPE, "code": asked.kind},
        "source": {"name": "Passerelle", "endpoint": accepted.base},
        "response": {
            // A message that has no id is answered by the id of the exchange that it became.
            "identifier": asked.message.as_deref().unwrap_or(accepted.exchange),
            "code": "ok",
            "details": {"reference": address("outcome")}
        },
        "focus": [{"reference": address("receipt")}]
    });
    json!({
        "resourceType": "Bundle",
        "identifier": identifier(accepted),
        "type": "message",
        "entry": [entry("header", &header), entry("outcome", outcome), entry("receipt", receipt)]
    })
}

/// One answer for each entry, in their order. All of them are one exchange, which is what was created: the first that became part
/// of it says so, with the receipt and everything that is told. Of the others each says what was not taken over of itself, and none
/// that it was created.
fn entries(
    kind: &str,
    asked: &Asked,
    accepted: &Accepted<'_>,
    (whole, reported): (&Value, &[Finding]),
    receipt: &Value,
) -> Result<Value, serde_json::Error> {
    let mut created = false;
    let far = reported.iter().any(|finding| matches!(&finding.place, Place::Path(path) if path == "Bundle.entry"));
    let mut entries = Vec::with_capacity(asked.entries);
    for n in 0..asked.entries {
        let own: Vec<Finding> = reported.iter().filter(|finding| entry_of(finding).is_some_and(|(of, _)| of == n)).cloned().collect();
        // Once too much is told nothing more is: of an entry of which nothing is told, nobody then knows.
        let untold = own.is_empty() && (reported.len() >= MAX_FINDINGS || (far && n >= MAX_ITEMS));
        let left = untold || own.iter().any(is_whole);
        entries.push(if !left && !created {
            created = true;
            json!({"resource": receipt, "response": {"status": "201 Created", "location": accepted.place, "outcome": whole}})
        } else if left {
            let status = if health::keeps_beside(asked.kind) { "202 Accepted" } else { "422 Unprocessable Entity" };
            json!({"response": {"status": status, "outcome": if untold { whole.clone() } else { told(&own)? }}})
        } else if own.is_empty() {
            json!({"response": {"status": "200 OK"}})
        } else {
            json!({"response": {"status": "200 OK", "outcome": told(&own)?}})
        });
    }
    Ok(json!({"resourceType": "Bundle", "identifier": identifier(accepted), "type": kind, "entry": entries}))
}

fn told(findings: &[Finding]) -> Result<Value, serde_json::Error> {
    serde_json::to_value(outcome::findings(findings))
}

/// Which entry something is said of, and where in it.
fn entry_of(finding: &Finding) -> Option<(usize, &str)> {
    let Place::Path(path) = &finding.place else { return None };
    let (n, rest) = path.strip_prefix("Bundle.entry[")?.split_once(']')?;
    Some((n.parse().ok()?, rest))
}

/// Whether something is said of an entry as a whole: nothing of it became part of the exchange.
fn is_whole(finding: &Finding) -> bool {
    let whole = |rest: &str| rest.is_empty() || rest == ".resource" || (rest.starts_with(".resource.ofType(") && rest.ends_with(')'));
    let left = matches!(finding.code, "unknown-resource" | "entered-in-error" | "second-exchange" | "not-taken");
    left && entry_of(finding).is_some_and(|(_, rest)| whole(rest))
}

fn identifier(accepted: &Accepted<'_>) -> Value {
    json!({"system": URI, "value": format!("urn:uuid:{}", accepted.exchange)})
}

/// A receipt is a compact JWS (RFC 7515) with claims.
const RECEIPT: &str = "application/jwt";
