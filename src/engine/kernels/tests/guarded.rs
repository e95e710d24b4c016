//! Memory that ends where reading further kills the test.
//!
//! Owns: values whose last byte is the last of a page, before a page that nobody may touch; a kernel that reads or
//! writes beyond its slice does not get away with it. Does not own: what is in them.
//! Invariant: the values are initialised and live as long as the mapping. Under miri, which has eyes of its own, and
//! off Linux, they are a plain vector.
#![expect(unsafe_code, reason = "pages are mapped and protected by hand")]

use std::ops::{Deref, DerefMut};

const PAGE: usize = 65_536;

/// Copies of values that end at a guard page.
pub(super) struct Guarded<T: Copy> {
    #[cfg(all(target_os = "linux", not(miri)))]
    base: *mut u8,
    #[cfg(all(target_os = "linux", not(miri)))]
    room: usize,
    #[cfg(all(target_os = "linux", not(miri)))]
    values: *mut T,
    #[cfg(all(target_os = "linux", not(miri)))]
    len: usize,
    #[cfg(not(all(target_os = "linux", not(miri))))]
    plain: Vec<T>,
}

#[cfg(all(target_os = "linux", not(miri)))]
mod mapping {
    use super::{Deref, DerefMut, Guarded, PAGE};

    unsafe extern "C" {
        fn mmap(at: *mut u8, len: usize, access: i32, flags: i32, file: i32, offset: i64) -> *mut u8;
        fn mprotect(at: *mut u8, len: usize, access: i32) -> i32;
        fn munmap(at: *mut u8, len: usize) -> i32;
    }

    /// Readable and writable; private and anonymous (Linux, every architecture).
    const READ_WRITE: i32 = 3;
    const PRIVATE_ANONYMOUS: i32 = 0x22;

    impl<T: Copy> Guarded<T> {
        /// A copy of `values`.
        pub(crate) fn new(values: &[T]) -> Self {
            let bytes = size_of_val(values);
            let room = bytes.next_multiple_of(PAGE);
            // SAFETY: a fresh private mapping touches nobody's memory.
            let base =
                unsafe { mmap(std::ptr::null_mut(), room + PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0) };
            assert!(!base.is_null() && base.addr() != usize::MAX, "no memory for a guarded slice");
            // SAFETY: the last page of the mapping above; `PAGE` is a multiple of every page size in use.
            let protected = unsafe { mprotect(base.add(room), PAGE, 0) };
            assert_eq!(protected, 0, "the guard page is not protected");
            // SAFETY: `bytes <= room`; pages are aligned beyond any `T`, and `bytes` is a multiple of its size.
            let start = unsafe { base.add(room - bytes).cast::<T>() };
            // SAFETY: `values.len()` values fit between `start` and the guard page, in memory of our own.
            unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), start, values.len()) };
            Self { base, room, values: start, len: values.len() }
        }
    }

    impl<T: Copy> Deref for Guarded<T> {
        type Target = [T];
        fn deref(&self) -> &[T] {
            // SAFETY: initialised by `new`, mapped until `drop`.
            unsafe { std::slice::from_raw_parts(self.values, self.len) }
        }
    }

    impl<T: Copy> DerefMut for Guarded<T> {
        fn deref_mut(&mut self) -> &mut [T] {
            // SAFETY: as above, and the borrow is exclusive.
            unsafe { std::slice::from_raw_parts_mut(self.values, self.len) }
        }
    }

    impl<T: Copy> Drop for Guarded<T> {
        fn drop(&mut self) {
            // SAFETY: the mapping of `new`, which nobody can see any more.
            unsafe { munmap(self.base, self.room + PAGE) };
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
impl<T: Copy> Guarded<T> {
    /// A copy of `values`.
    pub(super) fn new(values: &[T]) -> Self {
        Self { plain: values.to_vec() }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
impl<T: Copy> Deref for Guarded<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.plain
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
impl<T: Copy> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.plain
    }
}
