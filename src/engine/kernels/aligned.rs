//! Bytes that begin at a cache line.
//!
//! Owns: the one cast from blocks to bytes. Invariant: the bytes are always initialised.
#![expect(unsafe_code, reason = "blocks of bytes seen as bytes")]

/// As long as a cache line and the widest register.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Block([u8; 64]);

/// Zeroed bytes, aligned to 64.
pub struct Aligned {
    blocks: Vec<Block>,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self { blocks: vec![Block([0; 64]); len.div_ceil(64)], len }
    }

    /// All bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        // SAFETY: blocks are plain bytes without padding (their size is their alignment), and there are at least
        // `len` of them; the borrow of `self` keeps them.
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.len) }
    }

    /// All bytes, to write.
    #[must_use]
    pub const fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast(), self.len) }
    }
}

impl std::fmt::Debug for Aligned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Aligned({} bytes)", self.len)
    }
}
