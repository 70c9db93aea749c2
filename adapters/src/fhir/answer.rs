//! What the gateway answers a Bundle that it accepted: a message with its response, or one answer for each entry of a transaction.
//! The signed receipt comes as a Binary, and what was not taken over as an OperationOutcome.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::{Asked, TYPE, address, outcome, write::URI};
use crate::reading::Finding;

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
        "transaction" => entries("transaction-response", asked, accepted, &outcome, &receipt),
        "batch" => entries("batch-response", asked, accepted, &outcome, &receipt),
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

/// One answer for each entry, in their order: all of them are one exchange. The first bears the receipt.
fn entries(kind: &str, asked: &Asked, accepted: &Accepted<'_>, outcome: &Value, receipt: &Value) -> Value {
    let mut entries = vec![json!({"response": {"status": "201 Created"}}); asked.entries];
    if let Some(first) = entries.first_mut() {
        *first = json!({
            "resource": receipt,
            "response": {"status": "201 Created", "location": accepted.place, "outcome": outcome}
        });
    }
    json!({"resourceType": "Bundle", "identifier": identifier(accepted), "type": kind, "entry": entries})
}

fn identifier(accepted: &Accepted<'_>) -> Value {
    json!({"system": URI, "value": format!("urn:uuid:{}", accepted.exchange)})
}

/// A receipt is a compact JWS (RFC 7515) with claims.
const RECEIPT: &str = "application/jwt";
