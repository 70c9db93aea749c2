//! What the benches decide about: the repository's rules and catalogue, the sample directory, many agreements.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic, reason = "a bench: each uses a part")]

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use exchange::{
    ExchangeId, Instant, Kind, ProtectionRole, Secrecy, TypeCode,
    document::{Leaves, Pointer},
    envelope::{Draft, Route},
};
use gateway::{
    directory::Professional,
    flows::Law,
    policy::{Actor, Opening, Reading, Residence, Submission},
    source::Files,
};
use serde_json::json;
use tempfile::TempDir;

/// A town: everything that is data, with a number of agreements of the two parties and of others.
pub struct Town {
    pub law: Law,
    nothing: BTreeSet<String>,
    from: Kind,
    to: Kind,
    asked: TypeCode,
    reader: Professional,
    _register: TempDir,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Writes `own` agreements between the hospital and the CRIP, then `others` between two institutions that play no part.
fn register(own: usize, others: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&repository().join("policies"), dir.path());
    for n in 0..own + others {
        let parties = if n < own { r#"["departement-31/crip", "chu-toulouse"]"# } else { r#"["caf-31", "dsden-31"]"# };
        let mut text = String::new();
        writeln!(text, "id = \"b{n:05}\"\ntitle = \"Protocole {n}\"\nstate = \"en-vigueur\"\neffective_from = 2020-01-01").unwrap();
        writeln!(text, "parties = {parties}\ntypes = [\"information-preoccupante\", \"suites-judiciaires\"]").unwrap();
        writeln!(text, "purposes = [\"ip\"]\nclasses = [\"reference\", \"identite\", \"social\", \"sante\", \"contact\", \"scolaire\"]")
            .unwrap();
        fs::write(dir.path().join(format!("agreements/b{n:05}.toml")), text).unwrap();
    }
    dir
}

/// The files of the repository's policy set.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let at = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &at);
        } else {
            fs::copy(&path, at).unwrap();
        }
    }
}

impl Town {
    pub fn new(own: usize, others: usize) -> Self {
        let register = register(own, others);
        let reader = Professional {
            id: exchange::ProfessionalId { issuer: "urn:passerelle:institution:departement-31".to_owned(), subject: "p-1".to_owned() },
            institution: "departement-31".parse().unwrap(),
            units: vec!["crip".parse().unwrap()],
            profession: "assistant-service-social".to_owned(),
            secrecy: Secrecy::Profession,
            protection: ProtectionRole::Implements,
            roles: Vec::new(),
            habilitations: Vec::new(),
        };
        Self {
            law: load(register.path()),
            nothing: BTreeSet::new(),
            from: "hopital".parse().unwrap(),
            to: "crip".parse().unwrap(),
            asked: "information-preoccupante".parse().unwrap(),
            reader,
            _register: register,
        }
    }

    pub fn route(&self) -> Route {
        serde_json::from_value(json!({
            "type": self.asked,
            "sender": { "institution": "chu-toulouse" },
            "recipient": { "institution": "departement-31", "unit": "crip" },
            "purpose": "ip",
            "legal_basis": ["CASF L226-2-1"],
            "agreement": "b00000",
            "urgency": "ordinary",
            "parents_informed": "faite",
        }))
        .unwrap()
    }

    /// A document with a leaf in each class of the type.
    pub fn draft(&self) -> Draft {
        let of = self.law.catalogue.exchange_type(&self.asked, now()).unwrap();
        let classes: BTreeSet<_> = of.fields.iter().map(|field| field.class).collect();
        let leaf = |class: &exchange::DataClass| {
            let mut leaves = Leaves::new();
            leaves.insert(Pointer::default().child("payload").child(class.as_str()), serde_json::Value::Bool(true));
            (*class, leaves)
        };
        Draft {
            route: self.route(),
            subjects: Vec::new(),
            body: classes.iter().map(leaf).collect(),
            missing: Vec::new(),
            non_conforme: Vec::new(),
            attachments: Vec::new(),
            occurred: None,
            limits: Default::default(),
            kept_back: Default::default(),
            necessity_stated: false,
            canonical: Vec::new(),
        }
    }

    /// Looks the agreement up, gathers the facts, decides, records.
    pub fn accept(&self, draft: Draft) -> bool {
        let of = self.law.catalogue.exchange_type(&self.asked, now()).unwrap();
        let agreement = self.law.agreement(of, &draft.route, now()).unwrap_or_else(|_| panic!("the agreement is in force"));
        let ask = Submission {
            exchange: ExchangeId::new(),
            exchange_type: of,
            sender: self.law.side(&self.from).unwrap_or_else(|_| panic!("a kind")),
            recipient: self.law.side(&self.to).unwrap_or_else(|_| panic!("a kind")),
            actor: Actor::Professional(&self.reader),
            agreement,
            necessity_stated: true,
            residence: Residence::Unknown,
            holds: &self.nothing,
            now: now(),
        };
        self.law.policies.admit(draft, &ask).is_ok()
    }

    /// Decides whether the document opens, and about every class and named field of it.
    pub fn open(&self, route: &Route) -> usize {
        let of = self.law.catalogue.exchange_type(&self.asked, now()).unwrap();
        let ask = Reading {
            exchange: ExchangeId::new(),
            exchange_type: of,
            route,
            sender: self.law.side(&self.from).unwrap_or_else(|_| panic!("a kind")),
            recipient: self.law.side(&self.to).unwrap_or_else(|_| panic!("a kind")),
            reader: &self.reader,
            habilitated: true,
            case_link: true,
            agreement: self.law.agreement(of, route, now()).unwrap_or_else(|_| panic!("the agreement is in force")),
            opening: Opening::Ordinary,
            classes: of.fields.iter().map(|field| field.class).collect(),
            paths: of.fields.iter().map(|field| field.path.clone()).collect(),
            now: now(),
        };
        self.law.policies.release(&ask).map_or(0, |release| release.granted().len())
    }

    /// Fields and classes of the document.
    pub fn size(&self) -> (usize, usize) {
        let of = self.law.catalogue.exchange_type(&self.asked, now()).unwrap();
        (of.fields.len(), of.fields.iter().map(|field| field.class).collect::<BTreeSet<_>>().len())
    }

    pub fn register(&self) -> &Path {
        self._register.path()
    }
}

/// Reads and checks all data, as a reload does.
pub fn load(register: &Path) -> Law {
    Law::read(Arc::new(Files::read(register)), &repository().join("deploy/directory")).unwrap()
}

pub fn now() -> Instant {
    "2026-03-02T10:00:00.000Z".parse().unwrap()
}
