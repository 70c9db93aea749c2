//! The JSON Schema of a type, as served: what integrators generate forms and checks from.
//!
//! Reading decides, not the schema: a danger type whose document does not fit is accepted all the same.

use exchange::DataClass;
use serde_json::{Map, Value, json};

use super::{
    Catalogue, Condition, ExchangeType, Field, Level, Shape,
    read::{MAX_ITEMS, MAX_REFERENCE, MAX_TEXT},
    tree::{Branch, Node, Wanted},
};

impl Catalogue {
    /// JSON Schema 2020-12 of the envelope of one type. `x-class` and `x-level` say what the catalogue says.
    /// `x-forms` holds the schemas of what answers the type in the other direction (`reponse`) and of its profiles.
    pub fn json_schema(&self, exchange_type: &ExchangeType) -> Value {
        let mut schema = self.form_schema(exchange_type);
        let forms: Map<String, Value> = exchange_type.forms.iter().map(|(name, form)| (name.clone(), self.form_schema(form))).collect();
        if !forms.is_empty() {
            insert(&mut schema, "x-forms", Value::Object(forms));
        }
        schema
    }

    fn form_schema(&self, exchange_type: &ExchangeType) -> Value {
        let writer = Writer { catalogue: self, of: exchange_type };
        let mut schema = writer.object(&exchange_type.tree);
        if let Value::Object(schema) = &mut schema {
            schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
            schema.insert("$id".into(), json!(format!("urn:passerelle:type:{}:{}", exchange_type.code, exchange_type.version)));
            schema.insert("title".into(), json!(exchange_type.title));
            if let Some(Value::Object(properties)) = schema.get_mut("properties") {
                properties.extend(writer.route());
            }
            let required = schema.entry("required").or_insert_with(|| json!([]));
            if let Value::Array(required) = required {
                required.insert(0, json!("type"));
                if !exchange_type.danger {
                    required.push(json!("recipient"));
                }
                if exchange_type.must_answer {
                    required.push(json!("in_reply_to"));
                }
            }
        }
        schema
    }
}

struct Writer<'a> {
    catalogue: &'a Catalogue,
    of: &'a ExchangeType,
}

impl Writer<'_> {
    fn node(&self, node: &Node) -> Value {
        match node {
            Node::Leaf(index) => self.of.fields.get(*index).map_or(Value::Bool(true), |field| self.leaf(field)),
            Node::Object(branch) => self.object(branch),
            Node::List(list) => {
                let mut schema = json!({"type": "array", "maxItems": MAX_ITEMS, "items": self.node(&list.item)});
                wanted(&mut schema, &list.wanted);
                schema
            }
        }
    }

    fn object(&self, branch: &Branch) -> Value {
        let properties: Map<String, Value> = branch.children.iter().map(|(name, node)| (name.clone(), self.node(node))).collect();
        let required: Vec<&String> = branch.children.iter().filter(|(_, node)| self.requires(node)).map(|(name, _)| name).collect();
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            insert(&mut schema, "required", json!(required));
        }
        // A danger type is never refused for an unknown field.
        if !self.of.danger {
            insert(&mut schema, "additionalProperties", json!(false));
        }
        if let Some(said) = &branch.wanted {
            wanted(&mut schema, said);
        }
        schema
    }

    fn requires(&self, node: &Node) -> bool {
        match node {
            Node::Leaf(index) => {
                self.of.fields.get(*index).is_some_and(|field| field.level == Level::Required && field.expected_if.is_none())
            }
            Node::List(list) => list.wanted.level == Level::Required && list.wanted.expected_if.is_none(),
            Node::Object(branch) => match &branch.wanted {
                Some(wanted) => wanted.level == Level::Required && wanted.expected_if.is_none(),
                None => branch.children.values().any(|child| self.requires(child)),
            },
        }
    }

    fn leaf(&self, field: &Field) -> Value {
        let mut schema = match &field.shape {
            Shape::Texte => json!({"type": "string", "maxLength": field.max.unwrap_or(MAX_TEXT)}),
            Shape::Date => json!({"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"}),
            Shape::DateHeure => json!({"type": "string", "format": "date-time"}),
            Shape::Bool => json!({"type": "boolean"}),
            Shape::Entier => json!({"type": "integer"}),
            Shape::Ref => json!({"type": "string", "maxLength": MAX_REFERENCE}),
            Shape::Inst => json!({"type": "string", "pattern": "^[A-Za-z0-9-]{2,60}$"}),
            Shape::Sujet => json!({"type": "string", "pattern": "^[a-z]{1,3}[0-9]{1,4}$"}),
            Shape::Empreinte => json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
            Shape::Numero => json!({"type": "string", "pattern": "^(?=.*[0-9])(?!.*[A-Za-z]{5})[A-Za-z0-9./_-]{1,40}$"}),
            Shape::Telephone => json!({"type": "string", "pattern": r"^\+?[0-9 .]{2,20}$"}),
            Shape::Courriel => json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}@[A-Za-z0-9.-]{3,120}$"}),
            Shape::Chemin => json!({"type": "string", "pattern": "^/[a-z0-9_/]{1,120}$"}),
            Shape::Jeton => json!({"type": "string", "pattern": "^[A-Za-z0-9+/]{1,20000}={0,2}$"}),
            Shape::Code(list) => json!({"type": "string", "enum": self.catalogue.codes.get(list), "x-list": list}),
        };
        insert(&mut schema, "x-class", json!(field.class));
        if field.computed.is_some() && !field.may_change {
            insert(&mut schema, "readOnly", json!(true));
        }
        if !field.offered_to.is_empty() {
            insert(&mut schema, "x-offered-to", json!(field.offered_to));
        }
        if !field.path.ends_with("[]") {
            wanted(&mut schema, &Wanted { level: field.level, expected_if: field.expected_if.clone() });
        }
        schema
    }

    /// The parts of the envelope that are not content.
    fn route(&self) -> Map<String, Value> {
        let party = json!({
            "type": "object",
            "properties": {"institution": {"type": "string", "pattern": WORD}, "unit": {"type": "string", "pattern": WORD}},
            "required": ["institution"],
            "additionalProperties": false,
        });
        let id = json!({"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"});
        let excluded = json!({"anyOf": [
            {
                "type": "object",
                "properties": {"issuer": {"type": "string"}, "subject": {"type": "string"}},
                "required": ["issuer", "subject"],
                "additionalProperties": false,
            },
            {
                "type": "object",
                "properties": {"institution": {"type": "string", "pattern": WORD}},
                "required": ["institution"],
                "additionalProperties": false,
            },
        ]});
        let urgency: Vec<&str> = self.of.urgency.iter().map(|urgency| urgency.as_str()).collect();
        let parts = [
            ("type", json!({"const": self.of.code})),
            ("sender", party.clone()),
            ("recipient", party),
            ("exclus", json!({"type": "array", "maxItems": MAX_ITEMS, "items": excluded})),
            ("purpose", json!({"type": "string", "enum": self.of.purpose})),
            ("legal_basis", json!({"type": "array", "maxItems": MAX_ITEMS, "items": {"type": "string", "maxLength": MAX_REFERENCE}})),
            ("agreement", json!({"type": "string", "pattern": WORD})),
            ("urgency", json!({"type": "string", "enum": urgency})),
            ("in_reply_to", id.clone()),
            ("rectifies", id),
            ("case", json!({"type": "string", "pattern": "^(?=.*[0-9])[A-Za-z0-9-]{1,64}$"})),
        ];
        parts
            .into_iter()
            .map(|(name, mut schema)| {
                insert(&mut schema, "x-class", json!(DataClass::Reference));
                (name.to_owned(), schema)
            })
            .collect()
    }
}

fn wanted(schema: &mut Value, wanted: &Wanted) {
    insert(schema, "x-level", json!(wanted.level));
    if let Some(Condition { path, values }) = &wanted.expected_if {
        insert(schema, "x-expected-if", json!({"path": path, "values": values}));
    }
}

fn insert(schema: &mut Value, key: &str, value: Value) {
    if let Value::Object(schema) = schema {
        schema.insert(key.to_owned(), value);
    }
}

const WORD: &str = "^[a-z0-9-]{2,60}$";
