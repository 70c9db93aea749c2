//! Reads the catalogue: every file of a folder, checked as a whole, all mistakes at once.
//!
//! A catalogue with one mistake is no catalogue. Shared files first, then the types that use their words.

mod computed;
mod fields;
mod forms;
mod shared;
mod tasks;
mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use exchange::{Kind, TypeCode};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use self::{
    fields::Expansion,
    forms::WrittenForm,
    shared::Words,
    written::{ReplyNeed, WrittenField, WrittenPersons, WrittenType},
};
use super::{AgreementNeed, Catalogue, Destination, ExchangeType, Need, Persons, Presence};
use crate::source::{Entry, Files, Folder, Item, Source, SourceFault};

/// Conditions of a destination that the gateway can tell.
const CONDITIONS: &[&str] = &["immediate-hors-horaires"];

impl Catalogue {
    /// Reads `dir`: one file for each version of a type, and the shared files whose names begin with `_`.
    ///
    /// # Errors
    /// Every mistake of every file. Within one table only the first mistake of shape shows; while a shared file
    /// cannot be read at all, the others are not held to its words.
    pub fn load(dir: &Path) -> Result<Self, Vec<SourceFault>> {
        let mut faults = Vec::new();
        let folder = Folder::read(dir, &mut faults);
        Self::gather(dir, folder, faults)
    }

    /// The same of a policy set that was read before.
    ///
    /// # Errors
    /// As [`Catalogue::load`].
    pub fn of(files: &Files) -> Result<Self, Vec<SourceFault>> {
        let mut faults = Vec::new();
        let folder = files.folder("catalogue", &mut faults);
        Self::gather(&files.place("catalogue"), folder, faults)
    }

    fn gather(dir: &Path, folder: Folder, mut faults: Vec<SourceFault>) -> Result<Self, Vec<SourceFault>> {
        // Of a folder that is not there, each file is not another mistake.
        if folder.sources.is_empty() && !faults.is_empty() {
            return Err(faults);
        }
        // Codes of types that are written with a mistake count as known: one mistake is told once.
        let mut codes = BTreeSet::new();
        let drafts: Vec<Draft<'_>> =
            folder.toml().filter(|source| !is_shared(source)).filter_map(|source| Draft::of(source, &mut codes, &mut faults)).collect();
        let Some(words) = Words::read(dir, &folder, &codes, &mut faults) else { return Err(in_order(faults)) };

        let mut types: BTreeMap<TypeCode, Vec<(&Source, usize, ExchangeType)>> = BTreeMap::new();
        for draft in drafts {
            let (source, at) = (draft.source, draft.header.code.span().start);
            if let Some(one) = draft.check(&words, &codes, &mut faults) {
                types.entry(one.code.clone()).or_default().push((source, at, one));
            }
        }
        let types = types.into_iter().map(|(code, versions)| (code, succession(versions, &mut faults))).collect();
        if !faults.is_empty() {
            return Err(in_order(faults));
        }
        let Words { kinds, origins, codes, clocks, obligations, calendar, .. } = words;
        Ok(Self { types, kinds, origins, codes, clocks, obligations, calendar, hash: folder.hash })
    }
}

fn is_shared(source: &Source) -> bool {
    source.file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"_"))
}

/// By file and line, each mistake once: a component's shows in every type that includes it.
fn in_order(mut faults: Vec<SourceFault>) -> Vec<SourceFault> {
    faults.sort_by(|a, b| (&a.file, a.line, &a.what).cmp(&(&b.file, b.line, &b.what)));
    faults.dedup_by(|a, b| (&a.file, a.line, &a.what) == (&b.file, b.line, &b.what));
    faults
}

/// A type as its file writes it.
struct Draft<'a> {
    source: &'a Source,
    header: WrittenType,
    fields: Vec<Item<WrittenField>>,
    forms: Vec<WrittenForm>,
}

impl<'a> Draft<'a> {
    fn of(source: &'a Source, codes: &mut BTreeSet<TypeCode>, faults: &mut Vec<SourceFault>) -> Option<Self> {
        let (mut fields, mut header, mut overriding, mut end) = (Vec::new(), DeTable::new(), Vec::new(), 0);
        let Some(entries) = source.entries(faults) else {
            codes.extend(source.file.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()));
            return None;
        };
        for Entry { name, at, value } in entries {
            end = end.max(value.span().end);
            if name == "code" {
                codes.extend(value.get_ref().as_str().and_then(|code| code.parse().ok()));
            }
            match (name.as_str(), value) {
                ("field", value) => fields = items(source, at, value, faults),
                ("answer" | "profiles", value) => overriding.push(Entry { name, at, value }),
                (_, value) => drop(header.insert(Spanned::new(at..at + name.len(), name.into()), value)),
            }
        }
        let forms = forms::read(source, &header, overriding, 0..end, faults);
        // A key that is absent is told at the top of the file.
        let header = source.item(Spanned::new(0..end, DeValue::Table(header)), faults)?;
        Some(Self { source, header: header.value, fields, forms })
    }

    /// The type with all its forms.
    fn check(self, words: &Words<'_>, codes: &BTreeSet<TypeCode>, faults: &mut Vec<SourceFault>) -> Option<ExchangeType> {
        let Self { source, header, fields, forms } = self;
        forms::of_profile(source, words, &header, &fields, &forms, faults);
        let answers = forms.iter().any(|form| form.name == super::ANSWER);
        let own = |path: &str| !answers || !forms::of_answer(path);
        let mut whole = Self::form(source, header, &fields, &own, (words, codes), faults);
        for WrittenForm { name, header } in forms {
            let answer = name == super::ANSWER;
            let own = |path: &str| if answer { forms::of_answer(path) } else { own(path) };
            let form = Self::form(source, header, &fields, &own, (words, codes), faults);
            if let (Some(whole), Some(form)) = (&mut whole, form) {
                whole.forms.insert(name, form);
            }
        }
        whole
    }

    /// One form: the head that holds for it, and the fields that are its own.
    fn form(
        source: &Source,
        header: WrittenType,
        fields: &[Item<WrittenField>],
        own: &dyn Fn(&str) -> bool,
        (words, codes): (&Words<'_>, &BTreeSet<TypeCode>),
        faults: &mut Vec<SourceFault>,
    ) -> Option<ExchangeType> {
        let at = header.code.span().start;
        let mut say = |at: usize, what: String, cure: &str| faults.push(source.fault(at, what, cure));
        if *header.version.get_ref() == 0 {
            say(header.version.span().start, "version 0".into(), "count versions from 1");
        }
        if !(1..=3).contains(header.tier.get_ref()) {
            say(header.tier.span().start, format!("tier {}", header.tier.get_ref()), "write 1, 2 or 3");
        }
        if header.danger && header.agreement == AgreementNeed::Required {
            say(at, "a danger type waits for no agreement (invariant 3)".into(), "write `none` or `for-channel`");
        }
        for (name, empty) in [
            ("title", header.title.trim().is_empty()),
            ("purpose", header.purpose.is_empty()),
            ("legal_basis", header.legal_basis.is_empty()),
            ("from", header.from.is_empty()),
            ("to", header.to.is_empty()),
            ("urgency", header.urgency.is_empty()),
            ("retention", header.retention.trim().is_empty()),
        ] {
            if empty {
                say(at, format!("`{name}` is empty"), "write what the type needs");
            }
        }
        let mut known = |list: &[Spanned<String>], what: &str, cure: &str, is: &dyn Fn(&str) -> bool| {
            for one in list.iter().filter(|one| !is(one.get_ref())) {
                say(one.span().start, format!("unknown {what} `{}`", one.get_ref()), cure);
            }
        };
        known(&header.purpose, "purpose", "use a code of CL-purpose", &|code| words.has_code("CL-purpose", code));
        known(&header.clocks, "clock", "use a clock of `_clocks.toml`", &|name| words.clock_names.contains(name));
        known(&header.obligations, "obligation", "use an obligation of `_obligations.toml`", &|name| words.obligation_names.contains(name));
        let is_type = |code: &str| code.parse::<TypeCode>().is_ok_and(|code| codes.contains(&code));
        known(&header.answered_by, "exchange type", "use the code of a type that has a file", &is_type);
        let answers_any = header.answers.iter().any(|one| one.get_ref() == "*");
        if answers_any && header.answers.len() > 1 {
            say(at, "`answers` names `*` and more".into(), "write `[\"*\"]` alone for a type that may answer any");
        } else if !answers_any {
            let mut known = |list: &[Spanned<String>]| {
                for one in list.iter().filter(|one| !is_type(one.get_ref())) {
                    say(
                        one.span().start,
                        format!("unknown exchange type `{}`", one.get_ref()),
                        "use the code of a type that has a file, or `[\"*\"]`",
                    );
                }
            };
            known(&header.answers);
        }
        for (clock, said) in &header.clocks_if {
            if !header.clocks.iter().any(|name| name.get_ref() == clock) || !said.get_ref().contains('=') {
                let what = format!("`{clock}` cannot wait for `{}`", said.get_ref());
                say(said.span().start, what, "name a clock of `clocks`, and a fact such as `objet=demande-evaluation`");
            }
        }
        // A clock without a limit for an urgency that the type allows would not run at all (invariant 12).
        for name in &header.clocks {
            let Some(rule) = words.clocks.get(name.get_ref()) else { continue };
            if let Some(urgency) = header.urgency.iter().find(|urgency| !rule.limit.contains_key(urgency)) {
                let what = format!("clock `{}` sets no limit for `{}`", rule.name, urgency.as_str());
                say(name.span().start, what, "add the limit in `_clocks.toml`, or take the urgency away");
            }
        }
        let (first, last) = source.period(Some(&header.effective_from), header.effective_to.as_ref(), faults);
        let from = words.kinds_of(source, &header.from, faults);
        let to = destinations(source, &header, words, faults);
        let persons = persons(source, words, &header.persons, &header, faults);
        forms::without(source, &header, fields, faults);
        let mut expansion = Expansion::new(words, faults);
        expansion.envelope(source, at, &header);
        for field in fields.iter().filter(|field| forms::has(&header, field.value.path.get_ref()) && own(field.value.path.get_ref())) {
            expansion.field(source, &field.value, "payload.");
        }
        let (fields, tree) = expansion.finish();
        let named: Vec<_> = header.clocks.iter().map(|name| (name.span().start, name.get_ref().clone())).collect();
        let text = |list: Vec<Spanned<String>>| list.into_iter().map(Spanned::into_inner).collect::<Vec<_>>();
        let type_codes = |list: Vec<Spanned<String>>| list.iter().filter_map(|one| one.get_ref().parse().ok()).collect();
        let exchange_type = ExchangeType {
            code: header.code.into_inner(),
            version: header.version.into_inner(),
            effective_from: first?,
            effective_to: last,
            title: header.title,
            tier: header.tier.into_inner(),
            danger: header.danger,
            purpose: text(header.purpose),
            legal_basis: header.legal_basis,
            from,
            to,
            disclosure: header.disclosure,
            agreement: header.agreement,
            urgency: header.urgency,
            human: header.human,
            clocks: text(header.clocks),
            clocks_if: header.clocks_if.into_iter().map(|(clock, said)| (clock, said.into_inner())).collect(),
            obligations: text(header.obligations),
            answered_by: type_codes(header.answered_by),
            answers: if answers_any { Vec::new() } else { type_codes(header.answers) },
            answers_any,
            native: header.native,
            retention: header.retention,
            subjects: header.subjects,
            information: header.information,
            attachments: header.attachments,
            persons,
            must_answer: header.in_reply_to.is_some_and(|need| *need.get_ref() == ReplyNeed::Required),
            profile_by: header.profile_by.map(|path| format!("payload.{}", path.get_ref())),
            forms: BTreeMap::new(),
            fields,
            tree,
        };
        for (at, name) in named {
            if let Some(path) = words.clocks.get(&name).and_then(|rule| tasks::unknown_path(rule, &exchange_type)) {
                faults.push(source.fault(
                    at,
                    format!("clock `{name}` waits for `{path}`, which this type does not have"),
                    "name a field of it",
                ));
            }
        }
        Some(exchange_type)
    }
}

/// Whom the type names; what it asks of a danger type would stop it for a form.
fn persons(source: &Source, words: &Words<'_>, written: &WrittenPersons, header: &WrittenType, faults: &mut Vec<SourceFault>) -> Persons {
    let at = header.code.span().start;
    let asks = !written.only.is_empty() || !written.need.is_empty() || !written.without.is_empty();
    if asks && header.danger {
        faults.push(source.fault(at, "a danger type is never refused for a form (invariant 3)", "take `persons` away"));
    }
    if !written.need.is_empty() && header.subjects == Presence::None {
        faults.push(source.fault(at, "`persons` needs whom the type does not name", "write `subjects = \"expected\"`"));
    }
    let mut known = |list: &[Spanned<String>], what: &str, is: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
        for one in list.iter().filter(|one| !is(one.get_ref())) {
            faults.push(source.fault(one.span().start, format!("unknown {what} `{}`", one.get_ref()), "use one that exists"));
        }
        list.iter().map(|one| one.get_ref().clone()).collect()
    };
    let role = |code: &str| words.has_code("CL-role", code);
    let only = known(&written.only, "role", &role);
    let mut need = Vec::new();
    for one in &written.need {
        let roles = known(&one.roles, "role", &role);
        let traits =
            known(&one.traits, "part of a subject", &|part| words.has_subject_part(part) || words.has_subject_part(&format!("{part}[]")));
        need.push(Need { roles, min: one.min, max: one.max, traits: traits.into_iter().collect(), say: one.say.clone() });
    }
    Persons { only, need }
}

fn destinations(source: &Source, header: &WrittenType, words: &Words<'_>, faults: &mut Vec<SourceFault>) -> Vec<Destination> {
    let mut to: Vec<Destination> = Vec::new();
    for one in &header.to {
        let when = one.when.as_ref().map(|word| word.get_ref().clone());
        if let Some(word) = one.when.as_ref().filter(|word| !CONDITIONS.contains(&word.get_ref().as_str())) {
            let cure = format!("write {}", CONDITIONS.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "));
            faults.push(source.fault(word.span().start, format!("unknown condition `{}`", word.get_ref()), cure));
        }
        let kinds: BTreeSet<Kind> = words.kinds_of(source, std::slice::from_ref(&one.kind), faults);
        for kind in kinds {
            let destination = Destination { kind, when: when.clone() };
            if !to.contains(&destination) {
                to.push(destination);
            }
        }
    }
    to
}

/// The versions of one type in the order of their days; two that are in force on one day are a fault.
fn succession(mut versions: Vec<(&Source, usize, ExchangeType)>, faults: &mut Vec<SourceFault>) -> Vec<ExchangeType> {
    versions.sort_by_key(|(_, _, one)| (one.effective_from, one.version));
    for pair in versions.windows(2) {
        let [(_, _, earlier), (source, at, later)] = pair else { continue };
        if earlier.version >= later.version {
            let what = format!("version {} of `{}` follows version {}", later.version, later.code, earlier.version);
            faults.push(source.fault(*at, what, "give each version its own number, in the order of its days"));
        }
        if earlier.effective_to.is_none_or(|last| last >= later.effective_from) {
            let what = format!("two versions of `{}` are in force on {}", later.code, later.effective_from);
            faults.push(source.fault(*at, what, "end the earlier version the day before this one begins"));
        }
    }
    versions.into_iter().map(|(_, _, one)| one).collect()
}

/// The items of a list of tables.
fn items<T: serde::de::DeserializeOwned>(
    source: &Source,
    at: usize,
    value: Spanned<DeValue<'_>>,
    faults: &mut Vec<SourceFault>,
) -> Vec<Item<T>> {
    if let DeValue::Array(list) = value.into_inner() {
        return list.into_iter().filter_map(|item| source.item(item, faults)).collect();
    }
    faults.push(source.fault(at, "this is not a list of tables", "write `[[…]]` before each one"));
    Vec::new()
}

#[cfg(test)]
mod tests;
