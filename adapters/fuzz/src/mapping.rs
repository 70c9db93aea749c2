//! Files of mappings, CSV and XML: of two products, of the 119 and of a caisse, and what was read written again.
#![no_main]

use std::{collections::BTreeMap, sync::LazyLock};

use adapters::{
    caf::{Document, Files},
    departement::Line119,
    mapping::{Context, Format, Known, Mapping, Record},
};
use exchange::{Party, Urgency};
use libfuzzer_sys::fuzz_target;

macro_rules! catalogue {
    ($name:literal) => {
        include_str!(concat!("../../../policies/catalogue/", $name, ".toml"))
    };
}

struct Layouts {
    a: Mapping,
    b: Mapping,
    line: Line119,
    files: Files,
}

static LAYOUTS: LazyLock<Layouts> = LazyLock::new(|| {
    let known = |kind: &str| Known::parse(kind, catalogue!("_components"), catalogue!("_codes")).unwrap();
    let (ip, back) = (known(catalogue!("information-preoccupante")), known(catalogue!("retour-information")));
    let (address, placement) = (known(catalogue!("demande-adresse")), known(catalogue!("notification-placement")));
    Layouts {
        a: Mapping::load(include_str!("../../vectors/departement/exemple-a.toml"), &ip).unwrap(),
        b: Mapping::load(include_str!("../../vectors/departement/exemple-b.toml"), &ip).unwrap(),
        line: Line119::load(&ip, &back).unwrap(),
        files: Files::load(&address, &placement).unwrap(),
    }
});

fuzz_target!(|bytes: &[u8]| {
    let party = |institution: &str| Party { institution: institution.parse().unwrap(), unit: None };
    let context = Context {
        sender: party("departement-82"),
        recipient: party("departement-31"),
        purpose: None,
        legal_basis: Vec::new(),
        agreement: None,
        urgency: Urgency::Ordinary,
        in_reply_to: None,
    };
    let layouts = &*LAYOUTS;
    let start = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if start == Some(&b'<') {
        if let Ok(records) = layouts.b.read(bytes, Format::Xml, &context) {
            for letter in &records.reading.letters {
                let _ = layouts.b.write(&[Record { envelope: &letter.envelope, given: &BTreeMap::new() }], Format::Xml);
            }
        }
        let _ = layouts.line.read(Format::Xml, bytes, &context);
        let _ = layouts.files.read(Document::AddressRequest, Format::Xml, bytes, &context);
    } else {
        if let Ok(records) = layouts.a.read(bytes, Format::Csv, &context) {
            for letter in &records.reading.letters {
                let _ = layouts.a.write(&[Record { envelope: &letter.envelope, given: &BTreeMap::new() }], Format::Csv);
            }
        }
        let _ = layouts.line.read_return(Format::Csv, bytes, &context);
        let _ = layouts.files.read(Document::AddressAnswer, Format::Csv, bytes, &context);
    }
});
