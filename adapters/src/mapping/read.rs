//! A product's file as exchanges.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Pointer, document::Leaves};
use serde_json::{Map, Value, json};

use super::{
    Context, Format, ITEM, MAX_ITEMS, MAX_RECORDS, Mapping, Records,
    places::{extended, item_of, list_len},
    value,
};
use crate::{
    elements::{self, Element},
    forbidden::Forbidden,
    reading::{Beside, Column, Finding, Letter, Place, Reading, Refused},
    sheet::{Row, Sheet},
};

impl Mapping {
    /// Reads a file. A value that does not fit its field, and a column or an element that the mapping has not, stands beside its
    /// exchange and is reported; a cell that is a NIR or an INE is left out and reported.
    ///
    /// # Errors
    /// No file of this mapping (none of its columns, another root), or beyond the limits of [`sheet`](crate::sheet),
    /// [`elements`] and [`MAX_RECORDS`].
    pub fn read(&self, bytes: &[u8], format: Format, context: &Context) -> Result<Records, Refused> {
        let mut all = Gathered { mapping: self, records: Vec::new(), reported: Vec::new(), before: 0 };
        match format {
            Format::Csv => all.csv(bytes)?,
            Format::Xml => all.xml(bytes)?,
        }
        let Gathered { records, mut reported, .. } = all;
        let (mut letters, mut given) = (Vec::new(), Vec::new());
        for record in records {
            let (letter, theirs) = record.letter(self, context, &mut reported);
            letters.push(letter);
            given.push(theirs);
        }
        Ok(Records { reading: Reading { letters, reported }, given })
    }
}

/// One exchange while it is gathered.
#[derive(Default)]
struct Gathering {
    line: u64,
    leaves: Leaves,
    items: usize,
    beside: Vec<Beside>,
    given: BTreeMap<String, String>,
}

struct Gathered<'a> {
    mapping: &'a Mapping,
    records: Vec<Gathering>,
    reported: Vec<Finding>,
    /// Values of the records before the last one.
    before: usize,
}

/// What a column or an element is to the mapping.
#[derive(Clone, Copy)]
enum Known {
    Field(usize),
    Given(usize),
    Unknown,
}

impl Gathered<'_> {
    fn csv(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let absent = || Refused::from(Finding::new(Place::Whole, "no-format", "Cette correspondance ne décrit pas de CSV."));
        let group = self.mapping.csv.as_ref().ok_or_else(absent)?.group.as_deref();
        let mut sheet = Sheet::open(bytes)?;
        self.reported.append(&mut sheet.reported);
        let columns = self.columns(sheet.header())?;
        let group = group.and_then(|group| sheet.header().iter().position(|name| name == group));
        let mut last = None;
        while let Some(row) = sheet.next_row()? {
            let key = group.map(|column| row.cell(column).trim().to_owned());
            if key.is_none() || key != last {
                self.begin(row.line)?;
            }
            last = key.filter(|key| !key.is_empty());
            self.row(&row, &columns);
            self.bounded(row.line)?;
        }
        Ok(())
    }

    fn columns(&mut self, header: &[String]) -> Result<Vec<Known>, Refused> {
        let known = |name: &String| {
            let field = self.mapping.fields.iter().position(|field| field.column.as_ref() == Some(name)).map(Known::Field);
            let given = || self.mapping.given.iter().position(|given| given.column.as_ref() == Some(name)).map(Known::Given);
            field.or_else(given).unwrap_or(Known::Unknown)
        };
        let columns: Vec<Known> = header.iter().map(known).collect();
        if columns.iter().all(|column| matches!(column, Known::Unknown)) {
            let cure = format!("Les colonnes attendues sont : {}.", self.mapping.columns().join(", "));
            return Err(Finding::new(Place::Line(1), "wrong-file", "Aucune colonne n’est de ce format.").cured_by(cure).into());
        }
        let mut seen = BTreeSet::new();
        for (at, name) in header.iter().enumerate() {
            let place = Place::Cell { line: 1, column: Column::Unknown(at + 1) };
            match columns.get(at) {
                Some(Known::Unknown) => {
                    self.reported.push(Finding::new(place, "unknown-column", "Le format n’a pas cette colonne : elle est mise à part."));
                }
                Some(Known::Field(_) | Known::Given(_)) if !seen.insert(name.as_str()) => {
                    return Err(Finding::new(place, "duplicate-column", "Cette colonne est déjà là.").into());
                }
                Some(Known::Field(_) | Known::Given(_)) | None => {}
            }
        }
        for missing in self.mapping.columns().into_iter().filter(|name| !seen.contains(name)) {
            let place = Place::Cell { line: 1, column: Column::Mapped(missing.to_owned()) };
            self.reported.push(Finding::new(place, "missing-column", "Cette colonne du format n’est pas dans le fichier."));
        }
        Ok(columns)
    }

    fn row(&mut self, row: &Row, columns: &[Known]) {
        let Some(record) = self.records.last_mut() else { return };
        let item = record.items;
        record.items += 1;
        if let Some(fault) = &row.fault {
            self.reported.push(fault.clone());
            let place = || Place::Line(row.line);
            let cells: Vec<&String> = row.cells.iter().filter(|cell| travels(cell, place, &mut self.reported)).collect();
            record.beside.push(Beside { place: place(), value: json!(cells) });
            return;
        }
        for (at, cell) in row.cells.iter().enumerate() {
            let known = columns.get(at).copied().unwrap_or(Known::Unknown);
            let named = |name: &Option<String>| Column::Mapped(name.clone().unwrap_or_default());
            let column = match known {
                Known::Field(index) => self.mapping.fields.get(index).map_or(Column::Unknown(at + 1), |field| named(&field.column)),
                Known::Given(index) => self.mapping.given.get(index).map_or(Column::Unknown(at + 1), |given| named(&given.column)),
                Known::Unknown => Column::Unknown(at + 1),
            };
            let place = Place::Cell { line: row.line, column };
            record.take(self.mapping, known, item, std::slice::from_ref(cell), place, &mut self.reported);
        }
    }

    fn xml(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let absent = || Refused::from(Finding::new(Place::Whole, "no-format", "Cette correspondance ne décrit pas d’XML."));
        let xml = self.mapping.xml.as_ref().ok_or_else(absent)?;
        let (root, mut reported) = elements::read(bytes, &xml.root)?;
        self.reported.append(&mut reported);
        let mut around: Vec<(u64, Value)> = Vec::new();
        let of_a_schema = |name: &str| matches!(name, "schemaLocation" | "noNamespaceSchemaLocation");
        let attributes = root.attributes.iter().filter(|(name, value)| !of_a_schema(name) && !value.trim().is_empty());
        around.extend(attributes.map(|(name, value)| (root.line, json!({ format!("@{name}"): value }))));
        if !root.text.trim().is_empty() {
            around.push((root.line, root.text.as_str().into()));
        }
        for element in root.children {
            if element.name == xml.record {
                self.begin(element.line)?;
                self.element(&element, "", None);
                self.bounded(element.line)?;
            } else {
                around.push((element.line, element.to_value()));
            }
        }
        self.around(&xml.root, around);
        Ok(())
    }

    /// What stands around the exchanges of a file. Of a file of one exchange it is about that one, and goes beside it; of a file of
    /// several nobody can say about which, and it must not go to the file of another child: it is told.
    fn around(&mut self, root: &str, around: Vec<(u64, Value)>) {
        for (line, value) in around {
            let place = Place::Element { line, name: root.to_owned() };
            let reported = &mut self.reported;
            match self.records.as_mut_slice() {
                [only] => {
                    let value = without_numbers(value, &place, reported);
                    reported.push(Finding::new(place.clone(), "unknown-element", "Ceci n’est pas du format : c’est mis à part."));
                    only.beside.push(Beside { place, value });
                }
                _ => {
                    let detail = "Ceci n’est pas du format, et d’aucun échange du fichier : ce n’est pas repris.";
                    reported.push(Finding::new(place, "unknown-element", detail).cured_by("Placez-le dans l’échange qu’il concerne."));
                }
            }
        }
    }

    /// Takes what is in an element; `path` is relative to the record, or to the repeated element whose number `item` is.
    fn element(&mut self, element: &Element, path: &str, item: Option<usize>) {
        let repeated = self.mapping.xml.as_ref().and_then(|xml| xml.item.clone());
        for (name, value) in &element.attributes {
            self.found(&join(path, &format!("@{name}")), item, std::slice::from_ref(value), element.line);
        }
        if element.children.is_empty() {
            self.found(path, item, std::slice::from_ref(&element.text), element.line);
            return;
        }
        if !element.text.trim().is_empty() {
            self.found(&join(path, "#"), item, std::slice::from_ref(&element.text), element.line);
        }
        let mut done = BTreeSet::new();
        for child in &element.children {
            let below = join(path, &child.name);
            if item.is_none() && repeated.as_ref() == Some(&below) {
                let Some(record) = self.records.last_mut() else { return };
                let number = record.items;
                record.items += 1;
                self.element(child, "", Some(number));
            } else if self.is_list(&below, item) {
                if done.insert(below.clone()) {
                    let same = element.children.iter().filter(|c| c.name == child.name && !c.text.trim().is_empty());
                    let values: Vec<String> = same.map(|c| c.text.clone()).collect();
                    self.found(&below, item, &values, child.line);
                }
                // The values are its texts: what else stands in one of them is looked at by itself.
                for (name, value) in &child.attributes {
                    self.found(&join(&below, &format!("@{name}")), item, std::slice::from_ref(value), child.line);
                }
                for inner in &child.children {
                    self.element(inner, &join(&below, &inner.name), item);
                }
            } else {
                self.element(child, &below, item);
            }
        }
    }

    fn is_list(&self, path: &str, item: Option<usize>) -> bool {
        let here = |field: &&super::Field| field.element.as_deref() == Some(path) && field.is_item() == item.is_some();
        self.mapping.fields.iter().find(here).is_some_and(|field| field.list.is_some())
    }

    fn found(&mut self, path: &str, item: Option<usize>, values: &[String], line: u64) {
        let mapping = self.mapping;
        let here = |field: &super::Field| field.element.as_deref() == Some(path) && field.is_item() == item.is_some();
        let given = || mapping.given.iter().position(|given| item.is_none() && given.element.as_deref() == Some(path)).map(Known::Given);
        let known = mapping.fields.iter().position(here).map(Known::Field).or_else(given).unwrap_or(Known::Unknown);
        let name = match known {
            Known::Field(_) | Known::Given(_) => path.to_owned(),
            Known::Unknown => mapping.xml.as_ref().map(|xml| xml.record.clone()).unwrap_or_default(),
        };
        let Some(record) = self.records.last_mut() else { return };
        let place = Place::Element { line, name };
        if matches!(known, Known::Unknown) && values.iter().any(|value| !value.trim().is_empty()) {
            let detail = "Un élément n’est pas du format : il est mis à part.";
            self.reported.push(Finding::new(place.clone(), "unknown-element", detail));
        }
        record.take(mapping, known, item.unwrap_or(0), values, place, &mut self.reported);
    }

    fn begin(&mut self, line: u64) -> Result<(), Refused> {
        if self.records.len() >= MAX_RECORDS {
            return Err(Finding::new(Place::Line(line), "too-many", format!("Le fichier a plus de {MAX_RECORDS} échanges.")).into());
        }
        self.before += self.records.last().map_or(0, Gathering::values);
        self.records.push(Gathering { line, ..Gathering::default() });
        Ok(())
    }

    /// A value costs many times its bytes: their number is limited, and not only their size.
    fn bounded(&self, line: u64) -> Result<(), Refused> {
        let items = self.records.last().map_or(0, |record| record.items);
        let values = self.before + self.records.last().map_or(0, Gathering::values) + self.reported.len();
        if items <= MAX_ITEMS && values <= MAX_VALUES {
            return Ok(());
        }
        let detail = format!("Le fichier a plus de {MAX_VALUES} valeurs, ou un échange plus de {MAX_ITEMS} éléments.");
        Err(Finding::new(Place::Line(line), "too-many", detail).cured_by("Partagez-le en plusieurs fichiers.").into())
    }
}

impl Gathering {
    fn values(&self) -> usize {
        self.leaves.len() + self.beside.len()
    }

    /// Puts what stands at one place where it belongs: a field, the edge, or beside.
    fn take(&mut self, mapping: &Mapping, known: Known, item: usize, values: &[String], place: Place, reported: &mut Vec<Finding>) {
        if values.iter().all(|value| value.trim().is_empty()) {
            return;
        }
        let values: Vec<String> = values.iter().filter(|value| travels(value, || place.clone(), reported)).cloned().collect();
        if values.is_empty() {
            return;
        }
        let values = values.as_slice();
        match known {
            Known::Field(index) => self.field(mapping, index, item, values, place, reported),
            Known::Given(index) => {
                let text = values.first().map(|value| value.trim().to_owned()).unwrap_or_default();
                let name = mapping.given.get(index).map(|given| given.name.clone()).unwrap_or_default();
                let kept = self.given.entry(name).or_insert_with(|| text.clone());
                if *kept != text {
                    self.disagree(values, place, reported);
                }
            }
            Known::Unknown => self.beside.push(Beside { place, value: one_or_all(values) }),
        }
    }

    fn field(&mut self, mapping: &Mapping, index: usize, item: usize, values: &[String], place: Place, reported: &mut Vec<Finding>) {
        let Some(field) = mapping.fields.get(index) else { return };
        let to = if field.is_item() {
            let segments = field.to.segments().iter().map(|segment| if segment == ITEM { item.to_string() } else { segment.clone() });
            segments.fold(Pointer::default(), |pointer, segment| pointer.child(segment))
        } else {
            field.to.clone()
        };
        // Only a cell has to hold several values at once: an element is repeated.
        let parts: Vec<String> = match (field.list, &place, values) {
            (Some(separator), Place::Cell { .. }, [cell]) => {
                value::split(cell, separator).into_iter().filter(|part| !part.trim().is_empty()).collect()
            }
            _ => values.to_vec(),
        };
        if parts.len() > MAX_LIST {
            let detail = format!("La liste a plus de {MAX_LIST} valeurs : elle est mise à part.");
            reported.push(Finding::new(place.clone(), "too-many", detail));
            self.beside.push(Beside { place, value: one_or_all(values) });
            return;
        }
        let mut read = Vec::new();
        for part in &parts {
            match field.read(part, &mapping.words) {
                Ok(value) => read.push(value),
                Err((code, detail)) => {
                    reported.push(Finding::new(place.clone(), code, format!("{detail} La valeur est mise à part.")));
                    self.beside.push(Beside { place: place.clone(), value: part.as_str().into() });
                }
            }
        }
        let leaves: Vec<(Pointer, Value)> = match field.list {
            Some(_) => read.into_iter().enumerate().map(|(at, value)| (to.child(at.to_string()), value)).collect(),
            None => read.into_iter().map(|value| (to.clone(), value)).collect(),
        };
        for (to, value) in leaves {
            match self.leaves.at(&to) {
                // The rows of one exchange repeat what they share, or leave it empty.
                Some(kept) if *kept != value => self.disagree(values, place.clone(), reported),
                Some(_) => {}
                None => self.leaves.insert(to, value),
            }
        }
    }

    fn disagree(&mut self, values: &[String], place: Place, reported: &mut Vec<Finding>) {
        let detail = "Cette valeur n’est pas celle des premières lignes du même échange : elle est mise à part.";
        reported.push(Finding::new(place.clone(), "disagree", detail));
        self.beside.push(Beside { place, value: one_or_all(values) });
    }

    fn letter(mut self, mapping: &Mapping, context: &Context, reported: &mut Vec<Finding>) -> (Letter, BTreeMap<String, String>) {
        self.fix(mapping);
        let mut envelope = context.envelope(&mapping.kind);
        if let Value::Object(read) = self.leaves.reveal() {
            merge(&mut envelope, read);
        }
        if let Some(Value::Array(subjects)) = envelope.get_mut("subjects") {
            for (at, subject) in subjects.iter_mut().enumerate() {
                if let Value::Object(subject) = subject {
                    subject.entry("ref").or_insert_with(|| format!("s{}", at + 1).into());
                }
            }
        }
        if self.leaves.is_empty() {
            reported.push(Finding::new(Place::Line(self.line), "empty-record", "Cet échange n’a aucun champ lisible."));
        }
        (Letter { envelope: envelope.into(), attachments: Vec::new(), beside: self.beside }, self.given)
    }

    /// Adds what the product never writes: of a list, only to the items that are there.
    fn fix(&mut self, mapping: &Mapping) {
        let filled: BTreeSet<&[String]> = self.leaves.iter().map(|(at, _)| item_of(at.segments())).collect();
        let mut add = Vec::new();
        for fixed in &mapping.fixed {
            let to = fixed.to.segments();
            let (item, list) = (item_of(to), list_len(to));
            if item.last().is_some_and(|last| last == ITEM) {
                let rest = to.get(item.len()..).unwrap_or_default();
                let same = filled.iter().filter(|filled| filled.len() == item.len() && filled.get(..list) == to.get(..list));
                add.extend(same.map(|filled| (extended(&extended(&Pointer::default(), filled), rest), fixed.value.clone())));
            } else if item.len() == list || filled.contains(item) {
                add.push((fixed.to.clone(), fixed.value.clone()));
            }
        }
        add.into_iter().for_each(|(to, value)| self.leaves.insert(to, value));
    }
}

/// Whether a text may travel: a number that may not is left out and told, one in a longer text is told.
fn travels(text: &str, place: impl Fn() -> Place, reported: &mut Vec<Finding>) -> bool {
    let held = Forbidden::in_text(text);
    reported.extend(held.map(|held| held.finding(place())));
    held != Some(Forbidden::Alone)
}

/// A value without the texts that may not travel.
fn without_numbers(value: Value, place: &Place, reported: &mut Vec<Finding>) -> Value {
    match value {
        Value::String(text) => {
            if travels(&text, || place.clone(), reported) {
                text.into()
            } else {
                Value::Null
            }
        }
        Value::Array(items) => items.into_iter().map(|item| without_numbers(item, place, reported)).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, without_numbers(value, place, reported))).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        into.insert(key, value);
    }
}

fn one_or_all(values: &[String]) -> Value {
    match values {
        [one] => one.as_str().into(),
        all => Value::from(all.to_vec()),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// Most values of one file, findings included.
const MAX_VALUES: usize = 400_000;
/// Most values in one list.
const MAX_LIST: usize = 1_000;
