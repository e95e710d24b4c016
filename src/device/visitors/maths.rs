//! Arithmetic that gives the same bits on every machine: vectors, curves, noise, a generator.
//!
//! Owns: sine, exponential and noise from additions, multiplications, divisions and square roots only, which IEEE 754
//! fixes to the last bit (the library functions of platforms differ). Does not own: what is drawn with them.
//! Invariant: nothing here calls a platform's mathematics, nor fuses a multiplication with an addition.

/// A point or a direction: right, up, towards the viewer.
pub(super) type V3 = [f32; 3];

pub(super) const PI: f32 = std::f32::consts::PI;

pub(super) fn add(a: V3, b: V3) -> V3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(super) fn sub(a: V3, b: V3) -> V3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn scale(a: V3, k: f32) -> V3 {
    [a[0] * k, a[1] * k, a[2] * k]
}

pub(super) fn dot(a: V3, b: V3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn cross(a: V3, b: V3) -> V3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Of length one; a vector of no length points at the viewer.
pub(super) fn unit(a: V3) -> V3 {
    let n = dot(a, a);
    if n > 1e-20 { scale(a, 1.0 / n.sqrt()) } else { [0.0, 0.0, 1.0] }
}

pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

pub(super) fn mix3(a: V3, b: V3, t: f32) -> V3 {
    [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)]
}

/// 0 below `a`, 1 above `b`, smooth between; the other way round where `a` is above `b`.
pub(super) fn ramp(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// exp(-q) for q of 0 and more, near enough, and exactly 0 from 8 on: a bump that ends.
pub(super) fn bell(q: f32) -> f32 {
    let t = (1.0 - q * 0.125).max(0.0);
    let t2 = t * t;
    let t4 = t2 * t2;
    t4 * t4
}

/// A bump of two dimensions around (`cx`, `cy`) with the given spreads.
pub(super) fn blob(x: f32, y: f32, cx: f32, cy: f32, sx: f32, sy: f32) -> f32 {
    let (a, b) = ((x - cx) / sx, (y - cy) / sy);
    bell(a * a + b * b)
}

/// Sine of an angle in radians, to 1e-6.
pub(super) fn sin(x: f32) -> f32 {
    let turns = x * (0.5 / PI);
    let t = turns - (turns + 0.5).floor();
    // Folded to a quarter turn, where the series of Taylor is good.
    let t = if t > 0.25 {
        0.5 - t
    } else if t < -0.25 {
        -0.5 - t
    } else {
        t
    };
    let x = t * 2.0 * PI;
    let s = x * x;
    x * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s * (1.0 / 362_880.0)))))
}

pub(super) fn cos(x: f32) -> f32 {
    sin(x + PI * 0.5)
}

/// x to an even power of two, `twice` times squared.
pub(super) fn squared(x: f32, twice: u32) -> f32 {
    (0..twice).fold(x, |x, _| x * x)
}

/// A turn of the head: columns are where right, up and forward go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn(pub(super) [V3; 3]);

impl Turn {
    /// About up (`yaw`, positive to the picture's right), about right (`pitch`, positive down), about forward.
    pub(super) fn new(yaw: f32, pitch: f32, roll: f32) -> Self {
        let (sy, cy) = (sin(yaw), cos(yaw));
        let (sp, cp) = (sin(pitch), cos(pitch));
        let (sr, cr) = (sin(roll), cos(roll));
        let yawed = |v: V3| [cy * v[0] + sy * v[2], v[1], cy * v[2] - sy * v[0]];
        let pitched = |v: V3| [v[0], cp * v[1] - sp * v[2], sp * v[1] + cp * v[2]];
        let rolled = |v: V3| [cr * v[0] - sr * v[1], sr * v[0] + cr * v[1], v[2]];
        let all = |v| yawed(pitched(rolled(v)));
        Self([all([1.0, 0.0, 0.0]), all([0.0, 1.0, 0.0]), all([0.0, 0.0, 1.0])])
    }

    pub(super) fn apply(&self, v: V3) -> V3 {
        let [a, b, c] = self.0;
        [
            a[0] * v[0] + b[0] * v[1] + c[0] * v[2],
            a[1] * v[0] + b[1] * v[1] + c[1] * v[2],
            a[2] * v[0] + b[2] * v[1] + c[2] * v[2],
        ]
    }

    /// From the world back to the head.
    pub(super) fn back(&self, v: V3) -> V3 {
        [dot(self.0[0], v), dot(self.0[1], v), dot(self.0[2], v)]
    }
}

/// A smooth curve through points in order of x (cubic Hermite, slopes from the neighbours).
pub(super) fn curve(points: &[(f32, f32)], x: f32) -> f32 {
    let n = points.len();
    let x = x.clamp(points[0].0, points[n - 1].0);
    let i = (1..n - 1).find(|&i| x < points[i].0).unwrap_or(n - 1) - 1;
    let slope = |i: usize| {
        let (a, b) = (points[i.max(1) - 1], points[(i + 1).min(n - 1)]);
        (b.1 - a.1) / (b.0 - a.0)
    };
    let ((x0, y0), (x1, y1)) = (points[i], points[i + 1]);
    let h = x1 - x0;
    let t = (x - x0) / h;
    let (t2, t3) = (t * t, t * t * t);
    y0 * (2.0 * t3 - 3.0 * t2 + 1.0)
        + h * slope(i) * (t3 - 2.0 * t2 + t)
        + y1 * (3.0 * t2 - 2.0 * t3)
        + h * slope(i + 1) * (t3 - t2)
}

/// Splitmix64 (Steele et al. 2014): one seed, one sequence.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Seeds that lie next to each other give sequences that have nothing in common.
    pub(super) fn new(seed: u64) -> Self {
        let mut first = Self(seed ^ 0x5851_f42d_4c95_7f2d);
        Self(first.bits().wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least 0, below 1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / 16_777_216.0
    }

    pub(super) fn range(&mut self, a: f32, b: f32) -> f32 {
        a + (b - a) * self.unit()
    }

    /// About 0, mostly within one, never beyond two: three evens added.
    pub(super) fn spread(&mut self) -> f32 {
        ((self.unit() + self.unit() + self.unit()) * 2.0 - 3.0).clamp(-2.0, 2.0)
    }

    pub(super) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    pub(super) fn pick(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }
}

fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x8da6_b343) ^ (y as u32).wrapping_mul(0xd816_3841) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    (h ^ (h >> 15)) as f32 * (1.0 / 4_294_967_296.0)
}

/// Smooth noise between 0 and 1, one wave a unit.
pub(super) fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (tx, ty) = (x - fx, y - fy);
    let (tx, ty) = (tx * tx * (3.0 - 2.0 * tx), ty * ty * (3.0 - 2.0 * ty));
    let a = mix(hash(ix, iy, seed), hash(ix.wrapping_add(1), iy, seed), tx);
    let b = mix(hash(ix, iy.wrapping_add(1), seed), hash(ix.wrapping_add(1), iy.wrapping_add(1), seed), tx);
    mix(a, b, ty)
}

/// Noise with three finer waves on top; between 0 and 1.
pub(super) fn cloud(x: f32, y: f32, seed: u32) -> f32 {
    (noise(x, y, seed) * 8.0
        + noise(x * 2.03, y * 2.03, seed ^ 0x51) * 4.0
        + noise(x * 4.1, y * 4.1, seed ^ 0xa3) * 2.0
        + noise(x * 8.3, y * 8.3, seed ^ 0xf7))
        * (1.0 / 15.0)
}

/// A colour as screens name it (0 to 255 a channel) in amounts of light.
pub(super) fn srgb(r: u8, g: u8, b: u8) -> V3 {
    // x^2.2 between x^2 and x^3: within one step of the standard's curve.
    let light = |v: u8| {
        let x = f32::from(v) * (1.0 / 255.0);
        x * x * (0.8 + 0.2 * x)
    };
    [light(r), light(g), light(b)]
}
