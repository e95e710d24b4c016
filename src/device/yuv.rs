//! Camera colours to RGB: YUYV, NV12 and planar YUV, 8 bits.
//!
//! Owns: the arithmetic. Does not own: where the bytes come from.
//! Invariants: every conversion checks its sizes first and writes exactly `width * height * 3` bytes; integer
//! arithmetic, so the same frame gives the same pixels on every machine.
//!
//! Colours are those of ITU-R BT.601: what UVC cameras deliver and what Y4M means below high definition. Limited
//! range (16..235) unless the source says full range (JPEG).

/// Which levels stand for black and white.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Y from 16 to 235, colours from 16 to 240.
    Limited,
    /// Everything from 0 to 255.
    Full,
}

/// How often the colour planes are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chroma {
    /// Half in both directions.
    C420,
    /// Half across.
    C422,
    /// As often as brightness.
    C444,
    /// Not at all.
    Mono,
}

impl Chroma {
    /// Bytes of one frame of whole planes; `None` when they do not fit into memory's count.
    #[must_use]
    pub fn frame_bytes(self, width: usize, height: usize) -> Option<usize> {
        let (cw, ch) = self.plane(width, height);
        cw.checked_mul(ch)?.checked_mul(2)?.checked_add(width.checked_mul(height)?)
    }

    const fn plane(self, width: usize, height: usize) -> (usize, usize) {
        match self {
            Self::C420 => (width.div_ceil(2), height.div_ceil(2)),
            Self::C422 => (width.div_ceil(2), height),
            Self::C444 => (width, height),
            Self::Mono => (0, 0),
        }
    }
}

/// Planar YUV to RGB; `false` when `yuv` or `rgb` is too short.
#[must_use]
pub fn planar(yuv: &[u8], width: usize, height: usize, chroma: Chroma, range: Range, rgb: &mut [u8]) -> bool {
    let (cw, ch) = chroma.plane(width, height);
    let Some(need) = chroma.frame_bytes(width, height) else { return false };
    if yuv.len() < need || rgb.len() < width * height * 3 || width == 0 {
        return false;
    }
    let (luma, colours) = yuv.split_at(width * height);
    let (blue, red) = colours.split_at(cw * ch);
    let c = Coefficients::of(range);
    for (y, out) in rgb[..width * height * 3].chunks_exact_mut(width * 3).enumerate() {
        let bright = &luma[y * width..][..width];
        let line = match chroma {
            Chroma::C420 => y / 2,
            Chroma::C422 | Chroma::C444 | Chroma::Mono => y,
        } * cw;
        for (x, (pixel, l)) in out.as_chunks_mut::<3>().0.iter_mut().zip(bright).enumerate() {
            let (u, v) = match chroma {
                Chroma::C420 | Chroma::C422 => (blue[line + x / 2], red[line + x / 2]),
                Chroma::C444 => (blue[line + x], red[line + x]),
                Chroma::Mono => (128, 128),
            };
            *pixel = c.rgb(*l, u, v);
        }
    }
    true
}

/// Packed Y U Y V to RGB; rows are `width * 2` bytes. `false` when `yuyv` or `rgb` is too short or `width` is odd.
#[must_use]
pub fn yuyv(yuyv: &[u8], width: usize, height: usize, rgb: &mut [u8]) -> bool {
    let pixels = width * height;
    if !width.is_multiple_of(2) || yuyv.len() < pixels * 2 || rgb.len() < pixels * 3 {
        return false;
    }
    let c = Coefficients::of(Range::Limited);
    let pairs = yuyv[..pixels * 2].as_chunks::<4>().0;
    for (out, [y0, u, y1, v]) in rgb[..pixels * 3].as_chunks_mut::<6>().0.iter_mut().zip(pairs) {
        let (a, b) = (c.rgb(*y0, *u, *v), c.rgb(*y1, *u, *v));
        *out = [a[0], a[1], a[2], b[0], b[1], b[2]];
    }
    true
}

/// A plane of Y, then one of U V pairs at half the size, to RGB. `false` when something is too short.
#[must_use]
pub fn nv12(bytes: &[u8], width: usize, height: usize, rgb: &mut [u8]) -> bool {
    let pixels = width * height;
    let stride = width.div_ceil(2) * 2;
    let need = pixels + stride * height.div_ceil(2);
    if width == 0 || bytes.len() < need || rgb.len() < pixels * 3 {
        return false;
    }
    let (luma, colours) = bytes.split_at(pixels);
    let c = Coefficients::of(Range::Limited);
    for (y, out) in rgb[..pixels * 3].chunks_exact_mut(width * 3).enumerate() {
        let bright = &luma[y * width..][..width];
        let pairs = &colours[y / 2 * stride..][..stride];
        for (x, (pixel, l)) in out.as_chunks_mut::<3>().0.iter_mut().zip(bright).enumerate() {
            let at = x / 2 * 2;
            *pixel = c.rgb(*l, pairs[at], pairs[at + 1]);
        }
    }
    true
}

/// BT.601 with 16 bits of fraction.
#[derive(Clone, Copy)]
struct Coefficients {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Coefficients {
    const fn of(range: Range) -> Self {
        match range {
            // 255/219 for brightness; 255/224 times 1.402, 0.344136, 0.714136 and 1.772 for colour.
            Range::Limited => Self {
                black: 16,
                luma: 76_309,
                red_v: 104_597,
                green_u: 25_675,
                green_v: 53_279,
                blue_u: 132_201,
            },
            Range::Full => Self {
                black: 0,
                luma: 65_536,
                red_v: 91_881,
                green_u: 22_554,
                green_v: 46_802,
                blue_u: 116_130,
            },
        }
    }

    #[inline]
    fn rgb(self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let bright = (i32::from(y) - self.black) * self.luma + (1 << 15);
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let clamp = |x: i32| (x >> 16).clamp(0, 255) as u8;
        [
            clamp(bright + self.red_v * v),
            clamp(bright - self.green_u * u - self.green_v * v),
            clamp(bright + self.blue_u * u),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BT.601 limited range of the eight corner colours, from the standard's 75 %-free table (100 % bars).
    const BARS: [([u8; 3], [u8; 3]); 8] = [
        ([235, 128, 128], [255, 255, 255]),
        ([210, 16, 146], [255, 255, 0]),
        ([170, 166, 16], [0, 255, 255]),
        ([145, 54, 34], [0, 255, 0]),
        ([106, 202, 222], [255, 0, 255]),
        ([81, 90, 240], [255, 0, 0]),
        ([41, 240, 110], [0, 0, 255]),
        ([16, 128, 128], [0, 0, 0]),
    ];

    fn near(a: &[u8], b: &[u8]) -> bool {
        a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 2)
    }

    #[test]
    fn colour_bars_come_out_in_every_layout() {
        for ([y, u, v], want) in BARS {
            let mut rgb = [0; 12];
            assert!(yuyv(&[y, u, y, v, y, u, y, v], 2, 2, &mut rgb) && near(&rgb, &want.repeat(4)));
            assert!(nv12(&[y, y, y, y, u, v], 2, 2, &mut rgb) && near(&rgb, &want.repeat(4)));
            assert!(planar(&[y, y, y, y, u, v], 2, 2, Chroma::C420, Range::Limited, &mut rgb));
            assert!(near(&rgb, &want.repeat(4)), "{rgb:?} {want:?}");
            assert!(planar(&[y, y, y, y, u, u, v, v], 2, 2, Chroma::C422, Range::Limited, &mut rgb));
            assert!(near(&rgb, &want.repeat(4)));
        }
        let mut rgb = [0; 6];
        assert!(planar(&[0, 255], 2, 1, Chroma::Mono, Range::Full, &mut rgb));
        assert_eq!(rgb, [0, 0, 0, 255, 255, 255]);
        assert!(planar(&[76, 76, 85, 85, 255, 255], 2, 1, Chroma::C444, Range::Full, &mut rgb));
        assert!(near(&rgb, &[254, 0, 0, 254, 0, 0]), "{rgb:?}");
    }

    proptest::proptest! {
        #[test]
        fn no_size_and_no_bytes_panic(
            width in 0_usize..9, height in 0_usize..9,
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), room in 0_usize..300,
        ) {
            let mut rgb = vec![0; room];
            let _ = yuyv(&bytes, width, height, &mut rgb);
            let _ = nv12(&bytes, width, height, &mut rgb);
            for chroma in [Chroma::C420, Chroma::C422, Chroma::C444, Chroma::Mono] {
                let _ = planar(&bytes, width, height, chroma, Range::Full, &mut rgb);
            }
        }
    }
}
