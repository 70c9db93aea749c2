//! Other forms of one type: what answers it in the other direction (`[answer]`), and its profiles (`[profiles.NAME]`).
//!
//! A form is the head of the type with the keys that it writes itself, and the fields that it does not take away
//! (`without`). Fields below `reponse` belong to the answer alone, all others to the question alone.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    shared::Words,
    written::{WrittenField, WrittenType},
};
use crate::{
    catalogue::ANSWER,
    source::{Entry, Item, Source, SourceFault},
};

/// One form as its file writes it, the head of the type included.
pub(super) struct WrittenForm {
    pub(super) name: String,
    pub(super) header: WrittenType,
}

/// Reads `[answer]` and `[profiles]` over the head of their type.
pub(super) fn read(
    source: &Source,
    head: &DeTable<'_>,
    overriding: Vec<Entry<'_>>,
    whole: Range<usize>,
    faults: &mut Vec<SourceFault>,
) -> Vec<WrittenForm> {
    let mut forms = Vec::new();
    for entry in overriding {
        let at = entry.at;
        let tables = match (entry.name.as_str(), entry.value) {
            ("answer", value) => vec![(ANSWER.to_owned(), value)],
            (_, value) => match value.into_inner() {
                DeValue::Table(profiles) => profiles.into_iter().map(|(name, value)| (name.into_inner().into_owned(), value)).collect(),
                _ => {
                    faults.push(source.fault(at, "`profiles` is not a table", "write `[profiles.NAME]`"));
                    continue;
                }
            },
        };
        for (name, value) in tables {
            let at = value.span().start;
            let DeValue::Table(own) = value.into_inner() else {
                faults.push(source.fault(at, format!("form `{name}` is not a table"), "write `[answer]` or `[profiles.NAME]`"));
                continue;
            };
            let mut merged = head.clone();
            for (key, value) in own {
                // The place of the form's own key: the head's key is taken out first.
                merged.remove(key.get_ref().as_ref());
                merged.insert(key, value);
            }
            let Some(header) = source.item::<WrittenType>(Spanned::new(whole.clone(), DeValue::Table(merged)), faults) else { continue };
            forms.push(WrittenForm { name, header: header.value });
        }
    }
    forms
}

/// Whether a field of the payload belongs to the answer.
pub(super) fn of_answer(path: &str) -> bool {
    path.starts_with("reponse.")
}

/// Whether a form has a field.
pub(super) fn has(header: &WrittenType, path: &str) -> bool {
    !header.without.iter().any(|taken| under(path, taken.get_ref()))
}

/// What a form takes away must be there.
pub(super) fn without(source: &Source, header: &WrittenType, fields: &[Item<WrittenField>], faults: &mut Vec<SourceFault>) {
    for taken in &header.without {
        if !fields.iter().any(|field| under(field.value.path.get_ref(), taken.get_ref())) {
            let what = format!("`{}` is no field of this type", taken.get_ref());
            faults.push(source.fault(taken.span().start, what, "write the path of a field below the payload"));
        }
    }
}

/// A profile is chosen by a code of the field that `profile_by` names, or by what the exchange answers.
pub(super) fn of_profile(
    source: &Source,
    words: &Words<'_>,
    header: &WrittenType,
    fields: &[Item<WrittenField>],
    forms: &[WrittenForm],
    faults: &mut Vec<SourceFault>,
) {
    let Some(by) = &header.profile_by else { return };
    let list = fields.iter().find(|field| field.value.path.get_ref() == by.get_ref()).map(|field| field.value.shape.get_ref());
    let at = by.span().start;
    let Some(list) = list.filter(|list| words.codes.contains_key(*list)) else {
        faults.push(source.fault(at, format!("`{}` is no code of this type", by.get_ref()), "name a field that holds a code list"));
        return;
    };
    for form in forms.iter().filter(|form| form.name != ANSWER && !words.has_code(list, &form.name)) {
        faults.push(source.fault(at, format!("no code of `{list}` chooses profile `{}`", form.name), "name the profile after a code"));
    }
}

fn under(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}
