//! The scheduler against real databases: every due slot ends in exactly one row, whatever
//! happens meanwhile.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod drain;
mod fairness;
mod faults;
mod nodes;
mod overload;
mod quotas;
mod rechecks;
mod runs;
mod self_health;
mod timing;
mod witness;
mod world;
