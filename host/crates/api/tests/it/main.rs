//! The API as its clients see it: the whole router, in process, on SQLite, with an engine that
//! does what a test tells it.
#![expect(clippy::unwrap_used, reason = "a test's panic is its report")]

mod accounts;
mod api_keys;
mod audit;
mod blocked_components;
mod component_scripts;
mod components;
mod document;
mod engine;
mod foreign_ids;
mod hardening;
mod hostile;
mod http;
mod isolation;
mod matrix;
mod members;
mod organizations;
mod profile;
mod redis;
mod rollback;
mod runs;
mod scripts;
mod second_factors;
mod sessions;
mod signatures;
mod throttling;
mod users;
mod variables;
mod world;
