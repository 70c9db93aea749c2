//! Whose deposit it is, and with what right to be believed.

use exchange::Secrecy;

use crate::{
    catalogue::ExchangeType,
    directory::Professional,
    flows::{Author, Caller, Law},
    policy::Actor,
    refusal::{CertificateFault, Refusal},
};

/// Whose deposit it is.
pub(crate) enum Depositor {
    /// A named professional.
    Professional(exchange::ProfessionalId),
    /// A machine, for a type that needs no person.
    System,
    /// A danger type whose author could not be identified: the deposit is the institution's alone.
    Alone {
        /// Stable code of what was wrong with the identification.
        fault: String,
    },
}

impl Depositor {
    /// The text under which idempotency keys are kept apart.
    pub(super) fn author(&self) -> &str {
        match self {
            Self::Professional(id) => &id.subject,
            Self::System | Self::Alone { .. } => "",
        }
    }

    /// The opaque id of the person who sends, and what binds this person to secrecy.
    pub(super) fn agent(&self, law: &Law) -> Option<(String, Secrecy)> {
        match self {
            Self::Professional(id) => law.directory.professional(id).map(|who| (id.subject.clone(), who.secrecy)),
            Self::System | Self::Alone { .. } => None,
        }
    }

    pub(super) fn actor<'l>(&self, law: &'l Law) -> Actor<'l> {
        match self {
            Self::Professional(id) => law.directory.professional(id).map_or(Actor::InstitutionAlone, Actor::Professional),
            Self::System => Actor::System,
            Self::Alone { .. } => Actor::InstitutionAlone,
        }
    }
}

pub(super) fn identify(law: &Law, caller: &Caller, exchange_type: &ExchangeType) -> Result<Depositor, Refusal> {
    // With a stale revocation list, danger types alone stay open (invariant 3).
    if caller.stale && !exchange_type.danger {
        return Err(Refusal::Certificate(CertificateFault::StaleRevocation));
    }
    let fault = match &caller.author {
        Author::Professional(id) => match law.directory.professional(id) {
            Some(one @ Professional { institution, .. }) if *institution == caller.institution && !one.is_system() => {
                return Ok(Depositor::Professional(id.clone()));
            }
            _ => Refusal::UnknownProfessional,
        },
        Author::Unnamed if !exchange_type.human.send => return Ok(Depositor::System),
        Author::Unnamed => Refusal::TokenMissing,
        Author::Faulty(fault) => Refusal::Token(*fault),
    };
    if exchange_type.danger {
        let fault = fault.face().code;
        Ok(Depositor::Alone { fault })
    } else {
        Err(fault)
    }
}
