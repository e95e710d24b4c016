//! Running the float network in tract: as a whole with any tensors as outputs, or one operator at a time.
//!
//! Owns: the plans. Does not own: what the values are used for.
//! Invariants: no network, however odd, makes a run panic; values beyond the bound on memory are refused before
//! anything is computed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::Framework;

use super::net::{Net, Node};
use super::{QuantizeError, refused};
use crate::EngineError;
use crate::brief;
use crate::guard::NoExternalData;

/// A value of the network; shared, never changed in place.
pub(super) type Value = Arc<Tensor>;

/// A plan ready to run.
pub(super) struct Runner {
    state: TypedSimpleState,
}

impl Runner {
    /// The whole network, giving the tensors named.
    pub(super) fn whole(net: &Net, outputs: &[String]) -> Result<Self, QuantizeError> {
        let shape = net.shape;
        Self::plan(net, outputs, &[f32::fact(shape)])
    }

    /// One operator, with the constants it uses, for inputs like these (those that are no constants, in order).
    pub(super) fn node(net: &Net, node: &Node, inputs: &[&Tensor]) -> Result<Self, QuantizeError> {
        let facts: Vec<TypedFact> = inputs.iter().map(|t| t.datum_type().fact(t.shape())).collect();
        let lone = Net {
            nodes: vec![node.clone()],
            floats: net.floats.iter().filter(|(k, _)| node.inputs.contains(k)).map(clone).collect(),
            others: net.others.iter().filter(|(k, _)| node.inputs.contains(k)).map(clone).collect(),
            input: String::new(),
            shape: net.shape,
            outputs: Vec::new(),
            opset: net.opset,
            shapes: std::collections::BTreeMap::new(),
        };
        Self::plan(&lone, &node.outputs[..1], &facts)
    }

    fn plan(net: &Net, outputs: &[String], facts: &[TypedFact]) -> Result<Self, QuantizeError> {
        let failed = |e: TractError| EngineError::Unsupported(brief(&e));
        let build = || -> Result<TypedSimpleState, EngineError> {
            let mut onnx = tract_onnx::onnx();
            onnx.provider = Arc::new(NoExternalData);
            let mut proto = net.proto(outputs);
            if let Some(graph) = proto.graph.as_mut()
                && net.input.is_empty()
            {
                graph.input = dynamic_inputs(net).map(|name| super::net::value_info(name, None)).collect();
                for (info, fact) in graph.input.iter_mut().zip(facts) {
                    // Types other than float are left to the fact below.
                    if fact.datum_type != f32::datum_type() {
                        info.r#type = None;
                    }
                }
            }
            let mut model = onnx.model_for_proto_model(&proto).map_err(failed)?;
            for (index, fact) in facts.iter().enumerate() {
                model = model.with_input_fact(index, fact.clone().into()).map_err(failed)?;
            }
            model.analyse(false).map_err(failed)?;
            crate::float::check_volume(&model)?;
            let typed = model.into_optimized().map_err(failed)?;
            typed.into_runnable().and_then(|plan| plan.spawn()).map_err(failed)
        };
        let state = catch_unwind(AssertUnwindSafe(build)).unwrap_or(Err(EngineError::Panicked))?;
        Ok(Self { state })
    }

    /// Runs on inputs of the shapes planned for.
    pub(super) fn run(&mut self, inputs: &[Value]) -> Result<Vec<Value>, QuantizeError> {
        let inputs: TVec<TValue> = inputs.iter().map(|v| TValue::from_const(Arc::clone(v))).collect();
        let state = &mut self.state;
        let run = catch_unwind(AssertUnwindSafe(|| state.run(inputs)));
        let values = run.map_err(|_| EngineError::Panicked)?.map_err(|e| EngineError::Run(brief(&e)))?;
        Ok(values.into_iter().map(TValue::into_arc_tensor).collect())
    }
}

/// The inputs of a lone operator that are no constants, each once.
pub(super) fn dynamic_inputs(net: &Net) -> impl Iterator<Item = &str> {
    let inputs = net.nodes.first().map_or(&[][..], |n| n.inputs.as_slice());
    inputs.iter().enumerate().filter_map(move |(at, name)| {
        let first = !inputs[..at].contains(name);
        (first && !name.is_empty() && !net.is_constant(name)).then_some(name.as_str())
    })
}

fn clone<T: Clone>((name, value): (&String, &T)) -> (String, T) {
    (name.clone(), value.clone())
}

/// A float value of this shape.
pub(super) fn value(shape: &[usize], values: &[f32]) -> Result<Value, QuantizeError> {
    let tensor = Tensor::from_shape(shape, values).map_err(|e| EngineError::Run(brief(&e)))?;
    Ok(tensor.into_arc_tensor())
}

/// The floats of a value; `None` for other types.
pub(super) fn floats(value: &Tensor) -> Option<&[f32]> {
    value.as_plain_ram().and_then(|plain| plain.as_slice::<f32>().ok())
}

/// A copy of a float value with every value changed by `change`, which gets its channel (axis 1).
pub(super) fn mapped(
    value: &Tensor,
    mut change: impl FnMut(usize, f32) -> f32,
) -> Result<Value, QuantizeError> {
    let values = floats(value).ok_or_else(|| refused("a tensor to be quantised is not float"))?;
    let shape = value.shape().to_vec();
    let channels = shape.get(1).copied().unwrap_or(1).max(1);
    let plane: usize = shape.iter().skip(2).product::<usize>().max(1);
    let mut out = Vec::with_capacity(values.len());
    for (at, chunk) in values.chunks(plane).enumerate() {
        out.extend(chunk.iter().map(|v| change(at % channels, *v)));
    }
    self::value(&shape, &out)
}

/// Calls `each` with the channel (axis 1) and values of every plane of a float value.
pub(super) fn planes(value: &Tensor, mut each: impl FnMut(usize, &[f32])) {
    let Some(values) = floats(value) else { return };
    let channels = value.shape().get(1).copied().unwrap_or(1).max(1);
    let plane: usize = value.shape().iter().skip(2).product::<usize>().max(1);
    values.chunks(plane).enumerate().for_each(|(at, chunk)| each(at % channels, chunk));
}
