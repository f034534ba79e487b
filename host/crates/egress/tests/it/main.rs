//! The guard: the corpus of hostile addresses, URLs, requests and servers, as tables and in a
//! network of the test's own, and the client against servers that misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod corpus;
mod live;
mod net;
mod properties;
mod reach;
mod rows;
mod server;
