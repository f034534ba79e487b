//! `GET /api/v1/alert-rules/schema`

use axum::http::{HeaderName, header};
use vedette_core::alert::rule::rule_schema;

use crate::{
    auth::{May, need},
    problem::Problem,
};

/// Of a JSON Schema (JSON Schema draft 2020-12, section 4.2 of its core).
const SCHEMA_JSON: &str = "application/schema+json";

/// The JSON Schema of a `rule_definition`
#[utoipa::path(get, path = "/api/v1/alert-rules/schema", tag = "alerts", security(("bearer" = [])),
    responses((status = 200, body = Object, content_type = "application/schema+json"),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn get_alert_rule_schema(
    _: May<need::AlertRead>,
) -> ([(HeaderName, &'static str); 1], String) {
    let kind = [(header::CONTENT_TYPE, SCHEMA_JSON)];
    (kind, rule_schema().to_string())
}
