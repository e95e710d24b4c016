//! Local time for the core: an offset, its next change, and how long that holds.
//!
//! Owns: reading the zone data inside the program. Does not own: the calendar (`domain::calendar`).
//! Invariants: no file of the machine is needed; a span holds one change at most, so the core is right to the instant.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::compile::RulesError;
use crate::domain::{Utc, Zone};

/// Longest span handed to the core.
const SPAN: SignedDuration = SignedDuration::from_hours(24 * 30);

/// The zone of that name, from the data inside the program.
///
/// # Errors
/// `Zone` where there is none of that name.
pub fn named(name: &str) -> Result<TimeZone, RulesError> {
    TimeZoneDatabase::bundled().get(name).map_err(|_| RulesError::Zone(name.to_owned()))
}

/// The offset around an instant. Outside the calendar: nothing is said of any time.
#[must_use]
pub fn span(zone: &TimeZone, at: Utc) -> Zone {
    let Ok(now) = Timestamp::from_millisecond(at.0) else {
        return Zone { from: Utc(0), until: Utc(0), offset_s: 0, change: None };
    };
    let utc = |t: Timestamp| Utc(t.as_millisecond());
    let latest = now.saturating_add(SPAN).unwrap_or(Timestamp::MAX);
    let earliest = now.saturating_sub(SPAN).unwrap_or(Timestamp::MIN);
    let mut ahead = zone.following(now).take_while(|t| t.timestamp() <= latest);
    let change = ahead.next();
    let until = ahead.next().map_or(latest, |t| t.timestamp());
    let before = zone.preceding(now).next().map(|t| t.timestamp()).filter(|t| *t > earliest);
    // An instant of a change is preceded by earlier ones alone.
    let from = if zone_changes_at(zone, now) { now } else { before.unwrap_or(earliest) };
    Zone {
        from: utc(from),
        until: utc(until),
        offset_s: zone.to_offset(now).seconds(),
        change: change.map(|t| (utc(t.timestamp()), t.offset().seconds())),
    }
}

fn zone_changes_at(zone: &TimeZone, now: Timestamp) -> bool {
    let just_before = now.saturating_sub(SignedDuration::from_millis(1)).unwrap_or(now);
    zone.to_offset(just_before) != zone.to_offset(now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZONES: [&str; 8] = [
        "Europe/Zurich",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "Africa/Casablanca",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "UTC",
    ];

    #[test]
    fn a_zone_that_is_not_there_is_named() {
        assert!(named("Europe/Zürich").unwrap_err().to_string().contains("Europe/Zürich"));
        assert!(named("Europe/Zurich").is_ok());
    }

    proptest! {
        /// Local time in the core is that of the library, at the edge of a span, at and around every change.
        #[test]
        fn the_core_reads_the_clock_on_the_wall(
            which in 0_usize..ZONES.len(),
            seconds in 0_i64..4_000_000_000,
            ahead in prop::collection::vec(-2_600_000_000_i64..2_600_000_000, 8),
        ) {
            let zone = named(ZONES[which]).unwrap();
            let at = Utc(seconds * 1_000);
            let span = span(&zone, at);
            prop_assert!(span.covers(at));
            let near = span.change.map(|(t, _)| [t.0 - 1, t.0, t.0 + 1]);
            let times = ahead.iter().map(|ms| at.0 + ms).chain([at.0, span.from.0, span.until.0 - 1]);
            for ms in times.chain(near.into_iter().flatten()) {
                let Some(local) = span.local(Utc(ms)) else {
                    prop_assert!(!span.covers(Utc(ms)));
                    continue;
                };
                let wall = Timestamp::from_millisecond(ms).unwrap().to_zoned(zone.clone());
                let (y, m, d) = local.day.date();
                prop_assert_eq!(
                    (y, m, d, i32::from(local.minute)),
                    (
                        i32::from(wall.year()),
                        wall.month() as u8,
                        wall.day() as u8,
                        i32::from(wall.hour()) * 60 + i32::from(wall.minute())
                    )
                );
            }
        }
    }
}
