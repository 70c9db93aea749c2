//! A document as leaves: each value with the pointer to its place (RFC 6901).
//!
//! Withholding, sealing by class and reassembling are all set operations on leaves, so that a field
//! that is not released is *absent*, and not merely hidden.

use std::{cmp::Ordering, collections::BTreeMap, fmt, str::FromStr};

use serde_json::{Map, Value};

use crate::id::InvalidId;

/// The place of a value in a document, for example `/faits/0/texte`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// The place one step below this one.
    pub fn child(&self, segment: impl Into<String>) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment.into());
        Self(segments)
    }

    /// The steps from the root.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// The catalogue path: indexes become `[]`, so `/faits/0/texte` is `faits[].texte`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for segment in &self.0 {
            if is_index(segment) {
                path.push_str("[]");
            } else {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(segment);
            }
        }
        path
    }

    /// Whether `self` is `top` or lies below it.
    pub fn within(&self, top: &Self) -> bool {
        self.0.starts_with(&top.0)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            write!(f, "/{}", segment.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

impl FromStr for Pointer {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let rest = text.strip_prefix('/').ok_or(InvalidId)?;
        Ok(Self(rest.split('/').map(|s| s.replace("~1", "/").replace("~0", "~")).collect()))
    }
}

// Numeric order for indexes: item 10 comes after item 9.
impl Ord for Pointer {
    fn cmp(&self, other: &Self) -> Ordering {
        for (a, b) in self.0.iter().zip(&other.0) {
            let order = match (a.parse::<u32>(), b.parse::<u32>()) {
                (Ok(x), Ok(y)) => x.cmp(&y).then_with(|| a.cmp(b)),
                _ => a.cmp(b),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        self.0.len().cmp(&other.0.len())
    }
}

impl PartialOrd for Pointer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Values and their places. May hold a name or words of a child: has no `Serialize` and an empty `Debug`.
#[derive(Clone, PartialEq, Default)]
pub struct Leaves(BTreeMap<Pointer, Value>);

impl Leaves {
    /// No leaf.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every scalar of `value` with its place; empty objects and arrays leave nothing.
    pub fn of(value: &Value) -> Self {
        let mut leaves = Self::new();
        leaves.gather(Pointer::default(), value);
        leaves
    }

    fn gather(&mut self, at: Pointer, value: &Value) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, item)| self.gather(at.child(key), item)),
            Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| self.gather(at.child(i.to_string()), item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.0.insert(at, value.clone());
            }
        }
    }

    /// Puts a value at a place; the earlier one is replaced.
    pub fn insert(&mut self, at: Pointer, value: Value) {
        self.0.insert(at, value);
    }

    /// The value at a place.
    pub fn at(&self, at: &Pointer) -> Option<&Value> {
        self.0.get(at)
    }

    /// Every place and value, in document order.
    pub fn iter(&self) -> impl Iterator<Item = (&Pointer, &Value)> {
        self.0.iter()
    }

    /// Whether there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many leaves there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds all leaves of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Keeps the leaves for which `keep` says yes.
    pub fn retain(&mut self, mut keep: impl FnMut(&Pointer) -> bool) {
        self.0.retain(|at, _| keep(at));
    }

    /// The document these leaves make. Items of a list that lost every leaf vanish without a gap,
    /// so that a withheld item cannot be counted.
    pub fn reveal(&self) -> Value {
        let mut root = Node::default();
        for (at, value) in &self.0 {
            root.put(at.segments(), value.clone());
        }
        root.into_value()
    }

    /// The leaves as a JSON object from pointer to value: what sealing encrypts.
    pub fn to_flat(&self) -> Value {
        Value::Object(self.0.iter().map(|(at, value)| (at.to_string(), value.clone())).collect())
    }

    /// Reads what [`Leaves::to_flat`] wrote.
    pub fn from_flat(value: Value) -> Result<Self, InvalidId> {
        let Value::Object(map) = value else { return Err(InvalidId) };
        map.into_iter().map(|(at, value)| Ok((at.parse()?, value))).collect::<Result<BTreeMap<_, _>, _>>().map(Self)
    }
}

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaves(..)")
    }
}

#[derive(Default)]
struct Node {
    value: Option<Value>,
    children: Vec<(String, Node)>,
}

impl Node {
    fn put(&mut self, at: &[String], value: Value) {
        let Some((first, rest)) = at.split_first() else {
            self.value = Some(value);
            return;
        };
        // Leaves come in document order: a child already begun is the last one.
        if self.children.last().is_none_or(|(key, _)| key != first) {
            self.children.push((first.clone(), Self::default()));
        }
        if let Some((_, child)) = self.children.last_mut() {
            child.put(rest, value);
        }
    }

    fn into_value(self) -> Value {
        if self.children.is_empty() {
            return self.value.unwrap_or(Value::Object(Map::new()));
        }
        if self.children.iter().all(|(key, _)| is_index(key)) {
            Value::Array(self.children.into_iter().map(|(_, node)| node.into_value()).collect())
        } else {
            Value::Object(self.children.into_iter().map(|(key, node)| (key, node.into_value())).collect())
        }
    }
}

fn is_index(segment: &str) -> bool {
    !segment.is_empty() && segment.len() <= 6 && segment.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_withheld_item_leaves_no_gap() {
        let mut leaves = Leaves::of(&json!({"faits": [{"texte": "a"}, {"texte": "b"}, {"texte": "c"}], "x": 1}));
        let hidden: Pointer = "/faits/1".parse().unwrap();
        leaves.retain(|at| !at.within(&hidden));
        assert_eq!(leaves.reveal(), json!({"faits": [{"texte": "a"}, {"texte": "c"}], "x": 1}));
    }

    #[test]
    fn paths_forget_indexes() {
        assert_eq!("/faits/12/texte".parse::<Pointer>().unwrap().path(), "faits[].texte");
        assert_eq!("/types_danger/0".parse::<Pointer>().unwrap().path(), "types_danger[]");
    }

    proptest! {
        #[test]
        fn flattening_and_revealing_are_inverse(items in proptest::collection::vec(("[a-z~/]{1,5}", -100i64..100), 1..20)) {
            let value = json!({"list": items.iter().map(|(k, v)| json!({"k": k, "v": v})).collect::<Vec<_>>()});
            let leaves = Leaves::of(&value);
            prop_assert_eq!(leaves.reveal(), value);
            prop_assert!(Leaves::from_flat(leaves.to_flat()).unwrap() == leaves);
        }
    }
}
