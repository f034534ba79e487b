//! `wasi:http`: requests through the same guard as `vedette:monitor/fetch`, with the same limits.

use std::{error::Error as _, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use vedette_egress as egress;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttp, WasiHttpCtxView, WasiHttpHooks,
    p2::bindings::{
        LinkOptions,
        http::{outgoing_handler, types},
    },
};
use wasmtime_wasi_io::bytes::Bytes;

use super::super::machine::ComponentRun;
use crate::network::Network;

/// What came of a request, with what goes on beside it: nothing here.
type Sent = Result<(Response<WasiBody>, Beside), Error>;
type Beside = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// Where requests go.
pub(in super::super) struct Requests {
    network: Arc<dyn Network>,
    max_body_bytes: usize,
}

impl Requests {
    pub(in super::super) fn new(network: Arc<dyn Network>, max_body_bytes: usize) -> Self {
        Self {
            network,
            max_body_bytes,
        }
    }
}

pub(super) fn link(linker: &mut Linker<ComponentRun>) -> wasmtime::Result<()> {
    fn view(state: &mut ComponentRun) -> WasiHttpCtxView<'_> {
        state.count_call();
        WasiHttpCtxView {
            hooks: &mut state.requests,
            table: &mut state.run.table,
            ctx: &mut state.http,
        }
    }
    outgoing_handler::add_to_linker::<_, WasiHttp>(linker, view)?;
    types::add_to_linker::<_, WasiHttp>(linker, &LinkOptions::default().into(), view)
}

impl WasiHttpHooks for Requests {
    /// The guard's client sets it.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let network = self.network.clone();
        let max_body_bytes = self.max_body_bytes;
        Box::new(async move {
            let request = read_request(request, options, max_body_bytes).await?;
            let fetching = network.fetch(request).map_err(error_code)?;
            let response = fetching.await.map_err(error_code)?;
            let beside: Beside = Box::new(async { Ok(()) });
            Ok((response_of(response)?, beside))
        })
    }
}

/// Waits for the whole body: what a run may send is bounded, and judged before a byte goes out.
async fn read_request(
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
    max_body_bytes: usize,
) -> Result<egress::Request, Error> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, max_body_bytes).collect().await;
    let body = body.map_err(|error| match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(_) => Error::HttpRequestBodySize(Some(max_body_bytes as u64)),
    })?;
    let body = body.to_bytes();
    let headers = head.headers.iter();
    let timeout = options.and_then(|options| options.first_byte_timeout);
    Ok(egress::Request {
        method: head.method.as_str().to_owned(),
        url: head.uri.to_string(),
        headers: headers
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()))
            .collect(),
        body: (!body.is_empty()).then(|| body.to_vec()),
        // Who uses this interface follows redirects itself.
        redirect: egress::RedirectMode::Manual,
        timeout,
    })
}

fn response_of(response: egress::Response) -> Result<Response<WasiBody>, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers {
        let name = HeaderName::try_from(name).map_err(|_| Error::HttpProtocolError)?;
        let value = HeaderValue::try_from(value).map_err(|_| Error::HttpProtocolError)?;
        let added = headers.try_append(name, value);
        added.map_err(|_| Error::HttpResponseHeaderSectionSize(None))?;
    }
    let body = Full::new(Bytes::from(response.body)).map_err(Error::from);
    let built = Response::builder()
        .status(response.status)
        .body(body.boxed_unsync());
    let mut built = built.map_err(|_| Error::HttpProtocolError)?;
    *built.headers_mut() = headers;
    Ok(built)
}

fn error_code(error: egress::FetchError) -> Error {
    use egress::FetchError as E;
    let internal = |error: &E| {
        let source = error.source().map(|source| format!(": {source}"));
        Error::InternalError(Some(format!("{error}{}", source.unwrap_or_default())))
    };
    match error {
        E::Denied { .. } => Error::HttpRequestDenied,
        E::InvalidRequest(_) => Error::HttpRequestUriInvalid,
        E::Dns(rcode) => Error::DnsError {
            rcode: Some(rcode),
            info_code: None,
        },
        E::ConnectionRefused => Error::ConnectionRefused,
        E::ConnectionReset => Error::ConnectionTerminated,
        E::Connect(_) => Error::DestinationUnavailable,
        E::Tls(_) => Error::TlsProtocolError,
        E::Timeout => Error::HttpResponseTimeout,
        E::TooManyRedirects => Error::LoopDetected,
        E::BodyTooLarge(limit) => Error::HttpResponseBodySize(Some(limit)),
        E::Protocol(_) => Error::HttpProtocolError,
        E::Limit(_) | E::Platform(_) => internal(&error),
    }
}
