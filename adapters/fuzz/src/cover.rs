//! The cover sheet of a court: beside its paper, inside a PDF, in a zip, and written again.
#![no_main]

use adapters::parquet::cover::{self, Context};
use exchange::Party;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let party = |institution: &str| Party { institution: institution.parse().unwrap(), unit: None };
    let context = Context { sender: party("parquet-toulouse"), recipient: party("departement-31"), purpose: None, legal_basis: Vec::new() };
    let beside = cover::read_beside(b"%PDF-1.4".to_vec(), bytes.to_vec(), &context).unwrap();
    for letter in &beside.letters {
        let _ = cover::write(&letter.envelope);
    }
    let _ = cover::read_pdf(bytes.to_vec(), &context);
    let _ = cover::read_zip(bytes, cover::ZIP_LIMIT, &context);
});
