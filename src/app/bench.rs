//! `ostiary models bench`: what a network costs on this machine, step by step, and what those of a set cost together.
//!
//! Owns: the repetition and the table. Does not own: the clock (`device::clock_os`), the steps (`engine`).
//! Invariant: every time is CPU time of the thread that works, so that neighbours do not count.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::engine::{EngineError, Network, Pixels, StepInfo, kernels};
use crate::link::wire::{Code, Refusal};
use crate::vision::SetSpec;

use super::cli::BenchArgs;
use super::out::Out;
use super::wiring::{self, Models};
use super::{Answer, AppError};

/// Times one network, or each of a set.
pub(super) fn run(models: &Models, args: &BenchArgs, out: &mut Out) -> Result<Answer, AppError> {
    if let (None, Ok(set)) = (models.manifest.model(&args.model), models.manifest.set(&args.model)) {
        return whole_set(models, set, args, out);
    }
    let sets = kernels::available();
    let chosen = match &args.kernels {
        None => kernels::chosen(),
        Some(name) => sets.iter().copied().find(|k| k.name == name.as_str()).ok_or_else(|| {
            let names: Vec<_> = sets.iter().map(|k| k.name).collect();
            let names = names.join(", ");
            Refusal::new(
                Code::InvalidParameter,
                format!("this machine has no kernels {name:?}; it has {names}"),
            )
        })?,
    };
    let model_failure = |e: EngineError| Refusal::new(Code::Models, format!("{}: {e}", args.model));
    let path = Path::new(&args.model);
    let (bytes, pixels) = if path.is_file() {
        let bytes = std::fs::read(path).map_err(|e| AppError::File(args.model.clone(), e))?;
        (bytes, Pixels { width: args.width, height: args.height, mean: 0.0, scale: 1.0 })
    } else {
        models.read(&args.model)?
    };
    let mut network = Network::load_with(&bytes, pixels, chosen).map_err(model_failure)?;
    let picture: Vec<u8> =
        (0..pixels.width * pixels.height * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
    let steps = network.steps();
    let mut best = vec![u64::MAX; steps.len()];
    let mut totals = Vec::new();
    for _ in 0..args.runs {
        let begin = wiring::thread_nanos();
        let mut last = begin;
        let mut after = |step: usize| {
            let now = wiring::thread_nanos();
            best[step] = best[step].min(now - last);
            last = now;
        };
        network.run_observed(&picture, &mut after).map_err(model_failure)?;
        totals.push(wiring::thread_nanos() - begin);
    }
    totals.sort_unstable();
    let rows = steps.into_iter().zip(best).map(|(step, nanos)| Row::new(step, nanos));
    out.result(&Report {
        model: args.model.clone(),
        kernels: chosen.name,
        runs: args.runs,
        median_us: totals[totals.len() / 2] as f64 / 1e3,
        best_us: totals[0] as f64 / 1e3,
        arena_bytes: network.arena_bytes(),
        explain: args.explain,
        steps: rows.collect(),
    })?;
    Ok(Answer::Yes)
}

/// The name under which the manifest keeps what a run took where its figures were measured.
const FIGURE: &str = "ms a run";

/// Times each network of a set.
fn whole_set(models: &Models, set: &SetSpec, args: &BenchArgs, out: &mut Out) -> Result<Answer, AppError> {
    let mut report = SetReport { set: set.name.clone(), kernels: kernels::chosen().name, rows: Vec::new() };
    let mut sums = vec![0.0; args.runs as usize];
    for name in set.members() {
        let failure = |e: EngineError| Refusal::new(Code::Models, format!("{name}: {e}"));
        let (bytes, pixels) = models.read(name)?;
        let mut network = Network::load(&bytes, pixels).map_err(failure)?;
        let picture = vec![127; pixels.width * pixels.height * 3];
        let mut times = Vec::with_capacity(sums.len());
        for sum in &mut sums {
            let begin = wiring::thread_nanos();
            network.run(&picture).map_err(failure)?;
            let ms = (wiring::thread_nanos() - begin) as f64 / 1e6;
            times.push(ms);
            *sum += ms;
        }
        let known = models.manifest.model(name).and_then(|m| m.figures.get(FIGURE).copied());
        report.rows.push(SetRow::new(name, times, known));
    }
    report.rows.push(SetRow::new("all of it", sums, None));
    out.result(&report)?;
    Ok(Answer::Yes)
}

#[derive(Serialize)]
struct SetReport {
    set: String,
    kernels: &'static str,
    rows: Vec<SetRow>,
}

#[derive(Serialize)]
struct SetRow {
    model: String,
    median_ms: f64,
    p95_ms: f64,
    /// Of the catalogue, where it has one.
    catalogue_ms: Option<f64>,
}

impl SetRow {
    fn new(model: &str, mut times: Vec<f64>, catalogue_ms: Option<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        Self { model: model.to_owned(), median_ms: at(0.5), p95_ms: at(0.95), catalogue_ms }
    }
}

impl fmt::Display for SetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}: ms of this thread, one run of each network", self.set, self.kernels)?;
        for SetRow { model, median_ms, p95_ms, catalogue_ms } in &self.rows {
            write!(f, "\n{model:<24} median {median_ms:>8.3}  p95 {p95_ms:>8.3}")?;
            if let Some(known) = catalogue_ms {
                write!(f, "  catalogue {known:.3}, here {:.2} of it", median_ms / known)?;
            }
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Report {
    model: String,
    kernels: &'static str,
    runs: u32,
    median_us: f64,
    best_us: f64,
    arena_bytes: usize,
    #[serde(skip)]
    explain: bool,
    steps: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    what: String,
    macs: u64,
    best_us: f64,
    island: bool,
}

impl Row {
    fn new(step: StepInfo, nanos: u64) -> Self {
        let StepInfo { name, what, macs, island } = step;
        Self { name, what, macs, best_us: nanos as f64 / 1e3, island }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.explain {
            writeln!(f, "{:>9} {:>8} {:>11}  step", "best us", "MAC/ns", "MACs")?;
            for row in &self.steps {
                let rate = row.macs as f64 / (row.best_us * 1e3).max(1.0);
                let Row { name, what, macs, best_us, .. } = row;
                writeln!(f, "{best_us:>9.1} {rate:>8.1} {macs:>11}  {what} [{name}]")?;
            }
        }
        let macs: u64 = self.steps.iter().map(|r| r.macs).sum();
        writeln!(
            f,
            "{} with {}: median {:.3} ms, best {:.3} ms of {} runs; {:.1} million multiply-adds, {} steps, {} KiB of \
             memory to work in",
            self.model,
            self.kernels,
            self.median_us / 1e3,
            self.best_us / 1e3,
            self.runs,
            macs as f64 / 1e6,
            self.steps.len(),
            self.arena_bytes / 1024,
        )?;
        let islands: Vec<&Row> = self.steps.iter().filter(|r| r.island).collect();
        if islands.is_empty() {
            return write!(f, "all of it runs in integers, without allocating");
        }
        write!(f, "in floats, through tract:")?;
        islands.iter().try_for_each(|row| write!(f, "\n  {}: {}", row.name, row.what))
    }
}
