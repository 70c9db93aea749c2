//! `IHE_XDM.zip`, a subject and a notice of MSSanté, and the letter that was read written again.
#![no_main]

use adapters::{
    health::Context,
    xdm::{self, Issue, Subject},
};
use exchange::Party;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let party = |institution: &str| Party { institution: institution.parse().unwrap(), unit: None };
    let context = Context {
        sender: party("chu-toulouse"),
        recipient: party("departement-31"),
        purpose: None,
        legal_basis: Vec::new(),
        health_leg: false,
    };
    let _ = xdm::disposition(bytes);
    if let Some(subject) = std::str::from_utf8(bytes).ok().and_then(Subject::read) {
        assert!(!subject.to_string().contains(['\r', '\n']));
    }
    if let Ok(reading) = xdm::read(bytes, &context, "information-preoccupante") {
        let at = "2026-11-21T17:45:00Z".parse().unwrap();
        let issue = Issue { id: "0190b8c5-0000-7000-8000-0000000000d1", at, from: "Département", title: "Information" };
        for letter in &reading.letters {
            let archive = xdm::write(&letter.envelope, &issue, &[]).unwrap();
            xdm::read(&archive, &context, "information-preoccupante").unwrap();
        }
    }
});
