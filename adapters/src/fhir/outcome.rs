//! Refusals and findings as an OperationOutcome: where in FHIRPath, what in French, and what would cure it.

use serde_json::Value;

use super::types::{Coding, Concept, Issue, OperationOutcome};
use crate::reading::{Finding, Place, Refused};

/// Why a Bundle was not taken at all.
///
/// # Errors
/// Never.
pub fn of_refused(refused: &Refused) -> Result<Vec<u8>, serde_json::Error> {
    outcome(refused.0.iter().map(|finding| issue("fatal", finding)).collect())
}

/// What was not taken over of a Bundle that was; where there is nothing to say, that everything was.
///
/// # Errors
/// Never.
pub fn of_findings(reported: &[Finding]) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&findings(reported))
}

/// The same, as a part of another answer.
pub(super) fn findings(reported: &[Finding]) -> OperationOutcome {
    let issue = if reported.is_empty() {
        let details = Concept { coding: Vec::new(), text: Some("Tout a été repris.".into()) };
        vec![Issue { severity: "information", code: "informational", details, diagnostics: None, expression: Vec::new() }]
    } else {
        reported.iter().map(|finding| issue("warning", finding)).collect()
    };
    OperationOutcome { resource_type: "OperationOutcome", issue }
}

/// A `application/problem+json` of the gateway (RFC 9457): the refusal itself, then each of its `errors[]`, with the FHIRPath of
/// where the field stands in a Bundle. Its pointer into the envelope stands in `diagnostics`.
///
/// # Errors
/// Never for a problem of the gateway.
pub fn of_problem(problem: &Value) -> Result<Vec<u8>, serde_json::Error> {
    let text = |key: &str| problem.get(key).and_then(Value::as_str);
    let code = issue_code(problem.get("status").and_then(Value::as_u64).unwrap_or(500));
    let ground = [("Règle", text("rule")), ("Article", text("article")), ("Pour y remédier", text("cure")), ("Demande", text("instance"))];
    let ground: Vec<_> = ground.iter().filter_map(|(label, text)| Some(format!("{label} : {}", (*text)?))).collect();
    let mut issues = vec![Issue {
        severity: "error",
        code,
        details: coded(text("code"), text("detail").or(text("title")).unwrap_or("Demande refusée.")),
        diagnostics: Some(ground.join(" — ")).filter(|ground| !ground.is_empty()),
        expression: Vec::new(),
    }];
    for error in problem.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        let details = coded(text("code"), text("detail").unwrap_or("Ce champ ne convient pas."));
        let pointer = text("pointer").unwrap_or_default();
        let diagnostics = pointer.starts_with('/').then(|| format!("Champ de l’enveloppe : {pointer}"));
        let expression = expression(pointer).into_iter().collect();
        let code = finding_code(text("code").unwrap_or_default());
        issues.push(Issue { severity: "error", code, details, diagnostics, expression });
    }
    outcome(issues)
}

/// Where the field of an envelope stands in a Bundle. A place that an adapter named is a FHIRPath already.
fn expression(pointer: &str) -> Option<String> {
    let Some(field) = pointer.strip_prefix('/') else {
        let whole = pointer == Place::Whole.to_string();
        return if whole { Some("Bundle".into()) } else { Some(pointer.to_owned()).filter(|path| !path.is_empty()) };
    };
    let of = |resource: &str| Some(format!("Bundle.entry.resource.ofType({resource})"));
    let mut steps = field.split('/');
    match steps.next()? {
        "type" => Some(format!("{}.event", of("MessageHeader")?)),
        "sender" => Some(format!("{}.sender", of("Communication")?)),
        "recipient" => Some(format!("{}.recipient", of("Communication")?)),
        "in_reply_to" => Some(format!("{}.inResponseTo", of("Communication")?)),
        "urgency" => Some(format!("{}.priority", of("Communication")?)),
        "attachments" => Some(format!("{}.content.attachment", of("DocumentReference")?)),
        // A patient, or somebody related to one.
        "subjects" => Some("Bundle.entry.resource".into()),
        part if super::FORM.contains(&part) => {
            let link = steps.fold(part.to_owned(), |path, step| {
                if step.bytes().all(|b| b.is_ascii_digit()) { format!("{path}[]") } else { format!("{path}.{step}") }
            });
            Some(format!("{}.descendants().where(linkId='{link}')", of("QuestionnaireResponse")?))
        }
        _ => None,
    }
}

fn outcome(issue: Vec<Issue>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&OperationOutcome { resource_type: "OperationOutcome", issue })
}

fn issue(severity: &'static str, finding: &Finding) -> Issue {
    let expression = match &finding.place {
        Place::Path(path) => vec![path.clone()],
        Place::Whole => vec!["Bundle".into()],
        Place::Cell { .. } | Place::Line(_) | Place::Element { .. } | Place::File(_) => Vec::new(),
    };
    let details = coded(Some(finding.code), &finding.detail);
    Issue { severity, code: finding_code(finding.code), details, diagnostics: finding.cure.clone(), expression }
}

fn coded(code: Option<&str>, detail: &str) -> Concept {
    Concept { coding: code.map(|code| Coding::new(PROBLEM, code)).into_iter().collect(), text: Some(detail.into()) }
}

/// The code of FHIR (issue-type) that a code of ours is.
fn finding_code(code: &str) -> &'static str {
    match code {
        "not-json" | "not-a-bundle" | "bad-base64" | "bad-type" | "unknown-field" | "unknown-element" => "structure",
        "unknown-extension" | "modifier-extension" => "extension",
        "too-large" | "too-many" | "too-long" => "too-long",
        "missing" | "file-not-there" => "required",
        "unknown-type" | "bad-code" | "unknown-section" => "code-invalid",
        "bad-rpps" | "bad-date" | "bad-size" | "bad-hash" | "name-use" => "value",
        "ins" | "ins-not-qualified" | "ins-not-usable" | "nir" | "hidden" | "sender-mismatch" => "business-rule",
        "name-reused" => "duplicate",
        "not-taken" | "unknown-resource" | "second-exchange" => "not-supported",
        _ => "processing",
    }
}

/// The code of FHIR (issue-type) that a status of HTTP is.
fn issue_code(status: u64) -> &'static str {
    match status {
        400 | 415 | 422 => "invalid",
        401 => "login",
        403 => "forbidden",
        404 => "not-found",
        406 => "not-supported",
        409 => "conflict",
        410 => "deleted",
        413 => "too-long",
        429 => "throttled",
        503 => "transient",
        504 => "timeout",
        500.. => "exception",
        _ => "processing",
    }
}

/// The system of our codes of findings and problems.
const PROBLEM: &str = "urn:passerelle:problem";
