//! Channels as their receivers see them: the messages of every kind, hostile texts in them, and attempts to
//! deliver them to servers that misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod channels;
mod deliver;
mod digests;
mod formats;
mod hostile;
mod kills;
mod mail;
mod preview;
mod sending;
mod server;
mod signature;
mod world;
