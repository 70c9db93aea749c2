//! Who acts in the scenes: (institution, opaque id) of the sample directory.

/// School social worker of the DSDEN, bound by secrecy.
pub const SCHOOL: (&str, &str) = ("dsden-31", "p-5k2gh");
/// Paediatrician.
pub const HOSPITAL: (&str, &str) = ("chu-toulouse", "p-7d3hx");
/// Teacher: reports, reads nothing.
pub const TEACHER: (&str, &str) = ("college-0319901u", "p-2v5ks");
/// Head of the same collège.
pub const HEADMASTER: (&str, &str) = ("college-0319901u", "p-8r2nf");
/// Agent of the CRIP, social worker.
pub const CRIP: (&str, &str) = ("departement-31", "p-4f7k2");
/// Head of the CRIP.
pub const CADRE: (&str, &str) = ("departement-31", "p-8c3mz");
/// Agent of the CRIP whose habilitation ended.
pub const FORMER: (&str, &str) = ("departement-31", "p-1e8uk");
/// Physician of the PMI, same institution as the CRIP.
pub const PMI: (&str, &str) = ("departement-31", "p-9h5qd");
/// Data-protection officer.
pub const DPO: (&str, &str) = ("departement-31", "p-6a5xr");
/// Administrator of the gateway.
pub const ADMINISTRATOR: (&str, &str) = ("departement-31", "p-3s6ov");
/// Auditor.
pub const AUDITOR: (&str, &str) = ("departement-31", "p-9y2be");
/// Administrator of the gateway.
pub const ADMIN: (&str, &str) = ("departement-31", "p-3s6ov");
/// Magistrate on duty.
pub const MAGISTRATE: (&str, &str) = ("parquet-toulouse", "p-1c7qv");
/// Agent of the town hall.
pub const TOWN_HALL: (&str, &str) = ("mairie-blagnac", "p-2q9fy");
/// Agent of the family allowance office.
pub const CAF: (&str, &str) = ("caf-31", "p-8l6dn");
/// Social worker of the family allowance office, bound by profession.
pub const CAF_SOCIAL: (&str, &str) = ("caf-31", "p-4j9ru");
/// Educator of the ASE.
pub const ASE: (&str, &str) = ("departement-31", "p-2w9rt");
/// Educator of the evaluation team.
pub const EVALUATOR: (&str, &str) = ("departement-31", "p-7t4wc");
/// On-call decision maker of the ASE.
pub const ON_CALL: (&str, &str) = ("departement-31", "p-6n1vx");
/// Magistrate of the section des mineurs.
pub const MINORS: (&str, &str) = ("parquet-toulouse", "p-9m4jb");
