//! Grids of points with normals, and how each point takes light from all around.
//!
//! Owns: the grid, its normals, the transfer of light. Does not own: forms (`shape`, `body`), colour.
//! Light that a point receives is a product of two short vectors: nine numbers a point (which directions of the sky it
//! sees, weighted by its slope; Sloan et al., Precomputed Radiance Transfer, 2002) and nine of the light around.

use super::maths::{PI, V3, add, cos, cross, dot, scale, sin, sub, unit};

/// Nine numbers over directions: real spherical harmonics up to the second order.
pub(super) type Nine = [f32; 9];

/// A grid of points, row by row.
pub(super) struct Grid {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) points: Vec<V3>,
    pub(super) normals: Vec<V3>,
}

impl Grid {
    /// A grid whose point at a column and a row is given. The outside is where columns x rows (downwards) point away.
    pub(super) fn new(columns: usize, rows: usize, at: impl Fn(usize, usize) -> V3) -> Self {
        let mut points = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                points.push(at(column, row));
            }
        }
        let mut grid = Self { columns, rows, points, normals: Vec::new() };
        grid.find_normals();
        grid
    }

    pub(super) fn find_normals(&mut self) {
        let (columns, rows) = (self.columns, self.rows);
        let mut normals = Vec::with_capacity(self.points.len());
        let closed = {
            let ends =
                sub(self.points[(rows / 2) * columns], self.points[(rows / 2) * columns + columns - 1]);
            dot(ends, ends) < 1e-4
        };
        for row in 0..rows {
            for column in 0..columns {
                let (left, right) = if closed && (column == 0 || column == columns - 1) {
                    (columns - 2, 1)
                } else {
                    (column.max(1) - 1, (column + 1).min(columns - 1))
                };
                let across = sub(self.points[row * columns + right], self.points[row * columns + left]);
                let (above, below) = (row.max(1) - 1, (row + 1).min(rows - 1));
                let down = sub(self.points[below * columns + column], self.points[above * columns + column]);
                let normal = cross(down, across);
                let poles = dot(normal, normal) < 1e-9;
                normals.push(if poles {
                    [0.0, if row == 0 { 1.0 } else { -1.0 }, 0.0]
                } else {
                    unit(normal)
                });
            }
        }
        self.normals = normals;
    }
}

/// The harmonics in a direction of length one.
pub(super) fn nine(d: V3) -> Nine {
    let [x, y, z] = d;
    [
        0.282_095,
        0.488_603 * y,
        0.488_603 * z,
        0.488_603 * x,
        1.092_548 * x * y,
        1.092_548 * y * z,
        0.315_392 * (3.0 * z * z - 1.0),
        1.092_548 * x * z,
        0.546_274 * (x * x - y * y),
    ]
}

pub(super) fn dot9(a: &Nine, b: &Nine) -> f32 {
    let mut sum = 0.0;
    for i in 0..9 {
        sum += a[i] * b[i];
    }
    sum
}

/// The light around a head: colour by direction.
#[derive(Clone, Copy, Default)]
pub(super) struct Sky(pub(super) [Nine; 3]);

impl Sky {
    /// Adds a far lamp in that direction; `blunt` of 0 for a point, towards 1 for light from everywhere.
    pub(super) fn lamp(&mut self, towards: V3, colour: V3, blunt: f32) {
        let y = nine(unit(towards));
        // Wide lamps lose their finer orders first.
        let keep = [1.0, 1.0 - 0.6 * blunt, 1.0 - blunt];
        for (channel, c) in self.0.iter_mut().zip(colour) {
            for (i, value) in channel.iter_mut().enumerate() {
                let order = if i == 0 {
                    0
                } else if i < 4 {
                    1
                } else {
                    2
                };
                *value += c * y[i] * keep[order];
            }
        }
    }

    /// Adds the same light from everywhere.
    pub(super) fn glow(&mut self, colour: V3) {
        for (channel, c) in self.0.iter_mut().zip(colour) {
            channel[0] += c / 0.886_227;
        }
    }
}

const DIRECTIONS: usize = 72;
const MAP: usize = 64;
/// Half of what the depth maps cover, in centimetres.
const REACH: f32 = 18.0;

/// How each point of the grid takes light, given everything that stands in the way (`others` and the grid itself);
/// twice: as it is, and softened as light that has travelled in the skin.
pub(super) fn transfer(grid: &Grid, others: &[&[V3]]) -> (Vec<Nine>, Vec<Nine>) {
    let mut sharp = vec![[0.0_f32; 9]; grid.points.len()];
    let mut depth = vec![0.0_f32; MAP * MAP];
    for i in 0..DIRECTIONS {
        // Evenly over the sphere (Fibonacci spiral).
        let y = 1.0 - (2.0 * i as f32 + 1.0) / DIRECTIONS as f32;
        let r = (1.0 - y * y).sqrt();
        let angle = i as f32 * PI * 0.763_932;
        let towards = [r * cos(angle), y, r * sin(angle)];
        let side = unit(if towards[1].abs() > 0.9 {
            cross(towards, [1.0, 0.0, 0.0])
        } else {
            cross(towards, [0.0, 1.0, 0.0])
        });
        let up = cross(side, towards);
        let cell = |p: V3| {
            let f = MAP as f32 / (2.0 * REACH);
            let (a, b) = ((dot(p, side) + REACH) * f, (dot(p, up) + REACH) * f);
            let inside = a >= 0.0 && b >= 0.0 && a < MAP as f32 && b < MAP as f32;
            inside.then(|| b as usize * MAP + a as usize)
        };
        depth.fill(-1e9);
        for points in std::iter::once(&grid.points[..]).chain(others.iter().copied()) {
            for &p in points {
                if let Some(at) = cell(p) {
                    depth[at] = depth[at].max(dot(p, towards));
                }
            }
        }
        let harmonics = nine(towards);
        let weight = 4.0 / DIRECTIONS as f32;
        for ((p, n), sum) in grid.points.iter().zip(&grid.normals).zip(&mut sharp) {
            let slope = dot(*n, towards);
            if slope <= 0.0 {
                continue;
            }
            // Looked up a little outside, so that the surface does not shade itself.
            let from = add(*p, scale(*n, 0.25));
            let hidden =
                cell(from).map_or(0.0, |at| ((depth[at] - dot(from, towards) - 0.35) * 0.9).clamp(0.0, 1.0));
            let k = weight * slope * (1.0 - hidden);
            for (value, y) in sum.iter_mut().zip(harmonics) {
                *value += k * y;
            }
        }
    }
    blur(grid, &mut sharp, 2);
    let mut soft = sharp.clone();
    blur(grid, &mut soft, 7);
    (sharp, soft)
}

/// Each point becomes the mean of itself and its four neighbours, that many times.
fn blur(grid: &Grid, values: &mut [Nine], times: usize) {
    let (columns, rows) = (grid.columns, grid.rows);
    for _ in 0..times {
        let before = values.to_vec();
        for row in 0..rows {
            for column in 0..columns {
                let left = if column == 0 { columns - 2 } else { column - 1 };
                let right = if column == columns - 1 { 1 } else { column + 1 };
                let at = [
                    row * columns + left,
                    row * columns + right,
                    row.max(1) * columns - columns + column,
                    (row + 1).min(rows - 1) * columns + column,
                ];
                let out = &mut values[row * columns + column];
                for (i, value) in out.iter_mut().enumerate() {
                    let around: f32 =
                        before[at[0]][i] + before[at[1]][i] + before[at[2]][i] + before[at[3]][i];
                    *value = 0.4 * *value + 0.15 * around;
                }
            }
        }
    }
}
