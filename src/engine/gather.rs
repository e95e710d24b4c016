//! The windows of a convolution laid side by side, so that a matrix product does the rest.
//!
//! Owns: where the bytes of a window come from. Does not own: the weights (in the same order: row, column, channel).
//! Invariant: bytes beyond the window's own are left over from anywhere; their weights are zero.

use super::kernels::{Window, padded};

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

/// Bytes that one unconditional copy moves.
const COPY: usize = 16;

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

    /// Bytes from window to window.
    pub(super) const fn stride(&self) -> usize {
        padded(self.depth())
    }

    /// Bytes that a strip takes.
    pub(super) const fn strip_bytes(&self) -> usize {
        Self::STRIP * self.stride() + 2 * COPY
    }

    /// The windows of `rows` output pixels from `first` on. `input` may be longer than the plane.
    pub(super) fn fill(&self, input: &[u8], first: usize, rows: usize, out: &mut [u8]) {
        let Window { input: [height, width], output, kernel, stride, dilation, pad } = self.window;
        let run = kernel[1] * self.channels;
        // The columns of a window lie side by side where no channel is padding.
        let joined = dilation[1] == 1 && self.pixel == self.channels;
        for (i, at) in (first..first + rows).enumerate() {
            let (y, x) = (at / output[1] * stride[0], at % output[1] * stride[1]);
            let inside = x >= pad[1] && x - pad[1] + (kernel[1] - 1) * dilation[1] < width;
            let mut to = i * self.stride();
            for row in 0..kernel[0] {
                let line = (y + row * dilation[0]).checked_sub(pad[0]).filter(|l| *l < height);
                match line {
                    Some(line) if inside && joined => {
                        let from = (line * width + x - pad[1]) * self.pixel;
                        copy(input, from, out, to, run);
                    }
                    Some(line) => self.scattered(input, line, x, &mut out[to..to + run]),
                    None => {
                        for tap in out[to..to + run].chunks_exact_mut(self.channels) {
                            tap.copy_from_slice(&self.outside[..self.channels]);
                        }
                    }
                }
                to += run;
            }
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

/// Copies `run` bytes. Short runs are copied as a whole register, which also writes what follows: the next row of the
/// window overwrites that, and behind the last the weights are zero.
fn copy(input: &[u8], from: usize, out: &mut [u8], to: usize, run: usize) {
    if run <= COPY
        && let Some(whole) = input.get(from..from + COPY)
        && let Some(place) = out.get_mut(to..to + COPY)
    {
        place.copy_from_slice(whole);
    } else {
        out[to..to + run].copy_from_slice(&input[from..from + run]);
    }
}
