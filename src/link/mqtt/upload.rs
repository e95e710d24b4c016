//! Pictures that come in parts.
//!
//! Owns: putting parts together within bounds. Does not own: topics, what a picture is used for.
//! Bounds: 8 uploads, 256 parts and 5 MB each, 20 MB in all; one that gets no part for 10 minutes is dropped.
//! Invariant: what comes out is every part, once, in order, and is a picture by its first bytes.

use std::collections::BTreeMap;

use super::super::wire::{Code, MAX_PHOTO_BYTES, Photo, Refusal};
use ostiary_domain::{Millis, Mono};

const MAX_UPLOADS: usize = 8;
const MAX_PARTS: u16 = 256;
const MAX_BYTES: usize = 20_000_000;
const PATIENCE: Millis = Millis(600_000);

/// Uploads on their way.
#[derive(Default)]
pub(super) struct Uploads {
    by_name: BTreeMap<String, Upload>,
}

struct Upload {
    parts: Vec<Option<Vec<u8>>>,
    touched: Mono,
}

impl Upload {
    fn bytes(&self) -> usize {
        self.parts.iter().flatten().map(Vec::len).sum()
    }

    fn missing(&self) -> usize {
        self.parts.iter().filter(|p| p.is_none()).count()
    }
}

impl Uploads {
    /// Takes part `part` of `parts`; a part that is there already is replaced. Answers how many are missing.
    ///
    /// # Errors
    /// When a bound is broken, or the number of parts is not what it was.
    pub(super) fn put(
        &mut self,
        name: &str,
        part: u16,
        parts: u16,
        bytes: Vec<u8>,
        now: Mono,
    ) -> Result<usize, Refusal> {
        self.by_name.retain(|_, u| now.since(u.touched) < PATIENCE);
        if parts == 0 || parts > MAX_PARTS || part >= parts || bytes.is_empty() {
            return Err(Refusal::invalid(
                "upload",
                format!("an upload has 1 to {MAX_PARTS} parts, counted from 0, none of them empty"),
            ));
        }
        let total: usize = self.by_name.values().map(Upload::bytes).sum();
        if !self.by_name.contains_key(name) && self.by_name.len() >= MAX_UPLOADS
            || total + bytes.len() > MAX_BYTES
        {
            return Err(Refusal::busy("too many uploads wait to be used; use them or wait 10 minutes"));
        }
        let upload = self
            .by_name
            .entry(name.to_owned())
            .or_insert_with(|| Upload { parts: vec![None; usize::from(parts)], touched: now });
        if upload.parts.len() != usize::from(parts) {
            *upload = Upload { parts: vec![None; usize::from(parts)], touched: now };
        }
        upload.parts[usize::from(part)] = Some(bytes);
        upload.touched = now;
        if upload.bytes() > MAX_PHOTO_BYTES {
            self.by_name.remove(name);
            return Err(Refusal::new(Code::TooLarge, "the image has more than 5 MB; save it smaller"));
        }
        Ok(upload.missing())
    }

    /// Takes a whole upload out.
    ///
    /// # Errors
    /// When there is none of that name, parts are missing (they can still be sent), or it is no picture.
    pub(super) fn take(&mut self, name: &str) -> Result<Photo, Refusal> {
        let upload = self.by_name.get(name).ok_or_else(|| Refusal::not_found("upload", name))?;
        if upload.missing() > 0 {
            let wanted: Vec<String> = (0..)
                .zip(&upload.parts)
                .filter(|(_, p)| p.is_none())
                .take(8)
                .map(|(i, _): (u16, _)| i.to_string())
                .collect();
            return Err(Refusal::invalid(
                "uploads",
                format!("upload {name:?} lacks {} of its parts: {}", upload.missing(), wanted.join(", ")),
            ));
        }
        let bytes: Vec<u8> =
            self.by_name.remove(name).into_iter().flat_map(|u| u.parts).flatten().flatten().collect();
        Photo::checked(name, bytes).map_err(|e| e.refusal("uploads"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0123456789";

    #[test]
    fn the_bounds_hold() {
        let mut u = Uploads::default();
        let now = Mono(0);
        assert!(u.put("a", 0, 0, vec![1], now).is_err());
        assert!(u.put("a", 3, 3, vec![1], now).is_err());
        assert!(u.put("a", 0, 300, vec![1], now).is_err());
        assert!(u.put("a", 0, 2, vec![0; MAX_PHOTO_BYTES + 1], now).is_err());
        for i in 0..8 {
            u.put(&format!("u{i}"), 0, 2, vec![1; 10], now).unwrap();
        }
        assert_eq!(u.put("u9", 0, 2, vec![1], now).unwrap_err().code, Code::Busy);
        assert!(u.put("u9", 0, 2, vec![1], Mono(PATIENCE.0)).is_ok(), "old ones make room");
        assert!(u.take("u1").is_err());
        assert!(u.take("u9").unwrap_err().message.contains("lacks 1"));
    }

    proptest! {
        #[test]
        fn parts_in_any_order_and_twice_make_the_picture(
            cut in 1_usize..9,
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let parts: Vec<Vec<u8>> = PNG.chunks(cut).map(<[u8]>::to_vec).collect();
            let mut u = Uploads::default();
            for index in order {
                let i = index.index(parts.len());
                u.put("a", i as u16, parts.len() as u16, parts[i].clone(), Mono(0)).unwrap();
            }
            for (i, part) in parts.iter().enumerate().rev() {
                u.put("a", i as u16, parts.len() as u16, part.clone(), Mono(0)).unwrap();
            }
            prop_assert_eq!(u.take("a").unwrap().bytes, PNG);
            prop_assert!(u.take("a").is_err());
        }
    }
}
