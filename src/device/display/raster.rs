//! Outlines to coverage: the smooth edge of every letter.
//!
//! Owns: a scratch area that collects signed areas, and its reading as coverage 0 to 1. Does not own: fonts, colours.
//! Invariants: whatever lies outside the area is clipped, whatever is not a number is ignored, so any outline is
//! safe; the area grows to the largest line ever drawn and is not given back, so a steady state allocates nothing.
//!
//! The method is the accumulation buffer of font rasterisers: every edge adds, in each row it crosses, the area to
//! its right; the running sum along a row is the coverage (R. Levien, "Inside the fastest font renderer", 2016).

/// A scratch area of coverage.
#[derive(Default)]
pub(super) struct Raster {
    sums: Vec<f32>,
    width: usize,
    height: usize,
    start: (f32, f32),
    at: (f32, f32),
}

impl Raster {
    /// Empties an area of `width` x `height` pixels, both cut to [`MAX_SIDE`].
    pub(super) fn begin(&mut self, width: u32, height: u32) {
        self.width = width.min(MAX_SIDE) as usize;
        self.height = height.min(MAX_SIDE) as usize;
        self.sums.clear();
        self.sums.resize(self.stride() * self.height, 0.0);
        self.start = (0.0, 0.0);
        self.at = (0.0, 0.0);
    }

    /// Starts a contour.
    pub(super) fn move_to(&mut self, x: f32, y: f32) {
        self.close();
        self.start = (x, y);
        self.at = (x, y);
    }

    /// A straight edge.
    pub(super) fn line_to(&mut self, x: f32, y: f32) {
        self.edge(self.at, (x, y));
        self.at = (x, y);
    }

    /// A quadratic Bézier edge with one control point.
    pub(super) fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let (x0, y0) = self.at;
        let steps = steps((x0 - 2.0 * cx + x).hypot(y0 - 2.0 * cy + y));
        for step in 1..=steps {
            let t = step as f32 / steps as f32;
            let u = 1.0 - t;
            self.line_to(
                u * u * x0 + 2.0 * u * t * cx + t * t * x,
                u * u * y0 + 2.0 * u * t * cy + t * t * y,
            );
        }
    }

    /// A cubic Bézier edge with two control points.
    pub(super) fn cubic_to(&mut self, (ax, ay): (f32, f32), (bx, by): (f32, f32), (x, y): (f32, f32)) {
        let (x0, y0) = self.at;
        let bend =
            (x0 - 2.0 * ax + bx).hypot(y0 - 2.0 * ay + by) + (ax - 2.0 * bx + x).hypot(ay - 2.0 * by + y);
        let steps = steps(bend * 1.5);
        for step in 1..=steps {
            let t = step as f32 / steps as f32;
            let u = 1.0 - t;
            let (k0, k1, k2, k3) = (u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t);
            self.line_to(k0 * x0 + k1 * ax + k2 * bx + k3 * x, k0 * y0 + k1 * ay + k2 * by + k3 * y);
        }
    }

    /// Ends the contour where it began.
    pub(super) fn close(&mut self) {
        if self.at != self.start {
            self.edge(self.at, self.start);
            self.at = self.start;
        }
    }

    /// The coverage of a row's pixels, left to right, 0 to 1.
    pub(super) fn row(&self, y: usize) -> impl Iterator<Item = f32> + '_ {
        let from = y * self.stride();
        let mut sum = 0.0f32;
        self.sums[from..from + self.width].iter().map(move |area| {
            sum += area;
            sum.abs().min(1.0)
        })
    }

    /// Rows of the area.
    pub(super) const fn height(&self) -> usize {
        self.height
    }

    /// Two columns more than the area: an edge at the right border writes one beyond it.
    const fn stride(&self) -> usize {
        self.width + 2
    }

    fn edge(&mut self, from: (f32, f32), to: (f32, f32)) {
        let finite = from.0.is_finite() && from.1.is_finite() && to.0.is_finite() && to.1.is_finite();
        if !finite {
            return;
        }
        let (direction, top, bottom) = if from.1 < to.1 { (1.0, from, to) } else { (-1.0, to, from) };
        if bottom.1 <= top.1 {
            return;
        }
        let slope = (bottom.0 - top.0) / (bottom.1 - top.1);
        let first = top.1.max(0.0).floor() as usize;
        let last = (bottom.1.max(0.0).ceil() as usize).min(self.height);
        let right = self.width as f32;
        for y in first..last {
            let upper = top.1.max(y as f32);
            let lower = bottom.1.min(y as f32 + 1.0);
            let area = (lower - upper) * direction;
            let one = (top.0 + (upper - top.1) * slope).clamp(0.0, right);
            let other = (top.0 + (lower - top.1) * slope).clamp(0.0, right);
            self.spread(y, one.min(other), one.max(other), area);
        }
    }

    /// Adds the area right of an edge that crosses one row from `left` to `right`.
    fn spread(&mut self, y: usize, left: f32, right: f32, area: f32) {
        let from = y * self.stride();
        let (first, last) = (left.floor(), right.ceil());
        let column = from + first as usize;
        if last <= first + 1.0 {
            let beyond = 0.5 * (left + right) - first;
            self.sums[column] += area * (1.0 - beyond);
            self.sums[column + 1] += area * beyond;
            return;
        }
        // The edge rises over several columns: what lies right of it in each, as a share of the row's part.
        let rise = 1.0 / (right - left);
        let (head, last) = (first as usize, last as usize);
        let mut before = 0.0;
        for x in head..last {
            let here = if x == head {
                0.5 * rise * (first + 1.0 - left).powi(2)
            } else if x + 1 == last {
                1.0 - 0.5 * rise * (right - x as f32).powi(2)
            } else {
                rise * (x as f32 + 0.5 - left)
            };
            self.sums[from + x] += area * (here - before);
            before = here;
        }
        self.sums[from + last] += area * (1.0 - before);
    }
}

/// Straight pieces for a curve that bends by `bend` pixels: the error stays under a sixth of a pixel.
fn steps(bend: f32) -> u32 {
    if bend.is_finite() { ((bend * 0.75).sqrt().ceil() as u32).clamp(1, 24) } else { 1 }
}

/// Longest side of the area in pixels; a line of text wider than any panel is cut there.
const MAX_SIDE: u32 = 2048;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coverage(raster: &Raster) -> Vec<Vec<f32>> {
        (0..raster.height()).map(|y| raster.row(y).collect()).collect()
    }

    #[test]
    fn a_rectangle_covers_what_it_covers() {
        let mut raster = Raster::default();
        raster.begin(4, 3);
        raster.move_to(0.5, 0.0);
        raster.line_to(3.0, 0.0);
        raster.line_to(3.0, 1.5);
        raster.line_to(0.5, 1.5);
        raster.close();
        let rows = coverage(&raster);
        assert_eq!(rows[0], [0.5, 1.0, 1.0, 0.0]);
        assert_eq!(rows[1], [0.25, 0.5, 0.5, 0.0]);
        assert_eq!(rows[2], [0.0; 4]);
    }

    #[test]
    fn a_slope_over_several_columns_keeps_its_area() {
        let mut raster = Raster::default();
        raster.begin(8, 2);
        raster.move_to(0.5, 0.0);
        raster.line_to(7.0, 2.0);
        raster.line_to(0.5, 2.0);
        raster.close();
        let area: f32 = coverage(&raster).iter().flatten().sum();
        assert!((area - 6.5).abs() < 1e-4, "{area}");
    }

    proptest! {
        #[test]
        fn any_outline_stays_inside_and_between_none_and_all(
            points in prop::collection::vec((-50.0f32..80.0, -50.0f32..80.0), 1..20)
        ) {
            let mut raster = Raster::default();
            raster.begin(20, 20);
            raster.move_to(f32::NAN, f32::INFINITY);
            for pair in points.windows(2) {
                raster.quad_to(pair[0].0, pair[0].1, pair[1].0, pair[1].1);
            }
            raster.close();
            for row in coverage(&raster) {
                prop_assert_eq!(row.len(), 20);
                prop_assert!(row.iter().all(|c| (0.0..=1.0).contains(c)));
            }
        }
    }
}
