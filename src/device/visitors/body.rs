//! Neck, ears, shoulders and clothes.
//!
//! Owns: their grids and the cloth's colour. Does not own: the head.

use super::maths::{PI, V3, bell, cloud, cos, curve, mix, mix3, noise, ramp, scale, sin};
use super::mesh::Grid;
use super::person::Person;
use super::shape::Shape;

/// Height of the lowest row of the clothes.
pub(super) const HEM: f32 = -62.0;
/// Height of the collar at the sides of the neck.
const COLLAR: f32 = -13.2;

/// The neck, from within the head to below the collar.
pub(super) fn neck(p: &Person) -> Grid {
    Grid::new(33, 17, |column, row| {
        let theta = (column as f32 / 32.0 * 2.0 - 1.0) * PI;
        let v = row as f32 / 16.0;
        let y = mix(-5.0, -20.0, v);
        let flare = 1.0 + 0.55 * ramp(0.7, 1.0, v);
        let (s, c) = (sin(theta), cos(theta));
        let apple = (1.0 - p.female) * 0.5 * bell(s * s * 9.0) * bell((y + 13.6) * (y + 13.6) * 0.5);
        // The two muscles that run from behind the ears to the breastbone.
        let cord = 0.12 * bell((s.abs() - mix(0.9, 0.2, v)) * (s.abs() - mix(0.9, 0.2, v)) * 30.0);
        [
            s * p.neck * flare,
            y,
            -1.6 - 1.3 * (1.0 - v)
                + c * p.neck * (0.98 + 0.1 * flare)
                + if c > 0.0 { apple + cord } else { 0.0 },
        ]
    })
}

/// One ear: -1 on the picture's left, 1 on its right. Its rim stands out of the head.
pub(super) fn ear(shape: &Shape<'_>, side: f32) -> Grid {
    let p = shape.p;
    let base = shape.at(side * PI * 0.5, -0.9);
    let (columns, rows) = (13, 17);
    let grid = Grid::new(columns, rows, |column, row| {
        let a = column as f32 / (columns - 1) as f32 * 2.0 - 1.0;
        let b = row as f32 / (rows - 1) as f32 * 2.0 - 1.0;
        // From front to back on either side: the outside must face outwards.
        let a = a * -side;
        let a = -a;
        let tall = 3.15 * p.ear;
        let wide = 1.75 * p.ear * (1.0 - 0.28 * ramp(0.0, 1.0, b)) * (1.0 - b * b * 0.85).max(0.02).sqrt();
        let back = a * side * side;
        let r2 = a * a + b * b * 0.9;
        // A bowl: rim outside, hollow inside; hinged in front, standing out behind.
        let rim = 0.35 * bell((r2 - 0.75) * (r2 - 0.75) * 16.0) - 0.35 * bell(r2 * 3.0);
        let stand = 0.25 + (back * 0.5 + 0.5) * 2.4 * p.ear_out + rim - 0.55 * ramp(0.75, 1.0, a.abs());
        [base[0] + side * (stand - 0.1), base[1] - b * tall, base[2] - back * wide - 0.5 - b * 0.5]
    });
    if side > 0.0 { grid } else { mirrored(&grid) }
}

/// Columns the other way round, so that the same side faces outwards.
fn mirrored(grid: &Grid) -> Grid {
    let (columns, rows) = (grid.columns, grid.rows);
    Grid::new(columns, rows, |column, row| grid.points[row * columns + columns - 1 - column])
}

/// Shoulders and chest in their clothes.
pub(super) fn torso(p: &Person) -> Grid {
    let wide = [
        (HEM, p.shoulders * 0.98),
        (-32.0, p.shoulders),
        (-24.5, p.shoulders * 1.0),
        (-21.0, p.shoulders * 0.93),
        (-18.6, p.shoulders * 0.76),
        (-16.6, p.shoulders * 0.53),
        (-14.6, p.neck * 1.38),
        (COLLAR, p.neck * 1.17),
    ];
    let deep = [
        (HEM, 12.5),
        (-32.0, 11.5),
        (-24.5, 10.0),
        (-19.6, 8.2),
        (-14.6, p.neck * 1.18),
        (COLLAR, p.neck * 1.14),
    ];
    Grid::new(49, 41, |column, row| {
        let theta = (column as f32 / 48.0 * 2.0 - 1.0) * PI;
        let v = row as f32 / 40.0;
        let y = mix(COLLAR, HEM, v * (0.35 + 0.65 * v));
        let (s, c) = (sin(theta), cos(theta));
        let quartic = 1.0 / (s * s * s * s + c * c * c * c).sqrt().sqrt();
        let r = mix(1.0, quartic, ramp(-15.6, -23.0, y) * 0.7);
        let fold = (cloud(theta * 2.2, y * 0.13, p.seed as u32) - 0.5) * 1.5 * ramp(-14.6, -22.0, y);
        let front = if c > 0.0 { 1.0 } else { 0.8 };
        // A collar dips in front.
        let dip = if c > 0.0 { c * c * 3.2 * ramp(-18.5, COLLAR, y) } else { 0.0 };
        [s * r * curve_up(&wide, y), y - dip, -2.6 + c * r * curve_up(&deep, y) * front + fold * 0.5]
    })
}

fn curve_up(points: &[(f32, f32)], y: f32) -> f32 {
    curve(points, y)
}

/// Colour of the clothes at a point of the body.
pub(super) fn cloth(p: &Person, at: V3) -> V3 {
    let [x, y, z] = at;
    let seed = p.seed as u32;
    let weave = 0.92 + 0.16 * noise(x * 5.0, y * 5.0, seed ^ 0x15);
    let mut c = scale(p.cloth, weave);
    let ax = x.abs();
    match p.collar {
        // A jacket open over a shirt.
        0 => {
            let edge = mix(1.2, 5.2, ((-y - 15.6) / 30.0).clamp(0.0, 1.0))
                + 1.6 * bell((y + 17.6) * (y + 17.6) * 0.12);
            if z > 0.0 {
                let open = ramp(edge + 0.25, edge - 0.25, ax);
                c = mix3(c, scale(p.cloth_under, weave), open);
                let seam = bell((ax - edge - 0.3) * (ax - edge - 0.3) * 14.0);
                c = scale(c, 1.0 - 0.5 * seam);
            }
        }
        // Stripes.
        1 => {
            let t = y * 0.28;
            let stripe = ramp(0.42, 0.5, (t - t.floor() - 0.5).abs());
            c = mix3(c, scale(p.cloth_under, weave), stripe);
        }
        // A zip.
        2 if z > 0.0 => c = scale(c, 1.0 - 0.6 * bell(ax * ax * 9.0)),
        _ => {}
    }
    // A band at the neck.
    let band = bell((y + 14.8) * (y + 14.8) * 1.6);
    scale(c, 1.0 - 0.35 * band)
}
