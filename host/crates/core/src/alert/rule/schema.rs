//! The published JSON Schema of rules, made from the table that the reader goes by.

use serde_json::{Map, Value, json};

use super::{
    Operator, Window,
    fields::{Field, FieldKind, KINDS, Kind, Preset},
};

/// JSON Schema (draft 2020-12) of a rule: it accepts what [`super::RuleDefinition::read`] accepts.
pub fn rule_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Alert rule",
        "oneOf": KINDS.iter().map(kind_schema).collect::<Vec<_>>(),
    })
}

fn kind_schema(kind: &Kind) -> Value {
    let mut properties = Map::new();
    properties.insert("type".to_owned(), json!({ "const": kind.name }));
    let mut required = vec!["type"];
    for field in kind.fields {
        properties.insert(field.name.to_owned(), field_schema(field));
        if field.preset == Preset::Required {
            required.push(field.name);
        }
    }
    json!({
        "title": kind.name,
        "description": kind.about,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn field_schema(field: &Field) -> Value {
    let mut schema = match field.kind {
        FieldKind::Integer { least, most } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        FieldKind::Number { least, most } => {
            json!({ "type": "number", "minimum": least, "maximum": most })
        }
        FieldKind::Boolean => json!({ "type": "boolean" }),
        FieldKind::Operator => json!({ "type": "string", "enum": Operator::ALL }),
        FieldKind::Window => json!({ "type": "string", "pattern": Window::PATTERN }),
    };
    schema["description"] = field.about.into();
    match field.preset {
        Preset::Required => {}
        Preset::Integer(preset) => schema["default"] = preset.into(),
        Preset::Boolean(preset) => schema["default"] = preset.into(),
        Preset::Text(preset) => schema["default"] = preset.into(),
    }
    schema
}
