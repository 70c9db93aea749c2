//! The search of what waits, in the words of FHIR: what is understood of it stands in the address of the page that is answered,
//! what is not is told, and changes nothing.

use adapters::{
    fhir::{self, Page},
    reading::{Finding, Place},
};
use exchange::UnitId;
use serde_json::{Value, json};

use super::Base;
use crate::{
    flows::{Caller, collect},
    refusal::Refusal,
};

/// What is looked for in a mailbox.
#[derive(Default)]
pub(super) struct Search {
    unit: Option<UnitId>,
    statuses: Vec<String>,
    after: i64,
    count: Option<u32>,
    reported: Vec<Finding>,
}

impl Search {
    /// Reads the parameters, which may come in any order and repeat.
    pub(super) fn read(parameters: Vec<(String, String)>, caller: &Caller) -> Result<Self, Refusal> {
        let mut search = Self::default();
        for (name, value) in parameters {
            match name.as_str() {
                "owner" | "owner:identifier" => search.unit = Some(owner(&value, caller)?),
                "status" => search.statuses.extend(value.split(',').map(status).collect::<Result<Vec<_>, _>>()?),
                "_count" => search.count = Some(value.parse().map_err(|_| Refusal::Malformed("_count"))?),
                "_after" => search.after = value.parse().map_err(|_| Refusal::Malformed("_after"))?,
                "_format" => {}
                // A word that we do not know may name somebody, and is not repeated.
                _ => search.reported.push(
                    Finding::new(Place::Whole, "not-taken", "Un paramètre de cette recherche n’est pas connu : il n’a rien changé.")
                        .cured_by("GET /fhir/metadata dit les paramètres."),
                ),
            }
        }
        Ok(search)
    }

    /// What is asked of the mailbox.
    pub(super) fn ask(&self) -> collect::Ask {
        collect::Ask { unit: self.unit.clone(), after: self.after, wait: 0, limit: Some(self.limit()) }
    }

    /// Writes a page of the mailbox.
    pub(super) fn write(&self, page: &collect::Page, base: &Base) -> Result<Vec<u8>, Refusal> {
        let notices = page.deliveries.iter().map(notice).collect::<Result<Vec<_>, _>>()?;
        let notices: Vec<Value> = notices.into_iter().filter(|notice| self.wants(notice)).collect();
        // What cannot wait stands on every page: another one follows while this one brought something that was not there.
        let full = page.after > self.after && page.deliveries.len() >= usize::try_from(self.limit()).unwrap_or(usize::MAX);
        let (this, next) = (self.address(base, self.after), full.then(|| self.address(base, page.after)));
        let at = Page { base: &base.0, this: &this, next: next.as_deref(), reported: &self.reported };
        fhir::mailbox(&json!({"deliveries": notices}), &at).map_err(|_| Refusal::Internal("task"))
    }

    fn wants(&self, notice: &Value) -> bool {
        let there = |key: &str| notice.get(key).is_some_and(|value| !value.is_null());
        let status = if there("withdrawn_at") {
            "cancelled"
        } else if there("opened_at") {
            "received"
        } else {
            "requested"
        };
        self.statuses.is_empty() || self.statuses.iter().any(|wanted| wanted == status)
    }

    fn limit(&self) -> u32 {
        self.count.unwrap_or(50).clamp(1, 200)
    }

    fn address(&self, base: &Base, after: i64) -> String {
        let unit = self.unit.iter().map(|unit| format!("owner={unit}"));
        let statuses = Some(&self.statuses).filter(|all| !all.is_empty()).map(|all| format!("status={}", all.join(",")));
        let after = (after != 0).then(|| format!("_after={after}"));
        let all: Vec<String> = unit.chain(statuses).chain(Some(format!("_count={}", self.limit()))).chain(after).collect();
        format!("{}/Task?{}", base.0, all.join("&"))
    }
}

/// A notice as the adapter writes it.
pub(super) fn notice(notice: &collect::Notice) -> Result<Value, Refusal> {
    let mut value = serde_json::to_value(notice).map_err(|_| Refusal::Internal("notice"))?;
    if let Value::Object(value) = &mut value {
        value.insert("recipient".into(), json!(notice.recipient));
    }
    Ok(value)
}

/// A unit of the caller: `crip`, `departement-31:unit:crip`, or the same with the system of institutions before it.
fn owner(value: &str, caller: &Caller) -> Result<UnitId, Refusal> {
    let value = value.strip_prefix("urn:passerelle:institution|").unwrap_or(value);
    let unit = match value.split_once(":unit:") {
        Some((institution, unit)) if institution == caller.institution.as_str() => unit,
        Some(_) => return Err(Refusal::RoleMissing("membre du service demandé")),
        None => value,
    };
    unit.parse().map_err(|_| Refusal::Malformed("owner"))
}

/// A state of what waits. Any other is refused: passed over it would answer what was not asked, and nothing is what waits for ever.
fn status(value: &str) -> Result<String, Refusal> {
    let value = value.trim();
    if STATUSES.contains(&value) {
        return Ok(value.to_owned());
    }
    let cure = format!(
        "Les états d’une boîte sont {} ; ce qui a reçu sa réponse n’y est plus : lisez GET /fhir/Task/(identifiant).",
        STATUSES.join(", ")
    );
    let finding = Finding::new(Place::Path("Task.status".into()), "bad-code", "Cet état n’est d’aucun Task d’une boîte.").cured_by(cure);
    Err(Refusal::Native(finding.into()))
}

/// The states of what waits.
const STATUSES: [&str; 3] = ["requested", "received", "cancelled"];
