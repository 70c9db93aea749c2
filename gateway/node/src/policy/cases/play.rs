//! Playing one case: the situation becomes the question that acceptance or opening would ask.

mod acts;

use std::collections::{BTreeMap, BTreeSet};

use exchange::{
    AgreementId, ChildAge, DataClass, Disclosure, ExchangeId, Instant, InstitutionId, Kind, Party, ProfessionalId, TypeCode, UnitId,
    document::{Leaves, Pointer},
    envelope::{Draft, Excluded, Route},
};
use serde_json::Value;
use time::{Date, format_description::well_known::Iso8601};

use super::written::{Answer, Ask, Case, Declared, Home, Person, Place, Sealed, Standing};
use crate::{
    catalogue::{ANSWER, Catalogue, Destination, ExchangeType, Human, Persons, Presence},
    directory::Habilitation,
    directory::Professional,
    policy::{Actor, AgreementState, DecisionRecord, Denial, Explanation, Opening, Policies, Reading, Residence, Side, Submission},
};

/// What differs from the expected answer; the error is a word that nothing knows.
pub(super) fn play(policies: &Policies, catalogue: &Catalogue, case: &Case) -> Result<Vec<String>, String> {
    let (got, danger) = answer(policies, catalogue, case)?;
    Ok(compare(policies, case, danger, &got))
}

/// What was asked and answered; the error is a word that nothing knows.
pub(super) fn record(policies: &Policies, catalogue: &Catalogue, case: &Case) -> Result<DecisionRecord, String> {
    answer(policies, catalogue, case).map(|(got, _)| got.record)
}

/// The answer to a case, and whether its type is a danger type.
fn answer(policies: &Policies, catalogue: &Catalogue, case: &Case) -> Result<(Got, bool), String> {
    let day = case.on.map_or_else(|| "2026-03-02".to_owned(), |day| day.to_string());
    let now = format!("{day}T10:00:00.000Z").parse().map_err(|_| format!("jour illisible : {day}"))?;
    let Some(kind) = &case.kind else {
        let got = acts::play(policies, catalogue, case, now)?;
        return Ok((got, false));
    };
    let own;
    let exchange_type = match (&case.declared, catalogue.exchange_type(kind, now)) {
        (Some(written), _) => {
            own = declared(kind, case, written);
            &own
        }
        (None, Some(known)) => form(case, known)?,
        (None, None) => return Err(format!("type inconnu : {kind}")),
    };
    let all = || exchange_type.fields.iter().map(|field| field.class).collect();
    let classes: BTreeSet<DataClass> = case.classes.clone().unwrap_or_else(all);
    let scene = Scene::of(catalogue, case, exchange_type, classes, now)?;
    let got = match case.ask {
        Ask::Submit => scene.submit(policies, case)?,
        Ask::Open => scene.open(policies, case, Opening::Ordinary)?,
        Ask::BreakGlass | Ask::BreakGlassWithoutReason | Ask::BreakGlassOver => {
            let classes = case.emergency.as_ref().unwrap_or(&scene.classes);
            let (reason, in_time) = (case.ask != Ask::BreakGlassWithoutReason, case.ask != Ask::BreakGlassOver);
            scene.open(policies, case, Opening::BreakGlass { reason, in_time, classes })?
        }
        Ask::Reidentify | Ask::Query | Ask::Release => return Err("cette question n’a pas de type d’échange".to_owned()),
    };
    Ok((got, exchange_type.danger))
}

/// The form of the type that a case is about: the one it names, else the answer when it answers its own type.
fn form<'c>(case: &Case, of: &'c ExchangeType) -> Result<&'c ExchangeType, String> {
    match &case.form {
        Some(name) => of.forms.get(name).ok_or_else(|| format!("le type {} n’a pas de forme « {name} »", of.code)),
        None if case.answers => Ok(of.forms.get(ANSWER).unwrap_or(of)),
        None => Ok(of),
    }
}

struct Got {
    answer: Answer,
    explanations: Vec<Explanation>,
    withheld: BTreeSet<String>,
    alarm: bool,
    record: DecisionRecord,
}

struct Scene<'a> {
    exchange_type: &'a ExchangeType,
    sender: Side<'a>,
    recipient: Side<'a>,
    person: Option<Professional>,
    route: Route,
    classes: BTreeSet<DataClass>,
    now: Instant,
}

impl<'a> Scene<'a> {
    fn of(
        catalogue: &'a Catalogue,
        case: &'a Case,
        exchange_type: &'a ExchangeType,
        classes: BTreeSet<DataClass>,
        now: Instant,
    ) -> Result<Self, String> {
        let side = |kind: &'a Kind| catalogue.kind(kind).map(|rule| Side { kind, rule }).ok_or_else(|| format!("sorte inconnue : {kind}"));
        let (sender, recipient) = (party("expediteur")?, party("destinataire")?);
        let person = match &case.person {
            Some(written) => Some(person(written, case.ask)?),
            None => None,
        };
        let sealed = |who: &Sealed| match who {
            Sealed::Recipient => Some(Excluded::Institution { institution: recipient.institution.clone() }),
            Sealed::Reader => person.as_ref().map(|person| Excluded::Professional(person.id.clone())),
        };
        Ok(Self {
            exchange_type,
            sender: side(&case.from)?,
            recipient: side(&case.to)?,
            route: Route {
                kind: exchange_type.code.clone(),
                exclus: case.excluded.iter().filter_map(sealed).collect(),
                sender,
                recipient,
                purpose: case.purpose.clone().or_else(|| exchange_type.purpose.first().cloned()).unwrap_or_default(),
                legal_basis: case.legal_basis.clone().unwrap_or_else(|| exchange_type.legal_basis.clone()),
                agreement: None,
                urgency: case.urgency,
                in_reply_to: case.answers.then(ExchangeId::new),
                rectifies: None,
                case: case.case.then(|| "cas".to_owned()),
                parents_informed: case.parents.clone(),
                parents_reason: case.reason,
                parents_author: case.author,
                child_informed: case.child.clone(),
                form: case.form.clone(),
                person_agreed: case.agreed.clone(),
                children: case.children.iter().map(|born| age(born)).collect::<Result<_, _>>()?,
                said: case.said.clone(),
            },
            person,
            classes,
            now,
        })
    }

    fn submit(&self, policies: &Policies, case: &Case) -> Result<Got, String> {
        let terms = Terms::of(self, case)?;
        let agreement = terms.state(case);
        let actor = match &self.person {
            Some(person) => Actor::Professional(person),
            None if self.exchange_type.danger => Actor::InstitutionAlone,
            None => Actor::System,
        };
        let ask = Submission {
            exchange: ExchangeId::new(),
            exchange_type: self.exchange_type,
            sender: self.sender,
            recipient: self.recipient,
            actor,
            agreement,
            necessity_stated: case.necessity,
            residence: match case.residence {
                Home::Ici => Residence::Here,
                Home::Ailleurs => Residence::Elsewhere,
                Home::Inconnue => Residence::Unknown,
            },
            holds: &case.holds,
            now: self.now,
        };
        Ok(match policies.admit(self.draft(), &ask) {
            Ok(admitted) => {
                let (_, _, _, record) = admitted.into_parts();
                Got { answer: Answer::Permit, explanations: Vec::new(), withheld: BTreeSet::new(), alarm: false, record }
            }
            Err(denial) => refused(denial)?,
        })
    }

    fn open(&self, policies: &Policies, case: &Case, opening: Opening<'_>) -> Result<Got, String> {
        let (Some(reader), Some(written)) = (&self.person, &case.person) else {
            return Err("il faut une personne pour ouvrir".to_owned());
        };
        let terms = Terms::of(self, case)?;
        let paths = || self.exchange_type.fields.iter().map(|field| field.path.clone()).collect();
        let ask = Reading {
            exchange: ExchangeId::new(),
            exchange_type: self.exchange_type,
            route: &self.route,
            sender: self.sender,
            recipient: self.recipient,
            reader,
            habilitated: written.habilitated,
            case_link: written.in_charge,
            opening,
            agreement: terms.state(case),
            classes: self.classes.clone(),
            paths: case.paths.clone().unwrap_or_else(paths),
            now: self.now,
        };
        Ok(match policies.release(&ask) {
            Ok(release) => Got {
                answer: Answer::Permit,
                explanations: Vec::new(),
                withheld: release.withheld().iter().map(|withheld| withheld.part.clone()).collect(),
                alarm: false,
                record: release.record().clone(),
            },
            Err(denial) => refused(denial)?,
        })
    }

    /// A document that holds one leaf of each class.
    fn draft(&self) -> Draft {
        let leaf = |class: &DataClass| {
            let mut leaves = Leaves::new();
            leaves.insert(Pointer::default().child("payload").child(class.as_str()), Value::Bool(true));
            (*class, leaves)
        };
        Draft {
            route: self.route.clone(),
            subjects: Vec::new(),
            body: self.classes.iter().map(leaf).collect(),
            missing: Vec::new(),
            non_conforme: Vec::new(),
            attachments: Vec::new(),
            occurred: None,
            limits: Vec::new(),
            kept_back: Leaves::new(),
            necessity_stated: false,
            canonical: Vec::new(),
        }
    }
}

/// What the agreement of a case says.
struct Terms {
    id: AgreementId,
    both: [Party; 2],
    others: [Party; 2],
    purposes: BTreeSet<String>,
    classes: BTreeSet<DataClass>,
    questions: BTreeSet<String>,
}

impl Terms {
    fn of(scene: &Scene<'_>, case: &Case) -> Result<Self, String> {
        let written = case.agreement.as_ref();
        let (sender, recipient) = (&scene.route.sender, &scene.route.recipient);
        Ok(Self {
            id: word("convention")?,
            both: [sender.clone(), recipient.clone()],
            others: [sender.clone(), party("tiers")?],
            purposes: written.and_then(|w| w.purposes.clone()).unwrap_or_else(|| BTreeSet::from([scene.route.purpose.clone()])),
            classes: written.and_then(|w| w.classes.clone()).unwrap_or_else(|| scene.classes.clone()),
            questions: written
                .and_then(|w| w.questions.clone())
                .unwrap_or_else(|| case.said.iter().filter_map(|said| Some(said.strip_prefix("questions[].code=")?.to_owned())).collect()),
        })
    }

    fn state<'t>(&'t self, case: &Case) -> AgreementState<'t> {
        let (purposes, classes, questions) = (&self.purposes, &self.classes, &self.questions);
        let in_force = |parties| AgreementState::InForce { id: &self.id, parties, purposes, classes, questions };
        match case.agreement.as_ref().map(|written| written.state) {
            None => AgreementState::NotNamed,
            Some(Standing::InForce) => in_force(&self.both),
            Some(Standing::OtherParties) => in_force(&self.others),
            Some(Standing::OtherType) => AgreementState::OutOfScope,
            Some(Standing::Ended) => AgreementState::NotInForce,
        }
    }
}

fn refused(denial: Denial) -> Result<Got, String> {
    match denial {
        Denial::Forbidden { explanations, hidden, alarm, record } => Ok(Got {
            answer: if hidden { Answer::Hidden } else { Answer::Refusal },
            explanations,
            withheld: BTreeSet::new(),
            alarm,
            record: *record,
        }),
        Denial::Undecidable { .. } => Err("les règles n’ont pas pu répondre".to_owned()),
    }
}

fn compare(policies: &Policies, case: &Case, danger: bool, got: &Got) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, expected: String, found: String| {
        if expected != found {
            differences.push(format!("{what} : attendu {expected}, obtenu {found}"));
        }
    };
    let because = got.record.rules.join(" ");
    differ("réponse", case.expect.answer.told().to_owned(), got.answer.told().to_owned());
    let uncited: Vec<&String> = case.rules.iter().filter(|rule| !got.record.rules.contains(rule)).collect();
    if !uncited.is_empty() || case.rules.is_empty() {
        differ("règles citées", case.rules.join(" "), because);
    }
    if let Some(expected) = &case.expect.obligations {
        differ("obligations", list(expected), list(&got.record.obligations));
    }
    if let Some(expected) = &case.expect.withheld {
        differ("retenu", list(expected), list(&got.withheld));
    }
    if let Some(expected) = &case.expect.lacking {
        let facts = got.record.facts.get("secret").and_then(Value::as_object);
        let lacking = facts.into_iter().flatten().filter(|(_, holds)| **holds == Value::Bool(false)).map(|(fact, _)| fact.clone());
        differ("conditions du secret partagé qui manquent", list(expected), list(&lacking.collect::<BTreeSet<_>>()));
    }
    if let Some(expected) = &case.expect.vanished {
        let gone: BTreeSet<String> = got.record.withheld.iter().filter(|part| !got.withheld.contains(*part)).cloned().collect();
        differ("disparu", list(expected), list(&gone));
    }
    let (explained, stopped) = (got.answer == Answer::Refusal, got.answer == Answer::Refusal && case.ask == Ask::Submit && danger);
    let word = |yes: bool| if yes { "oui" } else { "non" }.to_owned();
    differ("explications", word(explained), word(!got.explanations.is_empty()));
    differ("alarme", word(stopped), word(got.alarm));
    differ("rejeu identique", word(true), word(policies.replay(&got.record).same));
    differences
}

fn list<'a>(items: impl IntoIterator<Item = &'a String>) -> String {
    let items: Vec<&str> = items.into_iter().map(String::as_str).collect();
    if items.is_empty() { "rien".to_owned() } else { items.join(", ") }
}

fn party(institution: &str) -> Result<Party, String> {
    Ok(Party { institution: word(institution)?, unit: Some(word("service")?) })
}

fn person(written: &Person, ask: Ask) -> Result<Professional, String> {
    let (institution, unit) = match (ask, written.works_in) {
        (Ask::Submit, _) => ("expediteur", "service"),
        (Ask::Query | Ask::Reidentify, Place::Recipient) => ("expediteur", "service"),
        (Ask::Query | Ask::Reidentify, Place::OtherUnit) => ("expediteur", "autre-service"),
        (Ask::Query | Ask::Reidentify, Place::OtherInstitution) => ("tiers", "service"),
        (_, Place::Recipient) => ("destinataire", "service"),
        (_, Place::OtherUnit) => ("destinataire", "autre-service"),
        (_, Place::OtherInstitution) => ("expediteur", "service"),
    };
    let institution: InstitutionId = word(institution)?;
    let unit: UnitId = word(unit)?;
    let held = Habilitation { unit: unit.clone(), from: Date::MIN, to: None };
    Ok(Professional {
        id: ProfessionalId { issuer: format!("urn:passerelle:institution:{institution}"), subject: "p-00001".to_owned() },
        institution,
        units: vec![unit],
        profession: written.profession.clone(),
        secrecy: written.secrecy,
        protection: written.role,
        roles: written.functions.clone(),
        habilitations: written.in_service.then_some(held).into_iter().collect(),
    })
}

/// `2012-05-14`, `a-naitre` or `inconnu`.
fn age(written: &str) -> Result<ChildAge, String> {
    match written {
        "a-naitre" => Ok(ChildAge::Unborn),
        "inconnu" => Ok(ChildAge::Unknown),
        day => Date::parse(day, &Iso8601::DATE).map(ChildAge::Born).map_err(|_| format!("âge illisible : {day}")),
    }
}

fn word<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("mot mal formé : {text}"))
}

/// A type that a case declares for itself, as far as rules read it.
fn declared(kind: &TypeCode, case: &Case, written: &Declared) -> ExchangeType {
    ExchangeType {
        code: kind.clone(),
        version: 1,
        effective_from: Date::MIN,
        effective_to: None,
        title: kind.to_string(),
        tier: 1,
        danger: written.danger,
        purpose: written.purpose.clone(),
        legal_basis: written.legal_basis.clone(),
        from: written.from.iter().cloned().collect(),
        to: written.to.iter().map(|kind| Destination { kind: kind.clone(), when: None }).collect(),
        disclosure: Disclosure::Nominative,
        agreement: written.agreement,
        urgency: vec![case.urgency],
        human: Human { send: written.human_send, receive: false, qualify: false },
        clocks: Vec::new(),
        clocks_if: BTreeMap::new(),
        obligations: Vec::new(),
        answered_by: Vec::new(),
        answers: Vec::new(),
        answers_any: false,
        native: Vec::new(),
        retention: String::new(),
        subjects: Presence::Optional,
        information: Presence::Optional,
        attachments: false,
        persons: Persons::default(),
        must_answer: false,
        profile_by: None,
        forms: BTreeMap::new(),
        fields: Vec::new(),
        tree: Default::default(),
    }
}
