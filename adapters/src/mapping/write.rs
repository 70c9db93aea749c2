//! Exchanges as a product's file.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Pointer, document::Leaves};
use serde_json::Value;

use super::{
    Format, ITEM, Mapping, Record, Written,
    load::{is_item, list_of},
    read::item_of,
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
        let leaves = self.slots(&Leaves::of(record.envelope), reported);
        let mut sorted = Sorted { given: record.given, cells: BTreeMap::new(), items: 0 };
        let (mut said, mut carried, mut implied) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (at, leaf) in leaves.iter() {
            let field = self.fields.iter().enumerate().find_map(|(index, field)| Some((index, field, item_at(field, at)?)));
            match field {
                Some((index, field, item)) => match field.write(leaf, &self.words) {
                    Some(text) if !text.trim().is_empty() => {
                        carried.insert(item_of(at));
                        sorted.items = sorted.items.max(item + 1);
                        sorted.cells.entry((item, index)).or_default().push(text);
                    }
                    Some(_) => {}
                    None => left_out(at, "Cette valeur n’a pas d’écriture dans le fichier : elle n’y est pas.", &mut said, reported),
                },
                None if self.is_fixed(at, leaf) => implied.extend([item_of(at)]),
                None if of_the_route(at) => {}
                None => left_out(at, "Le fichier n’a pas de place pour ce champ : il n’y est pas.", &mut said, reported),
            }
        }
        // Of whom nothing but the role is known, nothing would be read again.
        for item in implied.difference(&carried).filter(|item| list_of(item) != **item) {
            left_out(item, "Rien de cet élément n’a de place dans le fichier : il n’y est pas.", &mut said, reported);
        }
        sorted
    }

    fn is_fixed(&self, at: &Pointer, leaf: &Value) -> bool {
        self.fixed.iter().any(|fixed| matches(&fixed.to, at) && fixed.value == *leaf)
    }

    /// The leaves with the items of each list where the mapping has them: an item goes to the first free place whose fixed values
    /// (the role of a person) are its own. One without a place is left out and reported.
    fn slots(&self, leaves: &Leaves, reported: &mut Vec<Finding>) -> Leaves {
        let places = self.fields.iter().map(|field| &field.to).chain(self.fixed.iter().map(|fixed| &fixed.to));
        let slots: BTreeSet<Pointer> = places.filter(|to| !is_item(to) && list_of(to) != **to).map(item_of).collect();
        let lists: BTreeSet<Pointer> = slots.iter().map(list_of).collect();
        let items: BTreeSet<Pointer> = leaves.iter().map(|(at, _)| item_of(at)).filter(|item| lists.contains(&list_of(item))).collect();
        let (mut moves, mut taken) = (BTreeMap::new(), BTreeSet::new());
        for item in &items {
            let fits = |slot: &&Pointer| list_of(slot) == list_of(item) && !taken.contains(*slot) && self.fits(leaves, item, slot);
            let slot = slots.iter().find(fits).cloned();
            taken.extend(slot.clone());
            moves.insert(item.clone(), slot);
        }
        let (mut moved, mut said) = (Leaves::new(), BTreeSet::new());
        for (at, leaf) in leaves.iter() {
            match moves.get(&item_of(at)) {
                None => moved.insert(at.clone(), leaf.clone()),
                Some(Some(slot)) => moved.insert(rebased(at, slot), leaf.clone()),
                Some(None) => left_out(at, "Le fichier n’a pas de place pour un élément de plus de cette liste.", &mut said, reported),
            }
        }
        if !self.fields.iter().any(|field| super::path(&field.to) == "subjects[].ref") {
            renumbered(&mut moved, reported);
        }
        moved
    }

    fn fits(&self, leaves: &Leaves, item: &Pointer, slot: &Pointer) -> bool {
        let of_slot = self.fixed.iter().filter(|fixed| !is_item(&fixed.to) && item_of(&fixed.to) == *slot);
        of_slot.into_iter().all(|fixed| leaves.at(&rebased(&fixed.to, item)) == Some(&fixed.value))
    }

    fn csv(&self, sorted: &[Sorted<'_>]) -> Result<Vec<u8>, Refused> {
        let absent = || Refused::from(Finding::new(Place::Whole, "no-format", "Cette correspondance ne décrit pas de CSV."));
        self.csv.as_ref().ok_or_else(absent)?;
        let rows: Vec<Vec<String>> = sorted.iter().flat_map(|record| self.rows(record)).collect();
        sheet::write(&self.columns(), &rows)
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

/// Which item of its list a leaf is of, when it belongs to a field; 0 for a field that does not repeat.
fn item_at(field: &super::Field, at: &Pointer) -> Option<usize> {
    let at = match field.list {
        Some(_) => {
            let (index, rest) = at.segments().split_last()?;
            index.parse::<usize>().ok()?;
            rest.iter().fold(Pointer::default(), |pointer, segment| pointer.child(segment.as_str()))
        }
        None => at.clone(),
    };
    matches(&field.to, &at).then(|| {
        let index = field.to.segments().iter().position(|segment| segment == ITEM);
        index.and_then(|index| at.segments().get(index)?.parse().ok()).unwrap_or(0)
    })
}

fn matches(to: &Pointer, at: &Pointer) -> bool {
    let (to, at) = (to.segments(), at.segments());
    let same = |(to, at): (&String, &String)| to == at || (to == ITEM && at.parse::<usize>().is_ok());
    to.len() == at.len() && to.iter().zip(at).all(same)
}

/// The same place in another item.
fn rebased(at: &Pointer, item: &Pointer) -> Pointer {
    at.segments().iter().skip(item.segments().len()).fold(item.clone(), |pointer, segment| pointer.child(segment.as_str()))
}

/// What the edge knows without the file: see [`super::Context`].
fn of_the_route(at: &Pointer) -> bool {
    const ROUTE: [&str; 10] =
        ["type", "sender", "recipient", "exclus", "purpose", "legal_basis", "agreement", "urgency", "in_reply_to", "case"];
    at.segments().first().is_some_and(|first| ROUTE.contains(&first.as_str()))
}

/// Takes off the names by which the document calls its persons (`s1`) where reading would give the same again, and says where not.
fn renumbered(leaves: &mut Leaves, reported: &mut Vec<Finding>) {
    let subjects = Pointer::default().child("subjects");
    let persons: BTreeSet<Pointer> = leaves.iter().map(|(at, _)| item_of(at)).filter(|item| item.within(&subjects)).collect();
    for (position, person) in persons.iter().enumerate() {
        let own = person.child("ref");
        let again = format!("s{}", position + 1);
        if leaves.at(&own).is_some_and(|name| *name != *again) {
            let detail = "Les personnes y sont dans un autre ordre : leurs renvois (s1, s2…) changent.";
            reported.push(Finding::new(Place::Path("subjects[].ref".into()), "renumbered", detail));
        }
    }
    leaves.retain(|at| !(at.within(&subjects) && at.segments().len() == 3 && at.segments().last().is_some_and(|last| last == "ref")));
}

fn left_out(at: &Pointer, detail: &str, said: &mut BTreeSet<String>, reported: &mut Vec<Finding>) {
    let path = at.path();
    if said.insert(path.clone()) {
        reported.push(Finding::new(Place::Path(path), "left-out", detail));
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
