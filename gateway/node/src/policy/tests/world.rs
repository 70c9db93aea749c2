//! What the tests are played in: the repository's rules and kinds, types built by hand, and one professional.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use exchange::{
    DataClass, Disclosure, ExchangeId, Instant, Kind, Party, ProfessionalId, ProtectionRole, Secrecy, Urgency,
    document::{Leaves, Pointer},
    envelope::{Draft, Excluded, NonConforming, Route},
};
use serde_json::Value;
use time::macros::date;

use crate::{
    catalogue::{AgreementNeed, Destination, ExchangeType, Field, Human, KindRule, Presence, Shape},
    directory::Habilitation,
    directory::Professional,
    policy::{Actor, Admitted, AgreementState, Decision, Denial, Opening, Policies, Reading, Release, Residence, Side, Submission},
};

pub(in crate::policy) struct World {
    pub(in crate::policy) policies: Policies,
    pub(in crate::policy) kinds: BTreeMap<Kind, KindRule>,
}

impl World {
    pub(in crate::policy) fn new() -> Self {
        Self { policies: load(&folder()).unwrap(), kinds: kinds() }
    }

    /// The repository's rules and one more of the law.
    pub(in crate::policy) fn with_law(text: &str) -> Self {
        Self::with("law", text)
    }

    /// The repository's rules and one more of the département.
    pub(in crate::policy) fn with_local(text: &str) -> Self {
        Self::with("local", text)
    }

    fn with(part: &str, text: &str) -> Self {
        let dir = copy();
        fs::write(dir.path().join(part).join("test.cedar"), text).unwrap();
        Self { policies: load(dir.path()).unwrap(), kinds: kinds() }
    }

    pub(in crate::policy) fn side<'a>(&'a self, kind: &'a Kind) -> Side<'a> {
        Side { kind, rule: &self.kinds[kind] }
    }

    pub(in crate::policy) fn send<'a>(&self, of: &'a ExchangeType, from: &str, to: &str) -> Sending<'a> {
        Sending {
            of,
            from: kind(from),
            to: kind(to),
            by: None,
            route: route(of),
            classes: DataClass::ALL.iter().copied().collect(),
            non_conforme: false,
            necessity: false,
            at: now(),
        }
    }

    pub(in crate::policy) fn open<'a>(&self, of: &'a ExchangeType, from: &str, to: &str, who: &'a Professional) -> Opened<'a> {
        Opened {
            of,
            from: kind(from),
            to: kind(to),
            who,
            route: route(of),
            opening: Opening::Ordinary,
            case_link: true,
            classes: DataClass::ALL.iter().copied().collect(),
        }
    }
}

/// A document on its way.
pub(in crate::policy) struct Sending<'a> {
    pub(in crate::policy) of: &'a ExchangeType,
    pub(in crate::policy) from: Kind,
    pub(in crate::policy) to: Kind,
    pub(in crate::policy) by: Option<Professional>,
    pub(in crate::policy) route: Route,
    pub(in crate::policy) classes: BTreeSet<DataClass>,
    pub(in crate::policy) non_conforme: bool,
    pub(in crate::policy) necessity: bool,
    pub(in crate::policy) at: Instant,
}

impl Sending<'_> {
    pub(in crate::policy) fn at(mut self, at: &str) -> Self {
        self.at = at.parse().unwrap();
        self
    }

    pub(in crate::policy) fn run(&self, world: &World) -> Result<Admitted, Denial> {
        let holds = BTreeSet::new();
        world.policies.admit(self.draft(), &self.ask(world, &holds))
    }

    pub(in crate::policy) fn advice(&self, world: &World) -> Decision {
        let holds = BTreeSet::new();
        world.policies.may_submit(&self.route, &self.classes, &self.ask(world, &holds))
    }

    /// What the rules are told.
    pub(in crate::policy) fn facts(&self, world: &World) -> Value {
        self.ask(world, &BTreeSet::new()).facts(&self.route, &self.classes)
    }

    fn ask<'a>(&'a self, world: &'a World, holds: &'a BTreeSet<String>) -> Submission<'a> {
        let alone = if self.of.danger { Actor::InstitutionAlone } else { Actor::System };
        Submission {
            exchange: ExchangeId::new(),
            exchange_type: self.of,
            sender: world.side(&self.from),
            recipient: world.side(&self.to),
            actor: self.by.as_ref().map_or(alone, Actor::Professional),
            agreement: AgreementState::NotNamed,
            necessity_stated: self.necessity,
            residence: Residence::Unknown,
            holds,
            now: self.at,
        }
    }

    fn draft(&self) -> Draft {
        let leaf = |class: &DataClass| (*class, leaves(&[&format!("/payload/{class}")]));
        let pointer: Pointer = "/payload/inconnu".parse().unwrap();
        let odd = NonConforming { pointer, code: "unknown-field", value: Value::Bool(true) };
        Draft {
            route: self.route.clone(),
            subjects: Vec::new(),
            body: self.classes.iter().map(leaf).collect(),
            missing: Vec::new(),
            non_conforme: if self.non_conforme { vec![odd] } else { Vec::new() },
            attachments: Vec::new(),
            occurred: None,
            limits: Vec::new(),
            kept_back: Leaves::new(),
            necessity_stated: false,
            canonical: Vec::new(),
        }
    }
}

/// A document that somebody opens.
pub(in crate::policy) struct Opened<'a> {
    pub(in crate::policy) of: &'a ExchangeType,
    pub(in crate::policy) from: Kind,
    pub(in crate::policy) to: Kind,
    pub(in crate::policy) who: &'a Professional,
    pub(in crate::policy) route: Route,
    pub(in crate::policy) opening: Opening<'a>,
    pub(in crate::policy) case_link: bool,
    pub(in crate::policy) classes: BTreeSet<DataClass>,
}

impl Opened<'_> {
    pub(in crate::policy) fn run(&self, world: &World) -> Result<Release, Denial> {
        world.policies.release(&self.ask(world))
    }

    pub(in crate::policy) fn advice(&self, world: &World) -> Decision {
        world.policies.may_open(&self.ask(world))
    }

    fn ask<'a>(&'a self, world: &'a World) -> Reading<'a> {
        Reading {
            exchange: ExchangeId::new(),
            exchange_type: self.of,
            route: &self.route,
            sender: world.side(&self.from),
            recipient: world.side(&self.to),
            reader: self.who,
            habilitated: true,
            case_link: self.case_link,
            opening: self.opening,
            agreement: AgreementState::NotNamed,
            classes: self.classes.clone(),
            paths: self.of.fields.iter().map(|field| field.path.clone()).collect(),
            now: now(),
        }
    }
}

/// An information préoccupante, as the catalogue declares it in short.
pub(in crate::policy) fn alert() -> ExchangeType {
    let fields = [
        ("payload.faits[].texte", DataClass::Social),
        ("payload.declarant.nom", DataClass::Declarant),
        ("payload.constats_sante.texte", DataClass::Sante),
        ("payload.constats_sante.auteur", DataClass::Reference),
        ("payload.origine_119.numero_appel", DataClass::Reference),
        ("payload.ip_anterieures", DataClass::Reference),
        ("payload.besoins_soins[]", DataClass::Sante),
    ];
    let from = ["hopital", "en-etablissement", "en-sante-social", "particulier"];
    of_type("information-preoccupante", true, "ip", &from, &["crip"], &fields)
}

/// A signalement, in short.
pub(in crate::policy) fn signalement() -> ExchangeType {
    let fields = [("payload.faits[].texte", DataClass::Social), ("payload.lieu_actuel_enfant.adresse", DataClass::LieuAccueil)];
    of_type("signalement", true, "signalement", &["crip", "hopital"], &["parquet"], &fields)
}

/// Something shared under CASF L226-2-2, in short.
pub(in crate::policy) fn share() -> ExchangeType {
    let kinds = ["crip", "ase", "en-sante-social", "en-etablissement", "hopital", "caf", "service-habilite"];
    of_type("concertation", false, "evaluate", &kinds, &kinds, &[("payload.texte", DataClass::Social)])
}

/// A retour d’information, in short.
pub(in crate::policy) fn feedback() -> ExchangeType {
    let fields = [("payload.statut", DataClass::Reference)];
    of_type("retour-information", false, "feedback", &["crip"], &["hopital", "en-etablissement"], &fields)
}

fn of_type(code: &str, danger: bool, purpose: &str, from: &[&str], to: &[&str], fields: &[(&str, DataClass)]) -> ExchangeType {
    let field = |(path, class): &(&str, DataClass)| Field::plain(path, Shape::Texte, *class);
    ExchangeType {
        code: code.parse().unwrap(),
        version: 1,
        effective_from: date!(2021 - 01 - 01),
        effective_to: None,
        title: code.to_owned(),
        tier: 1,
        danger,
        purpose: vec![purpose.to_owned()],
        legal_basis: vec!["CASF L226-2-1".to_owned()],
        from: from.iter().map(|name| kind(name)).collect(),
        to: to.iter().map(|name| Destination { kind: kind(name), when: None }).collect(),
        disclosure: Disclosure::Nominative,
        agreement: AgreementNeed::None,
        urgency: vec![Urgency::Ordinary],
        human: Human { send: true, receive: false, qualify: false },
        clocks: Vec::new(),
        clocks_if: BTreeMap::new(),
        obligations: Vec::new(),
        answered_by: Vec::new(),
        answers: Vec::new(),
        answers_any: false,
        native: Vec::new(),
        retention: "ip".to_owned(),
        subjects: Presence::Optional,
        information: Presence::Optional,
        attachments: false,
        persons: Default::default(),
        must_answer: false,
        profile_by: None,
        forms: BTreeMap::new(),
        tree: Default::default(),
        fields: fields.iter().map(field).collect(),
    }
}

/// Somebody of the recipient's unit, bound by secrecy by mission.
pub(in crate::policy) fn reader(profession: &str) -> Professional {
    person(profession, Secrecy::Mission, ProtectionRole::Implements)
}

pub(in crate::policy) fn person(profession: &str, secrecy: Secrecy, protection: ProtectionRole) -> Professional {
    Professional {
        id: ProfessionalId { issuer: "urn:passerelle:institution:destinataire".to_owned(), subject: "p-00001".to_owned() },
        institution: "destinataire".parse().unwrap(),
        units: vec!["service".parse().unwrap()],
        profession: profession.to_owned(),
        secrecy,
        protection,
        roles: Vec::new(),
        habilitations: vec![Habilitation { unit: "service".parse().unwrap(), from: time::Date::MIN, to: None }],
    }
}

pub(in crate::policy) fn route(of: &ExchangeType) -> Route {
    let party = |name: &str| Party { institution: name.parse().unwrap(), unit: Some("service".parse().unwrap()) };
    Route {
        kind: of.code.clone(),
        sender: party("expediteur"),
        recipient: party("destinataire"),
        exclus: Vec::new(),
        purpose: of.purpose[0].clone(),
        legal_basis: of.legal_basis.clone(),
        agreement: None,
        urgency: Urgency::Ordinary,
        in_reply_to: None,
        rectifies: None,
        case: None,
        parents_informed: None,
        parents_reason: false,
        parents_author: false,
        child_informed: None,
        form: None,
        said: BTreeSet::new(),
        person_agreed: None,
        children: Vec::new(),
    }
}

pub(in crate::policy) fn without_recipient() -> Excluded {
    Excluded::Institution { institution: "destinataire".parse().unwrap() }
}

pub(in crate::policy) fn leaves(pointers: &[&str]) -> Leaves {
    let mut leaves = Leaves::new();
    pointers.iter().for_each(|at| leaves.insert(at.parse().unwrap(), Value::Bool(true)));
    leaves
}

pub(in crate::policy) fn kind(name: &str) -> Kind {
    name.parse().unwrap()
}

pub(in crate::policy) fn classes(names: &[&str]) -> BTreeSet<DataClass> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub(in crate::policy) fn now() -> Instant {
    "2026-03-02T10:00:00.000Z".parse().unwrap()
}

pub(in crate::policy) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

/// The schema and the rules of the repository, to be spoilt.
pub(in crate::policy) fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(folder().join("schema.cedarschema"), dir.path().join("schema.cedarschema")).unwrap();
    for part in ["law", "local"] {
        fs::create_dir(dir.path().join(part)).unwrap();
        for entry in fs::read_dir(folder().join(part)).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), dir.path().join(part).join(entry.file_name())).unwrap();
        }
    }
    dir
}

/// Loads with the obligations of the repository; the mistakes as text.
pub(in crate::policy) fn load(dir: &Path) -> Result<Policies, Vec<String>> {
    let written: toml::Table = fs::read_to_string(folder().join("catalogue/_obligations.toml")).unwrap().parse().unwrap();
    Policies::load(dir, &|code| written.contains_key(code)).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn kinds() -> BTreeMap<Kind, KindRule> {
    let written: toml::Table = fs::read_to_string(folder().join("catalogue/_kinds.toml")).unwrap().parse().unwrap();
    let rule = |value: &toml::Value| KindRule {
        title: value["title"].as_str().unwrap().to_owned(),
        secrecy: value["secrecy"].clone().try_into().unwrap(),
        role: value["role"].clone().try_into().unwrap(),
    };
    written["kinds"].as_table().unwrap().iter().map(|(name, value)| (kind(name), rule(value))).collect()
}
