//! Bouncing contacts made still.
//!
//! Owns: the level that each wire has held for the debounce time. Does not own: what a level means.
//! Invariants: a level counts only after it stood unchanged for the whole time; a wire that was never reported
//! is unknown, not inactive; time never runs backwards, whatever the stamps say.

use ostiary_domain::wires::{Input, InputEdge};
use ostiary_domain::{Millis, Mono};

/// Wires of a door.
const WIRES: [Input; 4] = [Input::Contact, Input::Rex, Input::Tamper, Input::Fire];

/// A level that has come to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of which wire.
    pub input: Input,
    /// The level.
    pub active: bool,
    /// When it began.
    pub since: Mono,
    /// Nothing was known of the wire before.
    pub first: bool,
}

/// All wires of the door.
#[derive(Clone, Debug)]
pub struct Debouncer {
    wires: [Wire; 4],
    span: Millis,
    time: Mono,
}

impl Debouncer {
    /// Wires of which nothing is known.
    #[must_use]
    pub fn new(span: Millis) -> Self {
        Self { wires: [Wire::default(); 4], span, time: Mono(0) }
    }

    /// Takes a raw change. Whatever came to stand before it is due: call [`Debouncer::due`] with
    /// [`Debouncer::stamp`] of the edge first.
    pub fn edge(&mut self, edge: InputEdge, now: Mono) {
        let at = self.stamp(edge, now);
        self.time = at;
        if let Some(wire) = self.wire(edge.input) {
            wire.edge(edge.active, at);
        }
    }

    /// The edge's time as it is believed: not before what is already known, not after now.
    #[must_use]
    pub fn stamp(&self, edge: InputEdge, now: Mono) -> Mono {
        edge.at.min(now).max(self.time)
    }

    /// The next change that has come to stand by `time`; call until `None`.
    pub fn due(&mut self, time: Mono) -> Option<Change> {
        self.time = self.time.max(time);
        let (span, time) = (self.span, self.time);
        self.wires.iter_mut().zip(WIRES).find_map(|(wire, input)| wire.due(time, span, input))
    }

    /// When the next change comes to stand if nothing else happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.wires.iter().filter_map(|w| w.pending).map(|(_, since)| since.after(self.span)).min()
    }

    fn wire(&mut self, input: Input) -> Option<&mut Wire> {
        self.wires.iter_mut().zip(WIRES).find(|(_, i)| *i == input).map(|(wire, _)| wire)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Wire {
    stable: Option<bool>,
    pending: Option<(bool, Mono)>,
}

impl Wire {
    fn edge(&mut self, active: bool, at: Mono) {
        match self.pending {
            // Reported twice: it has stood since the first report.
            Some((level, _)) if level == active => {}
            _ if self.stable == Some(active) => self.pending = None,
            _ => self.pending = Some((active, at)),
        }
    }

    fn due(&mut self, time: Mono, span: Millis, input: Input) -> Option<Change> {
        let (active, since) = self.pending?;
        if time < since.after(span) {
            return None;
        }
        let first = self.stable.is_none();
        (self.stable, self.pending) = (Some(active), None);
        Some(Change { input, active, since, first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rex(active: bool, at: u64) -> InputEdge {
        InputEdge { input: Input::Rex, active, at: Mono(at) }
    }

    fn fed(edges: &[(bool, u64)], until: u64) -> Vec<(bool, u64)> {
        let mut d = Debouncer::new(Millis(50));
        let mut seen = Vec::new();
        for (active, at) in edges {
            let edge = rex(*active, *at);
            // All are read late, in one go, as after a busy moment of the process.
            let time = d.stamp(edge, Mono(until));
            while let Some(change) = d.due(time) {
                seen.push((change.active, change.since.0));
            }
            d.edge(edge, Mono(until));
        }
        while let Some(change) = d.due(Mono(until)) {
            seen.push((change.active, change.since.0));
        }
        seen
    }

    #[test]
    fn a_level_counts_after_fifty_milliseconds() {
        assert_eq!(fed(&[(false, 0), (true, 100)], 149), [(false, 0)]);
        assert_eq!(fed(&[(false, 0), (true, 100)], 150), [(false, 0), (true, 100)]);
    }

    #[test]
    fn bouncing_counts_from_the_last_bounce() {
        let bounces = [(false, 0), (true, 100), (false, 110), (true, 120), (false, 130), (true, 140)];
        assert_eq!(fed(&bounces, 189), [(false, 0)]);
        assert_eq!(fed(&bounces, 190), [(false, 0), (true, 140)]);
    }

    #[test]
    fn a_spike_read_late_does_not_count_and_a_pulse_read_late_does() {
        assert_eq!(fed(&[(false, 0), (true, 100), (false, 110)], 1_000), [(false, 0)]);
        assert_eq!(
            fed(&[(false, 0), (true, 100), (false, 300)], 1_000),
            [(false, 0), (true, 100), (false, 300)]
        );
    }

    #[test]
    fn a_repeated_report_neither_counts_twice_nor_starts_anew() {
        assert_eq!(fed(&[(true, 0), (true, 40)], 50), [(true, 0)]);
        assert_eq!(fed(&[(true, 0), (true, 200), (true, 300)], 500), [(true, 0)]);
    }

    #[test]
    fn stamps_from_the_future_and_the_past_are_bent_into_line() {
        let mut d = Debouncer::new(Millis(50));
        d.edge(rex(true, 9_999), Mono(100));
        assert_eq!(d.deadline(), Some(Mono(150)));
        d.edge(rex(false, 3), Mono(110));
        assert_eq!(d.deadline(), Some(Mono(150)), "an unknown wire settles on what it was said to be last");
        assert_eq!(
            d.due(Mono(200)),
            Some(Change { input: Input::Rex, active: false, since: Mono(100), first: true })
        );
    }
}
