//! The end of the demo: who got in, who did not and why, how fast, at what cost.
//!
//! Owns: the account. Does not own: the observations.
//! Invariant: every figure was measured in this run.

use std::fmt;
use std::fs;

use serde::Serialize;

use crate::app::pipeline::Summary;
use crate::domain::{DenyReason, Millis, PersonId};
use crate::store::Store;

use super::cast::Cast;

/// What was observed of a visitor.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The gate said yes.
    Granted(PersonId),
    /// The relay went on, so long after the first good frame.
    Admitted { took: Millis },
    /// The gate said no.
    Denied(DenyReason),
}

/// The account.
#[derive(Debug, Serialize)]
pub(super) struct Story {
    visitors: Vec<Line>,
    admitted_rightly: usize,
    kept_out_rightly: usize,
    kept_out_wrongly: usize,
    let_in_wrongly: usize,
    relay_median_ms: Option<u64>,
    relay_p95_ms: Option<u64>,
    frames_per_second: f64,
    looks_per_second: f64,
    frames_overtaken: u64,
    stage_ms: Vec<(String, f64)>,
    memory_peak_mib: Option<u64>,
    events: u64,
    #[serde(skip)]
    photographs: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    label: String,
    role: &'static str,
    outcome: String,
    relay_ms: Option<u64>,
    right: bool,
}

impl Story {
    pub(super) fn tell(cast: &Cast, observed: &[(usize, Outcome)], summary: &Summary, store: &Store) -> Self {
        let mut visitors = Vec::new();
        let mut times = Vec::new();
        let mut let_in_wrongly = 0;
        for (i, player) in cast.players.iter().enumerate() {
            let mine = || observed.iter().filter(move |(v, _)| *v == i).map(|(_, o)| o);
            let took = mine().find_map(|o| match o {
                Outcome::Admitted { took } => Some(took.0),
                Outcome::Granted(_) | Outcome::Denied(_) => None,
            });
            let granted_as = mine().find_map(|o| match o {
                Outcome::Granted(person) => Some(person.clone()),
                Outcome::Admitted { .. } | Outcome::Denied(_) => None,
            });
            let denied = mine().find_map(|o| match o {
                Outcome::Denied(reason) => Some(*reason),
                Outcome::Granted(_) | Outcome::Admitted { .. } => None,
            });
            let own_id: String = player.label.chars().filter(char::is_ascii_alphanumeric).collect();
            let as_self = granted_as.as_ref().is_some_and(|p| p.as_str() == own_id);
            let right = match (took, player.role.welcome()) {
                (Some(_), true) => as_self,
                (Some(_), false) => false,
                (None, welcome) => !welcome,
            };
            if took.is_some() && !right {
                let_in_wrongly += 1;
            }
            times.extend(took);
            let outcome = match (&granted_as, took, denied) {
                (Some(person), Some(_), _) => format!("let in as {person}"),
                (_, _, Some(reason)) => format!("kept out: {}", reason.name()),
                _ => "kept out: nothing was decided".to_owned(),
            };
            visitors.push(Line {
                label: player.label.clone(),
                role: player.role.name(),
                outcome,
                relay_ms: took,
                right,
            });
        }
        times.sort_unstable();
        let seconds = summary.lasted.0.max(1) as f64 / 1e3;
        let count = |admitted: bool, right: bool| {
            visitors.iter().filter(|l| l.relay_ms.is_some() == admitted && l.right == right).count()
        };
        Self {
            admitted_rightly: count(true, true),
            kept_out_rightly: count(false, true),
            kept_out_wrongly: count(false, false),
            let_in_wrongly,
            relay_median_ms: quantile(&times, 0.5),
            relay_p95_ms: quantile(&times, 0.95),
            frames_per_second: summary.frames as f64 / seconds,
            looks_per_second: summary.looks as f64 / seconds,
            frames_overtaken: summary.overwritten,
            stage_ms: summary.times.medians_ms().map(|(name, ms)| (name.to_owned(), ms)).collect(),
            memory_peak_mib: peak_memory(),
            events: store.counts().events,
            visitors,
            photographs: cast.photographs,
        }
    }

    /// Whether nobody came in who should not.
    pub(super) const fn safe(&self) -> bool {
        self.let_in_wrongly == 0
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<34} {:<13} {:<38} relay after", "visitor", "is", "what happened")?;
        for line in &self.visitors {
            let mark = if line.right { "" } else { "  <- WRONG" };
            let took = line.relay_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
            writeln!(f, "{:<34} {:<13} {:<38} {took}{mark}", clip(&line.label), line.role, line.outcome)?;
        }
        writeln!(
            f,
            "\n{} let in rightly, {} kept out rightly, {} kept out wrongly, {} let in wrongly",
            self.admitted_rightly, self.kept_out_rightly, self.kept_out_wrongly, self.let_in_wrongly
        )?;
        if self.photographs && self.visitors.iter().any(|l| !l.right && l.outcome.ends_with("spoof")) {
            writeln!(
                f,
                "(what walks up here are moving photographs: that liveness takes some of them for attacks is its work)"
            )?;
        }
        if let (Some(median), Some(p95)) = (self.relay_median_ms, self.relay_p95_ms) {
            writeln!(f, "first good frame to relay: median {median} ms, p95 {p95} ms")?;
        }
        writeln!(
            f,
            "{:.1} frames/s captured, {:.1} looked at a second, {} overtaken by a newer one",
            self.frames_per_second, self.looks_per_second, self.frames_overtaken
        )?;
        let stages: Vec<_> = self.stage_ms.iter().map(|(name, ms)| format!("{name} {ms:.1}")).collect();
        writeln!(f, "median ms a stage: {}", stages.join(", "))?;
        if let Some(mib) = self.memory_peak_mib {
            writeln!(f, "{mib} MiB of memory at the most")?;
        }
        write!(f, "{} events in the journal", self.events)
    }
}

/// Nearest-rank quantile of a sorted list.
fn quantile(sorted: &[u64], q: f64) -> Option<u64> {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// The kernel's high-water mark of this process.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib: u64 =
        status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

fn clip(label: &str) -> String {
    if label.chars().count() <= 33 {
        label.to_owned()
    } else {
        label.chars().take(32).chain(['…']).collect()
    }
}
