//! The shared files: code lists, kinds and groups, obligations, clocks, components, calendar.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use exchange::{DataClass, Kind, TypeCode};
use toml::{
    Spanned,
    de::{DeValue, ValueDeserializer},
};

use super::{
    fields::Expansion,
    is_shared, items,
    written::{WrittenCalendar, WrittenClock, WrittenField, WrittenKind, WrittenObligation},
};
use crate::{
    catalogue::{Calendar, ClockCondition, ClockRule, ClockStart, ClockStop, KindRule, ObligationRule, Span},
    source::{Entry, Folder, Item, Source, SourceFault, fault},
};

const FILES: [&str; 6] = ["_calendar.toml", "_clocks.toml", "_codes.toml", "_components.toml", "_kinds.toml", "_obligations.toml"];

/// What types may name. The `…_names` hold what is written with a mistake too, so that one mistake is told once.
pub(super) struct Words<'a> {
    pub(super) kinds: BTreeMap<Kind, KindRule>,
    kind_names: BTreeSet<String>,
    groups: BTreeMap<String, BTreeSet<Kind>>,
    pub(super) origins: BTreeMap<Kind, String>,
    pub(super) codes: BTreeMap<String, BTreeSet<String>>,
    pub(super) clocks: BTreeMap<String, ClockRule>,
    pub(super) clock_names: BTreeSet<String>,
    pub(super) obligations: BTreeMap<String, ObligationRule>,
    pub(super) obligation_names: BTreeSet<String>,
    pub(super) components: BTreeMap<String, Component<'a>>,
    pub(super) calendar: Calendar,
}

/// A group of fields that types include by name.
pub(super) struct Component<'a> {
    pub(super) source: &'a Source,
    pub(super) at: usize,
    pub(super) fields: Vec<Item<WrittenField>>,
}

impl<'a> Words<'a> {
    /// `None` when a file is not there or is no TOML.
    pub(super) fn read(dir: &Path, folder: &'a Folder, types: &BTreeSet<TypeCode>, faults: &mut Vec<SourceFault>) -> Option<Self> {
        for other in folder.toml().filter(|source| is_shared(source) && !FILES.iter().any(|name| source.file == dir.join(name))) {
            faults.push(other.fault(0, "no shared file has this name", format!("name it one of {}", FILES.join(", "))));
        }
        let mut open = |name: &str| {
            let Some(source) = folder.at(&dir.join(name)) else {
                faults.push(fault(&dir.join(name), 1, "the file is missing", "put it back: types speak its words"));
                return None;
            };
            source.entries(faults).map(|entries| (source, entries))
        };
        let [calendar, clocks, codes, components, kinds, obligations] = FILES.map(&mut open);
        let (calendar, clocks, codes, components, kinds, obligations) = (calendar?, clocks?, codes?, components?, kinds?, obligations?);
        let mut words = Self {
            kinds: BTreeMap::new(),
            kind_names: BTreeSet::new(),
            groups: BTreeMap::new(),
            origins: BTreeMap::new(),
            codes: BTreeMap::new(),
            clocks: BTreeMap::new(),
            clock_names: BTreeSet::new(),
            obligations: BTreeMap::new(),
            obligation_names: BTreeSet::new(),
            components: BTreeMap::new(),
            calendar: read_calendar(calendar.0, faults),
        };
        words.read_codes(codes.0, codes.1, faults);
        words.read_kinds(kinds.0, kinds.1, faults);
        words.derive_codes(types);
        words.read_obligations(obligations.0, obligations.1, types, faults);
        words.read_clocks(clocks.0, clocks.1, types, faults);
        for (code, _) in words.obligations.iter().filter(|(_, rule)| rule.life.deferral.is_some()) {
            if !words.clocks.values().any(|rule| rule.starts == ClockStart::Deferral && rule.waits_for(code)) {
                let what = format!("`{code}` may be put off and no clock brings it back");
                faults.push(clocks.0.fault(0, what, "name it in the `stops` of a clock that starts with a `deferral`"));
            }
        }
        for Entry { name, at, value } in components.1 {
            let fields = items(components.0, at, value, faults);
            words.components.insert(name, Component { source: components.0, at, fields });
        }
        for name in words.components.keys() {
            Expansion::new(&words, faults).component_alone(name);
        }
        Some(words)
    }

    pub(super) fn has_code(&self, list: &str, value: &str) -> bool {
        self.codes.get(list).is_some_and(|values| values.contains(value))
    }

    /// Whether `part` is a field, or a part that holds fields, of the component of persons.
    pub(super) fn has_subject_part(&self, part: &str) -> bool {
        self.components.get("subject").is_some_and(|subject| subject.fields.iter().any(|field| field.value.path.get_ref() == part))
    }

    pub(super) fn is_kind_or_group(&self, word: &str) -> bool {
        self.kind_names.contains(word) || self.groups.contains_key(word)
    }

    /// The kinds that kinds and groups name.
    pub(super) fn kinds_of(&self, source: &Source, list: &[Spanned<String>], faults: &mut Vec<SourceFault>) -> BTreeSet<Kind> {
        let mut kinds = BTreeSet::new();
        for one in list {
            if let Some(group) = self.groups.get(one.get_ref()) {
                kinds.extend(group.iter().cloned());
            } else if self.kind_names.contains(one.get_ref()) {
                kinds.extend(one.get_ref().parse::<Kind>().ok());
            } else {
                let what = if one.get_ref().starts_with('@') { "group" } else { "kind" };
                let what = format!("unknown {what} `{}`", one.get_ref());
                faults.push(source.fault(one.span().start, what, "use a kind or a group of `_kinds.toml`"));
            }
        }
        kinds
    }

    fn read_codes(&mut self, source: &Source, entries: Vec<Entry<'_>>, faults: &mut Vec<SourceFault>) {
        for Entry { name, at, value } in entries {
            if !name.starts_with("CL-") {
                faults.push(source.fault(at, format!("`{name}` is no name of a code list"), "begin it with `CL-`"));
            }
            let Some(list) = words_of(source, at, value, faults) else { continue };
            if list.is_empty() {
                faults.push(source.fault(at, format!("`{name}` is empty"), "write its values"));
            }
            let mut values = BTreeSet::new();
            for one in list {
                let start = one.span().start;
                if name.starts_with("CL-classe") && one.get_ref().parse::<DataClass>().is_err() {
                    faults.push(source.fault(
                        start,
                        format!("`{}` is no data class", one.get_ref()),
                        "use a data class that the gateway has",
                    ));
                }
                let value = one.into_inner();
                if values.contains(&value) {
                    faults.push(source.fault(start, format!("`{value}` stands twice in `{name}`"), "keep it once"));
                }
                values.insert(value);
            }
            self.codes.insert(name, values);
        }
    }

    /// Lists that other files make: the kinds, and the types that there are or that agreements may already name.
    fn derive_codes(&mut self, types: &BTreeSet<TypeCode>) {
        self.codes.insert("CL-sorte".to_owned(), self.kind_names.clone());
        let mut codes: BTreeSet<String> = types.iter().map(ToString::to_string).collect();
        codes.extend(self.codes.get("CL-type-prevu").into_iter().flatten().cloned());
        self.codes.insert("CL-type".to_owned(), codes);
    }

    fn read_kinds(&mut self, source: &Source, entries: Vec<Entry<'_>>, faults: &mut Vec<SourceFault>) {
        let (mut groups, mut origins) = (Vec::new(), Vec::new());
        for entry in entries {
            let (name, at) = (entry.name.clone(), entry.at);
            let Some(inner) = entry.into_table() else {
                faults.push(source.fault(at, format!("`{name}` is not a table"), "write `[kinds]`, `[groups]` and `[origins]`"));
                continue;
            };
            match name.as_str() {
                "kinds" => self.read_kind_rules(source, inner, faults),
                "groups" => groups = inner,
                "origins" => origins = inner,
                _ => faults.push(source.fault(at, format!("unknown entry `{name}`"), "write `[kinds]`, `[groups]` and `[origins]`")),
            }
        }
        for Entry { name, at, value } in groups {
            if !name.starts_with('@') {
                faults.push(source.fault(at, format!("`{name}` is no name of a group"), "begin it with `@`"));
            }
            let Some(list) = words_of(source, at, value, faults) else { continue };
            let kinds = self.kinds_of(source, &list, faults);
            self.groups.insert(name, kinds);
        }
        for Entry { name, at, value } in origins {
            let known = name.parse::<Kind>().ok().filter(|_| self.kind_names.contains(&name));
            if known.is_none() {
                faults.push(source.fault(at, format!("unknown kind `{name}`"), "use a kind of `[kinds]`"));
            }
            let Some(origin) = source.item::<Spanned<String>>(value, faults) else { continue };
            if !self.has_code("CL-origine", origin.value.get_ref()) {
                let what = format!("unknown origin `{}`", origin.value.get_ref());
                faults.push(source.fault(origin.value.span().start, what, "use a code of CL-origine"));
            } else if let Some(kind) = known {
                self.origins.insert(kind, origin.value.into_inner());
            }
        }
    }

    fn read_kind_rules(&mut self, source: &Source, entries: Vec<Entry<'_>>, faults: &mut Vec<SourceFault>) {
        for Entry { name, at, value } in entries {
            self.kind_names.insert(name.clone());
            let rule = source.item::<WrittenKind>(value, faults);
            match name.parse::<Kind>() {
                Err(_) => faults.push(source.fault(at, format!("`{name}` is no name of a kind"), "use lower-case letters, digits and `-`")),
                Ok(kind) => {
                    let rule = rule.map(|rule| KindRule { title: rule.value.title, secrecy: rule.value.secrecy, role: rule.value.role });
                    self.kinds.extend(rule.map(|rule| (kind, rule)));
                }
            }
        }
    }

    fn read_obligations(&mut self, source: &Source, entries: Vec<Entry<'_>>, types: &BTreeSet<TypeCode>, faults: &mut Vec<SourceFault>) {
        let mut numbers = BTreeSet::new();
        let end = entries.last().map_or(0, |entry| entry.at);
        for Entry { name, value, .. } in entries {
            self.obligation_names.insert(name.clone());
            let Some(Item { value: written, .. }) = source.item::<WrittenObligation>(value, faults) else { continue };
            number(source, &written.number, 'O', &mut numbers, faults);
            for rule in written.rules.iter().filter(|rule| !numbered(rule.get_ref(), 'R')) {
                faults.push(source.fault(rule.span().start, format!("`{}` is no rule", rule.get_ref()), "write `R` and two digits"));
            }
            if let Some(made) = written.makes.as_ref().filter(|made| !types.contains(made.get_ref())) {
                let what = format!("unknown exchange type `{}`", made.get_ref());
                faults.push(source.fault(made.span().start, what, "use the code of a type that has a file"));
            }
            let rule = ObligationRule {
                number: written.number.get_ref().clone(),
                title: written.title.clone(),
                rules: written.rules.iter().map(|rule| rule.get_ref().clone()).collect(),
                owner: written.owner,
                task: written.task,
                makes: written.makes.as_ref().map(|made| made.get_ref().clone()),
                life: self.life(source, written, types, faults),
            };
            self.obligations.insert(name, rule);
        }
        for code in super::tasks::unknown_opened(&self.obligations) {
            faults.push(source.fault(end, format!("a finding opens `{code}`, which is nobody's task"), "write that obligation"));
        }
    }

    fn read_clocks(&mut self, source: &Source, entries: Vec<Entry<'_>>, types: &BTreeSet<TypeCode>, faults: &mut Vec<SourceFault>) {
        let mut numbers = BTreeSet::new();
        for Entry { name, at, value } in entries {
            self.clock_names.insert(name.clone());
            let Some(Item { value: written, .. }) = source.item::<WrittenClock>(value, faults) else { continue };
            number(source, &written.number, 'K', &mut numbers, faults);
            for (what, empty) in [("stops", written.stops.is_empty()), ("limit", written.limit.is_empty())] {
                if empty {
                    faults.push(source.fault(at, format!("`{what}` of `{name}` is empty"), "say when the clock ends"));
                }
            }
            let stops = written.stops.iter().filter_map(|stop| self.stop(source, stop, types, faults)).collect();
            let limit: BTreeMap<_, _> = written.limit.iter().filter_map(|(u, text)| Some((*u, span(source, text, faults)?))).collect();
            let shortest = limit.values().map(|span| seconds(*span)).min();
            let mut spans = |list: &[Spanned<String>]| {
                let mut spans = Vec::new();
                for text in list {
                    let Some(one) = span(source, text, faults) else { continue };
                    let longest = limit.values().map(|span| seconds(*span)).max();
                    if longest.is_some_and(|longest| seconds(one) >= longest) {
                        let what = format!("the warning `{}` is not before the limit", text.get_ref());
                        faults.push(source.fault(text.span().start, what, "write a span shorter than the limit"));
                    }
                    spans.push(one);
                }
                spans
            };
            let (warnings, warnings_before) = (spans(&written.warn), spans(&written.before));
            let under_two = written.under_two.as_ref().and_then(|text| {
                let one = span(source, text, faults)?;
                if shortest.is_some_and(|shortest| seconds(one) > shortest) {
                    let what = format!("`{}` is longer than for an older child", text.get_ref());
                    faults.push(source.fault(text.span().start, what, "write a shorter span"));
                }
                Some(one)
            });
            let rule = ClockRule {
                number: written.number.into_inner(),
                name: name.clone(),
                title: written.title,
                starts: written.starts,
                stops,
                owner: written.owner,
                limit,
                under_two,
                warnings,
                warnings_before,
                working_time: written.working_time,
                only_from: &self.kinds_of(source, &written.only_from, faults) - &self.kinds_of(source, &written.except_from, faults),
                only_if: written.only_if.map(|written| ClockCondition { path: written.path.into_inner(), is: written.is }),
                starts_on: written.starts_on.map(Spanned::into_inner),
                source: written.source,
            };
            self.clocks.insert(name, rule);
        }
    }

    fn stop(
        &self,
        source: &Source,
        stop: &Spanned<String>,
        types: &BTreeSet<TypeCode>,
        faults: &mut Vec<SourceFault>,
    ) -> Option<ClockStop> {
        let mut say = |what: String, cure: &str| {
            faults.push(source.fault(stop.span().start, what, cure));
            None
        };
        match stop.get_ref().split_once(':').unwrap_or((stop.get_ref(), "")) {
            ("opened", "") => Some(ClockStop::Opened),
            ("acknowledged", "") => Some(ClockStop::Acknowledged),
            ("answered-by", code) => match code.parse::<TypeCode>().ok().filter(|code| types.contains(code)) {
                Some(code) => Some(ClockStop::AnsweredBy(code)),
                None => say(format!("unknown exchange type `{code}`"), "use the code of a type that has a file"),
            },
            // Somebody closes the follow-up of an obligation: without one the clock could never stop.
            ("recorded", code) if self.obligations.get(code).is_some_and(|rule| rule.task) => Some(ClockStop::Recorded(code.to_owned())),
            ("recorded", code) if self.obligation_names.contains(code) && !self.obligations.contains_key(code) => None,
            ("recorded", code) => say(format!("`{code}` is nobody's task"), "use an obligation of `_obligations.toml` that is a task"),
            _ => say(
                format!("unknown stop `{}`", stop.get_ref()),
                "write `opened`, `acknowledged`, `answered-by:TYPE` or `recorded:OBLIGATION`",
            ),
        }
    }
}

fn words_of(source: &Source, at: usize, value: Spanned<DeValue<'_>>, faults: &mut Vec<SourceFault>) -> Option<Vec<Spanned<String>>> {
    match <Vec<Spanned<String>> as serde::Deserialize>::deserialize(ValueDeserializer::from(value)) {
        Ok(list) => Some(list),
        Err(why) => {
            let at = why.span().map_or(at, |span| span.start);
            faults.push(source.fault(at, why.message().to_owned(), "write a list of words"));
            None
        }
    }
}

fn numbered(text: &str, letter: char) -> bool {
    text.strip_prefix(letter).is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn number(source: &Source, text: &Spanned<String>, letter: char, seen: &mut BTreeSet<String>, faults: &mut Vec<SourceFault>) {
    let start = text.span().start;
    if !numbered(text.get_ref(), letter) {
        faults.push(source.fault(start, format!("`{}` is no number", text.get_ref()), format!("write `{letter}` and two digits")));
    } else if !seen.insert(text.get_ref().clone()) {
        faults.push(source.fault(start, format!("number `{}` is taken", text.get_ref()), "give each its own number"));
    }
}

pub(super) fn span(source: &Source, text: &Spanned<String>, faults: &mut Vec<SourceFault>) -> Option<Span> {
    let parsed = text.get_ref().parse::<Span>().ok();
    if parsed.is_none() {
        let what = format!("`{}` is not a span", text.get_ref());
        faults.push(source.fault(text.span().start, what, "write it as ISO 8601, for example `P3M`, `P1D` or `PT2H`"));
    }
    parsed
}

/// Near enough to compare two spans of one clock.
fn seconds(span: Span) -> u64 {
    (u64::from(span.months) * 30 + u64::from(span.days)) * 86_400 + u64::from(span.seconds)
}

fn read_calendar(source: &Source, faults: &mut Vec<SourceFault>) -> Calendar {
    let Some(Item { value: written, .. }) = source.whole::<WrittenCalendar>(faults) else { return Calendar::default() };
    if written.zone.get_ref() != "Europe/Paris" {
        let what = format!("unknown zone `{}`", written.zone.get_ref());
        faults.push(source.fault(written.zone.span().start, what, "write `Europe/Paris`, the one zone that clocks count in"));
    }
    if *written.opens.get_ref() >= written.closes || written.closes > 24 {
        faults.push(source.fault(
            written.opens.span().start,
            "the day ends before it begins",
            "write hours such as `opens = 9`, `closes = 17`",
        ));
    }
    let mut holidays = BTreeSet::new();
    for written in &written.holidays {
        if let Some(day) = source.day(Some(written), faults)
            && !holidays.insert(day)
        {
            faults.push(source.fault(written.span().start, format!("{day} stands twice"), "keep it once"));
        }
    }
    Calendar { holidays, opens: written.opens.into_inner(), closes: written.closes }
}
