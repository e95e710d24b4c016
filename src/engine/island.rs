//! A part of a network that integer arithmetic does not cover, run by tract in floats.
//!
//! Owns: cutting the part out of the file, its plan. Does not own: which nodes belong to it (`lower`).
//! Invariants: outputs have fixed shapes; a failure inside tract is an error, and the whole network is then not run
//! again.

use std::sync::Arc;

use tract_onnx::pb;
use tract_onnx::prelude::*;

use super::EngineError;
use super::brief;
use super::guard::NoExternalData;
use super::program::Span;

/// A planned part.
pub(super) struct Island {
    state: TypedSimpleState,
    shapes: Vec<Vec<usize>>,
}

impl Island {
    /// Plans the nodes of these numbers (and those that dequantise constants for them) with the given inputs.
    ///
    /// # Errors
    /// When tract cannot plan them, or an output has no fixed float shape.
    pub(super) fn plan(
        model: &pb::ModelProto,
        nodes: &[usize],
        constants: &[usize],
        inputs: &[(String, Vec<usize>)],
        outputs: &[String],
    ) -> Result<Self, EngineError> {
        let unsupported = |e: TractError| EngineError::Unsupported(brief(&e));
        let whole = model.graph.as_ref().ok_or_else(|| EngineError::Refused("it holds no graph".into()))?;
        let mut members: Vec<usize> = nodes.iter().chain(constants).copied().collect();
        // Constants that the members read, as nodes.
        let read = |name: &String| {
            members.iter().any(|i| whole.node.get(*i).is_some_and(|n| n.input.contains(name)))
        };
        let fixed: Vec<usize> = whole
            .node
            .iter()
            .enumerate()
            .filter(|(_, n)| n.op_type == "Constant" && n.output.iter().any(read))
            .map(|(i, _)| i)
            .collect();
        members.extend(fixed);
        members.sort_unstable();
        members.dedup();
        let mut part = model.clone();
        let graph = part.graph.as_mut().ok_or_else(|| EngineError::Refused("it holds no graph".into()))?;
        graph.node = members.iter().filter_map(|i| whole.node.get(*i).cloned()).collect();
        let used: std::collections::HashSet<&String> = graph.node.iter().flat_map(|n| &n.input).collect();
        graph.initializer = whole.initializer.iter().filter(|t| used.contains(&t.name)).cloned().collect();
        graph.value_info.clear();
        graph.input = inputs.iter().map(|(name, dims)| value_info(name, Some(dims))).collect();
        graph.output = outputs.iter().map(|name| value_info(name, None)).collect();

        let mut onnx = tract_onnx::onnx();
        onnx.provider = Arc::new(NoExternalData);
        let mut model = onnx.model_for_proto_model(&part).map_err(unsupported)?;
        for (i, (_, dims)) in inputs.iter().enumerate() {
            model = model.with_input_fact(i, f32::fact(dims).into()).map_err(unsupported)?;
        }
        model.analyse(false).map_err(unsupported)?;
        super::check_volume(&model)?;
        let typed = model.into_optimized().map_err(unsupported)?;
        let shapes = super::output_shapes(&typed)?;
        let state = typed.into_runnable().and_then(|p| p.spawn()).map_err(unsupported)?;
        Ok(Self { state, shapes })
    }

    /// Shapes of the outputs.
    pub(super) fn shapes(&self) -> &[Vec<usize>] {
        &self.shapes
    }

    /// Reads and writes the arena of floats.
    pub(super) fn run(
        &mut self,
        floats: &mut [f32],
        inputs: &[(Span, Vec<usize>)],
        outputs: &[Span],
    ) -> Result<(), EngineError> {
        let failed = |e: TractError| EngineError::Run(brief(&e));
        let mut values = TVec::new();
        for (span, dims) in inputs {
            let tensor = Tensor::from_shape(dims, &floats[span.clone()]).map_err(failed)?;
            values.push(tensor.into_tvalue());
        }
        let results = self.state.run(values).map_err(failed)?;
        for (result, span) in results.iter().zip(outputs) {
            let plain = result.as_plain_ram().ok_or(EngineError::OutputShape)?;
            let slice = plain.as_slice::<f32>().map_err(failed)?;
            let to = &mut floats[span.clone()];
            if slice.len() != to.len() {
                return Err(EngineError::OutputShape);
            }
            to.copy_from_slice(slice);
        }
        Ok(())
    }
}

/// A float tensor by name.
fn value_info(name: &str, dims: Option<&[usize]>) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension};
    use pb::type_proto::{Tensor as TensorType, Value};
    let shape = dims.map(|dims| pb::TensorShapeProto {
        dim: dims
            .iter()
            .map(|d| Dimension { value: Some(dimension::Value::DimValue(*d as i64)), ..Dimension::default() })
            .collect(),
    });
    let tensor = TensorType { elem_type: pb::tensor_proto::DataType::Float as i32, shape };
    pb::ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(pb::TypeProto { value: Some(Value::TensorType(tensor)), ..pb::TypeProto::default() }),
        ..pb::ValueInfoProto::default()
    }
}
