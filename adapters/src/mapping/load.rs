//! A mapping file, read strictly: every mistake at once, each with what would cure it.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{DataClass, Pointer};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Csv, Field, Fixed, Given, ITEM, Known, Mapping, Words, Xml,
    known::KnownField,
    path,
    places::Places,
    value::{DateForm, Shape},
};
use crate::reading::{Finding, Place, Refused};

impl Mapping {
    /// Reads a mapping file and holds it against the catalogue.
    ///
    /// # Errors
    /// Every mistake: not TOML, a key that mappings have not, a field that the catalogue has not, without class or with another class
    /// or shape than the catalogue's, a code of the catalogue without translation, two columns for one field, two fields for one column.
    pub fn load(text: &str, known: &Known) -> Result<Self, Refused> {
        let mut mapping = Self::parse(text)?;
        let mut findings = Vec::new();
        if mapping.kind != known.kind {
            findings.push(Finding::new(at("type"), "wrong-type", format!("Le catalogue donné est celui du type « {} ».", known.kind)));
        }
        for (index, field) in mapping.fields.iter_mut().enumerate() {
            check(field, &format!("field[{index}]"), known, &mut findings);
            if field.coded && field.codes.is_empty() {
                field.codes = known.fields.get(&catalogue_name(field)).map(|is| same(&is.codes)).unwrap_or_default();
            }
        }
        for (index, fixed) in mapping.fixed.iter().enumerate() {
            let name = path(&fixed.to);
            match known.fields.get(&name) {
                None => findings.push(unknown(&format!("fixed[{index}].to"), &name, known)),
                Some(field) if !field.codes.is_empty() && !field.codes.iter().any(|code| fixed.value == **code) => {
                    let detail = format!("Ce code n’est pas de la liste {}.", field.shape);
                    findings.push(Finding::new(at(&format!("fixed[{index}].value")), "bad-code", detail).cured_by(list(&field.codes)));
                }
                Some(_) => {}
            }
        }
        if findings.is_empty() { Ok(mapping) } else { Err(Refused(findings)) }
    }

    /// What a mapping file says by itself. Refuses not TOML, a key that mappings have not, a field without class or without place in a form that the mapping has,
    /// two columns for one field, two fields for one column, two codes for one.
    fn parse(text: &str) -> Result<Self, Refused> {
        let file: File = toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.bytes().filter(|b| *b == b'\n').count() as u64 + 1;
            let detail = format!("Ce n’est pas un fichier de correspondance : {}.", e.message().replace('\n', " "));
            Refused::from(Finding::new(Place::Line(line), "not-a-mapping", detail))
        })?;
        let mut findings = Vec::new();
        let fields: Vec<Field> =
            file.field.iter().enumerate().filter_map(|(index, field)| field.read(&format!("field[{index}]"), &mut findings)).collect();
        let fixed = file.fixed.iter().enumerate().filter_map(|(index, fixed)| fixed.read(&format!("fixed[{index}]"), &mut findings));
        let fixed: Vec<Fixed> = fixed.collect();
        let mapping = Self {
            name: file.name,
            kind: file.kind,
            csv: file.csv.map(|csv| Csv { group: csv.group }),
            xml: file.xml.map(|xml| Xml { root: xml.root, record: xml.record, item: xml.item }),
            words: Words { dates: file.dates, yes: file.yes, no: file.no },
            places: Places::of(&fields, &fixed),
            fields,
            given: file.given.into_iter().map(|given| Given { name: given.name, column: given.column, element: given.element }).collect(),
            fixed,
        };
        mapping.alone(&mut findings);
        if findings.is_empty() { Ok(mapping) } else { Err(Refused(findings)) }
    }
}

impl Field {
    pub(super) fn is_item(&self) -> bool {
        is_item(&self.to)
    }
}

pub(super) fn is_item(to: &Pointer) -> bool {
    to.segments().iter().any(|segment| segment == ITEM)
}

/// What the catalogue calls a field.
fn catalogue_name(field: &Field) -> String {
    let name = path(&field.to);
    if field.list.is_some() { format!("{name}[]") } else { name }
}

/// The codes of a product that writes those of the catalogue.
fn same(codes: &[String]) -> Vec<(String, String)> {
    codes.iter().map(|code| (code.clone(), code.clone())).collect()
}

fn check(field: &Field, place: &str, known: &Known, findings: &mut Vec<Finding>) {
    let name = catalogue_name(field);
    let Some(is) = known.fields.get(&name) else {
        findings.push(unknown(&format!("{place}.to"), &name, known));
        return;
    };
    if field.class != is.class {
        let detail = format!("Le champ est de la classe « {} », non « {} ».", is.class, field.class);
        findings.push(Finding::new(at(&format!("{place}.class")), "wrong-class", detail));
    }
    if field.shape != shape(is) {
        let detail = format!("Le champ est de la forme « {} » au catalogue.", is.shape);
        let cure = "Écrivez as = \"date\", \"instant\", \"bool\", \"integer\" ou \"text\" selon le catalogue.";
        findings.push(Finding::new(at(&format!("{place}.as")), "wrong-shape", detail).cured_by(cure));
    }
    let translated: BTreeSet<&str> = field.codes.iter().map(|(_, ours)| ours.as_str()).collect();
    let codes: BTreeSet<&str> = is.codes.iter().map(String::as_str).collect();
    for code in translated.difference(&codes) {
        let finding =
            Finding::new(at(&format!("{place}.codes")), "bad-code", format!("Le code « {code} » n’est pas de la liste {}.", is.shape));
        findings.push(finding.cured_by(list(&is.codes)));
    }
    let cure = "Donnez le code du produit qui le traduit, ou codes = \"catalogue\" si le produit écrit les codes du catalogue.";
    if !codes.is_empty() && !field.coded {
        let detail = format!("Le champ a les codes de la liste {} : il manque leur traduction.", is.shape);
        findings.push(Finding::new(at(&format!("{place}.codes")), "untranslated", detail).cured_by(cure));
    }
    if !field.codes.is_empty() {
        for code in codes.difference(&translated) {
            let detail = format!("Le code « {code} » de la liste {} n’a pas de traduction.", is.shape);
            findings.push(Finding::new(at(&format!("{place}.codes")), "untranslated", detail).cured_by(cure));
        }
    }
}

fn shape(known: &KnownField) -> Shape {
    match known.shape.as_str() {
        "date" => Shape::Date,
        "date-heure" => Shape::Instant,
        "bool" => Shape::Bool,
        "entier" => Shape::Integer,
        _ => Shape::Text,
    }
}

fn unknown(place: &str, name: &str, known: &Known) -> Finding {
    let near: Vec<String> = known.below(name).into_iter().take(20).map(str::to_owned).collect();
    let detail = format!("Le catalogue n’a pas le champ « {name} » pour le type « {} ».", known.kind);
    Finding::new(at(place), "unknown-field", detail).cured_by(list(&near))
}

fn list(names: &[String]) -> String {
    format!("Choisissez parmi : {}.", names.join(", "))
}

pub(super) fn at(place: &str) -> Place {
    Place::Path(place.to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    dates: DateForm,
    #[serde(default = "yes")]
    yes: String,
    #[serde(default = "no")]
    no: String,
    csv: Option<CsvSection>,
    xml: Option<XmlSection>,
    #[serde(default)]
    given: Vec<GivenSection>,
    #[serde(default)]
    field: Vec<FieldSection>,
    #[serde(default)]
    fixed: Vec<FixedSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvSection {
    group: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct XmlSection {
    root: String,
    record: String,
    item: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenSection {
    name: String,
    column: Option<String>,
    element: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldSection {
    column: Option<String>,
    element: Option<String>,
    to: String,
    class: Option<String>,
    #[serde(default, rename = "as")]
    shape: Shape,
    codes: Option<Codes>,
    list: Option<char>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FixedSection {
    to: String,
    value: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Codes {
    Table(BTreeMap<String, String>),
    Catalogue(String),
}

impl FieldSection {
    fn read(&self, place: &str, findings: &mut Vec<Finding>) -> Option<Field> {
        let before = findings.len();
        let to = pointer(&self.to, place, findings);
        let class = match self.class.as_deref().map(str::parse::<DataClass>) {
            Some(Ok(class)) => Some(class),
            Some(Err(_)) | None => {
                let classes: Vec<String> = DataClass::ALL.iter().map(ToString::to_string).collect();
                let finding = Finding::new(at(&format!("{place}.class")), "no-class", "Il manque la classe de donnée du champ.");
                findings.push(finding.cured_by(list(&classes)));
                None
            }
        };
        let codes: Vec<(String, String)> = match &self.codes {
            Some(Codes::Table(codes)) => codes.clone().into_iter().collect(),
            Some(Codes::Catalogue(word)) if word == "catalogue" => Vec::new(),
            Some(Codes::Catalogue(_)) => {
                let detail = "Il faut ici une table de codes, ou le mot « catalogue ».";
                findings.push(Finding::new(at(&format!("{place}.codes")), "bad-value", detail));
                Vec::new()
            }
            None => Vec::new(),
        };
        let ours: BTreeSet<&String> = codes.iter().map(|(_, ours)| ours).collect();
        if ours.len() < codes.len() {
            let detail = "Deux codes du produit ont la même traduction : à l’écriture, on ne saurait lequel prendre.";
            findings.push(Finding::new(at(&format!("{place}.codes")), "twice", detail));
        }
        if self.list.is_some_and(|separator| separator == '\\' || separator == ';' || separator.is_alphanumeric()) {
            let detail = "Ce caractère ne peut pas séparer les valeurs d’une liste.";
            findings.push(Finding::new(at(&format!("{place}.list")), "bad-value", detail).cured_by("Choisissez par exemple « | »."));
        }
        let (to, class) = (to?, class?);
        let field = Field {
            column: self.column.clone(),
            element: self.element.clone(),
            to,
            shape: self.shape,
            class,
            coded: self.codes.is_some(),
            codes,
            list: self.list,
        };
        (findings.len() == before).then_some(field)
    }
}

impl FixedSection {
    fn read(&self, place: &str, findings: &mut Vec<Finding>) -> Option<Fixed> {
        Some(Fixed { to: pointer(&self.to, place, findings)?, value: self.value.clone() })
    }
}

fn pointer(text: &str, place: &str, findings: &mut Vec<Finding>) -> Option<Pointer> {
    let pointer = text.parse::<Pointer>().ok().filter(|pointer| !pointer.segments().is_empty());
    if pointer.is_none() {
        let finding = Finding::new(at(&format!("{place}.to")), "bad-pointer", "Ce n’est pas la place d’un champ dans une enveloppe.");
        findings.push(finding.cured_by("Écrivez par exemple « /subjects/0/birth_name »."));
    }
    pointer
}

fn yes() -> String {
    "oui".into()
}

fn no() -> String {
    "non".into()
}
