//! The law of an instant: catalogue, directory, agreements and policies, one coherent version of everything that is data.

pub mod archive;
mod sets;

use std::{collections::BTreeSet, fmt, path::Path, sync::Arc};

use exchange::{AgreementId, Instant, Kind, Party, Urgency, envelope::Route};

use crate::{
    agreements::{Agreements, InForce},
    catalogue::{AgreementNeed, Catalogue, ExchangeType},
    directory::Directory,
    policy::{AgreementState, Approvers, Policies, Side},
    refusal::Refusal,
    retention::Retention,
    source::Files,
};

pub use sets::{FolderState, Sets};

/// Swapped as a whole, so that a request sees one version.
pub struct Law {
    /// Exchange types.
    pub catalogue: Catalogue,
    /// Who is who.
    pub directory: Directory,
    /// Agreements in force.
    pub agreements: Agreements,
    /// What may be.
    pub policies: Policies,
    /// Who may change the rules.
    pub approvers: Approvers,
    /// How long what is kept is kept.
    pub retention: Retention,
    /// The policy set that all but the directory was read from.
    pub files: Arc<Files>,
}

/// Why data is not in force: every mistake of the first room that has one, since the next ones speak its words.
#[derive(Debug, thiserror::Error)]
pub struct LawFault {
    /// Which room.
    pub room: &'static str,
    /// File, line, what is wrong, cure.
    pub mistakes: Vec<String>,
}

impl fmt::Display for LawFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.room, self.mistakes.join("\n  "))
    }
}

/// All mistakes of one room.
fn all(room: &'static str, faults: &[impl fmt::Display]) -> LawFault {
    LawFault { room, mistakes: faults.iter().map(ToString::to_string).collect() }
}

impl Law {
    /// A policy set together with the directory that stands at `directory`, checked as a whole.
    ///
    /// # Errors
    /// [`LawFault`] with every mistake of the first room that has one.
    pub fn read(files: Arc<Files>, directory: &Path) -> Result<Self, LawFault> {
        let catalogue = Catalogue::of(&files).map_err(|faults| all("catalogue", &faults))?;
        let is_kind = |kind: &Kind| catalogue.kind(kind).is_some();
        let directory = Directory::load(directory, &is_kind).map_err(|faults| all("directory", &faults))?;
        let is_type = |code: &exchange::TypeCode| catalogue.has_type(code) || catalogue.has_code("CL-type-prevu", code.as_str());
        let is_code = |list: &str, code: &str| catalogue.has_code(list, code);
        let is_party = |party: &Party| directory.party(party).is_some();
        let agreements = Agreements::of(&files, &is_party, &is_type, &is_code).map_err(|faults| all("agreements", &faults))?;
        let is_obligation = |code: &str| catalogue.obligation(code).is_some();
        let policies = Policies::of(&files, &is_obligation).map_err(|faults| all("policies", &faults))?;
        // A schema that asks for a fact which this program does not give would refuse everything; a set that permits what
        // nothing foresees would refuse nothing.
        policies.probe().map_err(|_| LawFault {
            room: "policies",
            mistakes: vec!["the schema wants facts that this version does not give, or the rules permit what nothing foresees".to_owned()],
        })?;
        let approvers = Approvers::of(&files).map_err(|faults| all("policies", &faults))?;
        let retention = Retention::of(&files).map_err(|faults| all("retention", &faults))?;
        let missing = retention.missing(&catalogue);
        if !missing.is_empty() {
            let mistakes =
                missing.into_iter().map(|class| format!("retention.toml: a type names the class `{class}`, which is not there; add it"));
            return Err(LawFault { room: "retention", mistakes: mistakes.collect() });
        }
        Ok(Self { catalogue, directory, agreements, policies, approvers, retention, files })
    }

    /// The same, of a set that is to take force and never did: its rules must be fit for that too.
    ///
    /// # Errors
    /// [`LawFault`], also of what [`Policies::unfit`] finds.
    pub fn read_new(files: Arc<Files>, directory: &Path) -> Result<Self, LawFault> {
        let law = Self::read(files, directory)?;
        let mistakes = law.policies.unfit(&law.catalogue);
        if mistakes.is_empty() { Ok(law) } else { Err(LawFault { room: "policies", mistakes }) }
    }

    /// One end of an exchange as rules see it.
    ///
    /// # Errors
    /// [`Refusal::Undecidable`] for a kind that the catalogue does not know.
    pub fn side<'l>(&'l self, kind: &'l Kind) -> Result<Side<'l>, Refusal> {
        self.catalogue.kind(kind).map(|rule| Side { kind, rule }).ok_or(Refusal::Undecidable)
    }

    /// What the register says of the agreement under which an exchange would flow.
    ///
    /// # Errors
    /// [`Refusal::Agreement`] when the type needs one and none in force is named.
    pub fn agreement(&self, exchange_type: &ExchangeType, route: &Route, now: Instant) -> Result<AgreementState<'_>, Refusal> {
        self.agreement_between(exchange_type, (&route.sender, &route.recipient), route.agreement.as_ref(), now).map_err(Refusal::Agreement)
    }

    /// The same of what a record holds of its route.
    ///
    /// # Errors
    /// Why none serves, in French, when the type needs one or one is invoked in vain.
    pub fn agreement_between(
        &self,
        exchange_type: &ExchangeType,
        (sender, recipient): (&Party, &Party),
        named: Option<&AgreementId>,
        now: Instant,
    ) -> Result<AgreementState<'_>, &'static str> {
        let Some(id) = named else {
            return match exchange_type.agreement {
                AgreementNeed::None | AgreementNeed::ForChannel => Ok(AgreementState::NotNamed),
                AgreementNeed::Required => Err("aucun protocole indiqué"),
            };
        };
        let state = match self.agreements.in_force(id, now) {
            InForce::InForce(agreement) => {
                let covers = agreement.types.contains(&exchange_type.code) && agreement.binds_both(sender, recipient);
                if covers {
                    return Ok(AgreementState::InForce {
                        id: &agreement.id,
                        parties: &agreement.parties,
                        purposes: &agreement.purposes,
                        classes: &agreement.classes,
                        questions: &agreement.questions,
                    });
                }
                "en vigueur, mais pas pour ce type ou ces parties"
            }
            InForce::NotYet { .. } => "pas encore en vigueur",
            InForce::Ended { .. } => "terminé",
            InForce::Suspended => "suspendu",
            InForce::NotSigned => "pas signé",
            InForce::NoDates => "dates à saisir",
            InForce::Unknown => "inconnu",
        };
        // A danger type flows all the same: naming a dead agreement is not a reason to lose it.
        if exchange_type.danger { Ok(AgreementState::NotInForce) } else { Err(state) }
    }

    /// Condition words of destinations that hold now.
    pub fn conditions(&self, route: &Route, now: Instant) -> BTreeSet<String> {
        let out_of_hours = !self.catalogue.working_now(now);
        let immediate = route.urgency == Urgency::Immediate;
        (immediate && out_of_hours).then(|| "immediate-hors-horaires".to_owned()).into_iter().collect()
    }
}
