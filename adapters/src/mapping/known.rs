//! What the catalogue says of the fields of one exchange type, read from its own files: class, shape, codes.

use std::collections::BTreeMap;

use exchange::DataClass;
use toml::{Table, Value};

use crate::reading::{Finding, Place, Refused};

/// The fields of one exchange type that a file may carry.
#[derive(Debug, Clone)]
pub struct Known {
    pub(super) kind: String,
    pub(super) fields: BTreeMap<String, KnownField>,
}

#[derive(Debug, Clone)]
pub(super) struct KnownField {
    pub(super) class: DataClass,
    /// The word of the catalogue: `texte`, `date`, `CL-role`…
    pub(super) shape: String,
    /// The codes of its list; empty for what is not a code.
    pub(super) codes: Vec<String>,
}

impl Known {
    /// Reads three files of `policies/catalogue`: that of the type, `_components.toml` and `_codes.toml`.
    ///
    /// # Errors
    /// Where one of them is not a file of the catalogue.
    pub fn parse(kind: &str, components: &str, codes: &str) -> Result<Self, Refused> {
        let table = |text: &str, name: &str| {
            let unread = || Refused::from(Finding::new(Place::File(name.to_owned()), "not-toml", "Ce n’est pas un fichier du catalogue."));
            text.parse::<Table>().map_err(|_| unread())
        };
        let (kind, components, codes) = (table(kind, "type")?, table(components, "_components.toml")?, table(codes, "_codes.toml")?);
        let mut gather = Gather { components: &components, codes: &codes, fields: BTreeMap::new() };
        gather.list(kind.get("field"), "payload", DataClass::Reference, 0);
        gather.list(components.get("subject"), "subjects[]", DataClass::Reference, 0);
        gather.list(components.get("information"), "information", DataClass::Reference, 0);
        gather.leaf("urgency", "CL-urgency", DataClass::Reference);
        gather.leaf("in_reply_to", "ref", DataClass::Reference);
        let code = kind.get("code").and_then(Value::as_str).unwrap_or_default();
        Ok(Self { kind: code.to_owned(), fields: gather.fields })
    }

    /// Whether a field stands at a path (`payload.faits[].texte`).
    pub fn has(&self, path: &str) -> bool {
        self.fields.contains_key(path)
    }

    /// The names of the fields below a path, for who looks for the right one.
    pub(super) fn below(&self, path: &str) -> Vec<&str> {
        let mut top = path;
        loop {
            let prefix = if top.is_empty() { String::new() } else { format!("{top}.") };
            let names: Vec<&str> = self.fields.keys().filter(|name| name.starts_with(&prefix)).map(String::as_str).collect();
            match top.rfind('.') {
                _ if !names.is_empty() => return names,
                Some(dot) => top = top.get(..dot).unwrap_or_default(),
                None => top = "",
            }
        }
    }
}

struct Gather<'a> {
    components: &'a Table,
    codes: &'a Table,
    fields: BTreeMap<String, KnownField>,
}

impl Gather<'_> {
    fn list(&mut self, list: Option<&Value>, top: &str, floor: DataClass, depth: usize) {
        for field in list.and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| field.get(name).and_then(Value::as_str).unwrap_or_default();
            let path = format!("{top}.{}", text("path"));
            // What includes a component with a more protected class gives that class to all its leaves.
            let class = text("class").parse().unwrap_or(DataClass::LieuAccueil).max(floor);
            match self.components.get(text("type")) {
                Some(component) if depth < MAX_DEPTH => {
                    let component = component.clone();
                    self.list(Some(&component), &path, class, depth + 1);
                }
                _ => self.leaf(&path, text("type"), class),
            }
        }
    }

    fn leaf(&mut self, path: &str, shape: &str, class: DataClass) {
        let codes = self.codes.get(shape).and_then(Value::as_array);
        let codes = codes.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        self.fields.insert(path.to_owned(), KnownField { class, shape: shape.to_owned(), codes });
    }
}

const MAX_DEPTH: usize = 4;
