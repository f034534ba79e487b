//! `POST /api/v1/components`

mod admit;
mod upload;

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
    response::AppendHeaders,
};
use vedette_core::ComponentId;
use vedette_store::{CHUNK_BYTES, CreatedComponent, NewChunk, NewComponent};

use super::ComponentView;
use crate::{
    ApiState,
    auth::{May, need},
    problem::Problem,
};

/// Uploads a component
///
/// The body is the component itself, never compressed. It is judged at once and compiled after
/// the answer: `state` tells how it stands. The same bytes again are the same component (200).
#[utoipa::path(post, path = "/api/v1/components", tag = "components", security(("bearer" = [])),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    params(("name" = Option<String>, Query, description = "for people; 1 to 200 characters"),
        ("Vedette-Signature" = Option<String>, Header,
            description = "Ed25519 over exactly the bytes of the body, base64; by a key of the organization")),
    responses((status = 200, body = ComponentView), (status = 201, body = ComponentView),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn create_component(
    State(state): State<ApiState>,
    caller: May<need::ComponentCreate>,
    request: Request,
) -> Result<
    (
        StatusCode,
        AppendHeaders<[(HeaderName, String); 1]>,
        Json<ComponentView>,
    ),
    Problem,
> {
    let org = caller.org_id;
    let declared = upload::Declared::read(&request, state.config.component_bytes)?;
    admit::check_declared_signature(&state, org, declared.signature.as_ref()).await?;
    let _ticket = state.uploads.admit(org)?;
    let (digest, bytes) = upload::receive(request.into_body(), &state.config).await?;
    // Before anything of the bytes is parsed.
    let signature = admit::verify_signature(&state, org, declared.signature, &bytes).await?;
    admit::check_quotas(&state, org, digest, bytes.len()).await?;
    let facts = admit::inspect(&state, &bytes).await?;
    let now = state.clock.now();
    for (number, bytes) in (0..).zip(bytes.chunks(CHUNK_BYTES)) {
        let created_at = now;
        let chunk = NewChunk {
            digest,
            number,
            bytes,
            created_at,
        };
        state.store.put_component_chunk(chunk).await?;
    }
    let new = NewComponent {
        id: ComponentId::generate(state.clock.as_ref()),
        org_id: org,
        digest,
        name: declared.name,
        uploaded_by: caller.user.id,
        created_at: now,
        facts,
        signature,
    };
    let CreatedComponent { component, is_new } = caller.store.create_component(&new).await?;
    state.engine.component_waiting();
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let location = AppendHeaders([(header::LOCATION, format!("/api/v1/components/{digest}"))]);
    Ok((status, location, Json(ComponentView::new(component, now))))
}
