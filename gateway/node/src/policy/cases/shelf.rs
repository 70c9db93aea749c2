//! What the cases need of the catalogue, read from its files: the heads of the types, the kinds, the code lists.
//!
//! Methods are those of [`crate::catalogue::Catalogue`], so that one can stand for the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use exchange::{DataClass, Disclosure, Kind, ProtectionRole, Secrecy, TypeCode};
use serde::{Deserialize, de::IgnoredAny};
use time::Date;

use crate::{
    catalogue::{AgreementNeed, Destination, ExchangeType, Field, Human, KindRule, Level, Shape},
    source::{Folder, Source, SourceFault, fault},
};

use super::written::{Declared, Need};

/// The catalogue as far as a case needs it.
pub(super) struct Shelf {
    types: BTreeMap<TypeCode, ExchangeType>,
    kinds: BTreeMap<Kind, KindRule>,
    codes: BTreeMap<String, Vec<String>>,
    obligations: BTreeSet<String>,
}

impl Shelf {
    pub(super) fn read(folder: &Path) -> Result<Self, Vec<SourceFault>> {
        let mut faults = Vec::new();
        let files = Folder::read(folder, &mut faults);
        let kinds: Kinds = whole(&files, folder, "_kinds.toml", &mut faults).unwrap_or_default();
        let obligations: BTreeMap<String, IgnoredAny> = whole(&files, folder, "_obligations.toml", &mut faults).unwrap_or_default();
        let codes = whole(&files, folder, "_codes.toml", &mut faults).unwrap_or_default();
        let mut types = BTreeMap::new();
        let is_type = |source: &&Source| source.file.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"_"));
        for source in files.toml().filter(is_type) {
            if let Some(head) = source.whole::<Head>(&mut faults) {
                let head = head.value;
                types.insert(head.code.clone(), head.into_type(&kinds));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let kinds =
            kinds.kinds.into_iter().map(|(kind, rule)| (kind, KindRule { title: rule.title, secrecy: rule.secrecy, role: rule.role }));
        Ok(Self { types, kinds: kinds.collect(), codes, obligations: obligations.into_keys().collect() })
    }

    pub(super) fn exchange_type(&self, code: &TypeCode) -> Option<&ExchangeType> {
        self.types.get(code)
    }

    pub(super) fn kind(&self, kind: &Kind) -> Option<&KindRule> {
        self.kinds.get(kind)
    }

    pub(super) fn has_obligation(&self, code: &str) -> bool {
        self.obligations.contains(code)
    }

    pub(super) fn has_code(&self, list: &str, value: &str) -> bool {
        self.codes.get(list).is_some_and(|values| values.iter().any(|known| known == value))
    }
}

/// A type that a case declares for itself.
pub(super) fn declared(code: &TypeCode, written: &Declared) -> ExchangeType {
    let agreement = match written.agreement {
        Need::None => AgreementNeed::None,
        Need::Required => AgreementNeed::Required,
        Need::ForChannel => AgreementNeed::ForChannel,
    };
    let to = written.to.iter().map(|kind| Destination { kind: kind.clone(), when: None }).collect();
    let from = written.from.iter().cloned().collect();
    bare(code.clone(), written.danger, written.purpose.clone(), from, to, agreement, written.human_send, Vec::new())
}

fn whole<T: for<'de> Deserialize<'de>>(files: &Folder, folder: &Path, name: &str, faults: &mut Vec<SourceFault>) -> Option<T> {
    match files.at(&folder.join(name)) {
        Some(source) => source.whole::<T>(faults).map(|item| item.value),
        None => {
            faults.push(fault(folder, 1, format!("`{name}` is missing"), "give the `policies` folder"));
            None
        }
    }
}

#[derive(Default, Deserialize)]
struct Kinds {
    kinds: BTreeMap<Kind, KindHead>,
    groups: BTreeMap<String, BTreeSet<Kind>>,
}

#[derive(Deserialize)]
struct KindHead {
    title: String,
    secrecy: Secrecy,
    role: ProtectionRole,
}

#[derive(Deserialize)]
struct Head {
    code: TypeCode,
    danger: bool,
    purpose: Vec<String>,
    from: Vec<String>,
    to: Vec<To>,
    agreement: Need,
    human: HumanHead,
    #[serde(default)]
    field: Vec<FieldHead>,
}

#[derive(Deserialize)]
struct To {
    kind: String,
    when: Option<String>,
}

#[derive(Deserialize)]
struct HumanHead {
    send: bool,
}

#[derive(Deserialize)]
struct FieldHead {
    path: String,
    class: DataClass,
}

impl Head {
    fn into_type(self, kinds: &Kinds) -> ExchangeType {
        let spread = |word: &str| kinds.groups.get(word).cloned().unwrap_or_else(|| word.parse().into_iter().collect());
        let from = self.from.iter().flat_map(|word| spread(word)).collect();
        let destination = |to: &To| {
            let when = to.when.clone();
            spread(&to.kind).into_iter().map(move |kind| Destination { kind, when: when.clone() }).collect::<Vec<_>>()
        };
        let to = self.to.iter().flat_map(destination).collect();
        let agreement = match self.agreement {
            Need::None => AgreementNeed::None,
            Need::Required => AgreementNeed::Required,
            Need::ForChannel => AgreementNeed::ForChannel,
        };
        let field = |field: FieldHead| Field {
            path: format!("payload.{}", field.path),
            shape: Shape::Texte,
            level: Level::Optional,
            class: field.class,
            offered_to: Vec::new(),
            expected_if: None,
        };
        let fields = self.field.into_iter().map(field).collect();
        bare(self.code, self.danger, self.purpose, from, to, agreement, self.human.send, fields)
    }
}

#[allow(clippy::too_many_arguments, reason = "the facts that rules read, spelt out once")]
fn bare(
    code: TypeCode,
    danger: bool,
    purpose: Vec<String>,
    from: BTreeSet<Kind>,
    to: Vec<Destination>,
    agreement: AgreementNeed,
    send: bool,
    fields: Vec<Field>,
) -> ExchangeType {
    ExchangeType {
        title: code.to_string(),
        code,
        version: 1,
        effective_from: Date::MIN,
        effective_to: None,
        tier: 1,
        danger,
        purpose,
        legal_basis: Vec::new(),
        from,
        to,
        disclosure: Disclosure::Nominative,
        agreement,
        urgency: Vec::new(),
        human: Human { send, receive: false, qualify: false },
        clocks: Vec::new(),
        obligations: Vec::new(),
        answered_by: Vec::new(),
        answers: Vec::new(),
        answers_any: false,
        native: Vec::new(),
        retention: String::new(),
        fields,
    }
}
