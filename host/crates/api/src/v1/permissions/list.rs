//! `GET /api/v1/permissions`

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use vedette_core::Permission;

use crate::{auth::SignedIn, problem::Problem};

/// One thing that a role can allow.
#[derive(Serialize, ToSchema)]
pub(crate) struct PermissionView {
    #[schema(example = "script:create")]
    name: &'static str,
    description: &'static str,
    /// Whether it can be given for a single project.
    is_of_project: bool,
}

/// All permissions that there are.
#[derive(Serialize, ToSchema)]
pub(crate) struct PermissionList {
    items: Vec<PermissionView>,
}

/// Lists what roles can allow
#[utoipa::path(get, path = "/api/v1/permissions", tag = "roles", security(("bearer" = [])),
    responses((status = 200, body = PermissionList), (status = 401, body = Problem)))]
pub(crate) async fn list_permissions(_: SignedIn) -> Json<PermissionList> {
    let all = Permission::ALL.iter();
    let items = all.map(|permission| PermissionView {
        name: permission.as_str(),
        description: permission.description(),
        is_of_project: permission.is_of_project(),
    });
    Json(PermissionList {
        items: items.collect(),
    })
}
