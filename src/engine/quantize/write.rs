//! The quantised network as an ONNX file: `QuantizeLinear` and `DequantizeLinear` around what works on bytes.
//!
//! Owns: the form of the file. Does not own: any number in it.
//! Invariants: operator set 13 or newer, standard operators alone; the same decisions give the same bytes; weights are
//! stored as bytes with a scale a row, biases as 32-bit integers with the product of both scales, which is the form
//! that other runtimes recognise.

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;

use super::net::{Net, model, tensor, value_info};
use super::params::{Bytes, Params};
use super::scheme::Scheme;

/// The file's bytes.
pub(super) fn write(net: &Net, scheme: &Scheme) -> Vec<u8> {
    let mut writer = Writer { net, scheme, nodes: Vec::new(), constants: Vec::new() };
    if let Some(params) = scheme.params.get(&net.input) {
        writer.pair(&net.input, *params);
    }
    for (index, node) in net.nodes.iter().enumerate() {
        let mut proto = node.proto();
        for input in &mut proto.input {
            if scheme.params.contains_key(input.as_str()) {
                *input = dequantised(input);
            }
        }
        writer.matrix(index, &mut proto);
        writer.nodes.push(proto);
        if let Some(params) = scheme.params.get(node.output()) {
            writer.pair(node.output(), *params);
        }
    }
    let used: std::collections::BTreeSet<&String> = writer.nodes.iter().flat_map(|n| &n.input).collect();
    let floats = net.floats.iter().filter(|(name, _)| used.contains(name)).map(|(name, c)| c.proto(name));
    let mut initializer: Vec<_> = floats.chain(net.others.values().cloned()).collect();
    initializer.append(&mut writer.constants);
    let graph = pb::GraphProto {
        node: writer.nodes,
        name: "ostiary".into(),
        initializer,
        input: vec![value_info(&net.input, Some(&net.shape))],
        output: net.outputs.iter().map(|o| value_info(o, net.shapes.get(o).map(Vec::as_slice))).collect(),
        ..pb::GraphProto::default()
    };
    model(graph, net.opset).encode_to_vec()
}

struct Writer<'a> {
    net: &'a Net,
    scheme: &'a Scheme,
    nodes: Vec<pb::NodeProto>,
    constants: Vec<pb::TensorProto>,
}

impl Writer<'_> {
    /// A tensor to bytes and back.
    fn pair(&mut self, name: &str, params: Params) {
        let (scale, zero) = (format!("{name}_scale"), format!("{name}_zero_point"));
        self.constants.push(tensor(&scale, &[], DataType::Float, params.scale.to_le_bytes().to_vec()));
        self.constants.push(tensor(&zero, &[], DataType::Uint8, vec![params.zero]));
        let bytes = format!("{name}_quantized");
        self.nodes.push(node("QuantizeLinear", &[name, &scale, &zero], &bytes));
        self.nodes.push(node("DequantizeLinear", &[&bytes, &scale, &zero], &dequantised(name)));
    }

    /// Puts stored bytes in the place of a matrix's weights and bias.
    fn matrix(&mut self, index: usize, proto: &mut pb::NodeProto) {
        let node_in = &self.net.nodes[index];
        let output = node_in.output().to_owned();
        let Some(weights) = self.scheme.weights.get(&output) else { return };
        let Some(input) = self.scheme.params.get(node_in.input(0)) else { return };
        let stored = self.stored(&output, weights);
        let bias = self.net.bias(index);
        let has_bias = !node_in.input(2).is_empty();
        proto.input.truncate(1);
        proto.input.push(stored);
        if has_bias {
            proto.input.push(self.bias(&output, &bias, weights, *input));
        }
    }

    fn stored(&mut self, output: &str, weights: &Bytes) -> String {
        let rows = weights.scales.len();
        let [bytes, scale, zero] =
            ["", "_scale", "_zero_point"].map(|s| format!("{output}_weight_quantized{s}"));
        let raw = weights.values.iter().map(|v| *v as u8).collect();
        let scales = weights.scales.iter().flat_map(|s| s.to_le_bytes()).collect();
        self.constants.push(tensor(&bytes, &weights.dims, DataType::Int8, raw));
        self.constants.push(tensor(&scale, &[rows], DataType::Float, scales));
        self.constants.push(tensor(&zero, &[rows], DataType::Int8, vec![0; rows]));
        self.dequantise_rows(&bytes, &scale, &zero, &format!("{output}_weight"))
    }

    fn bias(&mut self, output: &str, bias: &[f32], weights: &Bytes, input: Params) -> String {
        let rows = bias.len();
        let scales: Vec<f32> = weights.scales.iter().map(|s| s * input.scale).collect();
        let steps =
            bias.iter().zip(&scales).map(|(b, s)| (f64::from(*b) / f64::from(*s)).round_ties_even() as i32);
        let raw = steps.flat_map(i32::to_le_bytes).collect();
        let [bytes, scale, zero] =
            ["", "_scale", "_zero_point"].map(|s| format!("{output}_bias_quantized{s}"));
        self.constants.push(tensor(&bytes, &[rows], DataType::Int32, raw));
        let scales = scales.iter().flat_map(|s| s.to_le_bytes()).collect();
        self.constants.push(tensor(&scale, &[rows], DataType::Float, scales));
        self.constants.push(tensor(&zero, &[rows], DataType::Int32, vec![0; 4 * rows]));
        self.dequantise_rows(&bytes, &scale, &zero, &format!("{output}_bias"))
    }

    fn dequantise_rows(&mut self, bytes: &str, scale: &str, zero: &str, name: &str) -> String {
        let output = dequantised(name);
        let mut dequantise = node("DequantizeLinear", &[bytes, scale, zero], &output);
        dequantise.attribute = vec![pb::AttributeProto {
            name: "axis".into(),
            r#type: AttributeType::Int as i32,
            i: 0,
            ..pb::AttributeProto::default()
        }];
        self.nodes.push(dequantise);
        output
    }
}

fn dequantised(name: &str) -> String {
    format!("{name}_dequantized")
}

fn node(op: &str, inputs: &[&str], output: &str) -> pb::NodeProto {
    pb::NodeProto {
        name: output.to_owned(),
        op_type: op.to_owned(),
        input: inputs.iter().map(|i| (*i).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..pb::NodeProto::default()
    }
}
