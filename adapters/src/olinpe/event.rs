//! One event of a file: a decision, a renewal or an end, for one child. It holds personal data, pseudonymised or not:
//! no `Serialize`, no `Display`, an empty `Debug`.

use std::fmt;

use super::variables::table;

/// The values of one event by variable, in one piece of memory that is used again for the next.
#[derive(Clone)]
pub struct Event {
    /// Line of the file at which it began, from 1.
    pub line: u64,
    /// What was odd in its writing.
    pub odd: Vec<Odd>,
    text: String,
    spans: Vec<Option<(usize, usize)>>,
}

/// What was odd in the writing of an event. Names no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// Something that the format has not, by its position in the event, from 1.
    Unknown(usize),
    /// A variable of the table that was given twice: the first counts.
    Twice(usize),
}

/// How many oddities of one event are kept; more are the same complaint.
const MOST_ODD: usize = 64;

impl Default for Event {
    fn default() -> Self {
        Self { line: 0, odd: Vec::new(), text: String::new(), spans: vec![None; table().variables.len()] }
    }
}

impl Event {
    /// Forgets everything, and begins at a line.
    pub fn begin(&mut self, line: u64) {
        self.line = line;
        self.odd.clear();
        self.text.clear();
        self.spans.fill(None);
    }

    /// What stands in the variable at a position of the table; empty when it was not given.
    pub fn at(&self, position: usize) -> &str {
        let span = self.spans.get(position).copied().flatten();
        span.and_then(|(from, to)| self.text.get(from..to)).unwrap_or_default()
    }

    /// Whether the variable was there at all, be it empty.
    pub fn has(&self, position: usize) -> bool {
        self.spans.get(position).is_some_and(Option::is_some)
    }

    /// What stands in a variable; empty when it was not given.
    pub fn get(&self, name: &str) -> &str {
        table().position(name).map(|position| self.at(position)).unwrap_or_default()
    }

    /// Gives a variable a value. A second value for the same variable is odd, and not taken.
    pub fn put(&mut self, position: usize, value: &str) {
        if self.has(position) {
            return self.note(Odd::Twice(position));
        }
        let from = self.text.len();
        self.text.push_str(value);
        if let Some(span) = self.spans.get_mut(position) {
            *span = Some((from, self.text.len()));
        }
    }

    /// Gives a variable another value, or takes it away.
    pub fn replace(&mut self, name: &str, value: Option<&str>) {
        let Some(position) = table().position(name) else { return };
        if let Some(span) = self.spans.get_mut(position) {
            *span = None;
        }
        if let Some(value) = value {
            self.put(position, value);
        }
    }

    /// Remembers an oddity.
    pub fn note(&mut self, odd: Odd) {
        if self.odd.len() < MOST_ODD {
            self.odd.push(odd);
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event(..)")
    }
}
