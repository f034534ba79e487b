//! Reading bodies, path ids and queries, with problems that name the field.

use std::{str::FromStr, time::Duration};

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Path, Query, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    http::{HeaderMap, header, request::Parts},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::timeout;
use vedette_core::Digest;
use vedette_store::{Cursor, PageRequest};

use crate::{json, problem::Problem};

/// Largest body, in bytes: a source of 256 KiB, of which JSON may write each byte as six.
pub(crate) const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// For all of a body to come.
const BODY_TIME: Duration = Duration::from_secs(30);

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
        if !is_json(&request) {
            return Err(Problem::unsupported_media_type());
        }
        json::parse(&read(request, state).await?).map(Self)
    }
}

/// A JSON object, or no body at all, which is all defaults.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<S, T> FromRequest<S> for OptionalJson<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Default,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(&request);
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !is_json {
            return Err(Problem::unsupported_media_type());
        }
        json::parse(&bytes).map(Self)
    }
}

fn is_json(request: &Request) -> bool {
    media_type(request.headers()) == Some("application/json".to_owned())
}

/// The media type of a body, in lower case and without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.split(';').next()?;
    Some(kind.trim().to_ascii_lowercase())
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
    let body = timeout(BODY_TIME, Bytes::from_request(request, state)).await;
    let body = body.map_err(|_| Problem::too_slow(BODY_TIME))?;
    body.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Problem::too_large(MAX_BODY_BYTES)
        }
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

/// The digest of a component in the path. A text that is none names nothing that is here.
pub(crate) struct PathDigest(pub(crate) Digest);

impl<S: Send + Sync> FromRequestParts<S> for PathDigest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// A name in the path. What cannot be read names nothing that is here.
pub(crate) struct PathText(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found())?;
        Ok(Self(text))
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
        page_request(raw.limit, raw.cursor).map(Self)
    }
}

/// Which page is asked for, by the texts of the query.
pub(crate) fn page_request(
    limit: Option<String>,
    cursor: Option<String>,
) -> Result<PageRequest, Problem> {
    let limit = match limit {
        None => DEFAULT_PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_PAGE).contains(limit))
            .ok_or_else(|| {
                Problem::bad_request(format!("`limit` is a number from 1 to {MAX_PAGE}"))
            })?,
    };
    let cursor = cursor.map(|text| Cursor::parse(&text)).transpose()?;
    Ok(PageRequest { limit, cursor })
}

/// An id in the query.
pub(crate) fn query_id<T: FromStr>(name: &str, text: Option<String>) -> Result<Option<T>, Problem> {
    query_value(name, text, "a UUID")
}

/// A time in the query.
pub(crate) fn query_time(
    name: &str,
    text: Option<String>,
) -> Result<Option<DateTime<Utc>>, Problem> {
    let time: Option<DateTime<Utc>> =
        query_value(name, text, "a time such as 2026-11-29T12:00:00Z (RFC 3339)")?;
    // Others have no text of the usual length, by which databases compare.
    let is_usual = |time: &DateTime<Utc>| (0..253_402_300_800).contains(&time.timestamp());
    if time.as_ref().is_none_or(is_usual) {
        Ok(time)
    } else {
        Err(Problem::bad_request(format!(
            "`{name}` is a time of the years 1970 to 9999"
        )))
    }
}

fn query_value<T: FromStr>(
    name: &str,
    text: Option<String>,
    what: &str,
) -> Result<Option<T>, Problem> {
    let parsed = text.map(|text| text.parse::<T>()).transpose();
    parsed.map_err(|_| Problem::bad_request(format!("`{name}` is {what}")))
}
