//! A folder of JPEG and PNG files, in the order of their names.
//!
//! Owns: the list and its order. Does not own: the rate (an option). Invariant: one file is in memory at a time,
//! at most 5 MB of it; what is larger than a frame may be is scaled down.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ostiary_domain::Mono;
use ostiary_picture::{self as picture, Limits, Picture};
use ostiary_ports::Detail;

use super::super::detail;
use super::{MAX_PICTURES, Rate, ReplayError, Source, Step};

pub(super) struct Folder {
    files: Vec<PathBuf>,
    next: usize,
    bytes: Vec<u8>,
    rate: Rate,
}

impl Folder {
    pub(super) fn open(path: &Path, rate: Rate) -> Result<Self, ReplayError> {
        let io_error = |e| ReplayError::Io(path.to_owned(), e);
        let mut files = Vec::new();
        for entry in path.read_dir().map_err(io_error)? {
            let file = entry.map_err(io_error)?.path();
            if !is_picture(&file) {
                continue;
            }
            if files.len() == MAX_PICTURES {
                return Err(ReplayError::TooMany(path.to_owned()));
            }
            files.push(file);
        }
        if files.is_empty() {
            return Err(ReplayError::Empty(path.to_owned()));
        }
        files.sort_by(|a, b| natural(name(a), name(b)));
        Ok(Self { files, next: 0, bytes: Vec::new(), rate })
    }

    fn picture(&mut self) -> Result<Picture, Detail> {
        let path = self.next.checked_sub(1).and_then(|i| self.files.get(i));
        let path = path.ok_or_else(|| detail(format_args!("no frame")))?;
        let file = String::from_utf8_lossy(name(path));
        let limits = Limits::default();
        self.bytes.clear();
        // One byte more than may be, so that a longer file is told from one that just fits.
        let read =
            File::open(path).and_then(|f| f.take(limits.bytes as u64 + 1).read_to_end(&mut self.bytes));
        read.map_err(|e| detail(format_args!("{file}: {e}")))?;
        picture::decode(&self.bytes, limits)
            .and_then(Picture::fit_frame)
            .map_err(|e| detail(format_args!("{file}: {e}")))
    }
}

impl Source for Folder {
    fn rate(&self) -> Rate {
        self.rate
    }

    fn advance(&mut self) -> Step {
        if self.next == self.files.len() {
            return Step::End;
        }
        self.next += 1;
        Step::Frame
    }

    fn decode(&mut self, rgb: &mut [u8]) -> Result<(u32, u32), Detail> {
        let picture = self.picture()?;
        let frame = picture.as_frame(Mono(0)).map_err(|e| detail(format_args!("{e}")))?;
        let pixels = frame.rgb();
        let target =
            rgb.get_mut(..pixels.len()).ok_or_else(|| detail(format_args!("the buffer is too small")))?;
        target.copy_from_slice(pixels);
        Ok((frame.width(), frame.height()))
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.next = 0;
        Ok(())
    }
}

fn is_picture(path: &Path) -> bool {
    let known =
        path.extension().is_some_and(|e| ["jpg", "jpeg", "png"].iter().any(|k| e.eq_ignore_ascii_case(k)));
    known && !name(path).starts_with(b".") && path.is_file()
}

fn name(path: &Path) -> &[u8] {
    path.file_name().map(std::ffi::OsStr::as_encoded_bytes).unwrap_or_default()
}

/// Numbers within names count as numbers: `frame2` comes before `frame10`.
fn natural(a: &[u8], b: &[u8]) -> Ordering {
    let (mut x, mut y) = (a, b);
    loop {
        match (x, y) {
            ([], []) => return a.cmp(b),
            ([], _) => return Ordering::Less,
            (_, []) => return Ordering::Greater,
            ([p, rest_x @ ..], [q, rest_y @ ..]) => {
                if p.is_ascii_digit() && q.is_ascii_digit() {
                    let (n, after_x) = number(x);
                    let (m, after_y) = number(y);
                    let order = n.len().cmp(&m.len()).then_with(|| n.cmp(m));
                    if order != Ordering::Equal {
                        return order;
                    }
                    (x, y) = (after_x, after_y);
                } else if p == q {
                    (x, y) = (rest_x, rest_y);
                } else {
                    return p.cmp(q);
                }
            }
        }
    }
}

/// The leading digits without leading zeros, and what follows.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().position(|b| *b != b'0').unwrap_or(digits.len());
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["f10.png", "f9.png", "f1.png", "f010b.png", "g.png", "f.png", "f1x.png"];
        names.sort_by(|a, b| natural(a.as_bytes(), b.as_bytes()));
        assert_eq!(names, ["f.png", "f1.png", "f1x.png", "f9.png", "f10.png", "f010b.png", "g.png"]);
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_total(a in "[a01]{0,6}", b in "[a01]{0,6}", c in "[a01]{0,6}") {
            let o = |x: &str, y: &str| natural(x.as_bytes(), y.as_bytes());
            assert_eq!(o(&a, &b), o(&b, &a).reverse());
            assert_eq!(o(&a, &b) == Ordering::Equal, a == b);
            if o(&a, &b).is_lt() && o(&b, &c).is_lt() {
                assert!(o(&a, &c).is_lt());
            }
        }
    }
}
