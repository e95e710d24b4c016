//! From a graph of quantise, dequantise and float operators to a program of integer steps.
//!
//! Owns: which form each tensor of the graph has, the walk over the nodes. Does not own: what a step does
//! (`program`), single families of operators (`linear`, `planes`, `views`).
//! Invariants: every tensor gets its form once, in the order of the file; whatever no rule fits becomes a float
//! island, named as such.
//!
//! A float operator is not computed when it is met. It is kept as an expression (`Real`) until somebody needs its
//! values: a `QuantizeLinear`, and one integer step does all of it, or a result of the network, and the accumulators
//! become floats. So what a QDQ file spells in five operators is one step.

mod accumulate;
mod emit;
mod islands;
mod linear;
mod planes;
pub(super) mod post;
mod views;

use std::collections::HashMap;
use std::rc::Rc;

use tract_onnx::pb;

use super::graph::{Constant, Data, Graph, Node};
use super::kernels::{Aligned, Kernels, padded};
use super::plan::{BufferId, Layout, Plan};
use super::program::{Kind, Program, SLACK, Span, Step, StepInfo};
use super::view::View;
use super::{EngineError, MAX_ACTIVATIONS, MAX_OUTPUTS, Pixels};
use linear::Linear;
use post::{Post, Quant};

/// A quantised tensor.
#[derive(Clone, Debug)]
struct Plane {
    buffer: BufferId,
    height: usize,
    width: usize,
    channels: usize,
    /// Bytes a pixel.
    stride: usize,
    quant: Rc<Quant>,
    /// As the graph sees it.
    dims: Vec<usize>,
}

/// A float tensor that was computed.
#[derive(Clone, Debug)]
struct Stored {
    buffer: BufferId,
    view: View,
}

/// A tensor of floats: something computed, and what happens to each of its values.
#[derive(Clone)]
struct Real {
    base: Base,
    posts: Vec<Post>,
    dims: Vec<usize>,
    /// The node that ends it.
    name: String,
}

#[derive(Clone)]
enum Base {
    /// The network's input.
    Pixels,
    Plane(Plane),
    Linear(Rc<Linear>),
    Sum(Plane, Plane),
    Times(Plane, Plane),
    /// A plane times one pixel.
    Scaled(Plane, Plane),
    /// Mean over the whole plane.
    Mean(Plane),
    /// Mean over windows; what lies outside counts as zero.
    WindowMean(Plane, super::kernels::Window),
    Max(Plane, super::kernels::Window),
    Enlarged(Plane, [usize; 2]),
    Joined(Vec<Plane>),
    Stored(Stored),
}

/// What is known of a tensor of the graph.
#[derive(Clone)]
enum Form {
    /// Bytes.
    Quantised(Plane),
    /// Floats.
    Real(Real),
    /// Bytes that the file holds, as floats.
    Weights(Rc<Weights>),
}

/// A quantised constant.
#[derive(Debug)]
struct Weights {
    dims: Vec<usize>,
    /// Less the zero point.
    values: Vec<i32>,
    /// One, or one for each entry of `axis`.
    scale: Vec<f32>,
    axis: usize,
}

/// Why a node has no integer form: said of the island that it becomes.
type Reason = &'static str;

/// A result or why there is none.
type Lowered<T> = Result<T, Reason>;

/// Reads the graph and makes the program.
///
/// # Errors
/// When the graph makes no sense, is too large, or an island cannot be planned.
pub(super) fn lower(
    model: &pb::ModelProto,
    graph: &Graph,
    pixels: Pixels,
    kernels: &'static Kernels,
) -> Result<(Program, Vec<Vec<usize>>), EngineError> {
    let mut lowerer = Lowerer {
        model,
        graph,
        kernels,
        pixels,
        uses: uses(graph),
        forms: HashMap::new(),
        steps: Vec::new(),
        bytes: Plan::default(),
        floats: Plan::default(),
        raw: 0,
        windows: 0,
        memory: MAX_WEIGHTS,
        work: MAX_MACS,
        excess: None,
        pending: Vec::new(),
    };
    lowerer.forms.insert(
        graph.input.clone(),
        Form::Real(Real {
            base: Base::Pixels,
            posts: Vec::new(),
            dims: vec![1, 3, pixels.height, pixels.width],
            name: graph.input.clone(),
        }),
    );
    for node in &graph.nodes {
        lowerer.node(node)?;
    }
    lowerer.end()
}

/// How often each tensor is read.
fn uses(graph: &Graph) -> HashMap<String, Vec<usize>> {
    let mut uses: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        for input in &node.inputs {
            uses.entry(input.clone()).or_default().push(at);
        }
    }
    uses
}

/// Most bytes of weights in all forms together.
const MAX_WEIGHTS: usize = 256 << 20;
/// Most multiply-adds of a run: seconds on the smallest board.
const MAX_MACS: u64 = 100_000_000_000;

struct Lowerer<'a> {
    model: &'a pb::ModelProto,
    graph: &'a Graph,
    kernels: &'static Kernels,
    pixels: Pixels,
    uses: HashMap<String, Vec<usize>>,
    forms: HashMap<String, Form>,
    steps: Vec<DraftStep>,
    bytes: Plan,
    floats: Plan,
    /// Most accumulators of a step.
    raw: usize,
    /// Most bytes of gathered windows.
    windows: usize,
    /// Bytes of weights and tables, and multiply-adds, that the file may still ask for.
    memory: usize,
    work: u64,
    /// What it asked for beyond.
    excess: Option<&'static str>,
    /// Nodes of the island that is being collected, and why each is one.
    pending: Vec<(usize, Reason)>,
}

/// Makes a step from the layouts of bytes and floats.
type Make = Box<dyn FnOnce(&Layout, &Layout) -> Kind>;

/// A step whose places are not known yet.
struct DraftStep {
    make: Make,
    info: StepInfo,
}

impl Lowerer<'_> {
    /// Gives the node's outputs their forms, or puts it on an island.
    fn node(&mut self, node: &Node) -> Result<(), EngineError> {
        // Whatever comes out of an island that is not ended yet ends it there, unless this node is one more of it.
        let waits = |s: &Self, name: &str| {
            s.pending.iter().any(|(i, _)| s.graph.nodes[*i].outputs.iter().any(|o| o == name))
        };
        let at = self.graph.nodes.iter().position(|n| n.index == node.index).unwrap_or(0);
        if node.inputs.iter().any(|i| waits(self, i)) {
            if !matches!(node.op.as_str(), "QuantizeLinear") {
                self.pending.push((at, "it follows a part in floats"));
                return Ok(());
            }
            self.end_island()?;
        }
        match self.rules(node) {
            Ok(form) => {
                self.forms.insert(node.output().to_owned(), form);
            }
            Err(reason) => self.pending.push((at, reason)),
        }
        self.excess.map_or(Ok(()), |what| Err(EngineError::Refused(what.into())))
    }

    /// Counts memory before it is taken: a small file can name one constant many times.
    fn take(&mut self, bytes: usize) -> Lowered<()> {
        let Some(left) = self.memory.checked_sub(bytes) else {
            return self.refuse("its weights would not fit into memory");
        };
        self.memory = left;
        Ok(())
    }

    /// Counts multiply-adds.
    fn spend(&mut self, macs: u64) -> Lowered<()> {
        let Some(left) = self.work.checked_sub(macs) else { return self.refuse("a run would take minutes") };
        self.work = left;
        Ok(())
    }

    fn refuse(&mut self, what: &'static str) -> Lowered<()> {
        self.excess = Some(what);
        Err(what)
    }

    /// The rule that fits the operator.
    fn rules(&mut self, node: &Node) -> Lowered<Form> {
        match node.op.as_str() {
            "QuantizeLinear" => self.quantise(node),
            "DequantizeLinear" => self.dequantise(node),
            "Conv" => self.conv(node),
            "Gemm" | "MatMul" => self.gemm(node),
            "Add" | "Sub" | "Mul" | "Div" => self.binary(node),
            "GlobalAveragePool" | "ReduceMean" => self.global_mean(node),
            "AveragePool" => self.average_pool(node),
            "MaxPool" => self.max_pool(node),
            "Resize" | "Upsample" => self.resize(node),
            "Concat" => self.concat(node),
            "Transpose" => self.transpose(node),
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.reshape(node),
            "Identity" | "Dropout" => {
                node.input(0).and_then(|n| self.forms.get(n)).cloned().ok_or("its input is not known")
            }
            _ => self.pointwise(node),
        }
    }

    /// The floats that a node reads.
    fn real(&self, node: &Node, index: usize) -> Lowered<Real> {
        match node.input(index).and_then(|name| self.forms.get(name)) {
            Some(Form::Real(real)) => Ok(real.clone()),
            Some(Form::Quantised(_)) => Err("it works on quantised values"),
            Some(Form::Weights(_)) | None => Err("an input is not known"),
        }
    }

    /// A plane that the node reads as it is, without anything done to its values.
    fn plane(&self, node: &Node, index: usize) -> Lowered<Plane> {
        let real = self.real(node, index)?;
        match real.base {
            Base::Plane(plane) if real.posts.is_empty() => Ok(Plane { dims: real.dims, ..plane }),
            _ => Err("an input is not quantised"),
        }
    }

    /// A constant of floats, quantised in the file or not.
    fn constant(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        if let Some(Form::Weights(weights)) = self.forms.get(name) {
            return Some((weights.dims.clone(), weights.reals()));
        }
        let constant = self.graph.constants.get(name)?;
        let values = constant.floats()?;
        values.iter().all(|v| v.is_finite()).then(|| (constant.dims.clone(), values.to_vec()))
    }

    /// Whether nothing but pointwise operators stands between a node's output and a `QuantizeLinear`.
    fn ends_quantised(&self, node: &Node) -> bool {
        let mut name = node.output();
        for _ in 0..8 {
            if self.graph.outputs.iter().any(|o| o == name) {
                return false;
            }
            let Some([only]) = self.uses.get(name).map(Vec::as_slice) else {
                return self
                    .uses
                    .get(name)
                    .is_some_and(|all| all.iter().all(|i| self.graph.nodes[*i].op == "QuantizeLinear"));
            };
            let next = &self.graph.nodes[*only];
            match next.op.as_str() {
                "QuantizeLinear" => return true,
                "Relu" | "Clip" | "PRelu" | "LeakyRelu" | "Sigmoid" | "HardSigmoid" | "HardSwish"
                | "Tanh" => {
                    name = next.output();
                }
                _ => return false,
            }
        }
        false
    }

    /// `QuantizeLinear`: here an expression becomes a step.
    fn quantise(&mut self, node: &Node) -> Lowered<Form> {
        let real = self.real(node, 0)?;
        let channels = if real.dims.len() > 1 { real.dims[1] } else { 1 };
        let quant = self.quant(node, &real.dims, channels)?;
        let plane = self.emit_quantised(&real, &quant)?;
        Ok(Form::Quantised(plane))
    }

    fn dequantise(&mut self, node: &Node) -> Lowered<Form> {
        let name = node.input(0).ok_or("it has no input")?;
        if let Some(constant) = self.graph.constants.get(name) {
            self.take(constant.dims.iter().product::<usize>().saturating_mul(4))?;
            return Ok(Form::Weights(Rc::new(self.weights(node, constant)?)));
        }
        let Some(Form::Quantised(plane)) = self.forms.get(name).cloned() else {
            return Err("its input is not quantised");
        };
        let quant = self.quant(node, &plane.dims, plane.channels)?;
        let plane = Plane { quant: Rc::new(quant), ..plane };
        let dims = plane.dims.clone();
        Ok(Form::Real(Real { base: Base::Plane(plane), posts: Vec::new(), dims, name: node.name.clone() }))
    }

    /// Scale and zero point of an activation.
    fn quant(&self, node: &Node, dims: &[usize], channels: usize) -> Lowered<Quant> {
        let constant = |i: usize| node.input(i).and_then(|n| self.graph.constants.get(n));
        let scale = constant(1).and_then(Constant::floats).ok_or("its scale is not a constant")?.to_vec();
        let zero: Vec<i32> = match node.input(2) {
            None => vec![0; scale.len()],
            Some(name) => match self.graph.constants.get(name).map(|c| &c.data) {
                Some(Data::U8(values)) => values.iter().map(|v| i32::from(*v)).collect(),
                Some(Data::I8(values)) => values.iter().map(|v| i32::from(*v) + 128).collect(),
                _ => return Err("its zero point is no constant of 8 bits"),
            },
        };
        let sound = scale.iter().all(|s| s.is_finite() && *s > 0.0) && scale.len() == zero.len();
        if !sound || scale.is_empty() {
            return Err("its scale is not a positive number");
        }
        if scale.len() > 1 {
            let axis = node.int("axis", 1);
            let axis = if axis < 0 { axis + dims.len() as i64 } else { axis };
            if axis != 1 || scale.len() != channels {
                return Err("its scales do not go by channel");
            }
        }
        Ok(Quant { scale, zero })
    }

    /// A quantised constant.
    fn weights(&self, node: &Node, constant: &Constant) -> Lowered<Weights> {
        let of = |i: usize| node.input(i).and_then(|n| self.graph.constants.get(n));
        let values = constant.integers().ok_or("its values are no integers")?;
        let scale = of(1).and_then(Constant::floats).ok_or("its scale is not a constant")?.to_vec();
        let zero = match node.input(2) {
            None => vec![0; scale.len()],
            Some(_) => of(2).and_then(Constant::integers).ok_or("its zero point is not a constant")?,
        };
        let rank = constant.dims.len() as i64;
        let axis = node.int("axis", 1);
        let axis = if axis < 0 { axis + rank } else { axis };
        let whole = scale.len() == 1;
        let axis = if whole { 0 } else { usize::try_from(axis).map_err(|_| "its axis is out of range")? };
        if !whole && constant.dims.get(axis) != Some(&scale.len()) || zero.len() != scale.len() {
            return Err("its scales do not fit its shape");
        }
        if !scale.iter().all(|s| s.is_finite() && *s >= 0.0) {
            return Err("its scale is not a number");
        }
        let mut weights = Weights { dims: constant.dims.clone(), values, scale, axis };
        for at in 0..weights.values.len() {
            let entry = weights.entry(at);
            weights.values[at] = weights.values[at].wrapping_sub(zero[entry]);
        }
        Ok(weights)
    }

    /// Adds a step; `reads` and `writes` are the buffers that it touches.
    fn step(
        &mut self,
        info: StepInfo,
        bytes: &[BufferId],
        floats: &[BufferId],
        make: impl FnOnce(&Layout, &Layout) -> Kind + 'static,
    ) {
        let number = self.steps.len();
        for buffer in bytes {
            self.bytes.touch(*buffer, number);
        }
        for buffer in floats {
            self.floats.touch(*buffer, number);
        }
        self.steps.push(DraftStep { make: Box::new(make), info });
    }

    /// A new plane.
    fn new_plane(
        &mut self,
        height: usize,
        width: usize,
        dims: Vec<usize>,
        channels: usize,
        quant: Quant,
    ) -> Plane {
        let stride = padded(channels);
        let buffer = self.bytes.add(height.saturating_mul(width).saturating_mul(stride));
        Plane { buffer, height, width, channels, stride, quant: Rc::new(quant), dims }
    }

    /// The results of the network, and the layout.
    fn end(mut self) -> Result<(Program, Vec<Vec<usize>>), EngineError> {
        self.end_island()?;
        let names = self.graph.outputs.clone();
        if names.is_empty() || names.len() > MAX_OUTPUTS {
            let count = names.len();
            return Err(EngineError::Refused(format!("it has {count} outputs, 1 to 16 are understood")));
        }
        let mut shapes = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let Some(Form::Real(real)) = self.forms.get(name).cloned() else {
                return Err(EngineError::Refused("an output is not float".into()));
            };
            let (stored, posts) = self.stored(&real).map_err(|r| EngineError::Unsupported(r.into()))?;
            shapes.push(real.dims.clone());
            let info = StepInfo { name: name.clone(), what: "result".into(), macs: 0, island: false };
            let buffer = stored.buffer;
            self.step(info, &[], &[buffer], move |_, floats| Kind::Output {
                view: stored.view,
                posts,
                floats: floats.of(buffer),
                index,
            });
        }
        let scratch = self.raw.saturating_mul(4).saturating_add(self.windows);
        let floats = self.floats.total().saturating_mul(4);
        if self.bytes.total().saturating_add(floats).saturating_add(scratch) > MAX_ACTIVATIONS {
            return Err(EngineError::Refused("its intermediate results would not fit into memory".into()));
        }
        let (bytes, floats) = (self.bytes.lay_out(), self.floats.lay_out());
        let outputs = shapes.iter().map(|dims| vec![0.0; dims.iter().product()]).collect();
        let steps = self.steps.into_iter().map(|s| Step { kind: (s.make)(&bytes, &floats), info: s.info });
        let program = Program {
            steps: steps.collect(),
            kernels: self.kernels,
            arena: Aligned::zeroed(bytes.size + SLACK),
            floats: vec![0.0; floats.size],
            raw: vec![0; self.raw],
            windows: Aligned::zeroed(self.windows),
            outputs,
        };
        Ok((program, shapes))
    }
}

impl Weights {
    /// Which scale belongs to a value.
    fn entry(&self, at: usize) -> usize {
        if self.scale.len() == 1 {
            return 0;
        }
        let inner: usize = self.dims[self.axis + 1..].iter().product();
        at / inner.max(1) % self.dims[self.axis]
    }

    /// As floats.
    fn reals(&self) -> Vec<f32> {
        self.values.iter().enumerate().map(|(at, v)| *v as f32 * self.scale[self.entry(at)]).collect()
    }
}

/// A place within a layout.
fn place(layout: &Layout, plane: &Plane) -> Span {
    let span = layout.of(plane.buffer);
    span.start..span.start + plane.height * plane.width * plane.stride
}
