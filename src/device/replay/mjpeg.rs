//! A file of JPEG pictures, one behind the other.
//!
//! Owns: finding where a picture begins and ends in a stream. Does not own: decoding.
//! Invariants: at most [`MAX_JPEG`] bytes are held; a picture that is cut off by the beginning of the next one is
//! garbage, and the next one is still found.

use std::fs::File;
use std::io::{self, Read, Seek};

use ostiary_picture::decode_jpeg_into;
use ostiary_ports::Detail;

use super::super::detail;
use super::{Rate, Source, Step};

/// Longest picture of a stream in bytes; a 1920x1080 frame of the best quality takes about 2 MB.
pub(super) const MAX_JPEG: usize = 4 << 20;
const READ: usize = 64 << 10;

pub(super) struct Mjpeg<R> {
    reader: R,
    rate: Rate,
    /// What was read and not yet used: `window[used..]`, beginning with the present picture.
    window: Vec<u8>,
    used: usize,
    /// Length of the present picture.
    picture: usize,
}

impl Mjpeg<File> {
    pub(super) fn new(file: File, rate: Rate) -> Self {
        Self::over(file, rate)
    }
}

impl<R: Read> Mjpeg<R> {
    fn over(reader: R, rate: Rate) -> Self {
        Self { reader, rate, window: Vec::new(), used: 0, picture: 0 }
    }

    /// Reads at least as much again as is there, so that looking at it anew costs no more than linear time.
    fn more(&mut self) -> io::Result<bool> {
        self.window.drain(..self.used);
        self.used = 0;
        let want = self.window.len().max(READ);
        let got = self.reader.by_ref().take(want as u64).read_to_end(&mut self.window)?;
        Ok(got > 0)
    }

    fn find(&mut self) -> io::Result<Step> {
        self.used += std::mem::take(&mut self.picture);
        loop {
            let bytes = &self.window[self.used..];
            match scan(bytes) {
                Scan::Ends(length) => {
                    self.picture = length;
                    return Ok(Step::Frame);
                }
                Scan::Cut(length) => {
                    self.used += length;
                    return Ok(Step::Garbage(detail(format_args!(
                        "a picture ends where the next one begins"
                    ))));
                }
                Scan::Skip(0) | Scan::Open if bytes.len() < MAX_JPEG => {
                    let open = !bytes.is_empty();
                    if !self.more()? {
                        self.used = self.window.len();
                        let cut = Step::Garbage(detail(format_args!("the recording ends within a picture")));
                        return Ok(if open { cut } else { Step::End });
                    }
                }
                Scan::Skip(0) | Scan::Open => {
                    self.used = self.window.len();
                    return Ok(Step::Garbage(detail(format_args!(
                        "a picture of more than {MAX_JPEG} bytes"
                    ))));
                }
                Scan::Skip(length) => self.used += length,
            }
        }
    }
}

impl<R: Read + Seek + Send> Source for Mjpeg<R> {
    fn rate(&self) -> Rate {
        self.rate
    }

    fn advance(&mut self) -> Step {
        self.find().unwrap_or_else(|e| Step::Gone(detail(format_args!("{e}"))))
    }

    fn decode(&mut self, rgb: &mut [u8]) -> Result<(u32, u32), Detail> {
        let bytes = &self.window[self.used..self.used + self.picture];
        decode_jpeg_into(bytes, rgb).map_err(|e| detail(format_args!("{e}")))
    }

    fn rewind(&mut self) -> io::Result<()> {
        (self.used, self.picture) = (0, 0);
        self.window.clear();
        self.reader.rewind()
    }
}

/// What the bytes begin with.
#[derive(Debug, PartialEq, Eq)]
enum Scan {
    /// No picture for so many bytes. Zero: too few bytes to say.
    Skip(usize),
    /// A picture of that length.
    Ends(usize),
    /// A picture that is cut off by the next one, which begins there.
    Cut(usize),
    /// A picture whose end is not there yet.
    Open,
}

/// Walks the segments (ITU-T T.81 B.1.1), so that a thumbnail inside a segment is taken for neither an end nor a
/// beginning.
fn scan(bytes: &[u8]) -> Scan {
    let begins = |at: usize| bytes.get(at + 1) == Some(&0xd8);
    match bytes.iter().position(|b| *b == 0xff) {
        Some(0) if bytes.len() < 2 => return Scan::Skip(0),
        Some(0) if begins(0) => {}
        Some(0) => return Scan::Skip(1),
        Some(at) => return Scan::Skip(at),
        None => return Scan::Skip(bytes.len()),
    }
    let mut at = 2;
    let mut in_scan = false;
    loop {
        let Some(next) = bytes.get(at..).and_then(|b| b.iter().position(|b| *b == 0xff)) else {
            return Scan::Open;
        };
        at += next;
        let Some(code) = bytes.get(at + 1) else { return Scan::Open };
        match code {
            0xff => at += 1,
            0x00 | 0x01 | 0xd0..=0xd7 => at += 2,
            0xd8 => return Scan::Cut(at),
            0xd9 if in_scan => return Scan::Ends(at + 2),
            // An end before any scan: nothing was shown.
            0xd9 => return Scan::Cut(at + 2),
            _ => {
                let Some(length) = bytes.get(at + 2..at + 4) else { return Scan::Open };
                in_scan |= *code == 0xda;
                at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn steps(bytes: Vec<u8>) -> Vec<Step> {
        let mut m = Mjpeg::over(Cursor::new(bytes), Rate::per_second(30));
        let mut steps = Vec::new();
        loop {
            let step = m.advance();
            let end = matches!(step, Step::End | Step::Gone(_));
            steps.push(step);
            if end {
                return steps;
            }
            assert!(steps.len() < 100_000);
        }
    }

    const PICTURE: [u8; 14] = [0xff, 0xd8, 0xff, 0xda, 0, 4, 1, 1, 9, 0xff, 0, 7, 0xff, 0xd9];

    #[test]
    fn pictures_are_cut_apart_and_damage_costs_one() {
        let mut bytes = b"--boundary\r\n".to_vec();
        bytes.extend(PICTURE);
        bytes.extend([0; 100]);
        bytes.extend(&PICTURE[..9]);
        bytes.extend(PICTURE);
        bytes.extend(&PICTURE[..6]);
        let steps = steps(bytes);
        assert_eq!(steps.len(), 5, "{steps:?}");
        assert!(matches!(
            &steps[..],
            [Step::Frame, Step::Garbage(_), Step::Frame, Step::Garbage(_), Step::End]
        ));
    }

    #[test]
    fn a_thumbnail_is_no_picture_of_its_own() {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1, 0, 2 + PICTURE.len() as u8];
        bytes.extend(PICTURE);
        bytes.extend(&PICTURE[2..]);
        assert_eq!(steps(bytes), [Step::Frame, Step::End]);
    }

    #[test]
    fn a_picture_without_end_is_bounded() {
        let mut bytes = PICTURE[..8].to_vec();
        bytes.resize(3 * MAX_JPEG, 0x55);
        bytes.extend(PICTURE);
        let mut m = Mjpeg::over(Cursor::new(bytes), Rate::per_second(30));
        assert!(matches!(m.advance(), Step::Garbage(_)));
        assert!(m.window.capacity() <= 4 * MAX_JPEG, "{}", m.window.capacity());
        assert_eq!(m.advance(), Step::Frame);
        assert_eq!(m.advance(), Step::End);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::strategy::Just(0xff_u8), proptest::strategy::Just(0xd8),
                proptest::strategy::Just(0xd9), proptest::strategy::Just(0xda),
                proptest::strategy::Just(0), proptest::prelude::any::<u8>()], 0..600)) {
            steps(bytes);
        }
    }
}
