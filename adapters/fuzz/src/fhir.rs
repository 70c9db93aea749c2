//! A Bundle of a hospital, and what was read of it written again.
#![no_main]

use adapters::{fhir, health::Context};
use exchange::Party;
use libfuzzer_sys::fuzz_target;

fn context() -> Context {
    let party = |institution: &str| Party { institution: institution.parse().unwrap(), unit: None };
    Context { sender: party("chu-toulouse"), recipient: party("departement-31"), purpose: None, legal_basis: Vec::new(), health_leg: true }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reading) = fhir::read(bytes, &context()) {
        for letter in &reading.letters {
            let written = fhir::write(&letter.envelope, &letter.attachments).unwrap();
            let _ = fhir::read(&written, &context());
        }
        let _ = fhir::of_findings(&reading.reported);
    }
});
