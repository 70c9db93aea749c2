//! What a mapping must be by itself, whatever the catalogue says.

use std::collections::BTreeSet;

use exchange::Pointer;

use super::{
    Field, Mapping,
    load::{at, is_item},
    places::list_len,
};
use crate::reading::{Finding, Place};

impl Mapping {
    /// What a mapping must be by itself.
    pub(super) fn alone(&self, findings: &mut Vec<Finding>) {
        if self.csv.is_none() && self.xml.is_none() {
            findings.push(Finding::new(Place::Whole, "no-format", "Il manque une section [csv] ou [xml]."));
        }
        let mut twice = |name: String, what: Option<&str>, seen: &mut BTreeSet<String>, detail: &str| {
            if let Some(what) = what
                && !seen.insert(what.to_owned())
            {
                findings.push(Finding::new(at(&name), "twice", format!("{detail} : « {what} ».")));
            }
        };
        let (mut targets, mut columns, mut elements) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (index, field) in self.fields.iter().enumerate() {
            twice(format!("field[{index}].to"), Some(&field.to.to_string()), &mut targets, "Deux colonnes vont au même champ");
            twice(format!("field[{index}].column"), field.column.as_deref(), &mut columns, "La même colonne va à deux champs");
            let element = field.element.as_ref().map(|element| format!("{}{element}", if field.is_item() { "-/" } else { "" }));
            twice(format!("field[{index}].element"), element.as_deref(), &mut elements, "Le même élément va à deux champs");
        }
        for (index, given) in self.given.iter().enumerate() {
            twice(format!("given[{index}].column"), given.column.as_deref(), &mut columns, "La même colonne va à deux champs");
            twice(format!("given[{index}].element"), given.element.as_deref(), &mut elements, "Le même élément va à deux champs");
        }
        for (index, fixed) in self.fixed.iter().enumerate() {
            twice(format!("fixed[{index}].to"), Some(&fixed.to.to_string()), &mut targets, "Ce champ a déjà sa valeur");
        }
        self.placed(findings);
        self.repeating(findings);
        self.named(findings);
    }

    /// Every field has a place in every form.
    fn placed(&self, findings: &mut Vec<Finding>) {
        let places = self.fields.iter().map(|field| (&field.column, &field.element)).enumerate().map(|(i, p)| (format!("field[{i}]"), p));
        let given = self.given.iter().map(|given| (&given.column, &given.element)).enumerate().map(|(i, p)| (format!("given[{i}]"), p));
        for (name, (column, element)) in places.chain(given) {
            if self.csv.is_some() && column.is_none() {
                findings.push(Finding::new(
                    at(&format!("{name}.column")),
                    "missing",
                    "Il manque la colonne, que la section [csv] demande.",
                ));
            }
            if self.xml.is_some() && element.is_none() {
                findings.push(Finding::new(
                    at(&format!("{name}.element")),
                    "missing",
                    "Il manque l’élément, que la section [xml] demande.",
                ));
            }
        }
    }

    /// What repeats has something to repeat in, and it alone.
    fn repeating(&self, findings: &mut Vec<Finding>) {
        let items = self.fields.iter().any(Field::is_item);
        if let Some(group) = self.csv.as_ref().and_then(|csv| csv.group.as_ref())
            && !self.given.iter().any(|given| given.column.as_ref() == Some(group))
        {
            findings.push(Finding::new(at("csv.group"), "missing", "Cette colonne n’est pas dans une section [[given]]."));
        }
        if items && self.xml.as_ref().is_some_and(|xml| xml.item.is_none()) {
            findings.push(Finding::new(at("xml.item"), "missing", "Des champs ont « - » : il manque l’élément qui se répète."));
        }
        let targets = || self.fields.iter().map(|field| &field.to).chain(self.fixed.iter().map(|fixed| &fixed.to));
        let list = |to: &Pointer| to.segments().get(..list_len(to.segments())).unwrap_or_default().to_vec();
        let tops: BTreeSet<Vec<String>> = targets().filter(|to| is_item(to)).map(list).collect();
        let apart = |to: &&Pointer| !is_item(to) && tops.contains(&list(to)) && list(to).len() < to.segments().len();
        if tops.len() > 1 || targets().any(|to| apart(&to)) {
            let detail = "Des champs de deux listes ont « - », ou une liste a « - » et des numéros : une seule peut se répéter.";
            findings.push(Finding::new(Place::Whole, "two-lists", detail));
        }
    }

    /// Every name can stand in a file, and no element has both a text and elements in it.
    fn named(&self, findings: &mut Vec<Finding>) {
        let fields = self.fields.iter().map(|field| (&field.column, &field.element, field.is_item()));
        let given = self.given.iter().map(|given| (&given.column, &given.element, false));
        let all: Vec<_> = fields.chain(given).collect();
        let mut bad = |name: &str, place: &str| {
            let detail = format!("« {name} » ne peut pas être ce nom dans un fichier.");
            findings.push(Finding::new(at(place), "bad-name", detail).cured_by("Écrivez « a », « a/b », « a/@b » ou « @b »."));
        };
        for (column, element, _) in &all {
            column.iter().filter(|name| name.trim() != name.as_str() || name.is_empty()).for_each(|name| bad(name, "column"));
            element.iter().filter(|path| !is_path(path)).for_each(|path| bad(path, "element"));
        }
        let Some(xml) = &self.xml else { return };
        let ends = [(&xml.root, "xml.root"), (&xml.record, "xml.record")];
        ends.into_iter().filter(|(name, _)| !is_name(name)).for_each(|(name, place)| bad(name, place));
        let item = xml.item.iter().filter(|path| !is_path(path) || path.contains('@'));
        item.for_each(|path| bad(path, "xml.item"));
        for items in [false, true] {
            let mut paths: Vec<&str> = all.iter().filter(|(_, _, is)| *is == items).filter_map(|(_, path, _)| path.as_deref()).collect();
            if !items {
                paths.extend(xml.item.as_deref());
            }
            let within = |path: &str, other: &str| {
                let rest = path.strip_prefix(other).and_then(|rest| rest.strip_prefix('/'));
                rest.is_some_and(|rest| !rest.starts_with('@')) || (path == other && xml.item.as_deref() == Some(path))
            };
            for (index, path) in paths.iter().enumerate() {
                if paths.iter().enumerate().any(|(other, other_path)| index != other && within(path, other_path)) {
                    let detail = format!("L’élément « {path} » est dans un autre, qui a sa propre valeur ou se répète.");
                    findings.push(Finding::new(at("element"), "nested", detail));
                }
            }
        }
    }
}

/// Names of elements below each other, the last of which may be an attribute.
fn is_path(path: &str) -> bool {
    let (elements, attribute) = match path.split_once('@') {
        Some((elements, attribute)) => (elements.strip_suffix('/').or_else(|| elements.is_empty().then_some("")), Some(attribute)),
        None => (Some(path), None),
    };
    let below = elements.is_some_and(|elements| elements.is_empty() && attribute.is_some() || elements.split('/').all(is_name));
    below && attribute.is_none_or(is_name)
}

/// A name that XML may have, without a prefix.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}
