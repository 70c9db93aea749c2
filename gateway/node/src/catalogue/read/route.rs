//! The parts of the envelope that are not content: from whom, to whom, on what ground, how fast.

use exchange::{
    ExchangeId, Party, Urgency, canonical,
    document::Pointer,
    envelope::{Excluded, Route},
};
use serde_json::{Map, Value};

use super::{
    MAX_ITEMS, ReadFailure, Reading,
    check::{self, Misfit},
    is_filled,
};

/// What this room reads; everything else of the envelope is content.
pub(super) const PARTS: &[&str] =
    &["type", "sender", "recipient", "exclus", "purpose", "legal_basis", "agreement", "urgency", "in_reply_to", "rectifies", "case"];

impl Reading<'_> {
    pub(super) fn route(&mut self, parts: &Map<String, Value>) -> Result<Route, ReadFailure> {
        let given = |name: &str| parts.get(name).filter(|value| is_filled(value));
        let sender = self.sender(given("sender"))?;
        if let Some(other) = given("type").filter(|code| code.as_str() != Some(self.of.code.as_str())) {
            self.misfit(&place("type"), Misfit::Code("des types d’échange".into()), other.clone());
        }
        let recipient = self.recipient(given("recipient"), &sender);
        let exclus = self.exclus(given("exclus"));
        let case = Misfit::Reference("le pseudonyme du dossier : lettres, chiffres et traits d’union, jamais un nom");
        Ok(Route {
            kind: self.of.code.clone(),
            sender,
            recipient,
            exclus,
            purpose: self.purpose(given("purpose")),
            legal_basis: self.legal_basis(given("legal_basis")),
            agreement: self
                .word("agreement", given("agreement"), Misfit::Reference("le numéro de la convention au registre"))
                .or_else(|| self.context.agreement.clone()),
            urgency: self.urgency(given("urgency")),
            in_reply_to: self.answered(given("in_reply_to")),
            rectifies: self.word("rectifies", given("rectifies"), Misfit::Reference("l’identifiant de l’échange que celui-ci corrige")),
            case: self.word::<Case>("case", given("case"), case).map(|case| case.0),
            parents_informed: None,
            parents_reason: false,
            parents_author: false,
            child_informed: None,
            form: self.context.form.map(str::to_owned),
            said: std::collections::BTreeSet::new(),
            person_agreed: None,
            children: Vec::new(),
        })
    }

    /// What it answers; a type that only ever answers is refused without it, like an answer of the other direction.
    fn answered(&mut self, value: Option<&Value>) -> Option<ExchangeId> {
        if value.is_none() && self.of.must_answer {
            self.misfit(&place("in_reply_to"), Misfit::Missing, Value::Null);
        }
        self.word("in_reply_to", value, Misfit::Reference("l’identifiant de l’échange auquel celui-ci répond"))
    }

    /// Nobody speaks for another (invariant 11): the one refusal that stops a danger type too.
    fn sender(&mut self, value: Option<&Value>) -> Result<Party, ReadFailure> {
        let own = self.context.sender.clone();
        let Some(value) = value else { return Ok(own) };
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        if text("institution").is_some_and(|named| named != own.institution.as_str()) {
            return Err(ReadFailure::SenderMismatch);
        }
        if let (Some(unit), Some(narrowed)) = (text("unit"), &own.unit)
            && unit != narrowed.as_str()
        {
            return Err(ReadFailure::SenderMismatch);
        }
        let known = canonical::typed::<Party>(value).ok().map(|mut party| {
            party.unit = party.unit.or_else(|| own.unit.clone());
            party
        });
        match known.filter(|party| *party == own || (self.context.kind_of)(party).is_some()) {
            Some(party) => Ok(party),
            None => {
                self.misfit(
                    &place("sender"),
                    Misfit::Party("votre institution et, s’il y a lieu, l’un de ses services de l’annuaire"),
                    value.clone(),
                );
                Ok(own)
            }
        }
    }

    /// A danger type always goes somewhere. Where no default is known it is addressed to its own institution, and
    /// routing says that no unit there may receive it.
    fn recipient(&mut self, value: Option<&Value>, sender: &Party) -> Party {
        let at = place("recipient");
        if let Some(party) = value.and_then(|value| canonical::typed::<Party>(value).ok()) {
            return party;
        }
        match value {
            Some(value) => self.misfit(&at, Misfit::Party("l’institution destinataire et, s’il y a lieu, son service"), value.clone()),
            None if !self.of.danger => self.misfit(&at, Misfit::Missing, Value::Null),
            None => {}
        }
        if self.of.danger {
            self.missing.push(at.to_string());
        }
        self.context.default_recipient.clone().unwrap_or_else(|| Party { institution: sender.institution.clone(), unit: None })
    }

    /// From whom the exchange is sealed. A danger type is not refused for an entry that cannot be understood, yet
    /// somebody may then read what was to be sealed from them: the entry is kept, and the list is named as missing.
    fn exclus(&mut self, value: Option<&Value>) -> Vec<Excluded> {
        let at = place("exclus");
        let Some(value) = value else { return Vec::new() };
        let before = self.non_conforme.len();
        let mut excluded = Vec::new();
        let Value::Array(items) = value else {
            self.misfit(&at, Misfit::Type("une liste"), value.clone());
            self.missing.extend(self.of.danger.then(|| at.to_string()));
            return excluded;
        };
        for (n, item) in items.iter().take(MAX_ITEMS).enumerate() {
            // Sealing from somebody whom nobody knows seals from nobody, and what is no opaque id may be a name.
            match excluded_of(item).filter(|one| (self.context.known)(one)) {
                Some(one) => excluded.push(one),
                None => {
                    let what = "une institution {institution} ou un professionnel {issuer, subject} de l’annuaire";
                    self.misfit(&at.child(n.to_string()), Misfit::Party(what), item.clone());
                }
            }
        }
        if let Some(rest) = items.get(MAX_ITEMS..).filter(|rest| !rest.is_empty()) {
            self.misfit(&at, Misfit::TooMany, Value::Array(rest.to_vec()));
        }
        if self.of.danger && self.non_conforme.len() > before {
            self.missing.push(at.to_string());
        }
        excluded
    }

    fn purpose(&mut self, value: Option<&Value>) -> String {
        let default = self.of.purpose.first().cloned().unwrap_or_default();
        let Some(value) = value else { return default };
        // A purpose that exists and is not this type's is the law's to refuse, with its article; never for danger.
        let fits = |code: &str| {
            if self.of.danger { self.of.purpose.iter().any(|one| one == code) } else { self.catalogue.has_code("CL-purpose", code) }
        };
        match value.as_str().filter(|code| fits(code)) {
            Some(code) => code.to_owned(),
            None => {
                self.misfit(&place("purpose"), Misfit::Code("CL-purpose".into()), value.clone());
                default
            }
        }
    }

    fn legal_basis(&mut self, value: Option<&Value>) -> Vec<String> {
        let at = place("legal_basis");
        let mut articles = Vec::new();
        match value {
            None => {}
            Some(Value::Array(items)) => {
                for (n, item) in items.iter().take(MAX_ITEMS).enumerate().filter(|(_, item)| is_filled(item)) {
                    match item.as_str().and_then(article) {
                        Some(article) => articles.push(article),
                        None => {
                            let misfit = Misfit::Type("un article de loi, par exemple « CASF L226-2-2 »");
                            self.misfit(&at.child(n.to_string()), misfit, item.clone());
                        }
                    }
                }
                if let Some(rest) = items.get(MAX_ITEMS..).filter(|rest| !rest.is_empty()) {
                    self.misfit(&at, Misfit::TooMany, Value::Array(rest.to_vec()));
                }
            }
            Some(other) => self.misfit(&at, Misfit::Type("une liste d’articles de loi"), other.clone()),
        }
        if articles.is_empty() { self.of.legal_basis.clone() } else { articles }
    }

    fn urgency(&mut self, value: Option<&Value>) -> Urgency {
        let allowed = &self.of.urgency;
        let default = if allowed.contains(&Urgency::Ordinary) { None } else { allowed.first() }.copied().unwrap_or(Urgency::Ordinary);
        let Some(value) = value else { return default };
        match canonical::typed::<Urgency>(value).ok().filter(|urgency| allowed.contains(urgency)) {
            Some(urgency) => urgency,
            None => {
                self.misfit(&place("urgency"), Misfit::Code("CL-urgency que ce type admet".into()), value.clone());
                // Somebody who tried to say how urgent it is must not wait for being misspelt.
                if self.of.danger { allowed.iter().min().copied().unwrap_or(default) } else { default }
            }
        }
    }

    fn word<T: std::str::FromStr>(&mut self, name: &str, value: Option<&Value>, misfit: Misfit) -> Option<T> {
        let value = value?;
        let word = value.as_str().and_then(|text| text.parse().ok());
        if word.is_none() {
            self.misfit(&place(name), misfit, value.clone());
        }
        word
    }
}

/// A case's pseudonym orders deliveries in clear: letters, digits and hyphens, a digit among them, never a NIR.
struct Case(String);

impl std::str::FromStr for Case {
    type Err = exchange::id::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let fits = plain && text.bytes().any(|b| b.is_ascii_digit()) && !check::has_nir(text);
        if fits { Ok(Self(text.to_owned())) } else { Err(exchange::id::InvalidId) }
    }
}

/// Strict: an entry with more keys than it needs means something else than it would be read as.
fn excluded_of(value: &Value) -> Option<Excluded> {
    let keys = value.as_object()?.len();
    match canonical::typed::<Excluded>(value).ok()? {
        Excluded::Professional(id) => (!id.issuer.trim().is_empty() && !id.subject.trim().is_empty()).then_some(Excluded::Professional(id)),
        institution @ Excluded::Institution { .. } => (keys == 1).then_some(institution),
    }
}

fn place(name: &str) -> Pointer {
    Pointer::default().child(name)
}

/// An article of law as the rules write it, `CASF L226-2-2`, `C. pén. 226-14`, `CPP 40 al. 2`: a code, then numbers. Nothing
/// else: these words are shown to every reader and kept in the log, whatever the classes of the document.
pub(super) fn article(text: &str) -> Option<String> {
    let (code, rest) = CODES.iter().find_map(|code| Some((*code, text.strip_prefix(*code)?.strip_prefix(' ')?)))?;
    let mut words = Vec::new();
    for word in rest.split_whitespace() {
        // `L.226-4` and `L226-4` are one article.
        let word = match word.split_at_checked(2) {
            Some((letter @ ("L." | "R." | "D." | "A."), number)) => format!("{}{number}", letter.trim_end_matches('.')),
            _ => word.to_owned(),
        };
        let number = word.trim_start_matches(['L', 'R', 'D', 'A']).trim_end_matches('°');
        let is_number = number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(|c| c.is_ascii_digit() || c == '-');
        if !(is_number || ["al.", "I", "II", "III", "IV", "V", "VI"].contains(&word.as_str())) {
            return None;
        }
        words.push(word);
    }
    let written = format!("{code} {}", words.join(" "));
    (!words.is_empty() && words.len() <= 4 && written.len() <= 40).then_some(written)
}

/// The codes and laws that an exchange may rest on.
const CODES: &[&str] = &["CASF", "C. civ.", "C. pén.", "CPP", "CPC", "CJPM", "CSP", "CSS", "CRPA", "RGPD", "Code éduc."];
