//! The engine against made-up and hostile files.
//!
//! Owns: a writer for tiny ONNX files. Does not own: the real models (tests/vision.rs).

use tract_onnx::pb;

use super::*;

/// One field of a protobuf message: length-delimited.
fn bytes_field(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag << 3 | 2];
    varint(&mut out, body.len() as u64);
    out.extend_from_slice(body);
    out
}

/// One field of a protobuf message: a number.
fn int_field(tag: u8, value: u64) -> Vec<u8> {
    let mut out = vec![tag << 3];
    varint(&mut out, value);
    out
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// `ValueInfoProto` of a float tensor.
fn value_info(name: &str, dims: &[u64]) -> Vec<u8> {
    let shape: Vec<u8> = dims.iter().flat_map(|d| bytes_field(1, &int_field(1, *d))).collect();
    let tensor = [int_field(1, 1), bytes_field(2, &shape)].concat();
    [bytes_field(1, name.as_bytes()), bytes_field(2, &bytes_field(1, &tensor))].concat()
}

/// A 3x3 convolution of 3 channels to 4 over 8x8 pixels, then `op` on each value.
fn tiny(op: &str) -> Vec<u8> {
    let weights: Vec<u8> = (0..108_u16).flat_map(|i| (f32::from(i) * 0.01 - 0.5).to_le_bytes()).collect();
    let dims: Vec<u8> = [4, 3, 3, 3].iter().flat_map(|d| int_field(1, *d)).collect();
    let initializer = [dims, int_field(2, 1), bytes_field(8, b"w"), bytes_field(9, &weights)].concat();
    let pads: Vec<u8> = [1, 1, 1, 1].iter().flat_map(|d| int_field(8, *d)).collect();
    let attribute = [bytes_field(1, b"pads"), pads, vec![0xa0, 1, 7]].concat();
    let conv = [
        bytes_field(1, b"x"),
        bytes_field(1, b"w"),
        bytes_field(2, b"c"),
        bytes_field(4, b"Conv"),
        bytes_field(5, &attribute),
    ]
    .concat();
    let relu = [bytes_field(1, b"c"), bytes_field(2, b"y"), bytes_field(4, op.as_bytes())].concat();
    let graph = [
        bytes_field(1, &conv),
        bytes_field(1, &relu),
        bytes_field(2, b"tiny"),
        bytes_field(5, &initializer),
        bytes_field(11, &value_info("x", &[1, 3, 8, 8])),
        bytes_field(12, &value_info("y", &[1, 4, 8, 8])),
    ]
    .concat();
    let opset = int_field(2, 11);
    [int_field(1, 6), bytes_field(7, &graph), bytes_field(8, &opset)].concat()
}

/// Pictures of 8 x 8 pixels, their values as they are.
const EIGHT: Pixels = Pixels { width: 8, height: 8, mean: 0.0, scale: 1.0 };

#[test]
fn a_small_network_runs_and_reuses_its_input() {
    let mut net = Network::load(&tiny("Relu"), EIGHT).unwrap();
    assert_eq!((net.output_count(), net.output_shape(0)), (1, &[1, 4, 8, 8][..]));
    assert_eq!(net.output_index("y"), Some(0));
    let place = |net: &Network| match &net.inner {
        Inner::Float(net) => net.place(),
        Inner::Integer(_) => panic!("a file without quantisation"),
    };
    let picture: Vec<u8> = (0..192).collect();
    let first = net.run(&picture).unwrap().get(0).to_vec();
    let before = place(&net);
    let again = net.run(&picture).unwrap().get(0).to_vec();
    assert_eq!(first, again);
    assert_eq!(before, place(&net), "the input buffer must be reused");
    assert!(first.iter().all(|v| *v >= 0.0) && first.iter().any(|v| *v > 0.0));
    let short = net.run(&picture[1..]);
    assert!(matches!(short, Err(EngineError::InputLength { got: 191, wanted: 192 })));
}

#[test]
fn what_is_no_model_is_refused() {
    let whole = tiny("Relu");
    assert!(matches!(Network::load(&[], EIGHT), Err(EngineError::Empty)));
    assert!(Network::load(b"<html>404</html>", EIGHT).is_err());
    let higher = Pixels { height: 9, ..EIGHT };
    assert!(matches!(Network::load(&whole, higher), Err(EngineError::InputShape { .. })));
    let nowhere = Pixels { width: 0, ..EIGHT };
    assert!(matches!(Network::load(&whole, nowhere), Err(EngineError::Refused(_))));
    assert!(matches!(Network::load(&tiny("Loop"), EIGHT), Err(EngineError::Refused(_))));
    assert!(matches!(Network::load(&vec![0; MAX_MODEL_BYTES + 1], EIGHT), Err(EngineError::TooLarge(_))));
    for cut in 1..whole.len() {
        assert!(Network::load(&whole[..cut], EIGHT).is_err(), "cut at {cut}");
    }
}

#[test]
fn flipped_bits_never_panic() {
    let whole = tiny("Relu");
    let picture = [128; 192];
    for bit in 0..whole.len() * 8 {
        let mut bent = whole.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        // Loading may succeed (a weight changed); then running must give an answer or an error.
        if let Ok(mut net) = Network::load(&bent, EIGHT) {
            let _ = net.run(&picture);
        }
    }
}

#[test]
fn a_small_file_cannot_ask_for_much_memory() {
    use prost::Message;
    use tract_onnx::pb::tensor_proto::DataType;
    let tensor = |name: &str, kind: DataType, dims: &[i64], raw: Vec<u8>| pb::TensorProto {
        name: name.into(),
        data_type: kind as i32,
        dims: dims.to_vec(),
        raw_data: raw,
        ..pb::TensorProto::default()
    };
    let node = |op: &str, inputs: &[&str], output: String| pb::NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(|i| (*i).to_owned()).collect(),
        output: vec![output],
        ..pb::NodeProto::default()
    };
    // One constant of 2 MiB, dequantised four thousand times: 32 GiB in memory.
    let mut nodes: Vec<_> =
        (0..4_000).map(|i| node("DequantizeLinear", &["w", "s", "z"], format!("w{i}"))).collect();
    nodes.push(node("QuantizeLinear", &["x", "s", "z"], "q".into()));
    nodes.push(node("DequantizeLinear", &["q", "s", "z"], "y".into()));
    let input = pb::ValueInfoProto::decode(value_info("x", &[1, 3, 8, 8]).as_slice()).unwrap();
    let model = pb::ModelProto {
        ir_version: 8,
        opset_import: vec![pb::OperatorSetIdProto { version: 13, ..pb::OperatorSetIdProto::default() }],
        graph: Some(pb::GraphProto {
            node: nodes,
            initializer: vec![
                tensor("w", DataType::Int8, &[2 << 20], vec![1; 2 << 20]),
                tensor("s", DataType::Float, &[], 1.0_f32.to_le_bytes().to_vec()),
                tensor("z", DataType::Int8, &[], vec![0]),
            ],
            input: vec![input],
            output: vec![pb::ValueInfoProto { name: "y".into(), ..pb::ValueInfoProto::default() }],
            ..pb::GraphProto::default()
        }),
        ..pb::ModelProto::default()
    };
    let refused = Network::load(&model.encode_to_vec(), EIGHT);
    let Err(EngineError::Refused(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("not fit into memory"), "{why}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_refused_or_run(bytes in proptest::collection::vec(0_u8.., 0..512)) {
        let _ = Network::load(&bytes, EIGHT);
    }
}
