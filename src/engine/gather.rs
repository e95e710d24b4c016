//! The windows of a convolution laid side by side, so that a matrix product does the rest.
//!
//! Owns: where the bytes of a window come from. Does not own: the weights (in the same order: row, column, channel).
//! Invariant: bytes beyond the window's own are left over from anywhere; their weights are zero.

use std::ops::Range;

use super::kernels::{REGISTER, Window, copy_registers, padded};

/// Gathers the windows of one plane.
#[derive(Debug)]
pub(super) struct Gather {
    window: Window,
    channels: usize,
    /// Bytes from pixel to pixel of the input.
    pixel: usize,
    /// The input's zero points.
    outside: Vec<u8>,
}

impl Gather {
    /// Windows gathered at a time: a strip stays in the first cache.
    pub(super) const STRIP: usize = 64;

    pub(super) fn new(window: Window, channels: usize, pixel: usize, outside: Vec<u8>) -> Self {
        Self { window, channels, pixel, outside }
    }

    /// Output pixels.
    pub(super) const fn pixels(&self) -> usize {
        self.window.output[0] * self.window.output[1]
    }

    /// Values of a window.
    pub(super) const fn depth(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1] * self.channels
    }

    /// Bytes from window to window: room for the last row copied as a whole register.
    pub(super) const fn stride(&self) -> usize {
        let run = self.window.kernel[1] * self.channels;
        if run < REGISTER { padded(self.depth() - run + REGISTER) } else { padded(self.depth()) }
    }

    /// Bytes that a strip takes.
    pub(super) const fn strip_bytes(&self) -> usize {
        Self::STRIP * self.stride()
    }

    /// The windows of `rows` output pixels from `first` on. `input` may be longer than the plane.
    pub(super) fn fill(&self, input: &[u8], first: usize, rows: usize, out: &mut [u8]) {
        let width = self.window.output[1];
        let mut done = 0;
        while done < rows {
            let (y, x) = ((first + done) / width, (first + done) % width);
            let columns = (rows - done).min(width - x);
            self.line(input, y, x..x + columns, &mut out[done * self.stride()..]);
            done += columns;
        }
    }

    /// The windows of some neighbours in one line of the output: a row of all windows at a time.
    fn line(&self, input: &[u8], y: usize, columns: Range<usize>, out: &mut [u8]) {
        let Window { input: [height, width], kernel, stride, dilation, pad, .. } = self.window;
        let run = kernel[1] * self.channels;
        let inner = self.inner(&columns);
        for row in 0..kernel[0] {
            let place = row * run;
            let line = (y * stride[0] + row * dilation[0]).checked_sub(pad[0]).filter(|l| *l < height);
            let Some(line) = line else {
                out.chunks_mut(self.stride())
                    .take(columns.len())
                    .for_each(|w| self.beyond(&mut w[place..][..run]));
                continue;
            };
            let mut tap_by_tap = |x: usize| {
                let to = (x - columns.start) * self.stride() + place;
                self.scattered(input, line, x * stride[1], &mut out[to..to + run]);
            };
            (columns.start..inner.start).for_each(&mut tap_by_tap);
            (inner.end..columns.end).for_each(&mut tap_by_tap);
            if inner.is_empty() {
                continue;
            }
            let from = &input[(line * width + inner.start * stride[1] - pad[1]) * self.pixel..];
            let to = &mut out[(inner.start - columns.start) * self.stride() + place..];
            let step = stride[1] * self.pixel;
            if run < REGISTER && from.len() >= (inner.len() - 1) * step + REGISTER {
                // Also writes what follows: the next row of the window overwrites that, and behind the last row
                // there is room whose weights are zero.
                copy_registers(from, step, to, self.stride(), inner.len());
            } else {
                let to = to.chunks_mut(self.stride()).take(inner.len());
                for (to, from) in to.zip(from.windows(run).step_by(step)) {
                    to[..run].copy_from_slice(from);
                }
            }
        }
    }

    /// Those of the output columns whose windows lie within a line, in one piece.
    fn inner(&self, columns: &Range<usize>) -> Range<usize> {
        let Window { input: [_, width], kernel, stride, dilation, pad, .. } = self.window;
        // The columns of a window lie side by side where no channel is padding.
        if dilation[1] != 1 || self.pixel != self.channels {
            return columns.end..columns.end;
        }
        let first = pad[1].div_ceil(stride[1]).clamp(columns.start, columns.end);
        let last = (width + pad[1]).checked_sub(kernel[1]).map_or(0, |room| room / stride[1] + 1);
        first..last.clamp(first, columns.end)
    }

    /// A row of a window that lies beyond the edge.
    fn beyond(&self, out: &mut [u8]) {
        for tap in out.chunks_exact_mut(self.channels) {
            tap.copy_from_slice(&self.outside[..self.channels]);
        }
    }

    /// One row of a window, tap by tap.
    fn scattered(&self, input: &[u8], line: usize, x: usize, out: &mut [u8]) {
        let Window { input: [_, width], dilation, pad, .. } = self.window;
        for (tap, to) in out.chunks_exact_mut(self.channels).enumerate() {
            let column = (x + tap * dilation[1]).checked_sub(pad[1]).filter(|c| *c < width);
            match column {
                Some(column) => {
                    let from = (line * width + column) * self.pixel;
                    to.copy_from_slice(&input[from..from + self.channels]);
                }
                None => to.copy_from_slice(&self.outside[..self.channels]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Input, kernel, stride, dilation and padding of an axis, and how much longer the output is than it should be.
    fn axis() -> impl Strategy<Value = [usize; 6]> {
        (1..=12_usize, 1..=5_usize, 1..=3_usize, 1..=2_usize, 0..=2_usize, 0..=1_usize).prop_map(
            |(input, kernel, stride, dilation, pad, more)| [input, kernel, stride, dilation, pad, more],
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(if cfg!(miri) { 6 } else { 200 })
        })]

        #[test]
        fn a_window_holds_what_its_taps_see(
            v in axis(), h in axis(), channels in 1..=20_usize, spare in 0..=1_usize, first in 0..100_usize,
        ) {
            let length = |a: [usize; 6]| (a[0] + 2 * a[4]).saturating_sub(a[3] * (a[1] - 1) + 1) / a[2] + 1 + a[5];
            let window = Window {
                input: [v[0], h[0]],
                output: [length(v), length(h)],
                kernel: [v[1], h[1]],
                stride: [v[2], h[2]],
                dilation: [v[3], h[3]],
                pad: [v[4], h[4]],
            };
            let pixel = if spare == 0 { channels } else { padded(channels) };
            let byte = |row: usize, column: usize, c: usize| (7 * row + 31 * column + 101 * c + 3) as u8;
            let mut plane = vec![0xee; v[0] * h[0] * pixel];
            for (at, out) in plane.chunks_exact_mut(pixel).enumerate() {
                (0..channels).for_each(|c| out[c] = byte(at / h[0], at % h[0], c));
            }
            let outside: Vec<u8> = (0..channels).map(|c| 200 + c as u8).collect();
            let gather = Gather::new(window, channels, pixel, outside.clone());
            let first = first % gather.pixels();
            let rows = (gather.pixels() - first).min(Gather::STRIP);
            let mut out = vec![0; gather.strip_bytes()];
            gather.fill(&plane, first, rows, &mut out);
            for (row, got) in out.chunks_exact(gather.stride()).take(rows).enumerate() {
                let (y, x) = ((first + row) / window.output[1], (first + row) % window.output[1]);
                for (at, got) in got[..gather.depth()].iter().enumerate() {
                    let (tap, c) = (at / channels, at % channels);
                    let [i, j] = [tap / window.kernel[1], tap % window.kernel[1]];
                    let want = match (window.source(0, y, i), window.source(1, x, j)) {
                        (Some(row), Some(column)) => byte(row, column, c),
                        _ => outside[c],
                    };
                    prop_assert_eq!(*got, want, "window {}, tap {}, channel {}", first + row, tap, c);
                }
            }
        }
    }
}
