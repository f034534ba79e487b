//! The limiter of a store: it sums over all memories and tables, where wasmtime's own
//! `StoreLimits` would grant its limit to each of them.

use wasmtime::ResourceLimiter;

use crate::limits::{self, component as caps};

/// What one instance may be made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ceilings {
    table_elements: usize,
    core_instances: usize,
    tables: usize,
    memories: usize,
}

#[expect(clippy::cast_possible_truncation, reason = "for small constants")]
const fn small(count: u64) -> usize {
    count as usize
}

impl Ceilings {
    /// Of the engine with a script.
    pub(crate) const SCRIPT: Self = Self {
        table_elements: limits::TABLE_ELEMENTS,
        core_instances: limits::CORE_INSTANCES,
        tables: limits::TABLES,
        memories: limits::MEMORIES,
    };

    /// Of an uploaded component.
    pub(crate) const COMPONENT: Self = Self {
        table_elements: small(caps::TABLE_ELEMENTS),
        core_instances: small(caps::INSTANCES),
        tables: small(caps::TABLES),
        memories: small(caps::MEMORIES),
    };
}

/// Counts what a store holds, and remembers the most and whether growth was refused.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    limit_bytes: usize,
    ceilings: Ceilings,
    held_bytes: usize,
    peak_bytes: usize,
    table_elements: usize,
    refusals: u32,
}

/// After so many refusals a guest is stopped: each costs the host more than the guest pays for it.
const MOST_REFUSALS: u32 = 10_000;

/// A guest asked for more again and again.
#[derive(Debug, thiserror::Error)]
#[error("growth was refused {MOST_REFUSALS} times")]
struct RefusedTooOften;

impl MemoryLimiter {
    pub(crate) fn new(limit_bytes: usize, ceilings: Ceilings) -> Self {
        Self {
            limit_bytes,
            ceilings,
            held_bytes: 0,
            peak_bytes: 0,
            table_elements: 0,
            refusals: 0,
        }
    }

    /// Most bytes held at one time.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.peak_bytes as u64
    }

    /// Whether the guest asked for more than it may have. A trap that follows is its answer.
    pub(crate) fn refused(&self) -> bool {
        self.refusals > 0
    }

    fn refuse(&mut self) -> wasmtime::Result<bool> {
        self.refusals += 1;
        if self.refusals > MOST_REFUSALS {
            return Err(RefusedTooOften.into());
        }
        Ok(false)
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = self
            .held_bytes
            .saturating_add(desired.saturating_sub(current));
        if grown > self.limit_bytes || maximum.is_some_and(|maximum| desired > maximum) {
            return self.refuse();
        }
        self.held_bytes = grown;
        self.peak_bytes = self.peak_bytes.max(grown);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if grown > self.ceilings.table_elements || maximum.is_some_and(|maximum| desired > maximum)
        {
            return self.refuse();
        }
        self.table_elements = grown;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.ceilings.core_instances
    }

    fn tables(&self) -> usize {
        self.ceilings.tables
    }

    fn memories(&self) -> usize {
        self.ceilings.memories
    }
}
