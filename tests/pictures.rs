//! Pictures as people send them: every kind that is read, and every kind of damage.
//!
//! Owns: the pictures, made here byte by byte or by the image crate's encoders. Does not own: faces in them
//! (tests/vision.rs). Invariant: whatever the bytes are, the answer is a picture or an error, never a panic.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fmt::Write as _;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use ostiary::domain::limits::{MAX_FRAME_BYTES, MAX_FRAME_SIDE};
use ostiary::picture::{
    Limits, Picture, PictureError, decode, decode_jpeg_into, encode_jpeg, jpeg_end, write_png,
};
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Result<Picture, PictureError> {
    decode(bytes, Limits::default())
}

/// Red to the left, blue to the right.
fn red_blue(width: u32, height: u32) -> Vec<u8> {
    (0..width * height)
        .flat_map(|i| if i % width < width / 2 { [220, 20, 20] } else { [20, 20, 220] })
        .collect()
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encode_jpeg(width, height, &red_blue(width, height), 95).unwrap()
}

fn png(width: u32, height: u32, pixels: &[u8], color: ExtendedColorType) -> Vec<u8> {
    let mut out = Vec::new();
    PngEncoder::new(&mut out).write_image(pixels, width, height, color).unwrap();
    out
}

fn pixel(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    let at = ((y * picture.width() + x) * 3) as usize;
    picture.rgb()[at..at + 3].try_into().unwrap()
}

fn is_red(p: [u8; 3]) -> bool {
    p[0] > 150 && p[2] < 90
}

fn is_blue(p: [u8; 3]) -> bool {
    p[2] > 150 && p[0] < 90
}

/// A JPEG of one 8x8 block a component, flat: `values` are what each component holds, `sof` the kind of frame.
fn flat_jpeg(sof: u8, values: &[u8], adobe: Option<u8>) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    let mut segment = |code: u8, body: &[u8]| {
        out.extend([0xff, code]);
        out.extend((body.len() as u16 + 2).to_be_bytes());
        out.extend(body);
    };
    if let Some(transform) = adobe {
        segment(0xee, &[b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat());
    }
    segment(0xdb, &[vec![0], vec![8; 64]].concat());
    let components: Vec<u8> = (1..=values.len() as u8).flat_map(|id| [id, 0x11, 0]).collect();
    segment(sof, &[vec![8, 0, 8, 0, 8, values.len() as u8], components].concat());
    // Twelve categories of four bits each; one AC code of one bit: end of block.
    let mut four_bits = vec![0; 16];
    four_bits[3] = 12;
    segment(0xc4, &[vec![0], four_bits, (0..12).collect()].concat());
    let mut one_bit = vec![0; 16];
    one_bit[0] = 1;
    segment(0xc4, &[vec![0x10], one_bit, vec![0]].concat());
    let progressive = sof == 0xc2;
    let selectors: Vec<u8> = (1..=values.len() as u8).flat_map(|id| [id, 0]).collect();
    let end = if progressive { 0 } else { 63 };
    segment(0xda, &[vec![values.len() as u8], selectors, vec![0, end, 0]].concat());
    let mut bits = String::new();
    for value in values {
        // With a step of 8 the DC coefficient of a flat block is its value less 128.
        let dc = i32::from(*value) - 128;
        let category = (32 - dc.unsigned_abs().leading_zeros()) as usize;
        let code = if dc < 0 { dc + (1 << category) - 1 } else { dc };
        write!(bits, "{category:04b}").unwrap();
        if category > 0 {
            write!(bits, "{code:0category$b}").unwrap();
        }
        if !progressive {
            bits.push('0');
        }
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    for byte in bits.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0, |b, bit| b << 1 | (bit - b'0'));
        out.push(byte);
        if byte == 0xff {
            out.push(0);
        }
    }
    out.extend([0xff, 0xd9]);
    out
}

/// `picture` with an EXIF segment that says how the camera was held.
fn with_orientation(picture: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut out = picture[..2].to_vec();
    out.extend([0xff, 0xe1]);
    out.extend((exif.len() as u16 + 2).to_be_bytes());
    out.extend(exif);
    out.extend(&picture[2..]);
    out
}

/// One chunk of a PNG with its checksum (PNG 5.3, CRC-32).
fn chunk(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let checked = [&kind[..], body].concat();
    let mut crc = u32::MAX;
    for byte in &checked {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    [&(body.len() as u32).to_be_bytes()[..], &checked, &(!crc).to_be_bytes()].concat()
}

#[test]
fn what_is_no_picture_is_refused() {
    assert!(matches!(read(b""), Err(PictureError::Empty)));
    for junk in
        [&b"GIF89a\x01\0\x01\0"[..], b"%PDF-1.7", b"hello", b"\xff", b"<svg xmlns=''/>", b"RIFF\0\0\0\0WEBP"]
    {
        assert!(matches!(read(junk), Err(PictureError::UnknownFormat)), "{junk:?}");
    }
    assert!(read(b"\xff\xd8\xff").is_err());
    assert!(read(b"\x89PNG\r\n\x1a\n").is_err());
}

#[test]
fn one_pixel_is_a_picture() {
    let jpeg = encode_jpeg(1, 1, &[200, 30, 30], 95).unwrap();
    let from_jpeg = read(&jpeg).unwrap();
    assert_eq!((from_jpeg.width(), from_jpeg.height()), (1, 1));
    assert!(is_red(pixel(&from_jpeg, 0, 0)));
    let from_png = read(&png(1, 1, &[1, 2, 3], ExtendedColorType::Rgb8)).unwrap();
    assert_eq!(from_png.rgb(), [1, 2, 3]);
}

#[test]
fn a_header_that_claims_30000_by_30000_is_refused_before_any_pixel() {
    let mut header = 30_000_u32.to_be_bytes().to_vec();
    header.extend(30_000_u32.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let bomb = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(*b"IHDR", &header), chunk(*b"IEND", &[])].concat();
    let error = read(&bomb).unwrap_err();
    assert!(matches!(error, PictureError::TooManyPixels { width: 30_000, height: 30_000, .. }), "{error}");

    let mut bomb = jpeg(16, 16);
    let sof = bomb.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    bomb[sof + 5..sof + 7].copy_from_slice(&30_000_u16.to_be_bytes());
    bomb[sof + 7..sof + 9].copy_from_slice(&30_000_u16.to_be_bytes());
    assert!(matches!(read(&bomb), Err(PictureError::TooManyPixels { .. })));
    let mut frame = vec![0; 1920 * 1080 * 3];
    assert!(matches!(decode_jpeg_into(&bomb, &mut frame), Err(PictureError::TooManyPixels { .. })));
}

#[test]
fn too_many_bytes_are_not_looked_at() {
    let limits = Limits { bytes: 100, ..Limits::default() };
    assert!(matches!(decode(&jpeg(64, 64), limits), Err(PictureError::TooManyBytes { limit: 100, .. })));
    let limits = Limits { pixels: 64 * 64 - 1, ..Limits::default() };
    assert!(matches!(decode(&jpeg(64, 64), limits), Err(PictureError::TooManyPixels { .. })));
}

#[test]
fn grey_colour_cmyk_and_progressive_jpegs_are_read() {
    let near = |got: [u8; 3], want: [u8; 3]| got.iter().zip(want).all(|(g, w)| g.abs_diff(w) <= 3);
    for sof in [0xc0, 0xc2] {
        let grey = read(&flat_jpeg(sof, &[77], None)).unwrap();
        assert!(near(pixel(&grey, 3, 3), [77; 3]), "{:?}", pixel(&grey, 3, 3));
        // Y, Cb, Cr of pure red.
        let red = read(&flat_jpeg(sof, &[76, 85, 255], None)).unwrap();
        assert!(near(pixel(&red, 3, 3), [254, 0, 0]), "{:?}", pixel(&red, 3, 3));
        // Adobe stores inks upside down: cyan 0 of 255 ink, magenta and yellow full, no black.
        let cmyk = read(&flat_jpeg(sof, &[255, 0, 0, 255], Some(0))).unwrap();
        assert!(near(pixel(&cmyk, 3, 3), [255, 0, 0]), "{:?}", pixel(&cmyk, 3, 3));
    }
}

#[test]
fn a_jpeg_or_png_cut_short_is_refused_wherever_it_is_cut() {
    for whole in [jpeg(40, 24), flat_jpeg(0xc2, &[76, 85, 255], None)] {
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut} of {}", whole.len());
        }
    }
    let whole = png(40, 24, &red_blue(40, 24), ExtendedColorType::Rgb8);
    // The closing chunk of 12 bytes carries no pixels.
    for cut in 0..whole.len() - 12 {
        assert!(read(&whole[..cut]).is_err(), "cut at {cut} of {}", whole.len());
    }
}

#[test]
fn a_thumbnail_is_not_taken_for_the_end_and_what_follows_is_cut_off() {
    let whole = jpeg(32, 16);
    let mut with_thumbnail = whole[..2].to_vec();
    let thumbnail = jpeg(8, 8);
    with_thumbnail.extend([0xff, 0xe1]);
    with_thumbnail.extend((thumbnail.len() as u16 + 2).to_be_bytes());
    with_thumbnail.extend(&thumbnail);
    with_thumbnail.extend(&whole[2..]);
    let end = with_thumbnail.len();
    assert!(read(&with_thumbnail[..thumbnail.len() + 20]).is_err());
    with_thumbnail.extend([0; 5_000]);
    assert_eq!(jpeg_end(&with_thumbnail), Some(end));
    assert_eq!(read(&with_thumbnail).unwrap().width(), 32);
}

#[test]
fn a_picture_is_turned_as_the_camera_was_held() {
    let plain = jpeg(32, 16);
    // Where the red half ends up: left, left mirrored to the right, and so on (EXIF 2.32, tag 274).
    let red_at = |orientation: u8| {
        let picture = read(&with_orientation(&plain, orientation)).unwrap();
        let (w, h) = (picture.width(), picture.height());
        let corners = [(2, 2), (w - 3, 2), (2, h - 3), (w - 3, h - 3)].map(|(x, y)| pixel(&picture, x, y));
        assert_eq!(corners.iter().filter(|p| is_blue(**p)).count(), 2, "orientation {orientation}");
        let side = match corners.map(is_red) {
            [true, false, true, false] => "left",
            [false, true, false, true] => "right",
            [true, true, false, false] => "top",
            [false, false, true, true] => "bottom",
            other => panic!("orientation {orientation}: {other:?}"),
        };
        (w, h, side)
    };
    assert_eq!(red_at(1), (32, 16, "left"));
    assert_eq!(red_at(2), (32, 16, "right"));
    assert_eq!(red_at(3), (32, 16, "right"));
    assert_eq!(red_at(4), (32, 16, "left"));
    assert_eq!(red_at(5), (16, 32, "top"));
    assert_eq!(red_at(6), (16, 32, "top"));
    assert_eq!(red_at(7), (16, 32, "bottom"));
    assert_eq!(red_at(8), (16, 32, "bottom"));
    for nonsense in [0, 9, 255] {
        assert_eq!(red_at(nonsense), (32, 16, "left"));
    }
}

#[test]
fn png_of_every_depth_is_read() {
    let wide: Vec<u8> = [65_535_u16, 32_896, 0].iter().flat_map(|v| v.to_ne_bytes()).collect();
    let read_one = |bytes: &[u8], color| read(&png(1, 1, bytes, color)).unwrap().rgb().to_vec();
    assert_eq!(read_one(&wide, ExtendedColorType::Rgb16), [255, 128, 0]);
    assert_eq!(read_one(&wide[2..4], ExtendedColorType::L16), [128; 3]);
    assert_eq!(read_one(&[9], ExtendedColorType::L8), [9; 3]);
    // Transparency over white.
    assert_eq!(read_one(&[200, 100, 0, 0], ExtendedColorType::Rgba8), [255; 3]);
    assert_eq!(read_one(&[200, 100, 0, 255], ExtendedColorType::Rgba8), [200, 100, 0]);
    assert_eq!(read_one(&[0, 51], ExtendedColorType::La8), [204; 3]);
}

#[test]
fn of_an_animation_the_first_picture_is_read() {
    let first = png(24, 10, &red_blue(24, 10), ExtendedColorType::Rgb8);
    let second = png(24, 10, &[0; 24 * 10 * 3], ExtendedColorType::Rgb8);
    let data = |p: &[u8]| {
        let at = p.windows(4).position(|w| w == b"IDAT").unwrap();
        let length = u32::from_be_bytes(p[at - 4..at].try_into().unwrap()) as usize;
        p[at + 4..at + 4 + length].to_vec()
    };
    let control = |sequence: u32| {
        let numbers = [sequence, 24, 10, 0, 0].map(u32::to_be_bytes).concat();
        chunk(*b"fcTL", &[&numbers[..], &[0, 100, 3, 232, 0, 0]].concat())
    };
    let animated = [
        first[..33].to_vec(),
        chunk(*b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]),
        control(0),
        chunk(*b"IDAT", &data(&first)),
        control(1),
        chunk(*b"fdAT", &[&2_u32.to_be_bytes()[..], &data(&second)].concat()),
        chunk(*b"IEND", &[]),
    ]
    .concat();
    let picture = read(&animated).unwrap();
    assert_eq!((picture.width(), picture.height()), (24, 10));
    assert_eq!(picture.rgb(), red_blue(24, 10));
}

#[test]
fn a_camera_frame_is_decoded_in_place() {
    let bytes = jpeg(64, 48);
    let mut buffer = vec![7; 64 * 48 * 3 + 10];
    assert_eq!(decode_jpeg_into(&bytes, &mut buffer).unwrap(), (64, 48));
    assert_eq!(&buffer[..64 * 48 * 3], read(&bytes).unwrap().rgb());
    assert!(buffer[64 * 48 * 3..].iter().all(|b| *b == 7), "nothing is written behind the picture");
    let error = decode_jpeg_into(&bytes, &mut buffer[..100]).unwrap_err();
    assert!(matches!(error, PictureError::Buffer { got: 100, wanted: 9_216 }));
    assert!(matches!(decode_jpeg_into(&bytes[..300], &mut buffer), Err(PictureError::Truncated)));
}

#[test]
fn pictures_are_scaled_to_what_a_frame_holds() {
    let large = Picture::new(2_400, 2_000, red_blue(2_400, 2_000)).unwrap();
    let small = large.clone().fit(240).unwrap();
    assert_eq!((small.width(), small.height()), (240, 200));
    assert!(is_red(pixel(&small, 10, 100)) && is_blue(pixel(&small, 230, 100)));
    let frame = large.fit_frame().unwrap();
    assert!(frame.width() <= MAX_FRAME_SIDE && frame.rgb().len() <= MAX_FRAME_BYTES);
    assert!(frame.as_frame(ostiary::domain::Mono(0)).is_ok());
    let same = Picture::new(30, 20, red_blue(30, 20)).unwrap();
    assert_eq!(same.clone().fit(100).unwrap(), same);
}

#[test]
fn what_is_written_is_read_again() {
    let mut file = Vec::new();
    write_png(&mut file, 33, 9, &red_blue(33, 9)).unwrap();
    assert_eq!(read(&file).unwrap().rgb(), red_blue(33, 9));
    assert!(matches!(write_png(&mut file, 33, 9, &[0; 5]), Err(PictureError::Size { .. })));
    assert!(matches!(encode_jpeg(0, 0, &[], 90), Err(PictureError::Size { .. })));
    assert!(Picture::new(2, 2, vec![0; 11]).is_err());
    assert_eq!(format!("{:?}", read(&file).unwrap()), "Picture(33x9, <redacted>)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_pictures_never_panic(
        kind in 0_usize..4,
        hits in proptest::collection::vec((0_usize..100_000, any::<u8>()), 1..8),
    ) {
        let mut bytes = match kind {
            0 => jpeg(40, 24),
            1 => flat_jpeg(0xc2, &[76, 85, 255], None),
            2 => flat_jpeg(0xc0, &[1, 2, 3, 4], Some(2)),
            _ => png(40, 24, &red_blue(40, 24), ExtendedColorType::Rgb8),
        };
        for (at, byte) in hits {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        // A small limit, so that a header that now claims a huge picture does not cost seconds.
        let limits = Limits { pixels: 1 << 20, ..Limits::default() };
        if let Ok(picture) = decode(&bytes, limits) {
            prop_assert_eq!(picture.rgb().len(), (picture.width() * picture.height() * 3) as usize);
        }
    }

    #[test]
    fn any_bytes_behind_a_right_beginning_never_panic(
        jpeg in any::<bool>(),
        rest in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let start: &[u8] = if jpeg { b"\xff\xd8\xff" } else { b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" };
        let limits = Limits { pixels: 1 << 20, ..Limits::default() };
        let _ = decode(&[start, &rest].concat(), limits);
    }
}

#[test]
fn quality_of_a_jpeg_changes_its_size() {
    let noisy: Vec<u8> = (0..64 * 64 * 3_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut best = Vec::new();
    JpegEncoder::new_with_quality(&mut best, 100)
        .write_image(&noisy, 64, 64, ExtendedColorType::Rgb8)
        .unwrap();
    assert_eq!(encode_jpeg(64, 64, &noisy, 100).unwrap(), best);
    assert!(encode_jpeg(64, 64, &noisy, 40).unwrap().len() < best.len());
}
