//! What an ONNX file may ask for, checked before anything of it is planned.
//!
//! Owns: the list of operators and the bounds on numbers that could make a small file ask for a huge amount of
//! memory or time. Does not own: whether the graph makes sense (tract decides).
//! Invariant: a graph that passes has no sub-graphs, reads no other file, and holds no size above the bounds.

use std::collections::HashSet;
use std::path::Path;

use tract_onnx::data_resolver::ModelDataResolver;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_hir::internal::{TractResult, anyhow};

use super::{EngineError, Pixels};

/// Operators of the families understood. Whatever makes tensors out of numbers alone (Range, Expand, Tile,
/// `ConstantOfShape`, Pad) or runs sub-graphs (Loop, If, Scan) is left out on purpose.
const OPERATORS: &[&str] = &[
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "MatMul",
    "MaxPool",
    "Mul",
    "PRelu",
    "QuantizeLinear",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Resize",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Squeeze",
    "Sub",
    "Tanh",
    "Transpose",
    "Unsqueeze",
    "Upsample",
];

/// Types of a constant's numbers understood.
const TYPES: [DataType; 10] = [
    DataType::Float,
    DataType::Float16,
    DataType::Double,
    DataType::Uint8,
    DataType::Int8,
    DataType::Uint16,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::Bool,
];

/// Operator sets understood.
const OPSETS: core::ops::RangeInclusive<i64> = 7..=22;
/// Most operators of a graph.
const MAX_NODES: usize = 4_096;
/// Most inputs or outputs of one operator.
const MAX_ARITY: usize = 64;
/// Most dimensions of a tensor.
const MAX_RANK: usize = 8;
/// Most values of one constant.
const MAX_CONSTANT: i64 = 32 << 20;
/// Largest group, axis or integer constant that means a size.
const MAX_SIZE: i64 = 65_536;

/// Largest kernel, stride, dilation or pad of a window.
const MAX_WINDOW: i64 = 1_024;

/// Refuses to read weights from other files: a model is one file, and that file was hashed.
pub(super) struct NoExternalData;

impl ModelDataResolver for NoExternalData {
    fn read_bytes_from_path(&self, _: &mut Vec<u8>, _: &Path, _: usize, _: Option<usize>) -> TractResult<()> {
        Err(anyhow!("weights in other files are not read"))
    }
}

/// Checks the whole graph.
///
/// # Errors
/// [`EngineError::Refused`] with what was found and where.
pub(super) fn check(model: &pb::ModelProto) -> Result<(), EngineError> {
    let graph = model.graph.as_ref().ok_or_else(|| refused("it holds no graph"))?;
    if !model.functions.is_empty() || !graph.sparse_initializer.is_empty() {
        return Err(refused("it uses functions or sparse weights"));
    }
    let standard = |o: &&pb::OperatorSetIdProto| o.domain.is_empty() || o.domain == "ai.onnx";
    // The import is the last field of most files: without it the file was cut short.
    if !model.opset_import.iter().find(standard).is_some_and(|o| OPSETS.contains(&o.version)) {
        return Err(refused("it names no operator set from 7 to 22, or is cut short"));
    }
    if graph.node.len() > MAX_NODES {
        return Err(refused("it has more than 4096 operators"));
    }
    graph.initializer.iter().try_for_each(tensor)?;
    graph.node.iter().try_for_each(node)?;
    edges(graph)
}

/// Every value has one maker, and every value that is asked for has one at all.
fn edges(graph: &pb::GraphProto) -> Result<(), EngineError> {
    let made = graph.node.iter().flat_map(|n| &n.output).filter(|name| !name.is_empty());
    let given = graph.initializer.iter().map(|t| &t.name).chain(graph.input.iter().map(|i| &i.name));
    let mut known: HashSet<&str> = given.map(String::as_str).collect();
    for name in made {
        if !known.insert(name) {
            return Err(refused("two operators make the same value"));
        }
    }
    let wanted = graph.node.iter().flat_map(|n| &n.input).filter(|name| !name.is_empty());
    let results = graph.output.iter().map(|o| &o.name);
    if wanted.chain(results).any(|name| !known.contains(name.as_str())) {
        return Err(refused("it asks for a value that nothing makes"));
    }
    Ok(())
}

/// Whatever the file fixes of its input's shape agrees with what is asked for.
///
/// # Errors
/// [`EngineError::InputShape`].
pub(super) fn check_input(model: &pb::ModelProto, name: &str, pixels: Pixels) -> Result<(), EngineError> {
    use pb::tensor_shape_proto::dimension::Value;
    let wanted = [1, 3, pixels.height, pixels.width];
    let info = model.graph.iter().flat_map(|g| &g.input).find(|i| i.name == name);
    let Some(pb::type_proto::Value::TensorType(tensor)) =
        info.and_then(|i| i.r#type.as_ref()).and_then(|t| t.value.as_ref())
    else {
        return Ok(());
    };
    let float = tensor.elem_type == DataType::Float as i32;
    let fixed: Vec<Option<i64>> = tensor
        .shape
        .iter()
        .flat_map(|s| &s.dim)
        .map(|d| match &d.value {
            Some(Value::DimValue(size)) => Some(*size),
            Some(Value::DimParam(_)) | None => None,
        })
        .collect();
    let fits = fixed.iter().zip(wanted).all(|(dim, want)| dim.is_none_or(|d| d == want as i64));
    if !float || (!fixed.is_empty() && (fixed.len() != 4 || !fits)) {
        return Err(EngineError::InputShape { got: format!("{fixed:?}"), wanted });
    }
    Ok(())
}

fn node(node: &pb::NodeProto) -> Result<(), EngineError> {
    if !node.domain.is_empty() && node.domain != "ai.onnx" {
        return Err(refused("it uses operators outside the ONNX standard"));
    }
    if OPERATORS.binary_search(&node.op_type.as_str()).is_err() {
        let name: String = node.op_type.chars().filter(char::is_ascii_graphic).take(32).collect();
        return Err(refused(&format!("operator {name:?} is not understood")));
    }
    if node.input.len() > MAX_ARITY || node.output.len() > MAX_ARITY {
        return Err(refused("an operator has too many inputs or outputs"));
    }
    for attribute in &node.attribute {
        let sub_graph = attribute.g.is_some() || !attribute.graphs.is_empty();
        if sub_graph || attribute.sparse_tensor.is_some() || !attribute.sparse_tensors.is_empty() {
            return Err(refused("it holds sub-graphs or sparse constants"));
        }
        let sizes = attribute.ints.iter().chain(core::iter::once(&attribute.i));
        if attribute.ints.len() > MAX_ARITY || !sizes.into_iter().all(|v| is_size(*v)) {
            return Err(refused("an attribute is out of range"));
        }
        let sound = match attribute.name.as_str() {
            "strides" | "dilations" | "kernel_shape" => {
                attribute.ints.iter().all(|v| (1..=MAX_WINDOW).contains(v))
            }
            "group" => (1..=MAX_SIZE).contains(&attribute.i),
            "pads" => attribute.ints.iter().all(|v| (0..=MAX_WINDOW).contains(v)),
            "perm" => {
                let rank = attribute.ints.len() as i64;
                (0..rank).all(|axis| attribute.ints.contains(&axis))
            }
            _ => true,
        };
        if !sound {
            return Err(refused("a stride, a pad, a group or an order of axes makes no sense"));
        }
        attribute.t.iter().chain(&attribute.tensors).try_for_each(tensor)?;
    }
    Ok(())
}

fn tensor(tensor: &pb::TensorProto) -> Result<(), EngineError> {
    if tensor.data_location.is_some_and(|l| l != 0) || !tensor.external_data.is_empty() {
        return Err(refused("its weights lie in another file"));
    }
    if !TYPES.iter().any(|t| *t as i32 == tensor.data_type) {
        return Err(refused("a constant is of a type of number that is not understood"));
    }
    let volume = tensor.dims.iter().try_fold(
        1_i64,
        |product, dim| {
            if *dim < 0 { None } else { product.checked_mul(*dim) }
        },
    );
    if tensor.dims.len() > MAX_RANK || volume.is_none_or(|v| v > MAX_CONSTANT) {
        return Err(refused("a constant has an impossible shape"));
    }
    // Integers mean sizes: shapes, axes, slices.
    let raw_ok = tensor.data_type != DataType::Int64 as i32
        || tensor.raw_data.as_chunks::<8>().0.iter().all(|b| is_size(i64::from_le_bytes(*b)));
    if !raw_ok || !tensor.int64_data.iter().all(|v| is_size(*v)) {
        return Err(refused("an integer constant is out of range"));
    }
    Ok(())
}

/// Within bounds, or one of the marks for "to the end".
fn is_size(value: i64) -> bool {
    value.abs_diff(0) <= MAX_SIZE.unsigned_abs()
        || matches!(value, i64::MAX | i64::MIN)
        || value == i64::from(i32::MAX)
        || value == i64::from(i32::MIN)
}

fn refused(what: &str) -> EngineError {
    EngineError::Refused(what.into())
}
