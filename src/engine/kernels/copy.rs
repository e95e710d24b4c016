//! Many short copies, a register each.
//!
//! Owns: the loop without a check a turn. Does not own: what is copied where (`gather`).
//! Invariant: every place is checked before the first copy.
#![expect(unsafe_code, reason = "a check a turn costs more than the copy")]

/// Bytes that one copy moves.
pub(crate) const REGISTER: usize = 16;

/// `count` times `REGISTER` bytes, `step` apart in `from` and `stride` apart in `to`.
///
/// # Panics
/// When the last of them is not within both.
pub(crate) fn copy_registers(from: &[u8], step: usize, to: &mut [u8], stride: usize, count: usize) {
    let Some(last) = count.checked_sub(1) else { return };
    let end = |apart: usize| apart.checked_mul(last).and_then(|at| at.checked_add(REGISTER));
    assert!(end(step).is_some_and(|end| end <= from.len()), "what is copied is short");
    assert!(end(stride).is_some_and(|end| end <= to.len()), "where it goes is short");
    for i in 0..count {
        // SAFETY: the last place is within both, and no place is beyond it.
        unsafe {
            let bytes = from.as_ptr().add(i * step).cast::<[u8; REGISTER]>().read_unaligned();
            to.as_mut_ptr().add(i * stride).cast::<[u8; REGISTER]>().write_unaligned(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{REGISTER, copy_registers};

    #[test]
    fn registers_go_where_they_should_and_short_slices_are_refused() {
        let from: Vec<u8> = (0..40).collect();
        let mut to = [0xa5; 72];
        copy_registers(&from, 6, &mut to, 20, 3);
        for i in 0..3 {
            assert_eq!(to[i * 20..][..REGISTER], from[i * 6..][..REGISTER]);
        }
        assert!([16, 19, 36, 39, 56, 71].iter().all(|&i| to[i] == 0xa5), "nothing between and behind");
        copy_registers(&[], 6, &mut [], 20, 0);
        for (len, room) in [(27, 56), (28, 55), (0, 56)] {
            let refused =
                std::panic::catch_unwind(|| copy_registers(&from[..len], 6, &mut vec![0; room], 20, 3));
            assert!(refused.is_err(), "{len} bytes to {room}");
        }
    }
}
