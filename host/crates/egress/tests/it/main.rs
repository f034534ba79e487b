//! The guard: the corpus of hostile addresses, URLs and requests as tables, and the client against
//! servers that misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod corpus;
mod live;
mod server;
