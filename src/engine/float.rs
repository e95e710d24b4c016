//! A network that tract runs in floats.
//!
//! Owns: tract's plan and the reused input tensor. Does not own: the checks of the file (`guard`), panics (`Network`).

use std::sync::Arc;

use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{DimLike, Factoid};

use super::guard::NoExternalData;
use super::{EngineError, MAX_ACTIVATIONS, MAX_OUTPUTS, Pixels, brief};

/// A planned network of floats.
pub(super) struct FloatNet {
    state: TypedSimpleState,
    input: Arc<Tensor>,
    pixels: Pixels,
    /// What the outputs are called.
    pub names: Vec<String>,
    /// And their shapes.
    pub shapes: Vec<Vec<usize>>,
}

impl FloatNet {
    /// Plans a file that `guard` has passed.
    ///
    /// # Errors
    /// When tract does not understand it, or it does not take that input.
    pub(super) fn plan(proto: &pb::ModelProto, pixels: Pixels) -> Result<Self, EngineError> {
        let unsupported = |e: TractError| EngineError::Unsupported(brief(&e));
        let shape = [1, 3, pixels.height, pixels.width];
        let mut onnx = tract_onnx::onnx();
        onnx.provider = Arc::new(NoExternalData);
        let model = onnx.model_for_proto_model(proto).map_err(unsupported)?;
        check_input(&model, shape)?;
        let mut model = model.with_input_fact(0, f32::fact(shape).into()).map_err(unsupported)?;
        // Shapes first, so that a graph whose results would not fit is refused before anything is computed.
        model.analyse(false).map_err(unsupported)?;
        check_volume(&model)?;
        let outlets = model.output_outlets().map_err(unsupported)?;
        let name = |o: &OutletId| model.outlet_label(*o).unwrap_or(&model.node(o.node).name).to_owned();
        let names: Vec<String> = outlets.iter().map(name).collect();
        let typed = model.into_optimized().map_err(unsupported)?;
        let shapes = output_shapes(&typed)?;
        let state = typed.into_runnable().and_then(|plan| plan.spawn()).map_err(unsupported)?;
        let input = Tensor::zero::<f32>(&shape).map_err(unsupported)?.into_arc_tensor();
        Ok(Self { state, input, pixels, names, shapes })
    }

    /// Runs it into `outputs`.
    ///
    /// # Errors
    /// When tract fails.
    pub(super) fn run(&mut self, pixels: &[u8], outputs: &mut [Vec<f32>]) -> Result<(), EngineError> {
        let failed = |e: TractError| EngineError::Run(brief(&e));
        self.fill(pixels)?;
        let values = self.state.run(tvec!(TValue::from_const(Arc::clone(&self.input)))).map_err(failed)?;
        if values.len() != outputs.len() {
            return Err(EngineError::OutputShape);
        }
        for (value, to) in values.iter().zip(outputs) {
            let plain = value.as_plain_ram().ok_or(EngineError::OutputShape)?;
            let slice = plain.as_slice::<f32>().map_err(failed)?;
            if slice.len() != to.len() {
                return Err(EngineError::OutputShape);
            }
            to.copy_from_slice(slice);
        }
        Ok(())
    }

    /// Writes into the tensor of the last run, which nobody else holds by now; a new one otherwise.
    fn fill(&mut self, pixels: &[u8]) -> Result<(), EngineError> {
        let failed = |e: TractError| EngineError::Run(brief(&e));
        let Pixels { width, height, mean, scale } = self.pixels;
        if Arc::get_mut(&mut self.input).is_none() {
            let fresh = Tensor::zero::<f32>(&[1, 3, height, width]).map_err(failed)?;
            self.input = fresh.into_arc_tensor();
        }
        let tensor = Arc::get_mut(&mut self.input).ok_or(EngineError::OutputShape)?;
        let mut plain = tensor.try_as_plain_ram_mut().map_err(failed)?;
        let planes = plain.as_slice_mut::<f32>().map_err(failed)?;
        let plane = width * height;
        let (first, rest) = planes.split_at_mut(plane);
        let (second, third) = rest.split_at_mut(plane);
        for (((pixel, a), b), c) in pixels.as_chunks::<3>().0.iter().zip(first).zip(second).zip(third) {
            let [x, y, z] = pixel.map(|v| (f32::from(v) - mean) * scale);
            (*a, *b, *c) = (x, y, z);
        }
        Ok(())
    }

    /// Where the input lies: the tests see that it is used again.
    #[cfg(test)]
    pub(super) fn place(&self) -> *const Tensor {
        Arc::as_ptr(&self.input)
    }
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
pub(super) fn check_volume(model: &InferenceModel) -> Result<(), EngineError> {
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
pub(super) fn output_shapes(model: &TypedModel) -> Result<Vec<Vec<usize>>, EngineError> {
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
