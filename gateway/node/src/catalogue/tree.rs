//! The fields of a type by place: what a document is read along, and what the served schema is written from.

use std::collections::BTreeMap;

use super::{Condition, Field, ItemClass, Level};

/// What stands at one place of a document.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A value; index of its field in the type.
    Leaf(usize),
    /// An object.
    Object(Branch),
    /// A list.
    List(List),
}

/// An object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Branch {
    pub(crate) children: BTreeMap<String, Node>,
    /// How much the object itself is wanted; `None` when only its parts say.
    pub(crate) wanted: Option<Wanted>,
    /// The child whose value protects the whole object.
    pub(crate) guard: Option<(String, ItemClass)>,
}

/// A list.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) wanted: Wanted,
    pub(crate) item: Box<Node>,
}

/// How much something is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) level: Level,
    pub(crate) expected_if: Option<Condition>,
}

/// Another field already stands there, as a value where this one is an object, or the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken;

impl Branch {
    /// Puts field number `index` at its place; `containers` says how much the objects and lists above it are wanted.
    pub(crate) fn put(&mut self, index: usize, field: &Field, containers: &BTreeMap<String, Wanted>) -> Result<(), Taken> {
        self.descend("", &field.path, index, field, containers).map(drop)
    }

    /// Returns how much what was put is wanted by those above that do not say it themselves.
    fn descend(
        &mut self,
        above: &str,
        rest: &str,
        index: usize,
        field: &Field,
        containers: &BTreeMap<String, Wanted>,
    ) -> Result<Level, Taken> {
        let (step, rest) = rest.split_once('.').map_or((rest, None), |(step, rest)| (step, Some(rest)));
        let name = step.strip_suffix("[]").unwrap_or(step);
        let path = if above.is_empty() { step.to_owned() } else { format!("{above}.{step}") };
        let Some(rest) = rest else {
            return self.leaf(name, name != step, index, field);
        };
        let said = containers.get(&path).cloned();
        if name == step {
            let new = || Node::Object(Self { wanted: said.clone(), ..Self::default() });
            let Node::Object(branch) = self.children.entry(name.to_owned()).or_insert_with(new) else { return Err(Taken) };
            let level = branch.descend(&path, rest, index, field, containers)?;
            return Ok(said.map_or(level, |wanted| wanted.level));
        }
        let new = || {
            let wanted = said.clone().unwrap_or(Wanted { level: Level::Optional, expected_if: None });
            Node::List(List { wanted, item: Box::new(Node::Object(Self::default())) })
        };
        let Node::List(list) = self.children.entry(name.to_owned()).or_insert_with(new) else { return Err(Taken) };
        let Node::Object(branch) = list.item.as_mut() else { return Err(Taken) };
        let level = branch.descend(&path, rest, index, field, containers)?;
        // A list that no file declares is wanted as much as what its items hold.
        if said.is_none() && strength(level) > strength(list.wanted.level) {
            list.wanted.level = level;
        }
        Ok(list.wanted.level)
    }

    fn leaf(&mut self, name: &str, list: bool, index: usize, field: &Field) -> Result<Level, Taken> {
        let node = if list {
            let wanted = Wanted { level: field.level, expected_if: field.expected_if.clone() };
            Node::List(List { wanted, item: Box::new(Node::Leaf(index)) })
        } else {
            Node::Leaf(index)
        };
        if self.children.contains_key(name) {
            return Err(Taken);
        }
        self.children.insert(name.to_owned(), node);
        if let Some(guard) = &field.item_class {
            self.guard = Some((name.to_owned(), guard.clone()));
        }
        Ok(field.level)
    }
}

fn strength(level: Level) -> u8 {
    match level {
        Level::Auto | Level::Optional => 0,
        Level::Expected => 1,
        Level::Required => 2,
    }
}
