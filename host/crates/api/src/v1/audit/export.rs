//! `GET /api/v1/audit-log/export` and `GET /api/v1/admin/audit-log/export`

use std::fmt::Write as _;

use axum::{
    body::Body,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use futures::stream;
use vedette_store::{ChainId, Checkpoint, Store, StoreError};

use crate::{
    ApiState,
    auth::{Administrator, May, need},
    problem::Problem,
};

const NDJSON: &str = "application/x-ndjson";
/// Records that are read at a time.
const BATCH: u32 = 1_000;

/// The whole audit log of the organization, oldest first
///
/// A line for each record: `{"hash":"…","record":{…}}`, where the record's text is exactly what was
/// hashed, behind the bytes of the hash before. Then a line for each signed checkpoint.
#[utoipa::path(get, path = "/api/v1/audit-log/export", tag = "audit", security(("bearer" = [])),
    responses((status = 200, body = String, content_type = "application/x-ndjson"),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn export_audit_log(
    State(state): State<ApiState>,
    caller: May<need::AuditRead>,
) -> Response {
    export(state.store, caller.org_id.into())
}

/// The whole audit log of accounts and the installation, oldest first
///
/// As that of an organization. For administrators of the installation.
#[utoipa::path(get, path = "/api/v1/admin/audit-log/export", tag = "admin",
    security(("bearer" = [])),
    responses((status = 200, body = String, content_type = "application/x-ndjson"),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn export_installation_audit_log(
    State(state): State<ApiState>,
    _: Administrator,
) -> Response {
    export(state.store, ChainId::INSTALLATION)
}

/// Where an export has come to.
enum Next {
    /// Records behind this place.
    Records(i64),
    Checkpoints,
    End,
}

/// One batch after the other, as fast as the client takes them. A failure in the middle breaks the
/// answer off, so that a part is not taken for all of it.
fn export(store: Store, chain: ChainId) -> Response {
    let batches = stream::try_unfold((store, Next::Records(0)), move |(store, next)| async move {
        let (lines, next) = match next {
            Next::Records(after) => records(&store, chain, after).await?,
            Next::Checkpoints => (
                checkpoints(&store.list_checkpoints(chain).await?),
                Next::End,
            ),
            Next::End => return Ok(None),
        };
        Ok::<_, StoreError>(Some((lines, (store, next))))
    });
    ([(CONTENT_TYPE, NDJSON)], Body::from_stream(batches)).into_response()
}

async fn records(store: &Store, chain: ChainId, after: i64) -> Result<(String, Next), StoreError> {
    let entries = store.read_audit(chain, after, BATCH).await?;
    let mut lines = String::new();
    for entry in &entries {
        let _ = writeln!(
            lines,
            r#"{{"hash":"{}","record":{}}}"#,
            entry.hash, entry.text
        );
    }
    let next = match entries.last() {
        Some(last) => Next::Records(last.record.seq),
        None => Next::Checkpoints,
    };
    Ok((lines, next))
}

fn checkpoints(checkpoints: &[Checkpoint]) -> String {
    let lines = checkpoints.iter().map(|checkpoint| {
        let checkpoint = serde_json::json!({ "checkpoint": checkpoint });
        format!("{checkpoint}\n")
    });
    lines.collect()
}
