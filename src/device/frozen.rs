//! A camera that hangs sends the same picture for ever.
//!
//! Owns: telling a still scene from a hung camera, and naming a picture that shows nothing. Does not own: what
//! follows.
//! Invariants: pure, time is an argument, nothing is allocated. A living sensor is never still: its noise changes
//! some byte of every frame, so frames that are identical to the byte come from a buffer and not from the world.

use ostiary_domain::{Millis, Mono};

/// Byte-identical frames for so long are a hung camera (SPEC 1).
pub const FROZEN_AFTER: Millis = Millis(2_000);

/// Watches the frames of one camera.
#[derive(Clone, Debug, Default)]
pub struct FrozenDetector {
    /// Of the last frame, and when it was first seen.
    last: Option<(u64, Mono)>,
    frozen: bool,
}

impl FrozenDetector {
    /// Has seen nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None, frozen: false }
    }

    /// Takes the pixels of the next frame; `true` while they have been the same for [`FROZEN_AFTER`].
    ///
    /// Once frozen, it stays so until a different picture comes, however long none came.
    pub fn is_frozen(&mut self, rgb: &[u8], now: Mono) -> bool {
        self.observe(fingerprint(rgb), now)
    }

    /// As [`FrozenDetector::is_frozen`], of a picture whose [`fingerprint`] is known.
    pub fn observe(&mut self, print: u64, now: Mono) -> bool {
        match self.last {
            Some((same, since)) if same == print => {
                self.frozen |= now.since(since) >= FROZEN_AFTER;
            }
            Some(_) | None => {
                self.last = Some((print, now));
                self.frozen = false;
            }
        }
        self.frozen
    }

    /// Forgets how long the last picture stood, but not that it was frozen: to be called where frames stopped and
    /// begin again, so that a pause is not counted as standing still.
    pub fn resume(&mut self, now: Mono) {
        if let Some((_, since)) = self.last.as_mut()
            && !self.frozen
        {
            *since = now;
        }
    }
}

/// A 64-bit hash of all bytes: equal pictures have equal prints, and different ones have different prints with
/// overwhelming probability. Not for secrets.
///
/// Four independent multiply-and-fold lanes over 8 bytes each, in the manner of wyhash; about 5 GB/s, so that a
/// 640x480 frame takes a fifth of a millisecond.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> u64 {
    const SEED: [u64; 4] =
        [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93];
    let mut lanes = SEED;
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        for (i, word) in block.as_chunks::<8>().0.iter().enumerate() {
            lanes[i] = fold(lanes[i] ^ u64::from_le_bytes(*word), SEED[i] | 1);
        }
    }
    let mut rest = [0; 32];
    let tail = blocks.remainder();
    rest[..tail.len()].copy_from_slice(tail);
    for (i, word) in rest.as_chunks::<8>().0.iter().enumerate() {
        lanes[i] = fold(lanes[i] ^ u64::from_le_bytes(*word), SEED[i] | 1);
    }
    let all = lanes.into_iter().fold(bytes.len() as u64, |sum, lane| fold(sum ^ lane, SEED[0]));
    fold(all, SEED[1])
}

const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    // The addition keeps a zero factor from erasing what came before.
    (product as u64 ^ (product >> 64) as u64).wrapping_add(a.rotate_left(23))
}

/// A picture in which nothing can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blind {
    /// Black: the lens is covered, or there is no light.
    Black,
    /// White: a lamp or the sun shines into the lens.
    White,
}

impl Blind {
    /// For the installer.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Black => "black: the lens is covered or there is no light",
            Self::White => "white: a lamp or the sun shines into the lens",
        }
    }
}

/// Whether at least 98 % of the picture is nearly black (under 16 in every channel) or nearly white (over 250),
/// measured on every 16th pixel of every 4th row.
#[must_use]
pub fn blind(rgb: &[u8], width: u32) -> Option<Blind> {
    let row = width.max(1) as usize * 3;
    let (mut black, mut white, mut all) = (0_u32, 0_u32, 0_u32);
    for line in rgb.chunks_exact(row).step_by(4) {
        for pixel in line.as_chunks::<3>().0.iter().step_by(16) {
            let brightest = pixel[0].max(pixel[1]).max(pixel[2]);
            let darkest = pixel[0].min(pixel[1]).min(pixel[2]);
            black += u32::from(brightest < 16);
            white += u32::from(darkest > 250);
            all += 1;
        }
    }
    let most = |part: u32| all > 0 && u64::from(part) * 100 >= u64::from(all) * 98;
    if most(black) {
        Some(Blind::Black)
    } else if most(white) {
        Some(Blind::White)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_after_two_seconds_and_alive_with_one_changed_byte() {
        let mut frame = vec![90_u8; 640 * 480 * 3];
        let mut d = FrozenDetector::new();
        for ms in (0..2_000).step_by(33) {
            assert!(!d.is_frozen(&frame, Mono(ms)));
        }
        assert!(d.is_frozen(&frame, Mono(2_000)));
        // A respawned camera that sends the old picture is still the hung camera.
        d.resume(Mono(60_000));
        assert!(d.is_frozen(&frame, Mono(60_000)));
        frame[500_001] ^= 1;
        assert!(!d.is_frozen(&frame, Mono(60_033)));
    }

    #[test]
    fn a_pause_is_no_standing_still() {
        let mut d = FrozenDetector::new();
        assert!(!d.observe(7, Mono(0)));
        d.resume(Mono(10_000));
        assert!(!d.observe(7, Mono(10_000)));
        assert!(d.observe(7, Mono(12_000)));
    }

    #[test]
    fn every_byte_and_the_length_count() {
        let base = [0_u8; 101];
        let print = fingerprint(&base);
        for i in 0..base.len() {
            let mut other = base;
            other[i] = 1;
            assert_ne!(fingerprint(&other), print, "{i}");
        }
        assert_ne!(fingerprint(&base[..100]), print);
        assert_ne!(fingerprint(&[]), fingerprint(&[0]));
        let swapped: Vec<u8> = (0..64).rev().collect();
        let straight: Vec<u8> = (0..64).collect();
        assert_ne!(fingerprint(&swapped), fingerprint(&straight));
    }

    #[test]
    fn covered_and_dazzled_lenses_are_named() {
        let picture = |value| vec![value; 64 * 48 * 3];
        assert_eq!(blind(&picture(3), 64), Some(Blind::Black));
        assert_eq!(blind(&picture(255), 64), Some(Blind::White));
        assert_eq!(blind(&picture(90), 64), None);
        assert_eq!(blind(&[], 64), None);
    }
}
