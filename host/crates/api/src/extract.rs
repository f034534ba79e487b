//! Reading bodies, path ids and queries, with problems that name the field.

use std::str::FromStr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{header, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};
use vedette_store::{Cursor, PageRequest};

use crate::{json, problem::Problem};

/// Largest body, in bytes: a source of 256 KiB, of which JSON may write each byte as six.
pub(crate) const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 100;

/// A JSON object. Unknown fields, fields given twice and wrong types are refused by name.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S, T> FromRequest<S> for JsonBody<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(Problem::unsupported_media_type());
        }
        json::parse(&read(request, state).await?).map(Self)
    }
}

/// No body, or an empty object: what somebody believes to say by it would be ignored.
pub(crate) struct NoBody;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = read(request, state).await?;
        if !bytes.is_empty() {
            json::parse::<Empty>(&bytes)?;
        }
        Ok(Self)
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(_) => Problem::too_large(MAX_BODY_BYTES),
            _ => Problem::bad_request("the body could not be read"),
        })
}

/// An id in the path. One that is no UUID is a bad request, whatever the caller may see.
pub(crate) struct PathId<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for PathId<T>
where
    S: Send + Sync,
    T: FromStr,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::bad_request("the path cannot be read"))?;
        text.parse()
            .map(Self)
            .map_err(|_| Problem::bad_request("the id in the path is not a UUID"))
    }
}

/// `?limit=` and `?cursor=`.
pub(crate) struct PageQuery(pub(crate) PageRequest);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPage {
    limit: Option<String>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawPage>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::bad_request("a list takes `limit` and `cursor`, once each"))?;
        let limit = match raw.limit {
            None => DEFAULT_PAGE,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=MAX_PAGE).contains(limit))
                .ok_or_else(|| {
                    Problem::bad_request(format!("`limit` is a number from 1 to {MAX_PAGE}"))
                })?,
        };
        let cursor = raw.cursor.map(|text| Cursor::parse(&text)).transpose()?;
        Ok(Self(PageRequest { limit, cursor }))
    }
}
