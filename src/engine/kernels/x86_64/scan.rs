//! Dot products of one signed row with many, for the gallery.
//!
//! Owns: the walk over the rows, the totals of four at a time.
//! `dot` takes unsigned bytes: a row's bytes plus 128 are such (one bit differs), and what that adds to a product is
//! 128 times the sum of the probe, known beforehand.
//! Limit: memory. A register of 64 bytes takes one load, one `xor` and one `dot`.

use super::isa::Isa;
use crate::kernels::check;

/// `Kernels::scan`.
#[inline(always)]
pub(super) fn dots<S: Isa>(isa: S, probe: &[i8], matrix: &[i8], out: &mut [i32]) {
    check::scan(probe, matrix, out);
    let len = probe.len();
    let excess = probe.iter().fold(0_i32, |sum, &p| sum.wrapping_add(128 * i32::from(p)));
    let whole = len / S::WIDTH * S::WIDTH;
    let mut tail = [0_u8; 64];
    copy(&probe[whole..], &mut tail);
    let sign = isa.every_byte(0x80);
    let mut rows = 0;
    while rows < out.len() {
        let count = (out.len() - rows).min(4);
        let mut sums = [isa.every(0); 4];
        // The last rows are repeated where fewer than four are left.
        let start = [0, 1, 2, 3].map(|r: usize| (rows + r.min(count - 1)) * len);
        // Row after row, as they lie: read four rows at a time the same bytes come from memory at half the speed.
        for (sum, start) in sums.iter_mut().zip(start) {
            let mut parts = [isa.every(0); 4];
            for (i, at) in (0..whole).step_by(S::WIDTH).enumerate() {
                // SAFETY: `WIDTH` bytes of the probe and of the row.
                unsafe {
                    let probe = isa.signed(isa.load(probe.as_ptr().add(at).cast()));
                    let row = isa.load(matrix.as_ptr().add(start + at).cast());
                    parts[i % 4] = isa.dot(parts[i % 4], isa.ready(isa.xor(row, sign)), probe);
                }
            }
            *sum = isa.add(isa.add(parts[0], parts[1]), isa.add(parts[2], parts[3]));
        }
        if whole < len {
            for r in 0..count {
                let mut rest = [0_u8; 64];
                copy(&matrix[start[r] + whole..start[r] + len], &mut rest);
                // SAFETY: 64 bytes on the stack, and no register is wider.
                unsafe {
                    let (probe, row) = (isa.signed(isa.load(tail.as_ptr())), isa.load(rest.as_ptr()));
                    sums[r] = isa.dot(sums[r], isa.ready(isa.xor(row, sign)), probe);
                }
            }
        }
        let totals = isa.totals(sums);
        for (to, total) in out[rows..rows + count].iter_mut().zip(totals) {
            *to = total.wrapping_sub(excess);
        }
        rows += count;
    }
}

/// Signed bytes as they are.
#[inline(always)]
fn copy(from: &[i8], to: &mut [u8; 64]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from as u8;
    }
}
