//! The book in the forms that others read: CSV for spreadsheets, JSON, the check-ins of `ERPNext`.
//!
//! Owns: columns and fields. Does not own: which lines.
//! Invariants: CSV and JSON hold every line, also those taken back, so that nothing that was corrected is hidden;
//! `ERPNext` gets what counts; no cell begins a formula.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::sheet::{effective, local};
use crate::domain::{ClockTrust, PunchKind};
use crate::store::PunchLine;

/// RFC 4180 with a header; lines end in CR LF.
#[must_use]
pub fn csv(lines: &[PunchLine], zone: &TimeZone) -> String {
    let mut out = String::from(
        "number,person,time,local_time,kind,job,source,takes_back,taken_back,by,why,clock,door\r\n",
    );
    for line in rows(lines, zone) {
        let taken_back = if line.taken_back { "yes" } else { "" };
        let takes_back = line.takes_back.map_or_else(String::new, |n| n.to_string());
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            "{},{},{},{},{},{},{},{takes_back},{taken_back},{},{},{},{}\r\n",
            line.number,
            cell(&line.person),
            line.time,
            line.local_time,
            line.kind.as_deref().unwrap_or(""),
            line.job,
            line.source,
            cell(&line.by),
            cell(&line.why),
            line.clock,
            line.door
        );
    }
    out
}

/// An array of objects.
#[must_use]
pub fn json(lines: &[PunchLine], zone: &TimeZone) -> String {
    // Strings and numbers always have a JSON form.
    serde_json::to_string_pretty(&rows(lines, zone)).unwrap_or_default()
}

/// `ERPNext` (Frappe HR): one object a check-in, as `add_log_based_on_employee_field` takes it. Breaks are check-ins
/// and check-outs there.
#[must_use]
pub fn erpnext(lines: &[PunchLine], zone: &TimeZone) -> String {
    let all: Vec<CheckIn> = effective(lines)
        .into_iter()
        .filter_map(|line| {
            let kind = line.kind?;
            let text = local(line.at, zone);
            Some(CheckIn {
                employee_field_value: line.person.to_string(),
                // Site time without an offset, as the form there has it.
                timestamp: text.get(..19).unwrap_or(&text).replace('T', " "),
                device_id: format!("door-{}", line.door.0),
                log_type: if kind.is_in() { "IN" } else { "OUT" },
            })
        })
        .collect();
    serde_json::to_string_pretty(&all).unwrap_or_default()
}

#[derive(Serialize)]
struct CheckIn {
    employee_field_value: String,
    timestamp: String,
    device_id: String,
    log_type: &'static str,
}

#[derive(Serialize, Deserialize)]
struct Row {
    number: u64,
    person: String,
    time: String,
    local_time: String,
    kind: Option<String>,
    job: u16,
    source: String,
    takes_back: Option<u64>,
    taken_back: bool,
    by: String,
    why: String,
    clock: String,
    door: u8,
}

fn rows(lines: &[PunchLine], zone: &TimeZone) -> Vec<Row> {
    let counting: std::collections::HashSet<u64> = effective(lines).iter().map(|l| l.number).collect();
    lines
        .iter()
        .map(|line| Row {
            number: line.number,
            person: line.person.to_string(),
            time: local(line.at, &TimeZone::UTC).replace("+00:00", "Z"),
            local_time: local(line.at, zone),
            kind: line.kind.map(PunchKind::name).map(str::to_owned),
            job: line.job,
            source: line.source.name().to_owned(),
            takes_back: line.voids,
            taken_back: line.kind.is_some() && !counting.contains(&line.number),
            by: line.by.clone(),
            why: line.why.clone(),
            clock: match line.trust {
                ClockTrust::Trusted => "trusted",
                ClockTrust::Untrusted => "untrusted",
            }
            .to_owned(),
            door: line.door.0,
        })
        .collect()
}

/// A text cell: quoted where it must be, and never the beginning of a formula.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DoorId, PunchSource, Utc};

    fn lines() -> Vec<PunchLine> {
        let line = PunchLine {
            number: 1,
            person: "anna".parse().unwrap(),
            at: Utc(1_795_158_000_000),
            trust: ClockTrust::Trusted,
            kind: Some(PunchKind::CheckIn),
            job: 7,
            source: PunchSource::Face,
            voids: None,
            by: String::new(),
            why: String::new(),
            written: Utc(1_795_158_000_000),
            door: DoorId(1),
        };
        let fix = PunchLine {
            number: 2,
            kind: Some(PunchKind::BreakOut),
            source: PunchSource::Manual,
            voids: Some(1),
            by: "office".into(),
            why: "=HYPERLINK(\"x\"), sorry".into(),
            ..line.clone()
        };
        vec![line, fix]
    }

    #[test]
    fn a_spreadsheet_gets_every_line_and_no_formula() {
        let zone = crate::app::rules::named("Europe/Zurich").unwrap();
        let text = csv(&lines(), &zone);
        let rows: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            rows[1],
            "1,anna,2026-11-20T07:00:00Z,2026-11-20T08:00:00+01:00,check_in,7,face,,yes,,,trusted,1"
        );
        assert!(rows[2].contains(",1,,office,\"'=HYPERLINK(\"\"x\"\"), sorry\",trusted,1"), "{}", rows[2]);
        assert_eq!(rows.len(), 4);
        assert!(json(&lines(), &zone).contains("\"takes_back\": 1"));
    }

    #[test]
    fn erpnext_gets_what_counts_in_its_own_words() {
        let zone = crate::app::rules::named("Europe/Zurich").unwrap();
        let text = erpnext(&lines(), &zone);
        let all: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(all.as_array().map(Vec::len), Some(1));
        assert_eq!(all[0]["log_type"], "OUT");
        assert_eq!(all[0]["timestamp"], "2026-11-20 08:00:00");
        assert_eq!(all[0]["employee_field_value"], "anna");
    }
}
