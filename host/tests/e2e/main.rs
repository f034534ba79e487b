//! The binary as its users meet it: commands, files, signals, and HTTP against a real target.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod alerts;
mod audit;
mod build;
mod canaries;
mod check;
mod components;
mod crash;
mod document;
mod egress;
mod listener;
mod login;
mod mail;
mod new;
mod notifications;
mod receiver;
mod replay;
mod secrets;
mod serve;
mod target;
mod vedette;
mod walkthrough;
