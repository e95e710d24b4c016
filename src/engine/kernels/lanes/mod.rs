//! Eight values of 16 bits in one register: what resampling pictures needs, on every machine.
//!
//! Owns: the vector of the machine's baseline (SSE2 on x86-64, NEON on aarch64) and the plain form, which says what
//! each function means and stands in elsewhere. Does not own: colours and weights (`vision`).
//! Invariant: every form gives the same numbers, but for lanes that are said to hold nothing of use.
//!
//! What the compiler makes of plain loops over the three colours of a pixel is two to three times slower.
#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "instructions of the machine's baseline")
)]
#![allow(clippy::must_use_candidate, clippy::return_self_not_must_use, reason = "values, nothing else")]
#![expect(clippy::inline_always, reason = "a function is one instruction")]

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(any(test, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub mod plain;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(target_arch = "aarch64")]
pub use neon::Lanes;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use plain::Lanes;
#[cfg(target_arch = "x86_64")]
pub use sse2::Lanes;

#[cfg(test)]
mod tests {
    use super::{Lanes, plain};

    proptest::proptest! {
        #[test]
        fn the_machines_vectors_equal_the_plain_form(
            a in proptest::array::uniform8(proptest::num::u16::ANY),
            b in proptest::array::uniform8(proptest::num::u16::ANY),
            bytes in proptest::num::u64::ANY,
        ) {
            let (x, y) = (Lanes::of(&a), Lanes::of(&b));
            let (p, q) = (plain::Lanes::of(&a), plain::Lanes::of(&b));
            let same = |got: Lanes, want: plain::Lanes| {
                let (mut g, mut w) = ([0; 8], [0; 8]);
                got.write(&mut g);
                want.write(&mut w);
                g == w
            };
            proptest::prop_assert!(same(x.part(y), p.part(q)));
            proptest::prop_assert!(same(x.sum(y), p.sum(q)));
            proptest::prop_assert!(same(x.less(y), p.less(q)));
            proptest::prop_assert!(same(x.differing(y), p.differing(q)));
            proptest::prop_assert!(same(Lanes::splat(a[0]), plain::Lanes::splat(a[0])));
            proptest::prop_assert!(same(Lanes::of_bytes(bytes), plain::Lanes::of_bytes(bytes)));
            let left = |v: [u16; 8]| [v[0], v[1], v[2]];
            let (mut g, mut w) = ([0; 8], [0; 8]);
            x.folded().write(&mut g);
            p.folded().write(&mut w);
            proptest::prop_assert_eq!(left(g), left(w));
            proptest::prop_assert_eq!(x.bytes(), p.bytes());
            proptest::prop_assert_eq!(x.mirrored().bytes() & 0xff_ffff, p.mirrored().bytes() & 0xff_ffff);
        }
    }
}
