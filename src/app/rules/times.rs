//! Times and dates as people write them.
//!
//! Owns: `08:00-12:00`, `12-25`, `2026-12-25`, and instants with or without an offset. Does not own: schedules.
//! Invariant: what is read is in range, or an error that shows how to write it.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::compile::RulesError;
use crate::domain::rulebook::MAX_DOOR_MODES;
use crate::domain::schedule::{MAX_PERIODS, Periods};
use crate::domain::{Period, Utc};

const _: () = assert!(MAX_DOOR_MODES == 8, "the message of TooManyModes says eight");

/// Up to five periods of a day.
///
/// # Errors
/// `Period` for what is none, `TooMany` beyond five.
pub fn periods(texts: &[String]) -> Result<Periods, RulesError> {
    let mut all = Periods::new();
    for text in texts {
        let period = period(text).ok_or_else(|| RulesError::Period(text.clone()))?;
        let many = |_| RulesError::TooMany { what: "periods in a day", most: MAX_PERIODS };
        all.push(period).map_err(many)?;
    }
    Ok(all)
}

fn period(text: &str) -> Option<Period> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    // Midnight at the end of the day may be written either way.
    Period::new(from, if to == 0 { 1_440 } else { to })
}

/// `8:05` or `08:05`; `24:00` is midnight at the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, digits: core::ops::RangeInclusive<usize>| {
        let sound = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        sound.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour, 1..=2)?, number(minute, 2..=2)?);
    let sound = minute < 60 && (hour < 24 || (hour == 24 && minute == 0));
    sound.then_some(hour * 60 + minute)
}

/// A minute of the day as it is shown.
pub(super) fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Year where there is one, month, day; whether there is such a day is the holiday's to say.
///
/// # Errors
/// `Date` for anything else.
pub fn date(text: &str) -> Result<(Option<i16>, u8, u8), RulesError> {
    let wrong = || RulesError::Date(text.to_owned());
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str| part.parse::<u16>().map_err(|_| wrong());
    let small = |part: &str| part.parse::<u8>().map_err(|_| wrong());
    match parts.as_slice() {
        [month, day] => Ok((None, small(month)?, small(day)?)),
        [year, month, day] if year.len() == 4 => Ok((Some(number(year)? as i16), small(month)?, small(day)?)),
        _ => Err(wrong()),
    }
}

/// An instant with an offset, a local time, or a day (its first moment).
///
/// # Errors
/// `When` for anything else.
pub fn when(text: &str, zone: &TimeZone) -> Result<Utc, RulesError> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(Utc(instant.as_millisecond()));
    }
    let wrong = || RulesError::When(text.to_owned());
    let local = match text.parse::<DateTime>() {
        Ok(time) => time,
        Err(_) => text.parse::<Date>().map_err(|_| wrong())?.to_datetime(jiff::civil::Time::midnight()),
    };
    let zoned = local.to_zoned(zone.clone()).map_err(|_| wrong())?;
    Ok(Utc(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_as_people_write_them() {
        for (text, wanted) in [
            ("08:00-12:00", (480, 720)),
            ("8:05 - 9:00", (485, 540)),
            ("00:00-24:00", (0, 1_440)),
            ("18:00-00:00", (1_080, 1_440)),
            ("22:00-06:00", (1_320, 360)),
        ] {
            let read = periods(&[text.to_owned()]).unwrap();
            assert_eq!((read[0].from(), read[0].to()), wanted, "{text}");
        }
        for bad in
            ["", "08:00", "8-12", "08:60-09:00", "24:01-25:00", "08:00-08:00", "0800-0900", "+8:00-9:00"]
        {
            assert!(periods(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
        assert!(periods(&vec!["08:00-09:00".to_owned(); 6]).is_err());
    }

    #[test]
    fn dates_and_instants() {
        assert_eq!(date("12-25").unwrap(), (None, 12, 25));
        assert_eq!(date("2026-12-25").unwrap(), (Some(2026), 12, 25));
        for bad in ["", "12", "26-12-25", "2026-12-25-1", "a-b", "12-999"] {
            assert!(date(bad).is_err(), "{bad:?}");
        }
        let zone = super::super::named("Europe/Zurich").unwrap();
        assert_eq!(when("2026-11-21T08:00:00Z", &zone).unwrap(), when("2026-11-21T09:00", &zone).unwrap());
        assert_eq!(when("2026-07-01", &zone).unwrap(), when("2026-06-30T22:00:00Z", &zone).unwrap());
        assert!(when("tomorrow", &zone).is_err());
    }
}
