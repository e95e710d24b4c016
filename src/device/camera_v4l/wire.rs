//! What the camera process says: frames on its standard output, troubles on its standard error.
//!
//! Owns: the frame header and the trouble line. Does not own: reading or writing them.
//! Invariant: whatever the bytes, decoding gives a header whose sizes agree with each other and with
//! [`ostiary_domain::frame`], or an error.
//!
//! Frame: a header of 56 bytes, then `length` bytes of RGB. All numbers little-endian.
//! `magic "OSTF" | version u32 | seq u64 | captured_us u64 | width u32 | height u32 | length u32 | 0 u32 |
//! dropped u64 | checksum u64 over the 48 bytes before it`.
//! `captured_us` is `CLOCK_MONOTONIC` in microseconds, 0 where it is not known.
//! Trouble: one line `ostiary-camera: <kind> <text>`, kind being `gone`, `refused` or `garbage`.

use ostiary_domain::limits::{MAX_FRAME_BYTES, MAX_FRAME_SIDE};
use ostiary_ports::{CameraError, Detail};

use super::super::detail;
use super::super::frozen::fingerprint;

/// Bytes of a frame header.
pub const HEADER: usize = 56;
const SUMMED: usize = 48;
const MAGIC: [u8; 4] = *b"OSTF";
const VERSION: u32 = 1;
const TROUBLE: &str = "ostiary-camera: ";

/// What precedes the pixels of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Counted by the camera process.
    pub seq: u64,
    /// `CLOCK_MONOTONIC` in microseconds; 0 where it is not known.
    pub captured_us: u64,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames that were no pictures, since the process began.
    pub dropped: u64,
}

impl Header {
    /// Bytes of the pixels that follow.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.width as usize * self.height as usize * 3
    }

    /// As it is sent.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&VERSION.to_le_bytes());
        out[8..16].copy_from_slice(&self.seq.to_le_bytes());
        out[16..24].copy_from_slice(&self.captured_us.to_le_bytes());
        out[24..28].copy_from_slice(&self.width.to_le_bytes());
        out[28..32].copy_from_slice(&self.height.to_le_bytes());
        out[32..36].copy_from_slice(&(self.length() as u32).to_le_bytes());
        out[40..48].copy_from_slice(&self.dropped.to_le_bytes());
        let sum = fingerprint(&out[..SUMMED]);
        out[SUMMED..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// As it was received.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub fn decode(bytes: &[u8; HEADER]) -> Result<Self, &'static str> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if bytes[..4] != MAGIC {
            return Err("the camera process lost its place");
        }
        if word(4) != VERSION {
            return Err("the camera process is of another version");
        }
        if long(SUMMED) != fingerprint(&bytes[..SUMMED]) {
            return Err("a damaged frame header");
        }
        let header = Self {
            seq: long(8),
            captured_us: long(16),
            width: word(24),
            height: word(28),
            dropped: long(40),
        };
        let sides = 1..=MAX_FRAME_SIDE;
        let sound = sides.contains(&header.width) && sides.contains(&header.height);
        if !sound || header.length() > MAX_FRAME_BYTES || header.length() != word(32) as usize {
            return Err("a frame of impossible size");
        }
        Ok(header)
    }
}

/// The line that tells of a trouble, without its line break.
#[must_use]
pub fn trouble_line(trouble: &CameraError) -> String {
    match trouble {
        CameraError::Gone(what) => format!("{TROUBLE}gone {what}"),
        CameraError::Refused(what) => format!("{TROUBLE}refused {what}"),
        CameraError::Garbage(what) => format!("{TROUBLE}garbage {what}"),
        CameraError::Stalled => format!("{TROUBLE}garbage no frames"),
        CameraError::Ended => format!("{TROUBLE}gone the stream has ended"),
    }
}

/// The trouble that a line tells of; `None` for anything else that is written there.
#[must_use]
pub fn parse_trouble(line: &str) -> Option<CameraError> {
    let (kind, what) = line.strip_prefix(TROUBLE)?.split_once(' ')?;
    let what: Detail = detail(format_args!("{}", what.trim()));
    match kind {
        "gone" => Some(CameraError::Gone(what)),
        "refused" => Some(CameraError::Refused(what)),
        "garbage" => Some(CameraError::Garbage(what)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Header = Header { seq: 7, captured_us: 123_456_789_012, width: 640, height: 480, dropped: 3 };

    #[test]
    fn a_header_survives_the_pipe_and_no_damage_does() {
        let sent = HEAD.encode();
        assert_eq!(Header::decode(&sent), Ok(HEAD));
        for bit in 0..HEADER * 8 {
            let mut hurt = sent;
            hurt[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&hurt).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn absurd_sizes_are_refused_although_the_sum_is_right() {
        for (width, height) in
            [(0, 480), (640, 0), (u32::MAX, u32::MAX), (1920, 1920), (1921, 1), (65_536, 65_536)]
        {
            let bytes = Header { width, height, ..HEAD }.encode_any();
            assert_eq!(Header::decode(&bytes), Err("a frame of impossible size"), "{width}x{height}");
        }
    }

    impl Header {
        fn encode_any(self) -> [u8; HEADER] {
            let mut out = HEAD.encode();
            out[24..28].copy_from_slice(&self.width.to_le_bytes());
            out[28..32].copy_from_slice(&self.height.to_le_bytes());
            let length = u64::from(self.width).wrapping_mul(u64::from(self.height)).wrapping_mul(3);
            out[32..36].copy_from_slice(&(length as u32).to_le_bytes());
            let sum = fingerprint(&out[..SUMMED]);
            out[SUMMED..].copy_from_slice(&sum.to_le_bytes());
            out
        }
    }

    #[test]
    fn troubles_survive_the_pipe_and_other_lines_are_none() {
        let what = || detail(format_args!("/dev/video0 is busy"));
        for trouble in [CameraError::Gone(what()), CameraError::Refused(what()), CameraError::Garbage(what())]
        {
            assert_eq!(parse_trouble(&trouble_line(&trouble)), Some(trouble));
        }
        for line in ["", "thread main panicked", "ostiary-camera: ", "ostiary-camera: odd x"] {
            assert_eq!(parse_trouble(line), None, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_decode_to_something_bounded_or_nothing(bytes: [u8; 32], line in ".{0,300}") {
            let mut head = HEAD.encode();
            head[16..48].copy_from_slice(&bytes);
            let sum = fingerprint(&head[..SUMMED]);
            head[SUMMED..].copy_from_slice(&sum.to_le_bytes());
            if let Ok(header) = Header::decode(&head) {
                assert!(header.length() <= MAX_FRAME_BYTES && header.length() > 0);
            }
            let _ = parse_trouble(&line);
        }
    }
}
