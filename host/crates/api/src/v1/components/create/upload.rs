//! Receiving a component: what the head of the request says, then the bytes, bounded in number and
//! in time.

use std::{future::poll_fn, pin::Pin, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    extract::{Query, Request},
    http::header,
};
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use vedette_core::{Digest, script};

use crate::{
    ApiConfig,
    extract::media_type,
    problem::{FieldError, Problem},
    signature::{self, Signature},
};

/// How long an upload may take: it keeps one of few places. The largest component at 3 Mbit/s.
const UPLOAD_TIME: Duration = Duration::from_secs(90);

/// What is said of a component beside its bytes.
pub(super) struct Declared {
    pub(super) name: Option<String>,
    pub(super) signature: Option<Signature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuery {
    name: Option<String>,
}

impl Declared {
    pub(super) fn read(request: &Request, limit: usize) -> Result<Self, Problem> {
        let headers = request.headers();
        let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
        if !is_plain || media_type(headers).as_deref() != Some("application/wasm") {
            let detail = "send the component itself with `Content-Type: application/wasm`, and \
                          without a `Content-Encoding`";
            return Err(Problem::media_type("Not a component", detail));
        }
        if request.body().size_hint().lower() > limit as u64 || content_length(request) > limit {
            return Err(Problem::too_large(limit));
        }
        let Query(query) = Query::<RawQuery>::try_from_uri(request.uri())
            .map_err(|_| Problem::bad_request("an upload takes `name` once, and nothing else"))?;
        let mut errors = Vec::new();
        let checked = query.name.as_deref().map(script::check_name);
        if let Some(Err(error)) = checked {
            errors.push(FieldError::new("name", error.reason));
        }
        let mut given = headers.get_all(signature::HEADER).iter();
        let signature = given.next().map(|value| {
            let text = value.to_str().unwrap_or_default();
            // Two of them would be read differently by different readers.
            signature::read(text).filter(|_| given.next().is_none())
        });
        if matches!(signature, Some(None)) {
            let detail = "give one signature: 64 bytes in base64";
            errors.push(FieldError::new(signature::HEADER, detail));
        }
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
        Ok(Self {
            name: query.name,
            signature: signature.flatten(),
        })
    }
}

/// What the header says; zero when it says nothing. The bytes are counted all the same.
fn content_length(request: &Request) -> usize {
    let value = request.headers().get(header::CONTENT_LENGTH);
    let text = value.and_then(|value| value.to_str().ok());
    text.map_or(0, |text| text.parse().unwrap_or(0))
}

/// Takes the whole body, and its digest.
pub(super) async fn receive(body: Body, config: &ApiConfig) -> Result<(Digest, Bytes), Problem> {
    timeout(UPLOAD_TIME, read(body, config.component_bytes))
        .await
        .map_err(|_| Problem::too_slow(UPLOAD_TIME))?
}

async fn read(mut body: Body, limit: usize) -> Result<(Digest, Bytes), Problem> {
    let mut bytes = Vec::new();
    let mut hash = Sha256::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| Problem::bad_request("the body could not be read"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limit {
            return Err(Problem::too_large(limit));
        }
        hash.update(&data);
        bytes.extend_from_slice(&data);
    }
    Ok((Digest::new(hash.finalize().into()), bytes.into()))
}
