//! What quantisation did and what it costs, as numbers and as a table.
//!
//! Owns: the form. Does not own: measuring. Invariant: every matrix has a row; what stays float says why.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::net::Net;
use super::scheme::Scheme;
use super::walk::Deviation;

/// What was done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Operators of the float file.
    pub operators_before: usize,
    /// After folding, without quantisation.
    pub operators_folded: usize,
    /// Groups of tensors whose channels were equalised.
    pub groups_equalised: usize,
    /// Samples that ranges come from.
    pub samples: usize,
    /// Samples that the check was made on, others than those.
    pub samples_checked: usize,
    /// Size of the float file.
    pub bytes_before: usize,
    /// Size of the quantised file.
    pub bytes_after: usize,
    /// Every matrix, in order.
    pub layers: Vec<LayerRow>,
    /// Every output.
    pub outputs: Vec<OutputRow>,
}

/// One convolution or matrix product.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerRow {
    /// As the file names it.
    pub name: String,
    /// `Conv` or `Gemm`.
    pub op: String,
    /// Of its weights.
    pub weights: Vec<usize>,
    /// The scale of its input, where that is quantised.
    pub input_scale: Option<f32>,
    /// The outputs' deviation when it alone works on bytes.
    pub alone: Option<f64>,
    /// Its result's deviation with everything up to it on bytes.
    pub with_all_before: Option<f64>,
    /// Why it stays float; `None` where it works on bytes.
    pub float: Option<String>,
}

/// One output, float against bytes, on the samples kept for checking.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutputRow {
    /// Its name.
    pub name: String,
    /// Mean cosine between both.
    pub cosine: f64,
    /// That of the worst sample.
    pub least_cosine: f64,
    /// Amplitude of the error in relation to that of the output.
    pub deviation: f64,
}

/// What a report is made of.
pub(super) struct Made<'a> {
    pub(super) net: &'a Net,
    pub(super) scheme: &'a Scheme,
    pub(super) alone: &'a BTreeMap<String, f64>,
    pub(super) deviations: &'a BTreeMap<String, Deviation>,
}

/// Its plain numbers.
pub(super) struct Counts {
    pub(super) operators_before: usize,
    pub(super) groups_equalised: usize,
    pub(super) samples: usize,
    pub(super) samples_checked: usize,
    pub(super) bytes_before: usize,
    pub(super) bytes_after: usize,
}

impl Report {
    pub(super) fn new(made: &Made<'_>, counts: &Counts, limit: f64) -> Self {
        let Made { net, scheme, alone, deviations } = made;
        let layer = |index: usize| {
            let node = &net.nodes[index];
            let weights = net.weights(index)?;
            let alone = alone.get(node.output()).copied();
            let float = (!scheme.weights.contains_key(node.output())).then(|| match alone {
                Some(cost) => format!(
                    "alone it costs {:.2} %, more than the limit of {:.2} %",
                    cost * 100.0,
                    limit * 100.0
                ),
                None => "its input is not quantised".to_owned(),
            });
            Some(LayerRow {
                name: node.name.clone(),
                op: node.op.clone(),
                weights: weights.dims.clone(),
                input_scale: scheme.params.get(node.input(0)).map(|p| p.scale),
                alone,
                with_all_before: deviations.get(node.output()).map(Deviation::relative),
                float,
            })
        };
        let output = |name: &String| {
            let deviation = deviations.get(name).copied().unwrap_or_default();
            OutputRow {
                name: name.clone(),
                cosine: deviation.cosine(),
                least_cosine: deviation.least_cosine(),
                deviation: deviation.relative(),
            }
        };
        Self {
            operators_before: counts.operators_before,
            operators_folded: net.nodes.len(),
            groups_equalised: counts.groups_equalised,
            samples: counts.samples,
            samples_checked: counts.samples_checked,
            bytes_before: counts.bytes_before,
            bytes_after: counts.bytes_after,
            layers: (0..net.nodes.len()).filter_map(layer).collect(),
            outputs: net.outputs.iter().map(output).collect(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| layer | weights | alone | with all before | |\n|---|---|---|---|---|")?;
        let percent = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{:.2} %", v * 100.0));
        for l in &self.layers {
            let dims: Vec<String> = l.weights.iter().map(ToString::to_string).collect();
            let mark = l.float.as_ref().map_or_else(|| "bytes".to_owned(), |why| format!("float: {why}"));
            let (alone, all) = (percent(l.alone), percent(l.with_all_before));
            writeln!(f, "| {} | {} {} | {alone} | {all} | {mark} |", l.name, l.op, dims.join("x"))?;
        }
        writeln!(f, "\n| output | cosine | worst sample | deviation |\n|---|---|---|---|")?;
        for o in &self.outputs {
            let deviation = percent(Some(o.deviation));
            writeln!(f, "| {} | {:.5} | {:.5} | {deviation} |", o.name, o.cosine, o.least_cosine)?;
        }
        let floats = self.layers.iter().filter(|l| l.float.is_some()).count();
        writeln!(
            f,
            "\nDeviation: amplitude of the error in relation to that of the float value, on {} samples that nothing \
             was learnt from ({} calibrated). {} groups of channels equalised.",
            self.samples_checked, self.samples, self.groups_equalised
        )?;
        write!(
            f,
            "{} of {} layers work on bytes, {floats} stay float; {} operators folded to {}; {} to {} bytes.",
            self.layers.len() - floats,
            self.layers.len(),
            self.operators_before,
            self.operators_folded,
            self.bytes_before,
            self.bytes_after
        )
    }
}
