//! Where the values of an envelope belong in a mapping: worked out once for the mapping, looked up once for a value.

use std::collections::HashMap;

use exchange::{Pointer, document::Leaves};
use serde_json::Value;

use super::{Field, Fixed, ITEM, MAX_ITEMS};

/// The places of a mapping.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// Fields and fixed values by their pointer as text; an entry of a list field ends in [`ENTRY`].
    known: HashMap<String, Belongs>,
    /// The list whose items repeat.
    repeated: Option<Pointer>,
    /// The items that have places of their own, in order.
    slots: Vec<Slot>,
}

/// What a value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    /// A field, by its number.
    Field(usize),
    /// A value that the product never writes, by its number.
    Fixed(usize),
}

/// The place of one item of a list, and by what an item is known to be meant for it.
#[derive(Debug, Clone)]
struct Slot {
    at: Pointer,
    fixed: Vec<(Pointer, Value)>,
}

impl Places {
    pub(super) fn of(fields: &[Field], fixed: &[Fixed]) -> Self {
        let mut places = Self::default();
        let targets = fields.iter().map(|field| &field.to).chain(fixed.iter().map(|fixed| &fixed.to));
        for to in targets {
            let item = item_of(to.segments());
            if item.last().is_some_and(|last| last == ITEM) {
                places.repeated = Some(pointer(item.get(..item.len() - 1).unwrap_or_default()));
            } else if item.len() > list_len(to.segments()) && places.slots.iter().all(|slot| slot.at.segments() != item) {
                places.slots.push(Slot { at: pointer(item), fixed: Vec::new() });
            }
        }
        places.slots.sort_by(|one, other| one.at.cmp(&other.at));
        for (index, field) in fields.iter().enumerate() {
            let entry = if field.list.is_some() { ENTRY } else { "" };
            places.known.insert(format!("{}{entry}", key(field.to.segments())), Belongs::Field(index));
        }
        for (index, fixed) in fixed.iter().enumerate() {
            places.known.insert(key(fixed.to.segments()), Belongs::Fixed(index));
            if let Some(slot) = places.slots.iter_mut().find(|slot| slot.at.segments() == item_of(fixed.to.segments())) {
                slot.fixed.push((pointer(fixed.to.segments().get(slot.at.segments().len()..).unwrap_or_default()), fixed.value.clone()));
            }
        }
        places
    }

    /// What a value belongs to, and which item of the repeated list it is of; 0 for what does not repeat.
    pub(super) fn find(&self, at: &Pointer) -> Option<(Belongs, usize)> {
        let segments = at.segments();
        let top = self.repeated.as_ref().map(Pointer::segments).filter(|top| segments.starts_with(top));
        let item = top.and_then(|top| segments.get(top.len())?.parse::<usize>().ok()).filter(|item| *item < MAX_ITEMS);
        let mut text = String::new();
        for (n, segment) in segments.iter().enumerate() {
            let repeats = item.is_some() && top.is_some_and(|top| top.len() == n);
            push(&mut text, if repeats { ITEM } else { segment });
        }
        let entry = |text: &str| {
            let (list, last) = text.rsplit_once('/')?;
            last.bytes().all(|b| b.is_ascii_digit()).then(|| self.known.get(&format!("{list}{ENTRY}")))?
        };
        self.known.get(&text).or_else(|| entry(&text)).map(|belongs| (*belongs, item.unwrap_or(0)))
    }

    /// Moves the items of each list to the first free place whose fixed values (the role of a person) are their own. Returns what has
    /// no place, in order.
    pub(super) fn settle(&self, leaves: &mut Leaves) -> Vec<Pointer> {
        let mut taken = vec![false; self.slots.len()];
        let (mut moves, mut homeless) = (Vec::new(), Vec::new());
        let (mut last, mut slot): (&[String], Option<usize>) = (&[], None);
        for (at, leaf) in leaves.iter() {
            let item = item_of(at.segments());
            let list = item.get(..list_len(at.segments())).unwrap_or_default();
            if item.len() == list.len() || !self.slots.iter().any(|slot| slot.is_of(list)) {
                continue;
            }
            if item != last {
                last = item;
                slot = (0..self.slots.len()).find(|index| {
                    let free = taken.get(*index) == Some(&false);
                    free && self.slots.get(*index).is_some_and(|slot| slot.is_of(list) && slot.fits(leaves, item))
                });
                slot.and_then(|index| taken.get_mut(index)).into_iter().for_each(|taken| *taken = true);
            }
            let rest = at.segments().get(item.len()..).unwrap_or_default();
            match slot.and_then(|index| self.slots.get(index)) {
                Some(slot) if slot.at.segments() == item => {}
                Some(slot) => moves.push((at.clone(), Some((extended(&slot.at, rest), leaf.clone())))),
                None => {
                    homeless.push(at.clone());
                    moves.push((at.clone(), None));
                }
            }
        }
        let gone: std::collections::BTreeSet<Pointer> = moves.iter().map(|(from, _)| from.clone()).collect();
        leaves.retain(|at| !gone.contains(at));
        moves.into_iter().filter_map(|(_, to)| to).for_each(|(to, leaf)| leaves.insert(to, leaf));
        homeless
    }
}

impl Slot {
    fn is_of(&self, list: &[String]) -> bool {
        self.at.segments().split_last().is_some_and(|(_, top)| top == list)
    }

    fn fits(&self, leaves: &Leaves, item: &[String]) -> bool {
        self.fixed.iter().all(|(rest, value)| leaves.at(&extended(&pointer(item), rest.segments())) == Some(value))
    }
}

/// The item of the outermost list in which a place lies; the place itself where it lies in none.
pub(super) fn item_of(segments: &[String]) -> &[String] {
    segments.get(..=list_len(segments)).unwrap_or(segments)
}

/// How many steps lead to the outermost list of a place; all of them where there is none.
pub(super) fn list_len(segments: &[String]) -> usize {
    let is_index = |segment: &&String| *segment != ITEM && !segment.bytes().all(|b| b.is_ascii_digit());
    segments.iter().take_while(is_index).count()
}

/// A place some steps below another.
pub(super) fn extended(at: &Pointer, rest: &[String]) -> Pointer {
    rest.iter().fold(at.clone(), |at, segment| at.child(segment.as_str()))
}

fn pointer(segments: &[String]) -> Pointer {
    extended(&Pointer::default(), segments)
}

fn key(segments: &[String]) -> String {
    let mut text = String::new();
    segments.iter().for_each(|segment| push(&mut text, segment));
    text
}

/// One more step, written so that two places are never the same text (RFC 6901).
fn push(text: &mut String, segment: &str) {
    text.push('/');
    if segment.contains(['~', '/']) {
        text.push_str(&segment.replace('~', "~0").replace('/', "~1"));
    } else {
        text.push_str(segment);
    }
}

/// Ends the key of a field that takes every entry of a list; no step of a pointer is written like this.
const ENTRY: &str = "/~";
