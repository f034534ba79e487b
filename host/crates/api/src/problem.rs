//! The one shape of an error: RFC 9457, with the fields at fault by JSON pointer.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use vedette_alerting::{ConfigError, ConfigErrors};
use vedette_core::{ComponentRefusal, ErrorClass, Permission, Quota, ScheduleError, ScriptError};
use vedette_store::StoreError;

/// Media type of every error.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Seconds after which to try again when something has to be deleted first.
const RETRY_QUOTA: u16 = 3_600;

/// A field at fault.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON pointer into the request's body (RFC 6901); of an upload, whose body is no JSON, the
    /// name of the header or of the parameter.
    pub(crate) pointer: String,
    /// What is wrong, and what is allowed.
    pub(crate) detail: String,
}

/// Problem details (RFC 9457), sent as `application/problem+json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Names the kind of problem; stays the same across versions.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    /// The request's id, as in the server's log. Filled in on the way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// Of a component that is not accepted, or a quota that is used up: why, in one word, as
    /// executions have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    error_class: Option<ErrorClass>,
    /// Seconds after which to try again.
    #[serde(skip)]
    retry_after: Option<u16>,
}

/// Where the server marks a response as a problem, so that its `instance` can be filled in.
#[derive(Clone)]
pub(crate) struct ProblemBody(pub(crate) Box<Problem>);

impl Problem {
    fn new(status: StatusCode, code: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:vedette:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            instance: None,
            errors: Vec::new(),
            error_class: None,
            retry_after: None,
        }
    }

    /// 408: the body did not come.
    pub(crate) fn too_slow(time: Duration) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
            "The request took too long",
            format!("the body did not come within {} s", time.as_secs()),
        )
    }

    /// 400: the request cannot be read.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request cannot be read",
            detail,
        )
    }

    /// 401. One text for every reason: why a token is refused is nobody's business.
    pub(crate) fn unauthorized() -> Self {
        let detail =
            "sign in with POST /api/v1/auth/login and send `Authorization: Bearer <token>`";
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Not signed in",
            detail,
        )
    }

    /// 401 of a login: the same whether the user exists or not.
    pub(crate) fn wrong_credentials() -> Self {
        let detail = "the user name or the password is wrong";
        Self::new(
            StatusCode::UNAUTHORIZED,
            "wrong-credentials",
            "Not signed in",
            detail,
        )
    }

    /// 401 of a login whose password was right.
    pub(crate) fn second_factor_required(detail: &str) -> Self {
        let status = StatusCode::UNAUTHORIZED;
        Self::new(status, "second-factor-required", "A code is needed", detail)
    }

    /// 403.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// 403: a permission is missing.
    pub(crate) fn lacking(permission: Permission) -> Self {
        Self::forbidden(format!(
            "this needs the permission `{permission}`; ask somebody who manages the members for a \
             role that has it"
        ))
    }

    /// 403: what would be given to others, or taken from them.
    pub(crate) fn beyond() -> Self {
        Self::forbidden("nobody gives, or takes from others, permissions that they do not have")
    }

    /// 409: a role that every organization has.
    pub(crate) fn built_in() -> Self {
        Self::in_use("built-in roles cannot be changed; make one of your own")
    }

    /// 403: the session is for no organization.
    pub(crate) fn no_organization() -> Self {
        Self::forbidden(
            "you belong to no organization here any more; choose one of GET /api/v1/organizations \
             by PUT /api/v1/users/me/organization",
        )
    }

    /// 404: absent, or another organization's; nobody can tell which.
    pub(crate) fn not_found() -> Self {
        let detail = "there is no such thing here";
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 405.
    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this path has other methods; see /openapi.json";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "Method not allowed",
            detail,
        )
    }

    /// 409.
    pub(crate) fn conflict(field: &str) -> Self {
        let detail = format!("`{field}` is taken");
        let problem = Self::new(
            StatusCode::CONFLICT,
            "conflict",
            "Already taken",
            detail.clone(),
        );
        Self {
            errors: vec![FieldError {
                pointer: format!("/{field}"),
                detail,
            }],
            ..problem
        }
    }

    /// 409: something else needs it.
    pub(crate) fn in_use(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "in-use", "In use", detail)
    }

    /// 409: it is not in a state for that.
    pub(crate) fn not_now(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "not-now", "Not now", detail)
    }

    /// 409: the installation would be left to itself.
    pub(crate) fn last_administrator() -> Self {
        let detail = "this is the last administrator who can sign in; make another one first";
        let title = "The last administrator";
        Self::new(StatusCode::CONFLICT, "last-administrator", title, detail)
    }

    /// 412: somebody else was faster.
    pub(crate) fn stale() -> Self {
        let detail = "the object was changed since; read it again and repeat with its new ETag";
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "stale",
            "Changed by somebody else",
            detail,
        )
    }

    /// 413.
    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "Body too large",
            detail,
        )
    }

    /// 415 of everything but uploads.
    pub(crate) fn unsupported_media_type() -> Self {
        Self::media_type("Not JSON", "send `Content-Type: application/json`")
    }

    /// 415.
    pub(crate) fn media_type(title: &'static str, detail: &str) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "media-type", title, detail)
    }

    /// 422 with every field at fault.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map_or_else(String::new, |first| {
            format!("{}: {}", first.pointer, first.detail)
        });
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self {
            errors,
            ..Self::new(status, "invalid", "Some fields are not valid", detail)
        }
    }

    /// 422: a component that is not accepted.
    pub(crate) fn refused(refusal: ComponentRefusal) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let title = "The component is not accepted";
        Self {
            errors: vec![FieldError::new("", refusal.message.clone())],
            error_class: Some(refusal.class),
            ..Self::new(status, "component-refused", title, refusal.message)
        }
    }

    /// 429: a quota of the organization is used up.
    pub(crate) fn quota_exceeded(detail: impl Into<String>, retry_after: u16) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self {
            error_class: Some(ErrorClass::QuotaExceeded),
            retry_after: Some(retry_after),
            ..Self::new(status, "quota-exceeded", "A quota is used up", detail)
        }
    }

    /// 429: the organization has as many as it may have.
    pub(crate) fn quota(quota: Quota, limit: u64) -> Self {
        let name = quota.as_str();
        let remedy = match quota {
            Quota::Members => "remove a member",
            Quota::Scripts => "delete one",
            _ => "delete some",
        };
        let detail = format!(
            "the organization has as many as its quota `{name}` allows, {limit}; {remedy}, or ask an \
             administrator of the installation for more"
        );
        Self::quota_exceeded(detail, RETRY_QUOTA)
    }

    /// 429: nothing runs any more on this day.
    pub(crate) fn used_up(quota: Quota, limit: u64, wait: chrono::TimeDelta) -> Self {
        let name = quota.as_str();
        let detail = format!(
            "the organization has used up its quota `{name}` of {limit}; it begins anew at midnight (UTC), \
             or ask an administrator of the installation for more"
        );
        let seconds = wait.num_seconds().clamp(1, i64::from(u16::MAX));
        Self::quota_exceeded(detail, u16::try_from(seconds).unwrap_or(u16::MAX))
    }

    /// 429: guesses, and the same whether there is anything to guess.
    pub(crate) fn too_many_attempts(wait: chrono::TimeDelta) -> Self {
        // Rounded up, so that an attempt after that time is let in.
        let seconds = ((wait.num_milliseconds() + 999) / 1_000).clamp(1, 3_600);
        let detail = format!("too many attempts failed; try again in {seconds} seconds");
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self {
            retry_after: u16::try_from(seconds).ok(),
            ..Self::new(status, "too-many-attempts", "Too many attempts", detail)
        }
    }

    /// 429: the caller, or the organization, makes more requests than it may.
    pub(crate) fn too_many_requests(wait: chrono::TimeDelta) -> Self {
        let seconds = ((wait.num_milliseconds() + 999) / 1_000).clamp(1, 60);
        let detail = format!("too many requests; go on in {seconds} seconds, and slower");
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self {
            retry_after: u16::try_from(seconds).ok(),
            ..Self::new(status, "too-many-requests", "Too many requests", detail)
        }
    }

    /// 500 with a fixed text. The cause is logged here, once.
    pub(crate) fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(cause), "a request failed");
        Self::panicked()
    }

    /// 500 without a cause at hand.
    pub(crate) fn panicked() -> Self {
        let detail = "the server failed; its log says more under this instance";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Server error",
            detail,
        )
    }

    /// 401 of a login by a provider. One text for every reason: the log has it.
    pub(crate) fn identity_refused() -> Self {
        let detail = "what the identity provider says signs nobody in here; begin again";
        Self::new(
            StatusCode::UNAUTHORIZED,
            "identity-refused",
            "Not signed in",
            detail,
        )
    }

    /// 502: somebody else's server.
    pub(crate) fn bad_gateway(detail: impl Into<String>) -> Self {
        let title = "Another server failed";
        Self::new(StatusCode::BAD_GATEWAY, "bad-gateway", title, detail)
    }

    /// The same, and which field asks for it.
    pub(crate) fn at(self, pointer: &str) -> Self {
        let error = FieldError::new(pointer, self.detail.clone());
        Self {
            errors: vec![error],
            ..self
        }
    }

    /// 409: the installation lacks a setting for it.
    pub(crate) fn not_set_up(detail: impl Into<String>) -> Self {
        let status = StatusCode::CONFLICT;
        Self::new(status, "not-set-up", "Not set up here", detail)
    }

    /// 503: worth another try.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(2),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Not available now",
                detail,
            )
        }
    }

    /// Whether it is a 403.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.status == StatusCode::FORBIDDEN.as_u16()
    }

    pub(crate) fn with_instance(mut self, instance: &str) -> Self {
        self.instance = Some(instance.to_owned());
        self
    }
}

/// An error with its sources, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("made from a status");
        let retry_after = self.retry_after;
        let marker = ProblemBody(Box::new(self.clone()));
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(marker);
        response
    }
}

/// Conflicts and a busy database have an answer of their own; what is "not found" is decided by
/// the handler.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { field } => Self::conflict(field),
            StoreError::InvalidCursor => Self::bad_request("`cursor` is not one that a page gave"),
            // It may be unknown, used, over, or for another address: nobody is told which.
            StoreError::InvitationInvalid => Self::invalid(vec![FieldError::new(
                "/invitation",
                "this invitation is not good, or no longer; ask for another",
            )]),
            StoreError::ProjectMissing => Self::invalid(vec![FieldError::new(
                "/project_id",
                "there is no such project",
            )]),
            StoreError::Parent(why) => {
                Self::invalid(vec![FieldError::new("/parent_script_id", why.to_string())])
            }
            StoreError::QuotaExceeded { quota, limit } => Self::quota(quota, limit),
            StoreError::RegistrationClosed => Self::forbidden(
                "registration is closed here; ask the administrator for an invitation",
            ),
            // The look before found it: it was deleted in this moment.
            StoreError::ComponentMissing => Self::invalid(vec![FieldError::new(
                "/component",
                "there is no such component here any more",
            )]),
            error if error.is_retryable() => {
                tracing::warn!(error = %chain(&error), "the database is busy");
                Self::unavailable("the database is not available for the moment")
            }
            error => Self::internal(&error),
        }
    }
}

impl From<ScriptError> for FieldError {
    fn from(error: ScriptError) -> Self {
        Self {
            pointer: error.pointer,
            detail: error.reason,
        }
    }
}

impl From<ConfigErrors> for Problem {
    fn from(errors: ConfigErrors) -> Self {
        let errors = errors.0.into_iter();
        Self::invalid(errors.map(Into::into).collect())
    }
}

impl From<ConfigError> for FieldError {
    fn from(error: ConfigError) -> Self {
        Self::new(error.pointer, error.reason)
    }
}

impl FieldError {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }

    /// The same, of a body that is a member of another one.
    pub(crate) fn within(self, pointer: &str) -> Self {
        Self {
            pointer: format!("{pointer}{}", self.pointer),
            ..self
        }
    }

    pub(crate) fn schedule(error: &ScheduleError, is_cron: bool) -> Self {
        Self::new(error.pointer(is_cron), error.to_string())
    }
}
