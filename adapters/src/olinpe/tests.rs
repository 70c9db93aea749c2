//! An event without a fault, a scheme with test keys, and the tests of the room by what they are about.

mod checking;
mod exporting;
mod reading;

use ring::hmac;

use super::*;

/// A start of an administrative accueil provisoire of a girl of nine, without a fault in itself.
pub(super) const START: [(&str, &str); 20] = [
    ("NUMDEP", "01"),
    ("NUMANONYM", "00000000000000000000000000000000000000aa"),
    ("SEXE", "2"),
    ("MNAIS", "5"),
    ("ANAIS", "2015"),
    ("TYPEV", "1"),
    ("DECISION", "1"),
    ("DATDECPE", "2025-03-02"),
    ("DATDEB", "2025-03-10"),
    ("NATPDECADM", "11"),
    ("LIEUACC", "3"),
    ("ACCMOD", "1"),
    ("AUTRLIEUACC", "9"),
    ("PROJET", "2"),
    ("DATPPE", "2025-04-01"),
    ("NEGLIG", "2"),
    ("LIENA1", "1"),
    ("ANSA1", "1987"),
    ("ANSMERE", "1987"),
    ("HANDICAP", "1"),
];

/// [`START`] with some values changed; an empty one is taken away.
pub(super) fn event(changes: &[(&str, &str)]) -> Event {
    let mut event = Event::default();
    event.begin(2);
    for (name, value) in START.iter().chain(changes) {
        event.replace(name, (!value.is_empty()).then_some(*value));
    }
    event
}

/// The report on some events.
pub(super) fn report(events: &[Event]) -> Report {
    let mut checks = Checks::new(Form::Xml, 2025);
    for (event, line) in events.iter().zip(2..) {
        let mut event = event.clone();
        event.line = line;
        checks.see(&event);
    }
    checks.report()
}

/// Codes and variables of what a report finds, without what is said of the file as a whole.
pub(super) fn found(report: &Report) -> Vec<(&'static str, Option<&'static str>, u64)> {
    let of_file = [Check::JamaisPresente, Check::ToujoursVide, Check::ToujoursInconnue];
    let tallies = report.tallies.iter().filter(|tally| !of_file.contains(&tally.check));
    tallies.map(|tally| (tally.check.code(), tally.variable, tally.count)).collect()
}

/// Calls `with` with a scheme under keys of the test.
pub(super) fn with_scheme<T>(with: impl FnOnce(&dyn Pseudonym) -> T) -> T {
    let mac = |secret: &'static [u8]| {
        move |text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text).as_ref().try_into().unwrap()
    };
    let (department, national) = (mac(b"department key of the tests"), mac(b"national key of the tests"));
    let phonetic = |name: &str| {
        let letters: String = name.to_uppercase().replace('É', "E").chars().filter(char::is_ascii_uppercase).collect();
        (!letters.is_empty()).then_some(letters)
    };
    with(&Keyed { phonetic: &phonetic, department: &department, national: &national })
}
