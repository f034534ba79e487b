//! Finds due slots, leases them, hands them to a [`Runner`], records outcomes in batches.
//!
//! The due times live in the database; this crate claims what falls due soon, fires each slot at
//! its exact time, and sees to it that every slot ends in exactly one row: run, missed with a
//! reason, or handed back. It knows nothing of sandboxes. Start reading at [`Scheduler::start`],
//! then `claim` (database to memory), `dispatch` (memory to runs) and `record` (runs to database).
//!
//! What waits for a place waits in the `fair_queue` of organizations; what is claimed is counted in the
//! `ledger`, so that one organization's slots never keep all others' out.
//!
//! Several nodes may share one database. The way of a slot through one of them:
//!
//! ```text
//! claim ──> dispatch (heap, queue for a place) ──> run ──> record ──> claim …
//!                 │                                 │
//!                 └── missed, or handed back        └── panic, over time: an error of ours
//! ```
#![warn(missing_docs)]

mod claim;
mod config;
mod dispatch;
mod due_heap;
mod fair_queue;
mod handle;
mod held;
mod household;
mod ledger;
mod limits;
mod measures;
mod places;
mod record;
mod run;
mod runner;
mod self_health;
mod shared;

pub use config::SchedulerConfig;
pub use handle::{Scheduler, SchedulerHandle};
pub use runner::{FinishedRun, RunRequest, Runner};
pub use self_health::{Operator, OperatorError, Outage, References, SelfHealth};
