//! AVI with MJPEG inside.
//!
//! Owns: the RIFF walk. Does not own: JPEG. The index is not used: recordings that were cut off by a power loss
//! have none. Layout after Microsoft's AVI RIFF file reference and the `OpenDML` extensions 1.02 (further `RIFF AVIX`
//! parts).
//! Invariants: lists are walked flat (their sizes are not believed); a chunk longer than a picture may be is
//! stepped over, never read; behind damage the walk goes on at the next chunk of the video stream.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use ostiary_picture::decode_jpeg_into;
use ostiary_ports::Detail;

use super::super::detail;
use super::mjpeg::MAX_JPEG;
use super::{Rate, Source, Step, read_up_to};

pub(super) struct Avi<R> {
    reader: BufReader<R>,
    rate: Rate,
    /// `00` to `99`: the chunks of the video stream begin with it.
    stream: [u8; 2],
    /// Where the frames begin.
    movi: u64,
    picture: Vec<u8>,
}

/// Most chunks before the frames.
const MAX_HEADERS: usize = 4_096;

impl Avi<File> {
    pub(super) fn open(file: File, fallback: Rate) -> Result<Self, Detail> {
        Self::over(file, fallback)
    }
}

impl<R: Read + Seek> Avi<R> {
    fn over(inner: R, fallback: Rate) -> Result<Self, Detail> {
        let mut reader = BufReader::with_capacity(64 << 10, inner);
        let header = read_header(&mut reader).map_err(|e| match e {
            HeaderError::Io(e) => detail(format_args!("{e}")),
            HeaderError::NoVideo => {
                detail(format_args!("the AVI file has no video stream before its frames"))
            }
            HeaderError::Codec(fourcc) => {
                detail(format_args!("the AVI file holds {}; only MJPG is understood", fourcc.escape_ascii()))
            }
        })?;
        let (tens, ones) = (header.stream / 10, header.stream % 10);
        let movi = reader.stream_position().map_err(|e| detail(format_args!("{e}")))?;
        Ok(Self {
            reader,
            rate: header.rate.unwrap_or(fallback),
            stream: [b'0' + tens, b'0' + ones],
            movi,
            picture: Vec::new(),
        })
    }

    fn find(&mut self) -> io::Result<Step> {
        self.picture.clear();
        loop {
            let Some((id, size)) = read_chunk(&mut self.reader)? else { return Ok(Step::End) };
            if &id == b"LIST" || &id == b"RIFF" {
                // `movi`, `rec ` and `AVIX` hold frames; walking into another list finds none.
                self.reader.seek_relative(4)?;
                continue;
            }
            if id[..2] == self.stream && (&id[2..] == b"dc" || &id[2..] == b"db") {
                return self.read_picture(size);
            }
            if !id.iter().all(|b| b.is_ascii_alphanumeric() || *b == b' ') {
                self.reader.seek_relative(-8)?;
                let why = Step::Garbage(detail(format_args!("the AVI file is damaged here")));
                return Ok(if self.resync()? { why } else { Step::End });
            }
            skip(&mut self.reader, u64::from(size))?;
        }
    }

    fn read_picture(&mut self, size: u32) -> io::Result<Step> {
        if size == 0 {
            return Ok(Step::Gap);
        }
        if size as usize > MAX_JPEG {
            skip(&mut self.reader, u64::from(size))?;
            return Ok(Step::Garbage(detail(format_args!("a picture of {size} bytes"))));
        }
        // Grows with what is there, not with what the chunk says.
        self.reader.by_ref().take(u64::from(size)).read_to_end(&mut self.picture)?;
        if self.picture.len() < size as usize {
            self.picture.clear();
            return Ok(Step::Garbage(detail(format_args!("the recording ends within a picture"))));
        }
        if size % 2 == 1 {
            self.reader.seek_relative(1)?;
        }
        Ok(Step::Frame)
    }

    /// Steps to the next place that looks like a video chunk; `false` at the end of the file.
    fn resync(&mut self) -> io::Result<bool> {
        let wanted = [self.stream[0], self.stream[1], b'd', b'c'];
        let mut seen = [0; 4];
        let mut byte = [0];
        self.reader.seek_relative(1)?;
        while read_up_to(&mut self.reader, &mut byte)? == 1 {
            seen = [seen[1], seen[2], seen[3], byte[0]];
            if seen == wanted {
                self.reader.seek_relative(-4)?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<R: Read + Seek + Send> Source for Avi<R> {
    fn rate(&self) -> Rate {
        self.rate
    }

    fn advance(&mut self) -> Step {
        self.find().unwrap_or_else(|e| Step::Gone(detail(format_args!("{e}"))))
    }

    fn decode(&mut self, rgb: &mut [u8]) -> Result<(u32, u32), Detail> {
        decode_jpeg_into(&self.picture, rgb).map_err(|e| detail(format_args!("{e}")))
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.reader.seek(SeekFrom::Start(self.movi)).map(|_| ())
    }
}

struct Header {
    rate: Option<Rate>,
    stream: u8,
}

enum HeaderError {
    Io(io::Error),
    NoVideo,
    Codec([u8; 4]),
}

impl From<io::Error> for HeaderError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// Reads up to the list of frames.
fn read_header<R: Read + Seek>(reader: &mut BufReader<R>) -> Result<Header, HeaderError> {
    let mut main_rate = None;
    let mut streams = 0_u8;
    let mut video: Option<(u8, Option<Rate>)> = None;
    let mut codec: Option<[u8; 4]> = None;
    for _ in 0..MAX_HEADERS {
        let Some((id, size)) = read_chunk(reader)? else { return Err(HeaderError::NoVideo) };
        let mut body = [0; 48];
        match &id {
            b"RIFF" => reader.seek_relative(4)?,
            b"LIST" => {
                let mut kind = [0; 4];
                read_up_to(reader, &mut kind)?;
                match (&kind, video, codec) {
                    (b"movi", Some((stream, rate)), Some(codec)) => {
                        return match &codec.map(|b| b.to_ascii_uppercase()) {
                            b"MJPG" | b"DMB1" | b"AVI1" => Ok(Header { rate: rate.or(main_rate), stream }),
                            _ => Err(HeaderError::Codec(codec)),
                        };
                    }
                    (b"movi", _, _) => return Err(HeaderError::NoVideo),
                    (b"hdrl" | b"strl", _, _) => {}
                    (_, _, _) => skip(reader, u64::from(size).saturating_sub(4))?,
                }
            }
            b"avih" | b"strh" | b"strf" => {
                let held = (size as usize).min(body.len());
                let got = read_up_to(reader, &mut body[..held])?;
                // The rest, and the padding that makes the whole even.
                reader.seek_relative((u64::from(size) - got as u64 + u64::from(size % 2)) as i64)?;
                match &id {
                    b"avih" => main_rate = Rate::checked(1_000_000, word(&body, 0)),
                    b"strh" => {
                        if &body[..4] == b"vids" && video.is_none() {
                            video = Some((streams, Rate::checked(word(&body, 24), word(&body, 20))));
                        }
                        streams = streams.saturating_add(1).min(99);
                    }
                    _ => {
                        // The format of the stream whose header came last.
                        if codec.is_none() && video.is_some_and(|(stream, _)| stream + 1 == streams) {
                            codec = body.get(16..20).and_then(|b| b.try_into().ok());
                        }
                    }
                }
            }
            _ => skip(reader, u64::from(size))?,
        }
    }
    Err(HeaderError::NoVideo)
}

/// The next chunk's name and size; `None` at the end of the file.
fn read_chunk(reader: &mut impl Read) -> io::Result<Option<([u8; 4], u32)>> {
    let mut head = [0; 8];
    if read_up_to(reader, &mut head)? < head.len() {
        return Ok(None);
    }
    Ok(Some(([head[0], head[1], head[2], head[3]], word(&head, 4))))
}

/// Steps over the rest of a chunk, with the padding that makes its length even. Beyond the end there is nothing,
/// which the next read finds.
fn skip<R: Read + Seek>(reader: &mut BufReader<R>, bytes: u64) -> io::Result<()> {
    reader.seek_relative((bytes + bytes % 2) as i64)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use proptest::prelude::{Just, any, prop_oneof, proptest};

    use super::*;

    fn chunk(id: [u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = id.to_vec();
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(body);
        if body.len() % 2 == 1 {
            out.push(0);
        }
        out
    }

    fn list(kind: [u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
        let mut body = kind.to_vec();
        body.extend(parts.concat());
        chunk(*b"LIST", &body)
    }

    /// An AVI file with a sound stream before the video, at 25 frames a second.
    pub(in super::super) fn file(codec: [u8; 4], frames: &[Vec<u8>]) -> Vec<u8> {
        let header = |kind: [u8; 4], rate: u32, scale: u32| {
            let mut h = vec![0; 56];
            h[..4].copy_from_slice(&kind);
            h[20..24].copy_from_slice(&scale.to_le_bytes());
            h[24..28].copy_from_slice(&rate.to_le_bytes());
            chunk(*b"strh", &h)
        };
        let mut bitmap = vec![0; 40];
        bitmap[16..20].copy_from_slice(&codec);
        let sound = list(*b"strl", &[header(*b"auds", 8_000, 1), chunk(*b"strf", &[1; 18])]);
        let video = list(*b"strl", &[header(*b"vids", 2_500, 100), chunk(*b"strf", &bitmap)]);
        let headers = list(*b"hdrl", &[chunk(*b"avih", &[0; 56]), sound, video]);
        let mut data: Vec<Vec<u8>> = frames.iter().map(|f| chunk(*b"01dc", f)).collect();
        data.insert(1.min(data.len()), chunk(*b"00wb", &[7; 33]));
        let mut body = b"AVI ".to_vec();
        body.extend(headers);
        body.extend(list(*b"INFO", &[chunk(*b"ISFT", b"a test")]));
        body.extend(list(*b"movi", &data));
        body.extend(chunk(*b"idx1", &[0; 16]));
        chunk(*b"RIFF", &body)
    }

    fn open(bytes: Vec<u8>) -> Result<Avi<Cursor<Vec<u8>>>, Detail> {
        Avi::over(Cursor::new(bytes), Rate::per_second(30))
    }

    #[test]
    fn frames_of_the_video_stream_come_with_the_stream_s_rate() {
        let mut avi = open(file(*b"MJPG", &[vec![1, 2, 3], vec![], vec![4, 5]])).unwrap();
        assert_eq!(avi.rate(), Rate { frames: 2_500, seconds: 100 });
        for _ in 0..2 {
            assert_eq!(avi.advance(), Step::Frame);
            assert_eq!(avi.picture, [1, 2, 3]);
            assert_eq!(avi.advance(), Step::Gap);
            assert_eq!(avi.advance(), Step::Frame);
            assert_eq!(avi.picture, [4, 5]);
            assert_eq!(avi.advance(), Step::End);
            avi.rewind().unwrap();
        }
    }

    #[test]
    fn a_recording_cut_off_by_a_power_loss_plays_up_to_there() {
        let whole = file(*b"MJPG", &[vec![9; 1_000], vec![8; 1_000]]);
        let mut avi = open(whole[..whole.len() - 700].to_vec()).unwrap();
        assert_eq!(avi.advance(), Step::Frame);
        assert!(matches!(avi.advance(), Step::Garbage(_)));
        assert_eq!(avi.advance(), Step::End);
    }

    #[test]
    fn damage_and_absurd_lengths_cost_a_frame_each() {
        let mut bytes = file(*b"MJPG", &[vec![1; 100], vec![2; 100], vec![3; 100], vec![4; 100]]);
        let place = |bytes: &[u8], n: usize| {
            bytes.windows(4).enumerate().filter(|(_, w)| w == b"01dc").nth(n).unwrap().0
        };
        let second = place(&bytes, 1);
        bytes[second..second + 4].copy_from_slice(&[0xee; 4]);
        let mut avi = open(bytes.clone()).unwrap();
        assert_eq!(avi.advance(), Step::Frame);
        assert!(matches!(avi.advance(), Step::Garbage(_)));
        assert_eq!(avi.advance(), Step::Frame);
        assert_eq!(avi.picture[0], 3);
        let last = place(&bytes, 2);
        bytes[last + 4..last + 8].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut avi = open(bytes).unwrap();
        let steps: Vec<Step> = std::iter::repeat_with(|| avi.advance()).take(5).collect();
        assert!(matches!(
            &steps[..],
            [Step::Frame, Step::Garbage(_), Step::Frame, Step::Garbage(_), Step::End]
        ));
        assert!(avi.picture.capacity() < 1 << 20);
    }

    #[test]
    fn another_codec_is_named() {
        let why = open(file(*b"H264", &[])).map(|_| ()).unwrap_err();
        assert!(why.contains("H264"), "{why}");
        assert!(open(b"RIFF\0\0\0\0AVI ".to_vec()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_hang(
            cut in 0_usize..600,
            noise in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(b'0'), Just(b'1'), Just(b'd'), Just(b'c'), Just(0xff)], 0..300),
        ) {
            let mut bytes = file(*b"MJPG", &[vec![1; 40], vec![2; 41]]);
            bytes.truncate(cut);
            bytes.extend(noise);
            if let Ok(mut avi) = open(bytes) {
                for _ in 0..2_000 {
                    if matches!(avi.advance(), Step::End | Step::Gone(_)) {
                        return Ok(());
                    }
                }
                panic!("no end");
            }
        }
    }
}
