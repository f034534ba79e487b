//! The page that a mail leads to, where somebody sets a new password. It lies beside the API, so that a mail is
//! of use where there is nothing else to open it with.

use axum::Router;

use crate::{ApiState, openapi::asset};

const PAGE: &str = include_str!("../assets/password-reset.html");
const SCRIPT: &str = include_str!("../assets/password-reset.js");

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/password-reset", asset("text/html; charset=utf-8", PAGE))
        .route(
            "/password-reset/page.js",
            asset("text/javascript; charset=utf-8", SCRIPT),
        )
}
