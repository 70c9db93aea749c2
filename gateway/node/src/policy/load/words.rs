//! What the text of a rule says, read off its JSON: the facts that it looks at, the words it compares them with.

use serde_json::Value;

/// Arithmetic can overflow and extension constructors can reject their text: neither may stand in a rule.
pub(super) fn can_fail(json: &Value) -> bool {
    match json {
        Value::Object(map) => map.iter().any(|(key, value)| {
            matches!(key.as_str(), "+" | "-" | "*" | "neg" | "ip" | "decimal" | "datetime" | "duration") || can_fail(value)
        }),
        Value::Array(items) => items.iter().any(can_fail),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The words of the context that a rule looks at.
pub(super) fn looked_at(json: Option<&Value>) -> Vec<String> {
    let mut words = Vec::new();
    let mut todo: Vec<&Value> = json.into_iter().collect();
    while let Some(value) = todo.pop() {
        match value {
            Value::Object(map) => {
                if let Some(access) = map.get(".")
                    && access.pointer("/left/Var").and_then(Value::as_str) == Some("context")
                    && let Some(word) = access.get("attr").and_then(Value::as_str)
                    && !words.iter().any(|known| known == word)
                {
                    words.push(word.to_owned());
                }
                todo.extend(map.values());
            }
            Value::Array(items) => todo.extend(items.iter().rev()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    words
}

/// Every `context.fact == "word"`, `["word"].contains(context.fact)` and the like.
pub(super) fn gather_words(rule: &str, json: &Value, words: &mut Vec<(String, String, String)>) {
    let fact = |side: Option<&Value>| side?.pointer("/./attr")?.as_str().map(str::to_owned);
    if let Value::Object(map) = json {
        for operation in map.values() {
            let (left, right) = (operation.get("left"), operation.get("right"));
            for (fact, other) in [(fact(left), right), (fact(right), left)] {
                if let (Some(fact), Some(other)) = (fact, other) {
                    literals(other).into_iter().for_each(|word| words.push((rule.to_owned(), fact.clone(), word)));
                }
            }
        }
        map.values().for_each(|value| gather_words(rule, value, words));
    } else if let Value::Array(items) = json {
        items.iter().for_each(|value| gather_words(rule, value, words));
    }
}

fn literals(json: &Value) -> Vec<String> {
    if let Some(items) = json.get("Set").and_then(Value::as_array) {
        return items.iter().flat_map(literals).collect();
    }
    json.get("Value").and_then(Value::as_str).map(str::to_owned).into_iter().collect()
}
