//! From lines to shifts, from shifts to days and months.
//!
//! Owns: the pairing. Does not own: forms of export.
//! Invariants: a line that was taken back counts nothing; a way in without a way out, or the other way round, makes an
//! incomplete shift that counts no time; nobody works longer than sixteen hours at a stretch.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::domain::attendance::LONGEST_SHIFT_S;
use crate::domain::{PunchKind, Utc};
use crate::store::PunchLine;

/// Days asked for, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub from: Date,
    /// The last.
    pub until: Date,
}

impl Range {
    /// The first instant whose lines matter: somebody may have come in the evening before.
    #[must_use]
    pub fn since(&self, zone: &TimeZone) -> Utc {
        let start = instant(self.from, zone).unwrap_or(Timestamp::MIN);
        Utc(start.as_millisecond().saturating_sub(i64::from(LONGEST_SHIFT_S) * 1_000))
    }

    /// Whether an instant lies on one of the days.
    #[must_use]
    pub fn holds(&self, at: Utc, zone: &TimeZone) -> bool {
        local_date(at, zone).is_some_and(|day| self.from <= day && day <= self.until)
    }
}

/// Punches and totals of some days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// The first day.
    pub from: String,
    /// The last day.
    pub until: String,
    /// Whose clocks count.
    pub time_zone: String,
    /// By person, then by day.
    pub days: Vec<Day>,
    /// Totals by person over all these days.
    pub totals: Vec<Month>,
}

/// One person's day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Who.
    pub person: String,
    /// `2026-11-21`.
    pub date: String,
    /// The first way in, local time with offset.
    pub first_in: Option<String>,
    /// The last way out.
    pub last_out: Option<String>,
    /// Seconds from the first way in to the last way out, whatever lay between.
    pub span_s: i64,
    /// Seconds at work, breaks and overtime apart.
    pub worked_s: i64,
    /// Seconds of breaks.
    pub break_s: i64,
    /// Seconds of overtime.
    pub overtime_s: i64,
    /// Every shift that began that day.
    pub shifts: Vec<Shift>,
}

/// From a way in to a way out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// When it began; `None` for a way out without a way in.
    pub from: Option<String>,
    /// When it ended; `None` while it lasts, or where the way out is missing.
    pub until: Option<String>,
    /// Seconds at work.
    pub worked_s: i64,
    /// Seconds of breaks.
    pub break_s: i64,
    /// Whether it is overtime.
    pub overtime: bool,
    /// What is wrong with it.
    pub flaw: Option<ShiftFlaw>,
}

/// What is wrong with a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftFlaw {
    /// Nobody came in.
    NoWayIn,
    /// Nobody went out, or not yet.
    NoWayOut,
    /// A clock that was not believed.
    Clock,
}

/// One person's total.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Month {
    /// Who.
    pub person: String,
    /// Days with at least one punch.
    pub days: u32,
    /// Seconds at work.
    pub worked_s: i64,
    /// Seconds of breaks.
    pub break_s: i64,
    /// Seconds of overtime.
    pub overtime_s: i64,
    /// Shifts with something wrong.
    pub flaws: u32,
}

/// The lines that count, in the order of time: not taken back, and saying something.
#[must_use]
pub fn effective(lines: &[PunchLine]) -> Vec<&PunchLine> {
    let void: HashSet<u64> = lines.iter().filter_map(|l| l.voids).collect();
    let mut out: Vec<&PunchLine> =
        lines.iter().filter(|l| l.kind.is_some() && !void.contains(&l.number)).collect();
    out.sort_by(|a, b| (&a.person, a.at, a.number).cmp(&(&b.person, b.at, b.number)));
    out
}

/// Days and totals. `lines`: all written since [`Range::since`].
#[must_use]
pub fn sheet(lines: &[PunchLine], range: Range, zone: &TimeZone) -> Sheet {
    let mut days: BTreeMap<(String, Date), Day> = BTreeMap::new();
    let counting = effective(lines);
    let people: Vec<&[&PunchLine]> = counting.chunk_by(|a, b| a.person == b.person).collect();
    for own in people {
        for built in shifts(own) {
            let began = built.from.or(built.until).unwrap_or_default();
            let Some(date) = local_date(began, zone).filter(|d| range.from <= *d && *d <= range.until) else {
                continue;
            };
            let person = own[0].person.to_string();
            let day = days.entry((person.clone(), date)).or_insert_with(|| Day {
                person,
                date: date.to_string(),
                ..Day::default()
            });
            day.add(&built, zone);
        }
    }
    let mut sheet = Sheet {
        from: range.from.to_string(),
        until: range.until.to_string(),
        time_zone: zone.iana_name().unwrap_or("local").to_owned(),
        days: days.into_values().collect(),
        totals: Vec::new(),
    };
    for day in &sheet.days {
        if sheet.totals.last().is_none_or(|t| t.person != day.person) {
            sheet.totals.push(Month { person: day.person.clone(), ..Month::default() });
        }
        if let Some(total) = sheet.totals.last_mut() {
            total.days += 1;
            total.worked_s += day.worked_s;
            total.break_s += day.break_s;
            total.overtime_s += day.overtime_s;
            total.flaws += day.shifts.iter().filter(|s| s.flaw.is_some()).count() as u32;
        }
    }
    sheet
}

/// A shift in instants.
#[derive(Clone, Copy, Debug, Default)]
struct Built {
    from: Option<Utc>,
    until: Option<Utc>,
    worked_ms: i64,
    break_ms: i64,
    overtime: bool,
    flaw: Option<ShiftFlaw>,
}

/// One that is going on.
#[derive(Clone, Copy, Debug)]
struct Running {
    from: Utc,
    /// Since when at work, or in a break.
    since: Utc,
    in_break: bool,
    worked_ms: i64,
    break_ms: i64,
    overtime: bool,
    doubtful: bool,
}

impl Running {
    fn begin(line: &PunchLine, overtime: bool) -> Self {
        Self {
            from: line.at,
            since: line.at,
            in_break: false,
            worked_ms: 0,
            break_ms: 0,
            overtime,
            doubtful: doubtful(line),
        }
    }

    const fn turn(&mut self, at: Utc, in_break: bool) {
        let ms = at.0 - self.since.0;
        if self.in_break {
            self.break_ms += ms;
        } else {
            self.worked_ms += ms;
        }
        (self.since, self.in_break) = (at, in_break);
    }

    /// The way out is missing: nothing of it counts.
    fn left(self) -> Built {
        let flaw = Some(ShiftFlaw::NoWayOut);
        Built { from: Some(self.from), overtime: self.overtime, flaw, ..Built::default() }
    }

    fn done(mut self, at: Utc) -> Built {
        self.turn(at, false);
        Built {
            from: Some(self.from),
            until: Some(at),
            worked_ms: self.worked_ms,
            break_ms: self.break_ms,
            overtime: self.overtime,
            flaw: self.doubtful.then_some(ShiftFlaw::Clock),
        }
    }
}

fn doubtful(line: &PunchLine) -> bool {
    line.trust == crate::domain::ClockTrust::Untrusted
}

/// One person's lines, in the order of time, as shifts.
fn shifts(lines: &[&PunchLine]) -> Vec<Built> {
    let mut out = Vec::new();
    let mut running: Option<Running> = None;
    for line in lines {
        let Some(kind) = line.kind else { continue };
        let too_long = |r: &Running| line.at.0 - r.from.0 > i64::from(LONGEST_SHIFT_S) * 1_000;
        if let Some(old) = running.take_if(|r| too_long(r)) {
            out.push(old.left());
        }
        match (kind, &mut running) {
            (PunchKind::BreakIn, Some(shift)) if shift.in_break => shift.turn(line.at, false),
            (PunchKind::BreakOut, Some(shift)) if !shift.in_break => shift.turn(line.at, true),
            // Said twice: the break or the work goes on.
            (PunchKind::BreakIn | PunchKind::BreakOut, Some(_)) => {}
            (PunchKind::CheckIn | PunchKind::OvertimeIn | PunchKind::BreakIn, _) => {
                // Overtime after work ends the work; a second way in means that the way out is missing.
                let overtime = kind == PunchKind::OvertimeIn;
                if let Some(old) = running.take() {
                    out.push(if overtime && !old.overtime { old.done(line.at) } else { old.left() });
                }
                running = Some(Running::begin(line, overtime));
            }
            (PunchKind::CheckOut | PunchKind::OvertimeOut, Some(_)) => {
                if let Some(mut shift) = running.take() {
                    shift.doubtful |= doubtful(line);
                    out.push(shift.done(line.at));
                }
            }
            (PunchKind::CheckOut | PunchKind::OvertimeOut | PunchKind::BreakOut, None) => {
                let flaw = Some(ShiftFlaw::NoWayIn);
                out.push(Built { until: Some(line.at), flaw, ..Built::default() });
            }
        }
    }
    out.extend(running.map(Running::left));
    out
}

impl Day {
    fn add(&mut self, built: &Built, zone: &TimeZone) {
        let text = |at: Option<Utc>| at.map(|at| local(at, zone));
        let s = |ms: i64| ms / 1_000;
        if self.first_in.is_none() {
            self.first_in = text(built.from);
        }
        if built.until.is_some() {
            self.last_out = text(built.until);
        }
        if built.overtime {
            self.overtime_s += s(built.worked_ms);
        } else {
            self.worked_s += s(built.worked_ms);
        }
        self.break_s += s(built.break_ms);
        self.shifts.push(Shift {
            from: text(built.from),
            until: text(built.until),
            worked_s: s(built.worked_ms),
            break_s: s(built.break_ms),
            overtime: built.overtime,
            flaw: built.flaw,
        });
        let read = |t: &Option<String>| t.as_deref().and_then(|t| t.parse::<Timestamp>().ok());
        if let (Some(first), Some(last)) = (read(&self.first_in), read(&self.last_out)) {
            self.span_s = (last.as_second() - first.as_second()).max(0);
        }
    }
}

/// Local time with its offset, to the second.
pub(super) fn local(at: Utc, zone: &TimeZone) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(
        |_| "unknown".to_owned(),
        |t| t.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
    )
}

fn local_date(at: Utc, zone: &TimeZone) -> Option<Date> {
    Timestamp::from_millisecond(at.0).ok().map(|t| t.to_zoned(zone.clone()).date())
}

fn instant(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    day.to_zoned(zone.clone()).ok().map(|z| z.timestamp())
}

impl Range {
    /// One day, a month, or from a day to another. `today` where nothing is said.
    #[must_use]
    pub fn read(from: Option<&str>, until: Option<&str>, today: Date) -> Option<Self> {
        let month = |text: &str| format!("{text}-01").parse::<Date>().ok().filter(|_| text.len() == 7);
        let last = |first: Date| first.checked_add(1.month()).ok()?.yesterday().ok();
        let (first, end) = match from {
            None => (today, today),
            Some(text) => {
                if let Some(first) = month(text) {
                    (first, last(first)?)
                } else {
                    let day = text.parse().ok()?;
                    (day, day)
                }
            }
        };
        let until = match until {
            None => end,
            Some(text) => match month(text) {
                Some(first) => last(first)?,
                None => text.parse().ok()?,
            },
        };
        (first <= until).then_some(Self { from: first, until })
    }
}

/// `7:30` for seven and a half hours.
struct Hours(i64);

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{:02}", self.0 / 3_600, self.0 / 60 % 60))
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock =
            |t: &Option<String>| t.as_deref().map_or("--:--", |t| t.get(11..16).unwrap_or(t)).to_owned();
        writeln!(f, "{} to {} ({})", self.from, self.until, self.time_zone)?;
        for day in &self.days {
            let flaws: Vec<&str> = day
                .shifts
                .iter()
                .filter_map(|s| s.flaw)
                .map(|flaw| match flaw {
                    ShiftFlaw::NoWayIn => "no way in",
                    ShiftFlaw::NoWayOut => "no way out",
                    ShiftFlaw::Clock => "clock not believed",
                })
                .collect();
            let (first, last) = (clock(&day.first_in), clock(&day.last_out));
            writeln!(
                f,
                "{}  {:<24} {first} to {last}  worked {:>6}  break {:>5}  overtime {:>5}  {}",
                day.date,
                day.person,
                Hours(day.worked_s),
                Hours(day.break_s),
                Hours(day.overtime_s),
                flaws.join(", ")
            )?;
        }
        for total in &self.totals {
            writeln!(
                f,
                "total       {:<24} {:>3} days        worked {:>6}  break {:>5}  overtime {:>5}",
                total.person,
                total.days,
                Hours(total.worked_s),
                Hours(total.break_s),
                Hours(total.overtime_s)
            )?;
        }
        write!(f, "{} people", self.totals.len())
    }
}

#[cfg(test)]
mod tests;
