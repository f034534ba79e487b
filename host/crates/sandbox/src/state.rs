//! What the host keeps for one run, and drops with its store.

use std::{collections::BTreeMap, sync::Arc};

use chacha20::{ChaCha20Rng, rand_core::SeedableRng as _};
use chrono::{DateTime, Utc};
use vedette_core::{Clock, Flag, LogLevel, LogLine};
use wasmtime::component::ResourceTable;

use crate::{
    Limits,
    limits::HANDLES,
    memory::{Ceilings, MemoryLimiter},
    network::Network,
    record::{Replay, Tape},
    steps::Steps,
    verdict::clean_text,
    world::{GuestClock, World},
};

/// The data of a store.
pub(crate) struct RunState {
    pub(crate) memory: MemoryLimiter,
    pub(crate) table: ResourceTable,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) params: String,
    pub(crate) env: BTreeMap<String, String>,
    /// For the log; the guest sees `guest_clock`.
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) guest_clock: GuestClock,
    /// How often the guest read a clock.
    pub(crate) clock_calls: u64,
    /// All random numbers of the guest.
    pub(crate) random: ChaCha20Rng,
    /// Requests that the guest started, refused ones included.
    pub(crate) requests_started: u32,
    /// What the host tells the guest, when that is to be kept.
    pub(crate) tape: Option<Tape>,
    /// The recording that says how long each wait takes; without one, the world does.
    pub(crate) replay: Option<Replay>,
    pub(crate) log: Log,
    pub(crate) steps: Steps,
}

impl RunState {
    pub(crate) fn new(
        limits: &Limits,
        ceilings: Ceilings,
        world: World,
        clock: Arc<dyn Clock>,
        params: String,
        env: BTreeMap<String, String>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self {
            memory: MemoryLimiter::new(limits.memory_bytes, ceilings),
            table,
            network: world.network,
            params,
            env,
            clock,
            guest_clock: world.clock,
            clock_calls: 0,
            random: ChaCha20Rng::from_seed(world.seed),
            requests_started: 0,
            tape: world.tape,
            replay: world.replay,
            log: Log::new(limits),
            steps: Steps::default(),
        }
    }
}

/// A run's log, cut at the limits as it is written.
pub(crate) struct Log {
    lines: Vec<LogLine>,
    bytes_left: usize,
    lines_left: usize,
    line_bytes: usize,
    truncated: bool,
}

impl Log {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            lines: Vec::new(),
            bytes_left: limits.log_bytes,
            lines_left: limits.log_lines,
            line_bytes: limits.log_line_bytes,
            truncated: false,
        }
    }

    /// Keeps what fits, and remembers that something did not.
    pub(crate) fn push(&mut self, log_level: LogLevel, message: &str, clock: &dyn Clock) {
        self.push_at(log_level, message, clock.now());
    }

    /// [`Log::push`] for a line that came at a known time.
    pub(crate) fn push_at(&mut self, log_level: LogLevel, message: &str, at: DateTime<Utc>) {
        let room = self.line_bytes.min(self.bytes_left);
        if self.lines_left == 0 || (room == 0 && !message.is_empty()) {
            self.truncated = true;
            return;
        }
        let kept = clean_text(message, room);
        self.truncated |= kept.len() < message.len();
        self.lines_left -= 1;
        self.bytes_left -= kept.len();
        self.lines.push(LogLine {
            log_level,
            message: kept,
            timestamp: at,
        });
    }

    /// Takes in lines that were kept elsewhere meanwhile, in the order of time, and whether some
    /// of them are missing.
    pub(crate) fn merge(&mut self, lines: Vec<(LogLevel, DateTime<Utc>, String)>, truncated: bool) {
        self.truncated |= truncated;
        if lines.is_empty() {
            return;
        }
        for (log_level, at, message) in lines {
            self.push_at(log_level, &message, at);
        }
        self.lines.sort_by_key(|line| line.timestamp);
    }

    pub(crate) fn finish(self) -> (Vec<LogLine>, Vec<Flag>) {
        let flags = if self.truncated {
            vec![Flag::LogTruncated]
        } else {
            Vec::new()
        };
        (self.lines, flags)
    }
}
