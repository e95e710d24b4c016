//! A float network while it is prepared: nodes in order, float constants apart from the rest.
//!
//! Owns: reading ONNX into that form and writing it back, who makes and who uses a tensor. Does not own: what is
//! changed in it (`fold`, `equalise`), running it (`run`).
//! Invariants: every node comes after those it uses; float constants hold as many finite values as their dimensions
//! say; a change of the graph keeps names unique.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_hir::internal::Framework;

use super::{QuantizeError, refused};
use crate::guard::{self, NoExternalData};
use crate::{EngineError, MAX_MODEL_BYTES};

/// Operator sets whose operators mean the same as in the one written.
const OPSETS: core::ops::RangeInclusive<i64> = 11..=22;
/// The operator set of per-channel quantisation: the least that is written.
pub(super) const OPSET: i64 = 13;
/// Operators whose form changed between 11 and 13.
const CHANGED: [&str; 6] = ["Squeeze", "Unsqueeze", "Softmax", "ReduceMean", "Dropout", "Upsample"];

/// A network of one float input.
#[derive(Clone)]
pub(super) struct Net {
    pub(super) nodes: Vec<Node>,
    pub(super) floats: BTreeMap<String, Constant>,
    /// Constants of other types, as the file has them.
    pub(super) others: BTreeMap<String, pb::TensorProto>,
    pub(super) input: String,
    /// Batch, channels, height, width.
    pub(super) shape: [usize; 4],
    pub(super) outputs: Vec<String>,
    /// As written: at least [`OPSET`].
    pub(super) opset: i64,
    /// Of every float tensor that is computed.
    pub(super) shapes: BTreeMap<String, Vec<usize>>,
}

/// One operator.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) op: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) attributes: Vec<pb::AttributeProto>,
}

/// Float values, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) dims: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Net {
    /// Reads a float network for one input shape; constants become initialisers, operators that do nothing go.
    ///
    /// # Errors
    /// When the file is damaged, out of bounds, already quantised, or of an operator set that is not understood.
    pub(super) fn read(bytes: &[u8], shape: [usize; 4]) -> Result<Self, QuantizeError> {
        if bytes.is_empty() {
            return Err(EngineError::Empty.into());
        }
        if bytes.len() > MAX_MODEL_BYTES {
            return Err(EngineError::TooLarge(bytes.len()).into());
        }
        let mut onnx = tract_onnx::onnx();
        onnx.provider = std::sync::Arc::new(NoExternalData);
        let mut reader = bytes;
        let model =
            onnx.proto_model_for_read(&mut reader).map_err(|e| EngineError::NotOnnx(crate::brief(&e)))?;
        guard::check(&model)?;
        let version = model.opset_import.iter().find(|o| matches!(o.domain.as_str(), "" | "ai.onnx"));
        let version = version.map_or(0, |o| o.version);
        let graph = model.graph.ok_or_else(|| refused("it holds no graph"))?;
        if !OPSETS.contains(&version) {
            return Err(refused("its operator set is older than 11: export it again with 11 to 22"));
        }
        if version < OPSET
            && let Some(node) = graph.node.iter().find(|n| CHANGED.contains(&n.op_type.as_str()))
        {
            let what =
                format!("{} changed with operator set 13: export it again with 13 or newer", node.op_type);
            return Err(refused(&what));
        }
        if graph.node.iter().any(|n| matches!(n.op_type.as_str(), "QuantizeLinear" | "DequantizeLinear")) {
            return Err(refused("it is quantised already; give the float network"));
        }
        let constant: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
        let mut inputs = graph.input.iter().filter(|i| !constant.contains(i.name.as_str()));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err(refused("it has not exactly one input"));
        };
        let mut net = Self {
            nodes: Vec::new(),
            floats: BTreeMap::new(),
            others: BTreeMap::new(),
            input: input.name.clone(),
            shape,
            outputs: graph.output.iter().map(|o| o.name.clone()).collect(),
            opset: version.max(OPSET),
            shapes: BTreeMap::new(),
        };
        for tensor in &graph.initializer {
            net.constant(&tensor.name, tensor)?;
        }
        for node in graph.node {
            net.add(node)?;
        }
        if net.outputs.is_empty() || net.outputs.iter().any(|o| net.producer(o).is_none()) {
            return Err(refused("an output is computed by nothing"));
        }
        Ok(net)
    }

    fn constant(&mut self, name: &str, tensor: &pb::TensorProto) -> Result<(), QuantizeError> {
        if tensor.data_type == DataType::Float as i32 {
            self.floats.insert(name.to_owned(), Constant::read(tensor)?);
        } else {
            self.others.insert(name.to_owned(), pb::TensorProto { name: name.to_owned(), ..tensor.clone() });
        }
        Ok(())
    }

    fn add(&mut self, node: pb::NodeProto) -> Result<(), QuantizeError> {
        let [output, ..] = node.output.as_slice() else {
            return Err(refused("an operator has no output"));
        };
        if self.is_known(output) || output.is_empty() {
            return Err(refused("two operators give one tensor"));
        }
        if let Some(missing) = node.input.iter().find(|i| !i.is_empty() && !self.is_known(i)) {
            let name: String = missing.chars().filter(char::is_ascii_graphic).take(40).collect();
            return Err(refused(&format!("tensor {name:?} is used before it is computed")));
        }
        if node.op_type == "Constant" {
            let value = node.attribute.iter().find(|a| a.name == "value").and_then(|a| a.t.as_ref());
            let value = value.ok_or_else(|| refused("a constant has no value"))?;
            return self.constant(output, value);
        }
        let name = if node.name.is_empty() { output.clone() } else { node.name };
        self.nodes.push(Node {
            name,
            op: node.op_type,
            inputs: node.input,
            outputs: node.output,
            attributes: node.attribute,
        });
        Ok(())
    }

    fn is_known(&self, name: &str) -> bool {
        name == self.input || self.is_constant(name) || self.producer(name).is_some()
    }

    pub(super) fn is_constant(&self, name: &str) -> bool {
        self.floats.contains_key(name) || self.others.contains_key(name)
    }

    /// The node that gives a tensor.
    pub(super) fn producer(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|n| n.outputs.iter().any(|o| o == name))
    }

    /// The nodes that take a tensor, in order.
    pub(super) fn consumers(&self, name: &str) -> Vec<usize> {
        let uses = |n: &Node| n.inputs.iter().any(|i| i == name);
        self.nodes.iter().enumerate().filter(|(_, n)| uses(n)).map(|(i, _)| i).collect()
    }

    /// Its only consumer, where it has one and is no output of the network.
    pub(super) fn only_consumer(&self, name: &str) -> Option<usize> {
        let consumers = self.consumers(name);
        let lone = consumers.len() == 1 && !self.outputs.iter().any(|o| o == name);
        lone.then(|| consumers[0])
    }

    /// Whoever used `old` uses `new`.
    pub(super) fn rename_uses(&mut self, old: &str, new: &str) {
        for input in self.nodes.iter_mut().flat_map(|n| &mut n.inputs).filter(|i| *i == old) {
            new.clone_into(input);
        }
    }

    /// The channels (axis 1) of a computed tensor of two dimensions or more.
    pub(super) fn channels(&self, name: &str) -> Option<usize> {
        self.shapes.get(name).filter(|s| s.len() >= 2).map(|s| s[1])
    }

    /// Drops constants that nobody uses.
    pub(super) fn prune(&mut self) {
        let used: BTreeSet<&String> = self.nodes.iter().flat_map(|n| &n.inputs).collect();
        self.floats.retain(|name, _| used.contains(name));
        self.others.retain(|name, _| used.contains(name));
    }

    /// A name that no tensor has yet.
    pub(super) fn fresh(&self, base: &str) -> String {
        let mut name = base.to_owned();
        while self.is_known(&name) {
            name.push('_');
        }
        name
    }

    /// The network in ONNX, with these outputs.
    pub(super) fn proto(&self, outputs: &[String]) -> pb::ModelProto {
        let floats = self.floats.iter().map(|(name, c)| c.proto(name));
        let graph = pb::GraphProto {
            node: self.nodes.iter().map(Node::proto).collect(),
            name: "ostiary".into(),
            initializer: floats.chain(self.others.values().cloned()).collect(),
            input: vec![value_info(&self.input, Some(&self.shape))],
            output: outputs.iter().map(|o| value_info(o, self.shapes.get(o).map(Vec::as_slice))).collect(),
            ..pb::GraphProto::default()
        };
        model(graph, self.opset)
    }
}

impl Node {
    pub(super) fn new(op: &str, inputs: &[&str], output: &str) -> Self {
        Self {
            name: output.to_owned(),
            op: op.to_owned(),
            inputs: inputs.iter().map(|i| (*i).to_owned()).collect(),
            outputs: vec![output.to_owned()],
            attributes: Vec::new(),
        }
    }

    pub(super) fn output(&self) -> &str {
        self.outputs.first().map_or("", String::as_str)
    }

    pub(super) fn input(&self, index: usize) -> &str {
        self.inputs.get(index).map_or("", String::as_str)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attributes.iter().find(|a| a.name == name).map_or(default, |a| a.i)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attributes.iter().find(|a| a.name == name).map_or(default, |a| a.f)
    }

    pub(super) fn ints(&self, name: &str) -> &[i64] {
        self.attributes.iter().find(|a| a.name == name).map_or(&[], |a| a.ints.as_slice())
    }

    /// One filter a channel, each seeing its own channel alone.
    pub(super) fn is_depthwise(&self, weights: &Constant) -> bool {
        self.op == "Conv" && weights.dims.len() == 4 && weights.dims[1] == 1 && self.int("group", 1) > 1
    }

    /// Whether a convolution sees zeros beyond the edge.
    pub(super) fn is_padded(&self) -> bool {
        let auto = self.attributes.iter().find(|a| a.name == "auto_pad").map_or(&[][..], |a| a.s.as_slice());
        self.ints("pads").iter().any(|p| *p != 0) || !matches!(auto, b"" | b"NOTSET" | b"VALID")
    }

    pub(super) fn proto(&self) -> pb::NodeProto {
        pb::NodeProto {
            name: self.name.clone(),
            op_type: self.op.clone(),
            input: self.inputs.clone(),
            output: self.outputs.clone(),
            attribute: self.attributes.clone(),
            ..pb::NodeProto::default()
        }
    }
}

impl Constant {
    pub(super) fn vector(values: Vec<f32>) -> Self {
        Self { dims: vec![values.len()], values }
    }

    fn read(tensor: &pb::TensorProto) -> Result<Self, QuantizeError> {
        let dims: Vec<usize> = tensor.dims.iter().map(|d| usize::try_from(*d).unwrap_or(0)).collect();
        let values = if tensor.raw_data.is_empty() {
            tensor.float_data.clone()
        } else {
            tensor.raw_data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        if values.len() != dims.iter().product::<usize>() {
            return Err(refused("a constant holds more or fewer values than its shape"));
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err(refused("a constant is not finite"));
        }
        Ok(Self { dims, values })
    }

    pub(super) fn proto(&self, name: &str) -> pb::TensorProto {
        let raw = self.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        tensor(name, &self.dims, DataType::Float, raw)
    }

    /// Values of one output channel of weights.
    pub(super) fn row_len(&self) -> usize {
        self.dims.iter().skip(1).product()
    }
}

/// A constant of any type from its bytes.
pub(super) fn tensor(name: &str, dims: &[usize], kind: DataType, raw: Vec<u8>) -> pb::TensorProto {
    pb::TensorProto {
        name: name.to_owned(),
        dims: dims.iter().map(|d| *d as i64).collect(),
        data_type: kind as i32,
        raw_data: raw,
        ..pb::TensorProto::default()
    }
}

/// The frame around a graph.
pub(super) fn model(graph: pb::GraphProto, opset: i64) -> pb::ModelProto {
    pb::ModelProto {
        ir_version: 8,
        producer_name: "ostiary".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: opset }],
        ..pb::ModelProto::default()
    }
}

/// A float tensor's name and, where known, shape.
pub(super) fn value_info(name: &str, shape: Option<&[usize]>) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let dim = |d: &usize| Dimension { value: Some(Value::DimValue(*d as i64)), ..Dimension::default() };
    let shape = shape.map(|dims| pb::TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = pb::type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let kind =
        pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..pb::TypeProto::default() };
    pb::ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..pb::ValueInfoProto::default() }
}
