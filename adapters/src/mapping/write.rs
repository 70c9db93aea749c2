//! Exchanges as a product's file.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Pointer, document::Leaves};
use serde_json::Value;

use super::{
    Format, Mapping, Record, Written,
    places::{Belongs, item_of, list_len},
    value,
};
use crate::{
    elements::{self, Element},
    reading::{Finding, Place, Refused},
    sheet,
};

impl Mapping {
    /// Writes a file. Only what the mapping has leaves: a field that it has not is left out and reported by its path.
    ///
    /// # Errors
    /// A form that the mapping has not, an envelope of another type, or a character that the form cannot hold.
    pub fn write(&self, records: &[Record<'_>], format: Format) -> Result<Written, Refused> {
        let mut reported = Vec::new();
        let mut sorted = Vec::new();
        for record in records {
            if record.envelope.get("type").and_then(Value::as_str) != Some(self.kind.as_str()) {
                return Err(Finding::new(Place::Path("type".into()), "wrong-type", "L’échange n’est pas du type de ce fichier.").into());
            }
            sorted.push(self.sort(record, &mut reported));
        }
        let bytes = match format {
            Format::Csv => self.csv(&sorted)?,
            Format::Xml => self.xml(&sorted)?,
        };
        Ok(Written { bytes, reported })
    }

    /// Every value of an exchange at its field, as the product writes it.
    fn sort<'a>(&self, record: &Record<'a>, reported: &mut Vec<Finding>) -> Sorted<'a> {
        let mut leaves = Leaves::of(record.envelope);
        let mut said = BTreeSet::new();
        for at in self.places.settle(&mut leaves) {
            left_out(&at.path(), "Le fichier n’a pas de place pour un élément de plus de cette liste.", &mut said, reported);
        }
        self.hide(&mut leaves, reported);
        if !self.fields.iter().any(|field| super::path(&field.to) == "subjects[].ref") {
            renumbered(&mut leaves, reported);
        }
        let mut sorted = Sorted { given: record.given, cells: BTreeMap::new(), items: 0 };
        let (mut carried, mut implied): (BTreeSet<&[String]>, BTreeSet<&[String]>) = (BTreeSet::new(), BTreeSet::new());
        for (at, leaf) in leaves.iter() {
            let detail = match self.places.find(at) {
                Some((Belongs::Field(index), item)) => match self.fields.get(index).and_then(|field| field.write(leaf, &self.words)) {
                    Some(text) if !text.trim().is_empty() => {
                        carried.insert(item_of(at.segments()));
                        sorted.items = sorted.items.max(item + 1);
                        sorted.cells.entry((item, index)).or_default().push(text);
                        continue;
                    }
                    Some(_) => continue,
                    None => "Cette valeur n’a pas d’écriture dans le fichier : elle n’y est pas.",
                },
                Some((Belongs::Fixed(index), _)) if self.fixed.get(index).is_some_and(|fixed| fixed.value == *leaf) => {
                    implied.insert(item_of(at.segments()));
                    continue;
                }
                Some((Belongs::Fixed(_), _)) => "Le fichier a une autre valeur pour ce champ : celle-ci n’y est pas.",
                None if of_the_route(at) => continue,
                None => "Le fichier n’a pas de place pour ce champ : il n’y est pas.",
            };
            left_out(&at.path(), detail, &mut said, reported);
        }
        // Of whom nothing but the role is known, nothing would be read again.
        for item in implied.difference(&carried).filter(|item| item.len() > list_len(item)) {
            let at = item.iter().fold(Pointer::default(), |at, segment| at.child(segment.as_str()));
            left_out(&at.path(), "Rien de cet élément n’a de place dans le fichier : il n’y est pas.", &mut said, reported);
        }
        sorted
    }

    /// Takes out every address that must not be revealed, where the product has no place for that mark (R64).
    fn hide(&self, leaves: &mut Leaves, reported: &mut Vec<Finding>) {
        let is_mark = |at: &Pointer, leaf: &Value| {
            at.segments().last().is_some_and(|last| last == "hidden") && !matches!(leaf, Value::Bool(false) | Value::Null)
        };
        let carried = |at: &Pointer, leaf: &Value| match self.places.find(at) {
            Some((Belongs::Field(index), _)) => self.fields.get(index).is_some_and(|field| field.write(leaf, &self.words).is_some()),
            Some((Belongs::Fixed(_), _)) | None => false,
        };
        let marks = leaves.iter().filter(|(at, leaf)| is_mark(at, leaf) && !carried(at, leaf)).map(|(at, _)| at.clone());
        for mark in marks.collect::<Vec<_>>() {
            let Some((_, address)) = mark.segments().split_last() else { continue };
            leaves.retain(|at| !at.segments().starts_with(address));
            let place = address.iter().fold(Pointer::default(), |at, segment| at.child(segment.as_str()));
            let detail = "L’adresse est tenue secrète, et le fichier n’a pas de place pour le dire : elle n’est pas transmise (R64).";
            reported.push(Finding::new(Place::Path(place.path()), "hidden", detail));
        }
    }

    fn csv(&self, sorted: &[Sorted<'_>]) -> Result<Vec<u8>, Refused> {
        let absent = || Refused::from(Finding::new(Place::Whole, "no-format", "Cette correspondance ne décrit pas de CSV."));
        let csv = self.csv.as_ref().ok_or_else(absent)?;
        self.apart(csv.group.as_deref(), sorted)?;
        let rows: Vec<Vec<String>> = sorted.iter().flat_map(|record| self.rows(record)).collect();
        sheet::write(&self.columns(), &rows)
    }

    /// Exchanges whose rows could not be told apart when they are read again are not written.
    fn apart(&self, group: Option<&str>, sorted: &[Sorted<'_>]) -> Result<(), Refused> {
        let Some(given) = self.given.iter().find(|given| group.is_some() && given.column.as_deref() == group) else { return Ok(()) };
        let key = |record: &Sorted<'_>| record.given.get(&given.name).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        let keys: Vec<Option<String>> = sorted.iter().map(key).collect();
        let nameless = sorted.iter().zip(&keys).any(|(record, key)| record.items > 1 && key.is_none());
        let alike = keys.windows(2).any(|pair| matches!(pair, [Some(one), Some(other)] if one == other));
        if nameless || alike {
            let detail = format!("Chaque échange de plusieurs lignes a besoin de sa propre valeur « {} ».", given.name);
            return Err(Finding::new(Place::Path(given.name.clone()), "not-apart", detail).into());
        }
        Ok(())
    }

    /// One row for each item: what the items share stands on the first, what the edge gives on all.
    fn rows(&self, record: &Sorted<'_>) -> Vec<Vec<String>> {
        let row = |item: usize| {
            let given = self.given.iter().map(|given| record.given.get(&given.name).cloned().unwrap_or_default());
            let fields = self.fields.iter().enumerate().map(|(index, field)| match record.cells.get(&(item, index)) {
                Some(values) => field.list.map_or_else(|| values.concat(), |separator| value::join(values, separator)),
                None => String::new(),
            });
            given.chain(fields).collect()
        };
        (0..record.items.max(1)).map(row).collect()
    }

    fn xml(&self, sorted: &[Sorted<'_>]) -> Result<Vec<u8>, Refused> {
        let absent = || Refused::from(Finding::new(Place::Whole, "no-format", "Cette correspondance ne décrit pas d’XML."));
        let xml = self.xml.as_ref().ok_or_else(absent)?;
        // What repeats stands where its first field does: some products read their elements in order only.
        let first = self.fields.iter().position(super::Field::is_item).unwrap_or(self.fields.len());
        let records = sorted.iter().map(|record| {
            let mut element = Element { name: xml.record.clone(), ..Element::default() };
            for given in &self.given {
                if let (Some(path), Some(value)) = (&given.element, record.given.get(&given.name)) {
                    put(&mut element, path, value);
                }
            }
            self.put_fields(&mut element, record.cells.range((0, 0)..(0, first)), false);
            if let Some(path) = &xml.item {
                self.put_items(&mut element, path, record);
            }
            self.put_fields(&mut element, record.cells.range((0, first)..(1, 0)), false);
            element
        });
        let root = Element { name: xml.root.clone(), children: records.collect(), ..Element::default() };
        elements::write(&root)
    }

    fn put_items(&self, element: &mut Element, path: &str, record: &Sorted<'_>) {
        for item in 0..record.items {
            let mut repeated = Element::default();
            self.put_fields(&mut repeated, record.cells.range((item, 0)..(item + 1, 0)), true);
            if !repeated.children.is_empty() || !repeated.attributes.is_empty() {
                add(element, path, repeated);
            }
        }
    }

    fn put_fields<'a>(&self, element: &mut Element, cells: impl Iterator<Item = (&'a (usize, usize), &'a Vec<String>)>, repeated: bool) {
        for ((_, index), values) in cells {
            self.put_field(element, *index, repeated, values);
        }
    }

    fn put_field(&self, element: &mut Element, index: usize, repeated: bool, values: &[String]) {
        let Some(field) = self.fields.get(index).filter(|field| field.is_item() == repeated) else { return };
        for value in values {
            match (&field.element, field.list) {
                (Some(path), Some(_)) => add(element, path, Element { text: value.clone(), ..Element::default() }),
                (Some(path), None) => put(element, path, value),
                (None, _) => {}
            }
        }
    }
}

/// The values of one exchange by item and field.
struct Sorted<'a> {
    given: &'a BTreeMap<String, String>,
    cells: BTreeMap<(usize, usize), Vec<String>>,
    items: usize,
}

/// What the edge knows without the file: see [`super::Context`].
fn of_the_route(at: &Pointer) -> bool {
    const ROUTE: [&str; 10] =
        ["type", "sender", "recipient", "exclus", "purpose", "legal_basis", "agreement", "urgency", "in_reply_to", "case"];
    at.segments().first().is_some_and(|first| ROUTE.contains(&first.as_str()))
}

/// Takes off the names by which the document calls its persons (`s1`) where reading would give the same again, and says where not.
fn renumbered(leaves: &mut Leaves, reported: &mut Vec<Finding>) {
    let is_name = |at: &Pointer| matches!(at.segments(), [list, _, name] if list == "subjects" && name == "ref");
    let (mut persons, mut last) = (0, None);
    for (at, leaf) in leaves.iter() {
        let [list, person, ..] = at.segments() else { continue };
        if list != "subjects" {
            continue;
        }
        if last != Some(person) {
            persons += 1;
            last = Some(person);
        }
        if is_name(at) && *leaf != *format!("s{persons}") {
            let detail = "Les personnes y sont dans un autre ordre : leurs renvois (s1, s2…) changent.";
            reported.push(Finding::new(Place::Path("subjects[].ref".into()), "renumbered", detail));
        }
    }
    leaves.retain(|at| !is_name(at));
}

fn left_out(path: &str, detail: &str, said: &mut BTreeSet<String>, reported: &mut Vec<Finding>) {
    if said.insert(path.to_owned()) {
        reported.push(Finding::new(Place::Path(path.to_owned()), "left-out", detail));
    }
}

/// Puts a text at a path of element names, the last of which may be an attribute.
fn put(element: &mut Element, path: &str, text: &str) {
    let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (first.strip_prefix('@'), rest) {
        (Some(name), _) => element.attributes.push((name.to_owned(), text.to_owned())),
        (None, Some(rest)) => inside(element, first, |child| put(child, rest, text)),
        (None, None) => inside(element, first, |child| text.clone_into(&mut child.text)),
    }
}

/// Adds one more element at a path.
fn add(element: &mut Element, path: &str, added: Element) {
    match path.split_once('/') {
        Some((first, rest)) => inside(element, first, |child| add(child, rest, added)),
        None => element.children.push(Element { name: path.to_owned(), ..added }),
    }
}

/// Does something to the child of a name, which is made if need be.
fn inside(element: &mut Element, name: &str, then: impl FnOnce(&mut Element)) {
    if let Some(child) = element.children.iter_mut().find(|child| child.name == name) {
        then(child);
    } else {
        let mut child = Element { name: name.to_owned(), ..Element::default() };
        then(&mut child);
        element.children.push(child);
    }
}
