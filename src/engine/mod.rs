//! A network that turns one fixed-shape tensor into a few others.
//!
//! Owns: reading ONNX, the optimised plan and its reused input buffer; today tract runs it.
//! Does not own: what a tensor means (`vision`), where the file came from or whether its hash is right
//! (`vision::models`).
//! Invariants: a network that exists has the input shape it was asked for and outputs of known, bounded shape;
//! no input, however hostile, makes `load` or `run` panic; a network that failed inside is not run again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{DimLike, Factoid, Framework};

mod guard;
pub mod kernels;

use guard::NoExternalData;

/// Largest model file read, in bytes.
pub const MAX_MODEL_BYTES: usize = 64 << 20;
/// Most values of all intermediate results of one run together.
const MAX_ACTIVATIONS: usize = 256 << 20;
/// Most outputs of a network.
pub const MAX_OUTPUTS: usize = 16;

/// A network ready to run: one float input of shape NCHW, one or more float outputs.
pub struct Network {
    state: TypedSimpleState,
    input: Arc<Tensor>,
    shape: [usize; 4],
    names: Vec<String>,
    shapes: Vec<Vec<usize>>,
    pixels: Pixels,
    planes: Vec<f32>,
    poisoned: bool,
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

impl Network {
    /// Reads an ONNX file and plans it for pixels: see [`Pixels`] and [`Network::run_pixels`].
    ///
    /// # Errors
    /// As [`Network::load`].
    pub fn load_for(bytes: &[u8], pixels: Pixels) -> Result<Self, EngineError> {
        let mut network = Self::load(bytes, [1, 3, pixels.height, pixels.width])?;
        network.pixels = pixels;
        Ok(network)
    }

    /// Runs the network on `height * width` pixels of three bytes each, rows from the top, colours in the order
    /// that the network was trained on.
    ///
    /// # Errors
    /// As [`Network::run`].
    pub fn run_pixels(&mut self, pixels: &[u8]) -> Result<Outputs, EngineError> {
        let wanted = self.shape.iter().product();
        if pixels.len() != wanted {
            return Err(EngineError::InputLength { got: pixels.len(), wanted });
        }
        let Pixels { mean, scale, .. } = self.pixels;
        let (plane, mut planes) = (wanted / 3, std::mem::take(&mut self.planes));
        planes.resize(wanted, 0.0);
        for (at, pixel) in pixels.as_chunks::<3>().0.iter().enumerate() {
            for (channel, value) in pixel.iter().enumerate() {
                planes[channel * plane + at] = (f32::from(*value) - mean) * scale;
            }
        }
        let outputs = self.run(&planes);
        self.planes = planes;
        outputs
    }

    /// Reads an ONNX file and plans it for `input` (batch, channels, height, width).
    ///
    /// # Errors
    /// When the file is too large, damaged, asks for what is not understood, or does not take that input.
    pub fn load(bytes: &[u8], input: [usize; 4]) -> Result<Self, EngineError> {
        if bytes.len() > MAX_MODEL_BYTES {
            return Err(EngineError::TooLarge(bytes.len()));
        }
        if bytes.is_empty() {
            return Err(EngineError::Empty);
        }
        catch_unwind(AssertUnwindSafe(|| Self::plan(bytes, input))).unwrap_or(Err(EngineError::Panicked))
    }

    fn plan(bytes: &[u8], shape: [usize; 4]) -> Result<Self, EngineError> {
        let mut onnx = tract_onnx::onnx();
        onnx.provider = Arc::new(NoExternalData);
        let mut reader = bytes;
        let proto = onnx.proto_model_for_read(&mut reader).map_err(|e| EngineError::NotOnnx(brief(&e)))?;
        guard::check(&proto)?;
        let model = onnx.model_for_proto_model(&proto).map_err(|e| EngineError::Unsupported(brief(&e)))?;
        check_input(&model, shape)?;
        let mut model = model
            .with_input_fact(0, f32::fact(shape).into())
            .map_err(|e| EngineError::Unsupported(brief(&e)))?;
        // Shapes first, so that a graph whose results would not fit is refused before anything is computed.
        model.analyse(false).map_err(|e| EngineError::Unsupported(brief(&e)))?;
        check_volume(&model)?;
        let names: Vec<String> = model
            .output_outlets()
            .map_err(|e| EngineError::Unsupported(brief(&e)))?
            .iter()
            .map(|o| model.outlet_label(*o).unwrap_or(&model.node(o.node).name).to_owned())
            .collect();
        let typed = model.into_optimized().map_err(|e| EngineError::Unsupported(brief(&e)))?;
        let shapes = output_shapes(&typed)?;
        let plan = typed.into_runnable().map_err(|e| EngineError::Unsupported(brief(&e)))?;
        let state = plan.spawn().map_err(|e| EngineError::Unsupported(brief(&e)))?;
        let input =
            Tensor::zero::<f32>(&shape).map_err(|e| EngineError::Unsupported(brief(&e)))?.into_arc_tensor();
        let pixels = Pixels { width: shape[3], height: shape[2], mean: 0.0, scale: 1.0 };
        Ok(Self { state, input, shape, names, shapes, pixels, planes: Vec::new(), poisoned: false })
    }

    /// Batch, channels, height, width.
    #[must_use]
    pub const fn input_shape(&self) -> [usize; 4] {
        self.shape
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

    /// Runs the network on `input`, in the order of its shape.
    ///
    /// # Errors
    /// When the length is not that of the input shape, or the run fails; after a failure inside tract the
    /// network refuses to run again.
    pub fn run(&mut self, input: &[f32]) -> Result<Outputs, EngineError> {
        let wanted = self.shape.iter().product();
        if input.len() != wanted {
            return Err(EngineError::InputLength { got: input.len(), wanted });
        }
        if self.poisoned {
            return Err(EngineError::Poisoned);
        }
        self.fill(input)?;
        let (state, value) = (&mut self.state, TValue::from_const(Arc::clone(&self.input)));
        let run = catch_unwind(AssertUnwindSafe(|| state.run(tvec!(value))));
        // Until proven otherwise the state may be half-way through a turn.
        self.poisoned = !matches!(run, Ok(Ok(_)));
        let values = run.map_err(|_| EngineError::Panicked)?.map_err(|e| EngineError::Run(brief(&e)))?;
        let sound = values.len() == self.shapes.len()
            && values.iter().zip(&self.shapes).all(|(v, s)| v.shape() == s.as_slice());
        if sound { Ok(Outputs { values }) } else { Err(EngineError::OutputShape) }
    }

    /// Writes the input into the tensor of the last run, which nobody else holds by now; a new one otherwise.
    fn fill(&mut self, input: &[f32]) -> Result<(), EngineError> {
        if Arc::get_mut(&mut self.input).is_none() {
            let fresh = Tensor::zero::<f32>(&self.shape).map_err(|e| EngineError::Run(brief(&e)))?;
            self.input = fresh.into_arc_tensor();
        }
        let tensor = Arc::get_mut(&mut self.input).ok_or(EngineError::OutputShape)?;
        let mut plain = tensor.try_as_plain_ram_mut().map_err(|e| EngineError::Run(brief(&e)))?;
        plain.as_slice_mut::<f32>().map_err(|e| EngineError::Run(brief(&e)))?.copy_from_slice(input);
        Ok(())
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Network({:?} -> {:?})", self.shape, self.shapes)
    }
}

/// What one run gave; shapes as the network's.
pub struct Outputs {
    values: TVec<TValue>,
}

impl Outputs {
    /// The values of one output, row-major; empty where there is none of that number.
    #[must_use]
    pub fn get(&self, index: usize) -> &[f32] {
        self.values
            .get(index)
            .and_then(|v| v.as_plain_ram())
            .and_then(|plain| plain.as_slice::<f32>().ok())
            .unwrap_or(&[])
    }
}

impl std::fmt::Debug for Outputs {
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
    /// the input has the wrong number of values
    #[error("the input has {got} values, the network takes {wanted}")]
    InputLength {
        /// Values given.
        got: usize,
        /// Values needed.
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

/// One input; whatever the file fixes of its shape agrees with what is asked for.
fn check_input(model: &InferenceModel, wanted: [usize; 4]) -> Result<(), EngineError> {
    let outlets = model.input_outlets().map_err(|e| EngineError::Unsupported(brief(&e)))?;
    let [outlet] = outlets else {
        return Err(EngineError::Refused(format!("it has {} inputs, one is expected", outlets.len())));
    };
    let fact = model.outlet_fact(*outlet).map_err(|e| EngineError::Unsupported(brief(&e)))?;
    let mismatch = || EngineError::InputShape { got: format!("{:?}", fact.shape), wanted };
    let dims: Vec<_> = fact.shape.dims().collect();
    if !dims.is_empty() && dims.len() != 4 {
        return Err(mismatch());
    }
    for (dim, want) in dims.iter().zip(wanted) {
        let fixed = dim.concretize().and_then(|d| d.to_usize().ok());
        if fixed.is_some_and(|d| d != want) {
            return Err(mismatch());
        }
    }
    Ok(())
}

/// All results of a run together stay within bounds.
fn check_volume(model: &InferenceModel) -> Result<(), EngineError> {
    let mut total = 0_usize;
    for fact in model.nodes().iter().flat_map(|n| &n.outputs).map(|o| &o.fact) {
        let volume = fact.shape.dims().fold(1_usize, |product, dim| {
            let size = dim.concretize().and_then(|d| d.to_usize().ok()).unwrap_or(1);
            product.saturating_mul(size)
        });
        total = total.saturating_add(volume);
    }
    if total > MAX_ACTIVATIONS {
        return Err(EngineError::Refused("its intermediate results would not fit into memory".into()));
    }
    Ok(())
}

/// The fixed shapes of float outputs.
fn output_shapes(model: &TypedModel) -> Result<Vec<Vec<usize>>, EngineError> {
    let outlets = model.output_outlets().map_err(|e| EngineError::Unsupported(brief(&e)))?;
    if outlets.is_empty() || outlets.len() > MAX_OUTPUTS {
        return Err(EngineError::Refused(format!(
            "it has {} outputs, 1 to 16 are understood",
            outlets.len()
        )));
    }
    outlets
        .iter()
        .map(|outlet| {
            let fact = model.outlet_fact(*outlet).map_err(|e| EngineError::Unsupported(brief(&e)))?;
            let shape = fact.shape.as_concrete().filter(|_| fact.datum_type == f32::datum_type());
            shape
                .map(<[usize]>::to_vec)
                .ok_or_else(|| EngineError::Refused("an output is not float or has no fixed shape".into()))
        })
        .collect()
}

#[cfg(test)]
mod tests;
