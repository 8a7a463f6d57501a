//! Where a plugin's memory comes from: first an arena inside its initial memory, then Rust's own allocator.
//!
//! Guards and approval plugins get a fresh instance for each call, and growing memory is the dearest thing that a
//! short call can do: the host changes a mapping that all its threads share. What such a call needs fits the arena.
//! It is given out from one end and not taken back, save what was given out last; plugins that live longer use it up
//! once and go on as usual. Nothing here is for more than one thread, and plugins have one.

#![allow(
    unsafe_code,
    reason = "an allocator hands out raw memory; each use says why it is sound"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};

/// Twice what the standard guards need for a statement with a hundred columns.
const ARENA_BYTES: usize = 256 << 10;

#[global_allocator]
static ARENA: Arena = Arena {
    bytes: UnsafeCell::new([0; ARENA_BYTES / WORD_BYTES]),
    used: Cell::new(0),
};

/// As much alignment as anything in Rust asks for.
const WORD_BYTES: usize = align_of::<u128>();

struct Arena {
    bytes: UnsafeCell<[u128; ARENA_BYTES / WORD_BYTES]>,
    used: Cell<usize>,
}

// SAFETY: a component has one thread.
unsafe impl Sync for Arena {}

impl Arena {
    fn start(&self) -> *mut u8 {
        self.bytes.get().cast()
    }

    /// Memory of this layout from the arena, if there is enough left.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let from = self.used.get().next_multiple_of(layout.align());
        let end = from.checked_add(layout.size())?;
        if end > ARENA_BYTES || layout.align() > WORD_BYTES {
            return None;
        }
        self.used.set(end);
        // SAFETY: `from` is within the arena.
        Some(unsafe { self.start().add(from) })
    }

    /// Where a piece starts within the arena; `None` if it is not of the arena.
    fn place(&self, piece: *mut u8) -> Option<usize> {
        let place = (piece as usize).wrapping_sub(self.start() as usize);
        (place < ARENA_BYTES).then_some(place)
    }

    /// Whether this piece was given out last.
    fn is_last(&self, place: usize, layout: Layout) -> bool {
        place + layout.size() == self.used.get()
    }
}

// SAFETY: pieces of the arena do not overlap: `used` grows past each, and goes back to the start of the last only.
// Everything else is the system's allocator's.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(piece) => piece,
            // SAFETY: the caller's promise is handed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match self.place(piece) {
            Some(place) if self.is_last(place, layout) => self.used.set(place),
            Some(_) => {}
            // SAFETY: it is not of the arena, so the system's allocator gave it out.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(place) = self.place(piece) else {
            // SAFETY: it is not of the arena, so the system's allocator gave it out.
            return unsafe { System.realloc(piece, layout, size) };
        };
        if self.is_last(place, layout) && size <= ARENA_BYTES - place {
            self.used.set(place + size);
            return piece;
        }
        if size <= layout.size() {
            return piece;
        }
        // SAFETY: the caller promises that `size` with this alignment is a layout.
        let larger = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: two pieces that do not overlap, both at least as large as what is copied.
        unsafe {
            let moved = self.alloc(larger);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(piece, layout.size());
            }
            moved
        }
    }
}
