//! What an adapter refused: each place in the partner's own terms, with what would cure it.

use adapters::reading::{Finding, Refused};
use exchange::envelope::FieldFault;

use super::{Face, Refusal, face};

pub(super) fn native(refused: &Refused) -> Face {
    let errors = refused.0.iter().map(fault).collect();
    let first = refused.0.first();
    let detail = first.map_or("Le message n’est pas lisible.", |first| first.detail.as_str());
    let status = match first.map_or("", |first| first.code) {
        "sender-mismatch" => return Face { errors, ..Refusal::SenderMismatch.face() },
        "name-reused" => {
            let cure = first.and_then(|first| first.cure.clone());
            return Face { errors, cure, ..face("idempotency-key-reused", 409, "Nom déjà utilisé", detail, "") };
        }
        "not-json" => 400,
        "too-large" | "too-many" => 413,
        _ => 422,
    };
    let cure = first.and_then(|first| first.cure.clone());
    Face { errors, cure, ..face("not-understood", status, "Message non compris", detail, "") }
}

/// A place is told as the format says it: here `pointer` is no pointer into an envelope.
fn fault(finding: &Finding) -> FieldFault {
    let cure = finding.cure.iter().map(|cure| format!(" {cure}"));
    let detail = std::iter::once(finding.detail.clone()).chain(cure).collect();
    FieldFault { pointer: finding.place.to_string(), code: finding.code, detail }
}
