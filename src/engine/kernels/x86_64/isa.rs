//! The few vector operations that the kernels are written in, whatever the width of the registers.
//!
//! Owns: the contract that `wide` (512 bits) and `narrow` (256 bits) fulfil. Does not own: loops and memory layouts.
//! Invariant: a value of an `Isa` type exists only where the processor has its instructions, so that all operations
//! on registers are safe; only those that take addresses are not.
//!
//! A *quad* is four registers of 32-bit lanes, which narrow to one register of bytes. `pack` leaves the bytes in the
//! order that `unpack` of four registers of bytes makes: register q of the quad holds lanes 16 L + 4 q + (0 to 3) of
//! the bytes, for each 128-bit part L. `in_order` brings quads whose registers hold consecutive lanes to that order.

/// An instruction set's registers and operations.
pub(super) trait Isa: Copy {
    /// A register of integers.
    type Int: Copy;
    /// A register of `f32`.
    type Float: Copy;
    /// Unsigned bytes made ready for `dot`.
    type Bytes: Copy;
    /// Signed weights made ready for `dot`.
    type Weights: Copy;

    /// 32-bit lanes of a register.
    const LANES: usize;
    /// Bytes of a register.
    const WIDTH: usize = Self::LANES * 4;
    /// Bytes of packed weights that one `dot` takes.
    const WEIGHTS: usize;
    /// Rows that a tile of two registers of columns holds without spilling.
    const ROWS: usize;
    /// Output columns that a depthwise kernel makes at once.
    const ACROSS: usize;

    /// Lays out four weights for each lane, `[LANES][4]`, in `WEIGHTS` bytes.
    fn lay_out(weights: &[i8], out: &mut [u8]);

    /// `sums + bytes * weights`, four products a lane; wraps.
    fn dot(self, sums: Self::Int, bytes: Self::Bytes, weights: Self::Weights) -> Self::Int;
    /// Makes bytes ready.
    fn ready(self, bytes: Self::Int) -> Self::Bytes;
    /// Signed bytes made ready, for those that nobody laid out.
    fn signed(self, bytes: Self::Int) -> Self::Weights;
    /// Four bytes to every lane.
    ///
    /// # Safety
    /// `from` is readable for 4 bytes.
    unsafe fn spread(self, from: *const u8) -> Self::Bytes;
    /// Weights as `lay_out` left them.
    ///
    /// # Safety
    /// `from` is readable for `WEIGHTS` bytes.
    unsafe fn weights(self, from: *const u8) -> Self::Weights;

    /// A register from memory.
    ///
    /// # Safety
    /// `from` is readable for `WIDTH` bytes.
    unsafe fn load(self, from: *const u8) -> Self::Int;
    /// A register to memory.
    ///
    /// # Safety
    /// `to` is writable for `WIDTH` bytes.
    unsafe fn store(self, value: Self::Int, to: *mut u8);
    /// The first `groups` times 16 bytes from memory, zeros above.
    ///
    /// # Safety
    /// `from` is readable for so many bytes.
    unsafe fn load_groups(self, from: *const u8, groups: usize) -> Self::Int;
    /// `groups` times 16 bytes (a divisor of `WIDTH`), repeated until the register is full.
    ///
    /// # Safety
    /// `from` is readable for so many bytes.
    unsafe fn repeat_groups(self, from: *const u8, groups: usize) -> Self::Int;
    /// The first `groups` times 16 bytes to memory.
    ///
    /// # Safety
    /// `to` is writable for so many bytes.
    unsafe fn store_groups(self, value: Self::Int, to: *mut u8, groups: usize);
    /// A register cut in `parts` equal parts (a constant where it is called), the first `count` stored `stride`
    /// bytes apart.
    ///
    /// # Safety
    /// Each of those places is writable for `WIDTH / parts` bytes.
    unsafe fn store_parts(self, value: Self::Int, parts: usize, count: usize, to: *mut u8, stride: usize);

    /// Every byte the same.
    fn every_byte(self, value: u8) -> Self::Int;
    /// Every 32-bit lane the same.
    fn every(self, value: i32) -> Self::Int;
    /// Every lane the same.
    fn every_float(self, value: f32) -> Self::Float;

    /// Sum of 32-bit lanes, wrapping.
    fn add(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// Sum of signed 16-bit lanes, saturating.
    fn add_short(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// The greater of unsigned bytes.
    fn max_byte(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// The lesser of unsigned bytes.
    fn min_byte(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// Bits that differ.
    fn xor(self, a: Self::Int, b: Self::Int) -> Self::Int;

    /// Signed 32-bit lanes to float.
    fn float(self, a: Self::Int) -> Self::Float;
    /// Float to signed 32-bit lanes, to the nearest, ties to even; `i32::MIN` where it does not fit.
    fn round(self, a: Self::Float) -> Self::Int;
    /// Product.
    fn times(self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// Sum.
    fn plus(self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// `b` where it is less or not a number, `a` elsewhere.
    fn least(self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// `a` where `sums` is negative, `b` elsewhere.
    fn where_negative(self, sums: Self::Int, a: Self::Float, b: Self::Float) -> Self::Float;

    /// Interleaves the bytes of the low halves of each 128-bit part.
    fn low_bytes(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// Interleaves the bytes of the high halves of each 128-bit part.
    fn high_bytes(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// Interleaves the 16-bit lanes of the low halves of each 128-bit part.
    fn low_shorts(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// Interleaves the 16-bit lanes of the high halves of each 128-bit part.
    fn high_shorts(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// Two registers of signed 32-bit lanes to 16-bit lanes, saturating, part by part.
    fn to_shorts(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// Two registers of signed 16-bit lanes to unsigned bytes, saturating, part by part.
    fn to_bytes(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// The bytes of a narrowed quad whose registers held consecutive lanes, in the order of those lanes.
    fn in_order(self, bytes: Self::Int) -> Self::Int;
    /// Four registers of consecutive lanes as a quad in the order of `unpack`.
    fn crossed(self, quad: [Self::Int; 4]) -> [Self::Int; 4];
    /// The way back.
    fn straight(self, quad: [Self::Int; 4]) -> [Self::Int; 4];
    /// Bits as integers.
    fn bits(self, a: Self::Float) -> Self::Int;
    /// Bits as floats.
    fn of_bits(self, a: Self::Int) -> Self::Float;
    /// The sum of all lanes of each register, wrapping.
    fn totals(self, four: [Self::Int; 4]) -> [i32; 4];

    /// `Kernels::lookup` of two slices of one length.
    #[inline(always)]
    fn lookup(self, table: &[u8; 256], input: &[u8], out: &mut [u8]) {
        for (to, &from) in out.iter_mut().zip(input) {
            *to = table[usize::from(from)];
        }
    }
}

/// Four registers of bytes interleaved: each 32-bit lane holds the four bytes of one place.
#[inline(always)]
pub(super) fn unpack<S: Isa>(isa: S, rows: [S::Int; 4]) -> [S::Int; 4] {
    let (low, high) = (isa.low_bytes(rows[0], rows[1]), isa.high_bytes(rows[0], rows[1]));
    let (below, above) = (isa.low_bytes(rows[2], rows[3]), isa.high_bytes(rows[2], rows[3]));
    [
        isa.low_shorts(low, below),
        isa.high_shorts(low, below),
        isa.low_shorts(high, above),
        isa.high_shorts(high, above),
    ]
}

/// Methods that are one expression of intrinsics on registers.
macro_rules! registers {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $ret:ty { $value:expr })*) => { $(
        #[inline(always)]
        fn $name(self, $($arg: $kind),*) -> $ret {
            // SAFETY: `self` proves that the processor has the instructions; no memory is touched.
            unsafe { $value }
        }
    )* };
}

/// Methods that are one expression of intrinsics on addresses.
macro_rules! addresses {
    ($($name:ident($($arg:ident: $kind:ty),*) $(-> $ret:ty)? { $value:expr })*) => { $(
        #[inline(always)]
        unsafe fn $name(self, $($arg: $kind),*) $(-> $ret)? {
            // SAFETY: `self` proves that the processor has the instructions; the caller vouches for the address.
            unsafe { $value }
        }
    )* };
}

pub(super) use {addresses, registers};
