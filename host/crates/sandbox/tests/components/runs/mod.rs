//! Section 6 of the corpus for components: each run ends as its row says, and what it asked for and
//! logged before is kept.

mod abandoned;
mod canary;
mod denied;
mod entry;
mod growth;
mod host_calls;
mod lifting;
mod reasons;
mod requests;
mod stack;
mod stdio;
mod traps;
mod waits;
