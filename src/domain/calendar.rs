//! Local time without a time-zone library: days counted, weekdays, and an offset that changes at a known instant.
//!
//! Owns: the arithmetic of the Gregorian calendar and the reading of a wall clock in local time. Does not own:
//! which offset a place has when; that is worked out outside the core from zone data and handed in as a [`Zone`].
//! Invariants: a [`Zone`] answers only for the span it was made for; nothing here overflows on any input.

use super::time::Utc;

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 1_440;
const DAY_MS: i64 = 86_400_000;

/// A weekday; Monday is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// All seven, from Monday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// Its name in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }
}

/// A day, counted from 1970-01-01 (0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub i32);

impl Day {
    /// The day of that date; `None` where there is no such date. Years -9999 to 9999.
    ///
    /// The count follows the 400-year cycle of the Gregorian calendar, years begun in March so that the leap day
    /// is the last of its year.
    #[must_use]
    pub const fn of(year: i32, month: u8, day: u8) -> Option<Self> {
        if year < -9_999 || year > 9_999 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) {
            return None;
        }
        let march_year = if month <= 2 { year - 1 } else { year };
        let cycle = march_year.div_euclid(400);
        let of_cycle = march_year.rem_euclid(400);
        let march_month = (month as i32 + 9) % 12;
        let of_year = (153 * march_month + 2) / 5 + day as i32 - 1;
        let in_cycle = of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year;
        Some(Self(cycle * 146_097 + in_cycle - 719_468))
    }

    /// Year, month (1 to 12) and day (1 to 31).
    #[must_use]
    pub const fn date(self) -> (i32, u8, u8) {
        let z = self.0.saturating_add(719_468);
        let cycle = z.div_euclid(146_097);
        let in_cycle = z.rem_euclid(146_097);
        let of_cycle = (in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
        let of_year = in_cycle - (365 * of_cycle + of_cycle / 4 - of_cycle / 100);
        let march_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = of_cycle + cycle * 400;
        (if month <= 2 { year + 1 } else { year }, month as u8, day as u8)
    }

    /// Its weekday.
    #[must_use]
    pub const fn weekday(self) -> Weekday {
        // 1970-01-01 was a Thursday.
        Weekday::ALL[(self.0 as i64 + 3).rem_euclid(7) as usize]
    }

    /// The day before.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// Days of a month; 0 where there is no such month.
#[must_use]
pub const fn days_in(year: i32, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

/// What a clock on the wall shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Local {
    /// The day.
    pub day: Day,
    /// Minutes since midnight as shown, 0 to 1,439: the hour that a change of time skips never comes, the one it
    /// repeats comes twice.
    pub minute: u16,
}

/// The offset of a place from UTC over a span of time, with the one change that may lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Answers from here on.
    pub from: Utc,
    /// Answers before this.
    pub until: Utc,
    /// Seconds to be added to UTC at `from`.
    pub offset_s: i32,
    /// From this instant on another number of seconds is added.
    pub change: Option<(Utc, i32)>,
}

impl Zone {
    /// UTC, for ever.
    pub const UTC: Self = Self { from: Utc(i64::MIN), until: Utc(i64::MAX), offset_s: 0, change: None };

    /// Whether it answers for that instant.
    #[must_use]
    pub const fn covers(&self, at: Utc) -> bool {
        self.from.0 <= at.0 && at.0 < self.until.0
    }

    /// Seconds to be added to UTC at that instant.
    #[must_use]
    pub const fn offset_at(&self, at: Utc) -> i32 {
        match self.change {
            Some((from, offset)) if at.0 >= from.0 => offset,
            Some(_) | None => self.offset_s,
        }
    }

    /// What a clock on the wall shows; `None` outside the span.
    #[must_use]
    pub const fn local(&self, at: Utc) -> Option<Local> {
        if !self.covers(at) {
            return None;
        }
        let ms = at.0.saturating_add(self.offset_at(at) as i64 * 1_000);
        let day = ms.div_euclid(DAY_MS);
        if day < i32::MIN as i64 || day > i32::MAX as i64 {
            return None;
        }
        Some(Local { day: Day(day as i32), minute: (ms.rem_euclid(DAY_MS) / 60_000) as u16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_is_the_library_s() {
        let mut date = jiff::civil::date(1900, 1, 1);
        let mut day = Day::of(1900, 1, 1).unwrap();
        for _ in 0..146_097 {
            let (y, m, d) = day.date();
            assert_eq!((y, m, d), (i32::from(date.year()), date.month() as u8, date.day() as u8));
            assert_eq!(Day::of(y, m, d), Some(day));
            assert_eq!(day.weekday() as i8, date.weekday().to_monday_zero_offset());
            day = Day(day.0 + 1);
            date = date.tomorrow().unwrap();
        }
    }

    #[test]
    fn there_is_no_such_date() {
        for (y, m, d) in
            [(2027, 2, 29), (2100, 2, 29), (2026, 13, 1), (2026, 0, 1), (2026, 4, 31), (2026, 1, 0)]
        {
            assert_eq!(Day::of(y, m, d), None);
        }
        assert!(Day::of(2028, 2, 29).is_some() && Day::of(2000, 2, 29).is_some());
        assert_eq!(Day::of(1970, 1, 1), Some(Day(0)));
    }

    #[test]
    fn a_zone_answers_for_its_span_and_changes_at_the_instant() {
        let zone = Zone {
            from: Utc(0),
            until: Utc(10 * DAY_MS),
            offset_s: 3_600,
            change: Some((Utc(DAY_MS), 7_200)),
        };
        assert_eq!(zone.local(Utc(-1)), None);
        assert_eq!(zone.local(Utc(10 * DAY_MS)), None);
        assert_eq!(zone.local(Utc(DAY_MS - 1)), Some(Local { day: Day(1), minute: 59 }));
        assert_eq!(zone.local(Utc(DAY_MS)), Some(Local { day: Day(1), minute: 120 }));
        assert_eq!(Zone::UTC.local(Utc(i64::MAX - 1)), None, "no day that far ahead");
    }
}
