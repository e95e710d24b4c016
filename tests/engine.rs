//! Integer networks against onnxruntime, against each other and against hostile files.
//!
//! Owns: the golden vectors in tests/golden/engine (made by make.py there). Does not own: single kernels
//! (src/engine/kernels/tests.rs), the shared models (tests/vision.rs).

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::fs;
use std::panic;
use std::path::PathBuf;
use std::sync::Once;

use ostiary::engine::{EngineError, Network, Pixels, kernels};
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message as _;
use tract_onnx::pb::{GraphProto, ModelProto, tensor_shape_proto, type_proto};

/// Each golden network: its side, the greatest difference from onnxruntime, and whether all of it is in integers.
const NETWORKS: [(&str, usize, f32, bool); 6] = [
    ("mobile_unsigned", 20, 0.0, true),
    ("mobile_signed", 20, 0.0, true),
    ("mobile_unsigned_tensor", 20, 0.0, true),
    // Accumulators turned into floats: one rounding apart.
    ("squeeze", 17, 2e-6, true),
    ("pyramid", 24, 1e-6, true),
    // A convolution in floats in between moves a few bytes by one step.
    ("island", 12, 1e-3, false),
];

/// Files of each kind.
fn cases() -> ProptestConfig {
    let cases = std::env::var("OSTIARY_ENGINE_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases.unwrap_or(300)) }
}

fn golden(file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/engine").join(file);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

const fn square(side: usize) -> Pixels {
    Pixels { width: side, height: side, mean: 0.0, scale: 1.0 }
}

thread_local! {
    /// Whether the last panic of this thread began in our own code.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Loads a file and runs it. What tract panics at is caught by the engine and refused; our own code does not panic.
fn refused_or_run(file: &[u8], side: usize) -> Result<(), TestCaseError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let trace = Backtrace::force_capture().to_string();
            let first = |what: &str| trace.find(what).unwrap_or(usize::MAX);
            let ours = first("ostiary_engine").min(first("src/engine/")) <= first("tract_");
            OURS.set(ours);
            if ours {
                before(info);
            }
        }));
    });
    let ended = Network::load(file, square(side))
        .and_then(|mut network| network.run(&vec![77; side * side * 3]).map(|_| ()));
    let caught = matches!(ended, Err(EngineError::Panicked));
    prop_assert!(!(caught && OURS.get()), "our own code panicked");
    Ok(())
}

/// All outputs one after the other.
fn answer(network: &mut Network, pixels: &[u8]) -> Vec<f32> {
    let count = network.output_count();
    let outputs = network.run(pixels).expect("a sound network runs");
    (0..count).flat_map(|i| outputs.get(i).to_vec()).collect()
}

#[test]
fn integer_networks_answer_as_onnxruntime_does() {
    for (name, side, tolerance, _) in NETWORKS {
        let (file, pixels) = (golden(&format!("{name}.onnx")), golden(&format!("{name}.in")));
        let wanted: Vec<f32> = golden(&format!("{name}.out"))
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        let mut network = Network::load(&file, square(side)).unwrap();
        let got = answer(&mut network, &pixels);
        assert_eq!(got.len(), wanted.len(), "{name}");
        let worst = got.iter().zip(&wanted).map(|(g, w)| (g - w).abs()).fold(0.0, f32::max);
        assert!(worst <= tolerance, "{name}: {worst} from onnxruntime's answer");
        assert!(wanted.iter().any(|w| w.abs() > 0.01), "{name}: an empty answer proves nothing");
    }
}

#[test]
fn every_set_of_kernels_gives_the_same_bits() {
    let sets = kernels::available();
    assert_eq!(sets.last().unwrap().name, "scalar");
    for (name, side, _, _) in NETWORKS {
        let (file, pixels) = (golden(&format!("{name}.onnx")), golden(&format!("{name}.in")));
        let answers: Vec<Vec<u32>> = sets
            .iter()
            .map(|set| {
                let mut network = Network::load_with(&file, square(side), set).unwrap();
                answer(&mut network, &pixels).iter().map(|v| v.to_bits()).collect()
            })
            .collect();
        for (set, answer) in sets.iter().zip(&answers) {
            assert_eq!(answer, answers.last().unwrap(), "{name} with {}", set.name);
        }
    }
}

#[test]
fn what_integers_do_not_cover_is_named() {
    for (name, side, _, integers) in NETWORKS {
        let network = Network::load(&golden(&format!("{name}.onnx")), square(side)).unwrap();
        let islands: Vec<_> = network.steps().into_iter().filter(|s| s.island).collect();
        assert_eq!(islands.is_empty(), integers, "{name}: {islands:?}");
        if !integers {
            assert!(islands[0].what.contains("its weights are not quantised"), "{:?}", islands[0]);
        }
    }
}

#[test]
fn a_second_picture_knows_nothing_of_the_first() {
    for (name, side, _, _) in NETWORKS {
        let file = golden(&format!("{name}.onnx"));
        let pixels = golden(&format!("{name}.in"));
        let mut fresh = Network::load(&file, square(side)).unwrap();
        let mut used = Network::load(&file, square(side)).unwrap();
        let white = vec![255; pixels.len()];
        answer(&mut used, &white);
        assert_eq!(answer(&mut used, &pixels), answer(&mut fresh, &pixels), "{name}");
    }
}

proptest! {
    #![proptest_config(cases())]

    /// A file with a few bytes changed loads and runs, or is refused; it never panics.
    #[test]
    fn damaged_files_are_refused_or_run(
        which in 0..NETWORKS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (name, side, _, _) = NETWORKS[which];
        let mut file = golden(&format!("{name}.onnx"));
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()) + 1);
        }
        refused_or_run(&file, side)?;
    }
}

/// One change of a graph's meaning, with where and to what.
type Bend = (u8, Index, Index, i64);

fn bends() -> impl Strategy<Value = Vec<Bend>> {
    let value = prop_oneof![
        2 => -3_i64..=9,
        1 => any::<i64>(),
        2 => prop::sample::select(vec![
            i64::MIN, -1 << 31, -1, 0, 1 << 16, 1 << 24, 1 << 31, (1 << 31) + 1, 1 << 40, i64::MAX,
        ]),
    ];
    prop::collection::vec((0..9_u8, any::<Index>(), any::<Index>(), value), 1..4)
}

/// Floats that break arithmetic.
fn poison(value: i64) -> f32 {
    match value.rem_euclid(7) {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => f32::NEG_INFINITY,
        3 => 0.0,
        4 => -1.0,
        5 => f32::MIN_POSITIVE / 4.0,
        _ => f32::MAX,
    }
}

fn bend(graph: &mut GraphProto, (what, at, other, value): Bend) {
    let nodes = graph.node.len();
    if nodes == 0 || graph.initializer.is_empty() {
        return;
    }
    let tensors = graph.initializer.len();
    match what {
        // A number among a node's attributes: strides, pads, groups, axes.
        0 => {
            let with: Vec<usize> = (0..nodes).filter(|i| !graph.node[*i].attribute.is_empty()).collect();
            if with.is_empty() {
                return;
            }
            let attributes = &mut graph.node[with[at.index(with.len())]].attribute;
            let count = attributes.len();
            let attribute = &mut attributes[other.index(count)];
            attribute.i = value;
            attribute.f = poison(value);
            match attribute.ints.len() {
                0 => {}
                n => attribute.ints[other.index(n)] = value,
            }
        }
        // A size of a weight.
        1 => {
            let dims = &mut graph.initializer[at.index(tensors)].dims;
            match dims.len() {
                0 => dims.push(value),
                n => dims[other.index(n)] = value,
            }
        }
        // A scale, or any other float.
        2 => {
            let tensor = &mut graph.initializer[at.index(tensors)];
            if tensor.data_type == 1 && tensor.raw_data.len() >= 4 {
                let place = other.index(tensor.raw_data.len() / 4) * 4;
                tensor.raw_data[place..place + 4].copy_from_slice(&poison(value).to_le_bytes());
            }
            if let Some(first) = tensor.float_data.first_mut() {
                *first = poison(value);
            }
        }
        // An edge from anywhere to anywhere: cycles, other types, other shapes.
        3 => {
            let from = &graph.node[at.index(nodes)].output;
            let Some(name) = from.first().cloned() else { return };
            let inputs = &mut graph.node[other.index(nodes)].input;
            let count = inputs.len();
            if count > 0 {
                inputs[value.unsigned_abs() as usize % count] = name;
            }
        }
        // Another operator with these operands.
        4 => {
            let operator = graph.node[other.index(nodes)].op_type.clone();
            graph.node[at.index(nodes)].op_type = operator;
        }
        5 => drop(graph.node.remove(at.index(nodes))),
        6 => graph.node.swap(at.index(nodes), other.index(nodes)),
        // Another type of number over the same bytes.
        7 => graph.initializer[at.index(tensors)].data_type = value.rem_euclid(24) as i32,
        // A size of the input.
        _ => {
            let Some(input) = graph.input.first_mut() else { return };
            let Some(type_proto::Value::TensorType(tensor)) =
                input.r#type.as_mut().and_then(|t| t.value.as_mut())
            else {
                return;
            };
            let Some(shape) = tensor.shape.as_mut().filter(|shape| !shape.dim.is_empty()) else { return };
            let count = shape.dim.len();
            shape.dim[at.index(count)].value = Some(tensor_shape_proto::dimension::Value::DimValue(value));
        }
    }
}

/// Most memory that this process ever held, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak is told");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

proptest! {
    #![proptest_config(cases())]

    /// A file that is sound as a file and says nonsense: huge and negative sizes, cycles, scales that are no numbers.
    /// It is refused, or it runs, within bounded memory; it never panics.
    #[test]
    fn bent_graphs_are_refused_or_run(which in 0..NETWORKS.len(), bends in bends()) {
        let (name, side, _, _) = NETWORKS[which];
        let mut model = ModelProto::decode(golden(&format!("{name}.onnx")).as_slice()).unwrap();
        if let Some(graph) = &mut model.graph {
            for one in bends {
                bend(graph, one);
            }
        }
        refused_or_run(&model.encode_to_vec(), side)?;
        prop_assert!(peak() < 1 << 20, "a small file took {} MiB", peak() >> 10);
    }
}
