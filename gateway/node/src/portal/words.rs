//! What fields, codes and classes are called in French. The catalogue says what there is; a word that is missing here is
//! made of the catalogue's own.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// The words.
pub(super) fn words() -> &'static Words {
    static WORDS: LazyLock<Words> = LazyLock::new(|| toml::from_str(TEXT).unwrap_or_default());
    &WORDS
}

/// One dictionary.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    /// By the end of a path: `faits.texte` before `texte`.
    labels: BTreeMap<String, String>,
    /// The same for who reads what somebody else wrote.
    read: BTreeMap<String, String>,
    /// Sentences below a label.
    hints: BTreeMap<String, String>,
    /// What a button adds one more of.
    more: BTreeMap<String, String>,
    /// Fields in which people write at length.
    long: Vec<String>,
    /// Optional parts that are open all the same.
    front: Vec<String>,
    /// Code lists; `*` holds for all of them.
    codes: BTreeMap<String, BTreeMap<String, String>>,
    /// Data classes.
    classes: BTreeMap<String, String>,
}

impl Words {
    /// What a field is called.
    pub(super) fn label(&self, path: &str) -> String {
        let last = || self.humanised(path.rsplit('.').next().unwrap_or(path).trim_end_matches("[]"));
        best(&self.labels, path).map_or_else(last, str::to_owned)
    }

    /// What a field is called to who reads what somebody else wrote in it.
    pub(super) fn read(&self, path: &str) -> String {
        best(&self.read, path).map_or_else(|| self.label(path), str::to_owned)
    }

    /// What helps to fill it.
    pub(super) fn hint(&self, path: &str) -> Option<String> {
        best(&self.hints, path).map(str::to_owned)
    }

    /// What a button says that adds one more.
    pub(super) fn more(&self, path: &str) -> String {
        best(&self.more, path).map_or_else(|| "Ajouter une ligne".to_owned(), str::to_owned)
    }

    /// Whether people write at length here.
    pub(super) fn is_long(&self, path: &str) -> bool {
        ends(path).any(|end| self.long.contains(&end))
    }

    /// Whether an optional part is open all the same.
    pub(super) fn is_front(&self, path: &str) -> bool {
        ends(path).any(|end| self.front.contains(&end))
    }

    /// What a code says.
    pub(super) fn code(&self, list: &str, code: &str) -> String {
        let of = |list: &str| self.codes.get(list).and_then(|codes| codes.get(code));
        of(list).or_else(|| of("*")).cloned().unwrap_or_else(|| self.humanised(code))
    }

    /// What a class of data, or a part of a document, is called.
    pub(super) fn part(&self, part: &str) -> String {
        self.classes.get(part).cloned().unwrap_or_else(|| self.label(part))
    }

    /// A word of the catalogue, written as a person would.
    pub(super) fn humanised(&self, code: &str) -> String {
        let text = code.replace(['-', '_', '.'], " ");
        let mut letters = text.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }
}

fn best<'w>(words: &'w BTreeMap<String, String>, path: &str) -> Option<&'w str> {
    ends(path).find_map(|end| words.get(&end)).map(String::as_str)
}

/// `payload.faits[].texte`, `faits.texte`, `texte`: from the most to the least precise.
fn ends(path: &str) -> impl Iterator<Item = String> {
    let plain = path.replace("[]", "");
    let starts: Vec<usize> = std::iter::once(0).chain(plain.match_indices('.').map(|(at, _)| at + 1)).collect();
    starts.into_iter().filter_map(move |at| plain.get(at..).map(str::to_owned))
}

const TEXT: &str = include_str!("words.toml");

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;
    use crate::catalogue::{Catalogue, Level, Shape};

    #[test]
    fn every_field_and_code_of_a_type_of_the_portal_has_its_french_word() {
        let catalogue = Catalogue::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/catalogue")).unwrap();
        let now = "2026-11-25T09:30:00Z".parse().unwrap();
        let mut missing = BTreeSet::new();
        for field in catalogue.types_on(now).filter(|of| of.comes_in("portal")).flat_map(|of| &of.fields) {
            if field.level == Level::Auto || field.path.ends_with(".ref") || field.path.starts_with("attachments") {
                continue;
            }
            let ends = field.path.match_indices('.').map(|(at, _)| at).chain([field.path.len()]);
            for place in ends.map(|end| &field.path[..end]).filter(|place| *place != "payload") {
                if best(&words().labels, place).is_none() {
                    missing.insert(place.to_owned());
                }
            }
            if let Shape::Code(list) = &field.shape {
                let told = |list: &str, code: &str| words().codes.get(list).is_some_and(|codes| codes.contains_key(code));
                let without = catalogue.codes_of(list).filter(|code| !told(list, code) && !told("*", code));
                missing.extend(without.map(|code| format!("{list}: {code}")));
            }
        }
        assert_eq!(missing, BTreeSet::new());
    }

    #[test]
    fn the_dictionary_is_read_and_the_most_precise_word_wins() {
        let words: Words = toml::from_str(TEXT).unwrap();
        assert_ne!(words.label("payload.faits[].texte"), words.label("payload.autre.texte"));
        assert_eq!(words.label("payload.tout_autre_chose"), "Tout autre chose");
        assert_eq!(words.code("CL-nouvelle", "jamais-vu"), "Jamais vu");
        assert!(words.is_long("payload.faits[].texte") && !words.is_long("subjects[].birth_name"));
    }
}
