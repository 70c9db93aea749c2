//! What is kept of each child while a file is read: a record of fixed size, however many events the child has, so that the
//! memory grows with children and not with events.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use time::{Date, macros::date};

/// Bytes kept per child, its identifier included. The tree that holds them adds at most as much again.
pub const BYTES_PER_CHILD: usize = size_of::<Child>() + size_of::<Id>();

/// Children of one file: ten times those whom the country's largest département protects.
pub const MAX_CHILDREN: usize = 500_000;

/// A pseudonym as bytes.
pub(super) type Id = [u8; 20];

/// Events of one child that are compared with each other.
const EVENTS: usize = 12;
/// Ends of one child that look for their start.
const ENDS: usize = 6;

/// Every child of a file, in the order of their pseudonyms.
#[derive(Default)]
pub(super) struct Children(BTreeMap<Id, Child>);

/// One child. Fingerprints are of 32 bits and compared within one child only: of a thousand million pairs of different
/// events one in four is called equal wrongly.
#[derive(Default, Clone, Copy)]
pub(super) struct Child {
    /// Birth year, birth month and sex as first seen.
    birth: Option<(u16, u8, u8)>,
    whole: Few<u32, EVENTS>,
    keys: Few<u32, EVENTS>,
    starts: Few<u16, EVENTS>,
    ends: Few<(u32, u16), ENDS>,
}

/// As many of something as there is room for.
#[derive(Clone, Copy)]
struct Few<T, const N: usize> {
    items: [T; N],
    len: u8,
}

/// There is no room for one more: what was to be compared is not.
pub(super) struct Full;

impl Children {
    /// The record of a child, new or known.
    pub(super) fn of(&mut self, id: Id) -> Result<&mut Child, Full> {
        if self.0.len() >= MAX_CHILDREN && !self.0.contains_key(&id) {
            return Err(Full);
        }
        Ok(self.0.entry(id).or_default())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The lines of ends whose start was not in the file, in order.
    pub(super) fn orphans(&self) -> Vec<u64> {
        let lonely = |child: &Child, start: u16| !child.starts.all().contains(&start);
        let ends = self.0.values().flat_map(|child| child.ends.all().iter().filter(move |(_, start)| lonely(child, *start)));
        let mut lines: Vec<_> = ends.map(|(line, _)| u64::from(*line)).collect();
        lines.sort_unstable();
        lines
    }
}

impl Child {
    /// Whether the birth and sex are those first seen.
    pub(super) fn is(&mut self, birth: (u16, u8, u8)) -> bool {
        *self.birth.get_or_insert(birth) == birth
    }

    /// Whether an event of this fingerprint was seen before.
    pub(super) fn repeats(&mut self, whole: u32) -> Result<bool, Full> {
        self.whole.seen(whole)
    }

    /// Whether a decision of this fingerprint was seen before.
    pub(super) fn decided(&mut self, key: u32) -> Result<bool, Full> {
        self.keys.seen(key)
    }

    /// A measure began.
    pub(super) fn starts(&mut self, on: Date) -> Result<(), Full> {
        self.starts.seen(day(on)).map(|_| ())
    }

    /// A measure that had begun on a day ends at a line.
    pub(super) fn ends(&mut self, line: u64, began: Date) -> Result<(), Full> {
        self.ends.push((u32::try_from(line).map_err(|_| Full)?, day(began)))
    }
}

impl<T: Copy + PartialEq, const N: usize> Few<T, N> {
    fn all(&self) -> &[T] {
        self.items.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn push(&mut self, item: T) -> Result<(), Full> {
        *self.items.get_mut(usize::from(self.len)).ok_or(Full)? = item;
        self.len += 1;
        Ok(())
    }

    fn seen(&mut self, item: T) -> Result<bool, Full> {
        if self.all().contains(&item) {
            return Ok(true);
        }
        self.push(item).map(|()| false)
    }
}

impl<T: Copy + Default, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self { items: [T::default(); N], len: 0 }
    }
}

/// The same for the same texts, in any run.
pub(super) fn fingerprint<'a>(texts: impl Iterator<Item = &'a str>) -> u32 {
    let mut hasher = DefaultHasher::new();
    texts.for_each(|text| text.hash(&mut hasher));
    (hasher.finish() >> 32) as u32
}

/// Days since 1950, which two bytes hold until 2129.
fn day(on: Date) -> u16 {
    let days = (on - date!(1950 - 01 - 01)).whole_days();
    u16::try_from(days.max(0)).unwrap_or(u16::MAX)
}
