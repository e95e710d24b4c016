//! Expressions become steps.
//!
//! Owns: which step does an expression's work, for bytes and for floats. Does not own: what the operators mean.

use std::rc::Rc;

use super::accumulate::{Made, Target, requant_is_finite};
use super::post::{self, Post, Quant};
use super::{Base, Lowered, Lowerer, Plane, Real, Stored, place};
use crate::kernels::{Addition, Product, padded};
use crate::program::{Kind, Part, SLACK, StepInfo};
use crate::view::View;

impl Lowerer<'_> {
    /// The values of an expression as bytes.
    pub(super) fn emit_quantised(&mut self, real: &Real, quant: &Quant) -> Lowered<Plane> {
        let info = |what: String, macs: u64| StepInfo { name: real.name.clone(), what, macs, island: false };
        let dims = real.dims.clone();
        match &real.base {
            Base::Pixels => Ok(self.emit_pixels(real, quant)),
            Base::Plane(plane) => Ok(self.emit_lookup(&real.name, plane, &real.posts, quant, dims)),
            Base::Linear(linear) => match self.emit_linear(real, linear, &Target::Bytes(quant))? {
                Made::Bytes(plane) => Ok(Plane { dims, ..plane }),
                Made::Floats(_) => Err("its bytes became floats"),
            },
            Base::Mean(plane) => match self.emit_mean(real, plane, None, &Target::Bytes(quant))? {
                Made::Bytes(plane) => Ok(Plane { dims, ..plane }),
                Made::Floats(_) => Err("its bytes became floats"),
            },
            Base::WindowMean(plane, window) => {
                match self.emit_mean(real, plane, Some(*window), &Target::Bytes(quant))? {
                    Made::Bytes(plane) => Ok(Plane { dims, ..plane }),
                    Made::Floats(_) => Err("its bytes became floats"),
                }
            }
            Base::Sum(a, b) => {
                let requant = post::requant(&vec![1.0; a.channels], &real.posts, quant)
                    .ok_or("its activation does not fold into a sum")?;
                let scale = |of: &Plane| -> Vec<f32> {
                    (0..padded(a.channels))
                        .map(|c| if c < a.channels { of.quant.scale(c) / quant.scale(c) } else { 0.0 })
                        .collect()
                };
                let zeros = |of: &Plane| of.quant.zeros(of.channels);
                let op = Addition {
                    scale_a: scale(a),
                    zero_a: zeros(a),
                    scale_b: scale(b),
                    zero_b: zeros(b),
                    requant,
                };
                if !requant_is_finite(&op.requant) {
                    return Err("its scales are out of range");
                }
                let out = self.new_plane(a.height, a.width, dims, a.channels, quant.clone());
                let (from, to) = ((a.clone(), b.clone()), out.clone());
                self.step(info("sum".into(), 0), &[a.buffer, b.buffer, out.buffer], &[], move |l, _| {
                    Kind::Add { op, a: place(l, &from.0), b: place(l, &from.1), out: place(l, &to) }
                });
                Ok(out)
            }
            Base::Times(a, b) | Base::Scaled(a, b) => {
                let scale: Vec<f32> = (0..a.channels).map(|c| a.quant.scale(c) * b.quant.scale(c)).collect();
                let requant = post::requant(&scale, &real.posts, quant)
                    .filter(requant_is_finite)
                    .ok_or("its activation does not fold into a product")?;
                let op =
                    Product { zero_a: a.quant.zeros(a.channels), zero_b: b.quant.zeros(b.channels), requant };
                let out = self.new_plane(a.height, a.width, dims, a.channels, quant.clone());
                let by_pixel = matches!(real.base, Base::Scaled(..));
                let what = if by_pixel { "product with one pixel" } else { "product" };
                let (from, to) = ((a.clone(), b.clone()), out.clone());
                self.step(info(what.into(), 0), &[a.buffer, b.buffer, out.buffer], &[], move |l, _| {
                    let (a, b, out) = (place(l, &from.0), place(l, &from.1), place(l, &to));
                    if by_pixel {
                        Kind::MultiplyPixel { op, a, pixel: b, out }
                    } else {
                        Kind::Multiply { op, a, b, out }
                    }
                });
                Ok(out)
            }
            Base::Max(plane, window) => {
                let [height, width] = window.output;
                let same = Quant::clone(&plane.quant);
                let out = self.new_plane(height, width, dims.clone(), plane.channels, same);
                let (from, to, window, channels) = (plane.clone(), out.clone(), *window, plane.channels);
                let what = format!("greatest of {}x{}", window.kernel[0], window.kernel[1]);
                self.step(info(what, 0), &[plane.buffer, out.buffer], &[], move |l, _| Kind::MaxPool {
                    window,
                    channels,
                    input: place(l, &from),
                    out: place(l, &to),
                });
                Ok(self.emit_lookup(&real.name, &out, &real.posts, quant, dims))
            }
            Base::Enlarged(plane, times) => {
                let small =
                    Plane { dims: vec![1, plane.channels, plane.height, plane.width], ..plane.clone() };
                let small = self.emit_lookup(&real.name, &small, &real.posts, quant, small.dims.clone());
                let [rows, columns] = *times;
                let out = self.new_plane(
                    plane.height * rows,
                    plane.width * columns,
                    dims,
                    plane.channels,
                    quant.clone(),
                );
                let (from, to, times) = (small.clone(), out.clone(), *times);
                let what = format!("enlarged {rows}x{columns} times");
                self.step(info(what, 0), &[small.buffer, out.buffer], &[], move |l, _| Kind::Enlarge {
                    size: [from.height, from.width],
                    times,
                    pixel: from.stride,
                    input: place(l, &from),
                    out: place(l, &to),
                });
                Ok(out)
            }
            Base::Joined(planes) => self.emit_join(real, planes, quant),
            Base::Stored(stored) => {
                let plane_dims = real.dims.clone();
                let (channels, height, width) = match plane_dims[..] {
                    [1, c, h, w] => (c, h, w),
                    [1, c] => (c, 1, 1),
                    _ => return Err("its floats are no plane"),
                };
                // Channels last: the view is walked in the order of the plane's bytes.
                let view = match (&stored.view.dims[..], &stored.view.strides[..]) {
                    ([_, c, h, w], [s, sc, sh, sw]) => {
                        View { dims: vec![1, *h, *w, *c], strides: vec![*s, *sh, *sw, *sc] }
                    }
                    _ => stored.view.clone(),
                };
                let out = self.new_plane(height, width, dims, channels, quant.clone());
                let (from, to, posts, quant) =
                    (stored.clone(), out.clone(), real.posts.clone(), quant.clone());
                self.step(info("floats to bytes".into(), 0), &[out.buffer], &[stored.buffer], move |l, f| {
                    Kind::Quantise {
                        view,
                        posts,
                        quant,
                        channels,
                        floats: f.of(from.buffer),
                        out: place(l, &to),
                    }
                });
                Ok(out)
            }
        }
    }

    /// The values of an expression as floats, and what is still to be done to them.
    pub(super) fn stored(&mut self, real: &Real) -> Lowered<(Stored, Vec<Post>)> {
        let made = match &real.base {
            Base::Stored(stored) => return Ok((stored.clone(), real.posts.clone())),
            Base::Linear(linear) => self.emit_linear(real, linear, &Target::Floats)?,
            Base::Mean(plane) => self.emit_mean(real, plane, None, &Target::Floats)?,
            Base::WindowMean(plane, window) => self.emit_mean(real, plane, Some(*window), &Target::Floats)?,
            Base::Plane(plane) => Made::Floats(self.emit_floats(real, plane)),
            Base::Pixels => {
                let plane = self.picture(real, None, &Quant { scale: vec![1.0], zero: vec![0] });
                let mut posts = vec![Post::Add(vec![-self.pixels.mean]), Post::Mul(vec![self.pixels.scale])];
                posts.extend(real.posts.iter().cloned());
                Made::Floats(self.emit_floats(&Real { posts, ..real.clone() }, &plane))
            }
            Base::Sum(..)
            | Base::Times(..)
            | Base::Scaled(..)
            | Base::Max(..)
            | Base::Enlarged(..)
            | Base::Joined(_) => return Err("its result is not quantised"),
        };
        match made {
            Made::Floats(stored) => Ok((reshaped(stored, &real.dims), Vec::new())),
            Made::Bytes(_) => Err("its floats became bytes"),
        }
    }

    /// The values of an expression as floats in the order of its dimensions.
    pub(super) fn contiguous(&mut self, real: &Real) -> Lowered<Stored> {
        let (stored, posts) = self.stored(real)?;
        if posts.is_empty() && stored.view.is_contiguous() {
            return Ok(stored);
        }
        Ok(self.copied(&stored, posts, &real.name))
    }

    /// A copy in the order of the view's dimensions.
    pub(super) fn copied(&mut self, stored: &Stored, posts: Vec<Post>, name: &str) -> Stored {
        let buffer = self.floats.add(stored.view.len());
        let info = StepInfo { name: name.into(), what: "floats in order".into(), macs: 0, island: false };
        let from = stored.clone();
        self.step(info, &[], &[stored.buffer, buffer], move |_, f| Kind::Copy {
            view: from.view,
            posts,
            floats: f.of(from.buffer),
            out_floats: f.of(buffer),
        });
        Stored { buffer, view: View::contiguous(&stored.view.dims) }
    }

    /// Pixels through a table a channel.
    fn emit_pixels(&mut self, real: &Real, quant: &Quant) -> Plane {
        let (mean, scale) = (self.pixels.mean, self.pixels.scale);
        let tables: [[u8; 256]; 3] = core::array::from_fn(|c| {
            core::array::from_fn(|v| {
                quant.quantise(c, post::apply(&real.posts, c, (v as f32 - mean) * scale))
            })
        });
        let identity = tables.iter().all(|t| t.iter().enumerate().all(|(i, v)| i == usize::from(*v)));
        self.picture(real, (!identity).then(|| Box::new(tables)), quant)
    }

    fn picture(&mut self, real: &Real, tables: Option<Box<[[u8; 256]; 3]>>, quant: &Quant) -> Plane {
        let (height, width) = (self.pixels.height, self.pixels.width);
        // Three bytes a pixel; the slack behind them is read and multiplied by zero.
        let buffer = self.bytes.add(height * width * 3 + SLACK);
        let out = Plane {
            buffer,
            height,
            width,
            channels: 3,
            stride: 3,
            quant: Rc::new(quant.clone()),
            dims: real.dims.clone(),
        };
        let what = if tables.is_none() { "pixels as they are" } else { "pixels by table" };
        let info = StepInfo { name: real.name.clone(), what: what.into(), macs: 0, island: false };
        let to = out.clone();
        self.step(info, &[buffer], &[], move |l, _| Kind::Input { tables, out: place(l, &to) });
        out
    }

    /// Bytes through tables, where they change anything.
    fn emit_lookup(
        &mut self,
        name: &str,
        plane: &Plane,
        posts: &[Post],
        quant: &Quant,
        dims: Vec<usize>,
    ) -> Plane {
        let uniform = plane.quant.is_uniform() && quant.is_uniform() && posts.iter().all(Post::is_uniform);
        let tables: Vec<[u8; 256]> = (0..if uniform { 1 } else { plane.channels })
            .map(|c| post::table(c, &plane.quant, posts, quant))
            .collect();
        if tables.iter().all(|t| t.iter().enumerate().all(|(i, v)| i == usize::from(*v))) {
            return Plane { quant: Rc::new(quant.clone()), dims, ..plane.clone() };
        }
        let out = self.new_plane(plane.height, plane.width, dims, plane.channels, quant.clone());
        let (from, to) = (plane.clone(), out.clone());
        let what = if uniform { "table" } else { "table a channel" };
        let info = StepInfo { name: name.into(), what: what.into(), macs: 0, island: false };
        let plain = uniform && plane.stride == out.stride;
        self.step(info, &[plane.buffer, out.buffer], &[], move |l, _| {
            let (input, out) = (place(l, &from), place(l, &to));
            if plain {
                Kind::Lookup { table: Box::new(tables[0]), input, out }
            } else {
                let tables = if uniform { vec![tables[0]; from.channels] } else { tables };
                Kind::LookupChannels { tables, strides: [from.stride, to.stride], input, out }
            }
        });
        out
    }

    fn emit_join(&mut self, real: &Real, planes: &[Plane], quant: &Quant) -> Lowered<Plane> {
        if !quant.is_uniform() || !real.posts.iter().all(Post::is_uniform) {
            return Err("its result has a scale a channel");
        }
        let [first, ..] = planes else { return Err("it joins nothing") };
        let channels = planes.iter().map(|p| p.channels).sum();
        let (height, width) = (first.height, first.width);
        let out = self.new_plane(height, width, real.dims.clone(), channels, quant.clone());
        let tables: Vec<_> = planes
            .iter()
            .map(|p| {
                let table = post::table(0, &p.quant, &real.posts, quant);
                let same = table.iter().enumerate().all(|(i, v)| i == usize::from(*v));
                (!same).then(|| Box::new(table))
            })
            .collect();
        let info = StepInfo { name: real.name.clone(), what: "joined".into(), macs: 0, island: false };
        let buffers: Vec<_> = planes.iter().map(|p| p.buffer).chain([out.buffer]).collect();
        let (from, to) = (planes.to_vec(), out.clone());
        self.step(info, &buffers, &[], move |l, _| Kind::Join {
            parts: from
                .iter()
                .zip(tables)
                .map(|(p, table)| Part { input: place(l, p), stride: p.stride, channels: p.channels, table })
                .collect(),
            pixels: height * width,
            pixel: to.stride,
            out: place(l, &to),
        });
        Ok(out)
    }

    /// Bytes as floats, channels last.
    fn emit_floats(&mut self, real: &Real, plane: &Plane) -> Stored {
        let (channels, stride) = (plane.channels, plane.stride);
        let stored = self.new_stored([plane.height, plane.width], channels);
        let (from, to) = (plane.clone(), stored.clone());
        let (quant, posts) = (Quant::clone(&plane.quant), real.posts.clone());
        let info =
            StepInfo { name: real.name.clone(), what: "bytes to floats".into(), macs: 0, island: false };
        self.step(info, &[plane.buffer], &[stored.buffer], move |l, f| Kind::Dequantise {
            quant,
            posts,
            channels,
            stride,
            input: place(l, &from),
            floats: f.of(to.buffer),
        });
        stored
    }

    pub(super) fn new_stored(&mut self, [height, width]: [usize; 2], channels: usize) -> Stored {
        let buffer = self.floats.add(height.saturating_mul(width).saturating_mul(channels));
        let view = View {
            dims: vec![1, channels, height, width],
            strides: vec![height * width * channels, 1, width * channels, channels],
        };
        Stored { buffer, view }
    }
}

/// Floats of a plane counted as the graph counts them: a plane of one pixel may be a row.
fn reshaped(stored: Stored, dims: &[usize]) -> Stored {
    if stored.view.dims == dims {
        return stored;
    }
    if stored.view.dims[2..] == [1, 1] {
        return Stored { view: View::contiguous(dims), ..stored };
    }
    // A row of a plane's values, channel by channel, as `Flatten` counts.
    stored
}
