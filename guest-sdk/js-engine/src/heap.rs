//! The heap of QuickJS, C and Rust: `malloc` itself. Small blocks by size, everything else from the
//! C library's own.
//!
//! A run lives for microseconds and makes thousands of small objects, so that a tenth of it was
//! spent in a general allocator. Here a block that was freed waits for the next of its size, and
//! a new one comes from the end of a chunk. Small blocks never go back to the C library; the end
//! of the run makes up for it.
//!
//! The linker puts these functions in the place of the C library's (`--wrap`, in the `engine` command
//! of `xtask`), so that QuickJS calls them without the two layers that `rquickjs` has for an
//! allocator in Rust, which cost as much as the allocation.
//!
//! The snapshot is copied for every run, and each page that a run writes to is held for as long
//! as it waits. So while the realm is built, blocks are put where the [`placement`](crate::placement)
//! says: what runs write to lies together, what is freed before the snapshot leaves nothing there,
//! and runs begin with an untouched chunk behind it all.

use std::{cell::UnsafeCell, ffi::c_int, ptr::null_mut};

use crate::placement::{Builder, Place};

/// Before each block stands its room in bytes, with a mark. Before that, in a block of the C
/// library's, the address that the library gave.
const HEADER: usize = 4;
const LARGE_HEADER: usize = 8;
/// Marks. Rooms are multiples of four.
const LARGE: u32 = 1;
/// A large block that was placed, and is never given back.
const KEPT: u32 = 2;
/// Of every block.
const ALIGN: usize = 8;
/// Largest block that is kept by size, with its header, in bytes.
const SMALL_BYTES: usize = 1024;
/// What is taken from the C library at a time.
const CHUNK_BYTES: usize = 16 * 1024;
const WASM_PAGE_BYTES: usize = 64 * 1024;
/// Page of the host's memory.
const HOST_PAGE_BYTES: usize = 4096;

/// `ENOMEM` of wasi-libc.
const OUT_OF_MEMORY: c_int = 48;

unsafe extern "C" {
    fn __real_malloc(size: usize) -> *mut u8;
    fn __real_realloc(block: *mut u8, size: usize) -> *mut u8;
    fn __real_free(block: *mut u8);
}

struct Heap(UnsafeCell<State>);

struct State {
    /// By size: the first free block, which holds the address of the next one.
    free: [*mut u8; SMALL_BYTES / ALIGN + 1],
    /// The unused rest of the newest chunk.
    rest: Chunk,
    /// While the realm is built.
    builder: *mut Builder,
}

static HEAP: Heap = Heap(UnsafeCell::new(State {
    free: [null_mut(); SMALL_BYTES / ALIGN + 1],
    rest: Chunk::NONE,
    builder: null_mut(),
}));

// SAFETY: the engine is built without threads.
unsafe impl Sync for Heap {}

/// Memory from which blocks are cut, front to back.
pub struct Chunk {
    /// Four bytes before a multiple of [`ALIGN`].
    next: *mut u8,
    bytes: usize,
}

impl Chunk {
    pub const NONE: Self = Self {
        next: null_mut(),
        bytes: 0,
    };

    /// For the blocks of a kind, beginning with a page of the host's.
    pub fn of_pages(bytes: usize) -> Self {
        Self::new(bytes, HOST_PAGE_BYTES)
    }

    /// From the C library; empty when memory is at its limit. It begins with a page of this size.
    fn new(bytes: usize, page_bytes: usize) -> Self {
        // SAFETY: any size is allowed.
        let given = unsafe { __real_malloc(bytes + ALIGN + page_bytes) };
        if given.is_null() {
            return Self::NONE;
        }
        // SAFETY: not more than was asked for beyond `bytes`.
        unsafe {
            Self::at(
                given.add(given.align_offset(page_bytes.max(1))),
                bytes + ALIGN,
            )
        }
    }

    /// # Safety
    /// The memory is there, nobody else's, and begins at a multiple of eight.
    unsafe fn at(start: *mut u8, bytes: usize) -> Self {
        Self {
            // SAFETY: inside of it.
            next: unsafe { start.add(ALIGN - HEADER) },
            bytes: bytes - ALIGN,
        }
    }

    /// A block with pages of the host's to itself, from a chunk that is made anew when it is used up.
    fn cut_apart(&mut self, bytes: usize, mark: u32) -> *mut u8 {
        let pages = (bytes + HEADER).next_multiple_of(HOST_PAGE_BYTES);
        if self.bytes < pages {
            *self = Self::new(pages.max(1 << 20), HOST_PAGE_BYTES);
        }
        let rest = (self.next, self.bytes);
        let block = self.cut(bytes, mark);
        // SAFETY: so much was left.
        (self.next, self.bytes) = unsafe { (rest.0.add(pages), rest.1 - pages) };
        block
    }

    /// A block of so many bytes, header included; null when so much is not left.
    #[inline]
    fn cut(&mut self, bytes: usize, mark: u32) -> *mut u8 {
        if self.bytes < bytes {
            return null_mut();
        }
        // SAFETY: so much is left, and the header is part of it.
        unsafe {
            let block = self.next.add(HEADER);
            self.next = self.next.add(bytes);
            self.bytes -= bytes;
            *header(block) = (bytes - HEADER) as u32 | mark;
            block
        }
    }
}

impl State {
    /// A small block of so many bytes, header included; null when memory is at its limit.
    #[inline]
    fn take(&mut self, bytes: usize) -> *mut u8 {
        let first = self.free[bytes / ALIGN];
        if !first.is_null() {
            // SAFETY: a free block holds the address of the next one, or null.
            self.free[bytes / ALIGN] = unsafe { *first.cast::<*mut u8>() };
            return first;
        }
        if self.rest.bytes < bytes {
            // What was left of the chunk before is given up.
            self.rest = Chunk::new(CHUNK_BYTES, 0);
        }
        self.rest.cut(bytes, 0)
    }

    fn give_back(&mut self, block: *mut u8, bytes: usize) {
        // SAFETY: the smallest block has room for an address.
        unsafe { *block.cast::<*mut u8>() = self.free[bytes / ALIGN] };
        self.free[bytes / ALIGN] = block;
    }

    /// A block of the realm.
    #[cold]
    fn place(&mut self, size: usize) -> *mut u8 {
        let Some(bytes) = bytes_of(size) else {
            return null_mut();
        };
        let mark = if bytes > SMALL_BYTES { KEPT } else { 0 };
        // SAFETY: set by `begin_realm`, and nobody else holds it.
        let builder = unsafe { &mut *self.builder };
        let block = match builder.next_place() {
            Place::Apart => builder.apart.cut_apart(bytes, mark),
            Place::Passing if mark == KEPT && self.rest.bytes < bytes => large(size, ALIGN),
            Place::Passing if mark == KEPT => self.rest.cut(bytes, KEPT),
            Place::Passing => self.take(bytes),
            Place::Written => builder.written.cut(bytes, mark),
            Place::Read => builder.read.cut(bytes, mark),
        };
        // SAFETY: as above.
        unsafe { (*self.builder).note_taken(block, bytes) };
        block
    }
}

#[inline]
fn state() -> &'static mut State {
    // SAFETY: without threads, and as no function of this file calls another one that asks for it
    // while it uses it, there is one reference at a time.
    unsafe { &mut *HEAP.0.get() }
}

#[inline]
unsafe fn header(block: *mut u8) -> *mut u32 {
    // SAFETY: the caller's block has a header.
    unsafe { block.sub(HEADER).cast() }
}

/// Bytes of a block with its header; `None`: more than there can be.
#[inline]
fn bytes_of(size: usize) -> Option<usize> {
    size.checked_add(HEADER)?.checked_next_multiple_of(ALIGN)
}

/// A block of the C library's.
#[cold]
fn large(size: usize, align: usize) -> *mut u8 {
    let Some(bytes) = bytes_of(size) else {
        return null_mut();
    };
    let Some(asked) = bytes.checked_add(LARGE_HEADER + align - ALIGN) else {
        return null_mut();
    };
    // SAFETY: the block begins behind its header, at the next multiple of `align`.
    unsafe {
        let given = __real_malloc(asked);
        if given.is_null() {
            return null_mut();
        }
        let block = given.add(LARGE_HEADER);
        begin_large(given, block.add(block.align_offset(align)), bytes)
    }
}

/// Writes the header of a block of the C library's.
unsafe fn begin_large(given: *mut u8, block: *mut u8, bytes: usize) -> *mut u8 {
    // SAFETY: the caller made room for both.
    unsafe {
        block.sub(LARGE_HEADER).cast::<*mut u8>().write(given);
        *header(block) = (bytes - HEADER) as u32 | LARGE;
    }
    block
}

#[unsafe(no_mangle)]
extern "C" fn __wrap_malloc(size: usize) -> *mut u8 {
    let state = state();
    if !state.builder.is_null() {
        return state.place(size);
    }
    if size <= SMALL_BYTES - HEADER {
        state.take((size + HEADER).next_multiple_of(ALIGN))
    } else {
        large(size, ALIGN)
    }
}

#[unsafe(no_mangle)]
extern "C" fn __wrap_calloc(count: usize, size: usize) -> *mut u8 {
    let Some(bytes) = count.checked_mul(size) else {
        return null_mut();
    };
    let block = __wrap_malloc(bytes);
    if !block.is_null() {
        // SAFETY: the block has this room.
        unsafe { block.write_bytes(0, bytes) };
    }
    block
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_free(block: *mut u8) {
    if block.is_null() {
        return;
    }
    // SAFETY: the block was given by a function of this file, and nobody uses it any more. Blocks of
    // one size do not overlap: each is cut from a chunk once, and is either in use or in the list of
    // its size.
    unsafe {
        let header = *header(block);
        let state = state();
        if !state.builder.is_null() {
            if (*state.builder).note_freed(block) == Place::Apart {
                return;
            }
            // Nothing of it shall be in the snapshot.
            block.write_bytes(0, (header & !(LARGE | KEPT)) as usize);
        }
        if header & (LARGE | KEPT) == 0 {
            state.give_back(block, header as usize + HEADER);
        } else if header & LARGE != 0 {
            __real_free(*block.sub(LARGE_HEADER).cast::<*mut u8>());
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_realloc(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() {
        return __wrap_malloc(size);
    }
    let Some(bytes) = bytes_of(size) else {
        return null_mut();
    };
    // SAFETY: as in `free`; a new block cannot overlap one in use, and the old one is freed once.
    unsafe {
        let header = *header(block);
        let room = (header & !(LARGE | KEPT)) as usize;
        if bytes - HEADER == room {
            return block;
        }
        if header & LARGE != 0 && bytes > SMALL_BYTES && state().builder.is_null() {
            let given = *block.sub(LARGE_HEADER).cast::<*mut u8>();
            // Others lie deeper in what was given.
            if given == block.sub(LARGE_HEADER) {
                let given = __real_realloc(given, bytes + LARGE_HEADER);
                if given.is_null() {
                    return null_mut();
                }
                return begin_large(given, given.add(LARGE_HEADER), bytes);
            }
        }
        let moved = __wrap_malloc(size);
        if !moved.is_null() {
            moved.copy_from_nonoverlapping(block, room.min(size));
            __wrap_free(block);
        }
        moved
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_posix_memalign(
    given: *mut *mut u8,
    align: usize,
    size: usize,
) -> c_int {
    let block = __wrap_aligned_alloc(align, size);
    if block.is_null() {
        return OUT_OF_MEMORY;
    }
    // SAFETY: the caller's place for the address is valid.
    unsafe { *given = block };
    0
}

#[unsafe(no_mangle)]
extern "C" fn __wrap_aligned_alloc(align: usize, size: usize) -> *mut u8 {
    if align <= ALIGN {
        __wrap_malloc(size)
    } else {
        large(size, align)
    }
}

/// From now on, blocks are the realm's, and `builder` says where they go. Those that will be freed
/// go to the page that runs begin with.
pub fn begin_realm(builder: *mut Builder, page: *mut u8) {
    let state = state();
    state.free.fill(null_mut());
    // SAFETY: the page is new, and the C library asks for its own when it needs more.
    state.rest = unsafe { Chunk::at(page, WASM_PAGE_BYTES) };
    state.builder = builder;
}

/// From now on, blocks are nobody's in particular.
pub fn end_realm() {
    state().builder = null_mut();
}

/// The last thing before the snapshot: runs begin with a page of their own, which is untouched. Most
/// need no other; more would cost more to reset after each run than it saves.
pub fn begin_runs(page: *mut u8) {
    let state = state();
    // What is left between the blocks of the realm is given up.
    state.free.fill(null_mut());
    // SAFETY: the realm has nothing in this page any more.
    unsafe {
        page.write_bytes(0, WASM_PAGE_BYTES);
        state.rest = Chunk::at(page, WASM_PAGE_BYTES);
    }
}

/// A page at the end of memory.
pub fn new_page() -> *mut u8 {
    let before = core::arch::wasm32::memory_grow::<0>(1);
    assert!(before != usize::MAX, "memory can grow");
    (before * WASM_PAGE_BYTES) as *mut u8
}
