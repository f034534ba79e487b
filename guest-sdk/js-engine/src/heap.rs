//! The heap of QuickJS and of Rust: small blocks by size, everything else from the C library.
//!
//! A run lives for microseconds and makes thousands of small objects, so that a tenth of it was
//! spent in a general allocator. Here a block that was freed waits for the next of its size, and
//! a new one comes from the end of a chunk. Small blocks never go back to the C library; the end
//! of the run makes up for it.
//!
//! The snapshot ends with a chunk that is still untouched (see [`begin_runs`]): a run writes to
//! fresh pages, close together, instead of to gaps all over the realm. Each page written is a page
//! copied, and held for as long as the run waits.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::UnsafeCell,
    ptr::null_mut,
};

/// Largest block that is kept by size, in bytes.
const SMALL_BYTES: usize = 1024;
const STEP_BYTES: usize = 8;
/// What is taken from the C library at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// The chunk that runs begin with. Most runs need no other; a larger one would cost more to reset
/// after each run than it saves.
const FIRST_CHUNK_BYTES: usize = 64 * 1024;

struct Heap(UnsafeCell<State>);

struct State {
    /// By size: the first free block, which holds the address of the next one.
    free: [*mut u8; SMALL_BYTES / STEP_BYTES + 1],
    /// The unused rest of the newest chunk.
    rest: *mut u8,
    rest_bytes: usize,
}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(State {
    free: [null_mut(); SMALL_BYTES / STEP_BYTES + 1],
    rest: null_mut(),
    rest_bytes: 0,
}));

// SAFETY: the engine is built without threads.
unsafe impl Sync for Heap {}

impl State {
    /// A block of `steps` times [`STEP_BYTES`], or null when memory is at its limit.
    #[inline]
    unsafe fn take(&mut self, steps: usize) -> *mut u8 {
        let first = self.free[steps];
        if !first.is_null() {
            // SAFETY: a free block holds the address of the next one, or null.
            self.free[steps] = unsafe { *first.cast::<*mut u8>() };
            return first;
        }
        let bytes = steps * STEP_BYTES;
        if self.rest_bytes < bytes {
            // SAFETY: the size is not zero.
            unsafe { self.begin_chunk(CHUNK_BYTES) };
            if self.rest.is_null() {
                return null_mut();
            }
        }
        let block = self.rest;
        // SAFETY: so much is left of the chunk.
        self.rest = unsafe { block.add(bytes) };
        self.rest_bytes -= bytes;
        block
    }

    /// What was left of the chunk before is given up.
    #[cold]
    unsafe fn begin_chunk(&mut self, bytes: usize) {
        // SAFETY: a size that is not zero, and an alignment that is a power of two.
        self.rest = unsafe { System.alloc(Layout::from_size_align_unchecked(bytes, STEP_BYTES)) };
        self.rest_bytes = if self.rest.is_null() { 0 } else { bytes };
    }
}

/// How many steps a block takes; `None`: it is the C library's.
#[inline]
fn steps_of(layout: Layout) -> Option<usize> {
    let is_small = layout.size() <= SMALL_BYTES && layout.align() <= STEP_BYTES;
    is_small.then(|| layout.size().div_ceil(STEP_BYTES))
}

// SAFETY: blocks of one size do not overlap: each is cut from a chunk once, and is either in use or
// in the list of its size. Without threads, no two references to the state exist at a time.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match steps_of(layout) {
            // SAFETY: see above.
            Some(steps) => unsafe { (*self.0.get()).take(steps) },
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc(layout) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match steps_of(layout) {
            // SAFETY: the block was cut for this size, and nobody uses it any more.
            Some(steps) => unsafe {
                let state = &mut *self.0.get();
                *block.cast::<*mut u8>() = state.free[steps];
                state.free[steps] = block;
            },
            // SAFETY: the caller's promise.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size is valid with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (steps_of(layout), steps_of(wanted)) {
            // SAFETY: both are the C library's.
            (None, None) => unsafe { System.realloc(block, layout, new_size) },
            (old, new) if old == new => block,
            // SAFETY: a new block cannot overlap one in use; the old one is freed once.
            _ => unsafe {
                let moved = self.alloc(wanted);
                if !moved.is_null() {
                    moved.copy_from_nonoverlapping(block, layout.size().min(new_size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}

/// The last thing before the snapshot: free blocks between those of the realm are given up, and
/// runs begin with a chunk of their own.
pub fn begin_runs() {
    // SAFETY: without threads, nobody else holds the state.
    unsafe {
        let state = &mut *HEAP.0.get();
        state.free.fill(null_mut());
        state.begin_chunk(FIRST_CHUNK_BYTES);
    }
}
