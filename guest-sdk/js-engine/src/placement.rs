//! Where the blocks of the realm lie in the snapshot.
//!
//! As the realm is built the same way each time, the number of an allocation says which block it
//! is. The first build is for rehearsals: each block has pages to itself, so that the `engine` command
//! of `xtask` sees from outside which ones a run writes to. It then tells the second build, which
//! makes the snapshot, where to put them.

use std::cell::Cell;

use crate::{
    bindings::{self, Block},
    heap::{self, Chunk},
    realm,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// For a rehearsal: each by itself, and never used again.
    Apart,
    /// Freed before the snapshot.
    Passing,
    /// Runs write to it.
    Written,
    Read,
}

/// What is done with the next allocation, and what was done with those before it.
pub struct Builder {
    /// By number of the allocation; none for a rehearsal.
    places: Vec<u8>,
    pub apart: Chunk,
    pub written: Chunk,
    pub read: Chunk,
    /// For a rehearsal.
    taken: Vec<Block>,
    next: usize,
}

/// Allocations of the realm; there are some ten thousand.
const MOST: usize = 100_000;

thread_local! {
    static REHEARSED: Cell<Vec<Block>> = const { Cell::new(Vec::new()) };
}

impl Builder {
    fn new() -> Self {
        let placement = bindings::place_blocks();
        let is_rehearsal = placement.places.is_empty();
        Self {
            apart: Chunk::NONE,
            written: Chunk::of_pages(placement.written_bytes as usize),
            read: Chunk::of_pages(placement.read_bytes as usize),
            places: placement.places,
            // It must not grow: the allocator uses it.
            taken: Vec::with_capacity(if is_rehearsal { MOST } else { 0 }),
            next: 0,
        }
    }

    pub fn next_place(&mut self) -> Place {
        let number = self.next;
        self.next += 1;
        match self.places.get(number) {
            None if self.places.is_empty() => Place::Apart,
            Some(0) => Place::Passing,
            Some(1) => Place::Written,
            Some(2) => Place::Read,
            _ => panic!("the realm is not built as it was for the rehearsals"),
        }
    }

    pub fn note_taken(&mut self, block: *mut u8, bytes: usize) {
        if self.places.is_empty() {
            assert!(self.taken.len() < MOST, "there is room for all");
            self.taken.push(Block {
                address: block as u32,
                bytes: bytes as u32,
                is_freed: false,
            });
        }
    }

    /// Where a block lies that is freed now.
    pub fn note_freed(&mut self, block: *mut u8) -> Place {
        if !self.places.is_empty() {
            return Place::Passing;
        }
        // Most live shortly.
        let mut taken = self.taken.iter_mut().rev();
        if let Some(taken) = taken.find(|taken| taken.address == block as u32) {
            taken.is_freed = true;
        }
        Place::Apart
    }
}

/// Builds the realm. The only thing that happens before the snapshot.
pub fn build() {
    let builder = Box::into_raw(Box::new(Builder::new()));
    let page = heap::new_page();
    heap::begin_realm(builder, page);
    realm::build();
    heap::end_realm();
    // SAFETY: nobody else has it any more.
    let mut builder = unsafe { Box::from_raw(builder) };
    // Nothing of it shall be in the snapshot.
    std::hint::black_box(&mut builder.places).fill(0);
    REHEARSED.set(std::mem::take(&mut builder.taken));
    drop(builder);
    heap::begin_runs(page);
}

/// The blocks of the realm in the order of their allocation, as [`build`] made it for a rehearsal.
pub fn blocks() -> Vec<Block> {
    REHEARSED.take()
}
