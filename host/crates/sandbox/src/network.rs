//! Where the requests of a run go.

use futures::{FutureExt, future::BoxFuture};
use vedette_core::RequestRecord;
use vedette_egress::{FetchError, Request, Response, Session};

/// What came of a request.
pub(crate) type Answer = Result<Response, FetchError>;

/// Makes the requests of one run, and keeps the record of them.
pub(crate) trait Network: Send + Sync {
    /// Starts a request. Dropping the future cancels it.
    ///
    /// # Errors
    /// When the request is refused before anything of it begins.
    fn fetch(&self, request: Request) -> Result<BoxFuture<'static, Answer>, FetchError>;

    /// Notes that a request failed because of us.
    fn note_platform_fault(&self);

    /// Whether a request failed because of us, so that what the run says about the target may be
    /// wrong.
    fn platform_failed(&self) -> bool;

    /// The requests so far in the order of their start; one in flight counts as cancelled.
    fn records(&self) -> Vec<RequestRecord>;
}

/// The real one: the egress guard, in this process.
impl Network for Session {
    fn fetch(&self, request: Request) -> Result<BoxFuture<'static, Answer>, FetchError> {
        Session::fetch(self, request).map(FutureExt::boxed)
    }

    fn note_platform_fault(&self) {
        Session::note_platform_fault(self);
    }

    fn platform_failed(&self) -> bool {
        Session::platform_failed(self)
    }

    fn records(&self) -> Vec<RequestRecord> {
        Session::records(self)
    }
}

/// For what makes no requests, such as a compilation.
pub(crate) struct NoNetwork;

impl Network for NoNetwork {
    fn fetch(&self, _: Request) -> Result<BoxFuture<'static, Answer>, FetchError> {
        Err(FetchError::Limit("there is no network here".to_owned()))
    }

    fn note_platform_fault(&self) {}

    fn platform_failed(&self) -> bool {
        false
    }

    fn records(&self) -> Vec<RequestRecord> {
        Vec::new()
    }
}

/// For measurements: a target that answers at once, and no network.
#[cfg(feature = "bench")]
pub(crate) struct Stub;

#[cfg(feature = "bench")]
impl Network for Stub {
    fn fetch(&self, request: Request) -> Result<BoxFuture<'static, Answer>, FetchError> {
        let response = Response {
            status: 200,
            headers: vec![("content-type".to_owned(), b"text/plain".to_vec())],
            body: b"ok".to_vec(),
            url: request.url,
            redirected: false,
            http_version: "HTTP/1.1".to_owned(),
            remote_address: None,
            timings: vedette_egress::Timings::default(),
            tls: None,
        };
        Ok(std::future::ready(Ok(response)).boxed())
    }

    fn note_platform_fault(&self) {}

    fn platform_failed(&self) -> bool {
        false
    }

    fn records(&self) -> Vec<RequestRecord> {
        Vec::new()
    }
}
