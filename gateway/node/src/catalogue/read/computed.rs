//! What the gateway computes itself, so that nobody has to be believed for it.

use serde_json::Value;
use time::Date;

use super::{
    Reading,
    check::{self, Misfit},
    is_filled,
};
use crate::{catalogue::Computed, catalogue::Field, directory::day::day_in_france};

/// Worked days to answer when neither request nor agreement says it (clock K12).
const DAYS_TO_ANSWER: u32 = 10;

impl Reading<'_> {
    /// The value of a computed field; nothing when what it rests on is not known.
    pub(super) fn computed(&self, computed: &Computed) -> Option<Value> {
        match computed {
            Computed::InReplyTo => self.in_reply_to.map(|id| id.to_string()),
            Computed::SenderOrigin => self.sender_kind.as_ref().and_then(|kind| self.catalogue.origins.get(kind)).cloned(),
            Computed::SenderInstitution => Some(self.sender_institution.clone()),
            Computed::SenderSiret => self.context.siret.clone(),
            Computed::SenderAgent => self.context.agent.as_ref().map(|(agent, _)| agent.clone()),
            Computed::SenderSecrecy => self.context.agent.as_ref().map(|(_, secrecy)| secrecy.as_str().to_owned()),
            Computed::SenderKind(codes) => self.sender_kind.as_ref().and_then(|kind| codes.get(kind)).cloned(),
            Computed::Purpose => Some(self.purpose.clone()),
            Computed::Now => Some(self.context.now.to_string()),
            Computed::Deadline(clock) => self.deadline(clock).map(|day| day.to_string()),
            Computed::OneOf(path, codes) => {
                let code = self.at(path)?.as_str()?;
                return Some(Value::Bool(codes.contains(code)));
            }
            Computed::Departement(path) => departement(self.at(path)?),
            Computed::Standing => self.standing(),
            Computed::Gateway => None,
        }
        .map(Value::String)
    }

    /// Whether a value that a sender gives instead of the computed one may be: the last day to answer is no day that has
    /// passed, and not later than the clock that bounds it.
    pub(super) fn may_be(&self, field: &Field, value: &Value) -> Result<(), Misfit> {
        let Some(Computed::Deadline(clock)) = &field.computed else { return Ok(()) };
        let Some(day) = value.as_str().and_then(check::date) else { return Ok(()) };
        let latest = self.bound(clock);
        if day < self.today() || latest.is_some_and(|latest| day > latest) {
            return Err(Misfit::Deadline(latest));
        }
        Ok(())
    }

    /// The last day to answer: that of the agreement, else ten worked days; never later than the clock that bounds it.
    fn deadline(&self, clock: &str) -> Option<Date> {
        let days = self.agreement.as_ref().and_then(|id| (self.context.days_to_answer)(id)).unwrap_or(DAYS_TO_ANSWER);
        let day = day_in_france(self.catalogue.calendar.worked_days_after(self.context.now, days));
        Some(self.bound(clock).map_or(day, |latest| day.min(latest)))
    }

    fn bound(&self, clock: &str) -> Option<Date> {
        let rule = self.catalogue.clock(clock)?;
        let limits = rule.limit.keys().filter_map(|urgency| self.catalogue.due(rule, *urgency, self.context.now, false));
        limits.map(|due| day_in_france(due.limit)).min()
    }

    /// CL-statut-convention: what is not approved by all its parties waits for signature; then its days say.
    fn standing(&self) -> Option<String> {
        let parties = self.at("payload.convention.parties")?.as_array()?;
        let approved = |party: &Value| {
            let given = self.at("payload.approbations").and_then(Value::as_array);
            given.is_some_and(|given| given.iter().any(|one| one.get("institution") == Some(party)))
        };
        let day = |path: &str| self.at(path).and_then(Value::as_str).and_then(check::date);
        let today = self.today();
        let word = if !parties.iter().all(approved) {
            "a-signer"
        } else if day("payload.validite.fin").is_some_and(|last| last < today) {
            "expiree"
        } else {
            "en-vigueur"
        };
        Some(word.to_owned())
    }

    fn today(&self) -> Date {
        day_in_france(self.context.now)
    }

    /// What stands at a place without a list, from the envelope.
    fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(self.envelope, |at, step| at.get(step)).filter(|value| is_filled(value))
    }
}

/// Département of an address: from the INSEE code of the commune, else from the postcode, which does not tell the two of
/// Corsica apart.
fn departement(address: &Value) -> Option<String> {
    let text = |name: &str| address.get(name).and_then(Value::as_str).filter(|text| text.len() == 5 && text.is_ascii());
    let code = text("city_code").or_else(|| text("postcode").filter(|code| !code.starts_with("20")))?;
    let digits = if code.starts_with("97") || code.starts_with("98") { 3 } else { 2 };
    code.get(..digits).map(str::to_owned)
}
