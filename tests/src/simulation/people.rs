//! Who acts in a run, and what the directory lets each of them do.

use crate::people::{
    ADMIN, ASE, AUDITOR, CADRE, CAF, CRIP, DPO, EVALUATOR, FORMER, HEADMASTER, HOSPITAL, MAGISTRATE, MINORS, ON_CALL, PMI, SCHOOL, TEACHER,
};

/// Institution and opaque id.
pub type Person = (&'static str, &'static str);

/// A unit of the sample directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit(pub &'static str, pub &'static str);

impl Unit {
    /// Cellule de recueil.
    pub const CRIP: Self = Self("departement-31", "crip");
    /// On-call service of the ASE.
    pub const ON_CALL: Self = Self("departement-31", "astreinte-ase");
    /// Aide sociale à l’enfance.
    pub const ASE: Self = Self("departement-31", "ase");
    /// Evaluation team.
    pub const EVALUATORS: Self = Self("departement-31", "equipe-evaluation-nord");
    /// School social workers.
    pub const SSFE: Self = Self("dsden-31", "ssfe");
    /// Head of the collège.
    pub const COLLEGE: Self = Self("college-0319901u", "direction");
    /// Paediatric emergencies.
    pub const EMERGENCIES: Self = Self("chu-toulouse", "urgences-pediatriques");
    /// Magistrates on duty.
    pub const PERMANENCE: Self = Self("parquet-toulouse", "permanence");
    /// Family allowance office.
    pub const CAISSE: Self = Self("caf-31", "prestations");
    /// The institution as a whole, for its functions.
    pub const DEPARTEMENT: Self = Self("departement-31", "");

    /// The unit of these names.
    pub fn known(institution: &str, unit: &str) -> Self {
        LED.into_iter()
            .chain([Self::DEPARTEMENT])
            .find(|one| one.0 == institution && one.1 == unit)
            .unwrap_or_else(|| panic!("nobody expects {institution}/{unit}"))
    }
}

/// Second agent of the CRIP, whose habilitation comes and goes.
pub const AGENT: Person = ("departement-31", "p-0g3pa");
/// Nurse of the school social workers.
pub const NURSE: Person = ("dsden-31", "p-1x6yp");
/// From whom some concerns are sealed: the first agent of the CRIP, who leads it.
pub const SEALED: Person = CRIP;

/// Units that send or are handed something.
pub const LED: [Unit; 9] =
    [Unit::CRIP, Unit::ON_CALL, Unit::ASE, Unit::EVALUATORS, Unit::SSFE, Unit::COLLEGE, Unit::EMERGENCIES, Unit::PERMANENCE, Unit::CAISSE];

/// Units that are handed something, each with somebody from whom nothing is sealed.
pub const MAILBOXES: [(Unit, Person); 7] = [
    (Unit::CRIP, CADRE),
    (Unit::ON_CALL, ON_CALL),
    (Unit::SSFE, NURSE),
    (Unit::PERMANENCE, MAGISTRATE),
    (Unit::COLLEGE, HEADMASTER),
    (Unit::EVALUATORS, EVALUATOR),
    (Unit::CAISSE, CAF),
];

/// Everybody who may try to read.
pub const READERS: [Person; 20] = [
    CRIP, CRIP, AGENT, AGENT, CADRE, ON_CALL, SCHOOL, NURSE, MAGISTRATE, MINORS, EVALUATOR, HEADMASTER, TEACHER, CAF, PMI, HOSPITAL, DPO,
    FORMER, ASE, AUDITOR,
];

/// Who may try to read in an emergency.
pub const IN_A_HURRY: [Person; 6] = [ON_CALL, ASE, PMI, SCHOOL, DPO, ADMIN];

/// Units for which somebody is habilitated, apart from the second agent of the CRIP, for whom that changes.
pub fn habilitated(who: Person) -> &'static [Unit] {
    match who {
        CRIP => &[Unit::CRIP],
        CADRE => &[Unit::CRIP, Unit::ASE, Unit::ON_CALL, Unit::EVALUATORS],
        ON_CALL => &[Unit::ON_CALL],
        SCHOOL | NURSE => &[Unit::SSFE],
        MAGISTRATE | MINORS => &[Unit::PERMANENCE],
        EVALUATOR => &[Unit::EVALUATORS],
        HEADMASTER => &[Unit::COLLEGE],
        CAF => &[Unit::CAISSE],
        ASE => &[Unit::ASE],
        HOSPITAL => &[Unit::EMERGENCIES],
        _ => &[],
    }
}
