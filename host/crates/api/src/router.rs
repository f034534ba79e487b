//! What wraps all routes, and their description.

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
};
use tracing::Instrument as _;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, OpenApi as Document, Ref, RefOr, Response as DocumentResponse,
        ResponseBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    ApiState,
    extract::MAX_BODY_BYTES,
    metrics, openapi as pages,
    problem::{PROBLEM_JSON, Problem, ProblemBody},
    reset_page, routes,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(OpenApi)]
#[openapi(
    info(title = "Vedette", description = "Checks of websites and APIs, sealed in WebAssembly."),
    modifiers(&BearerAuth),
)]
struct Base;

struct BearerAuth;

impl Modify for BearerAuth {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("bearer", bearer);
    }
}

fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Base::openapi()).merge(routes::all())
}

/// The API's description.
pub fn openapi() -> Document {
    described(routes().into_openapi())
}

/// What all operations have in common: the media type of errors, and the server's own failures.
fn described(mut document: Document) -> Document {
    let failures = [
        ("500", "The server failed"),
        ("503", "Not available for the moment"),
    ];
    for (name, path) in &mut document.paths.paths {
        let operations = [
            &mut path.get,
            &mut path.put,
            &mut path.post,
            &mut path.delete,
        ];
        for operation in operations.into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            if operation.security.is_some() {
                let too_many = || RefOr::T(problem_response("Too many requests"));
                responses.entry("429".to_owned()).or_insert_with(too_many);
            }
            if name.starts_with("/api/") {
                for (status, description) in failures {
                    let failure = || RefOr::T(problem_response(description));
                    responses.entry(status.to_owned()).or_insert_with(failure);
                }
            }
            if operation.request_body.is_some() {
                let too_slow = || RefOr::T(problem_response("The body did not come in time"));
                responses.entry("408".to_owned()).or_insert_with(too_slow);
            }
            for (status, response) in responses {
                let RefOr::T(response) = response else {
                    continue;
                };
                if status.starts_with(['4', '5'])
                    && let Some(content) = response.content.shift_remove("application/json")
                {
                    response.content.insert(PROBLEM_JSON.to_owned(), content);
                }
            }
        }
    }
    document
}

fn problem_response(description: &str) -> DocumentResponse {
    let schema = Ref::from_schema_name("Problem");
    ResponseBuilder::new()
        .description(description)
        .content(
            PROBLEM_JSON,
            ContentBuilder::new().schema(Some(schema)).build(),
        )
        .build()
}

/// The whole API, with its description and a page to read it.
pub fn router(state: ApiState) -> Router {
    let (router, document) = routes().split_for_parts();
    let origins = state.config.cors_origins.clone();
    let router = router
        .merge(pages::router(&described(document)))
        .merge(reset_page::router())
        .merge(metrics::router())
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(state)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(
            |_: Box<dyn std::any::Any + Send>| Problem::panicked().into_response(),
        ))
        .layer(middleware::from_fn(metrics::count_request));
    let router = if origins.is_empty() {
        router
    } else {
        router.layer(cors(origins))
    };
    router
        .layer(middleware::from_fn(finish))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(middleware::map_request(drop_odd_request_id))
}

/// Lets pages of these origins, and of no other, call the API by a token. Cookies are never read, so
/// that none are allowed.
fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            HeaderName::from_static("prefer"),
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            REQUEST_ID,
        ])
        .max_age(Duration::from_hours(1))
}

/// An id from outside is kept only if it is harmless in a log and given once; else we make one.
async fn drop_odd_request_id(mut request: Request) -> Request {
    let is_good = |id: &HeaderValue| {
        (1..=64).contains(&id.len())
            && id
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    let given: Vec<&HeaderValue> = request.headers().get_all(REQUEST_ID).iter().collect();
    let is_kept = match given.as_slice() {
        [] => true,
        [id] => is_good(id),
        _ => false,
    };
    if !is_kept {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// One span a request, the request's id in every problem, and headers for browsers.
async fn finish(mut request: Request, next: Next) -> Response {
    let id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
        .to_owned();
    request.headers_mut().remove(header::COOKIE);
    // The path has ids; the query may have anything, and is left out.
    let span = tracing::info_span!(
        "http.request",
        http.method = %request.method(),
        http.path = request.uri().path(),
        request.id = id,
    );
    let mut response = next.run(request).instrument(span).await;
    if let Some(ProblemBody(problem)) = response.extensions_mut().remove::<ProblemBody>() {
        let headers = response.headers().clone();
        response = problem
            .with_instance(&format!("urn:vedette:request:{id}"))
            .into_response();
        response.extensions_mut().remove::<ProblemBody>();
        // What an inner layer said besides, such as `Allow` of a 405.
        for (name, value) in &headers {
            if !response.headers().contains_key(name) && name != header::CONTENT_LENGTH {
                response.headers_mut().insert(name.clone(), value.clone());
            }
        }
    }
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CACHE_CONTROL, "no-store");
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    );
    response
}
