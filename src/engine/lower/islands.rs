//! Nodes without an integer form are collected and handed to tract together.
//!
//! Owns: where an island begins and ends, the floats that go in and come out. Does not own: running it (`island`).

use super::{Base, BufferId, Form, Lowerer, Real, Stored};
use crate::EngineError;
use crate::graph::Node;
use crate::island::Island;
use crate::program::{Kind, StepInfo};
use crate::view::View;

impl Lowerer<'_> {
    /// Runs the collected nodes through tract.
    pub(super) fn end_island(&mut self) -> Result<(), EngineError> {
        let nodes = std::mem::take(&mut self.pending);
        if nodes.is_empty() {
            return Ok(());
        }
        let members: Vec<&Node> = nodes.iter().map(|(i, _)| &self.graph.nodes[*i]).collect();
        let made = |name: &str| members.iter().any(|n| n.outputs.iter().any(|o| o == name));
        let mut inputs: Vec<String> = Vec::new();
        for name in members.iter().flat_map(|n| &n.inputs) {
            let known = self.forms.get(name).is_some_and(|f| !matches!(f, Form::Weights(_)));
            if known && !made(name) && !inputs.contains(name) {
                inputs.push(name.clone());
            }
        }
        let outside = |name: &String| {
            self.graph.outputs.contains(name)
                || self.uses.get(name).is_some_and(|u| u.iter().any(|i| !nodes.iter().any(|(n, _)| n == i)))
        };
        let outputs: Vec<String> = members
            .iter()
            .flat_map(|n| &n.outputs)
            .filter(|o| !o.is_empty() && outside(o))
            .cloned()
            .collect();
        let reason = nodes.first().map_or("", |(_, reason)| reason);
        let what = format!(
            "float island of {}: {reason}",
            members.iter().map(|n| n.op.as_str()).collect::<Vec<_>>().join(", ")
        );
        let name = members.last().map_or_else(String::new, |n| n.name.clone());
        let indices: Vec<usize> = members.iter().map(|n| n.index).collect();
        let mut stored = Vec::new();
        for name in &inputs {
            let real = match self.forms.get(name) {
                Some(Form::Real(real)) => real.clone(),
                _ => return Err(EngineError::Unsupported(format!("{what} reads quantised values"))),
            };
            let tensor = self.contiguous(&real).map_err(|r| EngineError::Unsupported(r.into()))?;
            stored.push((tensor, real.dims));
        }
        let shapes: Vec<(String, Vec<usize>)> =
            inputs.iter().cloned().zip(stored.iter().map(|(_, dims)| dims.clone())).collect();
        let island = Island::plan(self.model, &indices, &self.dequantised(&members), &shapes, &outputs)?;
        let results: Vec<(BufferId, Vec<usize>)> = island
            .shapes()
            .iter()
            .map(|dims| (self.floats.add(dims.iter().product()), dims.clone()))
            .collect();
        for (name, (buffer, dims)) in outputs.iter().zip(&results) {
            let base = Base::Stored(Stored { buffer: *buffer, view: View::contiguous(dims) });
            let real = Real { base, posts: Vec::new(), dims: dims.clone(), name: name.clone() };
            self.forms.insert(name.clone(), Form::Real(real));
        }
        let touched: Vec<BufferId> =
            stored.iter().map(|(s, _)| s.buffer).chain(results.iter().map(|(b, _)| *b)).collect();
        let info = StepInfo { name, what, macs: 0, island: true };
        self.step(info, &[], &touched, move |_, floats| Kind::Island {
            island: Box::new(island),
            inputs: stored.iter().map(|(s, dims)| (floats.of(s.buffer), dims.clone())).collect(),
            outputs: results.iter().map(|(b, _)| floats.of(*b)).collect(),
        });
        Ok(())
    }

    /// The nodes that dequantise constants which these read: they go to the island with them.
    fn dequantised(&self, members: &[&Node]) -> Vec<usize> {
        let is_weights = |name: &String| matches!(self.forms.get(name), Some(Form::Weights(_)));
        let wanted: Vec<&String> = members.iter().flat_map(|n| &n.inputs).filter(|n| is_weights(n)).collect();
        self.graph
            .nodes
            .iter()
            .filter(|n| n.outputs.iter().any(|o| wanted.contains(&o)))
            .map(|n| n.index)
            .collect()
    }
}
