//! A person made ready to be drawn: grids, skin, hair, and how they take light.
//!
//! Owns: what is computed once a person. Does not own: poses, the frame.

use super::body;
use super::hair::{self, Strand};
use super::maths::{PI, V3};
use super::mesh::{Grid, Nine, transfer};
use super::person::Person;
use super::shape::{CROWN, Shape};
use super::skin::Skin;

const COLUMNS: usize = 105;
const ROWS: usize = 121;

/// A person with all that is needed to draw them.
pub(super) struct Figure {
    pub(super) p: Person,
    pub(super) head: Grid,
    pub(super) sharp: Vec<Nine>,
    pub(super) soft: Vec<Nine>,
    pub(super) skin: Skin,
    pub(super) neck: Grid,
    pub(super) ears: [Grid; 2],
    pub(super) torso: Grid,
    pub(super) strands: Vec<Strand>,
    /// Eyes (left in the picture first), tip of the nose, corners of the mouth, in the measure of the head.
    pub(super) marks: [V3; 5],
    /// Points around the face, from hairline to chin, that its box must hold.
    pub(super) outline: Vec<V3>,
}

fn angle(t: f32) -> f32 {
    PI * (0.45 * t + 0.55 * t * t * t)
}

fn height(shape: &Shape<'_>, s: f32) -> f32 {
    let (top, bottom) = (CROWN, shape.bottom());
    let s5 = s * s * s * s * s;
    (top + bottom) * 0.5 - (top - bottom) * 0.5 * (1.25 * s - 0.25 * s5)
}

impl Figure {
    pub(super) fn new(p: Person) -> Self {
        let shape = Shape { p: &p };
        let head = Grid::new(COLUMNS, ROWS, |column, row| {
            let t = column as f32 / (COLUMNS - 1) as f32 * 2.0 - 1.0;
            let s = row as f32 / (ROWS - 1) as f32 * 2.0 - 1.0;
            shape.at(angle(t), height(&shape, s))
        });
        let skin = Skin::paint(&shape, |u, v| (angle(u * 2.0 - 1.0), height(&shape, v * 2.0 - 1.0)));
        let strands = hair::grow(&shape, |t, s| {
            let column = ((t * 0.5 + 0.5) * (COLUMNS - 1) as f32 + 0.5) as usize;
            let row = ((s * 0.5 + 0.5) * (ROWS - 1) as f32 + 0.5) as usize;
            (shape.at(angle(t), height(&shape, s)), head.normals[row * COLUMNS + column])
        });
        let neck = body::neck(&p);
        let torso = body::torso(&p);
        let ears = [body::ear(&shape, -1.0), body::ear(&shape, 1.0)];
        let hairs: Vec<V3> =
            strands.iter().flat_map(|s| s.points.iter().copied().skip(2)).filter(|p| p[2] < 7.5).collect();
        let (sharp, soft) = transfer(&head, &[&neck.points, &torso.points, &hairs]);
        let marks = marks(&p, &head);
        let outline = outline(&p, &head);
        Self { p, head, sharp, soft, skin, neck, ears, torso, strands, marks, outline }
    }

    /// Where a corner of the head's grid lies on the skin, 0 to 1.
    pub(super) fn uv(index: usize) -> (f32, f32) {
        ((index % COLUMNS) as f32 / (COLUMNS - 1) as f32, (index / COLUMNS) as f32 / (ROWS - 1) as f32)
    }
}

/// The point of the front of the head nearest to (x, y) as seen from ahead.
fn front(head: &Grid, x: f32, y: f32) -> V3 {
    let far = |p: &V3| (p[0] - x) * (p[0] - x) + (p[1] - y) * (p[1] - y);
    head.points
        .iter()
        .filter(|p| p[2] > 2.0)
        .min_by(|a, b| far(a).total_cmp(&far(b)))
        .map_or([x, y, 8.0], |p| [x, y, p[2]])
}

fn marks(p: &Person, head: &Grid) -> [V3; 5] {
    let tip = (-p.nose_long + 0.55) * p.long;
    let mut nose = front(head, 0.0, tip + 0.1);
    nose[2] = nose[2].max(front(head, 0.0, tip)[2]);
    let corner = (p.mouth_y + p.smile * 0.9) * p.long;
    [
        front(head, -p.eye_x, 0.0),
        front(head, p.eye_x, 0.0),
        nose,
        front(head, -p.mouth_wide, corner),
        front(head, p.mouth_wide, corner),
    ]
}

/// As detectors' training sets box faces: from the hairline to the chin, between the ears.
fn outline(p: &Person, head: &Grid) -> Vec<V3> {
    let top = p.hairline.min(7.4);
    head.points.iter().copied().filter(|q| q[1] < top && q[2] > 1.5).step_by(7).collect()
}
