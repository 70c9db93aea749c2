//! The quality checks before an OLINPE file is sent: each event by itself, and the events of one child against each other.
//! What is found names a line and a variable, never what stands there.

use time::Date;

use super::{
    children::{Children, Full, Id, fingerprint},
    event::{Event, Odd},
    read::{Form, Source},
    report::{Check, Report, Tallies},
    variables::{Age, Condition, Given, Kind, Table, Variable, date, month, table, year},
};
use crate::reading::Refused;

/// Checks a whole file.
///
/// # Errors
/// [`Refused`] when the file cannot be read to its end.
pub fn check(source: &mut dyn Source, year: u16) -> Result<Report, Refused> {
    let (mut checks, mut event) = (Checks::new(source.form(), year), Event::default());
    while source.read(&mut event)? {
        checks.see(&event);
    }
    Ok(checks.report())
}

/// The checks of one file for one year, event after event.
pub struct Checks {
    year: u16,
    rules: Vec<Rule>,
    at: Positions,
    seen: Vec<Seen>,
    children: Children,
    tallies: Tallies,
    events: u64,
    by_type: [u64; 3],
}

/// One variable with its conditions as positions.
struct Rule {
    variable: &'static Variable,
    needed: Option<Vec<(usize, &'static [String])>>,
    only: Option<Vec<(usize, &'static [String])>>,
}

/// How often a variable was there, said something, said something else than « ne sait pas ».
#[derive(Default, Clone, Copy)]
struct Seen {
    present: u64,
    filled: u64,
    known: u64,
}

/// Where the variables stand that more than one check reads.
struct Positions {
    id: usize,
    birth_year: usize,
    birth_month: usize,
    sex: usize,
    kind: usize,
    decision: usize,
    decided: usize,
    begun: usize,
    ended: usize,
    administrative: [usize; 5],
    judicial: [usize; 5],
}

impl Checks {
    /// Nothing seen yet. `form` says how places are named, `year` is the one that is reported.
    pub fn new(form: Form, year: u16) -> Self {
        let table = table();
        Self {
            year,
            rules: table.variables.iter().map(|variable| Rule::of(variable, table)).collect(),
            at: Positions::of(table),
            seen: vec![Seen::default(); table.variables.len()],
            children: Children::default(),
            tallies: Tallies::new(form),
            events: 0,
            by_type: [0; 3],
        }
    }

    /// Checks one event.
    pub fn see(&mut self, event: &Event) {
        self.events += 1;
        self.odd(event);
        let age = self.age(event);
        self.variables(event, age);
        self.adults(event, age);
        self.dates(event);
        if let Some(kind) = event.at(self.at.kind).parse::<usize>().ok().and_then(|kind| self.by_type.get_mut(kind.wrapping_sub(1))) {
            *kind += 1;
        }
        if let Some(id) = id(event.at(self.at.id))
            && self.child(event, id).is_err()
        {
            self.tallies.count(Check::ControleIncomplet, event.line, None);
        }
    }

    /// Counts something that another room found.
    pub(super) fn tallies(&mut self) -> &mut Tallies {
        &mut self.tallies
    }

    /// What was found, once every event was seen.
    pub fn report(mut self) -> Report {
        for line in self.children.orphans() {
            self.tallies.count(Check::FinSansDebut, line, Some(self.at.begun));
        }
        for (position, (rule, seen)) in self.rules.iter().zip(&self.seen).enumerate() {
            let expected = !rule.variable.retired && rule.variable.kind != Kind::Text;
            let check = match seen {
                Seen { present: 0, .. } => Check::JamaisPresente,
                Seen { filled: 0, .. } => Check::ToujoursVide,
                Seen { known: 0, .. } => Check::ToujoursInconnue,
                Seen { .. } => continue,
            };
            if expected && self.events > 0 {
                self.tallies.count(check, 1, Some(position));
            }
        }
        let children = u64::try_from(self.children.len()).unwrap_or(u64::MAX);
        Report { year: self.year, events: self.events, children, by_type: self.by_type, tallies: self.tallies.list() }
    }

    fn odd(&mut self, event: &Event) {
        for odd in &event.odd {
            match *odd {
                Odd::Unknown(nth) => self.tallies.count_unknown(event.line, nth),
                Odd::Twice(position) => self.tallies.count(Check::VariableRepetee, event.line, Some(position)),
            }
        }
    }

    fn variables(&mut self, event: &Event, age: Option<Age>) {
        for (position, (rule, seen)) in self.rules.iter().zip(&mut self.seen).enumerate() {
            let given = rule.variable.given(event.at(position));
            seen.present += u64::from(event.has(position));
            seen.filled += u64::from(given != Given::Nothing);
            seen.known += u64::from(matches!(given, Given::Known(_)));
            if let Some(check) = rule.judge(event, given, age) {
                self.tallies.count(check, event.line, Some(position));
            }
        }
    }

    /// Adults of the household: not born too long ago, nor too short before a minor.
    fn adults(&mut self, event: &Event, age: Option<Age>) {
        let limits = table().limits;
        let child = year(event.at(self.at.birth_year)).filter(|_| age != Some(Age::Majeur));
        for (position, rule) in self.rules.iter().enumerate() {
            if rule.variable.kind != Kind::Year || position == self.at.birth_year {
                continue;
            }
            let Some(adult) = year(event.at(position)) else { continue };
            if adult < limits.oldest_parent || child.is_some_and(|child| child < adult + limits.parent_gap) {
                self.tallies.count(Check::Parents, event.line, Some(position));
            }
        }
    }

    fn dates(&mut self, event: &Event) {
        let on = |position| date(event.at(position));
        let (decided, begun, ended) = (on(self.at.decided), on(self.at.begun), on(self.at.ended));
        if let (Some(begun), Some(ended)) = (begun, ended) {
            let days = (ended - begun).whole_days();
            if days < 0 {
                self.tallies.count(Check::OrdreDesDates, event.line, Some(self.at.ended));
            } else if days > table().limits.duration_days {
                self.tallies.count(Check::DureeExcessive, event.line, Some(self.at.ended));
            }
        }
        let mut known = [decided, begun, ended].into_iter().flatten().peekable();
        if known.peek().is_some() && known.all(|date| date.year() != i32::from(self.year)) {
            self.tallies.count(Check::HorsPerimetre, event.line, None);
        }
    }

    /// The age at the decision, or at the start where the decision has no date; counts what is impossible.
    fn age(&mut self, event: &Event) -> Option<Age> {
        let on = date(event.at(self.at.decided)).or_else(|| date(event.at(self.at.begun)))?;
        let years = full_years(year(event.at(self.at.birth_year))?, month(event.at(self.at.birth_month))?, on);
        if !(0..=table().limits.last_age).contains(&years) {
            self.tallies.count(Check::Age, event.line, Some(self.at.birth_year));
        }
        Some(if years < 18 { Age::Mineur } else { Age::Majeur })
    }

    /// The event against those that were seen of the same child.
    fn child(&mut self, event: &Event, id: Id) -> Result<(), Full> {
        let at = &self.at;
        let child = self.children.of(id)?;
        let sex = event.at(at.sex).parse().unwrap_or_default();
        let birth = (year(event.at(at.birth_year)).unwrap_or_default(), month(event.at(at.birth_month)).unwrap_or_default(), sex);
        if !child.is(birth) {
            self.tallies.count(Check::IdentifiantIncoherent, event.line, Some(at.id));
        }
        let (begun, ended) = (date(event.at(at.begun)), date(event.at(at.ended)));
        let kept = match (event.at(at.kind), begun, ended) {
            ("1" | "2", Some(begun), _) => child.starts(begun),
            // A start of an earlier year is in an earlier file.
            ("3", Some(begun), Some(ended)) if begun.year() == ended.year() => child.ends(event.line, begun),
            _ => Ok(()),
        };
        if child.repeats(fingerprint(self.rules.iter().enumerate().map(|(position, _)| event.at(position))))? {
            self.tallies.count(Check::Doublon, event.line, None);
            return kept;
        }
        let (check, key) = match event.at(at.decision) {
            "1" => (Check::DoublonAdministratif, at.administrative),
            "2" => (Check::DoublonJudiciaire, at.judicial),
            _ => return kept,
        };
        if child.decided(fingerprint(std::iter::once(check.code()).chain(key.map(|position| event.at(position)))))? {
            self.tallies.count(check, event.line, None);
        }
        kept
    }
}

impl Rule {
    fn of(variable: &'static Variable, table: &Table) -> Self {
        let compile = |condition: &'static Condition| {
            condition.iter().map(|(name, values)| (table.position(name).unwrap_or(usize::MAX), values.as_slice())).collect()
        };
        Self { variable, needed: variable.needed.as_ref().map(compile), only: variable.only.as_ref().map(compile) }
    }

    /// The one thing that is wrong with a value, if any.
    fn judge(&self, event: &Event, given: Given<'_>, age: Option<Age>) -> Option<Check> {
        let variable = self.variable;
        let value = match given {
            // « Ne sait pas » answers a question, but dates no event.
            Given::Nothing => return self.is_needed(event).then_some(self.missing()),
            Given::Unknown => return (variable.kind == Kind::Date && self.is_needed(event)).then_some(Check::Absente),
            Given::Known(value) => value,
        };
        let outside = |codes: &[String]| {
            !codes.is_empty() && variable.codes.iter().any(|code| code == value) && !codes.iter().any(|code| code == value)
        };
        if variable.retired {
            Some(Check::VariableRetiree)
        } else if variable.kind == Kind::Text {
            Some(Check::TexteLibre)
        } else if !variable.accepts(value) {
            Some(self.malformed())
        } else if self.only.as_ref().is_some_and(|condition| !holds(condition, event)) {
            Some(Check::NonAttendue)
        } else {
            match age {
                Some(Age::Majeur) if variable.ages == Some(Age::Mineur) || outside(&variable.codes_adult) => Some(Check::ReserveeMineurs),
                Some(Age::Mineur) if variable.ages == Some(Age::Majeur) || outside(&variable.codes_minor) => Some(Check::ReserveeMajeurs),
                _ => None,
            }
        }
    }

    fn is_needed(&self, event: &Event) -> bool {
        self.needed.as_ref().is_some_and(|condition| holds(condition, event))
    }

    fn missing(&self) -> Check {
        if self.variable.kind == Kind::Id { Check::Identifiant } else { Check::Absente }
    }

    fn malformed(&self) -> Check {
        match self.variable.kind {
            Kind::Id => Check::Identifiant,
            Kind::Year | Kind::Month | Kind::Date | Kind::YearMonth => Check::DateIncorrecte,
            Kind::Department | Kind::Code | Kind::Number | Kind::Text => Check::CodeInconnu,
        }
    }
}

impl Positions {
    fn of(table: &Table) -> Self {
        let at = |name: &str| table.position(name).unwrap_or(usize::MAX);
        Self {
            id: at("NUMANONYM"),
            birth_year: at("ANAIS"),
            birth_month: at("MNAIS"),
            sex: at("SEXE"),
            kind: at("TYPEV"),
            decision: at("DECISION"),
            decided: at("DATDECPE"),
            begun: at("DATDEB"),
            ended: at("DATFIN"),
            administrative: ["TYPEV", "NATPDECADM", "DATDECPE", "LIEUACC", "TYPINTERDOM"].map(at),
            judicial: ["TYPEV", "NATDECASSED", "DATDECPE", "LIEUPLAC", "TYPDECJUD"].map(at),
        }
    }
}

fn holds(condition: &[(usize, &'static [String])], event: &Event) -> bool {
    condition.iter().all(|(position, values)| {
        let value = event.at(*position);
        values.iter().any(|one| one == value)
    })
}

fn full_years(born_year: u16, born_month: u8, on: Date) -> i32 {
    on.year() - i32::from(born_year) - i32::from(u8::from(on.month()) < born_month)
}

fn id(text: &str) -> Option<Id> {
    let mut id = Id::default();
    let bytes = text.as_bytes();
    if bytes.len() != 40 {
        return None;
    }
    for (into, pair) in id.iter_mut().zip(bytes.chunks_exact(2)) {
        *into = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(id)
}
