//! Every cap on a run: one struct, each with its unit and its reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vedette_egress::SessionLimits;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Fuel units of a run. Fuel is counted per Wasm operator and is the same on every machine; a
/// tight loop burns 18 million units a millisecond on a slow server core, so that this is one to
/// three seconds of pure computing.
pub const FUEL: u64 = 20_000_000_000;

/// Fuel between two points where a run lets others go on: about a millisecond.
pub const FUEL_YIELD_INTERVAL: u64 = 10_000_000;

/// Linear memory of a store, all memories together, in bytes.
pub const MEMORY_BYTES: usize = 64 * MIB;

/// Table elements of a store, all tables together. The engine needs about a thousand.
pub const TABLE_ELEMENTS: usize = 20_000;

/// Core instances of a store. The engine component is made of fewer.
pub const CORE_INSTANCES: usize = 32;

/// Memories and tables of a store.
pub const MEMORIES: usize = 4;
/// See [`MEMORIES`].
pub const TABLES: usize = 8;

/// Stack of the guest's native code, in bytes. A parser of nested source needs more than the
/// default of 512 KiB; `engine` gives each fiber twice this.
pub const WASM_STACK_BYTES: usize = MIB;

/// Bytes that one host call may move out of the guest.
pub const HOST_CALL_BYTES: usize = 8 * MIB;

/// Live component handles, and live host resources.
pub const HANDLES: usize = 1_000;

/// Longest line of a log, in bytes.
pub const LOG_LINE_BYTES: usize = 8 * KIB;
/// Lines of a run's log.
pub const LOG_LINES: usize = 1_000;
/// Bytes of a run's log, all lines together.
pub const LOG_BYTES: usize = 256 * KIB;

/// Steps and checks that are kept of a run.
pub const STEPS: usize = 200;
/// Of these, the last places are for checks that failed: they are why somebody looks.
pub const STEPS_FOR_FAILED: usize = 50;
/// Longest name of a step or a check, in bytes.
pub const STEP_NAME_BYTES: usize = 200;
/// Longest message of a step, in bytes.
pub const STEP_MESSAGE_BYTES: usize = KIB;

/// Bytes of a verdict's data as JSON; the message has the same bound.
pub const RESULT_BYTES: usize = 256 * KIB;
/// Nesting of a verdict's data.
pub const RESULT_DEPTH: usize = 64;

/// Longest message of an outcome that is not the verdict's own, in bytes.
pub const MESSAGE_BYTES: usize = 8 * KIB;

/// Random bytes that one call gives, as in Web Crypto.
pub const RANDOM_BYTES: u64 = 64 * KIB as u64;

/// Bodies of requests up to this many bytes are told apart in a recording; of longer ones only the
/// length is known.
pub const RECORDED_BODY_BYTES: usize = 64 * KIB;
/// What an entry of a recording takes besides its texts, about.
pub const RECORDED_ENTRY_BYTES: usize = 256;
/// A recording that is made for a person, in bytes.
pub const RECORDING_FILE_BYTES: usize = 2 * MIB;
/// A recording that a server keeps, in bytes: as much as a log may have.
pub const RECORDING_BYTES: usize = 256 * KIB;
/// A file that is read as a recording, in bytes.
pub const MOST_RECORDING_FILE_BYTES: u64 = 16 * MIB as u64;

/// Bounds of uploaded components, which bring the runtime of a language with them. Each is some
/// times what the largest of the toolchains makes; docs/components.md has the table.
pub mod component {
    use super::{KIB, MIB};

    /// Bytes of an upload. Python monitors have 18 MB.
    pub const UPLOAD_BYTES: usize = 32 * MIB;
    /// Functions with a body, all modules together.
    pub const FUNCTIONS: u64 = 100_000;
    /// Types, of all kinds and levels.
    pub const TYPES: u64 = 50_000;
    /// Bytes of one function. A compiler's work can grow faster than a function.
    pub const FUNCTION_BYTES: u64 = MIB as u64;
    /// Bytes of all functions.
    pub const CODE_BYTES: u64 = 24 * MIB as u64;
    /// Core modules.
    pub const MODULES: u64 = 100;
    /// Components in the component.
    pub const COMPONENTS: u64 = 64;
    /// How deep they lie in each other, the outermost and the modules included.
    pub const DEPTH: usize = 8;
    /// Core instances of one run.
    pub const INSTANCES: u64 = 200;
    /// Linear memories.
    pub const MEMORIES: u64 = 4;
    /// Linear memory at the start, all memories together; a run may have as much in all.
    pub const MEMORY_BYTES: usize = super::MEMORY_BYTES;
    /// Tables.
    pub const TABLES: u64 = 100;
    /// Elements of all tables.
    pub const TABLE_ELEMENTS: u64 = 100_000;
    /// Data and element segments.
    pub const SEGMENTS: u64 = 20_000;
    /// Imports, exports, globals, instances, aliases and adapters together.
    pub const ITEMS: u64 = 100_000;
    /// Imported interfaces.
    pub const IMPORTS: u64 = 100;
    /// Custom sections.
    pub const CUSTOM_SECTIONS: u64 = 1_000;
    /// Bytes of its native code.
    pub const ARTIFACT_BYTES: u64 = 192 * MIB as u64;
    /// Bytes of the headers of a `wasi:http` message, as the host keeps them.
    pub const HEADER_BYTES: usize = 64 * KIB;
}

/// Fuel of a compilation. 256 KiB of dense source take a tenth of it; a hostile source must
/// run out of it long before [`COMPILE_WALL`], also on a machine that has much else to do, because
/// what is late counts as our own fault.
pub const COMPILE_FUEL: u64 = 8_000_000_000;

/// Wall clock of a compilation. 256 KiB of ordinary source take a tenth of a second.
pub const COMPILE_WALL: Duration = Duration::from_secs(10);

/// What one run may use. The default is the ceiling of the platform; an organization or a script
/// can only have less.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limits {
    /// Fuel units; see [`FUEL`].
    pub fuel: u64,
    /// Linear memory in bytes, all memories together; at most [`MEMORY_BYTES`].
    pub memory_bytes: usize,
    /// Wall clock of the whole run, waiting included.
    pub wall: Duration,
    /// Longest log line, in bytes.
    pub log_line_bytes: usize,
    /// Log lines.
    pub log_lines: usize,
    /// Log bytes.
    pub log_bytes: usize,
    /// Bytes of the verdict's data, and of its message.
    pub result_bytes: usize,
    /// Requests: number, concurrency, bytes.
    pub fetch: SessionLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: FUEL,
            memory_bytes: MEMORY_BYTES,
            wall: Duration::from_secs(vedette_core::script::DEFAULT_TIMEOUT_SECONDS.into()),
            log_line_bytes: LOG_LINE_BYTES,
            log_lines: LOG_LINES,
            log_bytes: LOG_BYTES,
            result_bytes: RESULT_BYTES,
            fetch: SessionLimits::default(),
        }
    }
}
