//! Figures for Prometheus (text format 0.0.4).
//!
//! Owns: the server's own counts and the text. Does not own: the door's figures (`wire::Status`).
//! Invariant: no name, no id, no address in a label.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::wire::Status;

/// The server's own counts.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    by_class: [AtomicU64; 6],
    limited: AtomicU64,
    micros: AtomicU64,
}

impl Metrics {
    /// A request ended with that status after so many milliseconds.
    pub(super) fn count(&self, status: u16, took_ms: u64) {
        self.by_class[usize::from(status / 100).min(5)].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(took_ms * 1_000, Ordering::Relaxed);
        if status == 429 {
            self.limited.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The page.
    pub(super) fn page(&self, status: &Status) -> String {
        let mut out = String::with_capacity(4_096);
        let mut put = |name: &str, kind: &str, help: &str, value: f64| {
            // Writing into a String cannot fail.
            let _ = writeln!(
                out,
                "# HELP ostiary_{name} {help}\n# TYPE ostiary_{name} {kind}\nostiary_{name} {value}"
            );
        };
        put("people", "gauge", "People enrolled.", status.people as f64);
        put("templates", "gauge", "Templates that are searched.", status.templates as f64);
        put("gallery_revision", "counter", "Changes of people and templates.", status.revision as f64);
        put("threshold_cosine", "gauge", "Threshold in force.", f64::from(status.threshold));
        put(
            "expected_fpir",
            "gauge",
            "False identifications a look of a stranger expected at this size.",
            status.expected_fpir,
        );
        put("events_queued", "gauge", "Events that nobody confirmed yet.", status.queued as f64);
        put("events_lost_total", "counter", "Events dropped before they were confirmed.", status.lost as f64);
        put("gallery_file_bytes", "gauge", "Size of the gallery's file.", status.file_bytes as f64);
        put(
            "clock_trusted",
            "gauge",
            "Whether the wall clock may be believed.",
            f64::from(u8::from(status.clock == "trusted")),
        );
        if let Some(door) = &status.door {
            put(
                "relay_energised",
                "gauge",
                "Whether the relay is energised.",
                f64::from(u8::from(door.relay)),
            );
            put("frames_total", "counter", "Frames captured.", door.frames as f64);
            put("looks_total", "counter", "Frames looked at.", door.looks as f64);
            put(
                "frames_overwritten_total",
                "counter",
                "Frames overtaken by a newer one.",
                door.overwritten as f64,
            );
            put(
                "camera_ok",
                "gauge",
                "Whether the camera delivers.",
                f64::from(u8::from(door.camera_fault.is_none())),
            );
            put(
                "journal_ok",
                "gauge",
                "Whether the disk takes events.",
                f64::from(u8::from(door.journal_ok)),
            );
        }
        put(
            "http_limited_total",
            "counter",
            "Requests refused because there were too many.",
            self.limited.load(Ordering::Relaxed) as f64,
        );
        put(
            "http_seconds_total",
            "counter",
            "Time spent on requests.",
            self.micros.load(Ordering::Relaxed) as f64 / 1e6,
        );
        let _ = writeln!(
            out,
            "# HELP ostiary_http_requests_total Requests by class of status.\n# TYPE ostiary_http_requests_total counter"
        );
        for class in 1..=5 {
            let count = self.by_class[class].load(Ordering::Relaxed);
            let _ = writeln!(out, "ostiary_http_requests_total{{class=\"{class}xx\"}} {count}");
        }
        out
    }
}
