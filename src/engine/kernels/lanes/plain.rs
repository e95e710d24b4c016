//! The plain form: what every other gives, and what machines without one use.

/// Eight values of 16 bits.
#[derive(Clone, Copy)]
pub struct Lanes([u16; 8]);

impl Lanes {
    /// As they are.
    #[inline(always)]
    pub const fn of(values: &[u16; 8]) -> Self {
        Self(*values)
    }

    /// Eight bytes, the lowest first, in 256ths.
    #[inline(always)]
    pub fn of_bytes(bytes: u64) -> Self {
        Self(bytes.to_le_bytes().map(|v| u16::from(v) << 8))
    }

    /// One value in all lanes.
    #[inline(always)]
    pub const fn splat(value: u16) -> Self {
        Self([value; 8])
    }

    /// The part `weight / 65536` of each value, rounded down.
    #[inline(always)]
    pub fn part(self, weight: Self) -> Self {
        Self(core::array::from_fn(|i| ((u32::from(self.0[i]) * u32::from(weight.0[i])) >> 16) as u16))
    }

    /// Lane by lane; what leaves 16 bits is lost.
    #[inline(always)]
    pub fn sum(self, other: Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i].wrapping_add(other.0[i])))
    }

    /// Lane by lane.
    #[inline(always)]
    pub fn less(self, other: Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i].wrapping_sub(other.0[i])))
    }

    /// The bits that differ.
    #[inline(always)]
    pub fn differing(self, other: Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }

    /// The right pixel added to the left; the lanes behind them hold nothing of use.
    #[inline(always)]
    pub fn folded(self) -> Self {
        Self(core::array::from_fn(|i| self.0[i].wrapping_add(self.0.get(i + 3).copied().unwrap_or(0))))
    }

    /// The left pixel's colours in the opposite order; the lanes behind it hold nothing of use.
    #[inline(always)]
    pub fn mirrored(mut self) -> Self {
        self.0.swap(0, 2);
        self
    }

    /// Whole steps of 256, rounded down, the lowest lane in the lowest byte.
    #[inline(always)]
    pub fn bytes(self) -> u64 {
        u64::from_le_bytes(self.0.map(|v| (v >> 8) as u8))
    }

    /// As they are.
    #[inline(always)]
    pub const fn write(self, values: &mut [u16; 8]) {
        *values = self.0;
    }
}
