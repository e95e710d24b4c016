//! The wall clock in words.
//!
//! Owns: how time and date are written. Does not own: any clock; the screen carries its time.
//! Invariant: a time outside the calendar gives nothing rather than a wrong hour.

use core::fmt::Write as _;

use heapless::String;

use super::RenderOptions;
use super::words::Language;
use ostiary_domain::Utc;

/// A time ready to be shown.
pub(super) struct Reading {
    /// `9:41`, `21:05`, `9:05 pm`.
    pub(super) time: String<12>,
    /// `Saturday, 21 November`, as the language writes it.
    pub(super) date: String<64>,
}

/// Reads a moment at the door's place; `None` outside the calendar.
pub(super) fn read(moment: Utc, options: &RenderOptions) -> Option<Reading> {
    let here = jiff::Timestamp::from_millisecond(moment.0).ok()?.to_zoned(options.time_zone.clone());
    let (hour, minute) = (here.hour(), here.minute());
    let mut time = String::new();
    if options.twelve_hours {
        let half = if hour < 12 { "am" } else { "pm" };
        let hour = (hour + 11) % 12 + 1;
        write!(time, "{hour}:{minute:02} {half}").ok()?;
    } else {
        write!(time, "{hour:02}:{minute:02}").ok()?;
    }
    let language = options.language;
    let weekday = language.weekday(usize::try_from(here.weekday().to_monday_zero_offset()).ok()?);
    let month = language.month(usize::try_from(here.month() - 1).ok()?);
    let day = here.day();
    let mut date = String::new();
    match language {
        Language::English | Language::French | Language::Arabic => write!(date, "{weekday} {day} {month}"),
        Language::German => write!(date, "{weekday}, {day}. {month}"),
        Language::Spanish => write!(date, "{weekday}, {day} de {month}"),
        Language::Chinese => write!(date, "{month}{day}日 {weekday}"),
    }
    .ok()?;
    Some(Reading { time, date })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(moment: i64, options: &RenderOptions) -> Option<(std::string::String, std::string::String)> {
        read(Utc(moment), options).map(|r| (r.time.as_str().to_owned(), r.date.as_str().to_owned()))
    }

    #[test]
    fn the_door_s_zone_and_language_are_used() {
        // 2026-11-21T08:41:00Z
        let moment = 1_795_250_460_000;
        let mut options = RenderOptions::default();
        assert_eq!(at(moment, &options), Some(("08:41".into(), "Saturday 21 November".into())));
        options.language = Language::German;
        options.time_zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(at(moment, &options), Some(("09:41".into(), "Samstag, 21. November".into())));
        options.twelve_hours = true;
        assert_eq!(at(moment, &options).unwrap().0, "9:41 am");
        assert_eq!(at(moment + 12 * 3_600_000, &options).unwrap().0, "9:41 pm");
    }

    #[test]
    fn a_moment_outside_the_calendar_is_no_time() {
        assert!(read(Utc(i64::MAX), &RenderOptions::default()).is_none());
        assert!(read(Utc(i64::MIN), &RenderOptions::default()).is_none());
    }
}
