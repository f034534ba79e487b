//! The API as its clients see it: the whole router, in process, on SQLite, with an engine that
//! does what a test tells it.
#![expect(clippy::unwrap_used, reason = "a test's panic is its report")]

mod accounts;
mod alert_rules;
mod alerting;
mod api_keys;
mod audit;
mod bad_channels;
mod blocked_components;
mod channels;
mod component_scripts;
mod components;
mod document;
mod engine;
mod foreign_ids;
mod hardening;
mod hostile;
mod http;
mod identities;
mod idp;
mod incidents;
mod isolation;
mod mail;
mod maintenance;
mod matrix;
mod members;
mod metrics;
mod notifications;
mod oidc;
mod oidc_attacks;
mod organizations;
mod profile;
mod quotas;
mod redis;
mod rollback;
mod runs;
mod scripts;
mod sealed;
mod second_factors;
mod sessions;
mod signatures;
mod smtp;
mod throttling;
mod users;
mod variables;
mod world;
