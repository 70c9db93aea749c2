//! JSON as evidence: one strict reading and one canonical writing (RFC 8785).
//!
//! A document that two readers could understand differently (duplicate keys, numbers outside what
//! IEEE 754 holds, bad UTF-8) is not read at all.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// How deep objects and arrays may nest.
pub const MAX_DEPTH: usize = 32;

/// Why bytes are not JSON that we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The bytes are not UTF-8.
    #[error("not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// The text is not JSON.
    #[error("not JSON at line {line} column {column}")]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// One object has the same key twice.
    #[error("duplicate key at line {line} column {column}")]
    DuplicateKey {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Objects and arrays nest deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// Reads one JSON text, strictly.
///
/// # Errors
/// [`Unreadable`] for bad UTF-8, bad JSON, duplicate keys and deep nesting. The error holds positions, never content.
pub fn parse(bytes: &[u8]) -> Result<Value, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|e| Unreadable::NotUtf8(e.valid_up_to()))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(|e| explain(&e))?;
    reader.end().map_err(|e| explain(&e))?;
    Ok(value)
}

/// The canonical bytes of a value (RFC 8785).
///
/// # Errors
/// Only if `value` cannot be written as JSON at all (a map with keys that are not text).
pub fn bytes(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(value)
}

fn explain(error: &serde_json::Error) -> Unreadable {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    if text.starts_with(DUPLICATE) {
        Unreadable::DuplicateKey { line, column }
    } else if text.starts_with(DEEP) || text.starts_with("recursion limit") {
        Unreadable::TooDeep
    } else {
        Unreadable::NotJson { line, column }
    }
}

struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH { Err(E::custom(DEEP)) } else { Ok(Self { depth: self.depth + 1 }) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }
    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    // I-JSON (RFC 7493): an integer beyond 2^53 means different things to different readers.
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Value, E> {
        if v.unsigned_abs() <= MAX_SAFE { Ok(Value::Number(v.into())) } else { Err(E::custom("number")) }
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Value, E> {
        if v <= MAX_SAFE { Ok(Value::Number(v.into())) } else { Err(E::custom("number")) }
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.deeper()?)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom(DUPLICATE));
            }
            let value = map.next_value_seed(self.deeper()?)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// Reads a typed value out of JSON that [`parse`] has accepted.
///
/// # Errors
/// When the value does not have the shape of `T`.
pub fn typed<T: for<'de> Deserialize<'de>>(value: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(value)
}

const DUPLICATE: &str = "duplicate key";
const DEEP: &str = "too deep";
const MAX_SAFE: u64 = 1 << 53;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_two_readers_could_understand_differently() {
        assert!(matches!(parse(br#"{"a":1,"a":2}"#), Err(Unreadable::DuplicateKey { .. })));
        assert!(matches!(parse(br#"{"a":{"b":1,"b":1}}"#), Err(Unreadable::DuplicateKey { .. })));
        assert_eq!(parse(b"\"\xff\""), Err(Unreadable::NotUtf8(1)));
        assert!(matches!(parse(br#"{"a":9007199254740993}"#), Err(Unreadable::NotJson { .. })));
        assert!(matches!(parse(br#"{"a":1} x"#), Err(Unreadable::NotJson { .. })));
        assert!(matches!(parse(br#"{"a":"#), Err(Unreadable::NotJson { .. })));
        let deep = "[".repeat(100_000);
        assert_eq!(parse(deep.as_bytes()), Err(Unreadable::TooDeep));
    }

    #[test]
    fn writes_the_example_of_rfc_8785() {
        let value = parse(br#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#).unwrap();
        let text = String::from_utf8(bytes(&value).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
    }

    proptest! {
        #[test]
        fn never_panics(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&input);
        }

        #[test]
        fn canonical_bytes_are_a_fixed_point(keys in proptest::collection::btree_map("[a-zé]{1,6}", -9_007_199_254_740_992_i64..9_007_199_254_740_992, 0..8)) {
            let once = bytes(&keys).unwrap();
            let again = bytes(&parse(&once).unwrap()).unwrap();
            prop_assert_eq!(once, again);
        }
    }
}
