//! The law of an instant: catalogue, directory, agreements and policies, one coherent version of everything that is data.

use std::collections::BTreeSet;

use exchange::{Instant, Kind, Urgency, envelope::Route};

use crate::{
    agreements::{Agreements, InForce},
    catalogue::{AgreementNeed, Catalogue, ExchangeType},
    directory::Directory,
    policy::{AgreementState, Policies, Side},
    refusal::Refusal,
};

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
}

impl Law {
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
        let Some(id) = &route.agreement else {
            return match exchange_type.agreement {
                AgreementNeed::None | AgreementNeed::ForChannel => Ok(AgreementState::NotNamed),
                AgreementNeed::Required => Err(Refusal::Agreement("aucun protocole indiqué")),
            };
        };
        let state = match self.agreements.in_force(id, now) {
            InForce::InForce(agreement) => {
                let covers = agreement.types.contains(&route.kind) && agreement.binds_both(&route.sender, &route.recipient);
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
        if exchange_type.danger { Ok(AgreementState::NotInForce) } else { Err(Refusal::Agreement(state)) }
    }

    /// Condition words of destinations that hold now.
    pub fn conditions(&self, route: &Route, now: Instant) -> BTreeSet<String> {
        let out_of_hours = !self.catalogue.working_now(now);
        let immediate = route.urgency == Urgency::Immediate;
        (immediate && out_of_hours).then(|| "immediate-hors-horaires".to_owned()).into_iter().collect()
    }
}
