//! The API's description as a document, and as a page that renders it without anything from
//! elsewhere.

use axum::{
    Router,
    http::header,
    routing::{MethodRouter, get},
};
use utoipa::openapi::OpenApi as Document;

use crate::ApiState;

const PAGE: &str = include_str!("../assets/docs.html");
const SCRIPT: &str = include_str!("../assets/docs.js");
const STYLE: &str = include_str!("../assets/docs.css");

/// Only what comes from this server, and no inline script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// A file of a page.
pub(crate) fn asset(kind: &'static str, text: &'static str) -> MethodRouter<ApiState> {
    get(move || async move {
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, POLICY),
        ];
        (headers, text)
    })
}

pub(crate) fn router(document: &Document) -> Router<ApiState> {
    let json = serde_json::to_string(document).expect("a document is plain data");
    Router::new()
        .route(
            "/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], json) }),
        )
        .route("/docs", asset("text/html; charset=utf-8", PAGE))
        .route(
            "/docs/docs.js",
            asset("text/javascript; charset=utf-8", SCRIPT),
        )
        .route("/docs/docs.css", asset("text/css; charset=utf-8", STYLE))
}
