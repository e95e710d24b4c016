//! A network that turns one picture of fixed size into a few tensors.
//!
//! Owns: reading ONNX, integer networks from import to arithmetic, float networks through tract.
//! Does not own: what a tensor means (`vision`), where the file came from or whether its hash is right
//! (`vision::models`).
//! Invariants: a network that exists takes the pixels it was asked for and has outputs of known, bounded shape;
//! no input, however hostile, makes `load` or `run` panic; a network that failed inside is not run again.
//!
//! A file with `QuantizeLinear` and `DequantizeLinear` (QDQ) becomes a list of integer steps over one arena:
//! `graph` reads it, `lower` fuses it, `plan` lays it out, `program` runs it with the `kernels` of this processor. What
//! integers do not cover runs as an `island` in tract. A file without is run by tract as a whole (`float`).

use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::Framework;

mod float;
mod gather;
mod graph;
mod guard;
mod island;
pub mod kernels;
mod lower;
mod plan;
mod program;
pub mod quantize;
mod view;

use float::{FloatNet, check_volume, output_shapes};
use graph::Graph;
use kernels::Kernels;
use program::Program;
pub use program::StepInfo;

/// Largest model file read, in bytes.
pub const MAX_MODEL_BYTES: usize = 64 << 20;
/// Most values of all intermediate results of one run together.
const MAX_ACTIVATIONS: usize = 64 << 20;
/// Most outputs of a network.
pub const MAX_OUTPUTS: usize = 16;

/// A network ready to run: pixels in, one or more tensors of floats out.
pub struct Network {
    inner: Inner,
    pixels: Pixels,
    names: Vec<String>,
    shapes: Vec<Vec<usize>>,
    /// Of the last run; empty for an integer network, which keeps its own.
    outputs: Vec<Vec<f32>>,
    poisoned: bool,
    /// The last pixels, where somebody asked for them.
    watched: Option<Vec<u8>>,
}

/// How the arithmetic is done.
enum Inner {
    Integer(Box<Program>),
    Float(Box<FloatNet>),
}

/// How pixels of 0 to 255 become a network's input: `(pixel - mean) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pixels {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Taken from each value.
    pub mean: f32,
    /// Then multiplied.
    pub scale: f32,
}

/// Largest width and height of a network's input.
const MAX_SIDE: usize = 8_192;

impl Network {
    /// Reads an ONNX file and plans it for pictures of this form, with the kernels in use.
    ///
    /// # Errors
    /// When the file is too large, damaged, asks for what is not understood, or does not take that input.
    pub fn load(bytes: &[u8], pixels: Pixels) -> Result<Self, EngineError> {
        Self::load_with(bytes, pixels, kernels::chosen())
    }

    /// The same with kernels of choice: for tests and comparisons.
    ///
    /// # Errors
    /// As [`Network::load`].
    pub fn load_with(bytes: &[u8], pixels: Pixels, kernels: &'static Kernels) -> Result<Self, EngineError> {
        if bytes.len() > MAX_MODEL_BYTES {
            return Err(EngineError::TooLarge(bytes.len()));
        }
        if bytes.is_empty() {
            return Err(EngineError::Empty);
        }
        let sides = [pixels.width, pixels.height];
        if sides.iter().any(|s| !(1..=MAX_SIDE).contains(s))
            || !pixels.mean.is_finite()
            || !pixels.scale.is_finite()
        {
            return Err(EngineError::Refused("its input size is out of range".into()));
        }
        catch_unwind(AssertUnwindSafe(|| Self::plan(bytes, pixels, kernels)))
            .unwrap_or(Err(EngineError::Panicked))
    }

    fn plan(bytes: &[u8], pixels: Pixels, kernels: &'static Kernels) -> Result<Self, EngineError> {
        let mut reader = bytes;
        let proto = tract_onnx::onnx()
            .proto_model_for_read(&mut reader)
            .map_err(|e| EngineError::NotOnnx(brief(&e)))?;
        guard::check(&proto)?;
        let graph = Graph::read(&proto)?;
        if graph.is_quantised() {
            guard::check_input(&proto, &graph.input, pixels)?;
            match lower::lower(&proto, &graph, pixels, kernels) {
                Ok((program, shapes)) => {
                    let (inner, names) = (Inner::Integer(Box::new(program)), graph.outputs);
                    let outputs = Vec::new();
                    return Ok(Self {
                        inner,
                        pixels,
                        names,
                        shapes,
                        outputs,
                        poisoned: false,
                        watched: None,
                    });
                }
                // Whatever cannot be cut into steps and islands is left to tract as a whole.
                Err(EngineError::Unsupported(_)) => {}
                Err(other) => return Err(other),
            }
        }
        let net = FloatNet::plan(&proto, pixels)?;
        let (names, shapes) = (net.names.clone(), net.shapes.clone());
        let outputs = shapes.iter().map(|s| vec![0.0; s.iter().product()]).collect();
        let inner = Inner::Float(Box::new(net));
        Ok(Self { inner, pixels, names, shapes, outputs, poisoned: false, watched: None })
    }

    /// What the input looks like.
    #[must_use]
    pub const fn pixels(&self) -> Pixels {
        self.pixels
    }

    /// From now on keeps a copy of each run's pixels, for calibrating a quantised form of this network.
    pub fn watch(&mut self) {
        self.watched = Some(Vec::new());
    }

    /// Takes the pixels of the last run; empty where there was none since [`Network::watch`] or the last take.
    pub fn take_watched(&mut self) -> Vec<u8> {
        self.watched.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// How many outputs there are.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.shapes.len()
    }

    /// The shape of one output; empty where there is none of that number.
    #[must_use]
    pub fn output_shape(&self, index: usize) -> &[usize] {
        self.shapes.get(index).map_or(&[], Vec::as_slice)
    }

    /// The number of the output of that name.
    #[must_use]
    pub fn output_index(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }

    /// The steps of an integer network in their order; one step for a network that tract runs as a whole.
    #[must_use]
    pub fn steps(&self) -> Vec<StepInfo> {
        match &self.inner {
            Inner::Integer(program) => program.steps.iter().map(|s| s.info.clone()).collect(),
            Inner::Float(_) => vec![StepInfo {
                name: "all".into(),
                what: "the whole network in floats by tract".into(),
                macs: 0,
                island: true,
            }],
        }
    }

    /// Bytes of intermediate results that a run of an integer network works in.
    #[must_use]
    pub fn arena_bytes(&self) -> usize {
        match &self.inner {
            Inner::Integer(p) => {
                p.arena.bytes().len() + 4 * (p.floats.len() + p.raw.len()) + p.windows.bytes().len()
            }
            Inner::Float(_) => 0,
        }
    }

    /// Runs the network on `height * width` pixels of three bytes each, rows from the top, colours in the order that
    /// the network was trained on.
    ///
    /// # Errors
    /// When the length is not that of the input, or the run fails; after a failure inside the network refuses to
    /// run again.
    pub fn run(&mut self, pixels: &[u8]) -> Result<Outputs<'_>, EngineError> {
        self.run_observed(pixels, &mut |_| ())
    }

    /// The same; `after` is told the number of each step that has ended, so that whoever has a clock can time them.
    ///
    /// # Errors
    /// As [`Network::run`].
    pub fn run_observed(
        &mut self,
        pixels: &[u8],
        after: &mut dyn FnMut(usize),
    ) -> Result<Outputs<'_>, EngineError> {
        let wanted = self.pixels.width * self.pixels.height * 3;
        if pixels.len() != wanted {
            return Err(EngineError::InputLength { got: pixels.len(), wanted });
        }
        if self.poisoned {
            return Err(EngineError::Poisoned);
        }
        if let Some(watched) = &mut self.watched {
            watched.clear();
            watched.extend_from_slice(pixels);
        }
        // Until proven otherwise the memory may be half-way through a turn.
        self.poisoned = true;
        let Self { inner, outputs, .. } = self;
        let run = catch_unwind(AssertUnwindSafe(|| match inner {
            Inner::Integer(program) => program.run(pixels, after),
            Inner::Float(net) => net.run(pixels, outputs).inspect(|()| after(0)),
        }));
        run.map_err(|_| EngineError::Panicked)??;
        self.poisoned = false;
        let values = match &self.inner {
            Inner::Integer(program) => &program.outputs,
            Inner::Float(_) => &self.outputs,
        };
        Ok(Outputs { values })
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.inner {
            Inner::Integer(program) => format!("{program:?}"),
            Inner::Float(_) => "float".into(),
        };
        write!(f, "Network({}x{} -> {:?}, {kind})", self.pixels.width, self.pixels.height, self.shapes)
    }
}

/// What one run gave; shapes as the network's.
#[derive(Clone, Copy)]
pub struct Outputs<'a> {
    values: &'a [Vec<f32>],
}

impl<'a> Outputs<'a> {
    /// The values of one output, row-major; empty where there is none of that number.
    #[must_use]
    pub fn get(&self, index: usize) -> &'a [f32] {
        self.values.get(index).map_or(&[], Vec::as_slice)
    }
}

impl std::fmt::Debug for Outputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outputs({}, <redacted>)", self.values.len())
    }
}

/// Why a network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// the model file has {0} bytes; at most 64 MiB are read
    #[error("the model file has {0} bytes; at most 64 MiB are read")]
    TooLarge(usize),
    /// the model file is empty; copy it again
    #[error("the model file is empty; copy it again")]
    Empty,
    /// the model file is no ONNX or is cut short
    #[error("the model file is no ONNX or is cut short ({0}); copy it again")]
    NotOnnx(String),
    /// the model breaks a bound that every model must keep
    #[error("the model is refused: {0}")]
    Refused(String),
    /// the model asks for something that is not understood
    #[error("the model cannot be planned ({0})")]
    Unsupported(String),
    /// the model takes another input
    #[error("the model takes input {got}, the manifest says {wanted:?}; correct `input` in the manifest")]
    InputShape {
        /// As the file says.
        got: String,
        /// As asked for.
        wanted: [usize; 4],
    },
    /// the input has the wrong number of bytes
    #[error("the picture has {got} bytes, the network takes {wanted}")]
    InputLength {
        /// Bytes given.
        got: usize,
        /// Bytes needed.
        wanted: usize,
    },
    /// a run failed
    #[error("the network failed while running ({0})")]
    Run(String),
    /// a run gave outputs of another shape than planned
    #[error("the network gave outputs of another shape than planned")]
    OutputShape,
    /// the model made the engine panic; it is damaged or not meant for this engine
    #[error("the model made the engine panic; it is damaged or not meant for this engine")]
    Panicked,
    /// an earlier run failed, so the network is not run again; restart to load it anew
    #[error("an earlier run failed, so the network is not run again; restart to load it anew")]
    Poisoned,
}

/// The innermost cause on one line, short enough for a small display.
fn brief(error: &TractError) -> String {
    let text = error.root_cause().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(160).collect()
}

#[cfg(test)]
mod tests;
