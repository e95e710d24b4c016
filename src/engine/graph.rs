//! What an ONNX file says, in the words of this engine.
//!
//! Owns: nodes in order, constants with their bytes, attributes. Does not own: the bounds on sizes (`guard`), the
//! meaning of an operator (`lower`).
//! Invariant: constants hold as many values as their dimensions say.
//!
//! The typed graph of tract is not used for this: folding its constants turns quantised weights into floats and
//! loses the scales that integer arithmetic needs.

use std::collections::HashMap;

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use super::EngineError;

/// A graph with one input.
pub(super) struct Graph {
    pub nodes: Vec<Node>,
    pub constants: HashMap<String, Constant>,
    pub input: String,
    pub outputs: Vec<String>,
}

/// One operator.
pub(super) struct Node {
    /// Its place in the file.
    pub index: usize,
    pub name: String,
    pub op: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    attributes: HashMap<String, Attribute>,
}

enum Attribute {
    Int(i64),
    Float(f32),
    Ints(Vec<i64>),
    Text(Vec<u8>),
}

/// A tensor that the file holds.
#[derive(Clone)]
pub(super) struct Constant {
    pub dims: Vec<usize>,
    pub data: Data,
}

/// Values of a constant, row-major.
#[derive(Clone)]
pub(super) enum Data {
    F32(Vec<f32>),
    I8(Vec<i8>),
    U8(Vec<u8>),
    I32(Vec<i32>),
    I64(Vec<i64>),
}

impl Graph {
    /// Reads a graph that `guard` has passed.
    ///
    /// # Errors
    /// When it has not exactly one input beside its constants, or a constant is damaged.
    pub(super) fn read(model: &pb::ModelProto) -> Result<Self, EngineError> {
        let graph = model.graph.as_ref().ok_or_else(|| EngineError::Refused("it holds no graph".into()))?;
        let mut constants = HashMap::new();
        for tensor in &graph.initializer {
            if let Some(constant) = Constant::read(tensor)? {
                constants.insert(tensor.name.clone(), constant);
            }
        }
        let mut nodes = Vec::new();
        for (index, node) in graph.node.iter().enumerate() {
            if node.op_type == "Constant" {
                let value = node.attribute.iter().find(|a| a.name == "value").and_then(|a| a.t.as_ref());
                if let (Some(tensor), Some(name)) = (value, node.output.first())
                    && let Some(constant) = Constant::read(tensor)?
                {
                    constants.insert(name.clone(), constant);
                    continue;
                }
            }
            nodes.push(Node::read(index, node));
        }
        let is_constant = |name: &str| graph.initializer.iter().any(|t| t.name == name);
        let mut inputs = graph.input.iter().map(|i| &i.name).filter(|n| !is_constant(n));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err(EngineError::Refused("it has not exactly one input".into()));
        };
        let outputs = graph.output.iter().map(|o| o.name.clone()).collect();
        Ok(Self { nodes, constants, input: input.clone(), outputs })
    }

    /// Whether any tensor is quantised: without, there is nothing for integer arithmetic to do.
    pub(super) fn is_quantised(&self) -> bool {
        self.nodes.iter().any(|n| n.op == "QuantizeLinear")
    }
}

impl Node {
    fn read(index: usize, node: &pb::NodeProto) -> Self {
        let attributes = node.attribute.iter().filter_map(|a| {
            use tract_onnx::pb::attribute_proto::AttributeType as Type;
            let value = match Type::try_from(a.r#type).ok()? {
                Type::Int => Attribute::Int(a.i),
                Type::Float => Attribute::Float(a.f),
                Type::Ints => Attribute::Ints(a.ints.clone()),
                Type::String => Attribute::Text(a.s.clone()),
                _ => return None,
            };
            Some((a.name.clone(), value))
        });
        Self {
            index,
            name: node.name.clone(),
            op: node.op_type.clone(),
            inputs: node.input.clone(),
            outputs: node.output.clone(),
            attributes: attributes.collect(),
        }
    }

    /// An integer attribute.
    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        if let Some(Attribute::Int(value)) = self.attributes.get(name) { *value } else { default }
    }

    /// A float attribute.
    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        if let Some(Attribute::Float(value)) = self.attributes.get(name) { *value } else { default }
    }

    /// A list of integers, where it is given.
    pub(super) fn ints(&self, name: &str) -> Option<&[i64]> {
        if let Some(Attribute::Ints(values)) = self.attributes.get(name) { Some(values) } else { None }
    }

    /// A text attribute.
    pub(super) fn text(&self, name: &str) -> Option<&[u8]> {
        if let Some(Attribute::Text(value)) = self.attributes.get(name) { Some(value) } else { None }
    }

    /// The input of that number; absent optional inputs are `None`.
    pub(super) fn input(&self, index: usize) -> Option<&str> {
        self.inputs.get(index).map(String::as_str).filter(|n| !n.is_empty())
    }

    /// The first output.
    pub(super) fn output(&self) -> &str {
        self.outputs.first().map_or("", String::as_str)
    }
}

impl Constant {
    /// `None` for types that only tract reads.
    fn read(tensor: &pb::TensorProto) -> Result<Option<Self>, EngineError> {
        let dims: Vec<usize> = tensor.dims.iter().map(|d| usize::try_from(*d).unwrap_or(0)).collect();
        let raw = tensor.raw_data.as_slice();
        let Ok(kind) = DataType::try_from(tensor.data_type) else { return Ok(None) };
        let data = match kind {
            DataType::Float if raw.is_empty() => Data::F32(tensor.float_data.clone()),
            DataType::Float => Data::F32(words(raw).map(f32::from_le_bytes).collect()),
            DataType::Int32 if raw.is_empty() => Data::I32(tensor.int32_data.clone()),
            DataType::Int32 => Data::I32(words(raw).map(i32::from_le_bytes).collect()),
            DataType::Int8 if raw.is_empty() => {
                Data::I8(tensor.int32_data.iter().map(|v| *v as i8).collect())
            }
            DataType::Int8 => Data::I8(raw.iter().map(|v| *v as i8).collect()),
            DataType::Uint8 if raw.is_empty() => {
                Data::U8(tensor.int32_data.iter().map(|v| *v as u8).collect())
            }
            DataType::Uint8 => Data::U8(raw.to_vec()),
            DataType::Int64 if raw.is_empty() => Data::I64(tensor.int64_data.clone()),
            DataType::Int64 => {
                Data::I64(raw.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
            }
            _ => return Ok(None),
        };
        let constant = Self { dims, data };
        if constant.len() != constant.dims.iter().product::<usize>() {
            return Err(EngineError::Refused("a constant holds more or fewer values than its shape".into()));
        }
        Ok(Some(constant))
    }

    fn len(&self) -> usize {
        match &self.data {
            Data::F32(v) => v.len(),
            Data::I8(v) => v.len(),
            Data::U8(v) => v.len(),
            Data::I32(v) => v.len(),
            Data::I64(v) => v.len(),
        }
    }

    /// The values as floats, where they are that.
    pub(super) fn floats(&self) -> Option<&[f32]> {
        if let Data::F32(values) = &self.data { Some(values) } else { None }
    }

    /// The values as sizes, where they are that.
    pub(super) fn sizes(&self) -> Option<&[i64]> {
        if let Data::I64(values) = &self.data { Some(values) } else { None }
    }

    /// The values as integers of any width.
    pub(super) fn integers(&self) -> Option<Vec<i32>> {
        match &self.data {
            Data::I8(v) => Some(v.iter().map(|v| i32::from(*v)).collect()),
            Data::U8(v) => Some(v.iter().map(|v| i32::from(*v)).collect()),
            Data::I32(v) => Some(v.clone()),
            Data::F32(_) | Data::I64(_) => None,
        }
    }
}

fn words(raw: &[u8]) -> impl Iterator<Item = [u8; 4]> + '_ {
    raw.as_chunks::<4>().0.iter().copied()
}
