//! YUV4MPEG2: raw frames behind one line of text each.
//!
//! Owns: the two kinds of header lines. Does not own: the colours (`device::yuv`).
//! Understood: 8 bits, 4:2:0 (all sitings), 4:2:2, 4:4:4, mono; interlacing and aspect are not looked at.
//! Invariants: sizes are checked before memory is taken; a frame whose line is broken is garbage, and the next
//! `FRAME` line is looked for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use ostiary_domain::limits::{MAX_FRAME_BYTES, MAX_FRAME_SIDE};
use ostiary_ports::Detail;

use super::super::detail;
use super::super::yuv::{self, Chroma, Range};
use super::{Rate, Source, Step, read_up_to};

const MAX_LINE: usize = 512;

pub(super) struct Y4m<R> {
    reader: BufReader<R>,
    head: Head,
    first: u64,
    frame: Vec<u8>,
}

impl Y4m<File> {
    pub(super) fn open(file: File, fallback: Rate) -> Result<Self, Detail> {
        Self::over(file, fallback)
    }
}

impl<R: Read + Seek> Y4m<R> {
    fn over(inner: R, fallback: Rate) -> Result<Self, Detail> {
        let mut reader = BufReader::with_capacity(64 << 10, inner);
        let line = read_line(&mut reader).map_err(|e| detail(format_args!("{e}")))?;
        let line = line.ok_or_else(|| detail(format_args!("the Y4M header has no end")))?;
        let head = Head::parse(&line, fallback)?;
        let first = reader.stream_position().map_err(|e| detail(format_args!("{e}")))?;
        Ok(Self { reader, frame: vec![0; head.bytes], head, first })
    }

    fn find(&mut self) -> io::Result<Step> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(Step::End);
        }
        let line = read_line(&mut self.reader)?;
        let sound = line.is_some_and(|l| l == b"FRAME" || l.starts_with(b"FRAME "));
        if !sound {
            let why = Step::Garbage(detail(format_args!("a Y4M frame without its line")));
            return Ok(if self.resync()? { why } else { Step::End });
        }
        if read_up_to(&mut self.reader, &mut self.frame)? < self.frame.len() {
            return Ok(Step::Garbage(detail(format_args!("the recording ends within a frame"))));
        }
        Ok(Step::Frame)
    }

    /// Steps to the next `FRAME`; `false` at the end of the file.
    fn resync(&mut self) -> io::Result<bool> {
        let mut seen = [0; 5];
        let mut byte = [0];
        while read_up_to(&mut self.reader, &mut byte)? == 1 {
            seen.rotate_left(1);
            seen[4] = byte[0];
            if &seen == b"FRAME" {
                self.reader.seek_relative(-5)?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<R: Read + Seek + Send> Source for Y4m<R> {
    fn rate(&self) -> Rate {
        self.head.rate
    }

    fn advance(&mut self) -> Step {
        self.find().unwrap_or_else(|e| Step::Gone(detail(format_args!("{e}"))))
    }

    fn decode(&mut self, rgb: &mut [u8]) -> Result<(u32, u32), Detail> {
        let Head { width, height, chroma, range, .. } = self.head;
        if !yuv::planar(&self.frame, width as usize, height as usize, chroma, range, rgb) {
            return Err(detail(format_args!("the buffer is too small for {width}x{height}")));
        }
        Ok((width, height))
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.reader.seek(SeekFrom::Start(self.first)).map(|_| ())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    width: u32,
    height: u32,
    rate: Rate,
    chroma: Chroma,
    range: Range,
    bytes: usize,
}

impl Head {
    fn parse(line: &[u8], fallback: Rate) -> Result<Self, Detail> {
        let text = str::from_utf8(line).map_err(|_| detail(format_args!("the Y4M header is no text")))?;
        let mut words = text.split(' ');
        if words.next() != Some("YUV4MPEG2") {
            return Err(detail(format_args!("the Y4M header does not begin with YUV4MPEG2")));
        }
        let (mut width, mut height) = (0, 0);
        let mut rate = None;
        let mut layout = "420jpeg";
        let mut full = false;
        for word in words.filter(|w| !w.is_empty()) {
            // A word may begin with any character; only ASCII ones are ours.
            let Some((tag, value)) = word.split_at_checked(1) else { continue };
            match tag {
                "W" => width = side(value)?,
                "H" => height = side(value)?,
                "F" => {
                    rate = value.split_once(':').and_then(|(frames, seconds)| {
                        Rate::checked(frames.parse().ok()?, seconds.parse().ok()?)
                    });
                }
                "C" => layout = value,
                "X" => full |= value == "COLORRANGE=FULL",
                _ => {}
            }
        }
        let chroma = match layout {
            "420" | "420jpeg" | "420mpeg2" | "420paldv" => Chroma::C420,
            "422" => Chroma::C422,
            "444" => Chroma::C444,
            "mono" => Chroma::Mono,
            _ => {
                return Err(detail(format_args!("the Y4M layout C{layout} is not understood (8 bits only)")));
            }
        };
        let bytes = chroma.frame_bytes(width as usize, height as usize);
        let fits = width as usize * height as usize * 3 <= MAX_FRAME_BYTES;
        match bytes {
            Some(bytes) if fits && width > 0 && height > 0 => {
                let range = if full { Range::Full } else { Range::Limited };
                Ok(Self { width, height, rate: rate.unwrap_or(fallback), chroma, range, bytes })
            }
            Some(_) | None => {
                Err(detail(format_args!("{width}x{height} pixels; 1x1 to 1920x1080 are played")))
            }
        }
    }
}

fn side(text: &str) -> Result<u32, Detail> {
    match text.parse() {
        Ok(n) if (1..=MAX_FRAME_SIDE).contains(&n) => Ok(n),
        Ok(_) | Err(_) => {
            Err(detail(format_args!("a side of {text:.12} pixels; 1 to {MAX_FRAME_SIDE} are played")))
        }
    }
}

/// A line without its end; `None` when it is longer than a line may be or the file ends within it.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<heapless::Vec<u8, MAX_LINE>>> {
    let mut line = heapless::Vec::new();
    let mut byte = [0];
    while read_up_to(reader, &mut byte)? == 1 {
        if byte[0] == b'\n' {
            return Ok(Some(line));
        }
        if line.push(byte[0]).is_err() {
            return Ok(None);
        }
    }
    Ok(None)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use super::*;

    /// Grey frames of 4x2 pixels, one brightness each, 10 a second.
    pub(in super::super) fn file(levels: &[u8]) -> Vec<u8> {
        let mut out = b"YUV4MPEG2 W4 H2 F10:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\n".to_vec();
        for level in levels {
            out.extend(b"FRAME Xwhatever\n");
            out.extend([*level; 8]);
            out.extend([128; 4]);
        }
        out
    }

    fn open(bytes: Vec<u8>) -> Result<Y4m<Cursor<Vec<u8>>>, Detail> {
        Y4m::over(Cursor::new(bytes), Rate::per_second(30))
    }

    #[test]
    fn frames_come_with_size_rate_and_colour() {
        let mut y = open(file(&[10, 200])).unwrap();
        assert_eq!(y.rate(), Rate { frames: 10, seconds: 1 });
        let mut rgb = [0; 24];
        for level in [10, 200] {
            assert_eq!(y.advance(), Step::Frame);
            assert_eq!(y.decode(&mut rgb), Ok((4, 2)));
            assert_eq!(rgb, [level; 24]);
        }
        assert_eq!(y.advance(), Step::End);
        y.rewind().unwrap();
        assert_eq!(y.advance(), Step::Frame);
    }

    #[test]
    fn damage_costs_a_frame() {
        let mut bytes = file(&[10, 20, 30]);
        let second = bytes.windows(5).enumerate().filter(|(_, w)| w == b"FRAME").nth(1).unwrap().0;
        bytes[second] = b'X';
        bytes.truncate(bytes.len() - 1);
        let mut y = open(bytes).unwrap();
        assert_eq!(y.advance(), Step::Frame);
        assert!(matches!(y.advance(), Step::Garbage(_)));
        assert!(matches!(y.advance(), Step::Garbage(_)), "the last frame is cut off");
        assert_eq!(y.advance(), Step::End);
    }

    #[test]
    fn hostile_headers_are_refused_before_memory_is_taken() {
        for head in [
            "YUV4MPEG2\n",
            "YUV4MPEG2 W4\n",
            "YUV4MPEG2 W0 H4\n",
            "YUV4MPEG2 W99999999999 H4\n",
            "YUV4MPEG2 W1920 H1920\n",
            "YUV4MPEG2 W4 H4 C420p10\n",
            "YUV4MPEG2 W-4 H4\n",
            "YUV4MPEG2 W4 H4",
            "YUV4MPEG W4 H4\n",
        ] {
            assert!(open(head.as_bytes().to_vec()).is_err(), "{head}");
        }
        assert!(open(vec![b'Y'; 10_000]).is_err());
        let odd = open(b"YUV4MPEG2 H3 W5 F0:0 C422 \xc3\xa4x\n".to_vec()).unwrap();
        assert_eq!((odd.head.rate, odd.head.bytes), (Rate::per_second(30), 15 + 2 * 9));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_or_hang(
            head in "YUV4MPEG2( [WHFCIAX][0-9:a-z]{0,12}){0,6}\n?",
            tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400),
        ) {
            let mut bytes = head.into_bytes();
            bytes.extend(tail);
            if let Ok(mut y) = open(bytes) {
                for _ in 0..1_000 {
                    if matches!(y.advance(), Step::End | Step::Gone(_)) {
                        return Ok(());
                    }
                }
                panic!("no end");
            }
        }
    }
}
