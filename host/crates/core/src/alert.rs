//! When somebody is told that a check's target is not well, and when that it is well again.
//!
//! A [`rule::RuleDefinition`] is what a user saves. Each execution becomes an
//! [`observation::Observation`]; [`machine::step`] takes a rule's [`state::RuleState`] from one to
//! the next, and [`machine::tick`] does what happens without an execution. Where a script runs at
//! several locations each has a state of its own, and [`quorum::Quorum`] makes one of them.
//! [`incident::IncidentState`] gathers the rules of a script and says what is to be sent.
//! [`follow_up::FollowUps`] says when it is told again. [`dry_run::DryRun`] plays a rule over the past. Nothing here
//! sends, stores or waits.

pub mod dry_run;
pub mod follow_up;
pub mod incident;
pub mod machine;
mod memory;
pub mod observation;
pub mod quorum;
pub mod rule;
mod severity;
pub mod state;
#[cfg(test)]
mod tests;

pub use memory::LEAST_VERDICTS;
pub use severity::Severity;
